//! What the demo knows of each event: stored, taken by the broker, received.
//!
//! Three witnesses are asked independently of each other: the box's journal (read from its file,
//! as one would read the flash of a dead box), the broker (which tells each PUBLISH that reaches
//! it), and the control room (what its database holds). None of the figures on the page is what
//! the box says of itself.

use std::collections::{BTreeMap, VecDeque};

use gatehouse_core::event::{Draft, Event, Flag};
use gatehouse_core::time::UtcMs;
use serde::Serialize;

use crate::tiles::PictureTile;

/// Rows of the event stream on the page.
const ROWS: usize = 60;

/// How far an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    /// In the journal, on flash.
    Stored,
    /// The broker has taken it.
    Acked,
    /// The control room has committed it.
    Received,
}

/// One event, as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) utc: String,
    /// The door, the sensor, the partition, the incident, or the gateway itself.
    pub(crate) source: String,
    /// Which of these it is.
    pub(crate) source_kind: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The state after, if it is a change of state.
    pub(crate) to: Option<String>,
    pub(crate) step: Step,
    pub(crate) flags: Vec<Flag>,
    /// How often it came again after its commit.
    pub(crate) duplicates: u32,
}

/// How far each event has come. Numbers begin at 1.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// One per seq up to the newest stored; a few bytes for each of some ten thousand events.
    marks: Vec<Mark>,
    rows: VecDeque<Row>,
    stored: u64,
    broker_acked: u64,
    received: u64,
    /// Doors opened or closed as an edge told it: not found after a dark time or by re-reading.
    edges_recorded: u64,
    arming: BTreeMap<String, Arming>,
    seen: BTreeMap<String, Seen>,
}

/// What a camera has taken last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) picture: Option<PictureTile>,
    /// The name of a file on the box's flash.
    pub(crate) clip: Option<String>,
}

/// What the box last recorded of a partition's arming. Its state's word tells neither the mode of
/// an alarm nor the end of a delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arming {
    pub(crate) mode: String,
    /// The end of the delay that began then.
    pub(crate) until: Option<UtcMs>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    stored: bool,
    acked: bool,
    received: bool,
}

impl Ledger {
    /// The journal holds this event.
    pub(crate) fn stored(&mut self, event: &Event) {
        let seq = event.seq.0;
        let Some(mark) = self.mark(seq) else { return };
        if std::mem::replace(&mut mark.stored, true) {
            return;
        }
        self.stored += 1;
        let draft = &event.draft;
        let swung = matches!(&*draft.kind, "door.opened" | "door.closed");
        let found = [Flag::WhileDown, Flag::Resynced];
        if swung && !draft.flags.iter().any(|flag| found.contains(flag)) {
            self.edges_recorded += 1;
        }
        self.note_arming(draft);
        self.note_seen(draft);
        if self.rows.len() == ROWS {
            self.rows.pop_back();
        }
        self.rows.push_front(Row {
            seq,
            utc: draft.time.utc.to_string(),
            source: draft.source.id.to_string(),
            source_kind: draft.source.kind.clone().into_owned(),
            kind: draft.kind.clone().into_owned(),
            to: draft.state.as_ref().map(|state| state.to.clone().into_owned()),
            step: Step::Stored,
            flags: draft.flags.clone(),
            duplicates: 0,
        });
    }

    /// What a camera has taken.
    fn note_seen(&mut self, draft: &Draft) {
        let Some(facts) = draft.detail.as_ref().filter(|_| draft.source.kind == "camera") else {
            return;
        };
        let seen = self.seen.entry(draft.source.id.to_string()).or_default();
        match &*draft.kind {
            "camera.snapshot" => {
                seen.picture = facts["sha256"].as_str().map(|sha256| PictureTile {
                    sha256: sha256.to_owned(),
                    utc: draft.time.utc.to_string(),
                    masked: facts["masked"] == true,
                });
            }
            "camera.clip" => seen.clip = facts["clip"]["ref"].as_str().map(str::to_owned),
            _ => {}
        }
    }

    /// What a camera has taken last.
    pub(crate) fn seen(&self, camera: &str) -> Option<&Seen> {
        self.seen.get(camera)
    }

    fn note_arming(&mut self, draft: &Draft) {
        let (Some(mode), true) = (&draft.arming, draft.source.kind == "partition") else { return };
        let delay = match &*draft.kind {
            "partition.arming" => "exit_s",
            "partition.entry" => "delay_s",
            _ => "",
        };
        let seconds = draft.detail.as_ref().and_then(|detail| detail.get(delay)?.as_i64());
        let until = seconds.map(|seconds| UtcMs(draft.time.utc.0 + seconds * 1000));
        let arming = Arming { mode: mode.clone().into_owned(), until };
        self.arming.insert(draft.source.id.to_string(), arming);
    }

    /// How a partition is armed, as of its last event.
    pub(crate) fn arming(&self, partition: &str) -> Option<&Arming> {
        self.arming.get(partition)
    }

