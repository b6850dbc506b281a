//! Another configuration for a site that goes on: what did not change does not notice.
//!
//! Things are known by their ids, wherever they stand. One whose wire is the same keeps its present
//! condition; one that is wired elsewhere is unknown until its first reading, and that is compared
//! with what was known. What is gone ends what stands open of it, with a cause; what is new begins
//! unknown. A zone that means something else now (its kind, a soak test) ends what the old one told,
//! and is looked at anew.

use std::sync::Arc;

use super::arming::By;
use super::layout::{NOWHERE, moved};
use super::out::Out;
use super::{Effect, Input, Mode, Site, SiteConfig, Via};
use crate::id::Id;
use crate::time::{Mono, Now};

/// The cause of what ends with a thing that is gone.
pub(super) const GONE: &str = "taken out of the configuration";

/// The cause of what ends with what a thing was.
pub(super) const CHANGED: &str = "the configuration has changed";

/// From the old places to the new ones.
struct Moves {
    zones: Vec<usize>,
    areas: Vec<usize>,
}

impl Site {
    /// Goes on under another configuration, from `now` on. With an equal one nothing happens at all.
    ///
    /// Places in later inputs are those of `config`; see [`Input::moved`].
    pub fn reconfigure(&mut self, config: SiteConfig, now: &Now) -> Vec<Effect> {
        let boot = Arc::clone(&self.boot);
        let mut out = Out::new(&boot, now);
        // What was due before comes before.
        self.expire(now.mono, &mut out);
        let new = Self::new(config, &boot);
        let again = self.part_with(&new, now.mono, &mut out);
        self.settle(&mut out);
        // Each event is looked at once by what follows from events.
        let mut effects = std::mem::take(&mut out.effects);
        out.warned = 0;
        let commons = self.commons();
        let old = std::mem::replace(self, new);
        self.take_over(old, now, &mut out);
        // Also what was told while it was taken over, as by a zone that is a camera's from now on.
        self.settle(&mut out);
        effects.append(&mut out.effects);
        out.warned = 0;
        for (zone, condition) in again {
            let place = self.zones.iter().position(|known| known.config.id == zone);
            let Some(place) = place else { continue };
            let (at, resynced) = (now.mono, true);
            let input = Input::Zone { zone: place, condition, at, resynced };
            effects.append(&mut self.apply(input, now));
        }
        if self.commons() != commons {
            self.common_areas(now.mono, &mut out);
        }
        self.look_at_rounds(now, &mut out);
        self.expire(now.mono, &mut out);
        self.settle(&mut out);
        effects.append(&mut out.effects);
        effects
    }

