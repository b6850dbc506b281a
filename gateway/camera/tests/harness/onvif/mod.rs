//! A simulated ONVIF camera in a process of its own, and what was heard of it.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use gatehouse_camera::onvif::events::{Event, EventSettings, Finding, Link, Listener, Told, run};
use gatehouse_camera::onvif::{OnvifError, OnvifSettings};
use gatehouse_camera::source::{Address, Credentials};
use gatehouse_core::time::Mono;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::harness::boottime;
use crate::harness::taken::SOON;

/// See `camera.py`.
pub struct Camera {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
    /// Where it answers a Probe, if it does.
    discovery: Option<u16>,
}

/// What the camera was asked since the last look.
#[derive(Debug)]
pub struct Asked {
    pub calls: Vec<String>,
    /// Authentications that failed.
    pub refused: u64,
    /// Requests in which the password could be read.
    pub readable: u64,
    /// Seconds that pulls were to wait.
    pub waits: Vec<u64>,
    /// Subscriptions that there are.
    pub alive: u64,
}

impl Asked {
    pub fn count(&self, call: &str) -> usize {
        self.calls.iter().filter(|known| *known == call).count()
    }
}

impl Camera {
    pub async fn start(options: Value) -> anyhow::Result<Self> {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", include_str!("camera.py"), &options.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start /usr/bin/python3")?;
        let stdin = child.stdin.take().context("piped")?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await??;
        let line = line.context("its port")?;
        let (port, discovery) = match line.split_once(' ') {
            Some((port, discovery)) => (port.parse()?, Some(discovery.parse()?)),
            None => (line.parse()?, None),
        };
        Ok(Self { _child: child, stdin, lines, port, discovery })
    }

    /// The UDP port on which it answers a Probe.
    pub fn discovery(&self) -> anyhow::Result<u16> {
        self.discovery.context("it was started without discovery")
    }

    pub fn settings(&self) -> OnvifSettings {
        let address = format!("http://127.0.0.1:{}/onvif/device_service", self.port);
        OnvifSettings {
            credentials: Some(Credentials::new("guard", "s3cret")),
            answer: Duration::from_secs(5),
            ..OnvifSettings::new("cam", Address::http(&address).unwrap())
        }
    }

    /// Failures are tried again soon: tests wait for them.
    pub fn events(&self) -> EventSettings {
        let lives_least = Duration::from_secs(1);
        EventSettings { retry: SOON, lives_least, ..EventSettings::new(self.settings()) }
    }

    async fn tell(&mut self, command: Value) -> anyhow::Result<Value> {
        self.stdin.write_all(format!("{command}\n").as_bytes()).await?;
        let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line()).await??;
        let line = line.context("the camera has ended")?;
        Ok(serde_json::from_str(&line).unwrap_or(Value::String(line)))
    }

    /// A property changes.
    pub async fn set(&mut self, topic: &str, source: Value, value: Value) -> anyhow::Result<()> {
        let (topic, do_) = (format!("tns1:{topic}"), "set");
        let command = json!({ "do": do_, "topic": topic, "source": source, "value": value });
        self.tell(command).await.map(drop)
    }

    /// Motion as cells see it.
    pub async fn motion(&mut self, on: bool) -> anyhow::Result<()> {
        let source = json!({ "VideoSourceConfigurationToken": "vsconf", "Rule": "r" });
        let topic = "RuleEngine/CellMotionDetector/Motion";
        self.set(topic, source, json!({ "IsMotion": on.to_string() })).await
    }

    /// The next pull is answered so.
    pub async fn raw(&mut self, body: &str) -> anyhow::Result<()> {
        self.tell(json!({ "do": "raw", "body": body })).await.map(drop)
    }

    pub async fn reboot(&mut self) -> anyhow::Result<()> {
        self.tell(json!({ "do": "reboot" })).await.map(drop)
    }

    pub async fn option(&mut self, name: &str, value: Value) -> anyhow::Result<()> {
        self.tell(json!({ "do": "option", "name": name, "value": value })).await.map(drop)
    }

    pub async fn asked(&mut self) -> anyhow::Result<Asked> {
        let log = self.tell(json!({ "do": "log" })).await?;
        let number = |name: &str| log[name].as_u64().with_context(|| format!("{name} in {log}"));
        let list = |name: &str| log[name].as_array().with_context(|| format!("{name} in {log}"));
        Ok(Asked {
            calls: list("calls")?.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect(),
            waits: list("waits")?.iter().filter_map(Value::as_u64).collect(),
            refused: number("refused")?,
            readable: number("unsafe")?,
            alive: number("alive")?,
        })
    }
}

