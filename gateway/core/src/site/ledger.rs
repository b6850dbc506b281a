//! The protection ledger: for each zone, how long it did not protect, why, and by whose wish.
//!
//! Seconds are counted on `CLOCK_BOOTTIME` and told once a day as `ledger.day`. A zone that is out
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

/// Zones in one event, so that it stays below the largest payload with a reason or two for each.
const ZONES_IN_ONE: usize = 24;

/// Seconds by zone, then by reason (`bypassed`, or `bypassed by {actor}`).
type Seconds = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    from: UtcMs,
    seconds: Seconds,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    /// Of which zone, why and by whose wish, since when; in the order of the configuration.
    out: Vec<Option<(&'static str, Option<String>, Mono)>>,
    millis: BTreeMap<usize, BTreeMap<String, u64>>,
    from: UtcMs,
    ends: Option<Mono>,
    keep_at: Option<Mono>,
}

impl Ledger {
    pub(super) fn new(zones: usize) -> Self {
        Self {
            out: vec![None; zones],
            millis: BTreeMap::new(),
            from: UtcMs::default(),
            ends: None,
            keep_at: None,
        }
    }

    /// Goes on counting under another configuration; `zones`: their new places by the old ones.
    /// The day of a zone that is gone is not told.
    pub(super) fn take_over(&mut self, old: Self, zones: &[usize]) {
        let Self { out, millis, from, ends, keep_at } = old;
        for (place, out) in zones.iter().zip(out) {
            if let Some(known) = self.out.get_mut(*place) {
                *known = out;
            }
        }
        let millis = millis.into_iter().map(|(zone, reasons)| (zones[zone], reasons));
        self.millis = millis.filter(|(place, _)| *place != NOWHERE).collect();
        (self.from, self.ends, self.keep_at) = (from, ends, keep_at);
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.ends.into_iter().chain(self.keep_at).min()
    }

    fn count(&mut self, zone: usize, at: Mono) {
        if let Some((reason, by, since)) = &mut self.out[zone] {
            let reason = match by {
                Some(by) => format!("{reason} by {by}"),
                None => (*reason).to_owned(),
            };
            let millis = u64::try_from(at.since(*since).as_millis()).unwrap_or(u64::MAX);
            if millis > 0 {
                *self.millis.entry(zone).or_default().entry(reason).or_default() += millis;
                *since = at;
            }
        }
    }

    fn note(&mut self, zone: usize, why: Option<(&'static str, Option<&str>)>, at: Mono) {
        // Nearly always nothing has changed: this runs for every zone at every input.
        if self.out[zone].as_ref().map(|(reason, by, _)| (*reason, by.as_deref())) != why {
            self.count(zone, at);
            self.out[zone] = why.map(|(reason, by)| (reason, by.map(str::to_owned), at));
        }
    }
}

impl Site {
    /// Looks at what every zone is doing now.
    pub(super) fn account(&mut self, at: Mono) {
        for (index, zone) in self.zones.iter().enumerate() {
            let partition = zone.config.partition.map(|place| &self.partitions[place]);
            self.ledger.note(index, why_out(zone, partition), at);
        }
    }

    /// The seconds of the running day so far, as in `ledger.day`.
    pub fn unprotected(&mut self, at: Mono) -> Value {
        for index in 0..self.zones.len() {
            self.ledger.count(index, at);
        }
        json!(self.seconds())
    }

    fn seconds(&self) -> Seconds {
        let named = self.ledger.millis.iter().map(|(zone, reasons)| {
            let seconds = reasons.iter().map(|(reason, ms)| (reason.clone(), ms.div_ceil(1000)));
            (self.zones[*zone].config.id.to_string(), seconds.collect())
        });
        named.collect()
    }

    /// The start: what was counted before goes on, and the dark time is nobody's protection.
    pub(super) fn ledger_begin(&mut self, now: &Now) {
        if self.ledger.from == UtcMs::default() {
            self.ledger.from = now.utc;
        }
        if let Some(dark) = self.dark.last().and_then(|dark| dark.at_most) {
            let millis = u64::try_from(dark.as_millis()).unwrap_or(u64::MAX);
            for zone in 0..self.zones.len() {
                let reasons = self.ledger.millis.entry(zone).or_default();
                *reasons.entry("dark".to_owned()).or_default() += millis;
            }
        }
        self.ledger.ends = Some(now.mono.plus(Self::rest_of_day(now)));
        self.ledger.keep_at = Some(now.mono.plus(KEEP_EVERY));
        self.account(now.mono);
    }

    fn rest_of_day(now: &Now) -> Duration {
        if now.clock == ClockState::Never {
            return DAY;
        }
        let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
        let gone = now.utc.0.rem_euclid(day);
        Duration::from_millis(u64::try_from(day - gone).unwrap_or(0).max(1))
    }

    pub(super) fn ledger_restore(&mut self, value: &str) -> serde_json::Result<()> {
        let kept: Kept = serde_json::from_str(value)?;
        self.ledger.from = kept.from;
        for (index, zone) in self.zones.iter().enumerate() {
            if let Some(reasons) = kept.seconds.get(zone.config.id.as_str()) {
                let millis = reasons.iter().map(|(reason, s)| (reason.clone(), s * 1000));
                self.ledger.millis.insert(index, millis.collect());
            }
        }
        Ok(())
    }

    pub(super) fn ledger_due(&mut self, gateway: &Id, at: Mono, out: &mut Out<'_>) {
        for index in 0..self.zones.len() {
            self.ledger.count(index, at);
        }
        if self.ledger.ends.is_some_and(|ends| ends <= at) {
            self.ledger_day(gateway, at, out);
            self.ledger.millis.clear();
            self.ledger.from = out.now.utc_at(at);
            self.ledger.ends = Some(at.plus(Self::rest_of_day(&out.now.at(at))));
        }
        self.ledger.keep_at = Some(at.plus(KEEP_EVERY));
        let kept = Kept { from: self.ledger.from, seconds: self.seconds() };
        out.keep(KEY.to_owned(), &kept);
    }

    fn ledger_day(&self, gateway: &Id, at: Mono, out: &mut Out<'_>) {
        let (from, to) = (self.ledger.from, out.now.utc_at(at));
        let all: Vec<_> = self.seconds().into_iter().collect();
        let parts = all.chunks(ZONES_IN_ONE);
        let of = parts.len();
        for (part, zones) in parts.enumerate() {
            let head = Head {
                class: Class::System,
                kind: "ledger.day",
                qualifier: Qualifier::Status,
                severity: 5,
                source: ("gateway", gateway),
            };
            let zones: BTreeMap<_, _> = zones.iter().cloned().collect();
            out.record(at, head, |draft| {
                draft.detail = Some(json!({
                    "from": from, "to": to, "part": part + 1, "of": of, "zones_s": zones,
                }));
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