    /// Ends what stands open of what the new site does not have, or has as something else. Says
    /// which zones are to be looked at anew, and what they say.
    fn part_with(
        &mut self,
        new: &Self,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Vec<(Id, super::Condition)> {
        let mut again = Vec::new();
        let by = By { via: Via::Rules, actor: None };
        for place in 0..self.buses.len() {
            if !new.buses.iter().any(|bus| bus.id() == self.buses[place].id()) {
                self.bus(place, None, at, out);
                self.standing.finish(self.buses[place].id(), GONE, at, out);
            }
        }
        for zone in &mut self.zones {
            let known = new.zones.iter().find(|known| known.config.id == zone.config.id);
            match known {
                None => {
                    zone.finish(GONE, at, out);
                    zone.finish_bypass(GONE, at, out);
                }
                Some(known) if !zone.means_as(&known.config) => {
                    zone.finish(CHANGED, at, out);
                    if zone.config.driver == known.config.driver {
                        again.push((zone.config.id.clone(), zone.heard()));
                    }
                    zone.forget();
                }
                Some(_) => {}
            }
        }
        for place in 0..self.partitions.len() {
            let id = self.partitions[place].config.id.clone();
            if new.partitions.iter().any(|known| known.config.id == id) {
                continue;
            }
            self.walk_end(place, GONE, by, at, out);
            self.end_partition(place, GONE, at, out);
            if self.partitions[place].mode() != Mode::Disarmed {
                self.disarm(place, by, at, out);
            }
        }
        for door in &mut self.doors {
            if !new.doors.iter().any(|known| known.config().id == door.config().id) {
                door.finish(at, out);
            }
        }
        for reader in &mut self.readers {
            if !new.readers.iter().any(|known| known.config.id == reader.config.id) {
                reader.finish(at, out);
            }
        }
        for camera in &mut self.cameras {
            if !new.cameras.iter().any(|known| known.config.id == camera.config.id) {
                camera.finish(at, out);
            }
        }
        for switch in &mut self.key_switches {
            if !new.key_switches.iter().any(|known| known.id() == switch.id()) {
                switch.finish(at, out);
            }
        }
        self.schedules.finish(&new.schedules, at, out);
        for (index, output) in self.outputs.iter_mut().enumerate() {
            if !new.outputs.iter().any(|known| output.is_still(known)) {
                output.finish(index, GONE, at, out);
            }
        }
        if !self.challenge.is_still(&new.challenge) {
            self.challenge_over(Some(CHANGED), at, out);
        }
        again
    }

    /// Everything that goes on. Each field of the old site is named: none is forgotten.
    fn take_over(&mut self, old: Self, now: &Now, out: &mut Out<'_>) {
        let Self {
            boot: _,
            grade: _,
            doors,
            zones,
            partitions,
            crosses,
            crossed,
            incidents,
            buses,
            outputs,
            cameras,
            challenge,
            commands,
            access: _,
            escalation: _,
            areas,
            readers,
            key_switches,
            schedules,
            credentials,
            places: at_places,
            rounds,
            dark,
            ledger,
            standing,
            next: _,
            gateway,
        } = old;
        let ids = |zones: &[super::zone::Zone]| -> Vec<Id> {
            zones.iter().map(|zone| zone.config.id.clone()).collect()
        };
        let area_ids = |areas: &[super::AreaConfig]| -> Vec<Id> {
            areas.iter().map(|area| area.id.clone()).collect()
        };
        let (from, to) = (ids(&zones), ids(&self.zones));
        let (areas_from, areas_to) = (area_ids(&areas), area_ids(&self.areas));
        let all = |from: &[Id], to: &[Id]| -> Vec<usize> {
            (0..from.len()).map(|place| moved(place, from, to)).collect()
        };
        let moves = Moves { zones: all(&from, &to), areas: all(&areas_from, &areas_to) };

        let partition_ids: Vec<Id> =
            partitions.iter().map(|partition| partition.config.id.clone()).collect();

        self.gateway = gateway;
        let by = By { via: Via::Rules, actor: None };
        self.credentials_changed((&credentials.hash, None), by, now.mono, out);
        self.dark = dark;
        self.standing = standing;
        self.incidents.take_over(incidents);
        self.rounds.take_over(rounds, now, out);
        let reader_ids = |readers: &[super::reader::Reader]| -> Vec<Id> {
            readers.iter().map(|reader| reader.config.id.clone()).collect()
        };
        let camera_ids = |cameras: &[super::camera::Camera]| -> Vec<Id> {
            cameras.iter().map(|camera| camera.config.id.clone()).collect()
        };
        // The ledger counts zones, then readers, then cameras.
        let things = all(&reader_ids(&readers), &reader_ids(&self.readers));
        let things = things.into_iter().map(|place| place.saturating_add(self.zones.len()));
        let eyes = all(&camera_ids(&cameras), &camera_ids(&self.cameras));
        let before = self.zones.len() + self.readers.len();
        let eyes = eyes.into_iter().map(|place| place.saturating_add(before));
        let things: Vec<_> = moves.zones.iter().copied().chain(things).chain(eyes).collect();
        self.ledger.take_over(ledger, &things);
        for (cross, seen) in crosses.iter().zip(crossed) {
            let place = self.crosses.iter().position(|known| known.id == cross.id);
            let Some(place) = place else { continue };
            let seen = seen.into_iter().map(|(zone, at)| (moves.zones[zone], at));
            self.crossed[place] = seen.filter(|(zone, _)| *zone != NOWHERE).collect();
        }
        for bus in buses {
            if let Some(known) = self.buses.iter_mut().find(|known| known.id() == bus.id()) {
                known.take_over(bus);
            }
        }
        let mut fresh = vec![true; self.partitions.len()];
        for partition in partitions {
            let id = &partition.config.id;
            if let Some(place) = self.partitions.iter().position(|known| known.config.id == *id) {
                self.partitions[place].take_over(partition, &moves.zones);
                fresh[place] = false;
            } else {
                forget("partition", id, out);
            }
        }
        for (place, _) in fresh.iter().enumerate().filter(|(_, fresh)| **fresh) {
            self.partitions[place].show(place, now.mono, out);
        }
        let mut before: Vec<_> = zones.into_iter().map(Some).collect();
        for index in 0..self.zones.len() {
            let zone = &mut self.zones[index];
            let place = from.iter().position(|id| *id == zone.config.id);
            if let Some(old) = place.and_then(|place| before[place].take()) {
                zone.take_over(index, old, now.mono, out);
            } else {
                zone.begin(now);
                zone.show(index, now.mono, out);
            }
            let partition = zone.config.partition.map(|place| &self.partitions[place]);
            zone.walking = partition.is_some_and(|partition| partition.walk.is_some());
        }
        for old in before.into_iter().flatten() {
            forget("zone", &old.config.id, out);
        }
        let mut before: Vec<_> = doors.into_iter().map(Some).collect();
        for (index, door) in self.doors.iter_mut().enumerate() {
            let same = |old: &&mut Option<super::door::Door>| {
                old.as_ref().is_some_and(|old| old.config().id == door.config().id)
            };
            match before.iter_mut().find(same).and_then(Option::take) {
                Some(old) => door.take_over(index, old, &moves.areas, now.mono, out),
                None => door.show(index, now.mono, out),
            }
        }
        for old in before.into_iter().flatten() {
            forget("door", &old.config().id, out);
        }
        let mut before: Vec<_> = readers.into_iter().map(Some).collect();
        for (index, reader) in self.readers.iter_mut().enumerate() {
            let same = |old: &&mut Option<super::reader::Reader>| {
                old.as_ref().is_some_and(|old| old.config.id == reader.config.id)
            };
            if let Some(old) = before.iter_mut().find(same).and_then(Option::take) {
                reader.take_over(index, old, now.mono, out);
            } else {
                reader.await_link(now.mono);
                reader.show(index, now.mono, out);
            }
        }
        for old in before.into_iter().flatten() {
            forget("reader", &old.config.id, out);
        }
        let mut before: Vec<_> = cameras.into_iter().map(Some).collect();
        for (index, camera) in self.cameras.iter_mut().enumerate() {
            let same = |old: &&mut Option<super::camera::Camera>| {
                old.as_ref().is_some_and(|old| old.config.id == camera.config.id)
            };
            if let Some(old) = before.iter_mut().find(same).and_then(Option::take) {
                camera.take_over(index, &old, now.mono, out);
            } else {
                camera.await_link(now.mono);
                camera.show(index, now.mono, out);
            }
        }
        for old in before.into_iter().flatten() {
            forget("camera", &old.config.id, out);
        }
        for camera in 0..self.cameras.len() {
            self.zones_of_camera(camera, now.mono, true, out);
        }
        for switch in key_switches {
            let known = self.key_switches.iter_mut().find(|known| known.id() == switch.id());
            match known {
                Some(known) => known.take_over(switch),
                None => forget("key-switch", switch.id(), out),
            }
        }
        for gone in self.schedules.take_over(schedules, now) {
            forget("schedule", &gone, out);
        }
        let places: Vec<usize> = partition_ids
            .iter()
            .map(|id| self.partitions.iter().position(|known| known.config.id == *id))
            .map(|place| place.unwrap_or(NOWHERE))
            .collect();
        let mut fresh = vec![true; self.outputs.len()];
        for old in outputs {
            match self.outputs.iter().position(|known| old.is_still(known)) {
                Some(place) => {
                    self.outputs[place].take_over(old, &places);
                    fresh[place] = false;
                }
                None => forget("output", &old.config.id, out),
            }
        }
        for (place, _) in fresh.iter().enumerate().filter(|(_, fresh)| **fresh) {
            self.outputs[place].show(place, now.mono, out);
        }
        self.challenge.take_over(challenge);
        self.commands.take_over(commands);
        self.excuse_all();
        for (credential, area) in at_places {
            let area = area.map(|area| moves.areas[area]);
            if area == Some(NOWHERE) || !self.credentials.knows(credential) {
                let key = format!("place/{credential}");
                out.effects.push(Effect::Keep { key, value: None });
            } else {
                self.places.insert(credential, area);
            }
        }
    }

    /// Which common area follows whom.
    fn commons(&self) -> Vec<(Id, Vec<Id>)> {
        let id = |place: usize| self.partitions[place].config.id.clone();
        let all = self.partitions.iter().filter(|known| !known.config.common_to.is_empty());
        let mut all: Vec<_> = all
            .map(|known| {
                let mut users: Vec<_> =
                    known.config.common_to.iter().map(|user| id(*user)).collect();
                users.sort();
                (known.config.id.clone(), users)
            })
            .collect();
        all.sort();
        all
    }
}

/// What is gone leaves nothing behind.
pub(super) fn forget(kind: &str, id: &Id, out: &mut Out<'_>) {
    out.effects.push(Effect::Keep { key: format!("{kind}/{id}"), value: None });
}
