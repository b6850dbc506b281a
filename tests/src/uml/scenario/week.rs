//! A week of schedules over a change of clocks, on a kernel whose time jumps over every wait.
//!
//! The box alone: a district outside would see its clock leap, so there is none, and the journal is
//! read in the box. Everything that happens in the week is one row of orders that the agent carries
//! out by the box's own clock, since it does not wait for the host. Times here are UTC, written by
//! hand: the site's clock on the wall is an hour ahead until 2026-03-29 01:00, and two hours after.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use gatehouse_core::event::Event;
use gatehouse_core::time::UtcMs;
use serde_json::{Value, json};

use crate::uml::machine::Machine;
use crate::uml::order::{Answer, Edge, Order, write_edges};
use crate::uml::stage::Programs;
use crate::wait;

/// The shop is armed at 20:00 and disarmed at 07:00 but on Sundays; Friday the 27th counts as one. The
/// hall is armed in the small hours, at a time that is left out on the 29th. The key is the yard's.
const CONFIG: &str = r#"
[gateway]
id = "g-1"
district = "d-1"
site = "s-1"
time-zone = "Europe/Berlin"
# Not the flash: waiting for a disk is a wait, which time jumps over.
state-dir = "/run/week"
socket = "/run/control.sock"

[[broker]]
id = "nobody"
host = "127.0.0.1"

[[partition]]
id = "shop"
modes = ["away"]
exit-s = 30

[[partition]]
id = "hall"
modes = ["night"]
exit-s = 0

[[partition]]
id = "yard"
modes = ["away"]
exit-s = 0

[[zone]]
id = "window"
kind = "instant"
partition = "shop"
input = "gpiochip0:0"
bias = "as-is"

[[zone]]
id = "stairs"
kind = "instant"
partition = "hall"
input = "gpiochip0:3"
bias = "as-is"

[[zone]]
id = "fence"
kind = "instant"
partition = "yard"
input = "gpiochip0:4"
bias = "as-is"

[[door]]
id = "gate"
input = "gpiochip0:1"
bias = "as-is"

[[key-switch]]
id = "key"
partition = "yard"
input = "gpiochip0:2"
bias = "as-is"

[[schedule]]
id = "shop-nights"
partition = "shop"
days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
arm-at = "20:00"
disarm-at = "07:00"

[[schedule]]
id = "hall-nights"
partition = "hall"
mode = "night"
arm-at = "02:30"
disarm-at = "05:30"
warning-min = 0

[[holiday]]
id = "feast"
from = "2026-03-27"
as = "sunday"
"#;

const WINDOW: u32 = 0;
const GATE: u32 = 1;
/// Normally open: low is turned.
const KEY: u32 = 2;
const LEVELS: [bool; 5] = [false, false, true, false, false];

const BEGIN: &str = "2026-03-25T11:00:00Z";
const END: &str = "2026-04-01T10:00:00Z";

/// A line is driven high or low.
const DRIVEN: &[(&str, u32, bool)] = &[
    // Thursday and Tuesday, while the shop is open.
    ("2026-03-26T11:00:00Z", WINDOW, true),
    ("2026-03-26T11:05:00Z", WINDOW, false),
    // Sunday noon, while it is closed.
    ("2026-03-29T10:00:00Z", WINDOW, true),
    ("2026-03-29T10:01:00Z", WINDOW, false),
    // Monday evening somebody airs the shop until ten past eight.
    ("2026-03-30T17:40:00Z", WINDOW, true),
    ("2026-03-30T18:10:20Z", WINDOW, false),
    ("2026-03-31T09:00:00Z", WINDOW, true),
    ("2026-03-31T09:05:00Z", WINDOW, false),
    // The key: armed at noon of Tuesday, disarmed an hour later.
    ("2026-03-31T10:00:00Z", KEY, false),
    ("2026-03-31T10:00:01Z", KEY, true),
    ("2026-03-31T11:00:00Z", KEY, false),
    ("2026-03-31T11:00:01Z", KEY, true),
];

/// The gate moves at these times of each day.
const GATE_MOVES: [(&str, bool); 4] =
    [("06:30:00", true), ("06:30:20", false), ("14:15:00", true), ("14:15:20", false)];
const DAYS: [&str; 7] = [
    "2026-03-25",
    "2026-03-26",
    "2026-03-27",
    "2026-03-28",
    "2026-03-29",
    "2026-03-30",
    "2026-03-31",
];

