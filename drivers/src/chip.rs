//! Access to the registers of a chip on I2C, and what may be wrong with it.

use core::fmt;
use core::ops::RangeInclusive;

use embedded_hal::i2c::{ErrorKind, I2c};

/// Why a chip gave no answer that can be believed.
///
/// All drivers of chips on I2C return it, so that whoever owns the bus treats them alike: by
/// [`kind`](Self::kind).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChipError<E> {
    /// A write failed on the bus. Whether the chip took it is unknown.
    Write {
        /// The chip's address.
        address: u8,
        /// The register or command.
        register: u16,
        /// What the bus said.
        source: E,
    },
    /// A read failed on the bus.
    Read {
        /// The chip's address.
        address: u8,
        /// The register or command.
        register: u16,
        /// What the bus said.
        source: E,
    },
    /// Another chip answers at this address: configuration or wiring.
    WrongChip {
        /// The address.
        address: u8,
        /// The register that tells.
        register: u16,
        /// What it should hold.
        expected: u16,
        /// What it holds.
        found: u16,
    },
    /// A register does not hold what was written: the chip was reset, most often by its supply.
    ConfigurationLost {
        /// The chip's address.
        address: u8,
        /// The first register that differs.
        register: u16,
        /// What was written.
        expected: u16,
        /// What was read.
        found: u16,
    },
    /// The check sum is wrong: noise on the bus, wires too long, or a clock too fast.
    Checksum {
        /// The chip's address.
        address: u8,
        /// The register or command.
        register: u16,
    },
    /// The value is outside of what the chip can measure.
    Implausible {
        /// The chip's address.
        address: u8,
        /// The register.
        register: u16,
        /// What was read.
        found: u16,
    },
    /// No new measurement yet. Call again later: our pace, or a chip that has stopped.
    NotReady {
        /// The chip's address.
        address: u8,
    },
}

/// What to do about a [`ChipError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChipErrorKind {
    /// Nobody answers at the address. Poll seldom, it may come back.
    Absent,
    /// The bus itself fails: other chips on it will fail as well. Consider
    /// [`recover_bus`](crate::recover_bus).
    Bus,
    /// The chip must be configured again. The next call of the driver does so.
    Reset,
    /// What came is no measurement. Read again.
    Garbled,
    /// Nothing new yet.
    NotReady,
    /// Somebody must look at configuration and wiring.
    WrongChip,
}

impl<E: embedded_hal::i2c::Error> ChipError<E> {
    /// What to do about it.
    pub fn kind(&self) -> ChipErrorKind {
        match self {
            Self::Write { source, .. } | Self::Read { source, .. } => match source.kind() {
                // Data that is not acknowledged also comes from an adapter that cannot tell.
                ErrorKind::NoAcknowledge(_) => ChipErrorKind::Absent,
                _ => ChipErrorKind::Bus,
            },
            Self::ConfigurationLost { .. } => ChipErrorKind::Reset,
            Self::Checksum { .. } | Self::Implausible { .. } => ChipErrorKind::Garbled,
            Self::NotReady { .. } => ChipErrorKind::NotReady,
            Self::WrongChip { .. } => ChipErrorKind::WrongChip,
        }
    }
}

impl<E: fmt::Debug> fmt::Display for ChipError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { address, register, source } => {
                write!(f, "chip {address:#04x}: writing register {register:#04x}: {source:?}")
            }
            Self::Read { address, register, source } => {
                write!(f, "chip {address:#04x}: reading register {register:#04x}: {source:?}")
            }
            Self::WrongChip { address, register, expected, found } => write!(
                f,
                "chip {address:#04x}: register {register:#04x} holds {found:#06x}, not \
                 {expected:#06x}: this is another chip; check its kind and address"
            ),
            Self::ConfigurationLost { address, register, expected, found } => write!(
                f,
                "chip {address:#04x}: register {register:#04x} holds {found:#06x}, not \
                 {expected:#06x} as written: the chip was reset; check its supply"
            ),
            Self::Checksum { address, register } => write!(
                f,
                "chip {address:#04x}: wrong check sum after {register:#06x}: shorten the wires or \
                 slow the bus down"
            ),
            Self::Implausible { address, register, found } => write!(
                f,
                "chip {address:#04x}: register {register:#04x} holds {found:#06x}, which cannot \
                 be measured"
            ),
            Self::NotReady { address } => write!(f, "chip {address:#04x}: nothing new measured"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for ChipError<E> {}

/// An address that the chip cannot have: wrong configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress {
    /// The address, 7 bits.
    pub address: u8,
    /// The lowest that the chip can have.
    pub first: u8,
    /// The highest.
    pub last: u8,
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, first, last } = self;
        write!(f, "address {address:#04x} is none of this chip: {first:#04x} to {last:#04x} are")
    }
}

