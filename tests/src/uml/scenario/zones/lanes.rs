//! The alarm lane first: a panic button that is pressed behind a backlog of door events.

use anyhow::{Context, ensure};
use gatehouse_core::event::{Class, Event, Lane};
use serde_json::{Value, json};

use super::super::{settle, wait_receipts};
use super::storm::rounds;
use super::{FLAP_US, HOLD_US, PANIC, begins, is_fast, tells_of, wait_all};
use crate::uml::ledger::Book;
use crate::uml::machine::Booted;
use crate::uml::order::Edge;
use crate::uml::stage::{self, DRAIN, Stage};
use crate::wait;

/// So often doors and windows move before the button is pressed, and after it.
const BEFORE: u32 = 6;
const AFTER: u32 = 2;

pub(super) async fn alarm_first(stage: &mut Stage, booted: &mut Booted) -> anyhow::Result<Value> {
    // Nothing is under way when the broker goes.
    let quiet = settle(stage, booted, Book::new()).await?;
    wait_receipts(stage, booted, quiet.stored).await?;
    stage.broker.kill().await?;
    let (from, heard) = (stage.seen().len(), stage.told().len());

    let mut edges = rounds(BEFORE, FLAP_US, is_fast);
    let before = edges.len();
    edges.push(Edge { line: PANIC, high: true, after_us: FLAP_US });
    edges.extend(rounds(1, HOLD_US, is_fast));
    edges.extend(rounds(AFTER, FLAP_US, is_fast).into_iter().skip_while(|edge| edge.high));
    let moves = edges.len() - 1;
    stage.play(booted, &edges).await?;
    // All of it is on the flash before the broker is back.
    let head = wait::until("the journal to have the backlog", DRAIN, async || {
        let after = quiet.stored.to_string();
        let text = stage.ask(booted, &["events", "--all", "--json", "--after", &after]).await?;
        let events = text.lines().map(serde_json::from_str).collect::<Result<Vec<Event>, _>>()?;
        let normal = events.iter().filter(|event| is_normal_move(event)).count();
        let pressed = events.iter().any(|event| tells_of(event, PANIC));
        let head = events.last().map(|event| event.seq.0);
        Ok(head.filter(|_| pressed && normal >= moves))
    })
    .await
    .with_context(|| stage.daemon_log())?;
    ensure!(stage.seen().len() == from, "something crossed a broker that does not run");
    stage.broker.restart().await?;
    stage.wait_received(head).await?;

    // At the broker: the first event of all that waited.
    let what = "everything that waited to cross the broker";
    let seen = stage.seen().wait_for(what, DRAIN, |messages| {
        let events: Vec<_> = messages[from..].iter().filter_map(stage::event).collect();
        let whole = events.iter().filter(|event| is_normal_move(event)).count() >= moves;
        whole.then_some(events)
    });
    let seen = seen.await.with_context(|| stage.daemon_log())?;
    let first = seen.first().context("at least the moves")?;
    ensure!(
        tells_of(first, PANIC) && begins(first) && first.draft.class == Class::Panic,
        "the first event after the broker's return is {} of {}, number {}, before the alarm lane's",
        first.draft.kind,
        first.draft.source.id,
        first.seq.0
    );
    let overtaken = seen.iter().filter(|event| is_normal_move(event) && event.seq < first.seq);
    let overtaken = overtaken.count();
    ensure!(overtaken >= before, "the alarm overtook {overtaken} events of {before}");
    let normal: Vec<_> =
        seen.iter().filter(|e| e.draft.class.lane() == Lane::Normal).map(|e| e.seq).collect();
    ensure!(normal.is_sorted(), "the normal lane is out of order: {normal:?}");

    // And in the district: the first that the receiver committed.
    let what = "the receiver to tell of the first event";
    let committed = stage.told().wait_for(what, DRAIN, |lines| {
        let mut values = lines[heard..].iter().filter_map(|l| serde_json::from_str(l).ok());
        values.find_map(|value: Value| value["event"]["seq"].as_u64())
    });
    let committed = committed.await?;
    ensure!(committed == first.seq.0, "the receiver committed {committed} first, not the panic");

    stage.play(booted, &[Edge { line: PANIC, high: false, after_us: FLAP_US }]).await?;
    wait_all(stage, false, 0).await?;
    Ok(json!({ "backlog": seen.len() - 1, "overtaken": overtaken, "panic_seq": first.seq.0,
        "first_at_broker": first.draft.kind, "first_at_receiver": committed }))
}

/// Whether it is of the backlog: a door or a window that moved.
fn is_normal_move(event: &Event) -> bool {
    matches!(&*event.draft.kind, "door.opened" | "door.closed" | "zone.opened" | "zone.closed")
}
