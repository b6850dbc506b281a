//! What may go wrong between a start and a picture.

use core::fmt;

use crate::chip::{ChipError, ChipErrorKind};

/// Why there is no picture. What was read of one before must be thrown away.
///
/// After each of them [`Ov2640::start`](super::Ov2640::start) is the way on: it throws away what is
/// in the FIFO, and configures both chips anew where that may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StillError<S, I> {
    /// The buffer cannot hold what comes next: our bug, or a picture larger than was planned for.
    BufferTooSmall,
    /// The picture's headers make no sense: noise on the SPI wires, or a clock above 8 MHz.
    Damaged,
    /// The ArduChip does not hold what was written: it was reset, most often by its supply.
    Forgotten {
        /// What was written.
        expected: u8,
        /// What was read.
        found: u8,
    },
    /// The FIFO holds nothing, or more than it can: a sensor that sends nothing, or a line that
    /// nobody drives.
    Length {
        /// What the FIFO says.
        found: u32,
    },
    /// The frame did not come within the polls of the configuration: no sensor, or one that stopped.
    NeverDone {
        /// How many polls there were.
        polls: u16,
    },
    /// The ArduChip's test register does not hold what was just written: no camera, no supply, or
    /// the wrong chip select.
    NoAnswer {
        /// What was written.
        expected: u8,
        /// What was read.
        found: u8,
    },
    /// The FIFO held no beginning of a picture: the sensor is not in JPEG mode, or forgot it was.
    NoPicture,
    /// Nothing was started, or the last picture is over: our bug.
    NotStarted,
    /// The sensor on I2C: absent, another one, reset, or not settled yet.
    Sensor(ChipError<I>),
    /// The SPI transfer failed: the adapter or its configuration.
    Spi(S),
    /// The picture has no end: the FIFO was too small for it, or the supply dipped.
    Truncated,
}

impl<S, I: embedded_hal::i2c::Error> StillError<S, I> {
    /// What to do about it, in the words for all chips.
    pub fn kind(&self) -> ChipErrorKind {
        match self {
            Self::Sensor(error) => error.kind(),
            Self::Spi(_) => ChipErrorKind::Bus,
            Self::NoAnswer { .. } => ChipErrorKind::Absent,
            Self::Forgotten { .. } | Self::NeverDone { .. } => ChipErrorKind::Reset,
            Self::NotStarted => ChipErrorKind::NotReady,
            Self::BufferTooSmall
            | Self::Damaged
            | Self::Length { .. }
            | Self::NoPicture
            | Self::Truncated => ChipErrorKind::Garbled,
        }
    }
}

impl<S: fmt::Debug, I: fmt::Debug> fmt::Display for StillError<S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall => f.write_str("the picture is larger than the buffer for it"),
            Self::Damaged => f.write_str(
                "the camera's picture is damaged: shorten the SPI wires or slow the clock down (at \
                 most 8 MHz)",
            ),
            Self::Forgotten { expected, found } => write!(
                f,
                "the camera's FIFO chip holds {found:#04x}, not {expected:#04x} as written: it was \
                 reset; check its supply"
            ),
            Self::Length { found } => {
                write!(f, "the camera's FIFO says it holds {found} bytes, which cannot be")
            }
            Self::NeverDone { polls } => {
                write!(f, "no frame of the camera after {polls} polls: check the sensor's ribbon")
            }
            Self::NoAnswer { expected, found } => write!(
                f,
                "the camera answers {found:#04x}, not {expected:#04x}: check its supply, its chip \
                 select and its wiring"
            ),
            Self::NoPicture => f.write_str("the camera's FIFO holds no picture"),
            Self::NotStarted => f.write_str("no picture was started"),
            Self::Sensor(error) => write!(f, "camera sensor: {error}"),
            Self::Spi(error) => write!(f, "SPI transfer failed: {error:?}"),
            Self::Truncated => f.write_str("the camera's picture has no end"),
        }
    }
}

impl<S: fmt::Debug, I: fmt::Debug> core::error::Error for StillError<S, I> {}
