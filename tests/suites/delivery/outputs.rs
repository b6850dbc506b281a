//! Sirens, locks and the challenge test, from the wire to the wire.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::world::Step;
use gatehouse_tests::{Gateway, GatewayOptions, World};
use rusqlite::Connection;
use serde_json::Value;
use tokio::process::Command;

/// The window's contact, the lid's, and the gate's.
const WINDOW: u32 = 4;
const LID: u32 = 5;
const GATE: u32 = 7;
/// What the box drives.
const SIREN: u32 = 40;
const STROBE: u32 = 41;
const LOCK: u32 = 42;
const LOOP: u32 = 43;
/// What is wired back from it.
const BACK: u32 = 50;
const LOOP_IN: u32 = 51;

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
id = "lid"
kind = "tamper"
partition = "flat"
input = "sim:5"
debounce-ms = 0

[[output]]
id = "siren"
line = "sim:40"
role = "siren"
outside = true
read-back = "sim:50"
lasts-s = LASTS

[[output]]
id = "strobe"
line = "sim:41"
role = "strobe"

[[output]]
id = "strike"
line = "sim:42"
role = "lock"
active = "low"

[[door]]
id = "gate"
input = "sim:7"
lock = "strike"
lock-pulse-s = 1
fail = "secure"
release = true

[[output]]
id = "loop-back"
line = "sim:43"
role = "other"

[challenge]
output = "loop-back"
input = "sim:51"
bias = "pull-down"
pulse-ms = 100
debounce-ms = 10
within-s = 1
"#;

/// A box whose siren lasts so long, with its contacts at rest and its relays in order.
async fn start(lasts_s: u32) -> anyhow::Result<(World, Gateway)> {
    let world = World::start([0, WINDOW, LID, GATE, SIREN, STROBE, LOCK, LOOP, BACK, LOOP_IN])?;
    world.wire(SIREN, BACK);
    world.wire(LOOP, LOOP_IN);
    // Nobody listens there: everything here goes on without a broker.
    let mut options = GatewayOptions::new(&world).broker("127.0.0.1:9".parse()?);
    options.extra = TABLES.replace("LASTS", &lasts_s.to_string());
    let gateway = Gateway::start(options).await?;
    known(&gateway).await?;
    Ok((world, gateway))
}

async fn things(gateway: &Gateway) -> anyhow::Result<Vec<Value>> {
    let status = gateway.command(&["status", "--json", "--config"], true).await?;
    let status: Value = serde_json::from_str(&status)?;
    Ok(status["things"].as_array().context("no things")?.clone())
}

/// Waits until everything is known.
async fn known(gateway: &Gateway) -> anyhow::Result<()> {
    until("things that are known", SOON, async || {
        // The control socket comes a moment after READY=1.
        let Ok(things) = things(gateway).await else { return Ok(None) };
        Ok((!things.iter().any(|thing| thing["state"] == "unknown")).then_some(()))
    })
    .await
}

async fn is(gateway: &Gateway, id: &str, state: &str) -> anyhow::Result<Value> {
    until(&format!("{id} {state}"), SOON, async || {
        let things = things(gateway).await?;
        Ok(things.into_iter().find(|it| it["id"] == id && it["state"] == state))
    })
    .await
}

/// Waits until the journal has so many events of this type, and gives the newest.
async fn recorded(gateway: &Gateway, kind: &str, count: usize) -> anyhow::Result<Event> {
    until(&format!("{count} of {kind}"), SOON, async || {
        let events = gateway.events().await?;
        let mut all = events.into_iter().filter(|event| event.draft.kind == kind);
        Ok(all.nth(count - 1))
    })
    .await
}

async fn arm(gateway: &Gateway) -> anyhow::Result<()> {
    let told = gateway.command(&["arm", "flat", "--now", "--config"], true).await?;
    ensure!(told == "done\n", "{told}");
    Ok(())
}

/// Nobody else writes into the journal as long as this lives.
fn hold(state: &Path) -> anyhow::Result<Connection> {
    let other = Connection::open(state.join("journal/journal.db"))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    Ok(other)
}

