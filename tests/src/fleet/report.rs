//! What came of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_core::event::{self, Lane};
use gatehouse_core::time::UtcMs;
use gatehouse_receiver::{Filter, Store};
use serde::Serialize;

use super::accounts::Bill;
use super::bed::Bed;
use super::gateway::{Remains, Shared};
use super::liar::LIAR;
use super::scenario::{Disturbance, Scenario};
use super::tally::{Sample, Tally, Times};

/// The result of a run, to be printed as JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    scenario: Scenario,
    engine: String,
    database: String,
    receivers: usize,
    gateways: usize,
    release_build: bool,
    events: Events,
    /// From storing to the receipt.
    alarm: ByTime,
    normal: ByTime,
    /// Of alarms through the disturbances, by what was disturbed last when they were confirmed:
    /// `broker`, `receiver`, `database`, …
    alarm_by_cause: BTreeMap<String, Times>,
    /// From storing to the receiver's taking it off the wire, by the wall clock.
    alarm_to_control_room: Times,
    connects: Connects,
    bytes: Bytes,
    disturbances: Vec<Disturbance>,
    reports: BTreeMap<String, u64>,
    costs: Bill,
}

#[derive(Debug, Serialize)]
struct Events {
    stored: u64,
    committed: u64,
    /// Stored at a gateway and not in the database.
    lost: u64,
    /// Not confirmed to the gateway within the time for it.
    unconfirmed: u64,
    /// In the database and of no gateway of the fleet, or not what the gateway stored.
    foreign: u64,
    /// Gateways whose newest event is another in the database.
    changed: u64,
    duplicates: u64,
    conflicts: u64,
    breaks: u64,
    quarantined: u64,
    published: u64,
    replayed: u64,
}

/// Outside of every disturbance, and through them.
#[derive(Debug, Serialize)]
struct ByTime {
    outside: Times,
    through: Times,
}

#[derive(Debug, Serialize)]
struct Connects {
    total: u32,
    refused: u64,
    failed: u64,
    most_per_second: u32,
    /// By second since the start, only those with any.
    per_second: BTreeMap<u64, u32>,
}

#[derive(Debug, Serialize)]
struct Bytes {
    up: u64,
    down: u64,
}

impl Report {
    /// Whether every event of every gateway is in the database as it was stored, and confirmed.
    pub fn is_whole(&self) -> bool {
        let Events { lost, unconfirmed, foreign, changed, .. } = self.events;
        [lost, unconfirmed, foreign, changed] == [0; 4]
    }
}

pub(super) fn of(
    shared: &Shared,
    bed: &Bed,
    remains: &[Remains],
    disturbances: &[Disturbance],
    unconfirmed: u64,
    costs: Bill,
) -> anyhow::Result<Report> {
    let tally = &shared.tally;
    let (events, alarm_to_control_room) = compare(shared, bed, remains, unconfirmed)?;
    let samples = tally.samples();
    let by_time = |lane: Lane| {
        let of_lane = samples.iter().filter(|sample| sample.lane == lane);
        let felt = |sample: &Sample| {
            disturbances
                .iter()
                .any(|one| sample.stored <= one.to && sample.stored.plus(sample.took) >= one.from)
        };
        let (through, outside): (Vec<_>, Vec<_>) = of_lane.partition(|sample| felt(sample));
        let times = |samples: Vec<&Sample>| Times::of(samples.iter().map(|s| s.took).collect());
        ByTime { outside: times(outside), through: times(through) }
    };
    let mut by_cause: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.lane == Lane::Alarm) {
        let felt = |one: &&Disturbance| {
            sample.stored <= one.to && sample.stored.plus(sample.took) >= one.from
        };
        if let Some(one) = disturbances.iter().rev().find(felt) {
            by_cause.entry(one.cause()).or_default().push(sample.took);
        }
    }
    let per_second = tally.connects();
    Ok(Report {
        scenario: shared.plan.scenario,
        engine: format!("{:?}", shared.plan.engine).to_lowercase(),
        database: format!("{:?}", shared.plan.database).to_lowercase(),
        receivers: shared.plan.receivers,
        gateways: shared.plan.gateways,
        release_build: !cfg!(debug_assertions),
        events,
        alarm: by_time(Lane::Alarm),
        normal: by_time(Lane::Normal),
        alarm_by_cause: by_cause
            .into_iter()
            .map(|(cause, took)| (cause, Times::of(took)))
            .collect(),
        alarm_to_control_room,
        connects: Connects {
            total: per_second.values().sum(),
            refused: Tally::of(&tally.refused),
            failed: Tally::of(&tally.failed),
            most_per_second: per_second.values().copied().max().unwrap_or(0),
            per_second,
        },
        bytes: Bytes { up: Tally::of(&tally.written), down: Tally::of(&tally.read) },
        disturbances: disturbances.to_vec(),
        reports: tally.all_reports(),
        costs,
    })
}

/// Every number of every gateway is looked for in the database.
fn compare(
    shared: &Shared,
    bed: &Bed,
    remains: &[Remains],
    unconfirmed: u64,
) -> anyhow::Result<(Events, Times)> {
    let store = Store::open_to_read(bed.database()?)?;
    let mut found: BTreeMap<String, (u64, u64, [u8; 32])> = BTreeMap::new();
    let mut took = Vec::new();
    store.query(&Filter::default(), |stored| {
        let entry = found.entry(stored.gateway.clone()).or_default();
        // The table has one row for each number, so that counting them is looking for holes.
        entry.0 += 1;
        if stored.seq.0 >= entry.1 {
            entry.1 = stored.seq.0;
            entry.2 = event::chain_hash(&stored.body);
        }
        if stored.gateway.as_str() == LIAR {
            return anyhow::Ok(());
        }
        let event: event::Event = serde_json::from_slice(&stored.body)?;
        if event.draft.class.lane() == Lane::Alarm {
            let UtcMs(received) = stored.recv;
            let late = received - event.draft.time.utc.0;
            took.push(Duration::from_millis(u64::try_from(late).unwrap_or(0)));
        }
        anyhow::Ok(())
    })?;
    let audit = store.audit(None, &mut |_| {})?;
    let (mut lost, mut changed, mut ours) = (0, 0, 0);
    for Remains { address, book } in remains {
        let (count, newest, hash) = found.remove(address.gateway.as_str()).unwrap_or_default();
        let head = book.head().0;
        lost += head.saturating_sub(count);
        ours += count;
        // The chain proves the events before it: the audit counts its breaks.
        changed += u64::from(head > 0 && (newest != head || hash != book.prev()));
    }
    found.remove(LIAR);
    let foreign = found.values().map(|(count, ..)| count).sum();
    let tally = &shared.tally;
    let stored = Tally::of(&tally.stored);
    let heads: u64 = remains.iter().map(|gateway| gateway.book.head().0).sum();
    anyhow::ensure!(stored == heads, "{stored} events were counted and {heads} numbered");
    let events = Events {
        stored,
        committed: ours,
        lost,
        unconfirmed,
        foreign,
        changed,
        duplicates: audit.duplicates,
        conflicts: audit.conflicts,
        breaks: audit.breaks,
        quarantined: audit.quarantined,
        published: Tally::of(&tally.published),
        replayed: Tally::of(&tally.replayed),
    };
    Ok((events, Times::of(took)))
}
