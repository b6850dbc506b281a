//! A control room that speaks MQTT itself, so that it can say what no receiver would.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use gatehouse_core::time::UtcMs;
use gatehouse_receiver::{Clock as _, SigningKey, SystemClock};
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Broker, Client, ClientOptions, Gateway, GatewayOptions, World};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::scene::lasting;

/// The window's contact, the lock, and a fan.
pub(super) const WINDOW: u32 = 4;
pub(super) const LOCK: u32 = 42;
pub(super) const FAN: u32 = 43;
/// What is wired back, where a test has a challenge.
pub(super) const LOOP: u32 = 44;
pub(super) const LOOP_IN: u32 = 51;

const TABLES: &str = r#"
[[partition]]
id = "flat"

[[zone]]
id = "window"
kind = "instant"
partition = "flat"
input = "sim:4"
debounce-ms = 0

[[output]]
id = "strike"
line = "sim:42"
role = "lock"

[[output]]
id = "fan"
line = "sim:43"
role = "other"

[[door]]
id = "gate"
input = "sim:7"
lock = "strike"
lock-pulse-s = 1
fail = "secure"
release = true
"#;

/// Everything that the district may be allowed.
pub(super) const ALLOWED: &str =
    "[commands]\nallow = [\"disarm\", \"bypass\", \"output\", \"config\"]\n";

/// A box, its broker, and a control room.
pub(super) struct Room {
    pub(super) world: World,
    pub(super) gateway: Gateway,
    pub(super) broker: Broker,
    pub(super) client: Client,
    _clock: TempDir,
    numbered: u32,
}

impl Room {
    /// A box with a clock that it trusts, whose site says this of commands.
    pub(super) async fn start(commands: &str) -> anyhow::Result<Self> {
        Self::with(commands, |_| Ok(())).await
    }

    /// The same before its clock is touched: `prepare` gets the folder of its mark.
    pub(super) async fn with(
        commands: &str,
        prepare: impl FnOnce(&TempDir) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let broker = Broker::start(lasting()).await?;
        let world = World::start([0, WINDOW, 7, LOCK, FAN, LOOP, LOOP_IN])?;
        let clock = tempfile::Builder::new().prefix("gatehouse-clock-").tempdir()?;
        std::fs::write(clock.path().join("synchronized"), "")?;
        prepare(&clock)?;
        let mut options = GatewayOptions::new(&world).broker(broker.address());
        options.extra = format!("{TABLES}\n{commands}");
        let mark = clock.path().join("synchronized").display().to_string();
        options.environment.push(("GATEHOUSE_SYNC_MARK".to_owned(), mark));
        options.uplink.push_str("heartbeat-s = 5\n");
        let gateway = Gateway::start(options).await?;
        let mut client = Client::connect(broker.address(), ClientOptions::new("room")).await?;
        client.subscribe(&format!("{}/#", gateway.options().prefix())).await?;
        let mut room = Self { world, gateway, broker, client, _clock: clock, numbered: 0 };
        room.online(0).await?;
        room.known().await?;
        Ok(room)
    }

    /// Waits until it has said that it is online, after so many messages.
    pub(super) async fn online(&mut self, after: usize) -> anyhow::Result<()> {
        let status = format!("{}/status", self.gateway.options().prefix());
        self.client
            .messages("status online", SOON, |all| {
                let seen = all.iter().skip(after).filter(|message| message.topic == status);
                let mut states =
                    seen.filter_map(|m| serde_json::from_slice::<Value>(&m.payload).ok());
                states.any(|state| state["state"] == "online").then_some(())
            })
            .await
    }

    async fn known(&self) -> anyhow::Result<()> {
        until("things that are known", SOON, async || {
            // The control socket comes a moment after READY=1.
            let status = self.gateway.command(&["status", "--json", "--config"], true).await;
            let Ok(status) = status else { return Ok(None) };
            let status: Value = serde_json::from_str(&status)?;
            let things = status["things"].as_array().context("no things")?;
            Ok((!things.iter().any(|thing| thing["state"] == "unknown")).then_some(()))
        })
        .await
    }

    /// How many messages have come.
    pub(super) async fn heard(&self) -> anyhow::Result<usize> {
        self.client.messages("messages", SOON, |all| Some(all.len())).await
    }

    pub(super) fn topic(&self, id: &str) -> String {
        format!("{}/cmd/{id}", self.gateway.options().prefix())
    }