#[tokio::test]
async fn a_siren_sounds_before_anything_is_stored_and_ends_and_disarms_nothing()
-> anyhow::Result<()> {
    let (world, gateway) = start(2).await?;
    arm(&gateway).await?;
    let held = hold(&gateway.state())?;
    let opened_ns = world.set(WINDOW, true);
    world.driven(SIREN, true).await?;
    world.driven(STROBE, true).await?;
    let sounds_ns = world.since(SIREN).context("no siren")?;
    println!("from the window's edge to the siren's: {} us", (sounds_ns - opened_ns) / 1_000);
    let stored = gateway.events().await?;
    ensure!(!stored.iter().any(|event| event.draft.kind == "zone.alarm"), "it was stored before");
    drop(held);
    let alarm = recorded(&gateway, "zone.alarm", 1).await?;
    recorded(&gateway, "output.on", 2).await?;

    world.driven(SIREN, false).await?;
    let off = recorded(&gateway, "output.off", 1).await?;
    ensure!(off.draft.cause.as_deref() == Some("its time is over"), "{off:?}");
    let lasted = off.draft.time.mono_ns.since(alarm.draft.time.mono_ns).as_millis();
    ensure!((1_900..3_500).contains(&lasted), "{lasted} ms");
    let bypassed = recorded(&gateway, "zone.bypassed", 1).await?;
    ensure!(bypassed.draft.cause.as_deref() == Some("siren ran its time"), "{bypassed:?}");
    is(&gateway, "flat", "triggered").await?;
    let window = is(&gateway, "window", "active").await?;
    ensure!(window["flags"].as_array().is_some_and(|it| it.contains(&"bypassed".into())));
    ensure!(world.level(STROBE) == Some(true), "a strobe shows where it was");
    gateway.command(&["disarm", "flat", "--config"], true).await?;
    world.driven(STROBE, false).await?;
    Ok(())
}

#[tokio::test]
async fn a_killed_gateway_leaves_nothing_on_and_the_next_start_sounds_the_rest()
-> anyhow::Result<()> {
    let (world, mut gateway) = start(600).await?;
    arm(&gateway).await?;
    world.set(WINDOW, true);
    world.driven(SIREN, true).await?;
    recorded(&gateway, "output.on", 2).await?;
    // While it runs nobody else touches its lines.
    let told = gateway.command(&["safe-outputs", "--config"], true).await.unwrap_err();
    ensure!(told.to_string().contains("the gateway is running"), "{told}");

    gateway.kill().await?;
    // A line keeps what was written: that is why systemd runs the next command.
    ensure!(world.level(SIREN) == Some(true));
    let told = gateway.command(&["safe-outputs", "--config"], true).await?;
    ensure!(told == "4 of 4 set to their safe state\n", "{told}");
    world.driven(SIREN, false).await?;
    world.driven(STROBE, false).await?;
    ensure!(world.level(LOCK) == Some(true), "locked is high here");

    gateway.launch().await?;
    world.driven(SIREN, true).await?;
    world.driven(STROBE, true).await?;
    is(&gateway, "siren", "on").await?;
    let told = gateway.command(&["silence", "--config"], true).await?;
    ensure!(told == "done\n", "{told}");
    world.driven(SIREN, false).await?;
    is(&gateway, "flat", "triggered").await?;
    // One alarm, told once.
    let on = gateway.events().await?;
    ensure!(on.iter().filter(|event| event.draft.kind == "output.on").count() == 2);

    ensure!(gateway.stop().await?.success());
    ensure!(world.level(STROBE) == Some(false), "an orderly stop sets the safe state itself");
    Ok(())
}

#[tokio::test]
async fn a_lid_opened_while_unset_sounds_no_external_siren() -> anyhow::Result<()> {
    let (world, gateway) = start(600).await?;
    world.set(LID, true);
    world.driven(STROBE, true).await?;
    recorded(&gateway, "tamper.alarm", 1).await?;
    ensure!(world.level(SIREN) == Some(false));
    Ok(())
}

