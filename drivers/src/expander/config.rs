//! How the lines of an expander are used.

use core::time::Duration;

/// What each line is for. Bit 0 is the chip's first line (GPA0, P0, P00), bit 8 that of port B or 1.
///
/// There is no polarity: a 1 is a high voltage, always. What a level means is said where the line
/// is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// The lines that are driven; all others are inputs.
    pub outputs: u16,
    /// The inputs with a pull-up, where it can be chosen (see
    /// [`PULL_UPS`](crate::ExpanderChip::PULL_UPS)).
    pub pull_ups: u16,
    /// The inputs whose change asserts the interrupt, where it can be chosen.
    pub interrupts: u16,
    /// The levels of the outputs before anybody sets them, and whenever the chip was reset. Choose
    /// what is safe: lock locked, siren silent.
    pub safe_levels: u16,
    /// How the chip drives its interrupt pin.
    pub interrupt_pin: InterruptPin,
}

/// How the chip drives its interrupt pin. Active low in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterruptPin {
    /// Pulled low only: several chips share one line with a pull-up. PCF8574 and PCA9555 have only
    /// this.
    #[default]
    OpenDrain,
    /// Driven both ways: one chip a line.
    PushPull,
}

impl PortConfig {
    /// All lines are inputs with pull-up and interrupt: contacts to ground.
    pub const fn contacts() -> Self {
        Self {
            outputs: 0,
            pull_ups: 0xffff,
            interrupts: 0xffff,
            safe_levels: 0,
            interrupt_pin: InterruptPin::OpenDrain,
        }
    }

    /// The lines in `outputs` are outputs at `safe_levels`, all others as in
    /// [`contacts`](Self::contacts).
    pub const fn with_outputs(outputs: u16, safe_levels: u16) -> Self {
        Self { outputs, safe_levels, ..Self::contacts() }
    }
}

/// How an expander is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpanderConfig {
    /// The lines.
    pub port: PortConfig,
    /// How often all configuration registers are read back. Each reading already looks at one
    /// register that a reset changes; this finds single bits that toppled.
    pub verify_every: Duration,
    /// After so many failed readings in a row the levels are unknown, and the chip is configured
    /// anew when it answers. 0 is taken as 1.
    pub max_faults: u32,
    /// Whether the interrupt pin is wired to something that is watched. If so, a change that came
    /// without an interrupt is told in [`Scan::unannounced`](crate::Scan::unannounced).
    pub watched: Watched,
}

/// How the caller learns that it is time to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// By the interrupt pin, and now and then without.
    ByInterrupt,
    /// By the clock alone.
    ByPolling,
}

impl ExpanderConfig {
    /// Polled, read back every 10 s, unknown after three failures.
    pub const fn polled(port: PortConfig) -> Self {
        Self {
            port,
            // 16 registers at 100 kHz are 2 ms of the bus: less than a thousandth of it.
            verify_every: Duration::from_secs(10),
            // As for contacts: one error is noise on the bus, three in a row are a fault.
            max_faults: 3,
            watched: Watched::ByPolling,
        }
    }

    /// As [`polled`](Self::polled), with the interrupt pin watched.
    pub const fn interrupted(port: PortConfig) -> Self {
        Self { watched: Watched::ByInterrupt, ..Self::polled(port) }
    }
}
