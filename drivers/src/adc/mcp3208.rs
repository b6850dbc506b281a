//! MCP3208 (12 bit) and MCP3008 (10 bit): eight inputs over SPI, the supply as reference.
//!
//! Sections are those of Microchip DS21298E (MCP3204/3208) and DS21295D (MCP3004/3008), which
//! agree. SPI mode 0 or 3 (6.1), at most 1 MHz with 2.7 V and at least 10 kHz (6.2: a slower clock
//! lets the sampled charge leak). Tie the reference pin to the supply of the loops.
//!
//! The chips have no identity and no checksum, but after the result they send it once more,
//! backwards (5.0, figure 5-2). This driver clocks that out as well and compares: 40 clocks
//! instead of 24, and a bit that was bent on the way is an error, not a resistance.
//!
//! # Limits
//!
//! A data line that is stuck low reads as 0 on all inputs, twice: each loop is shorted. That errs
//! on the safe side; a whole chip of shorts says where to look.

use core::fmt;

use embedded_hal::spi::SpiDevice;

use super::{Adc, Sample};

/// The inputs, each measured against ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McpChannel {
    /// Pin 1.
    Ch0,
    /// Pin 2.
    Ch1,
    /// Pin 3.
    Ch2,
    /// Pin 4.
    Ch3,
    /// Pin 5.
    Ch4,
    /// Pin 6.
    Ch5,
    /// Pin 7.
    Ch6,
    /// Pin 8.
    Ch7,
}

impl McpChannel {
    /// All of them, in the order of the pins.
    pub const ALL: [Self; 8] =
        [Self::Ch0, Self::Ch1, Self::Ch2, Self::Ch3, Self::Ch4, Self::Ch5, Self::Ch6, Self::Ch7];
}

/// Why there is no measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McpError<E> {
    /// The SPI transfer failed: the adapter or its configuration.
    Bus(E),
    /// The null bit before the result was high (5.0): nothing drives the data line. No chip, no
    /// supply, or the wrong chip select.
    NoAnswer,
    /// The result and its repetition differ: noise on the wires, or a clock that is too fast.
    Garbled {
        /// As sent first, highest bit first.
        first: u16,
        /// As sent again, turned round.
        again: u16,
    },
}

impl<E: fmt::Debug> fmt::Display for McpError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(error) => write!(f, "SPI transfer failed: {error:?}"),
            Self::NoAnswer => {
                f.write_str("no answer: check the chip's supply, its chip select and its wiring")
            }
            Self::Garbled { first, again } => write!(
                f,
                "sent {first:#05x} and then {again:#05x} for one result: shorten the SPI wires or \
                 slow the clock down (at most 1 MHz)"
            ),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for McpError<E> {}

/// An MCP3208 or MCP3008.
#[derive(Debug)]
pub struct Mcp3x08<SPI> {
    spi: SPI,
    bits: u32,
}

impl<SPI: SpiDevice> Mcp3x08<SPI> {
    /// An MCP3208. The chip is not touched.
    pub const fn mcp3208(spi: SPI) -> Self {
        Self { spi, bits: 12 }
    }

    /// An MCP3008. The chip is not touched.
    pub const fn mcp3008(spi: SPI) -> Self {
        Self { spi, bits: 10 }
    }

    /// Gives the bus back.
    pub fn release(self) -> SPI {
        self.spi
    }
}

impl<SPI: SpiDevice> Adc for Mcp3x08<SPI> {
    type Channel = McpChannel;
    type Error = McpError<SPI::Error>;

