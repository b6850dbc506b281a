//! What explains an opening: a grant, a request to exit. Without either it is forced.

use super::watch::{Opening, Pass, Suspicion};
use super::{Door, DoorState};
use crate::event::{Class, Qualifier};
use crate::site::Mode;
use crate::site::out::{Out, found};
use crate::site::reconfigure::CHANGED;
use crate::time::Mono;

impl Door {
    /// An opening is forced unless something explains it, now or in a moment. One that happened
    /// while the box was down is only told, unless the partition was armed.
    pub(in crate::site) fn suspect(&mut self, opening: Opening, mode: Mode) {
        let excused = opening.while_down && mode == Mode::Disarmed;
        if !self.guarded || self.watch.stands.forced || self.watch.suspected.is_some() {
            return;
        }
        if !excused && !self.watch.explains(opening) {
            let arming = (mode != Mode::Disarmed).then(|| mode.as_str());
            let Opening { at, while_down, .. } = opening;
            self.watch.suspected = Some(Suspicion { at, while_down, arming });
            self.watch.touch();
        }
    }

    pub(super) fn tell_forced(&mut self, index: usize, due: Mono, out: &mut Out<'_>) {
        let Some(suspicion) = self.watch.suspected.take() else { return };
        self.watch.stands.forced = true;
        self.watch.touch();
        self.event(suspicion.at, "door.forced", Qualifier::New, 2, out, |draft| {
            draft.class = Class::Alarm;
            draft.arming = suspicion.arming.map(Into::into);
            draft.cause = Some("opened without a grant or a request to exit".to_owned());
            draft.flags = found(suspicion.while_down, false);
        });
        if self.state == DoorState::Closed {
            self.calm(due, out);
        }
        self.set(index, self.state, due, out);
    }

    /// Somebody may open it: until the lock has fallen and they have pulled.
    pub(in crate::site) fn grant(&mut self, at: Mono, now: Mono) {
        self.watch.explain(at, now.plus(self.config.window()));
    }

    /// Who was granted has passed once it opens. One that is not known to be closed may be passed
    /// already.
    pub(in crate::site) fn pass(&mut self, mut pass: Pass, now: Mono) -> Option<Pass> {
        if self.state != DoorState::Closed {
            return Some(pass);
        }
        pass.until = now.plus(self.config.window());
        self.watch.pass(pass, now);
        None
    }

    pub(in crate::site) fn passed(&mut self, at: Mono) -> Vec<Pass> {
        self.watch.passed(at)
    }

    /// The request-to-exit input was pressed or let go. Says whether it was pressed just now: one
    /// that was found pressed at the start was not.
    pub(in crate::site) fn rex(
        &mut self,
        index: usize,
        pressed: bool,
        at: Mono,
        out: &mut Out<'_>,
    ) -> bool {
        let Some(hold) = self.config.rex.as_ref().map(|rex| rex.hold) else { return false };
        let was = self.watch.pressed;
        let first = !std::mem::replace(&mut self.watch.rex_known, true);
        self.watch.pressed = if pressed { was.or(Some(at)) } else { None };
        if pressed == was.is_some() && !self.watch.stands.stuck {
            return false;
        }
        if !pressed && std::mem::take(&mut self.watch.stands.stuck) {
            self.watch.touch();
            self.event(at, "door.rex_stuck_restored", Qualifier::Restore, 4, out, |draft| {
                draft.class = Class::Fault;
                draft.closes = Some("door.rex_stuck");
            });
            self.set(index, self.state, at, out);
            return false;
        }
        if self.watch.stands.stuck {
            return false;
        }
        self.watch.explain(at, at.plus(hold));
        pressed && !first
    }

    /// Nobody can say any more whether it is pressed: from here on it explains nothing.
    pub(in crate::site) fn rex_lost(&mut self, at: Mono) {
        self.watch.rex_known = false;
        if self.watch.pressed.take().is_some() && !self.watch.stands.stuck {
            // Until here it was.
            self.watch.explain(at, at);
        }
    }

    /// The request-to-exit input is another one, or none: nothing is known of it.
    pub(super) fn release_rex(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        self.watch.pressed = None;
        self.watch.rex_known = false;
        if std::mem::take(&mut self.watch.stands.stuck) {
            self.watch.touch();
            self.event(at, "door.rex_stuck_restored", Qualifier::Restore, 4, out, |draft| {
                draft.class = Class::Fault;
                draft.closes = Some("door.rex_stuck");
                draft.cause = Some(CHANGED.to_owned());
            });
            self.show(index, at, out);
        }
    }
}
