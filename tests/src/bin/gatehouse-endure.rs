//! What is lost when parts are taken away: `tests/losses` calls this.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use gatehouse_tests::endure::{Found, Ordeal, Take, ordeal, table};

/// Takes parts of the way away while events flow, and counts what is lost.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The district's broker away; also the gateway killed; also the broker's memory lost.
    Table {
        /// Seconds without the broker.
        #[arg(long, default_value_t = 20.0)]
        away: f64,
        /// Seconds before and after.
        #[arg(long, default_value_t = 12.5)]
        around: f64,
        /// Events per second.
        #[arg(long, default_values_t = [100, 500])]
        rate: Vec<u32>,
        /// Only this.
        #[arg(long, value_enum)]
        take: Option<Take>,
    },
    /// A long outage, the session wiped, the gateway killed again and again, a half-open network.
    Ordeal {
        /// In a minute and a half instead of a quarter of an hour.
        #[arg(long)]
        quick: bool,
    },
}

/// Negative and infinite times are none.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "the result is what this program is for")]
fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            let mut whole = true;
            let mut tell = |name: &str, found: &Found| {
                whole &= found.is_whole() && found.unseen == 0;
                let mut line = serde_json::to_value(found)?;
                line["run"] = name.into();
                println!("{line}");
                anyhow::Ok(())
            };
            match args.what {
                What::Table { away, around, rate, take: only } => {
                    for rate in rate {
                        for take in
                            Take::value_variants().iter().filter(|t| only.is_none_or(|o| o == **t))
                        {
                            let found = table(*take, rate, seconds(around), seconds(away)).await?;
                            tell(&format!("{take:?} at {rate}/s").to_lowercase(), &found)?;
                        }
                    }
                }
                What::Ordeal { quick } => {
                    let hard = if quick { Ordeal::QUICK } else { Ordeal::FULL };
                    tell("ordeal", &ordeal(hard).await?)?;
                }
            }
            anyhow::Ok(whole)
        })
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("gatehouse-endure: something was lost");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("gatehouse-endure: {error:#}");
            ExitCode::FAILURE
        }
    }
}
