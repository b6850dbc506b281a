//! Everything a scenario needs around the box: flash and wiring, broker and receiver, one folder.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use gatehouse_core::event::{Event, canonical};
use gatehouse_core::id::Seq;
use gatehouse_receiver::{Audit, Filter, Store};
use rustix::process::Signal;
use tokio::process::Command;

use super::machine::{Booted, Machine};
use super::order::{Answer, Edge, Moment, Order, PLAYED, write_edges};
use crate::broker::{Broker, BrokerOptions, Persistence};
use crate::client::ClientOptions;
use crate::process::Process;
use crate::record::Record;
use crate::subscriber::{Message, Subscriber};
use crate::wait::{self, SOON};

/// The district's end of the cable; `tests/kernel/run` gives it to the tap device.
pub const DISTRICT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The network namespace is the scenario's own, so no port can be taken.
pub const PORT: u16 = 1883;

/// How long the box and the district may take to catch up, on a machine that does other things.
pub const DRAIN: Duration = Duration::from_secs(60);

/// Topics of the one gateway.
pub const PREFIX: &str = "gatehouse/v1/d-1/s-1/g-1";

/// Where the scenario's programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The User Mode Linux kernel.
    pub kernel: PathBuf,
    /// `tests/kernel/init.sh`.
    pub init: PathBuf,
    /// The daemon under test.
    pub gatehouse: PathBuf,
    /// The district's receiver.
    pub receiver: PathBuf,
}

/// How the box of a scenario is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many doors, on lines from 0.
    pub doors: u32,
    /// Their debounce.
    pub debounce_ms: u32,
    /// Where the daemon finds its broker on [`DISTRICT`]: [`PORT`], or something in between.
    pub broker_port: u16,
    /// The size of the flash.
    pub flash_mib: u32,
}

impl Options {
    /// A box that is connected to the broker itself.
    pub fn new(doors: u32, debounce_ms: u32) -> Self {
        Self { doors, debounce_ms, broker_port: PORT, flash_mib: 64 }
    }
}

/// A district, a cable, and a box that can be booted.
pub struct Stage {
    /// The box.
    pub machine: Machine,
    /// The district's broker.
    pub broker: Broker,
    programs: Programs,
    receiver: Option<Process>,
    receiver_log: Record<String>,
    seen: Subscriber,
}

impl Stage {
    /// Makes an empty flash and starts the district.
    pub async fn set(folder: &Path, programs: Programs, options: Options) -> anyhow::Result<Self> {
        let machine = Machine {
            kernel: programs.kernel.clone(),
            init: programs.init.clone(),
            agent: std::env::current_exe().context("where this program is")?,
            folder: folder.to_owned(),
            flash: folder.join("flash.img"),
            tap: Some("tap0".into()),
            time_travel: false,
        };
        machine.format_flash(options.flash_mib).await?;
        std::fs::write(machine.file("gateway.toml"), configuration(options))?;
        let broker = Broker::start(BrokerOptions {
            persistence: Persistence::OnChanges,
            extra: format!("listener {PORT} {DISTRICT}\n"),
            ..BrokerOptions::default()
        })
        .await?;
        let watching = ClientOptions::new("scenario");
        let seen = Subscriber::start(broker.address(), watching, &["gatehouse/#"]).await?;
        let receiver_log = Record::default();
        let mut stage = Self { machine, broker, programs, receiver: None, receiver_log, seen };
        stage.start_receiver()?;
        Ok(stage)
    }

