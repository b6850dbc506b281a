//! Takes events in any order, and says what they come to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gatehouse_core::event::{Class, Lane};
use gatehouse_core::time::UtcMs;
use serde::Deserialize;
use serde_json::Value;

use super::Period;
use super::figures::{Figures, Report, SiteFigures, Times};
use crate::store::Stored;

/// A gateway: its site and its id, with the mark of a former life.
type Gateway = (String, String);

/// What of an event says something here.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    source: Source<'a>,
    #[serde(default)]
    actor: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    opens: Option<u64>,
    #[serde(default)]
    detail: Option<Value>,
    #[serde(default)]
    test: bool,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    id: std::borrow::Cow<'a, str>,
}

#[derive(Debug, Default)]
struct Incident {
    began: Option<(UtcMs, Class)>,
    acked: Option<UtcMs>,
    /// When, whether an operator did it, and for what reason.
    closed: Option<(UtcMs, bool, Option<String>)>,
    escalated: bool,
}

/// Something that lasts from one event to the one that names it.
#[derive(Debug, Default)]
struct Spells {
    begins: HashMap<(Gateway, u64), UtcMs>,
    ends: HashMap<(Gateway, u64), UtcMs>,
}

/// When a gateway was heard, by what its events say of when they happened.
#[derive(Debug, Default)]
struct Heard {
    days: BTreeSet<usize>,
    /// Of its earliest event: when, and whether its journal began with it.
    earliest: Option<(UtcMs, bool)>,
}

/// What is added up of a site, or of all, in the period or a day of it.
#[derive(Debug, Default)]
struct Cell {
    figures: Figures,
    acks: Vec<u64>,
    closes: Vec<u64>,
}

/// See the module's page.
#[derive(Debug)]
pub struct Collector {
    period: Period,
    gateways: BTreeMap<String, BTreeMap<String, Heard>>,
    incidents: HashMap<(Gateway, String), Incident>,
    faults: Spells,
    losses: Spells,
    /// By site (none: all) and day (none: the whole period).
    cells: BTreeMap<(Option<String>, Option<usize>), Cell>,
}

impl Collector {
    /// Nothing yet.
    pub fn new(period: Period) -> Self {
        Self {
            period,
            gateways: BTreeMap::new(),
            incidents: HashMap::new(),
            faults: Spells::default(),
            losses: Spells::default(),
            cells: BTreeMap::new(),
        }
    }

    /// Takes an event; each once.
    pub fn take(&mut self, stored: &Stored) {
        let at = stored.when.utc;
        let here = self.period.day(at);
        if let Some(day) = here {
            self.heard(stored, day);
        }
        // What cannot be read was never committed as an event.
        let Ok(told) = serde_json::from_slice::<Told<'_>>(&stored.body) else { return };
        if told.test {
            return;
        }
        let gateway = || (stored.site.clone(), stored.gateway.clone());
        match &*told.kind {
            "incident.acked" | "incident.closed" | "alarm.escalated" => {
                self.act(gateway(), at, &told);
            }
            "ledger.day" => self.ledger(&stored.site, told.detail.as_ref()),
            "round.done" => self.add(&stored.site, here, |figures| figures.rounds.done += 1),
            "round.late" => self.add(&stored.site, here, |figures| figures.rounds.late += 1),
            "round.missed" => {
                // Those of a time in which nobody looked are told together.
                let count = told.detail.as_ref().and_then(|detail| detail.get("count")?.as_u64());
                self.add(&stored.site, here, |figures| figures.rounds.missed += count.unwrap_or(1));
            }
            "path.fault" => {
                self.add(&stored.site, here, |figures| figures.paths.faults += 1);
                self.faults.begins.insert((gateway(), stored.seq.0), at);
            }
            "uplink.lost" => drop(self.losses.begins.insert((gateway(), stored.seq.0), at)),
            "path.restored" => self.faults.end(gateway(), told.opens, at),
            "uplink.restored" => self.losses.end(gateway(), told.opens, at),
            _ if stored.class.lane() == Lane::Alarm && told.source.kind != "incident" => {
                let incident =
                    told.detail.as_ref().and_then(|detail| detail.get("incident")?.as_str());
                let Some(incident) = incident else { return };
                let known = self.incidents.entry((gateway(), incident.to_owned())).or_default();
                // Those that join it later do not begin it.
                if known.began.is_none_or(|(began, _)| at < began) {
                    known.began = Some((at, stored.class));
                }
            }
            _ => {}
        }
    }

