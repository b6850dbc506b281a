//! Readers and keypads with two data lines: Wiegand.
//!
//! Both lines rest high; a pulse low of 20 to 100 µs on D0 is a 0, on D1 a 1, one every 0.2 to
//! 20 ms. Silence ends a frame. Nothing here relies on the length of a pulse, which user space
//! cannot measure: only edges to the pulse level count, with the time that the kernel stamped.
//!
//! | item | what |
//! |---|---|
//! | [`Receiver`] | edges of both lines to [`Burst`]s: whole frames, or what was wrong with one |
//! | [`Format`], [`Card`] | what the bits of a card mean, and their parity |
//! | [`Key`], [`PinEntry`] | what the bits of a keypad mean, and keys to a PIN |
//!
//! # Limits
//!
//! - A Wiegand reader has no supervision: a cut cable is silence, and whoever reaches the two lines
//!   can play back a card. Prefer OSDP ([`crate::osdp`]) wherever the reader is outside.
//! - A frame in which an edge was lost, came too fast or too late, or that has more than
//!   [`MAX_BITS`] bits, is told as [`Burst::Garbled`], never decoded and never dropped in silence.
//! - What was on a card or typed on a keypad exists only in [`Bits`], [`Card`] and [`Pin`]: they
//!   are overwritten when dropped, and their `Debug` says how much there is, not what.

mod format;
mod frame;
mod keypad;

pub use format::{Card, CardError, Format, Parity};
pub use frame::{
    Bits, Burst, Defect, Frame, MAX_BITS, MAX_INTERVAL, MIN_INTERVAL, Receiver, SILENCE, Wire,
};
pub use keypad::{Entry, KEY_TIMEOUT, Key, KeyError, MAX_PIN, Pin, PinEntry};

#[cfg(test)]
mod tests;
