//! Drivers for what is wired to a gatehouse, over embedded-hal 1.0 and embedded-hal-async 1.0 alone.
//!
//! Nothing here knows an operating system, a task or a bus adapter: a driver is generic over the
//! traits of embedded-hal, returns its own types, and is tested with scripted pins and simulated
//! chips. What of this the gateway can be configured for stands in `gateway/ARCHITECTURE.md`.
//!
//! | item | what |
//! |---|---|
//! | [`Contact`] | a door contact or an alarm input: wiring, debounce, three states |
//! | [`Debouncer`] | the debounce rule alone: no pins, no clock |
//! | [`EdgeSource`] | a pin that tells each edge with the time at which it happened |
//! | [`adc`] | converters for supervised loops: ADS1115, ADS1015, MCP3208, MCP3008 |
//! | [`eol`] | supervised loops: resistance to state, drift, another resistor |
//! | [`osdp`] | readers on RS-485 with a secure channel: packets, sessions, one reader's conversation |
//! | [`ov2640`] | still pictures of a camera on SPI and I2C: ArduCAM Mini 2MP |
//! | [`wiegand`] | readers and keypads on two data lines: frames, card formats, keys to PINs |
//! | [`Stamped`] | makes an [`EdgeSource`] of any pin that can be waited for |
//! | [`Expander`] | 8 or 16 lines on I2C: [`Mcp23017`], [`Pca9555`], [`Pcf8574`] |
//! | [`PortLine`], [`ExpanderPin`] | one line of an expander: an [`EdgeSource`], an output |
//! | [`Output`] | a relay or open drain: limits in time, safe state, read-back |
//! | [`DoorRelease`], [`Siren`] | outputs that cannot be told anything harmful |
//! | [`recover_bus`] | frees an I2C bus on which a chip holds the data line |
//! | [`Ina219`], [`Ina226`], [`Battery`] | the supply of the box, and what its battery has left |
//! | [`Tmp102`], [`Sht3x`], [`Ds3231`] | its temperature, humidity, and the health of its clock |
//! | [`PresenceSensor`] | an AMG8833: something warm is there or not, and nothing of who |
//! | `sim` | simulated chips, wires and loops, with the feature of that name |
//!
//! # Limits
//!
//! - A signal of 400 ms or more is always reported, one below 300 ms is ignored, with the default
//!   debounce of [`ALARM_DEBOUNCE`]. Both are measured between the time stamps of the edges, not
//!   between the moments at which they were read, so a late reader decides as a punctual one would.
//! - The state is [`ContactState::Unknown`] until the level was stable for the debounce time, and
//!   again after [`ContactConfig::max_faults`] bus errors in a row.
//! - A loss of edges cannot be undone, only told: the level is read again, and the next
//!   [`Reading`] carries `resynced`.
//! - Levels are electrical: `High` is a high voltage. Never ask a HAL to invert a line; what a
//!   level means is said in [`ContactConfig`].
//! - A driver never waits for itself and never retries by itself: it returns the bus error, and the
//!   caller decides when to call again. Only [`osdp`] says itself which packet is to be sent again.
//! - Nothing is remembered as written before the bus has said so, and nothing that must be written
//!   is left out because it seems to be so already.
//! - A chip that was reset by a dip of its supply is found by the next reading, as far as it has
//!   registers that tell; its measurements do not count until it is configured again.
//!
//! # Example
//!
//! ```
//! use embedded_hal::digital::InputPin;
//! use embedded_hal_async::{delay::DelayNs, digital::Wait};
//! use gatehouse_drivers::{Clock, Contact, ContactConfig, ContactState, Stamped, Wiring};
//!
//! /// Returns when the door is opened.
//! async fn opened<P, C, D>(pin: P, clock: C, mut delay: D) -> Result<u64, P::Error>
//! where
//!     P: InputPin + Wait,
//!     C: Clock + Copy,
//!     D: DelayNs,
//! {
//!     // A reed switch between the pin and ground, closed while the door is closed.
//!     let config = ContactConfig::door(Wiring::NormallyClosed);
//!     let mut door = Contact::new(Stamped::new(pin, clock), config);
//!     loop {
//!         let reading = door.next(&clock, &mut delay).await?;
//!         if reading.state == ContactState::Open {
//!             return Ok(reading.at_ns);
//!         }
//!     }
//! }
//! ```
#![no_std]

#[cfg(any(test, feature = "sim"))]
extern crate std;

pub mod adc;
mod chip;
mod contact;
mod crc;
mod debounce;
mod ds3231;
mod edge;
pub mod eol;
mod expander;
pub mod osdp;
mod output;
pub mod ov2640;
mod power;
mod presence;
mod recovery;
mod sht3x;
mod stamped;
mod time;
mod tmp102;
mod units;
pub mod wiegand;

#[cfg(any(test, feature = "sim"))]
pub mod sim;
#[cfg(test)]
mod testing;

pub use chip::{BadAddress, ChipError, ChipErrorKind};

pub use contact::{
    ALARM_DEBOUNCE, Contact, ContactConfig, ContactState, DOOR_DEBOUNCE, Reading, Wiring,
};
pub use debounce::{Change, Debouncer};
pub use ds3231::{ClockHealth, ClockTime, Ds3231};
pub use edge::{Clock, Edge, EdgeSource};
pub use expander::{
    Capture, Expander, ExpanderChip, ExpanderConfig, ExpanderPin, InterruptPin, LineUnknown,
    Mcp23017, Pca9555, Pcf8574, PinError, PortConfig, PortLine, PullUps, Restart, Sample, Scan,
    Setup, Watched,
};
pub use output::{
    Cause, Command, DoorRelease, DoorReleaseConfig, Drive, Latched, Output, OutputConfig,
    OutputError, OutputEvent, OwnPin, ReadBack, Release, SafeState, Sensed, Siren, SirenConfig,
    Switch, SwitchTiming, Unwired,
};
pub use power::{
    Battery, BatteryChange, BatteryConfig, BatteryState, Ina219, Ina226, Power, PowerMonitor,
};
pub use presence::{Presence, PresenceConfig, PresenceSensor};
pub use recovery::{Recovery, RecoveryError, recover_bus};
pub use sht3x::{Climate, Sht3x};
pub use stamped::Stamped;
pub use tmp102::Tmp102;
pub use units::{CentiCelsius, CentiPercent, Milliamps, Milliohms, Millivolts};
