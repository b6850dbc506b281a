//! When a gateway is owed a receipt, and what it says. Pure: time comes in.
//!
//! A receipt ends the gateway's duty, so it should come soon; each costs the gateway bytes on a
//! metered line, so a stream shares one. The first event after a pause is confirmed at once; then
//! one receipt per [`EVENTS`] or [`LATEST`], and one when the burst has ended ([`QUIET`]).

use std::time::Duration;

use gatehouse_core::contract::{Nak, Receipt};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Mono, Now};

use crate::gaps::GapTracker;

/// The contract's limit: a receipt at least for every 50 events while events arrive.
pub const EVENTS: u32 = 50;

/// The contract's limit: a receipt at least every 2 s while events arrive.
pub const LATEST: Duration = Duration::from_secs(2);

/// A burst has ended when nothing came for so long: one wave of a door and its reader is shorter.
pub const QUIET: Duration = Duration::from_millis(150);

/// After so long without a receipt the next event is confirmed at once.
pub const PAUSE: Duration = Duration::from_secs(1);

/// The contract's wait for reordering before a hole is asked for: the alarm lane overtakes.
pub const REORDER: Duration = Duration::from_secs(5);

/// A hole that stays is asked for again after [`REORDER`], then at most doubled up to this.
pub const ASK_CAP: Duration = Duration::from_secs(60);

/// The most ranges in one `missing`: a receipt stays below 4 KiB.
pub const MAX_RANGES: usize = 64;

/// The most naks in one receipt. More in one batch are left out: the gateway sends those again and
/// is told then.
pub const MAX_NAKS: usize = 64;

/// What one gateway is owed.
#[derive(Debug)]
pub struct Owed {
    /// Events committed since the last receipt.
    events: u32,
    /// The commit of the first of them.
    first: Mono,
    /// The commit of the last of them.
    last: Mono,
    /// To be sent whatever else holds.
    at_once: bool,
    naks: Vec<Nak>,
    sent: Option<Mono>,
    asked: Option<Asked>,
    step: Duration,
}

/// The last list of holes that was sent.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Mono,
    /// The last number of the last range listed.
    to: Seq,
    /// How many numbers were missing then.
    missing: u64,
}

impl Default for Owed {
    fn default() -> Self {
        Self {
            events: 0,
            first: Mono::default(),
            last: Mono::default(),
            at_once: false,
            naks: Vec::new(),
            sent: None,
            asked: None,
            step: REORDER,
        }
    }
}

impl Owed {
    /// An event was committed, or recognised as committed before.
    pub fn event(&mut self, now: Mono) {
        if self.events == 0 {
            self.first = now;
        }
        self.last = now;
        self.events = self.events.saturating_add(1);
    }

    /// A receipt is to go out with the next look: an alarm, or a gateway that has just come.
    pub fn at_once(&mut self) {
        self.at_once = true;
    }

    /// The holes are to be listed anew, whatever was asked before: the gateway has just come.
    pub fn ask_again(&mut self) {
        self.asked = None;
        self.step = REORDER;
    }

    /// An event will never be committed as it is; the gateway is told at once.
    pub fn nak(&mut self, seq: Seq, code: &str) {
        if self.naks.len() < MAX_NAKS && !self.naks.iter().any(|nak| nak.seq == seq) {
            self.naks.push(Nak { seq, code: code.to_owned() });
        }
        self.at_once = true;
    }

    /// Whether there is something to confirm or to refuse.
    pub fn is_owed(&self) -> bool {
        self.events > 0 || self.at_once
    }

