//! Schedules and key switches: scripted cases here, random ones in `random`.

mod keys;
mod random;
mod rules;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::time::{ClockState, UtcMs};

/// Central Europe: 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00.
const EUROPE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn utc(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// A flat that is armed at 22:00 and disarmed at 06:00 every day, without a warning.
fn nightly() -> ScheduleConfig {
    ScheduleConfig {
        arm: Some(22 * 60),
        disarm: Some(6 * 60),
        warning: Duration::ZERO,
        retry: Duration::ZERO,
        ..ScheduleConfig::new(id("nights"), 0)
    }
}

fn config(schedules: Vec<ScheduleConfig>) -> SiteConfig {
    let delays = ModeConfig { exit: Duration::ZERO, entry: Duration::from_secs(20) };
    let flat = PartitionConfig { id: id("flat"), common_to: Vec::new(), modes: [Some(delays); 4] };
    let zone = ZoneConfig::new(id("window"), ZoneKind::Instant, Some(0), "sim:0".into());
    SiteConfig {
        partitions: vec![flat],
        zones: vec![zone],
        schedules,
        access: AccessConfig {
            time_zone: TimeZone::posix(EUROPE).unwrap(),
            ..AccessConfig::default()
        },
        ..SiteConfig::default()
    }
}

/// A site with its clocks.
struct World {
    config: SiteConfig,
    site: Site,
    boot: u32,
    /// `CLOCK_BOOTTIME`, in milliseconds.
    mono: u64,
    wall: i64,
    clock: ClockState,
    err_ms: Option<u32>,
    kept: BTreeMap<String, String>,
    /// Everything that was told since it was last asked for: event and cause.
    told: Vec<String>,
    drafts: Vec<Draft>,
    answer: Option<Answer>,
    chimes: usize,
    coming: BTreeMap<usize, Coming>,
}

impl World {
    fn new(config: SiteConfig, begins: &str) -> Self {
        let mut this = Self {
            site: Site::new(config.clone(), "boot-0"),
            config,
            boot: 0,
            mono: 1_000,
            wall: utc(begins),
            clock: ClockState::Synced,
            err_ms: Some(50),
            kept: BTreeMap::new(),
            told: Vec::new(),
            drafts: Vec::new(),
            answer: None,
            chimes: 0,
            coming: BTreeMap::new(),
        };
        this.start();
        this
    }

    fn now(&self) -> Now {
        let mono = Mono(self.mono * 1_000_000);
        Now { mono, utc: UtcMs(self.wall), err_ms: self.err_ms, clock: self.clock }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Record(draft) => {
                    self.told.push(draft.kind.to_string());
                    self.drafts.push(draft);
                }
                Effect::Keep { key, value: Some(value) } => {
                    self.kept.insert(key, value);
                }
                Effect::Keep { key, value: None } => {
                    self.kept.remove(&key);
                }
                Effect::Answer { answer, .. } => self.answer = Some(answer),
                Effect::Chime { sound: Sound::Chime, .. } => self.chimes += 1,
                Effect::Schedule { schedule, coming } => {
                    self.coming.insert(schedule, coming);
                }
                _ => {}
            }
        }
    }

    fn put(&mut self, input: Input) {
        let effects = self.site.apply(input, &self.now());
        self.take(effects);
    }

    /// The daemon's start: what was kept, then the window, which is closed.
    fn start(&mut self) {
        let kept = self.kept.clone();
        let kept = kept.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let effects = self.site.restore(kept, &id("g"), &self.now());
        self.take(effects);
        if !self.config.zones.is_empty() {
            self.window(Condition::Normal);
        }
    }

    /// The power fails for so long.
    fn dark(&mut self, ms: u64) {
        self.boot += 1;
        self.wall += i64::try_from(ms).unwrap();
        self.mono = 1_000;
        self.site = Site::new(self.config.clone(), &format!("boot-{}", self.boot));
        self.start();
    }

    /// The daemon is started again, within a moment of one boot.
    fn restart(&mut self) {
        self.site = Site::new(self.config.clone(), &format!("boot-{}", self.boot));
        self.start();
    }

    fn window(&mut self, condition: Condition) {
        let at = self.now().mono;
        self.put(Input::Zone { zone: 0, condition, at, resynced: false });
    }

    /// Time passes as the daemon lets it: each deadline is looked at when it comes.
    fn pass(&mut self, ms: u64) {
        let end = self.mono + ms;
        loop {
            let due = self.site.next_deadline().map(|at| at.0.div_ceil(1_000_000));
            let next = due.filter(|due| *due <= end).unwrap_or(end).max(self.mono);
            self.wall += i64::try_from(next - self.mono).unwrap();
            self.mono = next;
            self.put(Input::Tick);
            let more = self.site.next_deadline().is_some_and(|at| at.0.div_ceil(1_000_000) <= end);
            if next == end && !more {
                return;
            }
        }
    }

    /// Time passes until the clock on the wall is there.
    fn until(&mut self, text: &str) {
        let left = utc(text) - self.wall;
        self.pass(u64::try_from(left).expect("a time to come"));
    }

    /// The wall clock is set.
    fn set(&mut self, text: &str) {
        self.wall = utc(text);
    }

    fn want(&mut self, verb: Verb) -> Answer {
        let at = self.now().mono;
        let command = Command { id: 1, via: Via::Cli, actor: Some("a1".into()), verb, at };
        self.put(Input::Command(command));
        self.answer.take().unwrap()
    }

    fn arm(&mut self, mode: Mode) {
        let verb = Verb::Arm { partition: 0, mode, force: false, at_once: true };
        assert_eq!(self.want(verb), Answer::Done);
    }

    fn disarm(&mut self) {
        self.want(Verb::Disarm { partition: 0 });
    }

    fn mode(&self) -> Mode {
        self.site.partitions[0].mode()
    }

    /// What was told since the last time, but for the ledger.
    fn told(&mut self) -> Vec<String> {
        let mut told = std::mem::take(&mut self.told);
        told.retain(|kind| kind != "ledger.day");
        told
    }

    fn cause(&self, kind: &str) -> Option<&str> {
        self.drafts.iter().rev().find(|draft| draft.kind == kind)?.cause.as_deref()
    }
}
