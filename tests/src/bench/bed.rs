//! What every measurement stands on: a broker, a daemon, and how they are set up.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use gatehouse_tests::wait::SOON;
use gatehouse_tests::{Broker, BrokerOptions, Gateway, GatewayOptions};

use crate::process;
use crate::wires::Wires;

/// The doors of a full box.
pub(crate) const DOORS: u32 = 64;

/// The most publishes without PUBACK, for the daemon and for every peer.
pub(crate) const IN_FLIGHT: u16 = 128;

/// The topics of the harness's gateway.
pub(crate) const PREFIX: &str = "gatehouse/v1/d-1/s-1/g-1";

/// A broker without limits of its own and without memory; its log says who connects, not each
/// packet.
pub(crate) async fn broker() -> anyhow::Result<Broker> {
    broker_with("persistence false\n").await
}

/// A broker with further lines in its configuration.
pub(crate) async fn broker_with(lines: &str) -> anyhow::Result<Broker> {
    // As root it would change to a user who may not enter its folder.
    let user = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
    let whole = format!(
        "{user}log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\n\
         log_type information\nset_tcp_nodelay true\nmax_inflight_messages 1000\n\
         max_queued_messages 0\nlistener {{port}} 127.0.0.1\nallow_anonymous true\n{lines}"
    );
    Broker::start(BrokerOptions { whole: Some(whole), ..BrokerOptions::default() }).await
}

/// The daemon's configuration on these wires.
pub(crate) fn options(wires: &Wires, doors: u32, broker: SocketAddr) -> GatewayOptions {
    GatewayOptions {
        id: "g-1".into(),
        district: "d-1".into(),
        site: "s-1".into(),
        world: wires.socket(),
        doors,
        debounce_ms: 0,
        brokers: Vec::new(),
        gateway: String::new(),
        uplink: format!("replay-rate = 10000\nreplay-jitter-s = 0\nin-flight = {IN_FLIGHT}\n"),
        // A million events and their indexes.
        extra: "[journal]\nmax-mib = 2048\n".into(),
        environment: Vec::new(),
    }
    .broker(broker)
}

/// Waits until the daemon is connected to its broker and to its wires, and has nothing to do.
pub(crate) async fn settle(gateway: &Gateway, wires: &Wires, starts: u64) -> anyhow::Result<()> {
    connected(gateway, wires, starts).await?;
    quiet(process::pid(gateway)?).await
}

/// Waits until the daemon is connected to its broker and to its wires.
pub(crate) async fn connected(gateway: &Gateway, wires: &Wires, starts: u64) -> anyhow::Result<()> {
    gateway
        .log()
        .wait_for("the daemon to connect to its broker", SOON, |lines| {
            let up = lines.iter().filter(|line| line.contains(" connected broker=")).count() as u64;
            (up >= starts).then_some(())
        })
        .await?;
    wires.wait_for_box(starts)
}

/// Waits until a process has used no CPU time for half a second.
pub(crate) async fn quiet(pid: u32) -> anyhow::Result<()> {
    let mut last = f64::NAN;
    gatehouse_tests::wait::until("a process to become quiet", SOON, async || {
        let used = process::account(pid)?.cpu_us;
        let before = std::mem::replace(&mut last, used);
        if (used - before).abs() < 1.0 {
            return Ok(Some(()));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(None)
    })
    .await
}

/// The folder of the daemon's journal.
pub(crate) fn journal(gateway: &Gateway) -> std::path::PathBuf {
    gateway.state().join("journal")
}

/// Bytes of a folder's files.
pub(crate) fn size_of(folder: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}
