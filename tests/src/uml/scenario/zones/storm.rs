//! All 64 lines at once.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::{FLAP_US, HOLD_US, LINES, begins, flush, is_fast, told, wait_all, wait_levels};
use crate::uml::machine::Booted;
use crate::uml::order::{Answer, Edge, Noise, Order};
use crate::uml::stage::{self, DRAIN, Stage};

/// So often all lines change at once; an even number, so that they end where they began.
const ROUNDS: u32 = 6;

/// All lines of a choice change at once, `rounds` times.
pub(super) fn rounds(rounds: u32, pause_us: u64, lines: impl Fn(u32) -> bool) -> Vec<Edge> {
    let mut edges = Vec::new();
    for round in 0..rounds {
        let high = round.is_multiple_of(2);
        // The first of the round waits; the others come right after it.
        let mut after_us = pause_us;
        for line in (0..LINES).filter(|&line| lines(line)) {
            edges.push(Edge { line, high, after_us });
            after_us = 0;
        }
    }
    edges
}

/// Each edge that lasts is told, by each line, in turn; and where random edges leave the lines is
/// where they are shown to stand.
pub(super) async fn flapping(stage: &Stage, booted: &mut Booted) -> anyhow::Result<Value> {
    let from = stage.seen().len();
    let mut edges = rounds(ROUNDS, FLAP_US, |_| true);
    // Then once for all, also for those with the long debounce.
    edges.extend(rounds(2, HOLD_US, |_| true));
    stage.play(booted, &edges).await?;
    flush(stage, booted).await?;
    wait_all(stage, false, from).await?;
    let mut events = 0;
    for line in 0..LINES {
        let told = told(stage, line, from);
        let own = if is_fast(line) { ROUNDS + 2 } else { 2 } as usize;
        // The window that ended the part has moved twice more.
        let expected = if line == super::WINDOWS { own + 2 } else { own };
        ensure!(told.len() == expected, "line {line}: {} events of {expected}", told.len());
        let in_turn = told.iter().enumerate().all(|(n, e)| begins(e) == n.is_multiple_of(2));
        ensure!(in_turn, "line {line} was told out of turn: {told:?}");
        events += told.len();
    }
    let lost = stage.seen().read(|messages| {
        let mut events = messages[from..].iter().filter_map(stage::event);
        events.find(|e| e.draft.cause.as_deref().is_some_and(|cause| cause.contains("lost")))
    });
    ensure!(lost.is_none(), "edges were lost: {lost:?}");

    let from = stage.seen().len();
    let noise = Noise { lines: LINES, per_s: 300, seed: 64, file: "noise".into() };
    booted.order(Order::Noise(noise)).await?;
    // As many events as tell that the noise has been going for a while.
    let what = "events of the noise";
    let many = stage.seen().wait_for(what, DRAIN, |messages| {
        (messages[from..].iter().filter_map(stage::event).count() >= 120).then_some(())
    });
    many.await.with_context(|| stage.daemon_log())?;
    let driven = booted.order(Order::Quiet).await?;
    let Answer::Driven { edges: random, high } = driven else { bail!("{driven:?}") };
    let real = booted.order(Order::Levels).await?;
    ensure!(matches!(&real, Answer::Levels { high: it } if *it == high), "{real:?}, not {high:?}");
    // What did not last is not shown: the newest word on each line may be of before.
    flush(stage, booted).await?;
    let mut stood = high.clone();
    stood[super::WINDOWS as usize] = false;
    wait_levels(stage, &stood, 0).await?;
    // Back to rest, so that the next part begins there.
    let rest = rounds(2, HOLD_US, |_| true).into_iter().filter(|edge| !edge.high);
    stage.play(booted, &rest.collect::<Vec<_>>()).await?;
    wait_all(stage, false, 0).await?;
    Ok(json!({ "lines": LINES, "edges": edges.len(), "events": events, "random_edges": random,
        "ended_high": high.iter().filter(|&&high| high).count(), "wrong": 0 }))
}
