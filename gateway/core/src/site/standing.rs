//! Faults of the box itself: each is told once, over restarts too, and has one restore.
//!
//! A unit that measures says what it finds at its start, good or bad, since it cannot know what was
//! told before. Here it is known: what stands already is not told again, and what never began does
//! not end. Some of these faults prevent arming (EN 50131-1:2006, Table 4: mains, storage device,
//! warning device; mandatory from grade 2). A fault of the transmission does not, other than there:
//! an outage at the district would leave sites unarmed whose sirens work, and nothing is lost by it,
//! since every event waits on the flash. The arming tells that it was armed despite of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::out::Out;
use super::{Blocker, Report, Role, Site};
use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::time::Mono;

/// A fault that stands until its restore.
struct Pair {
    /// The kind of thing that has it.
    of: &'static str,
    began: &'static str,
    ended: &'static str,
    /// What it is called in an arming that it concerns, and whether it prevents that.
    concerns: Option<(&'static str, bool)>,
}

const fn sensor(began: &'static str, ended: &'static str, prevents: Option<&'static str>) -> Pair {
    let concerns = match prevents {
        Some(word) => Some((word, true)),
        None => None,
    };
    Pair { of: "sensor", began, ended, concerns }
}

const PAIRS: [Pair; 8] = [
    sensor("supply.lost", "supply.lost_restored", Some("mains")),
    sensor("battery.low", "battery.low_restored", Some("battery")),
    sensor("battery.missing", "battery.missing_restored", Some("battery")),
    sensor("temperature.high", "temperature.high_restored", None),
    sensor("temperature.low", "temperature.low_restored", None),
    sensor("clock.stopped", "clock.stopped_restored", None),
    Pair {
        of: "gateway",
        began: "uplink.lost",
        ended: "uplink.restored",
        concerns: Some(("transmission", false)),
    },
    Pair { of: "gateway", began: "store.fault", ended: "store.fault_restored", concerns: None },
];

/// The first part of the key of a fault that is kept.
pub(super) const KEY: &str = "box";

/// The faults that stand: kind and source, and which pair it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing(BTreeMap<(&'static str, Id), usize>);

impl Standing {
    /// `kind/id`, as it was kept; `exists`: whether there is a chip with this id. Says whether it
    /// belongs to anything.
    pub(super) fn restore(&mut self, kept: &str, exists: impl Fn(&str) -> bool) -> bool {
        let Some((kind, id)) = kept.split_once('/') else { return false };
        let place = PAIRS.iter().position(|pair| pair.began == kind);
        match (place, id.parse::<Id>()) {
            (Some(place), Ok(id)) if PAIRS[place].of == "gateway" || exists(id.as_str()) => {
                self.0.insert((PAIRS[place].began, id), place);
                true
            }
            _ => false,
        }
    }

    /// A chip is taken out: what stands of it ends.
    pub(super) fn finish(&mut self, chip: &Id, why: &'static str, at: Mono, out: &mut Out<'_>) {
        let of_chip = |place: usize| PAIRS[place].of == "sensor";
        let all = self.0.iter().filter(|((_, id), place)| id == chip && of_chip(**place));
        let all: Vec<usize> = all.map(|(_, place)| *place).collect();
        for place in all {
            let report = Report {
                class: Class::Fault,
                kind: PAIRS[place].ended,
                qualifier: Qualifier::Restore,
                severity: 4,
                source: (PAIRS[place].of, chip.clone()),
                closes: Some(PAIRS[place].began),
                cause: Some(why.to_owned()),
                detail: None,
                at: Some(at),
            };
            if self.takes(&report, out) {
                out.report(report);
            }
        }
    }

    /// Whether a report is news.
    fn takes(&mut self, report: &Report, out: &mut Out<'_>) -> bool {
        let id = &report.source.1;
        let Some(place) =
            PAIRS.iter().position(|pair| [pair.began, pair.ended].contains(&report.kind))
        else {
            return true;
        };
        let began = PAIRS[place].began;
        let key = format!("{KEY}/{began}/{id}");
        if report.qualifier == Qualifier::New {
            let news = self.0.insert((began, id.clone()), place).is_none();
            if news {
                out.keep(key, &true);
            }
            news
        } else {
            let stood = self.0.remove(&(began, id.clone())).is_some();
            if stood {
                out.effects.push(super::Effect::Keep { key, value: None });
            }
            stood
        }
    }

    /// Each with whether it prevents arming.
    fn concerning(&self) -> impl Iterator<Item = (Blocker, bool)> {
        self.0.iter().filter_map(|((_, id), place)| {
            let (why, prevents) = PAIRS[*place].concerns?;
            let (kind, why) = (Cow::Borrowed("box"), Cow::Borrowed(why));
            Some((Blocker { kind, id: id.clone(), why, forcible: true }, prevents))
        })
    }
}

impl Site {
    /// A technical report; one that says what was told already is no event.
    pub(super) fn report(&mut self, report: Report, out: &mut Out<'_>) {
        if self.standing.takes(&report, out) {
            out.report(report);
        }
    }

    /// Faults of the box and of the sirens of a partition that prevent arming from grade 2.
    pub(super) fn box_blockers(&self, partition: usize) -> Vec<Blocker> {
        let all = self.box_faults(partition).into_iter();
        all.filter(|(_, prevents)| *prevents).map(|(fault, _)| fault).collect()
    }

    /// The same with those that only concern it, and whether each prevents it.
    pub(super) fn box_faults(&self, partition: usize) -> Vec<(Blocker, bool)> {
        if self.grade() < 2 {
            return Vec::new();
        }
        let sirens = self.outputs.iter().filter(|output| {
            let config = &output.config;
            output.is_faulty() && config.role == Role::Siren && config.is_for(Some(partition))
        });
        let sirens = sirens.map(|output| {
            let (kind, why) = (Cow::Borrowed("output"), Cow::Borrowed("fault"));
            (Blocker { kind, id: output.config.id.clone(), why, forcible: true }, true)
        });
        self.standing.concerning().chain(sirens).collect()
    }
}