    fn heard(&mut self, stored: &Stored, day: usize) {
        // A box that began anew is the same gateway: its former life has a mark behind its id.
        let id = stored.gateway.split('#').next().unwrap_or_default();
        if !self.gateways.contains_key(&stored.site) {
            self.gateways.insert(stored.site.clone(), BTreeMap::new());
        }
        let Some(known) = self.gateways.get_mut(&stored.site) else { return };
        if !known.contains_key(id) {
            known.insert(id.to_owned(), Heard::default());
        }
        let Some(heard) = known.get_mut(id) else { return };
        heard.days.insert(day);
        let this = (stored.when.utc, stored.seq.0 == 1);
        // Of two at one instant it is the first of the journal.
        let before = |(at, first): (UtcMs, bool)| this.0 < at || (this.0 == at && !first);
        if heard.earliest.is_none_or(before) {
            heard.earliest = Some(this);
        }
    }

    fn act(&mut self, gateway: Gateway, at: UtcMs, told: &Told<'_>) {
        if told.source.kind != "incident" {
            return;
        }
        let known =
            self.incidents.entry((gateway, told.source.id.clone().into_owned())).or_default();
        match &*told.kind {
            "alarm.escalated" => known.escalated = true,
            "incident.acked" => {
                known.acked = Some(known.acked.map_or(at, |before| before.min(at)));
            }
            _ => {
                let reason = told.detail.as_ref().and_then(|detail| detail.get("reason")?.as_str());
                known.closed = Some((at, told.actor.is_some(), reason.map(str::to_owned)));
            }
        }
    }

    fn ledger(&mut self, site: &str, detail: Option<&Value>) {
        let from =
            |detail: &Value| serde_json::from_value::<UtcMs>(detail.get("from")?.clone()).ok();
        let Some(detail) = detail else { return };
        // The day ends with the event: it belongs to when it began.
        let Some(day) = from(detail).and_then(|from| self.period.day(from)) else { return };
        let kinds = ["zones_s", "readers_s", "cameras_s"];
        for things in kinds.iter().filter_map(|key| detail.get(*key)?.as_object()) {
            for (why, seconds) in things.values().filter_map(Value::as_object).flatten() {
                let Some(seconds) = seconds.as_u64() else { continue };
                // Why, and not by whose wish.
                let why = why.split(" by ").next().unwrap_or_default();
                self.add(site, Some(day), |figures| {
                    *figures.unprotected_s.entry(why.to_owned()).or_default() += seconds;
                });
            }
        }
    }

    /// Adds something to the site and to all, in the day and in the whole.
    fn add(&mut self, site: &str, day: Option<usize>, mut what: impl FnMut(&mut Figures)) {
        self.cells(site, day, |cell| what(&mut cell.figures));
    }

    fn cells(&mut self, site: &str, day: Option<usize>, mut what: impl FnMut(&mut Cell)) {
        let Some(day) = day else { return };
        for site in [None, Some(site)] {
            for day in [None, Some(day)] {
                what(self.cells.entry((site.map(str::to_owned), day)).or_default());
            }
        }
    }

