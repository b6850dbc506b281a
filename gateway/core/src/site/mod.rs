//! The rules of a site as one pure function: [`Site::apply`]`(input, now) -> effects`.
//!
//! The site owns no clock and no wires. Inputs carry the kernel's timestamp of what happened;
//! `now` says what is known of the clocks while the input is looked at. Deadlines that the rules
//! wait for come out of [`Site::next_deadline`] and go in again as [`Input::Tick`].
//!
//! Unknown is not closed: every door is `unknown` until its contact was stable once, and again
//! when its line is lost.

mod config;
mod door;
mod recall;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use config::{DoorConfig, SiteConfig};
pub use door::{DoorState, EVENT_TYPES};
pub use recall::recalled;

use crate::event::{Class, Draft, Flag, Qualifier, Source};
use crate::id::Id;
use crate::time::{Mono, Now, Time, UtcMs};
use door::Door;

/// What a contact says once it is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// Not known: just started, or the line was lost.
    Unknown,
    /// The door is closed.
    Closed,
    /// The door is open.
    Open,
}

/// Something that happened to the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A contact became stable, or was lost.
    Contact {
        /// The door's place in [`SiteConfig::doors`].
        door: usize,
        /// What it says now.
        contact: Contact,
        /// The kernel's timestamp of the edge (of the finding, if there was no edge).
        at: Mono,
        /// Found by re-reading the level.
        resynced: bool,
    },
    /// What the journal knows of a door from before this start.
    Recall {
        /// The door's place in [`SiteConfig::doors`].
        door: usize,
        /// Its last recorded state.
        state: DoorState,
    },
    /// A technical report of the gateway itself: a chip is gone, a broker does not answer.
    Report(Report),
    /// A deadline may have passed.
    Tick,
}

/// A technical report, as [`Input::Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `fault` or `system`, mostly.
    pub class: Class,
    /// The event's type.
    pub kind: &'static str,
    /// Begins, ends or reports.
    pub qualifier: Qualifier,
    /// 1 to 5.
    pub severity: u8,
    /// What it concerns: a kind of thing and its id.
    pub source: (&'static str, Id),
    /// The type of event that this one ends.
    pub closes: Option<&'static str>,
    /// Why.
    pub cause: Option<String>,
    /// Facts.
    pub detail: Option<serde_json::Value>,
    /// When; `None`: now.
    pub at: Option<Mono>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a few at a time, and most are records")]
pub enum Effect {
    /// Store this event.
    Record(Draft),
    /// A door's state has changed: show it, and publish it with the seq of the newest event above.
    State {
        /// The door's place in [`SiteConfig::doors`].
        door: usize,
        /// The state it has now.
        state: DoorState,
        /// Since when.
        since: UtcMs,
    },
}

/// All doors of a site and what the rules remember of them.
#[derive(Clone, Debug)]
pub struct Site {
    boot: String,
    doors: Vec<Door>,
    /// No door has a deadline before this: in a storm not every door is looked at for every input.
    quiet_until: Mono,
}

impl Site {
    /// A site whose doors are all `unknown`, on the boot with this id.
    pub fn new(config: SiteConfig, boot: &str) -> Self {
        let doors = config.doors.into_iter().map(Door::new).collect();
        Self { boot: boot.to_owned(), doors, quiet_until: Mono(u64::MAX) }
    }

    /// Applies one input. The same inputs at the same times always give the same effects.
    ///
    /// An input for a door that does not exist has no effect.
    pub fn apply(&mut self, input: Input, now: &Now) -> Vec<Effect> {
        let mut out = Out { boot: &self.boot, now, effects: Vec::new() };
        match input {
            Input::Contact { door, contact, at, resynced } => {
                if let Some(d) = self.doors.get_mut(door) {
                    d.expire(door, at.min(now.mono), &mut out);
                    d.contact(door, contact, at, resynced, &mut out);
                    self.quiet_until = self.quiet_until.min(d.deadline().unwrap_or(Mono(u64::MAX)));
                }
            }
            Input::Recall { door, state } => {
                if let Some(door) = self.doors.get_mut(door) {
                    door.recall(state);
                }
            }
            Input::Report(report) => out.report(report),
            Input::Tick => {}
        }
        if now.mono < self.quiet_until {
            return out.effects;
        }
        for (index, door) in self.doors.iter_mut().enumerate() {
            door.expire(index, now.mono, &mut out);
        }
        let effects = out.effects;
        self.quiet_until = self.next_deadline().unwrap_or(Mono(u64::MAX));
        effects
    }

    /// When the rules want an [`Input::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.doors.iter().filter_map(Door::deadline).min()
    }

    /// The present state of every door, in the order of the configuration.
    pub fn door_states(&self) -> impl Iterator<Item = (&DoorConfig, DoorState)> {
        self.doors.iter().map(|door| (door.config(), door.state()))
    }

    /// The doors as configured.
    pub fn door(&self, index: usize) -> Option<&DoorConfig> {
        self.doors.get(index).map(Door::config)
    }
}

