//! The protection ledger: for each zone, reader and camera, how long it did not protect, why, and by whose
//! wish.
//!
//! Seconds are counted on `CLOCK_BOOTTIME` and told once a day as `ledger.day`. What is out
//! for several reasons is counted once, under the gravest: what cannot detect comes before what was
//! switched off.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Site;
use super::layout::NOWHERE;
use super::out::{Head, Out};
use super::partition::Partition;
use super::zone::Zone;
use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::time::{ClockState, Mono, Now, UtcMs};

/// Where it is kept.
pub(super) const KEY: &str = "ledger/day";

/// What happened since is lost to the ledger when the power is cut; whole seconds of a day matter
/// less than flash.
const KEEP_EVERY: Duration = Duration::from_secs(900);

/// A day, where the day of the site is not known.
const DAY: Duration = Duration::from_secs(86_400);

/// Zones, readers and cameras in one event, so that it stays below the largest payload with a reason or two for each.
const THINGS_IN_ONE: usize = 24;

/// Seconds by id, then by reason (`bypassed`, or `bypassed by {actor}`).
type Seconds = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    from: UtcMs,
    seconds: Seconds,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    readers: Seconds,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    cameras: Seconds,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    /// Of which, why and by whose wish, since when: zones, then readers, then cameras, in the order of the
    /// configuration.
    out: Vec<Option<(&'static str, Option<String>, Mono)>>,
    millis: BTreeMap<usize, BTreeMap<String, u64>>,
    from: UtcMs,
    ends: Option<Mono>,
    keep_at: Option<Mono>,
}

impl Ledger {
    pub(super) fn new(things: usize) -> Self {
        Self {
            out: vec![None; things],
            millis: BTreeMap::new(),
            from: UtcMs::default(),
            ends: None,
            keep_at: None,
        }
    }

    /// Goes on counting under another configuration; `zones`: their new places by the old ones.
    /// The day of a zone that is gone is not told.
    pub(super) fn take_over(&mut self, old: Self, things: &[usize]) {
        let Self { out, millis, from, ends, keep_at } = old;
        for (place, out) in things.iter().zip(out) {
            if let Some(known) = self.out.get_mut(*place) {
                *known = out;
            }
        }
        let millis = millis.into_iter().map(|(thing, reasons)| (things[thing], reasons));
        self.millis = millis.filter(|(place, _)| *place != NOWHERE).collect();
        (self.from, self.ends, self.keep_at) = (from, ends, keep_at);
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.ends.into_iter().chain(self.keep_at).min()
    }

    fn count(&mut self, thing: usize, at: Mono) {
        if let Some((reason, by, since)) = &mut self.out[thing] {
            let reason = match by {
                Some(by) => format!("{reason} by {by}"),
                None => (*reason).to_owned(),
            };
            let millis = u64::try_from(at.since(*since).as_millis()).unwrap_or(u64::MAX);
            if millis > 0 {
                *self.millis.entry(thing).or_default().entry(reason).or_default() += millis;
                *since = at;
            }
        }
    }

    fn note(&mut self, thing: usize, why: Option<(&'static str, Option<&str>)>, at: Mono) {
        // Nearly always nothing has changed: this runs for every zone at every input.
        if self.out[thing].as_ref().map(|(reason, by, _)| (*reason, by.as_deref())) != why {
            self.count(thing, at);
            self.out[thing] = why.map(|(reason, by)| (reason, by.map(str::to_owned), at));
        }
    }
}

impl Site {
    /// Looks at what every zone, reader and camera is doing now.
    pub(super) fn account(&mut self, at: Mono) {
        for (index, zone) in self.zones.iter().enumerate() {
            let partition = zone.config.partition.map(|place| &self.partitions[place]);
            self.ledger.note(index, why_out(zone, partition), at);
        }
        for (index, reader) in self.readers.iter().enumerate() {
            let why = reader.why_out().map(|why| (why, None));
            self.ledger.note(self.zones.len() + index, why, at);
        }
        let before = self.zones.len() + self.readers.len();
        for (index, camera) in self.cameras.iter().enumerate() {
            let why = camera.why_out().map(|why| (why, None));
            self.ledger.note(before + index, why, at);
        }
    }

    fn count_all(&mut self, at: Mono) {
        for thing in 0..self.ledger.out.len() {
            self.ledger.count(thing, at);
        }
    }

    /// The seconds of the running day so far, as in `ledger.day`.
    pub fn unprotected(&mut self, at: Mono) -> Value {
        self.count_all(at);
        let [zones, readers, cameras] = self.seconds();
        json!({
            "from": self.ledger.from, "zones_s": zones, "readers_s": readers, "cameras_s": cameras,
        })
    }

    /// Of the zones, of the readers, of the cameras.
    fn seconds(&self) -> [Seconds; 3] {
        let of = |id: &Id, thing: usize| {
            let reasons = self.ledger.millis.get(&thing)?.iter();
            let seconds = reasons.map(|(reason, ms)| (reason.clone(), ms.div_ceil(1000)));
            Some((id.to_string(), seconds.collect()))
        };
        let zones = self.zones.iter().enumerate();
        let zones = zones.filter_map(|(n, zone)| of(&zone.config.id, n));
        let readers = self.readers.iter().enumerate();
        let readers = readers.filter_map(|(n, one)| of(&one.config.id, self.zones.len() + n));
        let before = self.zones.len() + self.readers.len();
        let cameras = self.cameras.iter().enumerate();
        let cameras = cameras.filter_map(|(n, one)| of(&one.config.id, before + n));
        [zones.collect(), readers.collect(), cameras.collect()]
    }