/// Everything that schedules and people must have brought about: minute, whose, what.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("2026-03-25T18:55", "shop-nights", "schedule.warning"),
    ("2026-03-25T19:00", "shop", "partition.armed"),
    ("2026-03-26T01:30", "hall", "partition.armed"),
    ("2026-03-26T04:30", "hall", "partition.disarmed"),
    ("2026-03-26T06:00", "shop", "partition.disarmed"),
    ("2026-03-26T18:55", "shop-nights", "schedule.warning"),
    ("2026-03-26T19:00", "shop", "partition.armed"),
    // The holiday: the shop stays as it is.
    ("2026-03-27T01:30", "hall", "partition.armed"),
    ("2026-03-27T04:30", "hall", "partition.disarmed"),
    ("2026-03-28T01:30", "hall", "partition.armed"),
    ("2026-03-28T04:30", "hall", "partition.disarmed"),
    ("2026-03-28T06:00", "shop", "partition.disarmed"),
    ("2026-03-28T18:55", "shop-nights", "schedule.warning"),
    // The daemon was off from 18:58 to 19:03.
    ("2026-03-28T19:03", "shop", "partition.armed"),
    // 02:30 is left out: 03:00 in summer time.
    ("2026-03-29T01:00", "hall", "partition.armed"),
    ("2026-03-29T03:30", "hall", "partition.disarmed"),
    ("2026-03-29T10:00", "window", "zone.alarm"),
    ("2026-03-30T00:30", "hall", "partition.armed"),
    ("2026-03-30T03:30", "hall", "partition.disarmed"),
    // Nobody has looked at Sunday's alarm; somebody does an hour later.
    ("2026-03-30T05:00", "shop-nights", "schedule.disarm_failed"),
    ("2026-03-30T06:00", "shop", "partition.disarmed"),
    ("2026-03-30T17:55", "shop-nights", "schedule.warning"),
    ("2026-03-30T18:11", "shop", "partition.armed"),
    ("2026-03-31T00:30", "hall", "partition.armed"),
    ("2026-03-31T03:30", "hall", "partition.disarmed"),
    ("2026-03-31T05:00", "shop", "partition.disarmed"),
    ("2026-03-31T10:00", "yard", "partition.armed"),
    ("2026-03-31T11:00", "yard", "partition.disarmed"),
    ("2026-03-31T17:50", "shop-nights", "schedule.postponed"),
    ("2026-03-31T18:25", "shop-nights", "schedule.warning"),
    ("2026-03-31T18:30", "shop", "partition.armed"),
    ("2026-04-01T00:30", "hall", "partition.armed"),
    ("2026-04-01T03:30", "hall", "partition.disarmed"),
    ("2026-04-01T05:00", "shop", "partition.disarmed"),
];

/// What `gatehouse schedule` says on the first day.
const SHOWN: &str = "shop-nights of shop
  Wed 2026-03-25 20:00 CET  arm away
  Thu 2026-03-26 07:00 CET  disarm
hall-nights of hall
  Thu 2026-03-26 02:30 CET  arm night
  Thu 2026-03-26 05:30 CET  disarm
";

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let machine = Machine {
        kernel: programs.kernel.clone(),
        init: programs.init.clone(),
        agent: std::env::current_exe().context("where this program is")?,
        folder: folder.to_owned(),
        flash: folder.join("flash.img"),
        tap: None,
        time_travel: true,
    };
    machine.format_flash(16).await?;
    std::fs::write(machine.file("gateway.toml"), CONFIG)?;
    let row = week(&machine, &programs.gatehouse)?;
    let began = wait::boottime();
    let mut booted = machine.boot().await?;
    match booted.order(Order::Row { orders: row }).await {
        Ok(Answer::Done) => {}
        other => {
            let log = std::fs::read_to_string(machine.file("gatehouse.err")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(15).collect();
            bail!("the week ended with {other:?}\n{}", tail.join("\n"));
        }
    }
    // Nothing of it is on the flash.
    booted.cut().await?;
    let took = wait::boottime().since(began);

    let shown = std::fs::read_to_string(machine.file("shown.out"))?;
    ensure!(shown == SHOWN, "`gatehouse schedule` said\n{shown}");
    let events = read(&machine.file("events.out"))?;
    let told = told(&events);
    let expected: Vec<_> =
        EXPECTED.iter().map(|(at, of, kind)| format!("{at} {of} {kind}")).collect();
    for line in &expected {
        ensure!(told.contains(line), "missing: {line}\ntold:\n{}", told.join("\n"));
    }
    for line in &told {
        ensure!(expected.contains(line), "not expected: {line}\ntold:\n{}", told.join("\n"));
    }
    ensure!(told == expected, "in another order or twice:\n{}", told.join("\n"));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &events {
        *counts.entry(&event.draft.kind).or_default() += 1;
    }
    let count = |kind: &str| counts.get(kind).copied().unwrap_or(0);
    // Each day but the last, twice.
    ensure!((count("door.opened"), count("door.closed")) == (14, 14), "the gate: {counts:?}");
    ensure!((count("zone.opened"), count("zone.closed")) == (3, 3), "the window: {counts:?}");
    ensure!(count("system.started") == 2, "{counts:?}");
    ensure!(count("schedule.ran") == 23, "{counts:?}");
    Ok(json!({
        "scenario": "week", "days": 7, "events": events.len(), "armed": count("partition.armed"),
        "disarmed": count("partition.disarmed"), "warnings": count("schedule.warning"),
        "gate": count("door.opened") + count("door.closed"), "right_minute": told.len(),
        "wrong_minute": 0, "real_s": took.as_secs(),
    }))
}