    fn sample(&mut self, channel: McpChannel) -> Result<Sample, Self::Error> {
        // 6.1, figures 6-1: zeros before the start bit so that the result ends with the third
        // byte. Start, single-ended, D2, D1, D0; one clock to sample; the null bit; the result.
        let command: u16 = (0b11 << 3) | channel as u16;
        let mut bytes = [0; 5];
        // From the start bit to the end of the third byte: 5 of command, 1 to sample, 1 null.
        let command = command << (2 + self.bits - 8);
        bytes[..2].copy_from_slice(&command.to_be_bytes());
        self.spi.transfer_in_place(&mut bytes).map_err(McpError::Bus)?;

        let [_, high, low, back @ ..] = bytes;
        let word = u16::from_be_bytes([high, low]);
        let null = 1 << self.bits;
        if word & null != 0 {
            return Err(McpError::NoAnswer);
        }
        let first = word & (null - 1);
        // Figure 5-2: B1 to the highest bit, B0 being shared with the first pass, then zeros.
        let backwards = u16::from_be_bytes(back).reverse_bits();
        if backwards != first >> 1 {
            return Err(McpError::Garbled { first, again: (backwards << 1) | (first & 1) });
        }
        Ok(Sample { counts: first, full_scale: null })
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec;
    use std::vec::Vec;

    use embedded_hal::spi::{ErrorKind, ErrorType, Operation};
    use embedded_hal_mock::eh1::spi::{Mock, Transaction};

    use super::*;

    fn transfer(sent: [u8; 5], answered: [u8; 5]) -> Vec<Transaction<u8>> {
        vec![
            Transaction::transaction_start(),
            Transaction::transfer_in_place(sent.to_vec(), answered.to_vec()),
            Transaction::transaction_end(),
        ]
    }

    #[test]
    fn the_mcp3208_is_asked_for_an_input_and_its_result_is_read_twice() {
        // 0xABC = 1010_1011_1100; backwards from B1: 0111_1010_101, then zeros.
        let answered = [0xFF, 0b1110_1010, 0b1011_1100, 0b0111_1010, 0b1010_0000];
        let mut expected = transfer([0x06, 0x00, 0, 0, 0], answered);
        expected.extend(transfer([0x07, 0xC0, 0, 0, 0], answered));
        let mut spi = Mock::new(&expected);
        let mut adc = Mcp3x08::mcp3208(spi.clone());
        let sample = Sample { counts: 0xABC, full_scale: 4096 };
        assert_eq!(adc.sample(McpChannel::Ch0), Ok(sample));
        assert_eq!(adc.sample(McpChannel::Ch7), Ok(sample));
        spi.done();
    }

    #[test]
    fn the_mcp3008_is_asked_for_an_input_and_its_result_is_read_twice() {
        // 0x2AD = 10_1010_1101; backwards from B1: 0110_1010_1, then zeros.
        let answered = [0xFF, 0b1111_1010, 0b1010_1101, 0b0110_1010, 0b1000_0000];
        let mut expected = transfer([0x01, 0x80, 0, 0, 0], answered);
        expected.extend(transfer([0x01, 0xD0, 0, 0, 0], answered));
        let mut spi = Mock::new(&expected);
        let mut adc = Mcp3x08::mcp3008(spi.clone());
        let sample = Sample { counts: 0x2AD, full_scale: 1024 };
        assert_eq!(adc.sample(McpChannel::Ch0), Ok(sample));
        assert_eq!(adc.sample(McpChannel::Ch5), Ok(sample));
        spi.done();
    }

    /// The scripted bus has no failing transfer: this one fails as often as it is told.
    struct Failing {
        spi: Mock<u8>,
        failures: u32,
    }

    impl ErrorType for Failing {
        type Error = ErrorKind;
    }

    impl SpiDevice for Failing {
        fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
            if self.failures > 0 {
                self.failures -= 1;
                return Err(ErrorKind::Other);
            }
            self.spi.transaction(operations)
        }
    }

    #[test]
    fn a_failed_transfer_is_told_and_the_retry_converts_anew() {
        let script = transfer([0x06, 0x40, 0, 0, 0], [0, 0, 0b0000_0001, 0, 0]);
        let mut spi = Mock::new(&script);
        let mut adc = Mcp3x08::mcp3208(Failing { spi: spi.clone(), failures: 1 });
        assert_eq!(adc.sample(McpChannel::Ch1), Err(McpError::Bus(ErrorKind::Other)));
        assert_eq!(adc.sample(McpChannel::Ch1), Ok(Sample { counts: 1, full_scale: 4096 }));
        assert_eq!(adc.release().failures, 0);
        spi.done();
    }

    #[test]
    fn a_line_that_nobody_drives_is_no_measurement_and_the_retry_is() {
        let mut expected = transfer([0x06, 0, 0, 0, 0], [0xFF; 5]);
        expected.extend(transfer([0x06, 0, 0, 0, 0], [0, 0, 0, 0, 0]));
        let mut spi = Mock::new(&expected);
        let mut adc = Mcp3x08::mcp3208(spi.clone());
        assert_eq!(adc.sample(McpChannel::Ch0), Err(McpError::NoAnswer));
        assert_eq!(adc.sample(McpChannel::Ch0), Ok(Sample { counts: 0, full_scale: 4096 }));
        spi.done();
    }

    #[test]
    fn any_single_bent_bit_of_the_result_is_noticed() {
        for (bits, sent) in [(12_u32, [0x06, 0, 0, 0, 0]), (10, [0x01, 0x80, 0, 0, 0])] {
            // As 40 bits: the result ends with the third byte, its repetition follows.
            let first: u16 = 0x155;
            let frame = u64::from(first) << 16 | u64::from((first >> 1).reverse_bits());
            for bit in 0..=(16 + bits) {
                let bent = (frame ^ (1 << bit)).to_be_bytes();
                let answered = [bent[3], bent[4], bent[5], bent[6], bent[7]];
                let mut spi = Mock::new(&transfer(sent, answered));
                let mut adc = if bits == 12 {
                    Mcp3x08::mcp3208(spi.clone())
                } else {
                    Mcp3x08::mcp3008(spi.clone())
                };
                // The lowest bit is sent once only: it moves the result by one count.
                let result = adc.sample(McpChannel::Ch0);
                if bit == 16 {
                    assert_eq!(result.map(|sample| sample.counts), Ok(first ^ 1));
                } else {
                    assert!(result.is_err(), "{bits} bits, bit {bit}: {result:?}");
                }
                spi.done();
            }
        }
    }

    #[test]
    fn the_message_says_what_to_do() {
        let error = McpError::<ErrorKind>::Garbled { first: 0x123, again: 0x12B };
        assert_eq!(
            error.to_string(),
            "sent 0x123 and then 0x12b for one result: shorten the SPI wires or slow the clock \
             down (at most 1 MHz)"
        );
        assert!(McpError::<ErrorKind>::NoAnswer.to_string().contains("chip select"));
    }
}
