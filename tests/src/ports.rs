//! Loopback ports that survive a restart of whoever listens on them.
//!
//! Port 0 is best where a socket lives as long as the test. A broker that is killed and must come
//! back on the same port needs more: nobody else may take the port meanwhile. So a [`Port`] is
//! - below the kernel's ephemeral range (`ip_local_port_range`), or an outgoing connection of the
//!   same machine could sit on it while the broker is down;
//! - held by a locked file in the system's temporary folder, so that other test processes pass by.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, bail};
use rustix::fs::FlockOperation;
use tokio::net::TcpSocket;

/// Above the well-known and most registered ports, below every default ephemeral range (32768).
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A free loopback port; nobody else of the harness gets it while this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// The lock goes with the open file.
    _lock: File,
}

impl Port {
    /// Finds and holds a free port.
    pub fn hold() -> anyhow::Result<Self> {
        let folder = lock_folder()?;
        let span = u32::from(RANGE.end - RANGE.start);
        // Processes begin at different places, so that they seldom try the same files.
        let start = std::process::id().wrapping_mul(97) % span;
        for step in 0..span {
            let offset = u16::try_from((start + step) % span).expect("the span fits into u16");
            let number = RANGE.start + offset;
            let path = folder.join(number.to_string());
            // Another user's lock file cannot be opened: that port is theirs.
            let Ok(lock) = File::options().create(true).append(true).open(&path) else { continue };
            if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            let port = Self { number, _lock: lock };
            if port.is_free() {
                return Ok(port);
            }
        }
        bail!("no free loopback port from {} to {}", RANGE.start, RANGE.end)
    }

    /// Binds without listening: a process that another thread forks at this moment inherits the
    /// socket for an instant, and only a listening one would be in the owner's way.
    fn is_free(&self) -> bool {
        let bound = TcpSocket::new_v4().and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(self.address())
        });
        bound.is_ok()
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1` with this port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

fn lock_folder() -> anyhow::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("gatehouse-test-ports-{user}"));
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_port_is_given_to_nobody_else_and_is_free_for_its_owner() {
        let first = Port::hold().unwrap();
        let second = Port::hold().unwrap();
        assert_ne!(first.number(), second.number());
        std::net::TcpListener::bind(first.address()).expect("held is not used: its owner binds it");
    }
}
