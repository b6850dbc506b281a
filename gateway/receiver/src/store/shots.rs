//! What an event `camera.snapshot` says of a picture, and which incident it belongs to.

use gatehouse_core::event::Event;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::topic::Address;
use serde::Deserialize;

/// What an event says of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewShot<'a> {
    pub(crate) address: &'a Address,
    pub(crate) gw: i64,
    pub(crate) seq: Seq,
    pub(crate) told: &'a Told,
    /// The incident that it belongs to; an empty one: to none; nothing: the event that it is of has
    /// not come yet.
    pub(crate) incident: Option<String>,
}

/// The same as the event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) camera: Id,
    pub(crate) sha256: String,
    /// The event that it was taken of.
    pub(crate) of: Option<Seq>,
    /// As the event names it, if it does.
    pub(crate) incident: Option<String>,
    /// Nobody at the site may notice what it was taken of.
    pub(crate) silent: bool,
    pub(crate) masked: bool,
    pub(crate) bytes: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The type of the event that tells of a picture.
pub(crate) const SHOT: &str = "camera.snapshot";

/// The same of what nobody at the site may notice.
pub(crate) const SILENT: &str = "camera.snapshot_silent";

/// Whether events of this type tell of a picture.
pub(crate) fn is_shot(kind: &str) -> bool {
    kind == SHOT || kind == SILENT
}

impl Told {
    /// What these bytes say, if they are such an event.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        Self::of(&serde_json::from_slice(body).ok()?)
    }

    /// The same of an event.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        #[derive(Deserialize)]
        struct Detail {
            #[serde(default)]
            of: Option<Seq>,
            sha256: String,
            #[serde(default)]
            incident: Option<String>,
            #[serde(default)]
            masked: bool,
            #[serde(default)]
            bytes: u64,
            #[serde(default)]
            width: u32,
            #[serde(default)]
            height: u32,
        }
        let draft = &event.draft;
        if !is_shot(&draft.kind) || draft.source.kind != "camera" {
            return None;
        }
        let detail = Detail::deserialize(draft.detail.as_ref()?).ok()?;
        let Detail { of, sha256, incident, masked, bytes, width, height } = detail;
        let camera = draft.source.id.clone();
        let silent = draft.kind == SILENT;
        is_sha256(&sha256).then_some(Self {
            camera,
            sha256,
            of,
            incident,
            silent,
            masked,
            bytes,
            width,
            height,
        })
    }
}

/// Whether a text is a SHA-256 as this receiver writes it.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The incident that an event belongs to: the one that it names, or that it is about. A restore has
/// that of what it ends, whose number is the error.
pub(crate) fn incident_of(body: &[u8]) -> Result<Option<String>, Seq> {
    #[derive(Deserialize)]
    struct Only {
        source: Source,
        #[serde(default)]
        detail: Option<serde_json::Value>,
        #[serde(default)]
        opens: Option<Seq>,
    }
    #[derive(Deserialize)]
    struct Source {
        kind: String,
        id: String,
    }
    let Ok(Only { source, detail, opens }) = serde_json::from_slice(body) else { return Ok(None) };
    if source.kind == "incident" {
        return Ok(Some(source.id));
    }
    let named = detail.as_ref().and_then(|detail| detail.get("incident")?.as_str());
    match (named, opens) {
        (Some(named), _) => Ok(Some(named.to_owned())),
        (None, Some(opens)) => Err(opens),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_of_the_incident_that_it_names_is_about_or_ends() {
        let of = |event: serde_json::Value| incident_of(event.to_string().as_bytes());
        let zone = json!({"kind": "zone", "id": "hall"});
        let named = json!({"source": zone, "detail": {"incident": "a1"}, "opens": 4});
        assert_eq!(of(named), Ok(Some("a1".to_owned())));
        let about = json!({"source": {"kind": "incident", "id": "a2"}});
        assert_eq!(of(about), Ok(Some("a2".to_owned())));
        assert_eq!(of(json!({"source": zone, "opens": 4})), Err(Seq(4)));
        assert_eq!(of(json!({"source": zone, "detail": null})), Ok(None));
        assert_eq!(incident_of(b"{\"expired\":true}"), Ok(None), "it has had its time");
    }

    #[test]
    fn a_digest_is_64_small_hex_digits() {
        assert!(is_sha256(&"0af9".repeat(16)));
        for wrong in ["", "0", &"0AF9".repeat(16), &"0af9".repeat(17), &"g".repeat(64)] {
            assert!(!is_sha256(wrong), "{wrong}");
        }
    }
}
