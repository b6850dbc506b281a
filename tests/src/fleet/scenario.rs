//! What is done to brokers, receivers and gateways, and when.

use std::time::Duration;

use clap::ValueEnum;
use gatehouse_core::time::Mono;
use gatehouse_core::topic::Address;
use serde::Serialize;

use super::bed::Bed;
use super::{Fleet, Order, Plan, liar};
use crate::wait::boottime;

/// How long a killed part stays away.
const AWAY: Duration = Duration::from_secs(10);

/// As long as a service manager needs to start a database that has crashed.
const DATABASE_AWAY: Duration = Duration::from_secs(2);

/// After a part is back, so long its absence still counts as felt.
const SETTLE: Duration = Duration::from_secs(10);

/// How long a district's power is away, and within what time its boxes start again: a Raspberry Pi
/// needs 20 to 60 s.
const DARK: Duration = Duration::from_secs(20);
const BOOT_WITHIN: Duration = Duration::from_secs(40);

/// See the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Nothing is done.
    Steady,
    /// The district's power goes; all boxes start again together, each with its backlog.
    Restore,
    /// A broker is killed and comes back.
    NodeKilled,
    /// The receiver is killed; another takes over its database.
    ReceiverKilled,
    /// Every connection breaks at once.
    Reconnect,
    /// One gateway lies: wrong numbers, changed and replayed events, others' topics and names.
    Liar,
    /// The receiver does nothing for half a minute.
    SlowReceiver,
    /// Every part is killed in turn, and then at random, for the whole length.
    Endure,
}

/// Something that was done.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Disturbance {
    pub(super) what: String,
    #[serde(skip)]
    pub(super) from: Mono,
    /// When it was felt no more at the latest.
    #[serde(skip)]
    pub(super) to: Mono,
    /// Since the fleet was there.
    pub(super) at_s: u64,
    pub(super) lasted_s: u64,
}

impl Disturbance {
    /// What it happened to, in a word: `broker 2 was killed …` is `broker`.
    pub(super) fn cause(&self) -> String {
        let mut words = self.what.split(' ').filter(|word| !["a", "the", "every"].contains(word));
        words.next().unwrap_or_default().to_owned()
    }
}

/// Plays the plan's scenario; what was done. That the fleet has just come is the first of it.
pub(super) async fn play(
    plan: &Plan,
    bed: &mut Bed,
    fleet: &Fleet,
    addresses: &[Address],
) -> anyhow::Result<Vec<Disturbance>> {
    let (begun, start) = (fleet.shared.started, boottime());
    let half = plan.length / 2;
    let mut done = vec![Disturbance {
        what: "the fleet came".to_owned(),
        from: begun,
        to: start.plus(SETTLE),
        at_s: 0,
        lasted_s: start.plus(SETTLE).since(begun).as_secs(),
    }];
    let mut note = |what: &str, from: Mono| {
        let to = boottime().plus(SETTLE);
        let at_s = from.since(start).as_secs();
        let lasted_s = to.since(from).as_secs();
        done.push(Disturbance { what: what.to_owned(), from, to, at_s, lasted_s });
    };
    if plan.scenario != Scenario::Endure {
        pass(half).await;
    }
    let from = boottime();
    match plan.scenario {
        Scenario::Steady => {}
        Scenario::Restore => {
            fleet.order(Order::Dark);
            pass(DARK).await;
            fleet.order(Order::Boot { within: BOOT_WITHIN });
            fleet.online(addresses.len(), BOOT_WITHIN + Duration::from_secs(240)).await?;
            note("the district's power was cut and came back", from);
        }
        Scenario::NodeKilled => {
            kill(bed, fleet, 0).await?;
            note("a broker was killed and came back", from);
        }
        Scenario::ReceiverKilled => {
            bed.kill_receiver(0).await?;
            bed.start_receiver(0).await?;
            note("the receiver was killed and another took over", from);
        }
        Scenario::Reconnect => {
            fleet.order(Order::Drop(1));
            // They are counted down in their own time.
            pass(Duration::from_secs(1)).await;
            fleet.online(addresses.len(), Duration::from_secs(240)).await?;
            note("every connection was dropped", from);
        }
        Scenario::Liar => {
            liar::lie(bed, plan, &addresses[0]).await?;
            note("a gateway lied", from);
        }
        Scenario::SlowReceiver => {
            bed.freeze_receivers(true)?;
            pass(Duration::from_secs(30)).await;
            bed.freeze_receivers(false)?;
            note("the receiver stood still", from);
        }
        Scenario::Endure => {
            let receivers = bed.nodes()..bed.nodes() + bed.receivers();
            let parts = receivers.end + usize::from(bed.postgres().is_some());
            let mut turn = 0;
            while boottime().since(start) < plan.length {
                pass(AWAY + SETTLE).await;
                // Each once in order, then whichever.
                let part = if turn < parts { turn } else { fastrand::usize(..parts) };
                turn += 1;
                let from = boottime();
                if part < bed.nodes() {
                    kill(bed, fleet, part).await?;
                    note(&format!("broker {} was killed and came back", part + 1), from);
                } else if receivers.contains(&part) {
                    let receiver = part - receivers.start;
                    bed.kill_receiver(receiver).await?;
                    // Alone it is missed at once, as one whose unit starts it again.
                    pass(if bed.receivers() > 1 { AWAY } else { Duration::from_secs(1) }).await;
                    bed.start_receiver(receiver).await?;
                    note(&format!("receiver {} was killed and came back", receiver + 1), from);
                } else if let Some(server) = bed.postgres() {
                    server.kill().await?;
                    pass(DATABASE_AWAY).await;
                    server.restart().await?;
                    note("the database was killed and came back", from);
                }
            }
        }
    }
    if plan.scenario != Scenario::Endure {
        pass(half).await;
    }
    Ok(done)
}

async fn kill(bed: &mut Bed, fleet: &Fleet, node: usize) -> anyhow::Result<()> {
    bed.kill_node(node).await?;
    pass(AWAY).await;
    bed.restart_node(node).await?;
    let count = fleet.shared.plan.gateways;
    fleet.online(count, Duration::from_secs(240)).await
}

/// Lets the scenario's own time pass.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
