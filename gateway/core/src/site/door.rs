//! One door: `unknown`, `closed`, `open`, `held-open`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::out::{Head, Out, change, found};
use super::{Contact, DoorConfig, Thing};
use crate::event::{Class, Draft, Qualifier};
use crate::time::Mono;

/// The types of event that doors make.
///
/// `door.found` is the first stable reading of a closed door that the record knows nothing of: a
/// status without an end. A door that is found open then is `door.opened`, from `unknown`: an open
/// door needs a beginning, or its `door.closed` would end nothing and nobody could list it as open.
pub const EVENT_TYPES: [&str; 7] = [
    "door.found",
    "door.opened",
    "door.closed",
    "door.held_open",
    "door.held_open_ended",
    "door.unknown",
    "door.known",
];

/// What is known of a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DoorState {
    /// Not known: no stable reading yet, or the line is lost. Never shown as closed.
    #[default]
    Unknown,
    /// Closed.
    Closed,
    /// Open, not longer than allowed.
    Open,
    /// Open longer than `held-open-s`.
    HeldOpen,
}

impl DoorState {
    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HeldOpen => "held-open",
        }
    }

    /// Whether the door stands open.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::HeldOpen)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Door {
    config: DoorConfig,
    state: DoorState,
    /// When it was opened, as far as this boot saw it.
    opened: Option<Mono>,
    /// The state that the record shows: of before this start, or of before the line was lost.
    recorded: DoorState,
    /// Whether the record is of before this start.
    before_start: bool,
    /// Whether `door.unknown` stands in the record without its restore.
    lost: bool,
}

impl Door {
    pub(super) const fn new(config: DoorConfig) -> Self {
        Self {
            config,
            state: DoorState::Unknown,
            opened: None,
            recorded: DoorState::Unknown,
            before_start: true,
            lost: false,
        }
    }

    pub(super) const fn config(&self) -> &DoorConfig {
        &self.config
    }

    pub(super) const fn state(&self) -> DoorState {
        self.state
    }

    pub(super) fn recall(&mut self, state: DoorState) {
        if self.before_start {
            self.recorded = state;
        }
    }

    /// When it will have been open too long.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match (self.state, self.opened, self.config.held_open) {
            (DoorState::Open, Some(opened), Some(limit)) => Some(opened.plus(limit)),
            _ => None,
        }
    }

    pub(super) fn expire(&mut self, index: usize, until: Mono, out: &mut Out<'_>) {
        let Some(deadline) = self.deadline().filter(|deadline| *deadline <= until) else { return };
        self.event(deadline, "door.held_open", Qualifier::New, 3, out, |draft| {
            draft.state = Some(change(DoorState::Open.as_str(), DoorState::HeldOpen.as_str()));
        });
        self.set(index, DoorState::HeldOpen, deadline, out);
    }

    pub(super) fn contact(
        &mut self,
        index: usize,
        contact: Contact,
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) {
        match (contact, self.state) {
            (Contact::Unknown, DoorState::Unknown)
            | (Contact::Closed, DoorState::Closed)
            | (Contact::Open, DoorState::Open | DoorState::HeldOpen) => {}
            (Contact::Unknown, _) => self.lose(index, at, out),
            (Contact::Closed | Contact::Open, DoorState::Unknown) => {
                self.find(index, contact, at, resynced, out);
            }
            (Contact::Open, before @ DoorState::Closed) => {
                self.open(index, at, before, false, resynced, out);
            }
            (Contact::Closed, DoorState::Open | DoorState::HeldOpen) => {
                self.close(index, at, self.state, false, resynced, out);
            }
        }
    }

    /// The first stable reading after a start, or after the line was lost.
    fn find(
        &mut self,
        index: usize,
        contact: Contact,
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) {
        let while_down = self.before_start;
        self.before_start = false;
        if std::mem::take(&mut self.lost) {
            self.event(at, "door.known", Qualifier::Restore, 4, out, |draft| {
                draft.class = Class::Fault;
                draft.closes = Some("door.unknown");
            });
        }
        let resynced = resynced || !while_down;
        match (contact, self.recorded) {
            (Contact::Open, before @ (DoorState::Open | DoorState::HeldOpen)) => {
                // Open before and open now. How long it has stood open is counted anew, since
                // nobody saw what happened between; but what was reported held open stays so
                // until its restore.
                self.opened = Some(at);
                self.set(index, before, at, out);
            }
            // The record knows nothing of this door: what it was while the box was down, or whether
            // it moved at all, nobody can say. From here on the record knows.
            (Contact::Open, before @ DoorState::Unknown) => {
                self.open(index, at, before, false, resynced, out);
            }
            (_, before @ DoorState::Unknown) => {
                self.event(at, "door.found", Qualifier::Status, 5, out, |draft| {
                    draft.state = Some(change(before.as_str(), DoorState::Closed.as_str()));
                    draft.flags = found(false, resynced);
                });
                self.set(index, DoorState::Closed, at, out);
            }
            (Contact::Open, before @ DoorState::Closed) => {
                self.open(index, at, before, while_down, resynced, out);
            }
            (_, before @ (DoorState::Open | DoorState::HeldOpen)) => {
                self.close(index, at, before, while_down, resynced, out);
            }
            (_, DoorState::Closed) => self.set(index, DoorState::Closed, at, out),
        }
    }

    fn lose(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        let before = self.state;
        self.recorded = before;
        self.lost = true;
        self.event(at, "door.unknown", Qualifier::New, 2, out, |draft| {
            draft.class = Class::Fault;
            draft.state = Some(change(before.as_str(), DoorState::Unknown.as_str()));
        });
        self.set(index, DoorState::Unknown, at, out);
    }

    fn open(
        &mut self,
        index: usize,
        at: Mono,
        before: DoorState,
        while_down: bool,
        resynced: bool,
        out: &mut Out<'_>,
    ) {
        self.event(at, "door.opened", Qualifier::New, 4, out, |draft| {
            draft.state = Some(change(before.as_str(), DoorState::Open.as_str()));
            draft.flags = found(while_down, resynced);
        });
        self.opened = Some(at);
        self.set(index, DoorState::Open, at, out);
    }

    fn close(
        &mut self,
        index: usize,
        at: Mono,
        before: DoorState,
        while_down: bool,
        resynced: bool,
        out: &mut Out<'_>,
    ) {
        if before == DoorState::HeldOpen {
            self.event(at, "door.held_open_ended", Qualifier::Restore, 4, out, |draft| {
                draft.closes = Some("door.held_open");
            });
        }
        self.event(at, "door.closed", Qualifier::Restore, 4, out, |draft| {
            draft.state = Some(change(before.as_str(), DoorState::Closed.as_str()));
            draft.closes = Some("door.opened");
            draft.flags = found(while_down, resynced);
        });
        self.opened = None;
        self.set(index, DoorState::Closed, at, out);
    }

    fn set(&mut self, index: usize, state: DoorState, at: Mono, out: &mut Out<'_>) {
        self.state = state;
        if state != DoorState::Unknown {
            self.recorded = state;
        }
        out.state(Thing::Door(index), state.as_str(), Vec::new(), at);
    }

    fn event(
        &self,
        at: Mono,
        kind: &'static str,
        qualifier: Qualifier,
        severity: u8,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("door", &self.config.id);
        let head = Head { class: Class::Door, kind, qualifier, severity, source };
        out.record(at, head, |draft| {
            draft.partition.clone_from(&self.config.partition);
            draft.source.driver = Some(self.config.driver.clone());
            fill(draft);
        });
    }
}