#[tokio::test]
async fn a_lock_is_released_for_its_time_and_only_where_the_site_lets_it() -> anyhow::Result<()> {
    let (world, gateway) = start(600).await?;
    world.driven(LOCK, true).await?;
    let told = gateway.command(&["release", "gate", "--config"], true).await?;
    ensure!(told == "done\n", "{told}");
    let driven = |high| {
        let step = Step::Output(LOCK, high);
        world.steps().wait_for("the lock", SOON, move |all| {
            let released = all.iter().position(|it| *it == Step::Output(LOCK, false))?;
            all[released..].contains(&step).then_some(())
        })
    };
    driven(false).await?;
    driven(true).await?;
    recorded(&gateway, "door.released", 1).await?;
    let refused = gateway.command(&["release", "door-0", "--config"], true).await;
    ensure!(refused.is_err(), "a door without a lock");
    Ok(())
}

#[tokio::test]
async fn a_relay_that_does_not_follow_is_a_fault_and_its_restore_when_it_does() -> anyhow::Result<()>
{
    let (world, gateway) = start(600).await?;
    world.cut(SIREN);
    arm(&gateway).await?;
    world.set(WINDOW, true);
    let fault = recorded(&gateway, "output.fault", 1).await?;
    let cause = "it was switched on, and its read-back says off";
    ensure!(fault.draft.cause.as_deref() == Some(cause), "{fault:?}");
    let siren = is(&gateway, "siren", "unknown").await?;
    ensure!(siren["flags"].as_array().is_some_and(|it| it.contains(&"fault".into())), "{siren}");
    world.set(BACK, true);
    recorded(&gateway, "output.restored", 1).await?;
    is(&gateway, "siren", "on").await?;
    Ok(())
}

#[tokio::test]
async fn a_chip_that_comes_back_is_driven_as_it_was() -> anyhow::Result<()> {
    let (world, gateway) = start(600).await?;
    arm(&gateway).await?;
    world.set(WINDOW, true);
    world.driven(SIREN, true).await?;
    is(&gateway, "siren", "on").await?;
    let before = world.steps().len();
    world.disconnect();
    recorded(&gateway, "output.fault", 4).await?;
    recorded(&gateway, "output.restored", 4).await?;
    world
        .steps()
        .wait_for("the siren, driven anew", SOON, |all| {
            all[before..].contains(&Step::Output(SIREN, true)).then_some(())
        })
        .await?;
    let drives = world.steps().read(|all| {
        let off = |step: &&Step| **step == Step::Output(SIREN, false);
        all[before..].iter().filter(off).count()
    });
    ensure!(drives == 0, "it was silent in between");
    Ok(())
}

#[tokio::test]
async fn a_challenge_comes_back_through_the_wire_and_a_cut_wire_is_told() -> anyhow::Result<()> {
    let (world, gateway) = start(600).await?;
    let words = ["challenge", "--nonce", "n-17", "--config"];
    let told = gateway.command(&words, true).await?;
    ensure!(told == "done\n", "{told}");
    let passed = recorded(&gateway, "challenge.passed", 1).await?;
    let detail = passed.draft.detail.context("no detail")?;
    let hops = ["switched", "seen", "calm"].map(|hop| detail["hops_us"][hop].as_u64());
    let [Some(switched), Some(seen), Some(calm)] = hops else { panic!("{detail}") };
    ensure!(switched <= seen && seen < calm && calm >= 100_000, "{detail}");
    ensure!(detail["nonce"] == "n-17" && passed.draft.test, "{detail}");

    world.cut(LOOP);
    let mut command = Command::new(gatehouse_tests::gateway::program()?);
    command.args(words).arg(gateway.config()).stdout(Stdio::piped());
    let output = tokio::time::timeout(SOON, command.output()).await??;
    ensure!(output.status.code() == Some(1));
    let text = String::from_utf8(output.stdout)?;
    ensure!(text == "refused: it failed; `gatehouse events` says where\n", "{text}");
    let failed = recorded(&gateway, "challenge.failed", 1).await?;
    ensure!(failed.draft.cause.as_deref() == Some("the input did not follow"), "{failed:?}");
    let alarms = gateway.events().await?;
    ensure!(!alarms.iter().any(|it| it.draft.kind.ends_with("alarm")), "never an alarm");
    Ok(())
}
