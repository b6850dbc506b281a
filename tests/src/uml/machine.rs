//! One boot of the box: the kernel as a process group, its console, and the ways it ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::order::{Answer, Order};
use crate::wait;

/// A boot takes about a second; on a busy machine, some.
const BOOT: Duration = Duration::from_secs(60);

/// How long an order may take. Patterns say themselves how long they are.
const ORDER: Duration = Duration::from_secs(60);

/// How long a row of them may take: a week of the box's time, on a busy machine.
const ROW: Duration = Duration::from_secs(1_800);

/// What does not change from boot to boot.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel, as `tests/kernel/build` made it.
    pub kernel: PathBuf,
    /// `tests/kernel/init.sh`.
    pub init: PathBuf,
    /// `gatehouse-box`, which is the agent in the guest.
    pub agent: PathBuf,
    /// The run's folder: the one place that guest and host share.
    pub folder: PathBuf,
    /// The flash: an ext4 image.
    pub flash: PathBuf,
    /// The host's end of the cable, if there is one.
    pub tap: Option<String>,
    /// Its time jumps over every wait. Nothing outside keeps pace, so there is no cable then.
    pub time_travel: bool,
}

/// A box that runs.
#[derive(Debug)]
pub struct Booted {
    child: Child,
    group: Pid,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Machine {
    /// Makes an empty flash of this many MiB.
    pub async fn format_flash(&self, mib: u32) -> anyhow::Result<()> {
        let file = std::fs::File::create(&self.flash)
            .with_context(|| format!("create {}", self.flash.display()))?;
        file.set_len(u64::from(mib) << 20)?;
        let made = Command::new("mkfs.ext4")
            // The root's reserve and lazy initialisation are for big disks.
            .args(["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"])
            .arg(&self.flash)
            .env("PATH", path_with_sbin())
            .output()
            .await
            .context("run mkfs.ext4: install e2fsprogs")?;
        if !made.status.success() {
            bail!("mkfs.ext4: {}", String::from_utf8_lossy(&made.stderr));
        }
        Ok(())
    }

    /// Turns the power on, and returns when the agent answers.
    pub async fn boot(&self) -> anyhow::Result<Booted> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.kernel_log())
            .context("open the kernel's log")?;
        // A session of its own: the kernel is many processes, and ends as one group.
        let mut command = Command::new("setsid");
        command.arg(&self.kernel);
        command.args(["mem=256M", "rootfstype=hostfs", "root=/dev/root", "rootflags=/", "ro"]);
        command.arg(format!("init={}", self.init.display()));
        command.arg(format!("ubd0={}", self.flash.display()));
        // Else the kernel keeps its management socket in the home folder.
        command.arg(format!("uml_dir={}/", self.folder.display()));
        // The first console is the kernel's and init's voice; the second belongs to the agent.
        command.args(["con=null", "con0=null,fd:2", "con1=fd:0,fd:1"]);
        if let Some(tap) = &self.tap {
            // The address stays over power cuts, as a network card's does.
            command.arg(format!("vec0:transport=tap,ifname={tap},mac=02:00:00:00:00:02"));
        }
        if self.time_travel {
            command.arg("time-travel=inf-cpu");
        }
        command.arg(format!("BOX_DIR={}", self.folder.display()));
        command.arg(format!("BOX_AGENT={}", self.agent.display()));
        // What some processors need, as `tests/kernel/run` knows.
        if let Some(library) = std::env::var_os("GATEHOUSE_UML_PRELOAD") {
            command.env("LD_PRELOAD", library);
        }
        let mut child = command
            // Where the kernel keeps the guest's memory: a file, unlinked at once.
            .env("TMPDIR", &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .spawn()
            .context("start the kernel by `setsid`, of util-linux")?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = id.context("the kernel has no process id")?;
        let orders = child.stdin.take().expect("piped above");
        let answers = BufReader::new(child.stdout.take().expect("piped above")).lines();
        let mut booted = Booted { child, group, orders, answers };
        match booted.answer(BOOT).await {
            Ok(Answer::Ready) => Ok(booted),
            other => {
                // The text of an error, without the backtrace that `Debug` may bring.
                let other = other.map_or_else(|e| format!("{e:#}"), |answer| format!("{answer:?}"));
                let log = std::fs::read_to_string(self.kernel_log()).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(15).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                bail!("the box did not boot: {other}\n{tail}")
            }
        }
    }

    /// What the kernel and init said, over all boots.
    pub fn kernel_log(&self) -> PathBuf {
        self.folder.join("kernel.log")
    }

    /// A file of the run's folder.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }
}

impl Booted {
    /// Gives an order and returns its answer; a refusal is an error.
    pub async fn order(&mut self, order: Order) -> anyhow::Result<Answer> {
        let limit = match &order {
            Order::Row { .. } => ROW,
            Order::Wait { limit_ms, .. } | Order::Ended { limit_ms, .. } => {
                ORDER + Duration::from_millis(*limit_ms)
            }
            _ => ORDER,
        };
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        let context = || format!("give the order {order:?}");
        self.orders.write_all(&line).await.with_context(context)?;
        match self.answer(limit).await.with_context(context)? {
            Answer::Failed { reason } => bail!("the box could not {order:?}: {reason}"),
            answer => Ok(answer),
        }
    }

    /// A power cut: every process of the machine is gone in one instant, nothing is written any more.
    pub async fn cut(mut self) -> anyhow::Result<()> {
        kill_process_group(self.group, Signal::KILL).context("cut the power")?;
        self.gone().await
    }

    /// An orderly power-off. Programs must have ended.
    pub async fn off(mut self) -> anyhow::Result<()> {
        // The kernel may be gone before its last answer is through; a refusal is one all the same.
        let answer = self.order(Order::Off).await;
        match tokio::time::timeout(wait::SOON, self.gone()).await {
            Ok(gone) => gone,
            Err(_) => match answer {
                Ok(_) => bail!("the box does not power off"),
                Err(refusal) => Err(refusal.context("the box does not power off")),
            },
        }
    }

    async fn answer(&mut self, limit: Duration) -> anyhow::Result<Answer> {
        match tokio::time::timeout(limit, self.answers.next_line()).await {
            Err(_) => bail!("the box does not answer within {limit:?}"),
            Ok(line) => {
                let line = line?.context("the box is gone")?;
                serde_json::from_str(&line).with_context(|| format!("not an answer: {line:?}"))
            }
        }
    }

    /// Waits until no process of the group is left: one that stays behind holds a lock on the flash,
    /// and the next boot fails.
    async fn gone(&mut self) -> anyhow::Result<()> {
        self.child.wait().await.context("wait for the kernel")?;
        let group = self.group;
        wait::until("the end of the kernel's processes", wait::SOON, async move || {
            Ok(test_kill_process_group(group).is_err().then_some(()))
        })
        .await
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // A scenario that fails leaves no machine behind. Once `gone`, the group is nobody's.
        if self.child.id().is_some() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
    }
}

/// `mkfs.ext4` lives where a user's path does not look.
fn path_with_sbin() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}
