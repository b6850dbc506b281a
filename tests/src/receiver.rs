//! The real receiver: what the control room has committed is what was delivered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use gatehouse_core::event::Event;
use gatehouse_core::id::Seq;
use gatehouse_receiver::{
    Audit, BrokerAddress, ClientCertificate, Committed, Database, Filter, GatewayView, Handle,
    Link, Operator, Receiver, ReceiverConfig, Snapshot, Store, Tls,
};
use tempfile::TempDir;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::record::Record;
use crate::tls::Identity;
use crate::wait::{SOON, until};

/// More deliveries than any test makes before it looks at them.
const CAPACITY: usize = 1 << 18;

/// A district's control room with a database of its own.
#[derive(Debug)]
pub struct District {
    folder: TempDir,
    config: ReceiverConfig,
    handle: Option<Handle>,
    committed: Record<Arc<Committed>>,
    tasks: JoinSet<()>,
}

impl District {
    /// Starts a receiver of district `d-1` at this broker; returns when it is connected.
    pub async fn start(broker: SocketAddr) -> anyhow::Result<Self> {
        let mut district = Self::prepare(format!("mqtt://{broker}").parse()?)?;
        district.launch().await?;
        Ok(district)
    }

    /// The same over TLS, known by a certificate of its own.
    pub async fn secured(
        broker: SocketAddr,
        ca: PathBuf,
        identity: &Identity,
    ) -> anyhow::Result<Self> {
        let mut district = Self::prepare(format!("mqtts://{broker}").parse()?)?;
        let Identity { certificate, key } = identity.clone();
        let client = Some(ClientCertificate { certificate, key });
        district.config.tls = Some(Tls { ca, client, server_name: None });
        district.launch().await?;
        Ok(district)
    }

    fn prepare(broker: BrokerAddress) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatehouse-district-").tempdir()?;
        let database = Database::File(folder.path().join("district.db"));
        let mut config = ReceiverConfig::new(broker, "d-1".parse()?, database);
        config.watch_capacity = CAPACITY;
        let (committed, tasks) = (Record::default(), JoinSet::new());
        Ok(Self { folder, config, handle: None, committed, tasks })
    }

    /// Waits until the receiver has no connection, and returns why. Trouble that it had before and
    /// that is over by now is not seen.
    pub async fn trouble(&self, what: &str) -> anyhow::Result<String> {
        until(what, SOON, async || match self.snapshot()?.link {
            Link::Down(why) if why.contains(what) => Ok(Some(why)),
            _ => Ok(None),
        })
        .await
    }

    /// Starts it again on the same database, after [`Self::stop`].
    pub async fn launch(&mut self) -> anyhow::Result<()> {
        ensure!(self.handle.is_none(), "the receiver still runs");
        let handle = Receiver::start(self.config.clone()).await?;
        let mut events = handle.subscribe();
        let committed = self.committed.clone();
        self.tasks.spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) => committed.push(event),
                    Err(RecvError::Lagged(count)) => panic!("{count} deliveries were not seen"),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        let handle = self.handle.insert(handle);
        until("the receiver to connect", SOON, async || {
            Ok((handle.snapshot().link == Link::Up).then_some(()))
        })
        .await
    }

    /// Ends it in order.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.handle.take().context("the receiver does not run")?.stop().await;
        Ok(())
    }

    /// Every delivery in the order of its commit, duplicates included.
    pub fn committed(&self) -> &Record<Arc<Committed>> {
        &self.committed
    }

    /// The operators' desk.
    pub fn operator(&self) -> anyhow::Result<Operator> {
        Ok(self.handle.as_ref().context("the receiver does not run")?.operator())
    }

    /// What the receiver shows of itself.
    pub fn snapshot(&self) -> anyhow::Result<Snapshot> {
        Ok(self.handle.as_ref().context("the receiver does not run")?.snapshot())
    }

    /// What it knows of this gateway, once it knows anything.
    pub fn gateway(&self, id: &str) -> anyhow::Result<Option<GatewayView>> {
        let snapshot = self.snapshot()?;
        let mut found = snapshot.gateways.into_iter();
        Ok(found.find(|(address, _)| address.gateway.as_str() == id).map(|(_, view)| view))
    }

    /// Waits until everything up to `seq` of this gateway is committed or accounted for.
    pub async fn has_all(&self, id: &str, seq: Seq, limit: Duration) -> anyhow::Result<()> {
        let waiting = until("", limit, async || {
            Ok(self.gateway(id)?.filter(|view| view.upto >= seq).map(drop))
        });
        if waiting.await.is_ok() {
            return Ok(());
        }
        let view = self.gateway(id)?.unwrap_or_default();
        Err(anyhow!(
            "waited {limit:?} for everything of {id} up to {seq}; has up to {}, newest {}, holes {:?}",
            view.upto,
            view.head,
            view.holes
        ))
    }

    /// Every committed event of this gateway, by number.
    pub fn events(&self, id: &str) -> anyhow::Result<Vec<Event>> {
        let filter = Filter { gateway: Some(id.parse()?), ..Filter::default() };
        let mut events = Vec::new();
        self.store()?.query(&filter, |stored| {
            events.push(serde_json::from_slice(&stored.body)?);
            anyhow::Ok(())
        })?;
        Ok(events)
    }

    /// The canonical bytes of every committed event of this gateway, by number.
    pub fn bodies(&self, id: &str) -> anyhow::Result<Vec<(Seq, Vec<u8>)>> {
        let filter = Filter { gateway: Some(id.parse()?), ..Filter::default() };
        let mut bodies = Vec::new();
        self.store()?.query(&filter, |stored| {
            bodies.push((stored.seq, stored.body));
            anyhow::Ok(())
        })?;
        Ok(bodies)
    }

    /// Checks every chain; with what it finds.
    pub fn audit(&self) -> anyhow::Result<(Audit, Vec<String>)> {
        let mut findings = Vec::new();
        let audit = self.store()?.audit(None, &mut |finding| findings.push(finding))?;
        Ok((audit, findings))
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("district.db")
    }

    fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open_to_read(self.database())?)
    }
}