/// Everything that happens, in the order of time.
fn week(machine: &Machine, gatehouse: &Path) -> anyhow::Result<Vec<Order>> {
    let config = machine.file("gateway.toml").to_string_lossy().into_owned();
    let command = |name: &str, arguments: &[&str]| {
        let mut argv = vec![gatehouse.to_string_lossy().into_owned()];
        argv.extend(arguments.iter().map(|&word| word.to_owned()));
        argv.extend(["--config".to_owned(), config.clone()]);
        let ready_ms = (arguments == ["run"]).then_some(60_000);
        Order::Start { name: name.to_owned(), argv, ready_ms }
    };
    let ended = |name: &str| Order::Ended { name: name.to_owned(), limit_ms: 60_000 };
    let ask = |name: &str, arguments: &[&str]| vec![command(name, arguments), ended(name)];
    let stop = || vec![Order::Signal { name: "gatehouse".into(), signal: 15 }, ended("gatehouse")];

    let mut steps: Vec<(UtcMs, Vec<Order>)> = Vec::new();
    let mut drive = |at: String, line: u32, high: bool| -> anyhow::Result<()> {
        let file = format!("line-{line}-{high}");
        write_edges(&machine.file(&file), &[Edge { line, high, after_us: 0 }])?;
        steps.push((utc(&at)?, vec![Order::Play { file }]));
        Ok(())
    };
    for &(at, line, high) in DRIVEN {
        drive(at.to_owned(), line, high)?;
    }
    for day in DAYS {
        for (time, high) in GATE_MOVES {
            // The day begins at noon, and so does the week.
            let day = if time < "11" && day == DAYS[0] { "2026-04-01" } else { day };
            drive(format!("{day}T{time}Z"), GATE, high)?;
        }
    }
    steps.push((utc("2026-03-25T11:30:00Z")?, ask("shown", &["schedule"])));
    steps.push((utc("2026-03-28T18:58:00Z")?, stop()));
    steps.push((utc("2026-03-28T19:03:00Z")?, vec![command("gatehouse", &["run"])]));
    steps.push((utc("2026-03-30T06:00:00Z")?, ask("disarm", &["disarm", "shop"])));
    steps.push((utc("2026-03-31T17:50:00Z")?, ask("postpone", &["postpone", "shop", "30m"])));
    steps.sort_by_key(|(at, _)| *at);

    let mut row = vec![
        Order::Wire { high: LEVELS.to_vec() },
        Order::SetClock { real_ms: utc(BEGIN)?.0 },
        command("gatehouse", &["run"]),
    ];
    for (at, orders) in steps {
        row.push(Order::Until { real_ms: at.0 });
        row.extend(orders);
    }
    row.push(Order::Until { real_ms: utc(END)?.0 });
    row.extend(ask("events", &["events", "--all", "--json"]));
    row.extend(stop());
    Ok(row)
}

fn utc(text: &str) -> anyhow::Result<UtcMs> {
    serde_json::from_value(json!(text)).with_context(|| text.to_owned())
}

fn read(path: &Path) -> anyhow::Result<Vec<Event>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// What of the events is to be as expected: minute, whose, what.
fn told(events: &[Event]) -> Vec<String> {
    let counts = |kind: &str| {
        matches!(kind, "partition.armed" | "partition.disarmed" | "partition.arm_failed")
            || kind.ends_with("alarm")
            || kind == "zone.bypassed"
            || (kind.starts_with("schedule.") && kind != "schedule.ran")
            || kind.starts_with("key_switch.")
    };
    let told = events.iter().filter(|event| counts(&event.draft.kind));
    told.map(|event| {
        let at = event.draft.time.utc.to_string();
        format!("{} {} {}", &at[..16], event.draft.source.id, event.draft.kind)
    })
    .collect()
}
