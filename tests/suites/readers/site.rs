//! The real daemon, from `gateway.toml` to granted and denied: libosdp's reader on a pseudo terminal, a
//! Wiegand reader on the simulated wiring, a broker and the control room's receiver.

mod cards;
mod enrol;
mod links;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::credential::{CredentialHash, PinContext, SiteKey};
use gatehouse_core::event::Event;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Broker, BrokerOptions, District, Gateway, GatewayOptions, World};
use serde_json::Value;

use super::reader::{FarEnd, Make};
use super::{KEY, SITE, fob};

/// The lines of the simulated wiring.
const MAIN: u32 = 1;
const REX: u32 = 2;
const D0: u32 = 3;
const D1: u32 = 4;
const LID: u32 = 5;
const STRIKE: u32 = 20;

/// The address of the reader on the bus.
const FRONT: i32 = 5;

/// A site with a lock, a reader on a bus and one on two lines.
struct Site {
    folder: tempfile::TempDir,
    world: World,
    gateway: Gateway,
    far: Option<FarEnd>,
    district: District,
    broker: Broker,
}

fn hash(number: u64) -> CredentialHash {
    SiteKey::new(SITE).card(26, &fob(number).1)
}

fn pin(number: u64, digits: &[u8]) -> CredentialHash {
    SiteKey::new(SITE).pin(PinContext::Card(hash(number)), digits)
}

/// An entry of the list.
fn entry(number: u64, more: &str) -> String {
    format!("\n[[credential]]\nhash = \"{}\"\n{more}\n", hash(number))
}

/// Everybody whom the tests know: card 1 has all doors, card 2 is shown under duress.
fn everybody() -> String {
    format!("# Who may pass.\n{}{}", entry(1, "label = \"Flat 1\""), entry(2, "duress = true"))
}

impl Site {
    async fn start() -> anyhow::Result<Self> {
        Self::with("", &everybody(), &Make::with_key(FRONT, KEY)).await
    }

    /// With further keys of the reader on the bus, this list, and this reader.
    async fn with(keys: &str, list: &str, make: &Make) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Broker::start(BrokerOptions::default()).await?;
        let district = District::start(broker.address()).await?;
        let world = World::start([0, MAIN, REX, D0, D1, LID])?;
        for line in [REX, D0, D1] {
            world.set(line, true);
        }
        let key = folder.path().join("readers.key");
        put(&key, &hex(&KEY), 0o600)?;
        let bus = folder.path().join("bus");
        let far = FarEnd::new(&bus);
        far.plug(make);
        let mut options = GatewayOptions::new(&world).broker(broker.address());
        options.extra = format!(
            r#"
[[partition]]
id = "flat"

[[output]]
id = "strike"
line = "sim:{STRIKE}"
role = "lock"

[[door]]
id = "main"
input = "sim:{MAIN}"
debounce-ms = 0
lock = "strike"
lock-pulse-s = 1
fail = "secure"
release = true
grace-s = 1
rex-input = "sim:{REX}"
rex-hold-s = 1

[[rs485]]
id = "north"
device = "{}"
baud = 115200
key-file = "{}"
fault-hold-off-s = 1

[[reader]]
id = "front"
bus = "north"
address = {FRONT}
door = "main"
fault-hold-off-s = 1
{keys}

[[reader]]
id = "gate"
wiegand-d0 = "sim:{D0}"
wiegand-d1 = "sim:{D1}"
tamper-input = "sim:{LID}"
door = "main"
"#,
            bus.display(),
            key.display(),
        );
        let mut gateway = Gateway::prepare(options)?;
        put(&gateway.state().join("site.key"), &SiteKey::new(SITE).to_hex(), 0o600)?;
        put(&gateway.config().with_file_name("credentials.toml"), list, 0o640)?;
        gateway.launch().await?;
        Ok(Self { folder, world, gateway, far: Some(far), district, broker })
    }

    /// The same, once door and readers are known.
    async fn ready() -> anyhow::Result<Self> {
        let site = Self::start().await?;
        site.known().await?;
        Ok(site)
    }

    async fn known(&self) -> anyhow::Result<()> {
        for (thing, state) in [("main", "closed"), ("front", "online"), ("gate", "online")] {
            self.is(thing, state).await?;
        }
        Ok(())
    }

    fn list(&self) -> PathBuf {
        self.gateway.config().with_file_name("credentials.toml")
    }

    fn far(&self) -> &FarEnd {
        self.far.as_ref().expect("the adapter is plugged in")
    }

    /// Presents a card at the reader on the bus.
    fn show(&self, number: u64) {
        let (bits, data) = fob(number);
        self.far().card(FRONT, bits, &data);
    }

    async fn status(&self) -> anyhow::Result<Value> {
        let status = self.gateway.command(&["status", "--json", "--config"], true).await?;
        Ok(serde_json::from_str(&status)?)
    }

    /// Waits until a thing is shown in a state, and says its flags.
    async fn is(&self, id: &str, state: &str) -> anyhow::Result<Value> {
        until(&format!("{id} to be {state}"), SOON, async || {
            // Its socket is there a moment after it is ready to record.
            let Ok(status) = self.status().await else { return Ok(None) };
            let things = status["things"].as_array().context("no things")?;
            let thing = things.iter().find(|thing| thing["id"] == id).context("not shown")?;
            Ok((thing["state"] == state).then(|| thing["flags"].clone()))
        })
        .await
    }

    /// Waits until the box has so many events of this type, and says the last.
    async fn told(&self, kind: &str, count: usize) -> anyhow::Result<Event> {
        let found = until(&format!("{count} of {kind}"), SOON, async || {
            let events = self.gateway.events().await?;
            let found = events.into_iter().filter(|event| event.draft.kind == *kind);
            let found: Vec<_> = found.collect();
            Ok((found.len() >= count).then(|| found[count - 1].clone()))
        })
        .await;
        let Err(error) = found else { return found };
        let events = self.gateway.events().await?;
        let told = events.iter().map(|event| format!("{} {}", event.draft.kind, cause(event)));
        Err(error.context(told.collect::<Vec<_>>().join(", ")))
    }

    async fn count(&self, kind: &str) -> anyhow::Result<usize> {
        let events = self.gateway.events().await?;
        Ok(events.iter().filter(|event| event.draft.kind == *kind).count())
    }

    /// Opens the main door and closes it again; says whether that was forced.
    async fn opens(&self) -> anyhow::Result<bool> {
        let (opened, forced) = (self.count("door.opened").await?, self.count("door.forced").await?);
        self.world.set(MAIN, true);
        self.told("door.opened", opened + 1).await?;
        self.world.set(MAIN, false);
        let closed = self.told("door.closed", opened + 1).await?;
        // Half a second an explanation may come late; what the box says after it is in order behind.
        until("what comes after the slack", SOON, async || {
            let now = gatehouse_tests::wait::boottime();
            let over = now.since(closed.draft.time.mono_ns) > Duration::from_millis(700);
            Ok(over.then_some(()))
        })
        .await?;
        Ok(self.count("door.forced").await? > forced)
    }
}

fn put(path: &std::path::Path, text: &str, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn cause(event: &Event) -> &str {
    event.draft.cause.as_deref().unwrap_or_default()
}

fn is_from(event: &Event, number: u64) -> anyhow::Result<()> {
    let actor = event.draft.actor.as_deref();
    ensure!(actor == Some(&*hash(number).to_string()), "{actor:?} is not card {number}");
    Ok(())
}
