//! Long outages of every part, with the real gateway, broker and receiver: what is lost?
//!
//! Doors are opened and closed at a steady rate while something is taken away. Afterwards the
//! gateway's journal and the control room's database are compared event by event: `lost` counts
//! what was stored and never received, `different` what was received with other content,
//! `unseen` the edges that never became an event (only while the gateway itself ran).

mod ordeal;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use gatehouse_core::event::Event;
use gatehouse_core::id::Seq;
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use crate::broker::{Broker, BrokerOptions};
use crate::gateway::{Gateway, GatewayOptions};
use crate::proxy::Proxy;
use crate::receiver::District;
use crate::wait::{self, SOON};
use crate::world::World;

pub use ordeal::{Ordeal, ordeal};
pub use table::{Take, table};

/// As many doors as a box can have.
const DOORS: u32 = 64;

/// The control room gets what is owed within this time after everything works again.
const PATIENCE: Duration = Duration::from_secs(30);

/// The gateway's id, as [`GatewayOptions::new`] gives it.
const GATEWAY: &str = "g-1";

/// What a run has found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// Edges in the world.
    pub edges: u64,
    /// Events in the gateway's journal.
    pub stored: u64,
    /// Events in the control room's database.
    pub received: u64,
    /// Stored and never received.
    pub lost: u64,
    /// Received with other content than stored.
    pub different: u64,
    /// Edges without an event.
    pub unseen: u64,
    /// Events that arrived more than once, and were recognised.
    pub duplicates: u64,
    /// Numbers without an event and without a record of it.
    pub holes: u64,
    /// Breaks of the chain in the control room's database.
    pub breaks: u64,
}

impl Found {
    /// Whether nothing was lost.
    pub const fn is_whole(&self) -> bool {
        self.lost == 0 && self.different == 0 && self.holes == 0 && self.breaks == 0
    }
}

/// A box, a network and a district.
struct Stage {
    world: World,
    gateway: Gateway,
    proxy: Proxy,
    broker: Broker,
    district: District,
    edges: u64,
}

impl Stage {
    async fn set() -> anyhow::Result<Self> {
        let extra = "max_queued_messages 0\n".to_owned();
        let broker = Broker::start(BrokerOptions { extra, ..BrokerOptions::default() }).await?;
        let proxy = Proxy::start(broker.address()).await?;
        let district = District::start(broker.address()).await?;
        let world = World::start(0..DOORS)?;
        let options = GatewayOptions::new(&world).doors(DOORS).broker(proxy.address());
        let mut gateway = Gateway::prepare(options)?;
        gateway.launch().await?;
        world.connected(1).await?;
        Ok(Self { world, gateway, proxy, broker, district, edges: 0 })
    }

    /// Moves doors at this rate for so long, one after the other.
    async fn move_doors(&mut self, per_second: u32, time: Duration) {
        let count = u128::from(per_second) * time.as_millis() / 1000;
        let mut pace = tokio::time::interval(Duration::from_secs(1) / per_second);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..count {
            pace.tick().await;
            self.move_door();
        }
    }

    fn move_door(&mut self) {
        let line = u32::try_from(self.edges % u64::from(DOORS)).unwrap_or(0);
        let high = self.world.level(line) != Some(true);
        self.world.set(line, high);
        self.edges += 1;
    }

    /// Waits until the control room has everything, then compares. `all_seen`: the gateway ran all
    /// the time, so that every edge must be an event.
    async fn compare(mut self, all_seen: bool) -> anyhow::Result<Found> {
        self.gateway.stop().await?;
        self.gateway.launch().await?;
        // An edge that the stop overtook in the world's socket becomes an event after the start.
        let mut stored = self.gateway.events().await?;
        let seen = wait::until("every edge to become an event", SOON, async || {
            stored = self.gateway.events().await?;
            Ok((!all_seen || of_doors(&stored) >= self.edges).then_some(()))
        });
        if let Err(error) = seen.await {
            eprintln!("{error:#}");
        }
        let head = stored.last().context("the journal is empty")?.seq;
        let arrived = self.district.has_all(GATEWAY, head, PATIENCE).await;
        if arrived.is_err() {
            let status = self.gateway.command(&["status", "--config"], true).await?;
            let log = self.gateway.log().all();
            let tail = &log[log.len().saturating_sub(40)..];
            eprintln!("{status}\n{}\n{:?}", tail.join("\n"), self.district.snapshot()?);
        }
        arrived?;
        self.gateway.stop().await?;
        let received: BTreeMap<Seq, Event> =
            self.district.events(GATEWAY)?.into_iter().map(|event| (event.seq, event)).collect();
        let (audit, findings) = self.district.audit()?;
        for finding in findings {
            eprintln!("audit: {finding}");
        }
        let doors = of_doors(&stored);
        let mut found = Found {
            edges: self.edges,
            stored: stored.len() as u64,
            received: received.len() as u64,
            duplicates: audit.duplicates,
            holes: audit.holes,
            breaks: audit.breaks,
            unseen: if all_seen { self.edges.saturating_sub(doors) } else { 0 },
            ..Found::default()
        };
        for event in &stored {
            match received.get(&event.seq) {
                None => found.lost += 1,
                Some(other) if other != event => found.different += 1,
                Some(_) => {}
            }
        }
        self.district.stop().await?;
        self.broker.stop().await?;
        Ok(found)
    }
}

fn of_doors(events: &[Event]) -> u64 {
    events.iter().filter(|event| crate::is_move(event)).count() as u64
}
