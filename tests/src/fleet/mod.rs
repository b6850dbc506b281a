//! A district's gateways in one process, against real brokers and real receivers.
//!
//! | part | what it is |
//! |---|---|
//! | `gateway` | one task: the product's delivery machine, its own numbers and chain, one MQTT session |
//! | `book`, `say`, `wire` | its journal in memory, what it says of itself, its connection |
//! | `bed` | the brokers (one mosquitto or two, or three nodes of NATS) and the receivers, as processes |
//! | `scenario` | what is done to them, and when |
//! | `report` | what came of it: loss by comparison with the database, times, connects, costs |
//!
//! A virtual gateway costs its task some 5 to 10 kB while it is idle; the report says what it was.
//! Loopback only, and without TLS: handshakes are measured elsewhere.

mod accounts;
mod bed;
mod book;
mod gateway;
mod liar;
mod report;
mod say;
mod scenario;
mod tally;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use gatehouse_core::contract::Replay;
use gatehouse_core::topic::Address;
use gatehouse_core::uplink::Settings;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::wait::{boottime, until};
use bed::Bed;
use gateway::{Gateway, Remains, Shared};
use tally::Tally;

pub use report::Report;
pub use scenario::Scenario;

/// The most gateways of a run: every one is a socket here and one at a broker.
pub const MOST: usize = 20_000;

/// How long everything that was stored may take to be confirmed, once nothing more happens.
const DRAIN: Duration = Duration::from_secs(300);

/// What the gateways connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// One mosquitto, MQTT 5.
    Mosquitto,
    /// Two mosquittos that know nothing of each other, each with receivers of its own on one
    /// PostgreSQL.
    Pair,
    /// Three nodes of NATS, MQTT 3.1.1.
    Nats,
}

/// When a mosquitto saves its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Saves {
    /// After each change, within a second.
    #[default]
    Changes,
    /// Every minute.
    Minute,
}

/// Where the receivers keep what they have received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DatabaseKind {
    /// A file, for one receiver.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many gateways; at most [`MOST`].
    pub gateways: usize,
    /// What is done to them.
    pub scenario: Scenario,
    /// The brokers.
    pub engine: Engine,
    /// What the receivers write.
    pub database: DatabaseKind,
    /// How many receivers side by side, 1 or 2, at each broker of a pair; two need PostgreSQL.
    pub receivers: usize,
    /// Of mosquitto.
    pub saves: Saves,
    /// How long the scenario's steady part lasts.
    pub length: Duration,
    /// The mean time between two events of one gateway.
    pub event_every: Duration,
    /// The share of events that are alarms; each has its restore.
    pub alarm_share: f64,
    /// The gateways first come within this time.
    pub ramp: Duration,
    /// Until the control room says otherwise.
    pub heartbeat: Duration,
    /// 4 is MQTT 3.1.1, 5 is MQTT 5.
    protocol: u8,
    /// The quality of service of what the district says.
    down_qos: u8,
    /// Whether the brokers know nothing of each other.
    separate_brokers: bool,
}

impl Plan {
    /// A plan with the usual rates: an event every two minutes, a tenth of them alarms.
    pub fn new(gateways: usize, scenario: Scenario, engine: Engine, length: Duration) -> Self {
        Self {
            gateways,
            scenario,
            engine,
            database: DatabaseKind::Sqlite,
            receivers: 1,
            saves: Saves::default(),
            length,
            event_every: Duration::from_secs(120),
            alarm_share: 0.1,
            ramp: Duration::from_secs(30),
            heartbeat: Duration::from_secs(say::HEARTBEAT_S.into()),
            protocol: if engine == Engine::Nats { 4 } else { 5 },
            // Each subscription with QoS 1 is a replicated consumer in NATS: 6,000 of them are more
            // than these nodes can hold, and what comes down there is said again anyway.
            down_qos: u8::from(engine != Engine::Nats),
            separate_brokers: engine == Engine::Pair,
        }
    }

    /// The configuration's defaults of the delivery machine.
    const fn settings(brokers: usize) -> Settings {
        Settings {
            in_flight: 64,
            replay: Replay { rate: 20, jitter_s: 30 },
            host_timeout: Duration::from_secs(60),
            several_brokers: brokers > 1,
        }
    }
}