    /// An id that no command had.
    pub(super) fn next(&mut self) -> String {
        self.numbered += 1;
        format!("c-{}", self.numbered)
    }

    /// Sends a command under this id, and waits for the first result of it that is not one of these.
    pub(super) async fn say(&mut self, id: &str, payload: &[u8]) -> anyhow::Result<Value> {
        let seen = self.results(id).await?.len();
        let topic = self.topic(id);
        self.client.publish(&topic, payload).await?;
        self.result(id, seen).await
    }

    /// The result of a command of this id that comes after so many.
    pub(super) async fn result(&self, id: &str, after: usize) -> anyhow::Result<Value> {
        let topic = format!("{}/res", self.topic(id));
        let found = self.client.messages(&topic, SOON, |all| {
            let mut results = all.iter().filter(|message| message.topic == topic);
            results.nth(after).map(|message| (message.payload.clone(), message.retain))
        });
        let (payload, retain) = found.await?;
        ensure!(!retain, "a result is never retained");
        Ok(serde_json::from_slice(&payload)?)
    }

    async fn results(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        let topic = format!("{}/res", self.topic(id));
        self.client
            .messages("messages", SOON, |all| {
                let results = all.iter().filter(|message| message.topic == topic);
                Some(results.filter_map(|m| serde_json::from_slice(&m.payload).ok()).collect())
            })
            .await
    }

    /// A good command.
    #[expect(clippy::unused_self, reason = "a room says it")]
    pub(super) fn command(&self, verb: &str, args: Value) -> Value {
        let now = now();
        let mut command = json!({
            "verb": verb, "issued": now, "expires": UtcMs(now.0 + 30_000), "operator": "op-7",
        });
        command["args"] = args;
        command
    }

    /// Sends it under an id of its own, and waits for what is said of it first.
    pub(super) async fn want(&mut self, verb: &str, args: Value) -> anyhow::Result<Value> {
        let (id, command) = (self.next(), self.command(verb, args));
        self.say(&id, command.to_string().as_bytes()).await
    }

    /// The same, until it is over.
    pub(super) async fn done(&mut self, verb: &str, args: Value) -> anyhow::Result<Value> {
        let (id, command) = (self.next(), self.command(verb, args));
        let first = self.say(&id, command.to_string().as_bytes()).await?;
        ensure!(first["status"] == "accepted", "{first}");
        self.result(&id, 1).await
    }

    /// The state of a thing, as the box itself shows it.
    pub(super) async fn state(&self, id: &str) -> anyhow::Result<String> {
        let status = self.gateway.command(&["status", "--json", "--config"], true).await?;
        let status: Value = serde_json::from_str(&status)?;
        let things = status["things"].as_array().context("no things")?;
        let thing = things.iter().find(|thing| thing["id"] == id).context("no such thing")?;
        Ok(thing["state"].as_str().unwrap_or_default().to_owned())
    }

    /// Its events of commands.
    pub(super) async fn events(&self) -> anyhow::Result<Vec<Event>> {
        let events = self.gateway.events().await?;
        Ok(events.into_iter().filter(|event| event.draft.kind.starts_with("command.")).collect())
    }

    /// The newest nonce of its heartbeats, once there is another than this.
    pub(super) async fn nonce(&self, than: Option<&str>) -> anyhow::Result<String> {
        let topic = format!("{}/hb", self.gateway.options().prefix());
        self.client
            .messages("another nonce", SOON, |all| {
                let last = all.iter().rfind(|message| message.topic == topic)?;
                let beat: Value = serde_json::from_slice(&last.payload).ok()?;
                let nonce = beat["nonce"].as_str()?.to_owned();
                (Some(&*nonce) != than).then_some(nonce)
            })
            .await
    }
}

/// The wall clock of this machine, which the box trusts.
pub(super) fn now() -> UtcMs {
    SystemClock.now().utc
}

/// A key with this id, and the table that makes it known.
pub(super) fn key(folder: &TempDir, id: &str) -> anyhow::Result<(SigningKey, String)> {
    let path: PathBuf = folder.path().join(id);
    let key = SigningKey::make(&path, id.parse()?)?;
    let public = key.public();
    let table =
        format!("[[command-key]]\nid = \"{id}\"\nrole = \"operator\"\npublic = \"{public}\"\n");
    Ok((key, table))
}

/// What a result says: its status and its reason.
pub(super) fn told(result: &Value) -> (&str, &str) {
    let word = |name: &str| result[name].as_str().unwrap_or_default();
    (word("status"), word("reason"))
}
