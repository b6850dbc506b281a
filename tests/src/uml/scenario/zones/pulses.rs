//! What is short: pulses around the debounce time, chatter, and two doors at once.

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use serde_json::{Value, json};

use super::{DOORS, FAST_MS, HOLD_US, PULSED, SAFE, STAMP_NS, begins, id, told, wait_last};
use crate::uml::machine::Booted;
use crate::uml::order::{Edge, Moment};
use crate::uml::stage::Stage;

/// How long the pulses are on the lines [`PULSED`].
const PULSES_MS: [u64; 4] = [299, 301, 399, 401];

/// Each pulse so often.
const TIMES: usize = 4;

/// What must be told, in milliseconds, and what must not: EN 50131-1 and the contract of `Contact`.
const ALWAYS_MS: u64 = 400;
const NEVER_MS: u64 = 300;

/// A pulse that was to be shorter than [`NEVER_MS`] may be made longer by the tick, or by a machine
/// that does other things. Up to here, well below the debounce of 350 ms, it is judged all the same.
const JUDGED_NS: u64 = 330_000_000;

/// One after the other: a pulse is one sleep of the agent, and each line rests for a second.
pub(super) async fn pulses(stage: &Stage, booted: &mut Booted) -> anyhow::Result<Value> {
    let from = stage.seen().len();
    let edge = |line, high, ms: u64| Edge { line, high, after_us: ms * 1_000 };
    let round = PULSED.into_iter().zip(PULSES_MS);
    let round = round.flat_map(|(line, ms)| [edge(line, true, 5), edge(line, false, ms)]);
    let mut edges: Vec<_> = round.cycle().take(2 * PULSED.len() * TIMES).collect();
    // The last is beyond doubt: when it is told, whatever is told of those before has been.
    edges.extend([edge(SAFE, true, 5), edge(SAFE, false, 2 * ALWAYS_MS)]);
    let moments = stage.play(booted, &edges).await?;
    wait_last(stage, SAFE, last(&moments)?, from).await?;

    let mut rows = Vec::new();
    for (line, nominal) in PULSED.into_iter().zip(PULSES_MS) {
        let driven = edges.iter().zip(&moments).filter(|(edge, _)| edge.line == line);
        let driven: Vec<Moment> = driven.map(|(_, moment)| *moment).collect();
        let mut events = told(stage, line, from);
        let (mut seen, mut judged, mut longest, mut late) = (0, 0, 0, 0);
        for pulse in driven.chunks_exact(2) {
            let (up, down) = (pulse[0], pulse[1]);
            let most = down.after_ns - up.before_ns;
            longest = longest.max(most);
            // Its two events carry the stamps of its two edges.
            let began = take(&mut events, up, begins);
            let ended = take(&mut events, down, |event| !begins(event));
            ensure!(
                began.is_some() == ended.is_some(),
                "a pulse of {nominal} ms on {} has {began:?} and {ended:?}",
                id(line)
            );
            seen += usize::from(began.is_some());
            for (event, moment) in began.iter().zip([up]).chain(ended.iter().zip([down])) {
                late = late.max(event.draft.time.mono_ns.0.saturating_sub(moment.after_ns));
            }
            if nominal >= ALWAYS_MS {
                judged += 1;
                ensure!(began.is_some(), "{} ns on {} were not told", most, id(line));
            } else if nominal < NEVER_MS && most < JUDGED_NS {
                judged += 1;
                ensure!(began.is_none(), "{} ns on {} were told: {began:?}", most, id(line));
            }
        }
        ensure!(events.is_empty(), "{} was driven otherwise, and yet: {events:?}", id(line));
        let rule = !(NEVER_MS..ALWAYS_MS).contains(&nominal);
        ensure!(!rule || 2 * judged > TIMES, "{judged} pulses of {nominal} ms: a busy machine");
        rows.push(json!({ "ms": nominal, "driven": TIMES, "judged": judged, "told": seen,
            "longest_us": longest / 1_000, "stamp_late_us": late / 1_000 }));
    }
    Ok(rows.into())
}

