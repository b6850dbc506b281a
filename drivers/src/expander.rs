//! Port expanders: 8 or 16 lines over I2C, as contacts and as outputs.
//!
//! [`Expander`] keeps one chip: configures it, reads all its lines at once, notices that it was
//! reset or has gone, and configures it again. What it reads is a [`Scan`]: levels, and the edges
//! of each line with their times. A [`PortLine`] makes of them the [`EdgeSource`](crate::EdgeSource)
//! of a [`Contact`](crate::Contact); an [`ExpanderPin`] is an output.
//!
//! # Limits
//!
//! - While a chip does not answer its levels are unknown, and when it is back they are read anew:
//!   what happened in between is not invented.
//! - Nothing is written in the name of a caller who was told that it failed: the outputs of a
//!   failed write, and all of a chip that was reset, go to their safe levels.
//! - Polled, the time of an edge is that of the reading. For the debounce rule of
//!   [`ALARM_DEBOUNCE`](crate::ALARM_DEBOUNCE) poll at least every 50 ms. With the interrupt pin
//!   watched, pass the time of its edge: it becomes the time of the change.
//! - Two changes of a line between two readings are one or none. Only an MCP23017 keeps the first
//!   level after the interrupt, so a short pulse is seen there.

mod config;
mod line;
mod mcp23017;
mod pca9555;
mod pcf8574;
mod pin;
mod scan;

use embedded_hal::i2c;

pub use config::{ExpanderConfig, InterruptPin, PortConfig, Watched};
pub use line::{LineUnknown, PortLine};
pub use mcp23017::Mcp23017;
pub use pca9555::Pca9555;
pub use pcf8574::Pcf8574;
pub use pin::{ExpanderPin, PinError};
pub use scan::{Restart, Scan};

use crate::chip::ChipError;
use crate::time::nanos;

/// What a chip must hold: its configuration and the latches of its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The use of the lines.
    pub port: PortConfig,
    /// The levels of the outputs; 0 for every input.
    pub outputs: u16,
}

/// All lines of a chip, read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The levels of the pins, of outputs as well. Lines that the chip has not are 0.
    pub levels: u16,
    /// What the chip kept at the interrupt, if it can.
    pub captured: Option<Capture>,
}

/// What a chip kept of the first change since the last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The lines that changed.
    pub lines: u16,
    /// The levels at that moment.
    pub levels: u16,
}

/// Whether a chip pulls its inputs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullUps {
    /// As [`PortConfig::pull_ups`] says.
    Selectable,
    /// Each input, whatever the configuration says.
    Always,
}

/// One chip of the family. It keeps nothing in memory: what it must hold is passed in each time, so
/// nothing can be believed to be written that is not.
///
/// The caller is [`Expander`]; implement it for a further chip.
pub trait ExpanderChip {
    /// The error of the bus.
    type BusError: i2c::Error;

    /// How many lines it has.
    const LINES: u8;
    /// Whether it pulls its inputs up.
    const PULL_UPS: PullUps;
    /// Lines of which a datasheet says that they should not be inputs.
    const DOUBTFUL_INPUTS: u16 = 0;

    /// Its address on the bus.
    fn address(&self) -> u8;

    /// Writes all of the setup, outputs before directions, and reads it back.
    ///
    /// # Errors
    ///
    /// The bus failed, or the chip does not hold what was written.
    fn configure(&mut self, setup: &Setup) -> Result<(), ChipError<Self::BusError>>;

    /// Reads all of the setup back.
    ///
    /// # Errors
    ///
    /// The bus failed, or the chip does not hold what was written: `ConfigurationLost`.
    fn verify(&mut self, setup: &Setup) -> Result<(), ChipError<Self::BusError>>;

    /// Reads all lines, ends the interrupt, and looks whether the chip was reset.
    ///
    /// # Errors
    ///
    /// The bus failed, or the chip was reset: `ConfigurationLost`.
    fn sample(&mut self, setup: &Setup) -> Result<Sample, ChipError<Self::BusError>>;

    /// Writes the levels of the outputs.
    ///
    /// # Errors
    ///
    /// The bus failed. Whether the chip took the levels is unknown.
    fn write_outputs(&mut self, setup: &Setup) -> Result<(), ChipError<Self::BusError>>;
}

/// Keeps one expander.
#[derive(Debug)]
pub struct Expander<C> {
    chip: C,
    config: ExpanderConfig,
    setup: Setup,
    /// The chip holds `setup`, as far as is known.
    ready: bool,
    /// The chip may not hold the outputs of `setup`.
    rewrite: bool,
    /// What the next scan has to tell. As long as there is something, `last` is `None`.
    restart: Option<Restart>,
    /// Failures since the last successful scan.
    faults: u32,
    /// Scans failed since the last successful one.
    gap: bool,
    /// The last reading, while it can be believed.
    last: Option<(u64, u16)>,
    verified_ns: Option<u64>,
}

impl<C: ExpanderChip> Expander<C> {
    /// The chip is not touched, the levels are unknown.
    pub fn new(chip: C, config: ExpanderConfig) -> Self {
        let mut port = config.port;
        port.outputs &= Self::lines();
        Self {
            chip,
            config,
            setup: Setup { port, outputs: port.safe_levels & port.outputs },
            ready: false,
            rewrite: false,
            restart: Some(Restart::Found),
            faults: 0,
            gap: false,
            last: None,
            verified_ns: None,
        }
    }

