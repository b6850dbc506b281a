//! Cameras' pictures as they come off the wire: what is taken for one, and how many.
//!
//! A picture is not an event: nobody waits for its receipt, and a gateway keeps its own. So what is
//! none, or too many, is counted and dropped, and everything else is kept by its SHA-256. That it is
//! its gateway's says only an event `camera.snapshot` with the same SHA-256 (see `store::pictures`).
//!
//! Bounds: [`MAX_SNAPSHOT`] bytes, [`PER_MINUTE`] of a camera, [`MAX_CAMERAS`] of a gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::contract::MAX_SNAPSHOT;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::Mono;
use ring::digest::{SHA256, digest};
use rumqttc::v5::mqttbytes::v5::Publish;

use crate::gaps::MAX_SEQ;

/// Pictures of one camera that are taken within a minute. An alarm has one or two, an operator who
/// watches wants one every few seconds; above this it is no picture any more but a film.
pub(crate) const PER_MINUTE: u32 = 20;

/// Cameras of one gateway whose pictures are taken: as many as things of one kind are kept.
pub(crate) const MAX_CAMERAS: usize = 256;

/// The length of the minute.
const MINUTE: Duration = Duration::from_secs(60);

/// Why something is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no whole JPEG.
    NoJpeg,
    /// It is longer than a picture may be.
    TooLarge,
    /// Its SHA-256 is not the one that came with it: it was changed on its way.
    Changed,
    /// More than [`PER_MINUTE`].
    TooMany,
}

impl Refused {
    pub(crate) const ALL: [Self; 4] = [Self::NoJpeg, Self::TooLarge, Self::Changed, Self::TooMany];

    /// The word in metrics and in the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoJpeg => "no_jpeg",
            Self::TooLarge => "too_large",
            Self::Changed => "changed",
            Self::TooMany => "too_many",
        }
    }
}

/// What is told of a picture beside it, or by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) sha256: String,
    pub(crate) seq: Option<Seq>,
}

/// The camera, if this is the topic of a picture below a gateway's prefix.
pub(crate) fn camera(below: &str) -> Option<&str> {
    below.strip_prefix("snap/")
}

/// The SHA-256 of these bytes, as 64 hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    to_hex(digest(&SHA256, bytes).as_ref())
}

/// What these bytes are, as far as they tell it themselves.
pub(crate) fn judge(publish: &Publish) -> Result<Judged, Refused> {
    let jpeg = &publish.payload[..];
    if jpeg.len() > MAX_SNAPSHOT {
        return Err(Refused::TooLarge);
    }
    if !is_jpeg(jpeg) {
        return Err(Refused::NoJpeg);
    }
    let property = |name: &str| {
        let all = publish.properties.as_ref().map(|properties| &properties.user_properties);
        all.into_iter().flatten().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    };
    let sha256 = sha256(jpeg);
    if property("sha256").is_some_and(|told| !told.eq_ignore_ascii_case(&sha256)) {
        return Err(Refused::Changed);
    }
    let seq = property("seq").and_then(|seq| seq.parse().ok());
    Ok(Judged { sha256, seq: seq.filter(|seq| (1..=MAX_SEQ).contains(seq)).map(Seq) })
}

/// Whether it begins and ends as a JPEG (ITU-T T.81, B.1.1.3: SOI, then another marker; EOI).
pub(crate) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.len() > 4 && bytes.starts_with(&[0xff, 0xd8, 0xff]) && bytes.ends_with(&[0xff, 0xd9])
}

/// Counts the pictures of one gateway's cameras.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    since: Mono,
    cameras: BTreeMap<Id, u32>,
    /// Pictures that were stored since the receiver's start.
    pub(crate) stored: u64,
}

impl Pace {
    /// One more of this camera; says whether it may be kept. The first that may not is logged.
    pub(crate) fn take(&mut self, camera: &Id, now: Mono) -> bool {
        if now.since(self.since) >= MINUTE {
            self.since = now;
            self.cameras.clear();
        }
        let known = self.cameras.len();
        let Some(count) = self.cameras.get_mut(camera) else {
            return known < MAX_CAMERAS && self.cameras.insert(camera.clone(), 1).is_none();
        };
        *count = count.saturating_add(1);
        if *count == PER_MINUTE + 1 {
            tracing::warn!(%camera, "more than {PER_MINUTE} pictures of a camera within a minute; \
                            the others are dropped");
        }
        *count <= PER_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::PublishProperties;

    use super::*;

    fn publish(payload: Vec<u8>, properties: &[(&str, &str)]) -> Publish {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let user_properties = properties.iter().map(own).collect();
        let properties = PublishProperties { user_properties, ..PublishProperties::default() };
        Publish::new("x/snap/c1", QoS::AtLeastOnce, payload, Some(properties))
    }

    fn jpeg(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
        bytes[length - 2..].copy_from_slice(&[0xff, 0xd9]);
        bytes
    }

    #[test]
    fn a_picture_is_a_whole_jpeg_of_the_contracts_size_and_of_its_own_digest() {
        let good = jpeg(900);
        let own = sha256(&good);
        assert_eq!(sha256(b"abc")[..16], *"ba7816bf8f01cfea", "FIPS 180-4");
        let judged = judge(&publish(good.clone(), &[("sha256", &own), ("seq", "12")])).unwrap();
        assert_eq!(judged, Judged { sha256: own.clone(), seq: Some(Seq(12)) });
        // With MQTT 3.1.1 nothing is told beside it.
        let bare = judge(&publish(good.clone(), &[])).unwrap();
        assert_eq!(bare, Judged { sha256: own, seq: None });
        let wrong = judge(&publish(good.clone(), &[("sha256", &"0".repeat(64))]));
        assert_eq!(wrong, Err(Refused::Changed));
        assert_eq!(judge(&publish(good.clone(), &[("seq", "0")])).unwrap().seq, None);
        for cut in [0, 2, 4, 899] {
            let cut = good[..cut].to_vec();
            assert_eq!(judge(&publish(cut, &[])), Err(Refused::NoJpeg));
        }
        assert_eq!(judge(&publish(b"\x89PNG\r\n".to_vec(), &[])), Err(Refused::NoJpeg));
        assert!(judge(&publish(jpeg(MAX_SNAPSHOT), &[])).is_ok());
        assert_eq!(judge(&publish(jpeg(MAX_SNAPSHOT + 1), &[])), Err(Refused::TooLarge));
    }

    #[test]
    fn a_camera_that_sends_a_film_does_not_take_the_others_places() {
        let id = |text: &str| -> Id { text.parse().unwrap() };
        let s = |seconds: u64| Mono(seconds * 1_000_000_000);
        let (mut pace, film, other) = (Pace::default(), id("film"), id("other"));
        let taken = (0..100).filter(|_| pace.take(&film, s(100))).count();
        assert_eq!(taken, PER_MINUTE as usize);
        assert!(pace.take(&other, s(101)) && !pace.take(&film, s(159)) && pace.take(&film, s(160)));
        let many = (0..1000).filter(|n| pace.take(&id(&format!("c{n}")), s(161))).count();
        assert_eq!(many, MAX_CAMERAS - 1);
    }
}
