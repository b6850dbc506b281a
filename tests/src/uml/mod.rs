//! The simulated box: a real kernel with real GPIO character devices, and a switch for its power.
//!
//! User Mode Linux is a Linux kernel that runs as a process. This module boots it with gpio-sim (doors
//! that a test opens), an ext4 image (the flash) and one Ethernet cable. Outside of the box, in the
//! test's own network namespace, is the district: mosquitto and the receiver. So a power cut takes
//! exactly what it takes in a community: the box with everything that was not on its flash, and
//! nothing of the district, which is left with a half-open connection.
//!
//! ```text
//! gatehouse-box (host)                              │ guest
//!   Machine, Booted ── orders, one JSON line each ──┼─▶ agent ── sysfs ──▶ gpio-sim ──▶ /dev/gpiochip0
//!   mosquitto ◀── TCP over tap and vec0 ────────────┼─── gatehouse run ◀──────────────────────┘
//!   receiver, its database                          │      └── journal on /dev/ubda (ext4)
//!   folder of the run ◀── hostfs, written through ──┼─── gatehouse events --follow: the witness
//! ```
//!
//! Limits, so that nobody claims too much: the tick is 1 ms, so edges of one line within a tick merge
//! and microseconds mean nothing; and the host's page cache outlives a cut, so what the guest's
//! kernel has handed to its disk counts as written even without a flush.

pub mod agent;
pub mod ledger;
pub mod machine;
pub mod order;
pub mod scenario;
pub mod stage;
mod wiring;

pub use machine::{Booted, Machine};
pub use order::{Answer, Edge, Noise, Order};
pub use stage::{Programs, Stage};