    /// The start: what was counted before goes on, and the dark time is nobody's protection.
    pub(super) fn ledger_begin(&mut self, now: &Now) {
        if self.ledger.from == UtcMs::default() {
            self.ledger.from = now.utc;
        }
        if let Some(dark) = self.dark.last().and_then(|dark| dark.at_most) {
            let millis = u64::try_from(dark.as_millis()).unwrap_or(u64::MAX);
            for thing in 0..self.ledger.out.len() {
                let reasons = self.ledger.millis.entry(thing).or_default();
                *reasons.entry("dark".to_owned()).or_default() += millis;
            }
        }
        self.ledger.ends = Some(now.mono.plus(self.rest_of_day(now)));
        self.ledger.keep_at = Some(now.mono.plus(KEEP_EVERY));
        self.account(now.mono);
    }

    /// Until midnight by the clock on the site's wall.
    fn rest_of_day(&self, now: &Now) -> Duration {
        if now.clock == ClockState::Never {
            return DAY;
        }
        let midnight = now.utc.midnight(1, &self.access.time_zone);
        let left = midnight.and_then(|midnight| u64::try_from(midnight.0 - now.utc.0).ok());
        left.map_or(DAY, |left| Duration::from_millis(left.max(1)))
    }

    pub(super) fn ledger_restore(&mut self, value: &str) -> serde_json::Result<()> {
        let kept: Kept = serde_json::from_str(value)?;
        self.ledger.from = kept.from;
        let zones = self.zones.iter().map(|zone| (&zone.config.id, &kept.seconds));
        let readers = self.readers.iter().map(|reader| (&reader.config.id, &kept.readers));
        let cameras = self.cameras.iter().map(|camera| (&camera.config.id, &kept.cameras));
        for (thing, (id, seconds)) in zones.chain(readers).chain(cameras).enumerate() {
            if let Some(reasons) = seconds.get(id.as_str()) {
                let millis = reasons.iter().map(|(reason, s)| (reason.clone(), s * 1000));
                self.ledger.millis.insert(thing, millis.collect());
            }
        }
        Ok(())
    }

    pub(super) fn ledger_due(&mut self, gateway: &Id, at: Mono, out: &mut Out<'_>) {
        self.count_all(at);
        if self.ledger.ends.is_some_and(|ends| ends <= at) {
            self.ledger_day(gateway, at, out);
            self.ledger.millis.clear();
            self.ledger.from = out.now.utc_at(at);
            self.ledger.ends = Some(at.plus(self.rest_of_day(&out.now.at(at))));
        }
        self.ledger_keep(at, out);
    }

    /// What was counted so far, over a restart.
    pub(super) fn ledger_keep(&mut self, at: Mono, out: &mut Out<'_>) {
        self.count_all(at);
        self.ledger.keep_at = Some(at.plus(KEEP_EVERY));
        let [seconds, readers, cameras] = self.seconds();
        out.keep(KEY.to_owned(), &Kept { from: self.ledger.from, seconds, readers, cameras });
    }

    fn ledger_day(&self, gateway: &Id, at: Mono, out: &mut Out<'_>) {
        let (from, to) = (self.ledger.from, out.now.utc_at(at));
        let kinds = self.seconds().into_iter().enumerate();
        let all = kinds.flat_map(|(kind, things)| {
            things.into_iter().map(move |(id, reasons)| (kind, id, reasons))
        });
        let all: Vec<_> = all.collect();
        let parts = all.chunks(THINGS_IN_ONE);
        let of = parts.len();
        for (part, things) in parts.enumerate() {
            let head = Head {
                class: Class::System,
                kind: "ledger.day",
                qualifier: Qualifier::Status,
                severity: 5,
                source: ("gateway", gateway),
            };
            let of_kind = |kind: usize| -> BTreeMap<_, _> {
                let these = things.iter().filter(|(of, ..)| *of == kind);
                these.map(|(_, id, reasons)| (id, reasons)).collect()
            };
            let [zones, readers, cameras] = [0, 1, 2].map(of_kind);
            out.record(at, head, |draft| {
                let mut facts = json!({
                    "from": from, "to": to, "part": part + 1, "of": of, "zones_s": zones,
                });
                if !readers.is_empty() {
                    facts["readers_s"] = json!(readers);
                }
                if !cameras.is_empty() {
                    facts["cameras_s"] = json!(cameras);
                }
                draft.detail = Some(facts);
            });
        }
    }
}

/// Why a zone does not protect at this moment, the gravest reason; and by whose wish.
fn why_out<'a>(
    zone: &'a Zone,
    partition: Option<&'a Partition>,
) -> Option<(&'static str, Option<&'a str>)> {
    if let Some(trouble) = zone.why_blind() {
        return Some((trouble, None));
    }
    if zone.bypass().is_some() {
        return Some(("bypassed", zone.bypassed_by()));
    }
    if zone.is_out() {
        return Some(("shut down", None));
    }
    if zone.config.soak || zone.walking {
        return Some(("test", None));
    }
    if !zone.config.kind.needs_arming() {
        return None;
    }
    let protects = partition.map(Partition::protects).unwrap_or_default();
    if zone.config.modes.contains(protects) {
        return None;
    }
    Some(("disarmed", partition.and_then(Partition::set_by)))
}
