//! The walk test: somebody walks through a partition, and each detector that sees them is ticked off.
//!
//! While it runs, what the detectors see carries `test` and nothing acts on it; a tamper or a fault
//! that is found on the way is a real one. It ends by itself, with arming and with a restart: a test that was forgotten must not leave a site
//! without protection.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::arming::By;
use super::command::{Answer, Refusal, Via};
use super::out::Out;
use super::{Mode, Site};
use crate::event::{Class, Qualifier};
use crate::time::Mono;

/// A walk test lasts so long at most: a large site with a coffee in between.
pub const LONGEST_WALK: Duration = Duration::from_secs(4 * 3600);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) until: Mono,
    seen: BTreeSet<usize>,
}

impl Walk {
    /// The same test where zones have other places.
    pub(super) fn moved(self, there: impl Fn(usize) -> Option<usize>) -> Self {
        Self { seen: self.seen.into_iter().filter_map(there).collect(), ..self }
    }
}

impl Site {
    pub(super) fn walk_begin(
        &mut self,
        place: usize,
        lasts: Duration,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        let partition = &mut self.partitions[place];
        if partition.mode() != Mode::Disarmed {
            return Answer::Refused { reason: Refusal::Armed, blockers: Vec::new() };
        }
        if partition.walk.is_some() {
            return Answer::Already;
        }
        let lasts = lasts.min(LONGEST_WALK);
        partition.walk = Some(Walk { until: at.plus(lasts), seen: BTreeSet::new() });
        for zone in self.zones.iter_mut().filter(|zone| zone.config.partition == Some(place)) {
            zone.walking = true;
        }
        self.partitions[place].event(at, "walk.begun", out, |draft| {
            draft.class = Class::Test;
            draft.qualifier = Qualifier::New;
            draft.test = true;
            draft.actor = by.actor.map(str::to_owned);
            draft.detail = Some(json!({ "via": by.via.as_str(), "lasts_s": lasts.as_secs() }));
        });
        self.partitions[place].show(place, at, out);
        Answer::Done
    }

    /// A detector saw somebody.
    pub(super) fn walked(&mut self, index: usize, place: usize, at: Mono, out: &mut Out<'_>) {
        let Some(walk) = &mut self.partitions[place].walk else { return };
        if walk.seen.insert(index) {
            self.zones[index].event(at, "zone.walked", Qualifier::Status, out, |draft| {
                draft.class = Class::Test;
                draft.severity = 5;
            });
        }
    }

    pub(super) fn walk_end(
        &mut self,
        place: usize,
        cause: &'static str,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        let Some(walk) = self.partitions[place].walk.take() else { return Answer::Already };
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        for (index, zone) in self.zones.iter_mut().enumerate() {
            if zone.config.partition == Some(place) {
                zone.walking = false;
                let list = if walk.seen.contains(&index) { &mut seen } else { &mut unseen };
                list.push(zone.config.id.clone());
            }
        }
        self.partitions[place].event(at, "walk.ended", out, |draft| {
            draft.class = Class::Test;
            draft.qualifier = Qualifier::Restore;
            draft.severity = if unseen.is_empty() { 5 } else { 4 };
            draft.test = true;
            draft.closes = Some("walk.begun");
            draft.cause = Some(cause.to_owned());
            draft.actor = by.actor.map(str::to_owned);
            draft.detail = Some(json!({ "seen": seen, "unseen": unseen }));
        });
        self.partitions[place].show(place, at, out);
        Answer::Done
    }

    /// A walk test that a restart has cut off.
    pub(super) fn walks_cut_off(&mut self, out: &mut Out<'_>) {
        for place in 0..self.partitions.len() {
            if self.partitions[place].walk_cut_off() {
                self.partitions[place].walk =
                    Some(Walk { until: out.now.mono, seen: BTreeSet::new() });
                let by = By { via: Via::Rules, actor: None };
                self.walk_end(place, "restart", by, out.now.mono, out);
            }
        }
    }

    pub(super) fn walk_expired(&mut self, place: usize, at: Mono, out: &mut Out<'_>) {
        self.walk_end(place, "its time is over", By { via: Via::Rules, actor: None }, at, out);
    }
}
