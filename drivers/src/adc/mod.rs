//! Converters that measure a loop against its own supply.
//!
//! What a supervised loop tells is a ratio: the voltage across it to the voltage that feeds it.
//! A converter whose reference is that supply (MCP3208, MCP3008) yields the ratio by itself; one
//! with a reference of its own (ADS1115, ADS1015) measures the supply on a channel of its own. So
//! a supply that sags or ripples slowly moves no loop out of its band.

mod ads1115;
mod mcp3208;

pub use ads1115::{Ads1x15, AdsAddress, AdsConfig, AdsError, AdsInput, AdsRange};
pub use mcp3208::{Mcp3x08, McpChannel, McpError};

/// One conversion, as a part of the supply of what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What was read. Above `full_scale` if a foreign voltage is on the input.
    pub counts: u16,
    /// What the same converter reads for the whole supply. Never 0.
    pub full_scale: u16,
}

/// A converter with several inputs.
///
/// The caller owns the pace: an implementation converts once and returns, and never retries.
pub trait Adc {
    /// Names an input.
    type Channel: Copy;
    /// What may go wrong.
    type Error;

    /// Converts one input, now.
    ///
    /// # Errors
    ///
    /// The bus failed, or what came over it cannot be a measurement. Nothing is kept from a call
    /// that failed; calling again is a whole new conversion.
    fn sample(&mut self, channel: Self::Channel) -> Result<Sample, Self::Error>;
}
