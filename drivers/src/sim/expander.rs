//! Simulated port expanders.

use embedded_hal::i2c::ErrorKind;

use super::SimChip;
use super::bus::REFUSED;

/// What is wired to the pins of an expander, from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wiring {
    pulled_low: u16,
    pulled_high: u16,
}

impl Wiring {
    /// The levels of the pins: a wire from outside wins, then the chip's driver, then its pull-up.
    fn levels(self, driven: u16, latches: u16, pull_ups: u16) -> u16 {
        let own = latches & driven | pull_ups & !driven;
        own & !self.pulled_low | self.pulled_high
    }
}

/// Both registers of a pair as lines.
fn pair(registers: &[u8], first: usize) -> u16 {
    u16::from_le_bytes([registers[first], registers[first + 1]])
}

fn set_pair(registers: &mut [u8], first: usize, lines: u16) {
    registers[first..first + 2].copy_from_slice(&lines.to_le_bytes());
}

macro_rules! hands {
    ($chip:ty) => {
        impl $chip {
            /// Without wires.
            pub fn new() -> Self {
                Self::default()
            }

            /// Connects these lines to ground, and opens all others. Contacts to ground: a 1 is
            /// closed.
            pub fn pull_low(&mut self, lines: u16) {
                self.wiring.pulled_low = lines;
                self.wires_moved();
            }

            /// Connects these lines to the supply, and opens all others. Wins over
            /// [`pull_low`](Self::pull_low) and over the chip: a short.
            pub fn pull_high(&mut self, lines: u16) {
                self.wiring.pulled_high = lines;
                self.wires_moved();
            }

            /// The level of the interrupt pin: low while something changed that was not read.
            pub fn interrupt_is_low(&self) -> bool {
                self.interrupt()
            }
        }
    };
}

/// A simulated MCP23017 (Microchip DS20001952D), IOCON.BANK = 0 and 1.
#[derive(Clone, Debug, Default)]
pub struct SimMcp23017 {
    /// In the order of BANK = 0: IODIR, IPOL, GPINTEN, DEFVAL, INTCON, IOCON, GPPU, INTF, INTCAP,
    /// GPIO, OLAT, each A and B.
    registers: [u8; 22],
    pointer: u8,
    wiring: Wiring,
    /// The levels that a change is compared with: those at the last reading.
    seen: u16,
}

hands!(SimMcp23017);

const IOCON: usize = 10;
const INTF: usize = 14;
const INTCAP: usize = 16;
const GPIO: usize = 18;
const OLAT: usize = 20;

impl SimMcp23017 {
    /// The levels of all pins.
    pub fn levels(&self) -> u16 {
        let inputs = pair(&self.registers, 0);
        self.wiring.levels(!inputs, pair(&self.registers, OLAT), pair(&self.registers, 12))
    }

    /// Noise sets a register.
    pub fn topple(&mut self, register: u8, value: u8) {
        if let Some(register) = self.registers.get_mut(usize::from(register)) {
            *register = value;
        }
    }

    fn wires_moved(&mut self) {
        let enabled = pair(&self.registers, 4);
        let changed = (self.levels() ^ self.seen) & enabled;
        let flags = pair(&self.registers, INTF);
        for (port, mask) in [0x00ff, 0xff00].into_iter().enumerate() {
            // 3.6.3: the first change of a port is kept until it is read.
            if flags & mask == 0 && changed & mask != 0 {
                self.registers[INTF + port] = changed.to_le_bytes()[port];
                self.registers[INTCAP + port] = self.levels().to_le_bytes()[port];
            }
        }
    }

    fn interrupt(&self) -> bool {
        pair(&self.registers, INTF) != 0
    }

    /// The index of a register by its address; table 3-3 with both banks.
    fn index(&self, address: u8) -> Option<usize> {
        let address = usize::from(address);
        let index = if self.registers[IOCON] & 0x80 == 0 {
            address
        } else {
            (address & 0x0f) * 2 + (address >> 4)
        };
        (index < self.registers.len()).then_some(index)
    }
}

