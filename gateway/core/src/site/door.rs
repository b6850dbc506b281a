//! One door: `unknown`, `closed`, `open`, `held-open`; and what it may stand in besides: forced,
//! propped, tampered with.
//!
//! `door.found` is the first stable reading of a closed door that the record knows nothing of: a
//! status without an end. A door that is found open then is `door.opened`, from `unknown`: an open
//! door needs a beginning, or its `door.closed` would end nothing and nobody could list it as open.

mod explain;
mod line;
mod watch;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::out::{Head, Out, change, found};
use super::reconfigure::GONE;
use super::{Contact, DoorConfig, Effect, Sound, Thing};
use crate::event::{Class, Draft, Qualifier};
use crate::time::{Mono, Now};
pub(super) use watch::{KeptDoor, Opening, Pass};
use watch::{REREAD, SLACK, Watch};

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
    /// Its partition, by its place.
    partition: Option<usize>,
    /// An opening that nothing explains is forced.
    guarded: bool,
    state: DoorState,
    /// When it was opened, as far as this boot saw it.
    opened: Option<Mono>,
    /// The state that the record shows: of before this start, or of before the line was lost.
    recorded: DoorState,
    /// Whether the record is of before this start.
    before_start: bool,
    /// What the contact said last.
    line: Contact,
    /// Since when it is not known, if it was.
    unknown_since: Option<Mono>,
    /// Its bus is lost, which is told once for all that hang on it.
    excused: bool,
    /// Its bus is back: not known by then, it is lost by itself.
    awaited: Option<Mono>,
    /// The opening of the present input.
    opening: Option<Opening>,
    watch: Watch,
}

/// What a door waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Duty {
    Forced,
    HeldOpen,
    Propped,
    Stuck,
    Lost,
}

impl Door {
    pub(super) fn new(config: DoorConfig, partition: Option<usize>, guarded: bool) -> Self {
        Self {
            guarded: guarded && config.forced,
            config,
            partition,
            state: DoorState::Unknown,
            opened: None,
            recorded: DoorState::Unknown,
            before_start: true,
            line: Contact::Unknown,
            unknown_since: None,
            excused: false,
            awaited: None,
            opening: None,
            watch: Watch::default(),
        }
    }

    pub(super) const fn config(&self) -> &DoorConfig {
        &self.config
    }

    pub(super) const fn state(&self) -> DoorState {
        self.state
    }

    #[cfg(test)]
    pub(super) const fn recorded(&self) -> DoorState {
        self.recorded
    }

    pub(super) const fn partition(&self) -> Option<usize> {
        self.partition
    }

    pub(super) fn recall(&mut self, state: DoorState) {
        if self.before_start {
            self.recorded = state;
        }
    }

    pub(super) fn restore(
        &mut self,
        kept: KeptDoor,
        area: impl Fn(&str) -> Option<usize>,
        boot: &str,
        now: &Now,
    ) {
        let hold = self.config.rex.as_ref().map(|rex| rex.hold).unwrap_or_default();
        self.watch.restore(kept, self.config.window().max(hold), area, boot, now);
    }

    /// Goes on from what the same door was under another configuration; `areas`: their new places
    /// by the old ones.
    pub(super) fn take_over(
        &mut self,
        index: usize,
        old: Self,
        areas: &[usize],
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let Self {
            config,
            partition: _,
            guarded: _,
            state,
            opened,
            recorded,
            before_start,
            line,
            unknown_since,
            excused,
            awaited,
            opening: _,
            watch,
        } = old;
        self.watch = watch.moved(areas);
        (self.state, self.opened, self.recorded) = (state, opened, recorded);
        (self.before_start, self.line, self.unknown_since) = (before_start, line, unknown_since);
        let exit = |config: &DoorConfig| config.rex.as_ref().map(|rex| rex.driver.clone());
        if exit(&config) != exit(&self.config) {
            self.release_rex(index, at, out);
        }
        if config.driver == self.config.driver {
            (self.excused, self.awaited) = (excused, awaited);
        } else {
            // Another wire: what it says is compared with what the old one said.
            self.before_start = false;
            self.line = Contact::Unknown;
            self.forget(index, at, out);
            self.await_reading(at);
        }
    }

    /// Ends what stands open of it: it is gone. Whether it is open or closed, nobody knows: that is
    /// not ended, and found in the record if it comes back.
    pub(super) fn finish(&mut self, at: Mono, out: &mut Out<'_>) {
        let stands = self.watch.stands;
        let held = self.state == DoorState::HeldOpen;
        let over = [
            (held, Class::Door, "door.held_open", "door.held_open_ended"),
            (stands.forced, Class::Alarm, "door.forced", "door.forced_restored"),
            (stands.propped, Class::Alarm, "door.propped", "door.propped_restored"),
            (stands.tamper, Class::Tamper, "door.tamper", "door.tamper_restored"),
            (stands.lost, Class::Fault, "door.unknown", "door.known"),
            (stands.stuck, Class::Fault, "door.rex_stuck", "door.rex_stuck_restored"),
        ];
        for (_, class, began, ended) in over.into_iter().filter(|(stood, ..)| *stood) {
            self.event(at, ended, Qualifier::Restore, 4, out, |draft| {
                draft.class = class;
                draft.closes = Some(began);
                draft.cause = Some(GONE.to_owned());
            });
        }
        self.watch.stands = watch::Stands::default();
    }

