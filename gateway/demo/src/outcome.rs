//! The last word: what was stored, what arrived, and whether that is the same.

use serde::Serialize;

use crate::lab::Remains;
use crate::latency::Percentiles;
use crate::story::BreakIn;
use crate::teller::{Teller, Tone};
use crate::truth::Truth;

/// The result for machines; the order of its fields is the order of its output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Outcome {
    /// Events in the box's journal.
    pub(crate) stored: u64,
    /// Of these, events that a broker has taken.
    pub(crate) broker_acked: u64,
    /// Of these, events that the control room holds unchanged.
    pub(crate) received: u64,
    /// Stored and not received; in a calm run also edges that were not recorded.
    pub(crate) lost: u64,
    /// Deliveries that were recognised as repeated.
    pub(crate) duplicates: u64,
    /// From an edge to the arrival of its PUBLISH inside the broker, over loopback; without what
    /// was sent late or found after a dark time.
    pub(crate) edge_to_publish_ms: Percentiles,
    /// What the break-in of a scripted run has shown.
    pub(crate) break_in: Option<BreakIn>,
}

impl Outcome {
    /// Puts the verdict together and tells it.
    pub(crate) fn tell(remains: &Remains, truth: &Truth, calm: bool, teller: Teller) -> Self {
        let seen = &remains.seen;
        let mut lost = truth.lost;
        for complaint in &truth.complaints {
            teller.say(Tone::Broken, format_args!("  {complaint}"));
        }
        // Without cuts a powered box saw every edge, so each must stand in its journal.
        let unrecorded = remains.edges_seen.saturating_sub(seen.edges_recorded);
        if calm && unrecorded > 0 {
            lost += unrecorded;
            teller.say(Tone::Broken, format_args!("  {unrecorded} edges were not recorded"));
        }
        let outcome = Self {
            stored: truth.stored,
            broker_acked: seen.broker_acked,
            received: truth.received,
            lost,
            duplicates: seen.duplicates,
            edge_to_publish_ms: seen.latency,
            break_in: remains.break_in,
        };
        outcome.sum_up(remains, teller);
        outcome
    }

    /// Nothing was lost, and a break-in was noticed, handled and outlived every cut.
    pub(crate) fn is_well(&self) -> bool {
        self.lost == 0 && self.break_in.is_none_or(BreakIn::is_whole)
    }

    fn sum_up(&self, remains: &Remains, teller: Teller) {
        let cuts = remains.cuts;
        let tone = if self.lost == 0 { Tone::Well } else { Tone::Broken };
        teller.say(
            tone,
            format_args!(
                "compared number by number: {} stored, {} received, {} lost, {} duplicates recognised",
                self.stored, self.received, self.lost, self.duplicates
            ),
        );
        if let Some(shown) = self.break_in {
            let word = |done: bool| if done { "yes" } else { "NO" };
            teller.say(
                if shown.is_whole() { Tone::Well } else { Tone::Broken },
                format_args!(
                    "break-in: alarm at the control room {}, incident open {}, acknowledged from \
                     there {}, acked at the box {}, still armed {}",
                    word(shown.alarm),
                    word(shown.incident),
                    word(shown.acknowledged),
                    word(shown.acked_at_the_box),
                    word(shown.still_armed)
                ),
            );
        }
        teller.say(
            Tone::Faint,
            format_args!("broker cut {} times, power cut {} times", cuts.broker, cuts.power),
        );
        if let Percentiles { p50: Some(p50), p99: Some(p99) } = self.edge_to_publish_ms {
            teller.say(
                Tone::Faint,
                format_args!(
                    "edge to broker, the way over loopback included: p50 {p50:.1} ms, p99 {p99:.1} ms"
                ),
            );
        }
        if self.lost > 0 && !remains.drained {
            teller.say(
                Tone::Faint,
                "the demo ended before everything had arrived: the box would send the rest later",
            );
        }
    }
}