    /// When the next receipt is to be sent, if any is owed. `reachable` is false while the gateway
    /// is known to be away: it is not asked for holes then.
    pub fn due(&self, tracker: &GapTracker, reachable: bool) -> Option<Mono> {
        let for_events = self.for_events();
        let for_holes = if reachable { self.for_holes(tracker) } else { None };
        match (for_events, for_holes) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn for_events(&self) -> Option<Mono> {
        if self.at_once {
            return Some(Mono::default());
        }
        if self.events == 0 {
            return None;
        }
        if self.events >= EVENTS || self.sent.is_none_or(|sent| self.first.since(sent) >= PAUSE) {
            return Some(self.first);
        }
        Some(self.first.plus(LATEST).min(self.last.plus(QUIET)))
    }

    fn for_holes(&self, tracker: &GapTracker) -> Option<Mono> {
        let mut due: Option<Mono> = None;
        let mut consider = |at: Mono| due = Some(due.map_or(at, |due| due.min(at)));
        let Some(asked) = self.asked else {
            return tracker.known_since().map(|(_, since)| since.plus(REORDER)).min();
        };
        let mut listed_remain = false;
        let mut others_ripe = false;
        for (from, since) in tracker.known_since() {
            let ripe = since.plus(REORDER);
            if ripe > asked.at {
                consider(ripe);
            } else if from <= asked.to {
                listed_remain = true;
            } else {
                others_ripe = true;
            }
        }
        if listed_remain {
            consider(asked.at.plus(self.step));
        } else if others_ripe {
            // All that was listed has come: the next ranges need not wait.
            consider(asked.at);
        }
        due
    }

    /// The receipt to send now. What it says is no longer owed.
    pub fn receipt(
        &mut self,
        tracker: &GapTracker,
        reachable: bool,
        host: &str,
        now: Now,
    ) -> Receipt {
        let ask = reachable && self.for_holes(tracker).is_some_and(|due| due <= now.mono);
        let missing = if ask { tracker.overdue(now.mono, REORDER, MAX_RANGES) } else { Vec::new() };
        if let (Some((from, _)), Some((_, to))) = (missing.first(), missing.last()) {
            self.step = match self.asked {
                // Nothing of the last list has come since: less often.
                Some(asked) if *from <= asked.to && tracker.missing() >= asked.missing => {
                    self.step.saturating_mul(2).min(ASK_CAP)
                }
                _ => REORDER,
            };
            self.asked = Some(Asked { at: now.mono, to: *to, missing: tracker.missing() });
        }
        self.events = 0;
        self.at_once = false;
        self.sent = Some(now.mono);
        Receipt {
            upto: tracker.upto(),
            missing,
            nak: std::mem::take(&mut self.naks),
            host: host.to_owned(),
            recv_ts: now.utc,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    fn now(ms: u64) -> Now {
        Now { mono: at(ms), ..Now::default() }
    }

    /// Runs the clock in steps of a millisecond and says when a receipt went out, with its list.
    fn run(
        owed: &mut Owed,
        tracker: &mut GapTracker,
        until: u64,
        mut each: impl FnMut(u64, &mut Owed, &mut GapTracker),
    ) -> Vec<(u64, Receipt)> {
        let mut sent = Vec::new();
        for ms in 0..until {
            each(ms, owed, tracker);
            if owed.due(tracker, true).is_some_and(|due| due <= at(ms)) {
                sent.push((ms, owed.receipt(tracker, true, "host", now(ms))));
            }
        }
        sent
    }

    #[test]
    fn a_lone_event_is_confirmed_at_once_and_a_burst_when_it_ends() {
        let sent = run(&mut Owed::default(), &mut GapTracker::default(), 10_000, |ms, owed, t| {
            if matches!(ms, 1000 | 3000 | 3010 | 3020) {
                owed.event(at(ms));
                t.insert(t.head().next(), at(ms));
            }
        });
        let sent: Vec<_> = sent.iter().map(|(ms, receipt)| (*ms, receipt.upto.0)).collect();
        assert_eq!(sent, [(1000, 1), (3000, 2), (3170, 4)]);
    }

    #[test]
    fn a_stream_is_confirmed_every_two_seconds_or_fifty_events_and_never_later() {
        for every in [1, 7, 20, 60, 140] {
            let mut stored = Vec::new();
            let sent =
                run(&mut Owed::default(), &mut GapTracker::default(), 20_000, |ms, owed, t| {
                    if ms % every == 0 && ms < 15_000 {
                        owed.event(at(ms));
                        t.insert(t.head().next(), at(ms));
                        stored.push(ms);
                    }
                });
            let mut upto = 0;
            for (ms, receipt) in &sent {
                let newly = &stored[upto..usize::try_from(receipt.upto.0).unwrap()];
                assert!(newly.len() <= 50, "every {every} ms: {} in one", newly.len());
                assert!(ms - newly[0] <= 2000, "every {every} ms: {} waited", newly[0]);
                upto += newly.len();
            }
            assert_eq!(upto, stored.len());
            let most = stored.len() / 50 + 15_000 / 1000 + 3;
            assert!(sent.len() <= most, "every {every} ms: {} receipts", sent.len());
        }
    }

    #[test]
    fn a_hole_is_asked_for_after_five_seconds_then_less_and_less_often() {
        let sent = run(&mut Owed::default(), &mut GapTracker::default(), 200_000, |ms, owed, t| {
            if ms == 100 {
                owed.event(at(ms));
                t.insert(Seq(4), at(ms));
            }
        });
        let asked: Vec<_> =
            sent.iter().filter(|(_, r)| !r.missing.is_empty()).map(|(ms, _)| *ms).collect();
        assert_eq!(asked, [5100, 10_100, 20_100, 40_100, 80_100, 140_100]);
        assert!(sent.iter().all(|(_, r)| r.upto == Seq::ZERO));
        assert_eq!(sent[1].1.missing, [(Seq(1), Seq(3))]);
    }

    #[test]
    fn when_all_that_was_listed_has_come_the_next_ranges_are_listed_without_a_wait() {
        let mut lists = Vec::new();
        let sent = run(&mut Owed::default(), &mut GapTracker::default(), 6_000, |ms, owed, t| {
            if ms == 0 {
                for n in 1..=200 {
                    t.insert(Seq(n * 2), at(0));
                }
            }
            // The gateway answers each list a tenth of a second later.
            if ms >= 5_100 && ms % 100 == 0 {
                let first: Vec<_> = t.holes().take(MAX_RANGES).collect();
                for (from, to) in first {
                    t.resolve(from, to, at(ms));
                    owed.event(at(ms));
                }
            }
        });
        for (ms, receipt) in &sent {
            if !receipt.missing.is_empty() {
                assert!(receipt.missing.len() <= MAX_RANGES);
                lists.push(*ms);
            }
        }
        assert_eq!(lists, [5_000, 5_100, 5_200, 5_300]);
    }

    #[test]
    fn a_gateway_that_is_away_is_not_asked_and_is_asked_when_it_comes() {
        let mut tracker = GapTracker::default();
        tracker.insert(Seq(3), at(0));
        let mut owed = Owed::default();
        assert_eq!(owed.due(&tracker, false), None);
        owed.at_once();
        owed.ask_again();
        let receipt = owed.receipt(&tracker, true, "host", now(60_000));
        assert_eq!(receipt.missing, [(Seq(1), Seq(2))]);
        assert_eq!(owed.due(&tracker, true), Some(at(65_000)));
    }

    #[test]
    fn a_nak_goes_out_at_once_and_only_once() {
        let mut owed = Owed::default();
        owed.nak(Seq(7), "conflict");
        owed.nak(Seq(7), "conflict");
        let tracker = GapTracker::resumed(Seq(9));
        assert_eq!(owed.due(&tracker, true), Some(Mono::default()));
        let receipt = owed.receipt(&tracker, true, "host", now(5));
        assert_eq!(receipt.nak, [Nak { seq: Seq(7), code: "conflict".into() }]);
        assert_eq!(owed.due(&tracker, true), None);
    }
}
