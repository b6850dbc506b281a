//! The control room's program with its wall: `gatehouse-receiver run --wall` on ports and in a
//! folder of its own.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use gatehouse_receiver::SigningKey;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::ports::Port;
use crate::process::Process;
use crate::record::Record;
use crate::wait::SOON;

/// The password of every account in a room.
pub const PASSWORD: &str = "correct horse battery";

/// The responders' file in the room's folder.
const RESPONDERS: &str = "responders.toml";

/// The program, which may be killed and started again.
#[derive(Debug)]
pub struct Room {
    folder: TempDir,
    port: Port,
    broker: SocketAddr,
    district: &'static str,
    /// Further words of `run`.
    words: Vec<String>,
    log: Record<String>,
    /// With a file of responders.
    tells: bool,
    process: Option<Process>,
}

impl Room {
    /// Starts a receiver of district `d-1` whose wall has these accounts: the words of
    /// `gatehouse-receiver account add`, as `op-7 --role operator`. Returns when the wall is open.
    pub async fn start(broker: SocketAddr, accounts: &[&str]) -> anyhow::Result<Self> {
        let folder = folder()?;
        Self::begin(folder, broker, "d-1", Vec::new(), accounts).await
    }

    /// Starts two that hand incidents over to each other: `north` of district `d-1` and `south` of
    /// `d-2`, each with these accounts.
    pub async fn pair(
        broker: SocketAddr,
        north: &[&str],
        south: &[&str],
    ) -> anyhow::Result<(Self, Self)> {
        let (at_north, at_south) = (folder()?, folder()?);
        let key = |folder: &TempDir, name: &str| -> anyhow::Result<String> {
            Ok(SigningKey::make(&folder.path().join("room.key"), name.parse()?)?.public())
        };
        let words = |folder: &TempDir, name: &str, peer: &str, district: &str, key: &str| {
            let file =
                format!("[[peer]]\nname = {peer:?}\ndistrict = {district:?}\nkey = {key:?}\n");
            fs::write(folder.path().join("peers.toml"), file)?;
            let path = |file: &str| folder.path().join(file).display().to_string();
            let words = ["--room", name, "--room-key", &path("room.key"), "--peers"];
            let mut words: Vec<_> = words.map(str::to_owned).into();
            words.push(path("peers.toml"));
            anyhow::Ok(words)
        };
        let (of_north, of_south) = (key(&at_north, "north")?, key(&at_south, "south")?);
        let to_south = words(&at_north, "north", "south", "d-2", &of_south)?;
        let to_north = words(&at_south, "south", "north", "d-1", &of_north)?;
        tokio::try_join!(
            Self::begin(at_north, broker, "d-1", to_south, north),
            Self::begin(at_south, broker, "d-2", to_north, south)
        )
    }

    async fn begin(
        folder: TempDir,
        broker: SocketAddr,
        district: &'static str,
        words: Vec<String>,
        accounts: &[&str],
    ) -> anyhow::Result<Self> {
        let secret = folder.path().join("secret");
        fs::write(&secret, format!("{PASSWORD}\n"))?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        let (port, log) = (Port::hold()?, Record::default());
        let (tells, process) = (false, None);
        let mut room = Self { folder, port, broker, district, words, log, tells, process };
        for account in accounts {
            let mut command = Command::new(program()?);
            command.args(["account", "add"]).args(account.split(' '));
            command.arg("--accounts").arg(room.folder.path().join("accounts.toml"));
            command.arg("--password-file").arg(&secret);
            let output = command.output().await?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "account add {account}: {said}");
        }
        room.launch().await?;
        Ok(room)
    }

    /// Starts it again, after [`Self::kill`].
    pub async fn launch(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the receiver still runs");
        let seen = self.log.len();
        let mut command = Command::new(program()?);
        command.args(["run", "--district", self.district, "--host", "room", "--heartbeat", "2"]);
        command.args(&self.words);
        command.arg("--broker").arg(format!("mqtt://{}", self.broker));
        command.arg("--db").arg(self.database());
        command.arg("--wall").arg(self.port.address().to_string());
        if self.tells {
            command.arg("--responders").arg(self.folder.path().join(RESPONDERS));
        }
        let mut process = Process::start("gatehouse-receiver run", &mut command, &self.log)?;
        let open = self.log.wait_for("the wall to open", SOON, |lines| {
            lines[seen..].iter().any(|line| line.contains("the wall is open")).then_some(())
        });
        tokio::select! {
            open = open => open?,
            ended = process.wait(SOON) => {
                let log = self.log.read(|lines| lines[seen..].join("\n"));
                bail!("the receiver ended at its start: {ended:?}\n{log}");
            }
        }
        self.process = Some(process);
        Ok(())
    }

    /// From now on it tells responders as this file says: it is killed and started again.
    pub async fn tell(&mut self, responders: &str) -> anyhow::Result<()> {
        let file = self.folder.path().join(RESPONDERS);
        fs::write(&file, responders)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        self.tells = true;
        self.kill().await?;
        self.launch().await
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("d-1.db")
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the receiver does not run")?;
        process.end(Signal::KILL, SOON).await.map(drop)
    }

    /// Freezes it: connections stay open, and nothing is said any more.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.process.as_ref().context("the receiver does not run")?.signal(Signal::STOP)
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.process.as_ref().context("the receiver does not run")?.signal(Signal::CONT)
    }

    /// Where the wall is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.port.address())
    }

    /// What it has logged, over all its starts.
    pub fn log(&self) -> &Record<String> {
        &self.log
    }
}

fn folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("gatehouse-room-").tempdir()?)
}

/// `GATEHOUSE_RECEIVER_BIN`, or the binary of the profile that this test was built with.
fn program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("GATEHOUSE_RECEIVER_BIN") {
        return Ok(path.into());
    }
    let me = std::env::current_exe()?;
    let folders = me.ancestors().skip(1).take(2);
    let mut candidates = folders.map(|folder| folder.join("gatehouse-receiver"));
    candidates.find(|path| path.is_file()).with_context(|| {
        format!(
            "no binary `gatehouse-receiver` beside {}: build it by `cargo build --bin \
             gatehouse-receiver`, or name it in GATEHOUSE_RECEIVER_BIN",
            me.display()
        )
    })
}