    /// Starts the district's receiver.
    pub fn start_receiver(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.programs.receiver);
        command.arg("run").arg("--broker").arg(format!("mqtt://{}", self.broker.address()));
        command.args(["--district", "d-1", "--db"]).arg(self.database()).arg("--jsonl");
        self.receiver = Some(Process::start("receiver", &mut command, &self.receiver_log)?);
        Ok(())
    }

    /// Ends the receiver in order.
    pub async fn stop_receiver(&mut self) -> anyhow::Result<()> {
        let mut receiver = self.receiver.take().context("the receiver does not run")?;
        let status = receiver.end(Signal::TERM, SOON).await?;
        if !status.success() {
            bail!("the receiver ended with {status}");
        }
        Ok(())
    }

    /// Powers the box and puts these levels on its lines. The daemon does not run yet.
    pub async fn boot(&self, high: &[bool]) -> anyhow::Result<Booted> {
        let mut booted = self.machine.boot().await?;
        booted.order(Order::Wire { high: high.to_vec() }).await?;
        Ok(booted)
    }

    /// Starts the daemon; with `wait`, returns when it has said `READY=1`.
    pub async fn start_daemon(&self, booted: &mut Booted, wait: bool) -> anyhow::Result<()> {
        let config = self.machine.file("gateway.toml");
        let argv = self.gatehouse(&["run", "--config", &config.to_string_lossy()]);
        let ready_ms = wait.then_some(20_000);
        let started = booted.order(Order::Start { name: "gatehouse".into(), argv, ready_ms }).await;
        started.map(drop).with_context(|| self.daemon_log())
    }

    /// Starts the witness: whatever the journal says is stored after event `after` goes to a file
    /// that outlives the power. Each boot has a file of its own, since a cut may tear the last line.
    /// The daemon must be ready: the witness asks it when there is something new.
    pub async fn start_witness(
        &self,
        booted: &mut Booted,
        boot: u32,
        after: u64,
    ) -> anyhow::Result<()> {
        let config = self.machine.file("gateway.toml");
        let after = after.to_string();
        let config = config.to_string_lossy();
        let argv = self
            .gatehouse(&["events", "--follow", "--json", "--after", &after, "--config", &config]);
        let name = format!("witness-{boot}");
        booted.order(Order::Start { name, argv, ready_ms: None }).await.map(drop)
    }

    /// Ends the daemon as systemd does.
    pub async fn stop_daemon(&self, booted: &mut Booted) -> anyhow::Result<()> {
        booted.order(Order::Signal { name: "gatehouse".into(), signal: 15 }).await?;
        let ended =
            booted.order(Order::Wait { name: "gatehouse".into(), limit_ms: 20_000 }).await?;
        match ended {
            Answer::Ended { code: Some(0) } => Ok(()),
            other => bail!("the daemon ended with {other:?}\n{}", self.daemon_log()),
        }
    }

    /// Runs a `gatehouse` command in the box and returns its standard output.
    pub async fn ask(&self, booted: &mut Booted, arguments: &[&str]) -> anyhow::Result<String> {
        let config = self.machine.file("gateway.toml");
        let mut all = arguments.to_vec();
        let config = config.to_string_lossy().into_owned();
        all.extend(["--config", &config]);
        let output = self.machine.file("ask.out");
        let _ = std::fs::remove_file(&output);
        let argv = self.gatehouse(&all);
        booted.order(Order::Start { name: "ask".into(), argv, ready_ms: None }).await?;
        let ended = booted.order(Order::Wait { name: "ask".into(), limit_ms: 120_000 }).await?;
        let text = std::fs::read_to_string(&output).context("read what the command said")?;
        match ended {
            Answer::Ended { code: Some(0) } => Ok(text),
            other => {
                let complaint = std::fs::read_to_string(self.machine.file("ask.err"));
                bail!("gatehouse {arguments:?}: {other:?} {}", complaint.unwrap_or_default())
            }
        }
    }

    /// Everything that crossed the broker.
    pub fn seen(&self) -> &Record<Message> {
        self.seen.messages()
    }

    /// What the receiver has told of: a line of JSON for each event it has committed, in its order.
    pub fn told(&self) -> &Record<String> {
        &self.receiver_log
    }

    /// Drives a pattern to its end; returns when each of its edges was driven.
    pub async fn play(&self, booted: &mut Booted, edges: &[Edge]) -> anyhow::Result<Vec<Moment>> {
        write_edges(&self.machine.file("pattern"), edges)?;
        booted.order(Order::Play { file: "pattern".into() }).await?;
        let path = self.machine.file(format!("pattern{PLAYED}"));
        let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).context("read when the edges were driven")
    }

    /// Waits for an event at the broker.
    pub async fn wait_event(
        &self,
        what: &str,
        from: usize,
        mut find: impl FnMut(&Event) -> bool,
    ) -> anyhow::Result<Event> {
        let found = self.seen().wait_for(what, DRAIN, |messages| {
            messages.get(from..)?.iter().filter_map(event).find(&mut find)
        });
        found.await.with_context(|| self.daemon_log())
    }

    /// Waits until a door's retained state, as published since message `from`, is this word.
    pub async fn wait_door(&self, door: u32, state: &str, from: usize) -> anyhow::Result<()> {
        self.wait_state(&format!("door/door-{door}"), state, from).await
    }

    /// Waits until the retained state at this place, as `zone/lobby`, as published since message
    /// `from`, is this word.
    pub async fn wait_state(&self, place: &str, state: &str, from: usize) -> anyhow::Result<()> {
        let topic = format!("{PREFIX}/{place}");
        let what = format!("{place} to be {state}");
        let found = self.seen().wait_for(&what, DRAIN, |messages| {
            let newest = messages.get(from..)?.iter().rev().find(|m| m.publish.topic == topic)?;
            let value: serde_json::Value = serde_json::from_slice(&newest.publish.payload).ok()?;
            (value["state"] == state).then_some(())
        });
        found.await.with_context(|| self.daemon_log())
    }

    /// The canonical bytes of what the receiver has committed, by number.
    pub fn received(&self) -> anyhow::Result<Vec<(u64, Vec<u8>)>> {
        let mut all = Vec::new();
        let store = self.store()?;
        store.query::<anyhow::Error>(&Filter::default(), |stored| {
            all.push((stored.seq.0, stored.body));
            Ok(())
        })?;
        Ok(all)
    }

    /// What the receiver's own audit says.
    pub fn audit(&self) -> anyhow::Result<Audit> {
        Ok(self.store()?.audit(None, &mut |finding| eprintln!("audit: {finding}"))?)
    }

    /// Waits until the receiver has committed everything up to `head`, or `system.gap` accounts for
    /// it.
    pub async fn wait_received(&self, head: u64) -> anyhow::Result<()> {
        let filter = Filter { from: Some(Seq(head)), to: Some(Seq(head)), ..Filter::default() };
        let what = format!("the receiver to have everything up to event {head}");
        let waited = wait::until(&what, DRAIN, async || {
            let Ok(store) = self.store() else { return Ok(None) };
            let mut found = false;
            store.query::<anyhow::Error>(&filter, |_| {
                found = true;
                Ok(())
            })?;
            Ok((found && store.audit(None, &mut |_| {})?.missing == 0).then_some(()))
        });
        waited.await.with_context(|| self.daemon_log())
    }

    /// The last lines of the daemon's log, for an error's story.
    pub fn daemon_log(&self) -> String {
        let text = std::fs::read_to_string(self.machine.file("gatehouse.err")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(15)..];
        format!("the daemon's last lines:\n{}", tail.join("\n"))
    }

    fn store(&self) -> anyhow::Result<Store> {
        Store::open_to_read(self.database()).context("open the receiver's database")
    }

    fn database(&self) -> PathBuf {
        self.machine.file("district.db")
    }

    fn gatehouse(&self, arguments: &[&str]) -> Vec<String> {
        let program = self.programs.gatehouse.to_string_lossy().into_owned();
        std::iter::once(program).chain(arguments.iter().map(|&a| a.to_owned())).collect()
    }
}

