//! A small fleet through everything that the large one is put through by hand.

use std::time::Duration;

use gatehouse_tests::fleet::{DatabaseKind, Engine, Plan, Scenario, run};

/// Every event is in the database as it was stored, whatever was done meanwhile.
async fn whole(scenario: Scenario, engine: Engine, seconds: u64) -> anyhow::Result<()> {
    whole_at(Plan::new(40, scenario, engine, Duration::from_secs(seconds))).await
}

async fn whole_at(mut plan: Plan) -> anyhow::Result<()> {
    plan.event_every = Duration::from_secs(2);
    plan.ramp = Duration::from_secs(2);
    let report = run(&plan).await?;
    let text = serde_json::to_string(&report)?;
    assert!(report.is_whole(), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_receivers_and_the_database_are_killed_and_nothing_is_lost() -> anyhow::Result<()> {
    // Three nodes, two receivers and PostgreSQL, each killed once.
    let mut plan = Plan::new(40, Scenario::Endure, Engine::Nats, Duration::from_secs(180));
    (plan.database, plan.receivers) = (DatabaseKind::Postgres, 2);
    whole_at(plan).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_power_of_a_district_comes_back() -> anyhow::Result<()> {
    whole(Scenario::Restore, Engine::Mosquitto, 10).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_breaks_at_once() -> anyhow::Result<()> {
    whole(Scenario::Reconnect, Engine::Mosquitto, 10).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_lies_harms_nobody() -> anyhow::Result<()> {
    whole(Scenario::Liar, Engine::Mosquitto, 10).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_stands_still_loses_nothing() -> anyhow::Result<()> {
    whole(Scenario::SlowReceiver, Engine::Nats, 10).await
}
