//! The cost of one input of the rules, on a site of the largest size.
//!
//! `cargo run --release -p gatehouse-core --example apply_bench`
//!
//! 64 zones in 4 partitions, 16 doors, 8 readers, 2,000 credentials; everything known and kept, the
//! clock running. Each line is one kind of input, again and again; the time is the processor's own.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to say")]

use std::hint::black_box;
use std::time::Duration;

use gatehouse_core::credential::SiteKey;
use gatehouse_core::id::Id;
use gatehouse_core::site::{
    AreaConfig, Card, Condition, Contact, Credential, CredentialHash, Days, DoorConfig, Fail,
    Input, LockConfig, Mode, ModeConfig, OutputConfig, PartitionConfig, Passage, ReaderConfig,
    ReaderPart, RexConfig, Role, Site, SiteConfig, Weekly, ZoneConfig, ZoneKind,
};
use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};

const INPUTS: u64 = 200_000;

fn main() {
    println!("input                         ns/input");
    run("tick", |_, _| Input::Tick);
    run("zone opens or closes", |n, at| {
        let condition = if n / 64 % 2 == 0 { Condition::Active } else { Condition::Normal };
        Input::Zone { zone: place(n, 64), condition, at, resynced: false }
    });
    run("zone says the same again", |n, at| {
        let condition = Condition::Normal;
        Input::Zone { zone: place(n, 64), condition, at, resynced: false }
    });
    run("door opens or closes", |n, at| {
        let contact = if n / 16 % 2 == 0 { Contact::Open } else { Contact::Closed };
        Input::Contact { door: place(n, 16), contact, at, resynced: false }
    });
    run("card granted", |n, at| shown(n, at, n % 2_000));
    run("card denied", |n, at| shown(n, at, 2_000 + n));
}

fn shown(n: u64, at: Mono, card: u64) -> Input {
    Input::Card(Card { reader: place(n, 8), credential: hash(card), pin: None, at, late: false })
}

fn place(n: u64, of: u64) -> usize {
    usize::try_from(n % of).unwrap()
}

fn run(name: &str, input: impl Fn(u64, Mono) -> Input) {
    let mut site = site();
    // An input each 300 ms: deadlines come and go as they do.
    let now = |n: u64| {
        let ms = 20_000 + n * 300;
        let utc = UtcMs(1_790_000_000_000 + i64::try_from(ms).unwrap());
        Now { mono: Mono(ms * 1_000_000), utc, err_ms: Some(5), clock: ClockState::Synced }
    };
    let began = on_cpu();
    for n in 0..INPUTS {
        let now = now(n);
        black_box(site.apply(input(n, now.mono), &now));
    }
    let each = (on_cpu() - began) / INPUTS;
    println!("{name:28} {each:>9}");
}

/// Nanoseconds that this process has run: other work on the machine does not count.
fn on_cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

fn hash(n: u64) -> CredentialHash {
    SiteKey::new([7; 32]).card(64, &n.to_le_bytes())
}

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn site() -> Site {
    let seconds = Duration::from_secs;
    let zones = (0..64).map(|n| {
        let kind = ZoneKind::ALL[n % ZoneKind::ALL.len()];
        ZoneConfig::new(id(&format!("zone-{n}")), kind, Some(n % 4), format!("sim:{n}"))
    });
    let delays = ModeConfig { exit: seconds(30), entry: seconds(30) };
    let partitions = (0..4).map(|n| PartitionConfig {
        id: id(&format!("house-{n}")),
        common_to: Vec::new(),
        modes: [Some(delays); 4],
    });
    let doors = (0..16).map(|n| DoorConfig {
        partition: Some(id(&format!("house-{}", n % 4))),
        held_open: Some(seconds(60)),
        propped: Some(seconds(120)),
        rex: Some(RexConfig::new(format!("sim:rex-{n}"))),
        lock: Some(LockConfig { output: 0, pulse: seconds(5), fail: Fail::Secure }),
        release_allowed: true,
        passage: Some(Passage { outside: None, inside: n % 4 }),
        ..DoorConfig::new(id(&format!("door-{n}")), format!("sim:door-{n}"))
    });
    let readers = (0..8).map(|n| ReaderConfig {
        partition: Some(n % 4),
        disarms: true,
        arms: Some(Mode::Away),
        ..ReaderConfig::new(id(&format!("reader-{n}")), format!("sim:osdp-{n}"), Some(n))
    });
    let day = Weekly { days: Days::ALL, from: 0, until: 1440 };
    let credentials =
        (0..2_000).map(|n| Credential { weekly: vec![day], ..Credential::new(hash(n)) });
    let areas = (0..4).map(|n| AreaConfig { id: id(&format!("area-{n}")), passback: true });
    let lock = OutputConfig::new(id("lock"), Role::Lock, "sim:lock".to_owned());
    let config = SiteConfig {
        doors: doors.collect(),
        zones: zones.collect(),
        partitions: partitions.collect(),
        outputs: vec![lock],
        areas: areas.collect(),
        readers: readers.collect(),
        credentials: credentials.collect(),
        ..SiteConfig::default()
    };
    let mut site = Site::new(config, "5e1c7f3a-0b0a-4b7e-9c53-0123456789ab");
    let utc = UtcMs(1_790_000_000_000);
    let now = Now { mono: Mono(1_000_000_000), utc, err_ms: Some(5), clock: ClockState::Synced };
    site.restore([], &id("g-1"), &now);
    let at = now.mono;
    for zone in 0..64 {
        let condition = Condition::Normal;
        site.apply(Input::Zone { zone, condition, at, resynced: false }, &now);
    }
    for door in 0..16 {
        let contact = Contact::Closed;
        site.apply(Input::Contact { door, contact, at, resynced: false }, &now);
    }
    for reader in 0..8 {
        let (part, good) = (ReaderPart::Link, true);
        site.apply(Input::ReaderStatus { reader, part, good, cause: None, at }, &now);
    }
    site
}