/// The event in a message, if it is one.
pub fn event(message: &Message) -> Option<Event> {
    let class = message.publish.topic.strip_prefix(PREFIX)?.strip_prefix("/ev/")?;
    let event: Event = serde_json::from_slice(&canonical(&message.publish.payload).0).ok()?;
    (event.draft.class.as_str() == class).then_some(event)
}

/// `gateway.toml`. The bias is as it is: a simulated line obeys a resistor that the daemon switches
/// on, and would forget where the door stands.
fn configuration(options: Options) -> String {
    use std::fmt::Write as _;

    let mut text = format!(
        "[gateway]\nid = \"g-1\"\ndistrict = \"d-1\"\nsite = \"s-1\"\n\
         state-dir = \"/run/flash/gatehouse\"\nsocket = \"/run/control.sock\"\n\n\
         [[broker]]\nid = \"district\"\nhost = \"{DISTRICT}\"\nport = {}\nkeep-alive-s = 5\n\n\
         [uplink]\nreplay-rate = 10000\nreplay-jitter-s = 0\n",
        options.broker_port
    );
    for door in 0..options.doors {
        writeln!(
            text,
            "\n[[door]]\nid = \"door-{door}\"\ninput = \"gpiochip0:{door}\"\nbias = \"as-is\"\n\
             debounce-ms = {}",
            options.debounce_ms
        )
        .expect("a String takes everything");
    }
    text
}
