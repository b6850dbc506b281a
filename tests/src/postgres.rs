//! A real PostgreSQL: own port, own folder, ended on drop.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use gatehouse_receiver::{Database, Server};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::ports::Port;
use crate::process::Process;
use crate::record::Record;
use crate::wait::SOON;

/// The server will not run as root; then it is nobody's, as Debian numbers that user and group.
const NOBODY: u32 = 65_534;

/// Its one user, and the user's password.
const USER: &str = "gatehouse";
const PASSWORD: &str = "s3cret";

/// A PostgreSQL of this test alone, with an empty database `postgres`.
#[derive(Debug)]
pub struct Postgres {
    port: Port,
    folder: TempDir,
    log: Record<String>,
    process: Option<Process>,
}

impl Postgres {
    /// Makes a cluster, starts it, and returns when it takes connections.
    pub async fn start() -> anyhow::Result<Self> {
        let port = Port::hold()?;
        let folder = tempfile::Builder::new().prefix("gatehouse-postgres-").tempdir()?;
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let server = Self { port, folder, log: Record::default(), process: None };
        std::fs::write(server.password(), format!("{PASSWORD}\n"))?;
        let mut command = command("initdb");
        command
            .args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", server.password().display()))
            .arg("-D")
            .arg(server.folder.path().join("data"));
        let made = command.output().await.context(
            "start initdb: install it by `apt-get install postgresql` or run `tests/run`",
        )?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = server;
        server.restart().await?;
        Ok(server)
    }

    /// As a receiver is told of it.
    pub fn database(&self) -> anyhow::Result<Database> {
        let mut server = Server::parse(&self.url(), |_| None)?;
        server.password_file = Some(self.password());
        Ok(server.into())
    }

    /// Its address with user and database, without the password.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/postgres", self.port.address())
    }

    /// The file with the user's password.
    pub fn password(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// A client that is not the receiver's; its connection ends with the task.
    pub async fn client(&self) -> anyhow::Result<tokio_postgres::Client> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port.number()).user(USER).password(PASSWORD);
        let (client, connection) = config.dbname("postgres").connect(tokio_postgres::NoTls).await?;
        tokio::runtime::Handle::current().spawn(connection);
        Ok(client)
    }

    /// What it has logged, over all its starts.
    pub fn log(&self) -> &Record<String> {
        &self.log
    }

    /// Ends it at once, its children too: what was not committed is gone.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        let status = process.end(Signal::QUIT, SOON).await?;
        ensure!(status.signal().is_none(), "it ended by {status}");
        Ok(())
    }

    /// Freezes the process that lets clients in; those that are in go on.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.process.as_ref().context("the server does not run")?.signal(Signal::STOP)
    }

    /// Starts it again on the same port and folder, after [`Self::kill`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("the server still runs: kill it first");
        }
        let seen = self.log.len();
        let mut command = command("postgres");
        command
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-p", &self.port.number().to_string(), "-D"])
            .arg(self.folder.path().join("data"));
        let process = Process::start("postgres", &mut command, &self.log)?;
        self.log
            .wait_for("PostgreSQL to take connections", SOON, |lines| {
                let ready = |line: &&String| line.contains("ready to accept connections");
                lines[seen..].iter().find(ready).map(drop)
            })
            .await?;
        self.process = Some(process);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Killed outright it would leave its children to notice by themselves.
        if let Some(process) = &self.process {
            let _ = process.signal(Signal::QUIT);
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// One of the server's programs. Debian has none of them in the path.
fn command(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name));
    let program = found.filter(|path: &PathBuf| path.exists()).max();
    let mut command = Command::new(program.as_deref().unwrap_or(Path::new(name)));
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}