    /// The lines that the chip has, one bit each.
    pub const fn lines() -> u16 {
        if C::LINES >= 16 { u16::MAX } else { (1 << C::LINES) - 1 }
    }

    /// The levels at the last reading; `None` before the first, and while the chip does not answer.
    pub fn levels(&self) -> Option<u16> {
        self.last.map(|(_, levels)| levels)
    }

    /// The levels that the outputs were last told; `None` while it is not known whether the chip
    /// holds them.
    pub fn outputs(&self) -> Option<u16> {
        (self.ready && !self.rewrite).then_some(self.setup.outputs)
    }

    /// The chip's address.
    pub fn address(&self) -> u8 {
        self.chip.address()
    }

    /// Gives the chip back.
    pub fn release(self) -> C {
        self.chip
    }

    /// Reads all lines; before that, configures the chip if it is new, was gone or was reset.
    ///
    /// Call it at the pace of the polling, at each edge of the interrupt line with its time (on the
    /// clock of `now_ns`), and while that line is low. It returns after two readings, two read-backs
    /// and one configuration at most.
    ///
    /// # Errors
    ///
    /// The chip's. Call again to retry; the pace is the caller's duty. After
    /// [`ExpanderConfig::max_faults`] of them in a row, and at once if the chip was reset,
    /// [`levels`](Self::levels) is `None`: tell the contacts, with `Contact::lost`.
    pub fn poll(
        &mut self,
        now_ns: u64,
        interrupt_ns: Option<u64>,
    ) -> Result<Scan, ChipError<C::BusError>> {
        let scan = self.scan(now_ns, interrupt_ns);
        if scan.is_ok() {
            self.faults = 0;
            self.gap = false;
        } else {
            self.gap = true;
            self.failed();
        }
        scan
    }

    /// Sets the outputs in `lines` to `levels`; other lines stay as they are.
    ///
    /// It is written each time, also if nothing seems to change: what this driver remembers is not
    /// proof of what the chip does. A PCF8574 ends its interrupt at a write: poll after it.
    ///
    /// # Errors
    ///
    /// The chip's. Then the outputs in `lines` go to their safe levels at the next success of this
    /// or of [`poll`](Self::poll), unless they are set again before.
    pub fn set_outputs(&mut self, lines: u16, levels: u16) -> Result<(), ChipError<C::BusError>> {
        let lines = lines & self.setup.port.outputs;
        let safe = self.setup.outputs & !lines | self.setup.port.safe_levels & lines;
        let wanted = Setup { outputs: safe & !lines | levels & lines, ..self.setup };
        let written = if self.ready {
            self.chip.write_outputs(&wanted)
        } else {
            // A chip that was gone may have forgotten its directions.
            self.chip.configure(&wanted)
        };
        // Only now, when the bus has answered, is anything remembered.
        self.setup.outputs = if written.is_ok() { wanted.outputs } else { safe };
        self.rewrite = written.is_err();
        if written.is_ok() {
            self.ready = true;
        } else {
            self.failed();
        }
        written
    }

    fn scan(
        &mut self,
        now_ns: u64,
        interrupt_ns: Option<u64>,
    ) -> Result<Scan, ChipError<C::BusError>> {
        if !self.ready {
            self.configure(now_ns)?;
        } else if self.rewrite {
            self.chip.write_outputs(&self.setup)?;
            self.rewrite = false;
        }
        let sample = match self.sample(now_ns) {
            Ok(sample) => sample,
            Err(ChipError::ConfigurationLost { register, expected, found, .. }) => {
                self.was_reset(Restart::Reset { register, expected, found });
                self.configure(now_ns)?;
                self.sample(now_ns)?
            }
            Err(error) => return Err(error),
        };
        let scan = Scan::new(
            now_ns,
            interrupt_ns,
            sample,
            self.last,
            self.restart.take(),
            self.gap,
            self.config.watched,
            !self.setup.port.outputs,
        );
        self.last = Some((now_ns, sample.levels));
        Ok(scan)
    }

    /// Reads the lines, then the configuration if it is due: only levels that were read with the
    /// right configuration count.
    fn sample(&mut self, now_ns: u64) -> Result<Sample, ChipError<C::BusError>> {
        let mut sample = self.chip.sample(&self.setup)?;
        let due_ns = self.verified_ns.map(|at| at.saturating_add(nanos(self.config.verify_every)));
        if due_ns.is_none_or(|due_ns| now_ns >= due_ns) {
            self.chip.verify(&self.setup)?;
            self.verified_ns = Some(now_ns);
        }
        sample.levels &= Self::lines();
        Ok(sample)
    }

    fn configure(&mut self, now_ns: u64) -> Result<(), ChipError<C::BusError>> {
        self.chip.configure(&self.setup)?;
        self.ready = true;
        self.rewrite = false;
        self.verified_ns = Some(now_ns);
        Ok(())
    }

    /// The outputs have dropped out. They go to their safe levels until somebody sets them.
    fn was_reset(&mut self, why: Restart) {
        self.ready = false;
        self.setup.outputs = self.setup.port.safe_levels & self.setup.port.outputs;
        self.last = None;
        // What came first is told: a chip that is found anew has not been reset for anybody.
        self.restart.get_or_insert(why);
    }

    fn failed(&mut self) {
        self.faults = self.faults.saturating_add(1);
        // The cause may have been a dip of the supply: look at everything at the next success.
        self.verified_ns = None;
        if self.faults >= self.config.max_faults {
            self.was_reset(Restart::Returned);
        }
    }
}

#[cfg(test)]
mod tests;
