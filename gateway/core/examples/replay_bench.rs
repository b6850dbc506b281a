//! The cost of replaying a month of a busy site to a proposed configuration.
//!
//! `cargo run --release -p gatehouse-core --example replay_bench`
//!
//! 64 zones in 4 partitions that are armed each night, 16 doors; 30 days with some 10,000 events a
//! day, as JSON, as the journal gives them. The time is the processor's own.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to say")]

use std::time::Duration;

use gatehouse_core::event::{Draft, Event, GENESIS, Stamp, render};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{
    Command, Condition, Contact, DoorConfig, Effect, Input, Mode, ModeConfig, PartitionConfig,
    Recording, Site, SiteConfig, Verb, Via, ZoneConfig, ZoneKind,
};
use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};

const DAYS: u64 = 30;
const EVENTS: usize = 10_000;
const DAY_MS: u64 = 86_400_000;

fn main() {
    let present = config(ZoneKind::Instant, 30);
    let events = record(&present);
    println!("{} events, {} a day", events.len(), events.len() as u64 / DAYS);
    let began = on_cpu();
    let mut recording = Recording::new(&present);
    for bytes in &events {
        let event: Event = serde_json::from_slice(bytes).unwrap();
        recording.hear(&event.draft, true);
    }
    let read = on_cpu();
    let proposed = config(ZoneKind::Hours24, 45);
    let replayed = recording.replay(&proposed, &id("g-1"), UtcMs(0));
    let played = on_cpu();
    let (recorded, again) = replayed.faithful;
    println!("read and understood  {:>6} ms", (read - began) / 1_000_000);
    println!("played to two sites  {:>6} ms", (played - read) / 1_000_000);
    println!(
        "{again} of {recorded} recorded alarms told again, {} invented, {} differences",
        replayed.invented,
        replayed.differences.len()
    );
}

/// Nanoseconds that this process has run: other work on the machine does not count.
fn on_cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

/// Every eighth zone is of this kind.
fn config(kind: ZoneKind, entry_s: u64) -> SiteConfig {
    let zones = (0..64).map(|n| {
        let kind = if n % 8 == 0 { kind } else { ZoneKind::ALL[n % 3] };
        ZoneConfig::new(id(&format!("zone-{n}")), kind, Some(n % 4), format!("sim:{n}"))
    });
    let delays = ModeConfig { exit: Duration::from_secs(30), entry: Duration::from_secs(entry_s) };
    let partitions = (0..4).map(|n| PartitionConfig {
        id: id(&format!("house-{n}")),
        common_to: Vec::new(),
        modes: [Some(delays); 4],
    });
    let doors = (0..16).map(|n| DoorConfig {
        held_open: Some(Duration::from_secs(60)),
        ..DoorConfig::new(id(&format!("door-{n}")), format!("sim:door-{n}"))
    });
    SiteConfig {
        doors: doors.collect(),
        zones: zones.collect(),
        partitions: partitions.collect(),
        ..SiteConfig::default()
    }
}

fn now(ms: u64) -> Now {
    let utc = UtcMs(1_790_000_000_000 + i64::try_from(ms).unwrap());
    Now { mono: Mono(ms * 1_000_000), utc, err_ms: Some(5), clock: ClockState::Synced }
}

/// What a site of this configuration records.
fn record(config: &SiteConfig) -> Vec<Vec<u8>> {
    let mut site = Site::new(config.clone(), "5e1c7f3a-0b0a-4b7e-9c53-0123456789ab");
    let mut drafts: Vec<Draft> = Vec::new();
    let take = |effects: Vec<Effect>, drafts: &mut Vec<Draft>| {
        drafts.extend(effects.iter().filter_map(|effect| effect.record().cloned()));
    };
    take(site.restore([], &id("g-1"), &now(1_000)), &mut drafts);
    let pace = DAY_MS / EVENTS as u64;
    let (mut n, mut ms) = (0_u64, 1_000);
    while drafts.len() < EVENTS * usize::try_from(DAYS).unwrap() {
        ms += pace;
        let at = now(ms).mono;
        // Deadlines at their own times.
        while let Some(due) = site.next_deadline().filter(|due| *due <= at) {
            take(site.apply(Input::Tick, &now(due.0 / 1_000_000 + 1)), &mut drafts);
        }
        let hour = ms % DAY_MS / 3_600_000;
        let place = usize::try_from(n / 2).unwrap();
        let on = n % 2 == 0;
        let night = hour < 6;
        let partition = usize::try_from(n % 4).unwrap();
        let verb = match (n % 997, night) {
            (0..4, true) => {
                Some(Verb::Arm { partition, mode: Mode::Away, force: true, at_once: false })
            }
            (0..4, false) => Some(Verb::Disarm { partition }),
            _ => None,
        };
        let input = if let Some(verb) = verb {
            Input::Command(Command { id: 0, via: Via::Cli, actor: None, verb, at })
        } else if n % 6 < 2 && (!night || n % 50 < 2) {
            let condition = if on { Condition::Active } else { Condition::Normal };
            Input::Zone { zone: place % 64, condition, at, resynced: false }
        } else {
            let contact = if on { Contact::Open } else { Contact::Closed };
            Input::Contact { door: place % 16, contact, at, resynced: false }
        };
        take(site.apply(input, &now(ms)), &mut drafts);
        n += 1;
    }
    let gateway = id("g-1");
    let render = |(seq, draft): (u64, &Draft)| {
        let stamp = Stamp { gateway: &gateway, session: 1, seq: Seq(seq), prev: GENESIS };
        render(&stamp, draft).unwrap()
    };
    (1..).zip(&drafts).map(render).collect()
}
