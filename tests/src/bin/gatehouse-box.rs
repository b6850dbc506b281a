//! The simulated box: `tests/kernel/run` calls this in namespaces of its own; in the guest it is the
//! agent.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use gatehouse_tests::uml::scenario::{self, Scenario};
use gatehouse_tests::uml::{Programs, agent};

/// Tries the daemon on a simulated box.
#[derive(Parser)]
enum Command {
    /// Serve orders on the console; only in the guest.
    #[command(hide = true)]
    Agent,
    #[command(flatten)]
    Scenario(Scenario),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Agent => agent::serve(),
        Command::Scenario(scenario) => run(&scenario),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse-box: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a scenario in a fresh folder, which stays for a look when the scenario failed.
#[expect(clippy::print_stdout, reason = "the result is what this program is for")]
fn run(scenario: &Scenario) -> anyhow::Result<()> {
    let program = |name: &str| -> anyhow::Result<PathBuf> {
        let path = std::env::var_os(name)
            .with_context(|| format!("{name} is not set: start scenarios by `tests/kernel/run`"))?;
        PathBuf::from(&path).canonicalize().with_context(|| format!("{name} = {}", path.display()))
    };
    let programs = Programs {
        kernel: program("GATEHOUSE_UML")?,
        init: program("GATEHOUSE_UML_INIT")?,
        gatehouse: program("GATEHOUSE_BIN")?,
        receiver: program("GATEHOUSE_RECEIVER_BIN")?,
    };
    let folder = tempfile::Builder::new().prefix("run-").tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(scenario::run(scenario, folder.path().to_owned(), programs));
    match result {
        Ok(line) => {
            if std::env::var_os("GATEHOUSE_KEEP").is_some() {
                keep(folder);
            }
            println!("{line}");
            Ok(())
        }
        Err(error) => {
            keep(folder);
            Err(error)
        }
    }
}

fn keep(folder: tempfile::TempDir) {
    eprintln!("gatehouse-box: logs and flash are kept in {}", folder.keep().display());
}