impl SimChip for SimMcp23017 {
    fn power_on(&mut self) {
        self.registers = [0; 22];
        // IODIR, table 3-5.
        set_pair(&mut self.registers, 0, 0xffff);
        self.pointer = 0;
        self.seen = self.levels();
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        let [pointer, values @ ..] = bytes else { return Ok(()) };
        self.pointer = *pointer;
        for &value in values {
            match self.index(self.pointer) {
                Some(IOCON | 11) => self.registers[IOCON..=IOCON + 1].fill(value & 0xfe),
                // A write to GPIO is one to OLAT (3.2).
                Some(port @ (GPIO | 19)) => self.registers[port + OLAT - GPIO] = value,
                Some(INTF..GPIO) => {}
                Some(index) => self.registers[index] = value,
                None => return Err(REFUSED),
            }
            self.pointer = self.pointer.wrapping_add(1);
        }
        self.wires_moved();
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        for byte in bytes {
            *byte = match self.index(self.pointer) {
                Some(index @ INTCAP..OLAT) => {
                    let port = index % 2;
                    let now = self.levels();
                    let captured = self.registers[INTCAP + port];
                    let polarity = self.registers[2 + port];
                    // 3.6.4: reading either ends the interrupt of that port.
                    self.registers[INTF + port] = 0;
                    let mask = [0x00ff, 0xff00][port];
                    if index >= GPIO {
                        self.seen = self.seen & !mask | now & mask;
                        now.to_le_bytes()[port] ^ polarity
                    } else {
                        captured
                    }
                }
                Some(index) => self.registers[index],
                None => 0,
            };
            self.pointer = self.pointer.wrapping_add(1);
        }
        self.wires_moved();
        Ok(())
    }
}

/// A simulated PCA9555 (NXP rev. 10).
#[derive(Clone, Debug, Default)]
pub struct SimPca9555 {
    /// Input (unused), output, polarity, configuration; each a pair.
    registers: [u8; 8],
    pointer: u8,
    wiring: Wiring,
    seen: u16,
}

hands!(SimPca9555);

impl SimPca9555 {
    /// The levels of all pins.
    pub fn levels(&self) -> u16 {
        let inputs = pair(&self.registers, 6);
        self.wiring.levels(!inputs, pair(&self.registers, 2), 0xffff)
    }

    #[expect(clippy::unused_self, reason = "the interrupt is a comparison, nothing is kept")]
    fn wires_moved(&self) {}

    fn interrupt(&self) -> bool {
        // Section 6.5: an input that differs from what was read; it ends if the input goes back.
        (self.levels() ^ self.seen) & pair(&self.registers, 6) != 0
    }
}

impl SimChip for SimPca9555 {
    fn power_on(&mut self) {
        // Tables 5 to 12.
        self.registers = [0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff];
        self.pointer = 0;
        self.seen = self.levels();
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        let [pointer, values @ ..] = bytes else { return Ok(()) };
        self.pointer = pointer & 7;
        for &value in values {
            if self.pointer > 1 {
                self.registers[usize::from(self.pointer)] = value;
            }
            // Section 6.6: the pointer goes to and fro within the pair.
            self.pointer ^= 1;
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        let now = self.levels();
        for byte in bytes {
            let index = usize::from(self.pointer);
            *byte = if index < 2 {
                let mask = [0x00ff, 0xff00][index];
                self.seen = self.seen & !mask | now & mask;
                now.to_le_bytes()[index] ^ self.registers[4 + index]
            } else {
                self.registers[index]
            };
            self.pointer ^= 1;
        }
        Ok(())
    }
}

/// A simulated PCF8574 or PCF8574A (NXP rev. 5).
#[derive(Clone, Debug, Default)]
pub struct SimPcf8574 {
    latches: u8,
    wiring: Wiring,
    seen: u16,
}

hands!(SimPcf8574);

impl SimPcf8574 {
    /// The levels of all pins.
    pub fn levels(&self) -> u16 {
        // Section 8.1: a 1 is a weak pull-up, a 0 drives.
        self.wiring.levels(u16::from(!self.latches), 0, 0xff) & 0xff
    }

    #[expect(clippy::unused_self, reason = "the interrupt is a comparison, nothing is kept")]
    fn wires_moved(&self) {}

    fn interrupt(&self) -> bool {
        self.levels() != self.seen
    }
}

impl SimChip for SimPcf8574 {
    fn power_on(&mut self) {
        self.latches = 0xff;
        self.seen = self.levels();
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        if let Some(&last) = bytes.last() {
            self.latches = last;
            self.seen = self.levels();
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        self.seen = self.levels();
        bytes.fill(self.seen.to_le_bytes()[0]);
        Ok(())
    }
}
