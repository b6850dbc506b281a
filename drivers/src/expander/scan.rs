//! One reading of all lines, and the edges in it.

use embedded_hal::digital::PinState;

use super::{Capture, Sample, Watched};
use crate::edge::Edge;

/// One reading of all lines of an expander.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// When the reading began.
    pub at_ns: u64,
    /// The levels, a 1 is high. Outputs as well: what their pins are, not what they were told.
    pub levels: u16,
    /// The lines that differ from the last reading or that were captured. None after a restart.
    pub changed: u16,
    /// Why the chip was configured since the last reading. That one does not count then, and the
    /// outputs that were not set since are at their safe levels.
    pub restart: Option<Restart>,
    /// Readings before this one failed: edges may have been lost.
    pub gap: bool,
    /// Inputs changed without an interrupt although one is expected: look at the interrupt line.
    /// A change during the reading itself may do that once.
    pub unannounced: bool,
    before: Option<u16>,
    captured: Option<Capture>,
    /// When the first change happened.
    first_ns: u64,
}

/// Why a chip was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// For the first time.
    Found,
    /// It had not answered.
    Returned,
    /// It answered, but had forgotten its configuration: most often a dip of its supply.
    Reset {
        /// The first register that differed.
        register: u16,
        /// What was written.
        expected: u16,
        /// What was read.
        found: u16,
    },
}

impl Scan {
    #[expect(clippy::too_many_arguments, reason = "called once, by the one who knows all of it")]
    pub(super) fn new(
        at_ns: u64,
        interrupt_ns: Option<u64>,
        sample: Sample,
        last: Option<(u64, u16)>,
        restart: Option<Restart>,
        gap: bool,
        watched: Watched,
        inputs: u16,
    ) -> Self {
        let Sample { levels, captured } = sample;
        // An interrupt from before the last reading was served by that; one from the future is a
        // mistake. Neither may make an edge older or newer than what was read.
        let first_ns = interrupt_ns
            .unwrap_or(at_ns)
            .clamp(last.map_or(0, |(last_ns, _)| last_ns.min(at_ns)), at_ns);
        let mut changed = 0;
        if let Some((_, before)) = last {
            changed = before ^ levels;
            if let Some(captured) = captured {
                changed |= (captured.levels ^ before) & captured.lines;
            }
        }
        let silent = watched == Watched::ByInterrupt && interrupt_ns.is_none();
        Self {
            at_ns,
            levels,
            changed,
            restart,
            gap: gap && last.is_some(),
            unannounced: silent && changed & inputs != 0,
            before: last.map(|(_, levels)| levels),
            captured,
            first_ns,
        }
    }

    /// The level of a line; `None` if the chip cannot have it.
    pub fn level(&self, line: u8) -> Option<PinState> {
        bit(self.levels, line)
    }

    /// Whether the levels are a new beginning, not to be compared with earlier ones.
    pub const fn is_anew(&self) -> bool {
        self.before.is_none()
    }

    /// The edges of a line since the last reading: none, one, or two for a pulse that the chip
    /// kept. After a restart there is none: [`level`](Self::level) is a new beginning.
    pub fn edges(&self, line: u8) -> impl Iterator<Item = Edge> + use<> {
        let (first, second) = self.pair(line).unwrap_or_default();
        first.into_iter().chain(second)
    }

    fn pair(&self, line: u8) -> Option<(Option<Edge>, Option<Edge>)> {
        let now = bit(self.levels, line)?;
        let before = bit(self.before?, line)?;
        let lost_before = u32::from(self.gap);
        let edge = |level, at_ns, lost_before| Edge { level, at_ns, line_seqno: None, lost_before };
        let captured = self
            .captured
            .filter(|captured| bit(captured.lines, line) == Some(PinState::High))
            .and_then(|captured| bit(captured.levels, line))
            .filter(|&level| level != before);
        if let Some(level) = captured {
            let first = edge(level, self.first_ns, lost_before);
            return Some((Some(first), (now != level).then(|| edge(now, self.at_ns, 0))));
        }
        if now == before && !self.gap {
            return Some((None, None));
        }
        // A chip that captures has not captured this line: it changed after the interrupt. One
        // that does not cannot say which line it was; all of them are taken for the first.
        let at_ns = if self.gap || self.captured.is_some() { self.at_ns } else { self.first_ns };
        Some((Some(edge(now, at_ns, lost_before)), None))
    }
}

fn bit(lines: u16, line: u8) -> Option<PinState> {
    let mask = 1u16.checked_shl(line.into())?;
    Some(PinState::from(lines & mask != 0))
}