/// 16 hex digits over the states of all doors, in the order of the configuration: equal digests,
/// equal states.
pub fn digest<'a>(doors: impl IntoIterator<Item = (&'a Id, DoorState)>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (id, state) in doors {
        hasher.update(id.as_str().as_bytes());
        hasher.update(b"=");
        hasher.update(state.as_str().as_bytes());
        hasher.update(b";");
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The event of a technical report, made outside the rules: before they run, or after.
pub fn draft(report: Report, boot: &str, now: &Now) -> Draft {
    let mut out = Out { boot, now, effects: Vec::new() };
    out.report(report);
    match out.effects.pop() {
        Some(Effect::Record(draft)) => draft,
        _ => unreachable!("a report makes exactly one record"),
    }
}

/// Collects effects, and stamps drafts with the time of what happened.
struct Out<'a> {
    boot: &'a str,
    now: &'a Now,
    effects: Vec<Effect>,
}

impl Out<'_> {
    fn time(&self, at: Mono) -> Time {
        let then = self.now.at(at);
        Time {
            utc: then.utc,
            boot: self.boot.to_owned(),
            mono_ns: at,
            err_ms: then.err_ms,
            clock: then.clock,
        }
    }

    fn record(&mut self, at: Mono, head: Head<'_>, fill: impl FnOnce(&mut Draft)) {
        let mut draft = Draft {
            class: head.class,
            kind: Cow::Borrowed(head.kind),
            qualifier: head.qualifier,
            severity: head.severity,
            partition: None,
            source: Source {
                kind: Cow::Borrowed(head.source.0),
                id: head.source.1.clone(),
                driver: None,
            },
            time: self.time(at),
            state: None,
            cause: None,
            opens: None,
            closes: None,
            detail: None,
            test: false,
            flags: Vec::new(),
        };
        fill(&mut draft);
        self.effects.push(Effect::Record(draft));
    }

    fn report(&mut self, report: Report) {
        let head = Head {
            class: report.class,
            kind: report.kind,
            qualifier: report.qualifier,
            severity: report.severity,
            source: (report.source.0, &report.source.1),
        };
        self.record(report.at.unwrap_or(self.now.mono), head, |draft| {
            draft.closes = report.closes;
            draft.cause = report.cause;
            draft.detail = report.detail;
        });
    }
}

/// What every draft needs.
#[derive(Clone, Copy)]
struct Head<'a> {
    class: Class,
    kind: &'static str,
    qualifier: Qualifier,
    severity: u8,
    source: (&'static str, &'a Id),
}

/// The flags of a change that was found rather than seen.
fn found(while_down: bool, resynced: bool) -> Vec<Flag> {
    let mut flags = Vec::new();
    if while_down {
        flags.push(Flag::WhileDown);
    }
    if resynced {
        flags.push(Flag::Resynced);
    }
    flags
}
