//! Real cameras for the suites: gst-rtsp-server fed by ffmpeg, on ports of their own, ended with
//! their test; and what was taken from them.
//!
//! Needs the Debian packages that `tests/run setup` installs.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::allow_attributes,
    reason = "each suite is a program of its own and uses a part of it"
)]

pub mod feeder;
pub mod hostile;
pub mod probe;
pub mod process;
pub mod server;
pub mod snapshots;
pub mod taken;

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use gatehouse_core::time::Mono;
use rustix::time::{ClockId, clock_gettime};

pub use feeder::{Feeder, Picture};
pub use server::{Auth, Server};
pub use snapshots::Snapshots;
pub use taken::Taken;

/// `CLOCK_BOOTTIME`.
pub fn boottime() -> Mono {
    let now = clock_gettime(ClockId::Boottime);
    let part = |value: i64| u64::try_from(value).unwrap();
    Mono(part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec))
}

/// A loopback port that is free for TCP and UDP, below the ephemeral range, and given only once by
/// this process. Another process's may begin at the same place: then it is not free.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let seed = u16::try_from(std::process::id() % 200).unwrap() * 50;
    loop {
        let port = 20_000 + (seed + NEXT.fetch_add(2, Ordering::Relaxed)) % 12_000;
        let free = TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free {
            return port;
        }
    }
}
