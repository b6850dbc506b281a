//! Drivers for what is wired to a gatehouse, over embedded-hal 1.0 and embedded-hal-async 1.0 alone.
//!
//! Nothing here knows an operating system, a task or a bus adapter: a driver is generic over the
//! traits of embedded-hal, returns its own types, and is tested with scripted pins.
//!
//! | item | what |
//! |---|---|
//! | [`Contact`] | a door contact or an alarm input: wiring, debounce, three states |
//! | [`Debouncer`] | the debounce rule alone: no pins, no clock |
//! | [`EdgeSource`] | a pin that tells each edge with the time at which it happened |
//! | [`osdp`] | readers on RS-485 with a secure channel: packets, sessions, one reader's conversation |
//! | [`wiegand`] | readers and keypads on two data lines: frames, card formats, keys to PINs |
//! | [`Stamped`] | makes an [`EdgeSource`] of any pin that can be waited for |
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
//!   caller decides when to call again.
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

#[cfg(test)]
extern crate std;

mod contact;
mod debounce;
mod edge;
mod stamped;

pub mod osdp;
pub mod wiegand;

pub use contact::{
    ALARM_DEBOUNCE, Contact, ContactConfig, ContactState, DOOR_DEBOUNCE, Reading, Wiring,
};
pub use debounce::{Change, Debouncer};
pub use edge::{Clock, Edge, EdgeSource};
pub use stamped::Stamped;
