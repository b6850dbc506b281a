//! Simulated chips, and the loops that are wired to them, for the demo and the suites.
//!
//! The chips answer as the real ones do, register by register and bit by bit, so that the drivers
//! under test are the real drivers. Feature `sim`; needs std.
//!
//! | item | what |
//! |---|---|
//! | [`SimClock`] | time that passes when somebody waits |
//! | [`SimI2c`] | a bus with chips on it, and its faults |
//! | [`SimAds`] | ADS1115 or ADS1015 |
//! | [`SimMcp`] | MCP3208 or MCP3008 |
//! | [`SimLoop`] | resistors, contact and cable, with hum, noise and drift |

mod ads1115;
mod analog;
mod bus;
mod mcp3208;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use embedded_hal::delay::DelayNs;

pub use ads1115::SimAds;
pub use analog::{Converter, Hum, Noise, SimLoop};
pub use bus::{SimChip, SimI2c};
pub use mcp3208::SimMcp;

use crate::Clock;

/// A clock that stands still until somebody waits with it. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct SimClock(Arc<AtomicU64>);

impl SimClock {
    /// It is 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time pass.
    pub fn advance(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::Relaxed);
    }

    /// Lets time pass until then; not back.
    pub fn advance_to(&self, at_ns: u64) {
        self.0.fetch_max(at_ns, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl DelayNs for SimClock {
    fn delay_ns(&mut self, ns: u32) {
        self.advance(u64::from(ns));
    }
}