impl core::error::Error for BadAddress {}

/// A chip at an address: the only place of this crate that touches an I2C bus.
#[derive(Debug)]
pub(crate) struct Chip<I2C> {
    i2c: I2C,
    address: u8,
}

impl<I2C> Chip<I2C> {
    pub(crate) fn new(
        i2c: I2C,
        address: u8,
        allowed: &RangeInclusive<u8>,
    ) -> Result<Self, BadAddress> {
        if allowed.contains(&address) {
            Ok(Self { i2c, address })
        } else {
            Err(BadAddress { address, first: *allowed.start(), last: *allowed.end() })
        }
    }

    /// A chip with one address only.
    pub(crate) const fn fixed(i2c: I2C, address: u8) -> Self {
        Self { i2c, address }
    }

    pub(crate) const fn address(&self) -> u8 {
        self.address
    }

    pub(crate) fn release(self) -> I2C {
        self.i2c
    }
}

impl<I2C: I2c> Chip<I2C> {
    /// Sets the pointer to `register` and reads from there.
    pub(crate) fn read<const N: usize>(
        &mut self,
        register: u8,
    ) -> Result<[u8; N], ChipError<I2C::Error>> {
        let mut bytes = [0; N];
        let address = self.address;
        match self.i2c.write_read(address, &[register], &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(source) => Err(ChipError::Read { address, register: register.into(), source }),
        }
    }

    /// A register of 16 bits, high byte first.
    pub(crate) fn read_word(&mut self, register: u8) -> Result<u16, ChipError<I2C::Error>> {
        self.read(register).map(u16::from_be_bytes)
    }

    /// Reads without setting a pointer; `register` is only for the message.
    pub(crate) fn receive<const N: usize>(
        &mut self,
        register: u16,
    ) -> Result<[u8; N], ChipError<I2C::Error>> {
        let mut bytes = [0; N];
        let address = self.address;
        match self.i2c.read(address, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(source) => Err(ChipError::Read { address, register, source }),
        }
    }

    /// Writes `bytes`, of which the first is the register.
    pub(crate) fn write<const N: usize>(
        &mut self,
        bytes: [u8; N],
    ) -> Result<(), ChipError<I2C::Error>> {
        let register = bytes.first().copied().unwrap_or_default().into();
        self.send(register, &bytes)
    }

    /// Writes a register of 16 bits, high byte first.
    pub(crate) fn write_word(
        &mut self,
        register: u8,
        word: u16,
    ) -> Result<(), ChipError<I2C::Error>> {
        let [high, low] = word.to_be_bytes();
        self.write([register, high, low])
    }

    /// Writes bytes; `register` is only for the message.
    pub(crate) fn send(
        &mut self,
        register: u16,
        bytes: &[u8],
    ) -> Result<(), ChipError<I2C::Error>> {
        let address = self.address;
        self.i2c.write(address, bytes).map_err(|source| ChipError::Write {
            address,
            register,
            source,
        })
    }

    /// Compares what a register holds with what was written.
    pub(crate) fn expect(
        &self,
        register: u8,
        expected: u16,
        found: u16,
    ) -> Result<(), ChipError<I2C::Error>> {
        if expected == found {
            return Ok(());
        }
        let (address, register) = (self.address, register.into());
        Err(ChipError::ConfigurationLost { address, register, expected, found })
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use embedded_hal::i2c::NoAcknowledgeSource;

    use super::*;

    #[test]
    fn an_address_that_the_chip_cannot_have_is_refused_with_those_it_can() {
        let refused = Chip::new((), 0x28, &(0x20..=0x27)).map(|_| ()).unwrap_err();
        let text = "address 0x28 is none of this chip: 0x20 to 0x27 are";
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn the_kind_of_an_error_tells_a_missing_chip_from_a_broken_bus() {
        let read = |source| ChipError::Read { address: 0x20, register: 0, source };
        let nack = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
        assert_eq!(read(nack).kind(), ChipErrorKind::Absent);
        assert_eq!(read(ErrorKind::Bus).kind(), ChipErrorKind::Bus);
        assert_eq!(read(ErrorKind::ArbitrationLoss).kind(), ChipErrorKind::Bus);
    }

    #[test]
    fn a_reset_chip_is_told_with_register_and_both_values() {
        let lost = ChipError::<ErrorKind>::ConfigurationLost {
            address: 0x21,
            register: 0x0a,
            expected: 0x40,
            found: 0,
        };
        assert_eq!(
            lost.to_string(),
            "chip 0x21: register 0x0a holds 0x0000, not 0x0040 as written: the chip was reset; \
             check its supply"
        );
    }
}
