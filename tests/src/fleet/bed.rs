//! The brokers and the receivers of a run, as processes that can be killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use gatehouse_core::topic::Address;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use super::liar::LIAR;
use super::{Engine, Plan};
use crate::broker::{Broker, BrokerOptions, Persistence};
use crate::cluster::{Cluster, Users};
use crate::process::Process;
use crate::record::Record;
use crate::wait::SOON;

#[derive(Debug)]
enum Brokers {
    Mosquitto(Box<Broker>),
    Nats(Cluster),
}

/// Everything that the gateways talk to.
#[derive(Debug)]
pub(super) struct Bed {
    brokers: Brokers,
    folder: TempDir,
    receiver: Option<Process>,
    log: Record<String>,
}

impl Bed {
    pub(super) async fn start(plan: &Plan, addresses: &[Address]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatehouse-fleet-").tempdir()?;
        std::fs::write(folder.path().join("password"), "control-room\n")?;
        rustix::fs::chmod(folder.path().join("password"), rustix::fs::Mode::from_raw_mode(0o600))?;
        let brokers = match plan.engine {
            Engine::Mosquitto => Brokers::Mosquitto(Box::new(mosquitto().await?)),
            Engine::Nats => {
                let names: Vec<_> =
                    addresses.iter().map(|address| address.gateway.to_string()).collect();
                let names = [names, vec![LIAR.to_owned()]].concat();
                Brokers::Nats(Cluster::start(3, &Users::Names, &names).await?)
            }
        };
        let mut bed = Self { brokers, folder, receiver: None, log: Record::default() };
        bed.start_receiver().await?;
        Ok(bed)
    }

    /// Where the gateways may connect.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        match &self.brokers {
            Brokers::Mosquitto(broker) => vec![broker.address()],
            Brokers::Nats(cluster) => cluster.addresses(),
        }
    }

    pub(super) fn broker_processes(&self) -> Vec<u32> {
        match &self.brokers {
            Brokers::Mosquitto(broker) => broker.process_id().into_iter().collect(),
            Brokers::Nats(cluster) => cluster.process_ids(),
        }
    }

    pub(super) fn receiver_processes(&self) -> Vec<u32> {
        self.receiver.as_ref().and_then(Process::id).into_iter().collect()
    }

    /// How many brokers there are to be killed.
    pub(super) fn nodes(&self) -> usize {
        self.addresses().len()
    }

    pub(super) async fn kill_node(&mut self, node: usize) -> anyhow::Result<()> {
        match &mut self.brokers {
            Brokers::Mosquitto(broker) => broker.kill().await,
            Brokers::Nats(cluster) => cluster.kill(node).await,
        }
    }

    pub(super) async fn restart_node(&mut self, node: usize) -> anyhow::Result<()> {
        match &mut self.brokers {
            Brokers::Mosquitto(broker) => broker.restart().await,
            Brokers::Nats(cluster) => cluster.restart(node).await,
        }
    }

    pub(super) async fn kill_receiver(&mut self) -> anyhow::Result<()> {
        let mut process = self.receiver.take().context("the receiver does not run")?;
        process.end(Signal::KILL, SOON).await.map(drop)
    }

    /// Freezes the receiver: what comes for it waits at the broker.
    pub(super) fn freeze_receiver(&self, freeze: bool) -> anyhow::Result<()> {
        let signal = if freeze { Signal::STOP } else { Signal::CONT };
        self.receiver.as_ref().context("the receiver does not run")?.signal(signal)
    }

    /// Starts the receiver, or its stand-by on the same database; returns when it is connected.
    pub(super) async fn start_receiver(&mut self) -> anyhow::Result<()> {
        let seen = self.log.len();
        let mut command = Command::new(program("gatehouse-receiver")?);
        command.args(["run", "--district", "d-1", "--host", "room", "--username", "control-room"]);
        command.arg("--password-file").arg(self.folder.path().join("password"));
        command.arg("--db").arg(self.database());
        let protocol = if matches!(self.brokers, Brokers::Nats(_)) { "3.1.1" } else { "5" };
        command.args(["--protocol", protocol]);
        for address in self.addresses() {
            command.arg("--broker").arg(format!("mqtt://{address}"));
        }
        command.env("NO_COLOR", "1");
        self.receiver = Some(Process::start("gatehouse-receiver", &mut command, &self.log)?);
        let connected = |lines: &[String]| {
            lines[seen..].iter().any(|line| line.contains(" connected ")).then_some(())
        };
        self.log.wait_for("the receiver to connect", SOON * 2, connected).await?;
        Ok(())
    }

    /// Stops the receiver in order: everything that it has taken is committed.
    pub(super) async fn stop_receivers(&mut self) -> anyhow::Result<()> {
        let mut process = self.receiver.take().context("the receiver does not run")?;
        process.end(Signal::TERM, SOON).await.map(drop)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("district.db")
    }
}

/// As recommended, with its access list; users are believed their names.
async fn mosquitto() -> anyhow::Result<Broker> {
    let acl = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/broker/acl");
    let options = BrokerOptions {
        persistence: Persistence::OnChanges,
        acl: Some(std::fs::read_to_string(acl)?),
        max_inflight: Some(1000),
        quiet: true,
        ..BrokerOptions::default()
    };
    Broker::start(options).await
}

/// A program of this workspace, of the profile that this one was built with.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe()?;
    let mut candidates = me.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    candidates
        .find(|path| path.is_file())
        .with_context(|| format!("no {name} beside {}: cargo build --bin {name}", me.display()))
}
