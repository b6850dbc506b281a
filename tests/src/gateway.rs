//! The real daemon: `gatehouse run` with a configuration, a state folder and a journal of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use gatehouse_core::event::Event;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::process::Process;
use crate::record::Record;
use crate::tls::Identity;
use crate::wait::SOON;
use crate::world::World;

/// One broker in the gateway's configuration.
#[derive(Clone, Debug)]
pub struct BrokerEntry {
    /// Where it, or the proxy before it, listens.
    pub address: SocketAddr,
    /// `5` or `3.1.1`.
    pub protocol: &'static str,
    /// Seconds.
    pub keep_alive_s: u16,
    /// The trusted authority, and the gateway's own certificate.
    pub tls: Option<(PathBuf, Identity)>,
}

/// How a gateway is configured.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Also its MQTT client id.
    pub id: String,
    /// The district.
    pub district: String,
    /// The site.
    pub site: String,
    /// The socket of the simulated wiring.
    pub world: PathBuf,
    /// Doors `door-0` to `door-(n-1)` on `sim:0` to `sim:(n-1)`.
    pub doors: u32,
    /// Milliseconds.
    pub debounce_ms: u32,
    /// In order of preference.
    pub brokers: Vec<BrokerEntry>,
    /// Further lines below `[gateway]`.
    pub gateway: String,
    /// Lines below `[uplink]`.
    pub uplink: String,
    /// Further tables.
    pub extra: String,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
}

impl GatewayOptions {
    /// A gateway `g-1` in district `d-1`, site `s-1`, with one door, wired to `world`.
    pub fn new(world: &World) -> Self {
        Self {
            id: "g-1".into(),
            district: "d-1".into(),
            site: "s-1".into(),
            world: world.socket(),
            doors: 1,
            debounce_ms: 0,
            brokers: Vec::new(),
            gateway: String::new(),
            // The backlog at once and at full speed: a test has no district to spare.
            uplink: "replay-rate = 10000\nreplay-jitter-s = 0\n".into(),
            extra: String::new(),
            environment: Vec::new(),
        }
    }

    /// One more broker, MQTT 5 without TLS.
    pub fn broker(mut self, address: SocketAddr) -> Self {
        self.brokers.push(BrokerEntry { address, protocol: "5", keep_alive_s: 5, tls: None });
        self
    }

    /// So many doors.
    pub fn doors(self, doors: u32) -> Self {
        Self { doors, ..self }
    }

    /// `gatehouse/v1/{district}/{site}/{gateway}`.
    pub fn prefix(&self) -> String {
        format!("gatehouse/v1/{}/{}/{}", self.district, self.site, self.id)
    }

    /// The text of `gateway.toml`.
    pub fn render(&self, folder: &Path) -> String {
        let mut text = String::new();
        self.write(&mut text, folder).expect("a String takes everything");
        text
    }

    fn write(&self, text: &mut String, folder: &Path) -> std::fmt::Result {
        let Self { id, district, site, .. } = self;
        writeln!(text, "[gateway]\nid = {id:?}\ndistrict = {district:?}\nsite = {site:?}")?;
        writeln!(text, "state-dir = {}", quoted(&folder.join("state")))?;
        writeln!(text, "socket = {}", quoted(&folder.join("control.sock")))?;
        text.push_str(&self.gateway);
        for door in 0..self.doors {
            writeln!(text, "\n[[door]]\nid = \"door-{door}\"\ninput = \"sim:{door}\"")?;
            writeln!(text, "debounce-ms = {}", self.debounce_ms)?;
        }
        for (number, broker) in self.brokers.iter().enumerate() {
            writeln!(
                text,
                "\n[[broker]]\nid = \"b-{number}\"\nhost = \"{}\"",
                broker.address.ip()
            )?;
            writeln!(text, "port = {}", broker.address.port())?;
            writeln!(text, "protocol = {:?}", broker.protocol)?;
            writeln!(text, "keep-alive-s = {}", broker.keep_alive_s)?;
            if let Some((ca, identity)) = &broker.tls {
                writeln!(text, "[broker.tls]\nca = {}", quoted(ca))?;
                writeln!(text, "certificate = {}", quoted(&identity.certificate))?;
                writeln!(text, "key = {}", quoted(&identity.key))?;
            }
        }
        writeln!(text, "\n[uplink]\n{}", self.uplink)?;
        writeln!(text, "[sim]\nsocket = {}\n\n{}", quoted(&self.world), self.extra)
    }
}

/// A gateway with its folder; the process may be started, killed and started again.
#[derive(Debug)]
pub struct Gateway {
    options: GatewayOptions,
    folder: TempDir,
    process: Option<Process>,
    log: Record<String>,
    notices: Record<String>,
    _tasks: JoinSet<()>,
}

impl Gateway {
    /// Writes the configuration and starts the daemon; returns when it has said `READY=1`.
    pub async fn start(options: GatewayOptions) -> anyhow::Result<Self> {
        let mut gateway = Self::prepare(options)?;
        gateway.launch().await?;
        Ok(gateway)
    }

