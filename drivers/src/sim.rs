//! Simulated chips at the level of their registers, for the demo and for suites. Feature `sim`.
//!
//! A [`SimI2c`] is a bus. Chips are attached at an address; a [`Plug`] is the hand that reaches into
//! the box: it pulls a chip out, lets its supply dip, makes it answer garbage, and turns the wires
//! at the chip itself. The drivers are the ones of the product; only the chips are not.
//!
//! ```
//! use gatehouse_drivers::sim::{SimI2c, SimMcp23017};
//! use gatehouse_drivers::{Expander, ExpanderConfig, Mcp23017, PortConfig};
//!
//! let bus = SimI2c::new();
//! let chip = bus.attach(0x20, SimMcp23017::new()).expect("the address is free");
//! let driver = Mcp23017::new(bus.clone(), 0x20).expect("0x20 is an address of the chip");
//! let mut expander = Expander::new(driver, ExpanderConfig::polled(PortConfig::contacts()));
//!
//! chip.with(|chip| chip.pull_low(0b1));
//! assert_eq!(expander.poll(0, None).expect("the chip answers").levels, 0xfffe);
//! chip.unplug();
//! assert!(expander.poll(1, None).is_err());
//! ```

mod ads1115;
mod amg8833;
mod analog;
mod arducam;
mod bus;
mod climate;
mod clock;
mod expander;
mod lines;
mod mcp3208;
mod ov2640;
mod power;

pub use ads1115::SimAds;
pub use amg8833::SimAmg8833;
pub use analog::{Converter, Hum, Noise, SimLoop};
pub use arducam::{SimArduChip, StillFault};
pub use bus::{AddressTaken, Fault, Plug, SimChip, SimI2c};
pub use climate::{SimDs3231, SimSht3x, SimTmp102};
pub use clock::SimClock;
pub use expander::{SimMcp23017, SimPca9555, SimPcf8574};
pub use lines::{SimScl, SimSda};
pub use mcp3208::SimMcp;
pub use ov2640::SimOv2640;
pub use power::{SimIna219, SimIna226};
