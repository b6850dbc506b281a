//! Pictures in the committing thread: stored for themselves, after every event of their batch, and
//! what events say of them, with the event.

use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::topic;

use super::{Desk, Inbound};
use crate::meter::add;
use crate::pictures::{self, Judged, Refused};
use crate::store::pictures::{Told, incident_of, is_shot};
use crate::store::{NewPicture, NewShot, StoreError, Writer};
use crate::wire::Head;

/// Pictures in one commit: 4 MiB at most, which a slow disk writes within a blink.
const TOGETHER: usize = 16;

/// A picture that is to be kept.
struct Fresh<'a> {
    at: usize,
    camera: Id,
    judged: Judged,
    inbound: &'a Inbound,
}

/// Whether a message came as a picture.
pub(super) fn is_picture(inbound: &Inbound) -> bool {
    place(inbound).is_some()
}

/// The gateway's prefix, and the camera.
fn place(inbound: &Inbound) -> Option<(&str, &str)> {
    let topic = std::str::from_utf8(&inbound.publish.topic).ok()?;
    debug_assert!(topic.starts_with(topic::ROOT), "nothing else is subscribed to");
    let (end, _) = topic.match_indices('/').nth(4)?;
    Some((&topic[..end], pictures::camera(&topic[end + 1..])?))
}

impl Desk {
    /// Stores pictures, trying again for as long as it takes. False only if the receiver is to stop
    /// and the database still takes nothing.
    pub(super) fn keep_pictures(
        &mut self,
        writer: &mut dyn Writer,
        batch: &[&Inbound],
        stop: bool,
    ) -> bool {
        let mut wanted = Vec::new();
        for inbound in batch {
            match self.judged(inbound) {
                Ok(fresh) => wanted.extend(fresh),
                Err(why) => {
                    tracing::debug!(topic = ?inbound.publish.topic, why = why.as_str(),
                        "what came as a picture is not kept");
                    self.parts.meter.refused(why);
                }
            }
        }
        // Few at a time: whoever comes meanwhile waits for some of them, and not for all.
        for some in wanted.chunks(TOGETHER) {
            let work = |desk: &mut Self, writer: &mut dyn Writer| {
                let new = some.iter().map(|one| NewPicture {
                    address: &desk.gateways[one.at].address,
                    camera: &one.camera,
                    sha256: &one.judged.sha256,
                    seq: one.judged.seq,
                    recv: one.inbound.at.utc,
                    jpeg: &one.inbound.publish.payload,
                });
                writer.pictures(&new.collect::<Vec<_>>())
            };
            let Some(kept) = self.insist(writer, some.len(), stop, work) else { return false };
            let now = self.parts.clock.now();
            for (one, _) in some.iter().zip(kept).filter(|(_, fresh)| *fresh) {
                self.gateways[one.at].pictures.stored += 1;
                self.touched.insert(one.at);
                add(&self.parts.meter.pictures, 1);
            }
            self.expiry.stored(now.mono);
            self.settle(now, |_| {});
        }
        true
    }

    /// Whether a picture is one, and may be kept; none: of nobody that is known.
    fn judged<'a>(&mut self, inbound: &'a Inbound) -> Result<Option<Fresh<'a>>, Refused> {
        let Some((prefix, camera)) = place(inbound) else { return Ok(None) };
        let Ok(camera) = camera.parse::<Id>() else { return Ok(None) };
        let Some(at) = self.gateway(prefix) else { return Ok(None) };
        let judged = pictures::judge(&inbound.publish)?;
        if !self.gateways[at].pictures.take(&camera, inbound.at.mono) {
            return Err(Refused::TooMany);
        }
        Ok(Some(Fresh { at, camera, judged, inbound }))
    }

    /// Keeps what an event says of a picture, in the transaction of the event.
    pub(super) fn shot(
        &self,
        writer: &mut dyn Writer,
        at: usize,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<(), StoreError> {
        if head.class != Class::Camera || !is_shot(&head.kind) {
            return Ok(());
        }
        let gateway = &self.gateways[at];
        let (Some((gw, _)), Some(told)) = (gateway.known, Told::read(body)) else {
            tracing::warn!(gateway = %gateway.address, seq = head.seq.0,
                "an event of a picture that names none");
            return Ok(());
        };
        let mut incident = told.incident.clone();
        let mut of = told.of.filter(|_| incident.is_none());
        if told.of.is_none() && incident.is_none() {
            incident = Some(String::new());
        }
        // The event that it is of, and of a restore the one that this ends.
        for _ in 0..2 {
            let Some(body) = of.map(|of| writer.body(gw, of)).transpose()?.flatten() else { break };
            match incident_of(&body) {
                Ok(found) => incident = Some(found.unwrap_or_default()),
                Err(opens) => {
                    of = Some(opens);
                    continue;
                }
            }
            break;
        }
        let (address, seq) = (&*gateway.address, head.seq);
        writer.shot(&NewShot { address, gw, seq, told: &told, incident })
    }
}
