//! The brokers and the receivers of a run, as processes that can be killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use gatehouse_core::topic::Address;
use gatehouse_receiver::Database;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use super::liar::LIAR;
use super::{DatabaseKind, Engine, Plan, Saves};
use crate::broker::{Broker, BrokerOptions, Persistence};
use crate::cluster::{Cluster, Users};
use crate::postgres::Postgres;
use crate::process::Process;
use crate::record::Record;
use crate::wait::SOON;

#[derive(Debug)]
enum Brokers {
    /// One, or two that know nothing of each other.
    Mosquitto(Vec<Broker>),
    Nats(Cluster),
}

/// Everything that the gateways talk to.
#[derive(Debug)]
pub(super) struct Bed {
    brokers: Brokers,
    folder: TempDir,
    /// None: the receiver keeps a file.
    postgres: Option<Postgres>,
    receivers: Vec<Option<Process>>,
    log: Record<String>,
}

/// A user of `deploy/broker`, for each receiver one.
const ROOMS: [&str; 2] = ["control-room", "control-room-2"];

impl Bed {
    pub(super) async fn start(plan: &Plan, addresses: &[Address]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatehouse-fleet-").tempdir()?;
        ensure!((1..=ROOMS.len()).contains(&plan.receivers), "1 or {} receivers", ROOMS.len());
        for room in ROOMS {
            let file = folder.path().join(room);
            std::fs::write(&file, format!("{room}\n"))?;
            rustix::fs::chmod(&file, rustix::fs::Mode::from_raw_mode(0o600))?;
        }
        let postgres = match plan.database {
            DatabaseKind::Sqlite => {
                ensure!(plan.receivers == 1, "a file is for one receiver");
                None
            }
            DatabaseKind::Postgres => Some(Postgres::start().await?),
        };
        let brokers = match plan.engine {
            Engine::Mosquitto => Brokers::Mosquitto(vec![mosquitto(plan.saves).await?]),
            Engine::Pair => {
                ensure!(postgres.is_some(), "a pair of brokers needs --database postgres");
                Brokers::Mosquitto(vec![mosquitto(plan.saves).await?, mosquitto(plan.saves).await?])
            }
            Engine::Nats => {
                let names: Vec<_> =
                    addresses.iter().map(|address| address.gateway.to_string()).collect();
                let names = [names, vec![LIAR.to_owned()]].concat();
                Brokers::Nats(Cluster::start(3, &Users::Names, &names).await?)
            }
        };
        let all = plan.receivers * if plan.engine == Engine::Pair { 2 } else { 1 };
        let receivers = (0..all).map(|_| None).collect();
        let mut bed = Self { brokers, folder, postgres, receivers, log: Record::default() };
        for receiver in 0..all {
            bed.start_receiver(receiver).await?;
        }
        Ok(bed)
    }

