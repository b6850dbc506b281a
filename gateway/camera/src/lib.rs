//! Cameras: compressed pictures come in, findings and evidence go out.
//!
//! ```text
//!  source ──▶ Frame ──┬──▶ ring ──(trigger)──▶ clip ─┐
//!    │                └──▶ decode ──▶ watch          ├──▶ evidence
//!    ▼                        └─────▶ mask ──▶ JPEG ─┘
//!  health ladder
//! ```
//!
//! Nothing in here tells persons apart, or persons from anything else: it says *that* something moved
//! in an area. Masks are painted before a picture leaves this crate.

pub mod clip;
pub mod decode;
pub mod eye;
pub mod frame;
pub mod health;
pub mod onvif;
pub mod picture;
pub mod ring;
pub mod seal;
pub mod source;
pub mod store;
pub mod watch;

#[cfg(test)]
mod testing;
