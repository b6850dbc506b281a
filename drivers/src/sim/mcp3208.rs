//! MCP3208 and MCP3008, clock by clock (Microchip DS21298E, DS21295D, figures 5-1 and 5-2).

use core::convert::Infallible;

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};

use crate::Clock;

/// A simulated chip, alone on its chip select. `part` tells the voltage of an input at a time, as a
/// part of the reference.
pub struct SimMcp<C, V> {
    clock: C,
    part: V,
    bits: u32,
}

impl<C: Clock, V: FnMut(u8, u64) -> f64> SimMcp<C, V> {
    /// An MCP3208.
    pub const fn mcp3208(clock: C, part: V) -> Self {
        Self { clock, part, bits: 12 }
    }

    /// An MCP3008.
    pub const fn mcp3008(clock: C, part: V) -> Self {
        Self { clock, part, bits: 10 }
    }

    fn convert(&mut self, input: u8) -> u16 {
        let top = f64::from((1_u16 << self.bits) - 1);
        let counts = (self.part)(input, self.clock.now_ns()) * f64::from(1_u16 << self.bits);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the converter's range"
        )]
        let counts = counts.clamp(0.0, top) as u16;
        counts
    }
}

/// What happens between two edges of the chip select.
#[derive(Default)]
struct Frame {
    /// The bits from the start bit on, as far as they have come.
    command: u32,
    /// Clocks since the start bit; it is the first.
    clocks: u32,
    result: u16,
}

impl Frame {
    /// One clock: a bit in, a bit out.
    fn clock<C: Clock, V: FnMut(u8, u64) -> f64>(
        &mut self,
        chip: &mut SimMcp<C, V>,
        input: bool,
    ) -> bool {
        if self.clocks == 0 && !input {
            return true; // Waits for the start bit; the line floats high.
        }
        self.clocks += 1;
        let bits = chip.bits;
        match self.clocks {
            1..=5 => {
                self.command = (self.command << 1) | u32::from(input);
                true
            }
            6 => {
                let channel = u8::try_from(self.command & 7).unwrap_or_default();
                self.result = chip.convert(channel);
                true
            }
            7 => false,
            clock if clock < 8 + bits => self.result >> (7 + bits - clock) & 1 == 1,
            clock if clock < 7 + 2 * bits => self.result >> (clock - 7 - bits) & 1 == 1,
            _ => false,
        }
    }

    fn byte<C: Clock, V: FnMut(u8, u64) -> f64>(
        &mut self,
        chip: &mut SimMcp<C, V>,
        byte: u8,
    ) -> u8 {
        let bits = (0..8).rev().map(|bit| byte >> bit & 1 == 1);
        bits.fold(0, |out, bit| (out << 1) | u8::from(self.clock(chip, bit)))
    }
}

impl<C, V> ErrorType for SimMcp<C, V> {
    type Error = Infallible;
}

impl<C: Clock, V: FnMut(u8, u64) -> f64> SpiDevice for SimMcp<C, V> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        let mut frame = Frame::default();
        for operation in operations {
            match operation {
                Operation::Read(to) => to.fill_with(|| frame.byte(self, 0)),
                Operation::Write(from) => {
                    for byte in *from {
                        frame.byte(self, *byte);
                    }
                }
                Operation::Transfer(to, from) => {
                    let sent = from.iter().copied().chain(core::iter::repeat(0));
                    for (to, byte) in to.iter_mut().zip(sent) {
                        *to = frame.byte(self, byte);
                    }
                }
                Operation::TransferInPlace(bytes) => {
                    for byte in bytes.iter_mut() {
                        *byte = frame.byte(self, *byte);
                    }
                }
                Operation::DelayNs(_) => {}
            }
        }
        Ok(())
    }
}
