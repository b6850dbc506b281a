//! Zones in their partitions: which activation is an alarm, when, and after which delay.

use serde_json::json;

use super::out::Out;
use super::partition::Arming;
use super::zone::{Edge, Found};
use super::{Condition, Effect, Mode, Site, Sound, Thing, ZoneKind};
use crate::event::{Class, Qualifier};
use crate::time::Mono;

impl Site {
    pub(super) fn zone_edge(&mut self, index: usize, edge: Edge, at: Mono, out: &mut Out<'_>) {
        match edge {
            Edge::Activated(found) => self.activated(index, found, at, out),
            Edge::Calmed(found) => {
                self.zones[index].calm(index, at, found, out);
                self.include_again(index, at, out);
            }
            // Passed over while it was not known or in trouble, it need not be active first.
            Edge::None if self.zones[index].condition() == Condition::Normal => {
                self.include_again(index, at, out);
            }
            Edge::None => {}
        }
    }

    fn activated(&mut self, index: usize, found: Found, at: Mono, out: &mut Out<'_>) {
        let zone = &self.zones[index];
        if zone.walking
            && let Some(place) = zone.config.partition
        {
            self.walked(index, place, at, out);
            return self.zones[index].open(at, found, out);
        }
        if zone.is_out() {
            return self.zones[index].open(at, found, out);
        }
        if !zone.config.kind.needs_arming() {
            return self.alarm(index, found, ("activated", None), at, out);
        }
        let Some(place) = zone.config.partition else { return };
        let partition = &self.partitions[place];
        let mode = partition.protects();
        if mode == Mode::Disarmed || !zone.config.modes.contains(mode) {
            if zone.config.chime && partition.mode() == Mode::Disarmed {
                out.effects.push(Effect::Chime { of: Thing::Zone(index), sound: Sound::Chime });
            }
            return self.zones[index].open(at, found, out);
        }
        let entered = matches!(partition.arming(), Arming::Entered { .. });
        let delay = zone.entry(partition.delays().entry);
        match zone.config.kind {
            ZoneKind::EntryExit if !delay.is_zero() => {
                self.zones[index].open(at, found, out);
                let partition = &mut self.partitions[place];
                if partition.enter(place, index, at.plus(delay), at, out) {
                    let id = self.zones[index].config.id.clone();
                    partition.event(at, "partition.entry", out, |draft| {
                        draft.severity = 4;
                        draft.detail = Some(json!({ "zone": id, "delay_s": delay.as_secs() }));
                    });
                }
            }
            ZoneKind::Follower if entered => {
                self.zones[index].open(at, found, out);
                self.partitions[place].follow(index);
            }
            _ => self.alarm(index, found, ("activated", None), at, out),
        }
    }

    /// An entry delay has run out: what was entered is an alarm.
    pub(super) fn entry_ended(&mut self, place: usize, at: Mono, out: &mut Out<'_>) {
        let partition = &mut self.partitions[place];
        let Arming::Entered { mode, zones, .. } = partition.arming().clone() else { return };
        partition.set(place, Arming::Armed { mode }, at, out);
        for zone in zones {
            self.alarm(zone, Found::default(), ("entry delay ended", None), at, out);
        }
    }

    /// An alarm, unless other zones must agree first or it was told already.
    ///
    /// `cause`: and by whose card.
    pub(super) fn alarm(
        &mut self,
        index: usize,
        found: Found,
        cause: (&'static str, Option<&str>),
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let zone = &mut self.zones[index];
        if zone.is_out() {
            return;
        }
        if zone.in_alarm() {
            // Somebody calls again while the first call waits for its reset: that is news.
            if !zone.config.latches() || zone.config.kind.needs_arming() {
                return;
            }
            zone.end_alarm(at, out, |draft| draft.cause = Some("activated again".to_owned()));
        }
        let agreed = match self.agree(index, at) {
            Ok(agreed) => agreed,
            Err((have, need)) => {
                self.zones[index].open(at, found, out);
                self.zones[index].event(at, "zone.unverified", Qualifier::Status, out, |draft| {
                    draft.class = Class::Alarm;
                    draft.severity = 3;
                    draft.detail = Some(json!({ "active": have, "needed": need }));
                });
                return;
            }
        };
        let place = self.zones[index].config.partition;
        let partition = place.map(|place| &self.partitions[place]);
        let mode = partition.map(|partition| partition.protects().as_str());
        let soak = self.zones[index].config.soak;
        let called = self.called(index, &out.now.at(at));
        self.zones[index].alarm(index, at, found, out, |draft| {
            draft.arming = mode.map(Into::into);
            draft.cause = Some(cause.0.to_owned());
            draft.actor = cause.1.map(str::to_owned);
            draft.detail = agreed.map(|zones| json!({ "verified_by": zones })).or(called);
        });
        if soak {
            return;
        }
        if let Some(place) = place
            && !self.zones[index].config.kind.is_silent()
        {
            self.partitions[place].set_alarm(place, true, at, out);
        }
        if self.zones[index].config.swinger > 0 && self.zones[index].swing() {
            let alarms = self.zones[index].config.swinger;
            self.zones[index].event(at, "zone.swinger", Qualifier::New, out, |draft| {
                draft.class = Class::Fault;
                draft.severity = 3;
                draft.cause = Some("too many alarms in one arming".to_owned());
                draft.detail = Some(json!({ "alarms": alarms }));
            });
            self.zones[index].show(index, at, out);
        }
    }

    /// Whether the group of a zone agrees: the other zones' ids, or how many of how many are.
    fn agree(&mut self, index: usize, at: Mono) -> Result<Option<Vec<String>>, (usize, u8)> {
        let Some(place) = self.zones[index].config.cross else { return Ok(None) };
        let group = &self.crosses[place];
        let window = group.window;
        // A camera that sees nothing confirms nothing: then who is left decides.
        let blind = u8::try_from(self.blind_cameras(place)).unwrap_or(u8::MAX);
        let need = group.need.saturating_sub(blind).max(1);
        let seen = &mut self.crossed[place];
        seen.retain(|(zone, seen_at)| *zone != index && at.since(*seen_at) <= window);
        seen.push((index, at));
        if seen.len() < usize::from(need) {
            return Err((seen.len(), need));
        }
        let others = seen.iter().filter(|(zone, _)| *zone != index);
        Ok(Some(others.map(|(zone, _)| self.zones[*zone].config.id.to_string()).collect()))
    }
}
