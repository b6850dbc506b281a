//! Supervised loops: what resistors at the end of a line tell about contact, detector and cable.
//!
//! A loop is fed through a pull-up resistor, and an [`Adc`](crate::adc::Adc) measures which part of
//! the supply is across it. From there on all is arithmetic on integers, without a clock:
//!
//! 1. **Window.** A sample that stands out from both of its neighbours is replaced by their median;
//!    then the ratio is integrated over windows of [`WINDOW`] = 100 ms, which are five periods of
//!    50 Hz and six of 60 Hz: hum of the mains is gone, whatever its phase.
//! 2. **Band.** The window's resistance falls into a band of the [`Preset`] (or of your own
//!    [`Bands`]), with hysteresis.
//! 3. **Settling.** A state counts after three equal windows in a row, and after it has lasted for
//!    [`COUNTS_AFTER`] = 350 ms. Windows do not begin with signals, so the length is taken from
//!    the areas: a window that is half in the new state says that it began in its middle.
//! 4. **Baseline.** While the contact is closed, the resistance is compared with what it was: slow
//!    drift is a warning, a step is another resistor.
//!
//! | item | what |
//! |---|---|
//! | [`Loop`] | one loop: samples in, states with the time of their beginning out |
//! | [`LoopConfig`] | its bands, pull-up and limits |
//! | [`Preset`] | the tables of common control panels |
//! | [`Bands`] | a table of your own |
//! | [`Notice`] | what is worth knowing beside the state: drift, another resistor |
//!
//! # Limits
//!
//! - A state that lasts 400 ms or more is always reported, one below 300 ms never, with 12 or more
//!   samples in 100 ms. It is reported 350 to 450 ms after its beginning.
//! - A state is [`LoopState::Unknown`] from the start until it settled, which takes 400 ms, and
//!   again when there were no usable windows for [`STALE_AFTER`].
//! - Hum is rejected by more than 20 dB also if the mains are 10 % off, up to a peak of a tenth of
//!   the supply. More of it reaches the limits of the converter, is clipped there on one side, and
//!   moves the average of a loop that is shorted, masked or open towards the middle.
//! - A circuit that opens and closes more often than every 300 ms or so is
//!   [`LoopState::Unstable`], two seconds after it began, or at once if its swings are wide.
//! - With single-EOL wiring an opened contact and a cut cable are the same thing.
//! - A resistor that is replaced by one within [`LoopConfig::step_permille`] of it goes unnoticed,
//!   and so does whoever turns a resistance decade more slowly than the weather changes.
//! - Ten bits are the least that tells the bands apart; take twelve or more.
//!
//! # Example
//!
//! ```
//! use gatehouse_drivers::adc::{Adc, Mcp3x08, McpChannel};
//! use gatehouse_drivers::eol::{Loop, LoopConfig, LoopState, Preset};
//! use gatehouse_drivers::Clock;
//!
//! /// Returns when the loop on the first input is in alarm, with the time at which that began.
//! fn alarm<A: Adc<Channel = McpChannel>>(adc: &mut A, clock: &impl Clock) -> Result<u64, A::Error> {
//!     let mut hall = Loop::new(LoopConfig::preset(Preset::GalaxyDouble1k));
//!     loop {
//!         let sample = adc.sample(McpChannel::Ch0)?;
//!         if let Some(reading) = hall.feed(sample, clock.now_ns()).reading {
//!             if reading.state == LoopState::Alarm {
//!                 return Ok(reading.at_ns);
//!             }
//!         }
//!     }
//! }
//! # use embedded_hal::spi::SpiDevice;
//! # fn main() {}
//! # fn with<S: SpiDevice>(spi: S, clock: impl Clock) {
//! #     let _ = alarm(&mut Mcp3x08::mcp3208(spi), &clock);
//! # }
//! ```

mod bands;
mod baseline;
mod ohms;
mod pipeline;
mod preset;
mod settle;
mod window;

#[cfg(test)]
mod tests;

pub use bands::{Bands, BandsError};
pub use baseline::{Learned, Notice, Side};
pub use ohms::Ohms;
pub use pipeline::{Loop, LoopConfig, LoopReading, Report, STALE_AFTER};
pub use preset::Preset;
pub use settle::{COUNTS_AFTER, UNSTABLE_AFTER};
pub use window::WINDOW;

/// What is known of a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoopState {
    /// Not stable yet, or not measured. Never to be taken for normal.
    #[default]
    Unknown,
    /// Shorted: tamper.
    Short,
    /// Normal, but with less resistance than it should have: moisture, a damaged cable.
    LowR,
    /// Contact closed, cable whole.
    Normal,
    /// Normal, but with more resistance than it should have: a corroding contact or joint.
    HighR,
    /// Contact open, detector triggered.
    Alarm,
    /// The detector reports a fault of its own.
    Fault,
    /// The detector reports that it is masked.
    Masked,
    /// Cut: tamper. With a single resistor, or the contact is open.
    Open,
    /// It keeps changing, so that no state ever counts: a loose joint, or somebody at work.
    Unstable,
}

impl LoopState {
    /// Whether the contact is closed and the cable carries: the states in which the end resistor
    /// is what is measured.
    pub const fn is_at_rest(self) -> bool {
        matches!(self, Self::LowR | Self::Normal | Self::HighR)
    }
}
