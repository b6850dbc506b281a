//! TMP102: the temperature of the box. TI SBOS397H.

use embedded_hal::i2c::I2c;

use crate::chip::{BadAddress, Chip, ChipError};
use crate::units::CentiCelsius;

// Table 7 of section 7.5.
const TEMPERATURE: u8 = 0;
const CONFIGURATION: u8 = 1;

/// Section 7.5.3: continuous, 12 bits, one conversion a second. Other than after a reset (0x60a0,
/// four a second), which it thereby tells; and it heats the chip less.
const SETTINGS: u16 = 0x6040;
/// Without OS, which tells of single conversions, and AL, which tells of the alert.
const SETTINGS_MASK: u16 = 0x7fdf;
/// R1 and R0 are always 1: as near to an identity as the chip has.
const ALWAYS: u16 = 0x6000;
/// A conversion takes 35 ms at most, and begins with the configuration or up to a second later
/// (section 6.5). Before, the register may hold 0 °C, which nobody measured.
const FIRST_NS: u64 = 1_035_000_000;

/// A TMP102.
#[derive(Debug)]
pub struct Tmp102<I2C> {
    chip: Chip<I2C>,
    configured_ns: Option<u64>,
}

impl<I2C: I2c> Tmp102<I2C> {
    /// At one of 0x48 to 0x4b (section 7.3.3). The chip is not touched.
    ///
    /// # Errors
    ///
    /// The address is none of this chip.
    pub fn new(i2c: I2C, address: u8) -> Result<Self, BadAddress> {
        Ok(Self { chip: Chip::new(i2c, address, &(0x48..=0x4b))?, configured_ns: None })
    }

    /// Gives the bus back.
    pub fn release(self) -> I2C {
        self.chip.release()
    }

    /// The temperature. The first call configures the chip, and so does the next one after a reset
    /// was found.
    ///
    /// # Errors
    ///
    /// `NotReady` for a second after the configuration. The bus failed, or the chip was reset: call
    /// again.
    pub fn measure(&mut self, now_ns: u64) -> Result<CentiCelsius, ChipError<I2C::Error>> {
        let address = self.chip.address();
        let configured_ns = if let Some(at_ns) = self.configured_ns {
            at_ns
        } else {
            self.chip.write_word(CONFIGURATION, SETTINGS)?;
            *self.configured_ns.insert(now_ns)
        };
        let found = self.chip.read_word(CONFIGURATION)?;
        if found & ALWAYS != ALWAYS {
            let (register, expected) = (CONFIGURATION.into(), SETTINGS);
            return Err(ChipError::WrongChip { address, register, expected, found });
        }
        self.chip
            .expect(CONFIGURATION, SETTINGS, found & SETTINGS_MASK)
            .inspect_err(|_| self.configured_ns = None)?;
        if now_ns.saturating_sub(configured_ns) < FIRST_NS {
            return Err(ChipError::NotReady { address });
        }
        let raw = self.chip.read_word(TEMPERATURE)?;
        convert(raw).ok_or(ChipError::Implausible {
            address,
            register: TEMPERATURE.into(),
            found: raw,
        })
    }
}

/// Section 7.5.2: 12 bits in two's complement, the upper ones of the word, in steps of 1/16 °C.
/// `None`: bits that are always 0, or colder than the chip can be.
fn convert(raw: u16) -> Option<CentiCelsius> {
    let sixteenths = i32::from(raw.cast_signed() >> 4);
    (raw.trailing_zeros() >= 4 && sixteenths >= -55 * 16)
        .then_some(CentiCelsius(sixteenths * 100 / 16))
}

#[cfg(test)]
mod tests {
    use std::vec;

    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::Transaction;
    use proptest::prelude::*;

    use super::*;
    use crate::ChipErrorKind;
    use crate::sim::{SimI2c, SimTmp102};
    use crate::testing::each_operation_fails_once_and_is_retried;

    const AT: u8 = 0x48;
    const SEC: u64 = 1_000_000_000;

    fn read(register: u8, word: u16) -> Transaction {
        Transaction::write_read(AT, vec![register], word.to_be_bytes().to_vec())
    }

    #[test]
    fn each_operation_is_retried() {
        let configure = [Transaction::write(AT, vec![1, 0x60, 0x40]), read(1, 0x6060)];
        let make = |bus| Tmp102::new(bus, AT).unwrap();
        let retried = |failing| configure[failing..].to_vec();
        each_operation_fails_once_and_is_retried(&[], &configure, retried, make, |chip| match chip
            .measure(0)
        {
            Err(ChipError::NotReady { .. }) => Ok(()),
            other => Err(other),
        });
        let measure = [read(1, 0x6060), read(0, 0x1900)];
        let make = |bus| {
            let mut chip = make(bus);
            assert!(chip.measure(0).is_err());
            chip
        };
        let retried = |_| measure.to_vec();
        each_operation_fails_once_and_is_retried(&configure, &measure, retried, make, |chip| {
            assert_eq!(chip.measure(2 * SEC)?, CentiCelsius(2_500));
            Ok::<_, ChipError<ErrorKind>>(())
        });
    }

    #[test]
    fn the_datasheets_table_is_met() {
        for (raw, centi) in [
            (0x7ff0, 12_793),
            (0x6400, 10_000),
            (0x0010, 6),
            (0x0000, 0),
            (0xfff0, -6),
            (0xffc0, -25),
            (0xe700, -2_500),
            (0xc900, -5_500),
        ] {
            assert_eq!(convert(raw), Some(CentiCelsius(centi)), "{raw:#x}");
        }
        for impossible in [0x8000, 0xc8f0, 0x1901, 0xffff] {
            assert_eq!(convert(impossible), None, "{impossible:#x}");
        }
    }

    proptest! {
        #[test]
        fn the_conversion_is_monotone(a in -880i16..2_048, b in -880i16..2_048) {
            let centi = |sixteenths: i16| convert((sixteenths << 4).cast_unsigned()).unwrap();
            prop_assert_eq!(a.cmp(&b), centi(a).cmp(&centi(b)));
        }
    }

    #[test]
    fn a_chip_that_was_reset_or_gone_is_configured_again_and_nothing_is_told_too_early() {
        let bus = SimI2c::new();
        let plug = bus.attach(AT, SimTmp102::new()).unwrap();
        plug.with(|chip| chip.temperature(CentiCelsius(-1_250)));
        let mut chip = Tmp102::new(bus, AT).unwrap();
        let kind = |chip: &mut Tmp102<SimI2c>, now| chip.measure(now).unwrap_err().kind();
        assert_eq!(kind(&mut chip, 0), ChipErrorKind::NotReady);
        assert_eq!(chip.measure(2 * SEC), Ok(CentiCelsius(-1_250)));
        plug.unplug();
        assert_eq!(kind(&mut chip, 3 * SEC), ChipErrorKind::Absent);
        plug.replug();
        assert_eq!(kind(&mut chip, 4 * SEC), ChipErrorKind::Reset);
        assert_eq!(kind(&mut chip, 4 * SEC), ChipErrorKind::NotReady);
        assert_eq!(chip.measure(6 * SEC), Ok(CentiCelsius(-1_250)));
        let bus = SimI2c::new();
        let _other = bus.attach(AT, crate::sim::SimIna219::new()).unwrap();
        assert_eq!(kind(&mut Tmp102::new(bus, AT).unwrap(), 0), ChipErrorKind::WrongChip);
    }
}
