//! Doors in their site: what opens them, and who went through.

use serde_json::json;

use super::arming::By;
use super::command::{Answer, Refusal};
use super::out::Out;
use super::{Contact, Drive, Effect, Mode, Site};
use crate::event::{Class, Qualifier};
use crate::time::Mono;

impl Site {
    /// What a door's contact says.
    pub(super) fn door_contact(
        &mut self,
        index: usize,
        contact: Contact,
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) {
        let Some(door) = self.doors.get_mut(index) else { return };
        let Some(opening) = door.contact(index, contact, at, resynced, out) else { return };
        let partition = door.partition().map(|place| &self.partitions[place]);
        let mode = partition.map_or(Mode::Disarmed, super::partition::Partition::protects);
        door.suspect(opening, mode);
        for pass in door.passed(at) {
            self.moves(&pass, out);
        }
    }

    /// What a request-to-exit input says. It always explains an opening; late, it releases nothing.
    pub(super) fn rex(&mut self, index: usize, pressed: bool, at: Mono, out: &mut Out<'_>) {
        let Some(door) = self.doors.get_mut(index) else { return };
        let pressed_now = door.rex(index, pressed, at, out);
        let releases = door.config().rex.as_ref().is_some_and(|rex| rex.releases);
        if !pressed_now || !releases || out.now.mono.since(at) > self.access.late {
            return;
        }
        if self.drive_lock(index, out) {
            self.doors[index].grant(at, out.now.mono);
            self.released(index, "request to exit", None, at, out);
        }
    }

    /// Somebody wants a door released.
    pub(super) fn release(
        &mut self,
        index: usize,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        let refused = |reason| Answer::Refused { reason, blockers: Vec::new() };
        let Some(door) = self.doors.get_mut(index) else { return refused(Refusal::Unknown) };
        if !door.config().release_allowed || door.config().lock.is_none() {
            return refused(Refusal::NotAllowed);
        }
        if out.now.mono.since(at) > self.access.late {
            return refused(Refusal::Late);
        }
        door.grant(at, out.now.mono);
        self.drive_lock(index, out);
        self.released(index, "wanted", Some(by), at, out);
        Answer::Done
    }

    /// Lets a door open, if the site lets the gateway. Says whether it does.
    pub(super) fn drive_lock(&self, index: usize, out: &mut Out<'_>) -> bool {
        let config = self.doors[index].config();
        let Some(lock) = config.lock.as_ref().filter(|_| config.release_allowed) else {
            return false;
        };
        let drive = Drive::Pulse(lock.pulse);
        out.effects.push(Effect::Output { output: lock.output, drive });
        true
    }

    fn released(
        &self,
        index: usize,
        cause: &'static str,
        by: Option<By<'_>>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let status = Qualifier::Status;
        self.doors[index].event(at, "door.released", status, 5, out, |draft| {
            draft.class = Class::Access;
            draft.cause = Some(cause.to_owned());
            if let Some(by) = by {
                draft.actor = by.actor.map(str::to_owned);
                draft.detail = Some(json!({ "via": by.via.as_str() }));
            }
        });
    }
}
