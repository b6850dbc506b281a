//! Readers on an RS-485 bus that answer for themselves: OSDP v2 (IEC 60839-11-5), the control
//! panel's side.
//!
//! Nothing here reads a clock or a port: [`Peripheral`] says what to send to one reader and when,
//! and takes its reply; [`Deframer`] finds packets among bytes. Whoever owns the bus lets the
//! peripherals speak in turn, as `gatehouse`'s `rs485_bus` does.
//!
//! What is spoken: ID, CAP, POLL, LSTAT, LED, BUZ, and the secure channel: CHLNG, SCRYPT, KEYSET,
//! AES-128 with a MAC on every packet. Understood of the replies: cards (RAW), keys (KEYPAD), the
//! reader's tamper and power bits (LSTATR), BUSY and NAK.
//!
//! # Rules
//!
//! - **With a key, nothing in the clear is believed.** In a secure session only packets with the
//!   session's MAC count (security blocks 16 and 18). A NAK in the clear ends the session (a reader
//!   that restarted has no other way to say so), as does anything else in the clear. Both are told
//!   ([`Loss`]), and the session is made anew. There is no falling back to the clear and none to
//!   the default key, except for [`Security::Install`].
//! - **The reader's cryptogram and its first MAC are both checked**, and the challenge is the
//!   caller's randomness: it must come from the kernel. The session keys are made of it alone, so
//!   with a predictable challenge a recorded session could be played back.
//! - **A reader that is away is looked for soon, for ever**: after 250 ms, then ever less often up
//!   to [`RETRY_CAP`].
//! - **A card has a window in which it was shown.** OSDP has no time stamps: a reader that could not
//!   be polled keeps its cards and tells them later. A reply of "nothing new" proves that the queue
//!   was empty; so a card was shown after the last such poll, or nobody knows when
//!   ([`Shown`]). Old ones must be told and never acted on. A reader counts as there once it has
//!   told what it had kept.
//! - A lost reply is asked for again with the same bytes, [`TRIES`] times in all.
//!
//! # Why not libosdp
//!
//! libosdp 0.2.2 (C library 3.2.7) is the readers' side in our suites, where its independence is
//! worth most. It is not in the box, for what was seen of it in November 2026:
//!
//! - Its challenges come from C's `rand()`, never seeded: three starts of one program sent the same
//!   eight bytes, and so had the same session keys.
//! - A reader that failed is left alone for 300 s, after nine seconds of trying; that and the rest
//!   of its times are compiled in, and counted on the wall clock, which steps on a board without RTC.
//! - Why a reader is away (silent, wrong key, no secure channel) reaches only its log.
//! - It ends the process on an assertion, and a panic in its callbacks aborts it: one reader's bytes
//!   must not be able to end a community's alarm.
//! - Its build runs `git` and bindgen, and makes warnings errors; with optimisation gcc 12 has one.
//!
//! # Limits
//!
//! - A packet has at most [`MAX_PACKET`] bytes; readers announce 128 or 256.
//! - Not spoken: file transfer, text, outputs, inputs, biometrics, smart-card transparency.

mod frame;
mod peripheral;
mod secure;

pub use frame::{Deframer, MAX_PACKET, Packet};
pub use peripheral::{
    Color, Down, Event, Identity, Indication, Loss, POLL, Peripheral, RESPONSE, RETRY_CAP, Reading,
    Security, Shown, Status, Stray, TRIES,
};
pub use secure::Key;

#[cfg(test)]
mod tests;
