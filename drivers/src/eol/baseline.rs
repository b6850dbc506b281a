//! What a loop's resistance was, against what it is: drift, and another resistor.

use core::time::Duration;

use super::{LoopState, Ohms};

/// So many windows make a block: one second. Noise and what is left of hum are gone in it.
const BLOCK: u64 = 10;

/// So many blocks make what is learned: a minute.
const LEARNING: u32 = 60;

/// So many blocks in a row must tell the same step.
const AGREEING: u32 = 3;

/// The drift of a day without measurement, or of a minute, is slower than this: in parts of a
/// thousand of the nominal resistance an hour. Copper moves by 0.4 % a kelvin and is a tenth of the
/// loop, a resistor of 100 ppm by 0.01 %: some 0.05 % a kelvin, and 20 K an hour is morning sun on a
/// cable.
const DRIFT_PERMILLE_PER_HOUR: u64 = 10;

const HOUR_NS: u64 = 3_600_000_000_000;
const DAY_NS: u64 = 24 * HOUR_NS;

/// To which side a resistance has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Less than it was: moisture, a damaged cable.
    Low,
    /// More than it was: a corroding contact or joint.
    High,
}

/// Worth knowing beside the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The loop's own resistance is known now. Keep [`Loop::learned`](super::Loop::learned) for
    /// the next start.
    Learned {
        /// The resistance at rest.
        installed: Ohms,
    },
    /// The resistance at rest has drifted from what was learned, or is in a warning band. At most
    /// once in 24 hours.
    Drifted {
        /// To which side.
        side: Side,
        /// What was learned.
        installed: Ohms,
        /// What it is.
        now: Ohms,
    },
    /// The resistance at rest is another one, and has not drifted there: somebody has put another
    /// resistor in the place of the one at the end, or joined one to the cable. Tamper.
    Substituted {
        /// What it was last.
        from: Ohms,
        /// What it is.
        to: Ohms,
        /// Since when it is, as far as the loop was at rest.
        at_ns: u64,
    },
}

/// What a loop knows of its resistor, to be kept over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// What was measured in the first minute at rest.
    pub installed: Ohms,
    /// What was measured last.
    pub last: Ohms,
}

/// Resistances here are in millionths of an ohm, so that a second of drift is more than one.
const MICRO: u64 = 1_000_000;

/// A step that is being watched.
#[derive(Clone, Copy, Debug)]
struct Step {
    to: u64,
    at_ns: u64,
    blocks: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Baseline {
    nominal: u64,
    drift: u64,
    step: u64,
    /// The block that is being filled.
    sum: u64,
    windows: u64,
    began_ns: u64,
    /// While learning: the sum of `learnt` blocks.
    learning: u64,
    learnt: u32,
    installed: Option<u64>,
    /// Follows what is measured, no faster than drift can go.
    reference: Option<u64>,
    /// When `reference` was right; `None`: `dark_ns` before the first block.
    reference_ns: Option<u64>,
    dark_ns: u64,
    suspect: Option<Step>,
    /// The average of about a minute.
    slow: Option<u64>,
    warned_ns: Option<u64>,
}

impl Baseline {
    pub(crate) const fn new(nominal: Ohms, drift_permille: u16, step_permille: u16) -> Self {
        let nominal = nominal.0 as u64 * MICRO;
        Self {
            nominal,
            drift: nominal / 1_000 * drift_permille as u64,
            step: nominal / 1_000 * step_permille as u64,
            sum: 0,
            windows: 0,
            began_ns: 0,
            learning: 0,
            learnt: 0,
            installed: None,
            reference: None,
            reference_ns: None,
            dark_ns: 0,
            suspect: None,
            slow: None,
            warned_ns: None,
        }
    }

    pub(crate) fn resume(&mut self, learned: Learned, dark: Duration) {
        self.installed = Some(u64::from(learned.installed.0) * MICRO);
        self.reference = Some(u64::from(learned.last.0) * MICRO);
        self.reference_ns = None;
        self.dark_ns = u64::try_from(dark.as_nanos()).unwrap_or(u64::MAX);
    }

    pub(crate) fn learned(&self) -> Option<Learned> {
        let installed = ohms(self.installed?);
        Some(Learned { installed, last: self.reference.map_or(installed, ohms) })
    }

    /// The loop is not at rest, or was not measured: the block begins anew.
    pub(crate) const fn interrupt(&mut self) {
        self.sum = 0;
        self.windows = 0;
        self.suspect = None;
    }

