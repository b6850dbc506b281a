//! A fleet of virtual gateways against real brokers and receivers, and what came of it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use gatehouse_tests::fleet::{DatabaseKind, Engine, Plan, Saves, Scenario, run};

/// Runs a fleet of virtual gateways on this machine's loopback; prints a report as JSON. Ends with 1
/// if an event was lost.
#[derive(Parser)]
struct Args {
    /// How many gateways.
    #[arg(long, default_value_t = 100)]
    gateways: usize,
    /// What is done to them.
    #[arg(long, value_enum, default_value = "steady")]
    scenario: Scenario,
    /// The brokers: one mosquitto, two side by side, or three nodes of NATS.
    #[arg(long, value_enum, default_value = "nats")]
    engine: Engine,
    /// When a mosquitto saves its memory.
    #[arg(long, value_enum, default_value = "changes")]
    saves: Saves,
    /// What the receivers write.
    #[arg(long, value_enum, default_value = "sqlite")]
    database: DatabaseKind,
    /// How many receivers side by side, at each broker of a pair; two need PostgreSQL.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    receivers: u8,
    /// Seconds that the scenario lasts, without what it waits for; at most two hours.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=7200))]
    seconds: u64,
    /// The mean time between two events of one gateway, in seconds.
    #[arg(long, default_value_t = 120.0)]
    event_every: f64,
    /// The gateways first come within so many seconds.
    #[arg(long, default_value_t = 30)]
    ramp: u64,
}

#[expect(clippy::print_stdout, reason = "the result is what this program is for")]
fn main() -> ExitCode {
    let args = Args::parse();
    let length = Duration::from_secs(args.seconds);
    let mut plan = Plan::new(args.gateways, args.scenario, args.engine, length);
    plan.event_every = Duration::try_from_secs_f64(args.event_every).unwrap_or(plan.event_every);
    (plan.database, plan.receivers) = (args.database, args.receivers.into());
    plan.saves = args.saves;
    plan.ramp = Duration::from_secs(args.ramp);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report =
        runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(&plan)));
    match report.and_then(|report| Ok((report.is_whole(), serde_json::to_string(&report)?))) {
        Ok((whole, text)) => {
            println!("{text}");
            if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("gatehouse-fleet: {error:#}");
            ExitCode::FAILURE
        }
    }
}
