//! When the box was off: it notes that it lives, and after a start it is known since when it did not.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Effect;
use super::out::Out;
use crate::event::Flag;
use crate::time::{ClockState, Mono, Now, UtcMs};

/// The life of the box is noted this often: some 3 MB of flash a day, and the beginning of a dark
/// interval is known to this.
const NOTE_EVERY: Duration = Duration::from_secs(300);

/// Where the note is kept.
pub(super) const KEY: &str = "alive/box";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    boot: String,
    mono: Mono,
    /// `None`: the wall clock was not known.
    utc: Option<UtcMs>,
}

/// An interval in which nothing was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    /// It was watched then, and up to [`NOTE_EVERY`] longer; `None`: the wall clock is not known.
    pub(super) from: Option<UtcMs>,
    pub(super) to: UtcMs,
    /// How long it was at most; `None`: not known.
    pub(super) at_most: Option<Duration>,
}

impl Interval {
    pub(super) fn facts(&self) -> serde_json::Value {
        json!({ "from": self.from, "to": self.to, "at_most_s": self.at_most.map(|d| d.as_secs()) })
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Dark {
    note_at: Option<Mono>,
    last: Option<Interval>,
}

impl Dark {
    pub(super) const fn deadline(&self) -> Option<Mono> {
        self.note_at
    }

    /// The interval before this start.
    pub(super) const fn last(&self) -> Option<&Interval> {
        self.last.as_ref()
    }

    pub(super) fn restore(&mut self, value: &str, boot: &str, now: &Now) -> serde_json::Result<()> {
        let note: Note = serde_json::from_str(value)?;
        let known = now.clock != ClockState::Never;
        let at_most = if note.boot == boot {
            Some(now.mono.since(note.mono))
        } else {
            let gone = note.utc.filter(|_| known).map(|utc| now.utc.0.saturating_sub(utc.0));
            gone.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
        };
        self.last = Some(Interval { from: note.utc, to: now.utc, at_most });
        Ok(())
    }

    /// What changed while it was dark says when that was.
    pub(super) fn explain(&self, out: &mut Out<'_>) {
        let Some(last) = &self.last else { return };
        for effect in &mut out.effects {
            let Effect::Record(draft) = effect else { continue };
            if draft.flags.contains(&Flag::WhileDown) {
                let detail = draft.detail.get_or_insert_with(|| json!({}));
                if let Some(facts) = detail.as_object_mut() {
                    facts.insert("dark".to_owned(), last.facts());
                }
            }
        }
    }

    pub(super) fn note(&mut self, out: &mut Out<'_>) {
        let now = out.now;
        let utc = (now.clock != ClockState::Never).then_some(now.utc);
        let note = Note { boot: out.boot.to_owned(), mono: now.mono, utc };
        out.keep(KEY.to_owned(), &note);
        self.note_at = Some(now.mono.plus(NOTE_EVERY));
    }
}