/// What all gateways of a fleet are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Live.
    Run,
    /// Every connection is dropped, without a word; another number is another drop.
    Drop(u32),
    /// The power is cut.
    Dark,
    /// The power is back; the boxes start within this time.
    Boot { within: Duration },
    /// Nothing more happens.
    Drain,
    /// Say goodbye.
    End,
}

/// The gateways of a run.
struct Fleet {
    shared: Arc<Shared>,
    tasks: JoinSet<Remains>,
}

impl Fleet {
    fn start(plan: &Plan, bed: &Bed, addresses: &[Address]) -> Self {
        let started = boottime();
        let utc = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let utc_ms = i64::try_from(utc.as_millis()).unwrap_or(i64::MAX);
        let mono_ms = i64::try_from(started.0 / 1_000_000).unwrap_or(i64::MAX);
        let shared = Arc::new(Shared {
            plan: plan.clone(),
            brokers: bed.addresses(),
            tally: Tally::default(),
            started,
            utc_offset_ms: utc_ms - mono_ms,
            orders: watch::Sender::new(Order::Run),
        });
        let mut tasks = JoinSet::new();
        for (number, address) in addresses.iter().enumerate() {
            let gateway = Gateway::new(Arc::clone(&shared), number, address.clone());
            tasks.spawn(gateway.live(plan.ramp));
        }
        Self { shared, tasks }
    }

    fn order(&self, order: Order) {
        self.shared.orders.send_replace(order);
    }

    /// Waits until so many are online.
    async fn online(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        let online = || Tally::of(&self.shared.tally.online);
        until("every gateway to be online", limit, async || {
            Ok((online() >= count as u64).then_some(()))
        })
        .await
        .with_context(|| format!("{} of {count} are; {:?}", online(), self.shared.tally))
    }

    /// Waits until everything that was stored is confirmed; how many events are not.
    async fn drain(&self) -> u64 {
        self.order(Order::Drain);
        let tally = &self.shared.tally;
        let waiting = || Tally::of(&tally.stored) - tally.confirmed_count();
        let drained = until("", DRAIN, async || Ok((waiting() == 0).then_some(()))).await;
        if drained.is_err() { waiting() } else { 0 }
    }

    async fn end(mut self) -> anyhow::Result<(Arc<Shared>, Vec<Remains>)> {
        self.order(Order::End);
        let mut remains = Vec::new();
        while let Some(gateway) = self.tasks.join_next().await {
            remains.push(gateway.context("a virtual gateway has panicked")?);
        }
        Ok((self.shared, remains))
    }
}

/// Runs a plan.
///
/// # Errors
/// When a part cannot be started, or the gateways do not come online. Lost events are no error: the
/// report has them.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    ensure!((1..=MOST).contains(&plan.gateways), "1 to {MOST} gateways");
    raise_descriptors(plan.gateways as u64)?;
    let addresses: Vec<Address> = (0..plan.gateways)
        .map(|number| {
            Ok(Address {
                district: "d-1".parse()?,
                site: format!("s-{}", number / 50).parse()?,
                gateway: format!("g-{number}").parse()?,
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let mut bed = Bed::start(plan, &addresses).await?;
    let fleet = Fleet::start(plan, &bed, &addresses);
    fleet.online(plan.gateways, plan.ramp + Duration::from_secs(240)).await?;
    let costs = accounts::Costs::begin(&bed);
    let disturbances = scenario::play(plan, &mut bed, &fleet, &addresses).await?;
    let costs = costs.end(&bed, plan.gateways);
    let unconfirmed = fleet.drain().await;
    let (shared, remains) = fleet.end().await?;
    bed.stop_receivers().await?;
    report::of(&shared, &bed, &remains, &disturbances, unconfirmed, costs)
}

/// Sockets are descriptors: as many as the system lets us have.
fn raise_descriptors(gateways: u64) -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = gateways + 1000;
    let raised = Rlimit { current: limit.maximum.or(Some(wanted)), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised)?;
    let most = limit.maximum.unwrap_or(u64::MAX);
    ensure!(most >= wanted, "{gateways} gateways need {wanted} open files, the limit is {most}");
    Ok(())
}