    /// Writes the configuration only.
    pub fn prepare(options: GatewayOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatehouse-box-").tempdir()?;
        std::fs::create_dir(folder.path().join("state"))?;
        std::fs::write(folder.path().join("gateway.toml"), options.render(folder.path()))?;
        let socket = UnixDatagram::bind(folder.path().join("notify.sock"))?;
        let notices = Record::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(socket, notices.clone()));
        let log = Record::default();
        Ok(Self { options, folder, process: None, log, notices, _tasks: tasks })
    }

    /// How it is configured.
    pub fn options(&self) -> &GatewayOptions {
        &self.options
    }

    /// Writes another configuration, for a reload or the next start. It is on disk at once, as an
    /// editor puts it there.
    pub fn configure(&mut self, options: GatewayOptions) -> anyhow::Result<()> {
        self.options = options;
        self.write_config(&self.options.render(self.folder.path()))
    }

    /// Writes this as the configuration.
    pub fn write_config(&self, text: &str) -> anyhow::Result<()> {
        let new = self.folder.path().join("gateway.toml.new");
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.config())?)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// The folder of its journal.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What it has logged, over all its starts.
    pub fn log(&self) -> &Record<String> {
        &self.log
    }

    /// What it has told systemd, over all its starts: `READY=1`, `WATCHDOG=1`, …
    pub fn notices(&self) -> &Record<String> {
        &self.notices
    }

    /// The process id while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// Starts the daemon, after [`Self::prepare`], [`Self::kill`] or [`Self::stop`].
    pub async fn launch(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the gateway still runs: kill or stop it first");
        let (seen, told) = (self.log.len(), self.notices.len());
        let mut command = Command::new(program()?);
        command.arg("run").arg("--config").arg(self.config());
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify.sock"));
        command.envs(self.options.environment.iter().map(|(key, value)| (key, value)));
        let mut process = Process::start("gatehouse run", &mut command, &self.log)?;
        let ready = self.notices.wait_for("READY=1", SOON, |notices| {
            notices[told..].iter().any(|notice| notice == "READY=1").then_some(())
        });
        let failed = tokio::select! {
            ready = ready => ready.err(),
            ended = process.wait(SOON) => match ended {
                Ok(status) => Some(anyhow::anyhow!("it ended with {status} before READY=1")),
                Err(_) => Some(anyhow::anyhow!("neither ready nor ended")),
            },
        };
        if let Some(error) = failed {
            bail!("{error}\n{}", self.log.read(|lines| lines[seen..].join("\n")));
        }
        self.process = Some(process);
        Ok(())
    }

    /// SIGKILL: the process is gone, with everything that it had not stored.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.end(Signal::KILL, SOON).await.map(drop)
    }

    /// SIGTERM: the orderly end. Returns its exit status.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.end(Signal::TERM, SOON).await
    }

    /// Kills and starts again.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        self.launch().await
    }

    /// Sends a signal: SIGHUP, SIGSTOP, SIGCONT.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.as_ref().context("the gateway does not run")?.signal(signal)
    }

    /// Every event of its journal, oldest first, through `gatehouse events --json`.
    pub async fn events(&self) -> anyhow::Result<Vec<Event>> {
        let output = self.command(&["events", "--all", "--json", "--config"], true).await?;
        let lines = output.lines().filter(|line| !line.is_empty());
        let parse = |line| serde_json::from_str(line).with_context(|| format!("event {line:?}"));
        lines.map(parse).collect()
    }

    /// Runs `gatehouse` with these words; with `config`, the configuration's path is the last one.
    pub async fn command(&self, words: &[&str], config: bool) -> anyhow::Result<String> {
        let mut command = Command::new(program()?);
        command.args(words).kill_on_drop(true);
        if config {
            command.arg(self.config());
        }
        let output = tokio::time::timeout(SOON, command.output()).await.context("no end")??;
        ensure!(
            output.status.success(),
            "gatehouse {words:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The same, whatever its exit code: that, what it printed, and what it complained of.
    pub async fn says(&self, words: &[&str]) -> anyhow::Result<(i32, String, String)> {
        let config = self.config();
        let config = config.to_str().context("temporary folders have UTF-8 names")?;
        self.runs(&[words, &["--config", config]].concat()).await
    }

    /// The same with these words alone. It has the daemon's variables of the environment.
    pub async fn runs(&self, words: &[&str]) -> anyhow::Result<(i32, String, String)> {
        let mut command = Command::new(program()?);
        command.args(words).kill_on_drop(true);
        command.envs(self.options.environment.iter().map(|(key, value)| (key, value)));
        let output = tokio::time::timeout(SOON, command.output()).await.context("no end")??;
        let code = output.status.code().context("ended by a signal")?;
        Ok((code, String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
    }

    async fn end(&mut self, signal: Signal, limit: Duration) -> anyhow::Result<ExitStatus> {
        let mut process = self.process.take().context("the gateway does not run")?;
        process.end(signal, limit).await
    }
}

/// A path as a string of TOML.
fn quoted(path: &Path) -> String {
    toml::Value::from(path.to_str().expect("temporary folders have UTF-8 names")).to_string()
}

/// `GATEHOUSE_BIN`, or the binary of the profile that this test was built with.
pub fn program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("GATEHOUSE_BIN") {
        return Ok(path.into());
    }
    let me = std::env::current_exe()?;
    // target/{profile}/deps/{test} or target/{profile}/{binary}
    let folders = me.ancestors().skip(1).take(2);
    let mut candidates = folders.map(|folder| folder.join("gatehouse"));
    candidates.find(|path| path.is_file()).with_context(|| {
        format!(
            "no binary `gatehouse` beside {}: build it by `cargo build --bin gatehouse`, or name \
             it in GATEHOUSE_BIN",
            me.display()
        )
    })
}

/// Collects what a daemon tells systemd.
async fn listen(socket: UnixDatagram, notices: Record<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = socket.recv(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..count]);
        text.lines().for_each(|line| notices.push(line.into()));
    }
}
