//! A child process whose output is a [`Record`] and which never outlives its test.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::record::Record;

/// A running (or ended) child process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    readers: JoinSet<()>,
}

impl Process {
    /// Starts `command`; every line of its standard output and error goes to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Record<String>) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}: {:?}", command.as_std()))?;
        let mut readers = JoinSet::new();
        let stdout = child.stdout.take().expect("piped above");
        let stderr = child.stderr.take().expect("piped above");
        readers.spawn(copy_lines(stdout, log.clone()));
        readers.spawn(copy_lines(stderr, log.clone()));
        Ok(Self { name: name.to_owned(), child, readers })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.child.id().with_context(|| format!("{} has already ended", self.name))?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.name))
    }

    /// The process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait().with_context(|| format!("wait for {}", self.name))?.is_none())
    }

    /// Waits for its end, and until its last line is in the log.
    pub async fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let Ok(status) = tokio::time::timeout(limit, self.child.wait()).await else {
            bail!("{} did not end within {limit:?}", self.name);
        };
        let status = status.with_context(|| format!("wait for {}", self.name))?;
        // A grandchild may hold the pipe open for ever: the limit is for that.
        let _ = tokio::time::timeout(limit, async {
            while self.readers.join_next().await.is_some() {}
        })
        .await;
        Ok(status)
    }

    /// Sends a signal and waits for the end.
    pub async fn end(&mut self, signal: Signal, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(signal)?;
        self.wait(limit).await
    }
}

async fn copy_lines(pipe: impl AsyncRead + Unpin, log: Record<String>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::SOON;

    #[tokio::test]
    async fn a_process_is_signalled_and_its_last_words_are_kept() {
        let log = Record::default();
        let mut command = Command::new("sh");
        // `wait` is the one command that a trap interrupts at once.
        let script = "trap 'kill $!; echo bye >&2; exit 3' TERM
            sleep 600 >/dev/null 2>&1 & echo up; wait";
        command.arg("-c").arg(script);
        let mut process = Process::start("sh", &mut command, &log).unwrap();
        log.wait_for("its first line", SOON, |l| l.contains(&"up".into()).then_some(()))
            .await
            .unwrap();
        assert!(process.is_running().unwrap());
        let status = process.end(Signal::TERM, SOON).await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(log.all(), ["up", "bye"]);
        assert!(process.signal(Signal::TERM).is_err(), "it has ended");
    }

    #[tokio::test]
    async fn a_dropped_process_is_dead() {
        let log = Record::default();
        let process = Process::start("sleep", Command::new("sleep").arg("600"), &log).unwrap();
        let proc_folder = format!("/proc/{}", process.id().unwrap());
        drop(process);
        crate::wait::until("the end of sleep", SOON, async || {
            // A zombie still has its folder, but no memory map.
            let map = std::fs::read(format!("{proc_folder}/maps")).unwrap_or_default();
            Ok(map.is_empty().then_some(()))
        })
        .await
        .unwrap();
    }
}
