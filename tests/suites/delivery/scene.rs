//! The parts of one test, wired together, and the question that each test ends with.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use gatehouse_core::id::Seq;
use gatehouse_tests::broker::Persistence;
use gatehouse_tests::wait::until;
use gatehouse_tests::{
    Broker, BrokerOptions, District, Gateway, GatewayOptions, Proxy, World, is_move,
};

/// Long enough for every back-off, resend and watchdog that a test runs into on a busy machine.
pub(crate) const SETTLED: Duration = Duration::from_secs(120);

/// The gateway's id in every test.
pub(crate) const GATEWAY: &str = "g-1";

/// Doors of the box.
pub(crate) const DOORS: u32 = 4;

/// A box with four doors, a proxy before a real broker, and the district behind it.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) gateway: Gateway,
    pub(crate) proxy: Proxy,
    pub(crate) broker: Broker,
    pub(crate) district: District,
}

/// A broker that keeps its memory.
pub(crate) fn lasting() -> BrokerOptions {
    BrokerOptions { persistence: Persistence::OnChanges, ..BrokerOptions::default() }
}

impl Scene {
    /// Everything as it should be.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::with(lasting(), |gateway| gateway).await
    }

    /// With another broker or another configuration of the gateway.
    pub(crate) async fn with(
        broker: BrokerOptions,
        change: impl FnOnce(GatewayOptions) -> GatewayOptions,
    ) -> anyhow::Result<Self> {
        let broker = Broker::start(broker).await?;
        let proxy = Proxy::start(broker.address()).await?;
        let district = District::start(broker.address()).await?;
        let world = World::start(0..DOORS)?;
        let options = GatewayOptions::new(&world).doors(DOORS).broker(proxy.address());
        let gateway = Gateway::start(change(options)).await?;
        world.connected(1).await?;
        Ok(Self { world, gateway, proxy, broker, district })
    }

    /// Turns doors so many times, as fast as it goes, and waits until each edge is on flash.
    pub(crate) async fn store(&self, edges: usize) -> anyhow::Result<()> {
        let before = moves(&self.gateway.events().await?);
        (0..edges).for_each(|number| turn(&self.world, number));
        stored(&self.gateway, before + edges).await
    }

    /// Waits until the district has the whole journal, and holds both together.
    pub(crate) async fn settled(&self) -> anyhow::Result<Vec<Event>> {
        settled(&self.gateway, &self.district).await
    }

    /// How many connections of the gateway the proxy has seen.
    pub(crate) fn connections(&self) -> u64 {
        self.proxy.counters().accepted
    }
}

/// Turns one door, each in its turn.
pub(crate) fn turn(world: &World, number: usize) {
    let door = u32::try_from(number % DOORS as usize).expect("a small number");
    let open = world.level(door).expect("a line of this world");
    world.set(door, !open);
}

/// People: turns doors so many times at so many a second.
pub(crate) async fn people(world: &World, per_second: u64, edges: usize) {
    let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 / per_second));
    for number in 0..edges {
        pace.tick().await;
        turn(world, number);
    }
}

/// Waits until the journal has so many moves of doors.
pub(crate) async fn stored(gateway: &Gateway, edges: usize) -> anyhow::Result<()> {
    until(&format!("{edges} moves of doors in the journal"), SETTLED, async || {
        Ok((moves(&gateway.events().await?) >= edges).then_some(()))
    })
    .await
}

/// How often doors have moved, by a journal.
pub(crate) fn moves(events: &[Event]) -> usize {
    events.iter().filter(|event| is_move(event)).count()
}

/// The question of every test: does the district hold every event of the journal, unchanged, in a
/// chain without a hole? Returns the journal.
pub(crate) async fn settled(gateway: &Gateway, district: &District) -> anyhow::Result<Vec<Event>> {
    let journal = gateway.events().await?;
    let head = journal.last().context("an empty journal")?.seq;
    let numbers = journal.iter().map(|event| event.seq);
    ensure!(numbers.eq((1..=head.0).map(Seq)), "the journal has a hole");
    district.has_all(GATEWAY, head, SETTLED).await?;
    let received: BTreeMap<Seq, Event> =
        district.events(GATEWAY)?.into_iter().map(|event| (event.seq, event)).collect();
    for event in &journal {
        ensure!(received.get(&event.seq) == Some(event), "seq {} differs or is missing", event.seq);
    }
    let (audit, findings) = district.audit()?;
    ensure!(audit.is_clean(), "{findings:?}");
    // One event, one id: that is how a duplicate is known.
    let mut ids: BTreeMap<String, Seq> = BTreeMap::new();
    for delivery in district.committed().all() {
        let event = delivery.event()?;
        let first = *ids.entry(event.id).or_insert(event.seq);
        ensure!(first == event.seq, "two events with one id: {first} and {}", event.seq);
    }
    // And the box knows that the district has them: only receipts end its duty.
    until("the receipts to reach the journal", SETTLED, async || {
        let status = gateway.command(&["status", "--json", "--config"], true).await?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        Ok((status["host_upto"].as_u64() >= Some(head.0)).then_some(()))
    })
    .await?;
    Ok(journal)
}
