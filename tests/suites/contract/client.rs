//! The independent client as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_tests::process::Process;
use gatehouse_tests::wait::SOON;
use gatehouse_tests::{Client, Record};
use tokio::process::Command;

/// The message on this topic ends its run. It is no part of the contract.
const END: &str = "end-of-the-run";

/// A busy machine reads some thousand messages in this time.
const LATER: Duration = Duration::from_secs(120);

pub(crate) struct Independent {
    process: Process,
    log: Record<String>,
}

impl Independent {
    /// Starts it; returns when it listens. It fails if it never sees one of `expected`.
    pub(crate) async fn start(broker: SocketAddr, expected: &[&str]) -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python()?);
        // Nothing of it is written into the tree.
        command.arg("-B").arg(here.join("contract/client.py"));
        command.arg("--document").arg(here.join("../deploy/contract/asyncapi.yaml"));
        command.args(["--port", &broker.port().to_string(), "--until", END]);
        command.args(["--expect", &expected.join(",")]);
        let log = Record::default();
        let mut process = Process::start("the independent client", &mut command, &log)?;
        let listens = log.wait_for("its subscription", SOON, |lines| {
            lines.iter().any(|line| line == "subscribed").then_some(())
        });
        tokio::select! {
            listens = listens => listens?,
            ended = process.wait(SOON) => {
                anyhow::bail!("it ended at its start: {ended:?}\n{}", log.all().join("\n"));
            }
        }
        Ok(Self { process, log })
    }

    /// Ends its run behind all that was published until now: whether all was good, and what it said.
    pub(crate) async fn end(&mut self, room: &mut Client) -> anyhow::Result<(bool, String)> {
        room.publish(END, b"end").await?;
        let status = self.process.wait(LATER).await?;
        let said = self.log.all().join("\n");
        let counted = said.lines().last().is_some_and(|line| line.ends_with(" failures"));
        ensure!(counted, "it broke off ({status}):\n{said}");
        Ok((status.success(), said))
    }
}

/// The Python that `tests/run setup` has made for it.
fn python() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("CONTRACT_PYTHON") {
        return Ok(path.into());
    }
    let me = std::env::current_exe()?;
    let mut candidates = me.ancestors().map(|folder| folder.join("python/contract/bin/python3"));
    candidates.find(|path| path.is_file()).context(
        "no Python for the independent client: make it by `tests/run setup`, or name one that has \
         tests/contract/requirements.txt in CONTRACT_PYTHON",
    )
}
