//! The loss table: the district's broker is away while events flow.

use std::time::Duration;

use clap::ValueEnum;

use super::{Found, Stage};
use crate::proxy::Fault;

/// What is taken away besides the way to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Take {
    /// The way to the broker only.
    Outage,
    /// Also the gateway, by SIGKILL in the middle of it.
    Gateway,
    /// Also the broker, by SIGKILL, with everything that it remembered.
    Broker,
}

/// Moves doors for `before`, takes away for `away`, and goes on for `before` again.
///
/// # Errors
/// Something of the harness fails, or the control room does not get everything in time.
pub async fn table(
    take: Take,
    rate: u32,
    before: Duration,
    away: Duration,
) -> anyhow::Result<Found> {
    let mut stage = Stage::set().await?;
    stage.move_doors(rate, before).await;
    stage.proxy.set(Fault::Refuse);
    if take == Take::Broker {
        stage.broker.kill().await?;
        stage.broker.wipe()?;
    }
    stage.move_doors(rate, away / 2).await;
    if take == Take::Gateway {
        stage.gateway.restart().await?;
    }
    stage.move_doors(rate, away / 2).await;
    if take == Take::Broker {
        stage.broker.restart().await?;
    }
    stage.proxy.set(Fault::None);
    stage.move_doors(rate, before).await;
    stage.compare(take != Take::Gateway).await
}
