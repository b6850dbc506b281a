//! The contact's line: lost, tampered with, known again; and what ends when the door is closed.

use super::{Contact, Door, DoorState};
use crate::event::{Class, Qualifier};
use crate::site::out::{Out, change};
use crate::site::zone::FIRST_READING;
use crate::time::Mono;

impl Door {
    /// Its bus is lost: nothing is expected of it.
    pub(in crate::site) fn excuse(&mut self) {
        self.excused = true;
        self.awaited = None;
    }

    /// Its bus is back: it has a while to be known.
    pub(in crate::site) fn await_reading(&mut self, at: Mono) {
        self.excused = false;
        if self.line == Contact::Unknown && !self.watch.stands.lost {
            self.awaited = Some(at.plus(FIRST_READING));
        }
    }

    pub(super) fn lose(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        if self.excused {
            return self.forget(index, at, out);
        }
        let before = self.state;
        self.watch.stands.lost = true;
        self.watch.touch();
        self.event(at, "door.unknown", Qualifier::New, 2, out, |draft| {
            draft.class = Class::Fault;
            draft.state = Some(change(before.as_str(), DoorState::Unknown.as_str()));
        });
        self.forget(index, at, out);
    }

    /// The line is there again.
    pub(super) fn known(&mut self, at: Mono, out: &mut Out<'_>) {
        if std::mem::take(&mut self.watch.stands.lost) {
            self.watch.touch();
            self.event(at, "door.known", Qualifier::Restore, 4, out, |draft| {
                draft.class = Class::Fault;
                draft.closes = Some("door.unknown");
            });
        }
    }

    /// The contact's loop is cut, shorted or swapped: the door is not known, and that is no fault.
    pub(super) fn tamper(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        self.known(at, out);
        if !std::mem::replace(&mut self.watch.stands.tamper, true) {
            self.watch.touch();
            self.event(at, "door.tamper", Qualifier::New, 2, out, |draft| {
                draft.class = Class::Tamper;
            });
            self.forget(index, at, out);
        }
    }

    pub(super) fn untamper(&mut self, at: Mono, out: &mut Out<'_>) {
        if std::mem::take(&mut self.watch.stands.tamper) {
            self.watch.touch();
            self.event(at, "door.tamper_restored", Qualifier::Restore, 4, out, |draft| {
                draft.class = Class::Tamper;
                draft.closes = Some("door.tamper");
            });
        }
    }

    /// What it is now, nobody can say.
    pub(super) fn forget(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        if self.state != DoorState::Unknown {
            self.recorded = self.state;
            self.unknown_since = Some(at);
        }
        self.set(index, DoorState::Unknown, at, out);
    }

    /// It is closed: what its opening was is over.
    pub(super) fn calm(&mut self, at: Mono, out: &mut Out<'_>) {
        let stands = &mut self.watch.stands;
        let over = [
            (std::mem::take(&mut stands.forced), "door.forced", "door.forced_restored"),
            (std::mem::take(&mut stands.propped), "door.propped", "door.propped_restored"),
        ];
        for (_, began, ended) in over.into_iter().filter(|(stood, ..)| *stood) {
            self.watch.touch();
            self.event(at, ended, Qualifier::Restore, 4, out, |draft| {
                draft.class = Class::Alarm;
                draft.closes = Some(began);
            });
        }
    }
}