/// Takes the event out whose stamp is that of the edge driven at this moment.
fn take(events: &mut Vec<Event>, moment: Moment, is: impl Fn(&Event) -> bool) -> Option<Event> {
    // `CLOCK_BOOTTIME` is never before `CLOCK_MONOTONIC`, and a box that never slept has them equal.
    let stamps = moment.before_ns..=moment.after_ns + STAMP_NS;
    let place = events.iter().position(|e| is(e) && stamps.contains(&e.draft.time.mono_ns.0))?;
    Some(events.remove(place))
}

/// When the last edge was driven.
fn last(moments: &[Moment]) -> anyhow::Result<u64> {
    Ok(moments.last().context("at least one edge was driven")?.before_ns)
}

/// A contact that chatters at 5 ms before it is still tells what it came to, once.
pub(super) async fn chatter(stage: &Stage, booted: &mut Booted) -> anyhow::Result<Value> {
    const EDGES: u32 = 40;
    let from = stage.seen().len();
    // Twice it ends where it began, which is nothing at all; then it ends high, low, high, low.
    let mut edges = Vec::new();
    for (burst, ends_high) in [false, false, true, false, true, false].into_iter().enumerate() {
        let count = if burst > 1 { EDGES + 1 } else { EDGES };
        for n in (0..count).rev() {
            let high = ends_high == n.is_multiple_of(2);
            let after_us = if n + 1 == count { HOLD_US } else { 5_000 };
            edges.push(Edge { line: SAFE, high, after_us });
        }
    }
    let moments = stage.play(booted, &edges).await?;
    wait_last(stage, SAFE, last(&moments)?, from).await?;
    let kinds: Vec<_> = told(stage, SAFE, from).into_iter().map(|e| e.draft.kind).collect();
    let (began, ended) = ("zone.24h_alarm", "zone.24h_alarm_restored");
    ensure!(kinds == [began, ended, began, ended], "chatter was told as {kinds:?}");
    Ok(json!({ "bursts": 6, "edges": edges.len(), "events": kinds.len() }))
}

/// Two doors driven one right after the other are two events with two stamps.
pub(super) async fn two_doors(stage: &Stage, booted: &mut Booted) -> anyhow::Result<Value> {
    const PAIRS: usize = 10;
    let from = stage.seen().len();
    let pause_us = u64::from(FAST_MS) * 4_000;
    let pair = |n: usize| {
        let high = n.is_multiple_of(2);
        [(0, pause_us), (1, 0)].map(|(line, after_us)| Edge { line, high, after_us })
    };
    let edges: Vec<_> = (0..PAIRS).flat_map(pair).collect();
    let moments = stage.play(booted, &edges).await?;
    wait_last(stage, 1, last(&moments)?, from).await?;
    let doors: Vec<_> = (0..DOORS).map(|door| told(stage, door, from)).collect();
    for (door, events) in doors.iter().enumerate() {
        ensure!(events.len() == PAIRS, "door-{door}: {} events of {PAIRS}", events.len());
    }
    let (mut within, mut closest) = (0, u64::MAX);
    for (n, driven) in moments.chunks_exact(2).enumerate() {
        let stamps = [&doors[0][n], &doors[1][n]].map(|event| event.draft.time.mono_ns.0);
        for (stamp, moment) in stamps.into_iter().zip(driven) {
            let own = moment.before_ns..=moment.after_ns + STAMP_NS;
            ensure!(own.contains(&stamp), "{stamp} is not the stamp of {moment:?}");
        }
        ensure!(stamps[0] != stamps[1], "two doors have one stamp: {}", stamps[0]);
        let apart = stamps[0].abs_diff(stamps[1]);
        closest = closest.min(apart);
        within += usize::from(apart < 1_000_000);
    }
    ensure!(within > 0, "no two doors were within a millisecond: the closest {closest} ns");
    Ok(json!({ "pairs": PAIRS, "within_1_ms": within, "closest_us": closest / 1_000,
        "told": doors.iter().map(Vec::len).sum::<usize>() }))
}