    /// A broker has taken this event. Whether that is news: the second time it is a repetition.
    pub(crate) fn acked(&mut self, seq: u64) -> bool {
        let Some(mark) = self.mark(seq) else { return false };
        let news = !std::mem::replace(&mut mark.acked, true);
        self.broker_acked += u64::from(news);
        news
    }

    /// The control room has committed this event; what it has, a broker has carried.
    pub(crate) fn received(&mut self, seq: u64) {
        let Some(mark) = self.mark(seq) else { return };
        if !std::mem::replace(&mut mark.received, true) {
            self.received += 1;
        }
        self.acked(seq);
    }

    /// How the control room got this event.
    pub(crate) fn delivered(&mut self, seq: u64, replayed: bool, duplicate: bool) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.seq == seq) {
            if replayed && !row.flags.contains(&Flag::Replayed) {
                row.flags.push(Flag::Replayed);
            }
            row.duplicates += u32::from(duplicate);
        }
    }

    /// Events in the journal.
    pub(crate) fn count_stored(&self) -> u64 {
        self.stored
    }

    /// Events that a broker has taken.
    pub(crate) fn count_acked(&self) -> u64 {
        self.broker_acked
    }

    /// Events that the control room has committed.
    pub(crate) fn count_received(&self) -> u64 {
        self.received
    }

    /// Stored movements of doors that an edge told.
    pub(crate) fn edges_recorded(&self) -> u64 {
        self.edges_recorded
    }

    /// Of the events up to `upto`, of which the box believes that the control room has them, those
    /// that it has not. More than 0 is a loss, whatever comes later.
    pub(crate) fn lost(&self, upto: u64) -> u64 {
        let until = usize::try_from(upto).unwrap_or(usize::MAX).min(self.marks.len());
        let lost = |mark: &&Mark| mark.stored && !mark.received;
        self.marks[..until].iter().filter(lost).count() as u64
    }

    /// The newest events, newest first.
    pub(crate) fn rows(&mut self) -> Vec<Row> {
        for row in &mut self.rows {
            let place = usize::try_from(row.seq).unwrap_or(usize::MAX).saturating_sub(1);
            let mark = self.marks.get(place).copied().unwrap_or_default();
            row.step = match mark {
                Mark { received: true, .. } => Step::Received,
                Mark { acked: true, .. } => Step::Acked,
                _ => Step::Stored,
            };
        }
        self.rows.iter().cloned().collect()
    }

    /// The mark of a number; `None` for numbers that no demo can reach, which are no numbers.
    fn mark(&mut self, seq: u64) -> Option<&mut Mark> {
        /// A day at the greatest pace, many times over.
        const LIMIT: usize = 20_000_000;
        let place = usize::try_from(seq).ok()?.checked_sub(1).filter(|place| *place < LIMIT)?;
        if self.marks.len() <= place {
            self.marks.resize(place + 1, Mark::default());
        }
        self.marks.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(seq: u64, kind: &str, flags: &[&str]) -> Event {
        serde_json::from_value(json!({
            "v": 1, "gw": "g", "session": 1, "seq": seq, "prev": "0", "id": "x",
            "class": "door", "type": kind, "qualifier": "new", "severity": 4,
            "source": {"kind": "door", "id": "roof"},
            "time": {"utc": "2026-01-01T00:00:00Z", "boot": "b", "mono_ns": 1, "err_ms": null,
                     "clock": "synced"},
            "state": {"from": "closed", "to": "open"}, "test": false, "flags": flags,
        }))
        .unwrap()
    }

    #[test]
    fn an_event_is_counted_once_at_each_station_in_whatever_order_the_news_comes() {
        let mut ledger = Ledger::default();
        ledger.received(2);
        ledger.acked(2);
        ledger.acked(1);
        for _ in 0..2 {
            ledger.stored(&event(1, "door.opened", &[]));
            ledger.stored(&event(2, "door.closed", &["while_down"]));
        }
        let counts = (ledger.count_stored(), ledger.count_acked(), ledger.count_received());
        assert_eq!(counts, (2, 2, 1));
        assert_eq!(ledger.edges_recorded(), 1);
        let steps: Vec<_> = ledger.rows().iter().map(|row| (row.seq, row.step)).collect();
        assert_eq!(steps, [(2, Step::Received), (1, Step::Acked)]);
    }

    #[test]
    fn what_the_box_holds_for_delivered_and_the_control_room_has_not_is_lost() {
        let mut ledger = Ledger::default();
        for seq in 1..=3 {
            ledger.stored(&event(seq, "door.opened", &[]));
        }
        ledger.received(1);
        ledger.received(3);
        assert_eq!((ledger.lost(1), ledger.lost(2), ledger.lost(99)), (0, 1, 1));
    }

    #[test]
    fn a_late_delivery_and_a_second_one_are_shown_with_their_event() {
        let mut ledger = Ledger::default();
        ledger.stored(&event(1, "door.opened", &[]));
        ledger.delivered(1, true, false);
        ledger.delivered(1, true, true);
        let row = ledger.rows().remove(0);
        assert_eq!((row.flags, row.duplicates), (vec![Flag::Replayed], 1));
    }
}
