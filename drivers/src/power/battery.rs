//! How much a battery has left, by its voltage.

use core::time::Duration;

use crate::time::nanos;
use crate::units::Millivolts;

/// What is known of a battery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BatteryState {
    /// Not measured for long enough, or it cannot be measured.
    #[default]
    Unknown,
    /// No battery, a blown fuse, or one that is dead.
    Missing,
    /// Stop in order now: further discharge destroys it.
    Critical,
    /// It will not last for long.
    Low,
    /// All is well.
    Good,
}

/// At which voltages the state changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatteryConfig {
    /// Below, there is none.
    pub missing: Millivolts,
    /// Below, it is critical.
    pub critical: Millivolts,
    /// Below, it is low.
    pub low: Millivolts,
    /// How much above a limit the voltage must be to count as better again: a battery recovers when
    /// its load is taken off, and would be low and good by turns.
    pub hysteresis: Millivolts,
    /// For how long a state must last: longer than the siren's motor or a lock pulls it down.
    pub hold: Duration,
}

impl BatteryConfig {
    /// Six cells of lead: 12 V.
    pub const fn lead_acid_12v() -> Self {
        Self {
            missing: Millivolts(7_000),
            // 1.75 V a cell: the end of discharge that makers of VRLA batteries state.
            critical: Millivolts(10_500),
            // 1.92 V a cell under a light load: about a fifth is left.
            low: Millivolts(11_500),
            hysteresis: Millivolts(500),
            hold: Duration::from_secs(10),
        }
    }

    /// One lithium-ion cell.
    pub const fn lithium_cell() -> Self {
        Self {
            missing: Millivolts(2_000),
            // Below 3.0 V the protection circuits switch off.
            critical: Millivolts(3_200),
            low: Millivolts(3_500),
            hysteresis: Millivolts(150),
            hold: Duration::from_secs(10),
        }
    }
}

/// A state that counts, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatteryChange {
    /// Never [`BatteryState::Unknown`].
    pub state: BatteryState,
    /// The first measurement that said so.
    pub since_ns: u64,
}

/// Decides what state a battery is in.
#[derive(Clone, Copy, Debug)]
pub struct Battery {
    config: BatteryConfig,
    state: BatteryState,
    next: Option<BatteryChange>,
}

impl Battery {
    /// Nothing is known.
    pub const fn new(config: BatteryConfig) -> Self {
        Self { config, state: BatteryState::Unknown, next: None }
    }

    /// What is known now.
    pub const fn state(&self) -> BatteryState {
        self.state
    }

    /// It cannot be measured: the state is unknown.
    pub const fn lost(&mut self) {
        *self = Self::new(self.config);
    }

    /// Takes a measurement.
    pub fn feed(&mut self, voltage: Millivolts, at_ns: u64) -> Option<BatteryChange> {
        let measured = self.measured(voltage);
        if measured == self.state {
            self.next = None;
            return None;
        }
        let next = match self.next {
            // Worse and worse still, or better and better still: since the first, the lesser.
            Some(next) if (next.state < self.state) == (measured < self.state) => {
                let lesser = if measured < self.state {
                    next.state.max(measured)
                } else {
                    next.state.min(measured)
                };
                BatteryChange { state: lesser, ..next }
            }
            _ => BatteryChange { state: measured, since_ns: at_ns },
        };
        if at_ns.saturating_sub(next.since_ns) < nanos(self.config.hold) {
            self.next = Some(next);
            return None;
        }
        self.state = next.state;
        self.next = None;
        Some(next)
    }

    fn measured(&self, voltage: Millivolts) -> BatteryState {
        let BatteryConfig { missing, critical, low, hysteresis, .. } = self.config;
        let steps = [
            (missing, BatteryState::Critical),
            (critical, BatteryState::Low),
            (low, BatteryState::Good),
        ];
        let mut measured = BatteryState::Missing;
        for (limit, better) in steps {
            let up = self.state != BatteryState::Unknown && better > self.state;
            let limit = limit.0.saturating_add(if up { hysteresis.0 } else { 0 });
            if voltage.0 < limit {
                break;
            }
            measured = better;
        }
        measured
    }
}