    pub(super) fn show(&self, index: usize, at: Mono, out: &mut Out<'_>) {
        out.state(Thing::Door(index), self.state.as_str(), self.watch.stands.flags(), at);
    }

    /// Hands out what changed of that which outlives a restart.
    pub(super) fn keep(&mut self, area: impl Fn(usize) -> String, out: &mut Out<'_>) {
        if let Some(kept) = self.watch.kept(area, out) {
            out.keep(format!("door/{}", self.config.id), &kept);
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.due().map(|(at, _)| at)
    }

    fn due(&self) -> Option<(Mono, Duty)> {
        let open = self.opened.filter(|_| self.state.is_open());
        let after = |limit: Option<std::time::Duration>| Some(open?.plus(limit?));
        let held = after(self.config.held_open).filter(|_| self.state == DoorState::Open);
        let propped = after(self.config.propped).filter(|_| !self.watch.stands.propped);
        let forced = self.watch.suspected.map(|suspicion| suspicion.at.plus(SLACK));
        let stuck = self.watch.pressed.filter(|_| !self.watch.stands.stuck);
        let stuck = stuck.and_then(|since| Some(since.plus(self.config.rex.as_ref()?.stuck_after)));
        let all = [
            forced.map(|at| (at, Duty::Forced)),
            held.map(|at| (at, Duty::HeldOpen)),
            propped.map(|at| (at, Duty::Propped)),
            stuck.map(|at| (at, Duty::Stuck)),
            self.awaited.map(|at| (at, Duty::Lost)),
        ];
        all.into_iter().flatten().min()
    }

    /// The earliest deadline has come.
    pub(super) fn expire(&mut self, index: usize, out: &mut Out<'_>) {
        let Some((at, duty)) = self.due() else { return };
        match duty {
            Duty::Forced => self.tell_forced(index, at, out),
            Duty::HeldOpen => {
                self.event(at, "door.held_open", Qualifier::New, 3, out, |draft| {
                    draft.state =
                        Some(change(DoorState::Open.as_str(), DoorState::HeldOpen.as_str()));
                });
                if self.config.chime {
                    out.effects.push(Effect::Chime { of: Thing::Door(index), sound: Sound::Chime });
                }
                self.set(index, DoorState::HeldOpen, at, out);
            }
            Duty::Propped => {
                self.watch.stands.propped = true;
                self.watch.touch();
                self.event(at, "door.propped", Qualifier::New, 2, out, |draft| {
                    draft.class = Class::Alarm;
                });
                self.set(index, self.state, at, out);
            }
            Duty::Stuck => {
                self.watch.stands.stuck = true;
                self.watch.touch();
                self.event(at, "door.rex_stuck", Qualifier::New, 3, out, |draft| {
                    draft.class = Class::Fault;
                });
                self.set(index, self.state, at, out);
            }
            Duty::Lost => {
                self.awaited = None;
                self.lose(index, at, out);
            }
        }
    }

    /// What the contact says. An opening comes back, to be looked at by who knows the partitions.
    pub(super) fn contact(
        &mut self,
        index: usize,
        contact: Contact,
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) -> Option<Opening> {
        let line = std::mem::replace(&mut self.line, contact);
        if contact != Contact::Unknown {
            self.awaited = None;
        }
        match (contact, self.state) {
            (Contact::Tamper, _) => self.tamper(index, at, out),
            // A loop that was cut where it had been tampered with.
            (Contact::Unknown, DoorState::Unknown) if line == Contact::Tamper => {
                self.lose(index, at, out);
            }
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
        self.opening.take()
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
        self.known(at, out);
        self.untamper(at, out);
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
                self.opening = None;
            }
            (_, before @ DoorState::Unknown) => {
                self.calm(at, out);
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
            (_, DoorState::Closed) => {
                self.calm(at, out);
                self.set(index, DoorState::Closed, at, out);
            }
        }
        self.unknown_since = None;
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
        let since = match self.unknown_since {
            Some(since) => since,
            None if resynced => Mono(at.0.saturating_sub(Mono::default().plus(REREAD).0)),
            None => at,
        };
        self.opening = Some(Opening { at, since, while_down });
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
        self.calm(at, out);
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
        self.show(index, at, out);
    }

    pub(super) fn event(
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
