//! Zones that change while the box is off: told after the start, as found, with the dark interval.

use anyhow::{bail, ensure};
use gatehouse_core::event::{Event, Flag};
use gatehouse_core::time::UtcMs;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::super::{settle, wait_receipts};
use super::{LINES, PANIC, PULSED, SAFE, WINDOWS, tells_of, wait_levels};
use crate::uml::ledger::Book;
use crate::uml::machine::Booted;
use crate::uml::order::{Answer, Order};
use crate::uml::stage::{self, Stage};

/// The box takes its wall clock for true: as its time daemon says it, after a synchronisation. The
/// guest's wall clock is the host's.
pub(super) async fn set_the_clock(booted: &mut Booted) -> anyhow::Result<()> {
    let script = "mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized";
    let argv = ["/bin/sh", "-c", script].map(String::from).to_vec();
    let name = String::from("timesync");
    booted.order(Order::Start { name: name.clone(), argv, ready_ms: None }).await?;
    let ended = booted.order(Order::Wait { name, limit_ms: 10_000 }).await?;
    ensure!(matches!(ended, Answer::Ended { code: Some(0) }), "the clock's mark: {ended:?}");
    Ok(())
}

/// What moves while the box is off: its line, where to, and what must be told of it.
type Move = (u32, bool, &'static str);

/// While it is off in order.
const IN_ORDER: &[Move] = &[
    (SAFE, true, "zone.24h_alarm"),
    (PULSED[0], true, "zone.24h_alarm"),
    (PANIC, true, "panic.alarm"),
    (WINDOWS + 1, true, "zone.opened"),
];

/// While its power is cut: what was active is at rest again, and others are active.
const BY_A_CUT: &[Move] = &[
    (SAFE, false, "zone.24h_alarm_restored"),
    (PULSED[0], false, "zone.24h_alarm_restored"),
    (PANIC, false, "panic.alarm_restored"),
    (WINDOWS + 1, false, "zone.closed"),
    (PULSED[1], true, "zone.24h_alarm"),
    (WINDOWS + 2, true, "zone.opened"),
];

/// Zones change while nobody watches, those that protect at any time and a window.
pub(super) async fn changes(
    stage: &Stage,
    mut booted: Booted,
) -> anyhow::Result<(Booted, Vec<Value>)> {
    let mut rows = Vec::new();
    let mut high = [false; LINES as usize];
    for (how, moves) in [("off in order", IN_ORDER), ("off by a power cut", BY_A_CUT)] {
        // All that is known is on the flash, so that a cut takes nothing of it.
        let verdict = settle(stage, &mut booted, Book::new()).await?;
        wait_receipts(stage, &mut booted, verdict.stored).await?;
        let watched = wall_ms(&mut booted).await?;
        let left = if how == "off in order" {
            stage.stop_daemon(&mut booted).await?;
            let left = wall_ms(&mut booted).await?;
            booted.off().await?;
            left
        } else {
            booted.cut().await?;
            watched
        };
        let from = stage.seen().len();
        for (line, active, _) in moves {
            high[*line as usize] = *active;
        }
        booted = stage.boot(&high).await?;
        set_the_clock(&mut booted).await?;
        let back = wall_ms(&mut booted).await?;
        stage.start_daemon(&mut booted, true).await?;
        for &(line, _, kind) in moves {
            let what = format!("{kind} of line {line}, which changed while the box was {how}");
            let is = |event: &Event| tells_of(event, line) && event.draft.kind == kind;
            let event = stage.wait_event(&what, from, is).await?;
            let flags = &event.draft.flags;
            ensure!(flags.contains(&Flag::WhileDown), "{what}: its flags are {flags:?}");
            let Some(dark) = event.draft.detail.as_ref().map(|detail| &detail["dark"]) else {
                bail!("{what}: it has no detail")
            };
            let end = |key: &str| UtcMs::deserialize(&dark[key]).map(|utc| utc.0);
            let (since, until) = (end("from")?, end("to")?);
            ensure!(
                since <= left && until >= back && dark["at_most_s"].is_u64(),
                "{what}: it was off from {left} to {back}, but the dark interval is {dark}"
            );
            // Who stops in order notes it: until then everything was watched.
            ensure!(
                how != "off in order" || since >= watched,
                "{what}: at {watched} it still watched, but the dark interval is {dark}"
            );
            rows.push(json!({ "type": kind, "how": how, "dark_at_most_s": dark["at_most_s"] }));
        }
        wait_levels(stage, &high, from).await?;
        // Nobody else moved.
        let other = stage.seen().read(|messages| {
            messages[from..].iter().filter_map(stage::event).find(|event| {
                event.draft.flags.contains(&Flag::WhileDown)
                    && !moves.iter().any(|&(line, ..)| tells_of(event, line))
            })
        });
        ensure!(other.is_none(), "this line was left alone, and yet: {other:?}");
    }
    Ok((booted, rows))
}

/// The box's wall clock, in milliseconds.
async fn wall_ms(booted: &mut Booted) -> anyhow::Result<i64> {
    match booted.order(Order::Clock).await? {
        Answer::Clock { real_ns, .. } => Ok(real_ns / 1_000_000),
        other => bail!("{other:?}"),
    }
}