    /// What it comes to. What has not ended by `now` lasts until then.
    pub fn report(mut self, now: UtcMs) -> Report {
        for ((gateway, _), incident) in std::mem::take(&mut self.incidents) {
            self.incident(&gateway.0, &incident);
        }
        let faults = std::mem::take(&mut self.faults);
        self.spells(faults, now, |figures, seconds| figures.paths.down_s += seconds);
        let losses = std::mem::take(&mut self.losses);
        self.spells(losses, now, |figures, seconds| figures.paths.unreachable_s += seconds);
        let known = std::mem::take(&mut self.gateways);
        for (site, gateways) in &known {
            for heard in gateways.values() {
                self.watched(site, heard, now);
            }
        }
        let days = self.period.len();
        let gateways = known.values().map(BTreeMap::len).sum();
        let all = self.site(None, gateways, days);
        let of = |(site, gateways): (String, BTreeMap<String, Heard>)| {
            let figures = self.site(Some(&site), gateways.len(), days);
            (site, figures)
        };
        Report { sites: known.into_iter().map(of).collect(), all, period: self.period }
    }

    /// A gateway is watched from its first event on. It tells something every day, its ledger at
    /// least: of a whole day of which it tells nothing it is not known that it could be reached.
    fn watched(&mut self, site: &str, heard: &Heard, now: UtcMs) {
        let begun = heard.earliest.filter(|(_, first)| *first).map(|(at, _)| at);
        for (day, (from, to)) in self.period.clone().days().enumerate() {
            let from = begun.map_or(from, |begun| begun.max(from));
            let watched = seconds(from, to.min(now));
            let silent = to <= now && !heard.days.contains(&day);
            self.add(site, Some(day), |figures| {
                figures.paths.watched_s += watched;
                figures.paths.silent_s += if silent { watched } else { 0 };
            });
        }
    }

    fn site(&mut self, site: Option<&str>, gateways: usize, days: usize) -> SiteFigures {
        let mut of = |day| {
            let cell = self.cells.remove(&(site.map(str::to_owned), day)).unwrap_or_default();
            let (acknowledged, closed) = (Times::of(cell.acks), Times::of(cell.closes));
            Figures { acknowledged, closed, ..cell.figures }
        };
        SiteFigures {
            gateways,
            whole: of(None),
            days: (0..days).map(|day| of(Some(day))).collect(),
        }
    }

    fn incident(&mut self, site: &str, incident: &Incident) {
        let Some((began, class)) = incident.began else { return };
        let day = self.period.day(began);
        let since = |at: UtcMs| u64::try_from(at.0.saturating_sub(began.0)).unwrap_or(0);
        self.cells(site, day, |cell| {
            let figures = &mut cell.figures;
            *figures.incidents.entry(class.as_str()).or_default() += 1;
            figures.escalated += u64::from(incident.escalated);
            cell.acks.extend(incident.acked.map(since));
            match &incident.closed {
                Some((_, false, _)) => figures.closed_by_itself += 1,
                Some((at, true, reason)) => {
                    cell.closes.push(since(*at));
                    let judged = &mut figures.judged;
                    *match reason.as_deref() {
                        Some("real") => &mut judged.real,
                        Some("false") => &mut judged.r#false,
                        Some("test") => &mut judged.test,
                        Some(_) => &mut judged.unknown,
                        None => &mut judged.unsaid,
                    } += 1;
                }
                None => {}
            }
        });
    }

    /// Adds the seconds of each spell to the days in which they lie.
    fn spells(&mut self, spells: Spells, now: UtcMs, add: impl Fn(&mut Figures, u64)) {
        let Spells { begins, mut ends } = spells;
        let mut all = Vec::new();
        for (key, from) in begins {
            let to = ends.remove(&key).unwrap_or(now);
            all.push((key.0.0, from, to));
        }
        // Begun before the period.
        all.extend(ends.into_iter().map(|((gateway, _), to)| (gateway.0, self.period.from(), to)));
        for (site, from, to) in all {
            for (day, (begin, end)) in self.period.clone().days().enumerate() {
                let seconds = seconds(from.max(begin), to.min(end));
                if seconds > 0 {
                    self.add(&site, Some(day), |figures| add(figures, seconds));
                }
            }
        }
    }
}

impl Spells {
    fn end(&mut self, gateway: Gateway, opens: Option<u64>, at: UtcMs) {
        if let Some(opens) = opens {
            self.ends.insert((gateway, opens), at);
        }
    }
}

fn seconds(from: UtcMs, to: UtcMs) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0) / 1000).unwrap_or(0)
}