    /// Where the gateways may connect.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        match &self.brokers {
            Brokers::Mosquitto(brokers) => brokers.iter().map(Broker::address).collect(),
            Brokers::Nats(cluster) => cluster.addresses(),
        }
    }

    /// Where this receiver may connect: any node of a cluster, but one broker of a pair.
    fn addresses_of(&self, receiver: usize) -> Vec<SocketAddr> {
        let mut all = self.addresses();
        match &self.brokers {
            Brokers::Mosquitto(brokers) => vec![all.swap_remove(receiver % brokers.len())],
            Brokers::Nats(_) => all,
        }
    }

    pub(super) fn broker_processes(&self) -> Vec<u32> {
        match &self.brokers {
            Brokers::Mosquitto(all) => all.iter().filter_map(Broker::process_id).collect(),
            Brokers::Nats(cluster) => cluster.process_ids(),
        }
    }

    pub(super) fn receiver_processes(&self) -> Vec<u32> {
        self.receivers.iter().flatten().filter_map(Process::id).collect()
    }

    /// How many receivers there are to be killed.
    pub(super) fn receivers(&self) -> usize {
        self.receivers.len()
    }

    /// The database's server, if it is one.
    pub(super) fn postgres(&mut self) -> Option<&mut Postgres> {
        self.postgres.as_mut()
    }

    /// How many brokers there are to be killed.
    pub(super) fn nodes(&self) -> usize {
        self.addresses().len()
    }

    pub(super) async fn kill_node(&mut self, node: usize) -> anyhow::Result<()> {
        match &mut self.brokers {
            Brokers::Mosquitto(brokers) => brokers[node].kill().await,
            Brokers::Nats(cluster) => cluster.kill(node).await,
        }
    }

    pub(super) async fn restart_node(&mut self, node: usize) -> anyhow::Result<()> {
        match &mut self.brokers {
            Brokers::Mosquitto(brokers) => brokers[node].restart().await,
            Brokers::Nats(cluster) => cluster.restart(node).await,
        }
    }

    pub(super) async fn kill_receiver(&mut self, receiver: usize) -> anyhow::Result<()> {
        let mut process = self.receivers[receiver].take().context("the receiver does not run")?;
        process.end(Signal::KILL, SOON).await.map(drop)
    }

    /// Freezes all receivers: what comes for them waits at the broker.
    pub(super) fn freeze_receivers(&self, freeze: bool) -> anyhow::Result<()> {
        let signal = if freeze { Signal::STOP } else { Signal::CONT };
        self.receivers.iter().flatten().try_for_each(|receiver| receiver.signal(signal))
    }

    /// Starts a receiver, also as who takes over its database; returns when it is connected.
    pub(super) async fn start_receiver(&mut self, receiver: usize) -> anyhow::Result<()> {
        let seen = self.log.len();
        let nats = matches!(self.brokers, Brokers::Nats(_));
        // NATS knows each by a user of its own; mosquitto's access list knows one.
        let room = ROOMS[if nats { receiver } else { 0 }];
        let mut command = Command::new(program("gatehouse-receiver")?);
        command.args(["run", "--district", "d-1", "--username", room]);
        command.args(["--host", &format!("room-{receiver}")]);
        command.arg("--password-file").arg(self.folder.path().join(room));
        match &self.postgres {
            None => command.arg("--db").arg(self.file()),
            Some(server) => {
                command.arg("--db").arg(server.url());
                command.arg("--db-password-file").arg(server.password())
            }
        };
        command.args(["--protocol", if nats { "3.1.1" } else { "5" }]);
        if !nats && self.receivers.len() > 1 {
            command.args(["--group", "wall"]);
        }
        for address in self.addresses_of(receiver) {
            command.arg("--broker").arg(format!("mqtt://{address}"));
        }
        command.env("NO_COLOR", "1");
        let process = Process::start("gatehouse-receiver", &mut command, &self.log)?;
        self.receivers[receiver] = Some(process);
        let connected = |lines: &[String]| {
            lines[seen..].iter().any(|line| line.contains(" connected ")).then_some(())
        };
        self.log.wait_for("the receiver to connect", SOON * 2, connected).await?;
        Ok(())
    }

    /// Stops the receivers in order: everything that they have taken is committed.
    pub(super) async fn stop_receivers(&mut self) -> anyhow::Result<()> {
        for receiver in &mut self.receivers {
            let mut process = receiver.take().context("the receiver does not run")?;
            process.end(Signal::TERM, SOON).await?;
        }
        Ok(())
    }

    pub(super) fn database(&self) -> anyhow::Result<Database> {
        self.postgres.as_ref().map_or_else(|| Ok(self.file().into()), Postgres::database)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("district.db")
    }
}

/// As recommended, with its access list; users are believed their names.
async fn mosquitto(saves: Saves) -> anyhow::Result<Broker> {
    let acl = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/broker/acl");
    let options = BrokerOptions {
        persistence: match saves {
            Saves::Changes => Persistence::OnChanges,
            Saves::Minute => Persistence::EveryMinute,
        },
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
