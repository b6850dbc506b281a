//! A real mosquitto: own port, own folder, killed on drop.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context, bail};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::client::{Client, ClientOptions};
use crate::ports::Port;
use crate::process::Process;
use crate::record::Record;
use crate::wait::SOON;

/// What the broker keeps over its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing: each start is a broker without memory.
    #[default]
    None,
    /// As `persistence true` alone does it: saved at the end and every 30 minutes.
    Stock,
    /// Saved within a second of each change, as `deploy/broker/mosquitto.conf` recommends.
    OnChanges,
    /// Saved every minute, as it recommends for a large district.
    EveryMinute,
}

/// How a broker is configured.
#[derive(Clone, Debug, Default)]
pub struct BrokerOptions {
    /// What survives the broker's end.
    pub persistence: Persistence,
    /// The lines of an ACL file.
    pub acl: Option<String>,
    /// `max_inflight_messages`; for MQTT 5 also the Receive Maximum that the broker announces.
    /// Without it mosquitto's own: 20.
    pub max_inflight: Option<u16>,
    /// `message_size_limit` in bytes.
    pub message_size_limit: Option<u32>,
    /// TLS with client certificates, whose common name is the user name.
    pub tls: Option<BrokerTls>,
    /// Further lines of `mosquitto.conf`.
    pub extra: String,
    /// Whether Nagle's algorithm stays on: mosquitto's default, 43 ms for a burst of three.
    pub nagle: bool,
    /// Whether only what went wrong is logged: a fleet says too much.
    pub quiet: bool,
    /// A whole configuration instead of all the above; `{port}` and `{folder}` are filled in.
    pub whole: Option<String>,
}

/// The files of a TLS listener.
#[derive(Clone, Debug)]
pub struct BrokerTls {
    /// The authority that clients' certificates come from.
    pub ca: PathBuf,
    /// The broker's own certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A mosquitto of this test alone.
#[derive(Debug)]
pub struct Broker {
    port: Port,
    folder: TempDir,
    log: Record<String>,
    process: Option<Process>,
}

impl Broker {
    /// Starts it, and returns when it listens.
    pub async fn start(options: BrokerOptions) -> anyhow::Result<Self> {
        let port = Port::hold()?;
        let folder = tempfile::Builder::new().prefix("gatehouse-broker-").tempdir()?;
        let text = options.render(port.number(), folder.path())?;
        std::fs::write(folder.path().join("mosquitto.conf"), text)?;
        let mut broker = Self { port, folder, log: Record::default(), process: None };
        broker.launch().await?;
        Ok(broker)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its folder: configuration, persistence file, ACL.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged, over all its starts.
    pub fn log(&self) -> &Record<String> {
        &self.log
    }

    /// The process id while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    /// Power off: no farewell, nothing more is saved.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.end(Signal::KILL).await.map(drop)
    }

    /// An orderly end: sessions are saved if it keeps them.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.end(Signal::TERM).await
    }

    /// Lets it read its access list again; returns when the new one is in force.
    pub async fn reload(&self) -> anyhow::Result<()> {
        let seen = self.log.len();
        self.running()?.signal(Signal::HUP)?;
        let reloads = |lines: &[String]| {
            lines[seen..].iter().any(|line| line.contains("Reloading config")).then_some(())
        };
        self.log.wait_for("the reload", SOON, reloads).await?;
        // It reloads in one turn of its loop; whatever it answers next comes after that.
        let _ = Client::connect(self.address(), ClientOptions::new("reload")).await;
        Ok(())
    }

    /// Freezes it: connections stay open, nothing is answered.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.running()?.signal(Signal::STOP)
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.running()?.signal(Signal::CONT)
    }

    /// Starts it again on the same port and folder, after [`Self::kill`] or [`Self::stop`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("the broker still runs: kill or stop it first");
        }
        self.launch().await
    }

    /// Takes its memory away: sessions, queued and retained messages. It must not run.
    pub fn wipe(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("the broker still runs: it would write its memory back at its end");
        }
        let path = self.folder.path().join("mosquitto.db");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let seen = self.log.len();
        let program = std::env::var_os("MOSQUITTO").unwrap_or_else(|| "/usr/sbin/mosquitto".into());
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        let mut process = Process::start("mosquitto", &mut command, &self.log)
            .context("install it by `apt-get install mosquitto` or run `tests/run`")?;
        let up = self.log.wait_for("mosquitto to run", SOON, |lines| {
            let up =
                |line: &&String| line.contains("mosquitto version") && line.ends_with("running");
            lines[seen..].iter().find(up).map(drop)
        });
        tokio::select! {
            up = up => up?,
            ended = process.wait(SOON) => {
                let log = self.log.read(|lines| lines[seen..].join("\n"));
                bail!("mosquitto ended at its start: {ended:?}\n{log}");
            }
        }
        self.process = Some(process);
        Ok(())
    }

    async fn end(&mut self, signal: Signal) -> anyhow::Result<ExitStatus> {
        let mut process = self.process.take().context("the broker does not run")?;
        process.end(signal, SOON).await
    }

    fn running(&self) -> anyhow::Result<&Process> {
        self.process.as_ref().context("the broker does not run")
    }
}

impl BrokerOptions {
    fn render(&self, port: u16, folder: &Path) -> anyhow::Result<String> {
        let folder_text = folder.to_str().context("a folder with a UTF-8 name")?;
        if let Some(whole) = &self.whole {
            return Ok(whole.replace("{port}", &port.to_string()).replace("{folder}", folder_text));
        }
        // Without `information` nobody would know when it runs.
        let log = if self.quiet { "log_type error\nlog_type information" } else { "log_type all" };
        let mut text = format!("log_dest stderr\n{log}\nconnection_messages {}\n", !self.quiet);
        let mut line = |line: std::fmt::Arguments<'_>| {
            writeln!(text, "{line}").expect("a String takes everything");
        };
        line(format_args!("per_listener_settings false"));
        if rustix::process::geteuid().is_root() {
            // Else it changes to the user `mosquitto`, who may not enter this test's folder.
            line(format_args!("user root"));
        }
        line(format_args!("set_tcp_nodelay {}", !self.nagle));
        line(format_args!("persistence_location {folder_text}/"));
        match self.persistence {
            Persistence::None => line(format_args!("persistence false")),
            Persistence::Stock => line(format_args!("persistence true")),
            Persistence::OnChanges => line(format_args!(
                "persistence true\nautosave_on_changes true\nautosave_interval 1"
            )),
            Persistence::EveryMinute => line(format_args!(
                "persistence true\nautosave_on_changes false\nautosave_interval 60"
            )),
        }
        if let Some(max) = self.max_inflight {
            line(format_args!("max_inflight_messages {max}"));
        }
        if let Some(limit) = self.message_size_limit {
            line(format_args!("message_size_limit {limit}"));
        }
        line(format_args!("max_queued_messages 100000"));
        if let Some(acl) = &self.acl {
            let path = folder.join("acl");
            std::fs::write(&path, acl)?;
            line(format_args!("acl_file {}", path.display()));
        }
        line(format_args!("listener {port} 127.0.0.1"));
        if let Some(tls) = &self.tls {
            line(format_args!("cafile {}", tls.ca.display()));
            line(format_args!("certfile {}", tls.certificate.display()));
            line(format_args!("keyfile {}", tls.key.display()));
            line(format_args!("require_certificate true\nuse_identity_as_username true"));
        }
        line(format_args!("allow_anonymous {}", self.tls.is_none()));
        line(format_args!("{}", self.extra));
        Ok(text)
    }
}
