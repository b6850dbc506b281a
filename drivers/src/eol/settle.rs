//! From windows to states that count, and when they began.

use core::time::Duration;

use super::LoopState;
use super::ohms::Ratio;
use super::window::WINDOW_NS;

/// How long a state must have lasted to count: in the middle between 300 ms, which must be ignored,
/// and 400 ms, which must be reported.
pub const COUNTS_AFTER: Duration = Duration::from_millis(350);

/// After so long without three equal windows in a row the loop is unstable. Longer than any
/// sequence of states that one opening and closing makes.
pub const UNSTABLE_AFTER: Duration = Duration::from_secs(2);

const COUNTS_NS: u64 = 350_000_000;
const UNSTABLE_NS: u64 = 2_000_000_000;

/// So many equal windows in a row.
const EQUAL: usize = 3;

/// Windows that are kept: a run counts with its sixth window at the latest, two stand before it and
/// two after.
const KEPT: usize = 10;

/// A window with what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    pub(crate) start_ns: u64,
    pub(crate) mean: Ratio,
    /// [`LoopState::Unknown`]: the window is not to be believed.
    pub(crate) state: LoopState,
}

/// A state that came to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) state: LoopState,
    pub(crate) at_ns: u64,
    pub(crate) mean: Ratio,
    /// What was right before is known; if not, `at_ns` may be too late.
    pub(crate) joined: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settler {
    past: [Past; KEPT],
    len: usize,
    stable: LoopState,
    /// Until when the state that counts was last seen in equal windows, or since when there are
    /// windows.
    quiet_ns: Option<u64>,
}

/// A run of equal windows, by their places in `past`; `last` belongs to it.
#[derive(Clone, Copy)]
struct Run {
    first: usize,
    last: usize,
}

impl Settler {
    pub(crate) const fn new() -> Self {
        let nothing = Past { start_ns: 0, mean: Ratio(0), state: LoopState::Unknown };
        Self { past: [nothing; KEPT], len: 0, stable: LoopState::Unknown, quiet_ns: None }
    }

    /// The state that counts.
    pub(crate) const fn stable(&self) -> LoopState {
        self.stable
    }

    /// Windows are missing: what comes is not joined to what was.
    pub(crate) const fn interrupt(&mut self) {
        self.len = 0;
        self.quiet_ns = None;
    }

    /// Nothing is known any more.
    pub(crate) const fn forget(&mut self) {
        self.interrupt();
        self.stable = LoopState::Unknown;
    }

    /// The mean of the last window but one, if it and both of its neighbours were at rest: no
    /// signal begins or ends in it.
    pub(crate) fn at_rest(&self) -> Option<Past> {
        let [.., a, b, c] = self.past[..self.len] else { return None };
        let quiet = [a, b, c].iter().all(|past| past.state.is_at_rest());
        (quiet && self.stable.is_at_rest()).then_some(b)
    }

    /// Takes the next window; tells the state that came to count with it.
    pub(crate) fn push(&mut self, past: Past) -> Option<Settled> {
        if self.len == KEPT {
            self.past.copy_within(1.., 0);
            self.len -= 1;
        }
        self.past[self.len] = past;
        self.len += 1;

        let end_ns = past.start_ns + WINDOW_NS;
        let quiet_ns = *self.quiet_ns.get_or_insert(past.start_ns);
        let last = self.len - 1;
        let ended = last.checked_sub(2).and_then(|end| self.run(end));
        let under_way = self.run(last);
        // The older first. At most one of them is new: between two runs that count lie more
        // windows than it takes to count one.
        let settled = ended.and_then(|run| self.counts(run)).or_else(|| self.counts(under_way?));
        if let Some(settled) = settled {
            self.stable = settled.state;
        }
        if settled.is_some() || (under_way.is_some() && past.state == self.stable) {
            self.quiet_ns = Some(end_ns);
            return settled;
        }
        if past.state == LoopState::Unknown {
            // What was not measured was not restless.
            self.quiet_ns = None;
            return None;
        }
        if end_ns - quiet_ns < UNSTABLE_NS || self.stable == LoopState::Unstable {
            return None;
        }
        let joined = self.stable != LoopState::Unknown;
        self.stable = LoopState::Unstable;
        Some(Settled { state: self.stable, at_ns: quiet_ns, mean: past.mean, joined })
    }

    /// The run that ends with a window, if it is whole and long enough.
    fn run(&self, last: usize) -> Option<Run> {
        let state = self.past[last].state;
        let goes_on = self.past[..self.len].get(last + 1).is_some_and(|next| next.state == state);
        if state == LoopState::Unknown || goes_on {
            return None;
        }
        let len = self.past[..=last].iter().rev().take_while(|past| past.state == state).count();
        (len >= EQUAL).then_some(Run { first: last + 1 - len, last })
    }

    /// Whether a run is news and has lasted long enough.
    ///
    /// Its inner windows are whole. The outer ones, and those beside them, may be half in it: how
    /// much of a window belongs to the run is how far its mean has gone from the level on the
    /// other side to the run's own.
    fn counts(&self, run: Run) -> Option<Settled> {
        let Run { first, last } = run;
        let state = self.past[first].state;
        if state == self.stable {
            return None;
        }
        let inner = &self.past[first + 1..last];
        let count = u32::try_from(inner.len()).unwrap_or(1);
        let level = Ratio(inner.iter().map(|past| past.mean.0).sum::<u32>() / count);
        let part = |of: &Past, other: &Past| part_ns(of.mean, other.mean, level);

        let known = |past: &&Past| past.state != LoopState::Unknown;
        let beside = first.checked_sub(1).map(|i| &self.past[i]).filter(known);
        let before = first.checked_sub(2).map(|i| &self.past[i]).filter(known).or(beside);
        let after = &self.past[last + 1..self.len];

        let mut lead_ns = WINDOW_NS;
        if let (Some(beside), Some(before)) = (beside, before) {
            lead_ns = part(&self.past[first], before).unwrap_or(WINDOW_NS);
            lead_ns += part(beside, before).unwrap_or(0);
        }
        let tail_ns = match (after, before) {
            ([beside, after, ..], _) if after.state != LoopState::Unknown => {
                part(&self.past[last], after).unwrap_or(WINDOW_NS)
                    + part(beside, after).unwrap_or(0)
            }
            // How it ends is not known. If it is going back to where it came from, the level there
            // tells the part; if elsewhere, what follows will.
            (_, Some(before)) => part(&self.past[last], before).unwrap_or(0),
            (_, None) => WINDOW_NS,
        };
        let lasted_ns = lead_ns + u64::from(count) * WINDOW_NS + tail_ns;
        if lasted_ns < COUNTS_NS {
            return None;
        }
        let at_ns = (self.past[first].start_ns + WINDOW_NS).saturating_sub(lead_ns);
        Some(Settled { state, at_ns, mean: level, joined: beside.is_some() })
    }
}

/// How much of a window was at `level`, when the rest of it was at `other`.
///
/// `None`: its mean lies beyond `level`, so that the rest of it was elsewhere.
fn part_ns(mean: Ratio, other: Ratio, level: Ratio) -> Option<u64> {
    let whole = u64::from(level.0.abs_diff(other.0));
    let same_way = (mean >= other) == (level >= other);
    let gone = if same_way { u64::from(mean.0.abs_diff(other.0)) } else { 0 };
    // A tenth for what noise and hum leave in a mean.
    if gone * 10 > whole * 11 {
        return None;
    }
    Some((gone * WINDOW_NS).checked_div(whole).unwrap_or(WINDOW_NS).min(WINDOW_NS))
}