/// Everything that was told.
#[derive(Default)]
pub struct Log {
    pub events: Vec<Event>,
    pub links: Vec<(Mono, Link)>,
}

impl Log {
    pub fn subscriptions(&self) -> usize {
        self.links.iter().filter(|(_, link)| *link == Link::Listening { anew: true }).count()
    }

    pub fn losses(&self) -> Vec<OnvifError> {
        let lost = |(_, link): &(Mono, Link)| match link {
            Link::Lost(error) => Some(error.clone()),
            Link::Listening { .. } => None,
        };
        self.links.iter().filter_map(lost).collect()
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<(Mutex<Log>, Notify)>);

impl Listener for Shared {
    fn event(&mut self, event: Event) {
        self.0.0.lock().unwrap().events.push(event);
        self.0.1.notify_one();
    }

    fn link(&mut self, at: Mono, link: Link) {
        self.0.0.lock().unwrap().links.push((at, link));
        self.0.1.notify_one();
    }
}

/// A task that listens to a camera.
pub struct Heard {
    shared: Shared,
    tasks: JoinSet<()>,
}

impl Heard {
    pub fn start(settings: EventSettings) -> Self {
        let shared = Shared::default();
        let mut listener = shared.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            run(settings, &boottime, &mut listener).await;
        });
        Self { shared, tasks }
    }

    pub fn read<R>(&self, read: impl FnOnce(&Log) -> R) -> R {
        read(&self.shared.0.0.lock().unwrap())
    }

    pub async fn wait<R>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&Log) -> Option<R>,
    ) -> anyhow::Result<R> {
        let limit = Duration::from_secs(30);
        let waiting = async {
            loop {
                if let Some(found) = self.read(&mut find) {
                    return Ok(found);
                }
                tokio::select! {
                    () = self.shared.0.1.notified() => {}
                    ended = self.tasks.join_next() => bail!("the task ended: {ended:?}"),
                }
            }
        };
        if let Ok(found) = tokio::time::timeout(limit, waiting).await {
            return found;
        }
        let told = self.read(|log| format!("{:?} {:?}", log.events, log.links));
        bail!("waited {limit:?} for {what}; {told}")
    }

    /// So many subscriptions were made.
    pub async fn listening(&mut self, subscriptions: usize) -> anyhow::Result<()> {
        self.wait("a subscription", |log| (log.subscriptions() >= subscriptions).then_some(()))
            .await
    }

    /// The first event behind `after` others that is like this.
    pub async fn event(
        &mut self,
        what: &str,
        after: usize,
        like: impl Fn(&Event) -> bool,
    ) -> anyhow::Result<Event> {
        self.wait(what, |log| log.events.iter().skip(after).find(|event| like(event)).cloned())
            .await
    }

    /// Motion that has changed.
    pub async fn motion(&mut self, on: bool, after: usize) -> anyhow::Result<Event> {
        let like = |event: &Event| {
            let is = matches!(&event.finding, Finding::Motion { on: is, .. } if *is == on);
            is && event.told == Told::Change
        };
        self.event("motion", after, like).await
    }

    pub fn count(&self) -> usize {
        self.read(|log| log.events.len())
    }
}