    /// Takes a window in which the loop was at rest.
    pub(crate) fn feed(
        &mut self,
        state: LoopState,
        milliohms: u64,
        start_ns: u64,
    ) -> Option<Notice> {
        if self.windows == 0 {
            self.began_ns = start_ns;
        }
        self.sum = self.sum.saturating_add(milliohms.saturating_mul(1_000));
        self.windows += 1;
        if self.windows < BLOCK {
            return None;
        }
        let (block, at_ns) = (self.sum / BLOCK, self.began_ns);
        (self.sum, self.windows) = (0, 0);
        let substituted = self.step(block, at_ns);
        if substituted.is_some() {
            // The average begins anew with the other resistor.
            self.slow = None;
        }
        substituted.or_else(|| self.learn(state, block)).or_else(|| self.drift(state, block, at_ns))
    }

    fn step(&mut self, block: u64, at_ns: u64) -> Option<Notice> {
        let Some(reference) = self.reference else {
            self.reference = Some(block);
            self.reference_ns = Some(at_ns);
            return None;
        };
        let since_ns = self.reference_ns.map_or(self.dark_ns, |ns| at_ns.saturating_sub(ns));
        let explained = self.explained(since_ns);
        let steps = self.step > 0 && block.abs_diff(reference) > self.step + explained;
        if !steps {
            let nearest = block.clamp(reference.saturating_sub(explained), reference + explained);
            self.reference = Some(nearest);
            self.reference_ns = Some(at_ns);
            self.suspect = None;
            return None;
        }
        let step = match self.suspect {
            Some(step) if step.to.abs_diff(block) <= self.step => {
                Step { blocks: step.blocks + 1, ..step }
            }
            _ => Step { to: block, at_ns, blocks: 1 },
        };
        if step.blocks < AGREEING {
            self.suspect = Some(step);
            return None;
        }
        self.suspect = None;
        self.reference = Some(block);
        self.reference_ns = Some(at_ns);
        Some(Notice::Substituted { from: ohms(reference), to: ohms(block), at_ns: step.at_ns })
    }

    /// By how much a resistance can have moved by itself: never by more than what is warned of as
    /// drift, or a box that was off for a week would take any resistor.
    fn explained(&self, since_ns: u64) -> u64 {
        let per_hour = self.nominal / 1_000 * DRIFT_PERMILLE_PER_HOUR;
        let per_second = per_hour / 3_600;
        let seconds = since_ns / 1_000_000_000;
        let rest = per_second * (since_ns % 1_000_000_000) / 1_000_000_000;
        let most = if self.drift == 0 { 8 * per_hour } else { self.drift };
        per_second.saturating_mul(seconds).saturating_add(rest).min(most)
    }

    fn learn(&mut self, state: LoopState, block: u64) -> Option<Notice> {
        if self.installed.is_some() || state != LoopState::Normal {
            return None;
        }
        self.learning += block;
        self.learnt += 1;
        if self.learnt < LEARNING {
            return None;
        }
        let installed = self.learning / u64::from(LEARNING);
        self.installed = Some(installed);
        Some(Notice::Learned { installed: ohms(installed) })
    }

    fn drift(&mut self, state: LoopState, block: u64, at_ns: u64) -> Option<Notice> {
        // A 64th of the way with each block.
        let slow = self.slow.map_or(block, |slow| slow - slow / 64 + block / 64);
        self.slow = Some(slow);
        let installed = self.installed.unwrap_or(self.nominal);
        let far =
            self.drift > 0 && self.installed.is_some() && slow.abs_diff(installed) > self.drift;
        let (side, now) = match state {
            LoopState::LowR => (Side::Low, block),
            LoopState::HighR => (Side::High, block),
            _ if far && slow < installed => (Side::Low, slow),
            _ if far => (Side::High, slow),
            _ => return None,
        };
        if self.warned_ns.is_some_and(|ns| at_ns.saturating_sub(ns) < DAY_NS) {
            return None;
        }
        self.warned_ns = Some(at_ns);
        Some(Notice::Drifted { side, installed: ohms(installed), now: ohms(now) })
    }
}

fn ohms(micro: u64) -> Ohms {
    u32::try_from(micro.saturating_add(MICRO / 2) / MICRO).map_or(Ohms::OPEN, Ohms)
}
