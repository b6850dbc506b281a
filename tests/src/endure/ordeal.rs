//! Everything at once: a long outage, a broker without memory, a gateway that is killed again and
//! again, a network that is half-open.

use std::time::Duration;

use super::{Found, Stage};
use crate::proxy::Fault;

/// How hard it gets.
#[derive(Clone, Copy, Debug)]
pub struct Ordeal {
    /// Seconds without a broker.
    pub away_s: u32,
    /// Events in that time.
    pub events: u32,
    /// SIGKILLs of the gateway while events flow.
    pub kills: u32,
    /// Seconds of a half-open network.
    pub half_open_s: u32,
    /// Of the moments of the kills.
    pub seed: u64,
}

impl Ordeal {
    /// Ten minutes, 10,000 events, fifty kills, two minutes.
    pub const FULL: Self =
        Self { away_s: 600, events: 10_000, kills: 50, half_open_s: 120, seed: 1 };
    /// The same in a minute and a half.
    pub const QUICK: Self = Self { away_s: 15, events: 2_000, kills: 8, half_open_s: 12, seed: 1 };
}

/// Goes through it.
///
/// # Errors
/// Something of the harness fails, or the control room does not get everything in time.
pub async fn ordeal(what: Ordeal) -> anyhow::Result<Found> {
    let mut stage = Stage::set().await?;
    stage.move_doors(50, Duration::from_secs(2)).await;

    eprintln!("the broker is away for {} s, {} events meanwhile", what.away_s, what.events);
    stage.broker.kill().await?;
    let rate = (what.events / what.away_s).max(1);
    stage.move_doors(rate, Duration::from_secs((what.events / rate).into())).await;
    eprintln!("the broker is back and has forgotten the session");
    stage.broker.wipe()?;
    stage.broker.restart().await?;
    stage.move_doors(50, Duration::from_secs(2)).await;

    eprintln!("the gateway is killed {} times while events flow", what.kills);
    let mut random = what.seed;
    for kill in 0..what.kills {
        // xorshift64: moments that differ and can be repeated.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let moment = Duration::from_millis(50 + random % 1000);
        stage.move_doors(200, moment).await;
        stage.gateway.restart().await?;
        stage.world.connected(u64::from(kill) + 2).await?;
    }

    eprintln!("the network is half-open for {} s", what.half_open_s);
    stage.proxy.set(Fault::Swallow);
    stage.move_doors(20, Duration::from_secs(what.half_open_s.into())).await;
    // What was swallowed never comes: the connections of that time are dead.
    stage.proxy.set(Fault::None);
    stage.proxy.reset_all();
    tokio::time::timeout(Duration::from_secs(300), async {
        stage.move_doors(50, Duration::from_secs(2)).await;
        stage.compare(false).await
    })
    .await?
}
