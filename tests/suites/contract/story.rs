//! A whole run: an ordinary day, a break-in and what an operator does about it, another configuration,
//! and a box that dies.

use anyhow::{Context, ensure};
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::event::Event;
use gatehouse_receiver::{Life, Place};
use gatehouse_tests::broker::Persistence;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{
    Broker, BrokerOptions, Client, ClientOptions, District, Gateway, GatewayOptions, World,
};
use serde_json::Value;

use super::client::Independent;

const WINDOW: u32 = 4;
const DESK: u32 = 5;
const SIREN: u32 = 40;

const TABLES: &str = r#"
[[partition]]
id = "flat"

[[zone]]
id = "window"
kind = "instant"
partition = "flat"
input = "sim:4"
debounce-ms = 0

[[zone]]
id = "desk"
kind = "panic"
input = "sim:5"
debounce-ms = 0

[[output]]
id = "siren"
line = "sim:40"
role = "siren"

[[bus]]
id = "i2c-1"
device = "sim"

[[chip]]
id = "mains"
bus = "i2c-1"
kind = "ina226"
lost-below-mv = 13000
hold-off-s = 1
poll-ms = 100

[[chip]]
id = "cabinet"
bus = "i2c-1"
kind = "tmp102"
too-hot-c = 70
hold-off-s = 1
poll-ms = 500

[[reader]]
id = "front"
wiegand-d0 = "sim:20"
wiegand-d1 = "sim:21"
door = "door-0"
"#;

/// What the zone of a further configuration is.
const CELLAR: &str = r#"
[[zone]]
id = "cellar"
kind = "flood"
input = "sim:6"
debounce-ms = 0
"#;

/// Everything that a run must show at least once.
const EXPECTED: &[&str] = &[
    "status",
    "description",
    "heartbeat",
    "event",
    "door",
    "zone",
    "zoneGone",
    "partition",
    "reader",
    "output",
    "incident",
    "incidentGone",
    "receipt",
    "alarmAct",
    "districtState",
];

struct Scene {
    world: World,
    gateway: Gateway,
    district: District,
}

impl Scene {
    /// Waits until the district has an event of this type.
    async fn committed(&self, kind: &str) -> anyhow::Result<Event> {
        let found = self.district.committed().wait_for(kind, SOON, |all| {
            let mut events = all.iter().filter_map(|event| event.event().ok());
            events.find(|event| event.draft.kind == *kind)
        });
        found.await
    }

    /// What an operator does, by the receiver's own way.
    async fn operate(&self, incident: &str, op: AlarmOp, text: Option<&str>) -> anyhow::Result<()> {
        let snapshot = self.district.snapshot()?;
        let (address, _) = snapshot.gateways.first_key_value().context("no gateway")?;
        let place = Place { site: Some(address.site.clone()), gateway: address.gateway.clone() };
        until("the incident at the control room", SOON, async || {
            let snapshot = self.district.snapshot()?;
            let known = snapshot.gateways.values().flat_map(|view| view.incidents.keys());
            let mut known = known.filter(|id| id.as_str() == incident);
            Ok(known.next().map(drop))
        })
        .await?;
        let operator = self.district.operator()?;
        operator.act(&place, &incident.parse()?, op, "op-7", text).await?;
        Ok(())
    }

    /// Waits until everything on the box is known.
    async fn known(&self) -> anyhow::Result<()> {
        until("things that are known", SOON, async || {
            let status = self.gateway.command(&["status", "--json", "--config"], true).await;
            // The control socket comes a moment after READY=1.
            let Ok(status) = status else { return Ok(None) };
            let status: Value = serde_json::from_str(&status)?;
            let things = status["things"].as_array().context("no things")?.clone();
            Ok((!things.iter().any(|thing| thing["state"] == "unknown")).then_some(()))
        })
        .await
    }

    async fn is(&self, life: Life) -> anyhow::Result<()> {
        until(&format!("a gateway that is {}", life.as_str()), SOON, async || {
            let view = self.district.gateway("g-1")?;
            Ok(view.is_some_and(|view| view.life == life).then_some(()))
        })
        .await
    }
}

#[tokio::test]
async fn every_message_of_a_whole_run_is_what_the_document_says() -> anyhow::Result<()> {
    let options = BrokerOptions { persistence: Persistence::OnChanges, ..BrokerOptions::default() };
    let broker = Broker::start(options).await?;
    let mut client = Independent::start(broker.address(), EXPECTED).await?;
    let mut room = Client::connect(broker.address(), ClientOptions::new("end")).await?;
    let district = District::start(broker.address()).await?;
    let world = World::start([0, WINDOW, DESK, 6, 20, 21, SIREN])?;
    let mut options = GatewayOptions::new(&world).broker(broker.address());
    options.uplink.push_str("heartbeat-s = 5\n");
    options.extra = format!("{TABLES}{CELLAR}");
    let gateway = Gateway::start(options.clone()).await?;
    let mut scene = Scene { world, gateway, district };
    scene.known().await?;

    // An ordinary day.
    scene.world.set(0, true);
    scene.committed("door.opened").await?;
    scene.world.set(0, false);
    scene.committed("door.closed").await?;
    scene.world.value("mains", 11_800);
    scene.committed("supply.lost").await?;
    scene.world.value("mains", 13_800);
    scene.committed("supply.lost_restored").await?;

    // A break-in, and what becomes of it.
    scene.gateway.command(&["arm", "flat", "--now", "--config"], true).await?;
    scene.world.set(WINDOW, true);
    let alarm = scene.committed("zone.alarm").await?;
    let detail = alarm.draft.detail.context("an alarm without detail")?;
    let incident = detail["incident"].as_str().context("an alarm without incident")?;
    scene.operate(incident, AlarmOp::Ack, None).await?;
    scene.operate(incident, AlarmOp::Note, Some("a patrol is on its way")).await?;
    scene.world.set(WINDOW, false);
    scene.gateway.command(&["disarm", "flat", "--config"], true).await?;
    scene.committed("zone.alarm_restored").await?;
    scene.operate(incident, AlarmOp::Close, None).await?;
    scene.world.set(DESK, true);
    scene.committed("panic.alarm").await?;
    scene.world.set(DESK, false);

    // A configuration without the cellar.
    TABLES.clone_into(&mut options.extra);
    scene.gateway.configure(options)?;
    let told = scene.gateway.command(&["reload", "--config"], true).await?;
    ensure!(told.contains("cellar"), "{told}");
    scene.committed("config.applied").await?;

    // It dies, and comes back; then it stops in order.
    scene.gateway.kill().await?;
    scene.is(Life::Lost).await?;
    scene.gateway.launch().await?;
    scene.is(Life::Online).await?;
    let head = scene.gateway.events().await?.last().context("an empty journal")?.seq;
    scene.district.has_all("g-1", head, SOON).await?;
    ensure!(scene.gateway.stop().await?.success());
    scene.district.stop().await?;
    let (good, said) = client.end(&mut room).await?;
    println!("{said}");
    ensure!(good, "{said}");
    Ok(())
}
