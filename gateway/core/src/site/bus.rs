//! A bus that many things hang on: when it is lost, that is one fault, not one for each of them.
//!
//! A chip with many lines is such a bus too, and hangs on one: when all chips of a bus are lost with
//! it, that is one fault as well.

use serde_json::json;

use super::out::{Head, Out};
use super::{BusConfig, Site};
use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::time::Mono;

#[derive(Clone, Debug)]
pub(super) struct Bus {
    config: BusConfig,
    /// Whether it is lost, and why.
    lost: Option<String>,
    /// When that is told, if it is not yet.
    due: Option<Mono>,
    told: bool,
}

impl Bus {
    pub(super) const fn new(config: BusConfig) -> Self {
        Self { config, lost: None, due: None, told: false }
    }

    pub(super) const fn id(&self) -> &Id {
        &self.config.id
    }

    /// Goes on from what the same bus was under another configuration.
    pub(super) fn take_over(&mut self, old: Self) {
        let Self { config: _, lost, due, told } = old;
        (self.lost, self.due, self.told) = (lost, due, told);
    }

    /// What it hangs on is lost: its own loss is not told.
    fn excuse(&mut self) {
        self.due = None;
    }

    /// It is lost: that is told when it has lasted.
    fn await_end(&mut self, at: Mono) {
        if self.lost.is_some() && !self.told {
            self.due = Some(at.plus(self.config.hold_off));
        }
    }

    /// Its loss stands told.
    pub(super) const fn is_told(&self) -> bool {
        self.told
    }

    pub(super) const fn deadline(&self) -> Option<Mono> {
        self.due
    }

    pub(super) fn is(&self, id: &str) -> bool {
        self.config.id.as_str() == id
    }

    /// Its loss was told before this start.
    pub(super) const fn restore(&mut self) {
        self.told = true;
    }

    fn event(
        &self,
        at: Mono,
        (kind, qualifier): (&'static str, Qualifier),
        children: usize,
        out: &mut Out<'_>,
    ) {
        let source = ("bus", &self.config.id);
        let severity = if qualifier == Qualifier::New { 2 } else { 4 };
        let head = Head { class: Class::Fault, kind, qualifier, severity, source };
        out.record(at, head, |draft| {
            draft.cause.clone_from(&self.lost);
            draft.closes = (qualifier == Qualifier::Restore).then_some("bus.lost");
            draft.detail = Some(json!({ "things": children }));
        });
    }
}

/// Whether a thing cannot be told of because its bus, or what that hangs on, is lost.
pub(super) fn is_lost(buses: &[Bus], place: Option<usize>) -> bool {
    let Some(bus) = place.and_then(|place| buses.get(place)) else { return false };
    let on = bus.config.on.and_then(|on| buses.get(on));
    bus.lost.is_some() || on.is_some_and(|on| on.lost.is_some())
}

impl Site {
    /// A bus was lost, with the reason, or is there again.
    pub(super) fn bus(&mut self, index: usize, lost: Option<String>, at: Mono, out: &mut Out<'_>) {
        let things = self.on_bus(index);
        let excused = is_lost(&self.buses, self.buses.get(index).and_then(|bus| bus.config.on));
        let Some(bus) = self.buses.get_mut(index) else { return };
        match (bus.lost.is_some(), lost) {
            (false, Some(reason)) => {
                bus.lost = Some(reason);
                if !excused {
                    bus.await_end(at);
                }
                self.excuse(index);
            }
            (_, Some(reason)) => bus.lost = Some(reason),
            (_, None) => {
                bus.lost = None;
                bus.due = None;
                if std::mem::take(&mut bus.told) {
                    bus.event(at, ("bus.restored", Qualifier::Restore), things, out);
                    let key = format!("bus/{}", bus.config.id);
                    out.effects.push(super::Effect::Keep { key, value: None });
                }
                self.await_things(index, at);
            }
        }
    }

    /// Nothing is expected of what was put on a bus that is lost.
    pub(super) fn excuse_all(&mut self) {
        for index in 0..self.buses.len() {
            if self.buses[index].lost.is_some() {
                self.excuse(index);
            }
        }
    }

    /// Nothing is expected of what hangs on a bus that is lost.
    fn excuse(&mut self, index: usize) {
        for place in self.hanging_on(index) {
            if place != index {
                self.buses[place].excuse();
            }
            for zone in self.zones.iter_mut().filter(|zone| zone.config.bus == Some(place)) {
                zone.excuse();
            }
            for door in self.doors.iter_mut().filter(|door| door.config().bus == Some(place)) {
                door.excuse();
            }
            for reader in self.readers.iter_mut().filter(|one| one.config.bus == Some(place)) {
                reader.excuse();
            }
            for camera in self.cameras.iter_mut().filter(|one| one.config.bus == Some(place)) {
                camera.excuse();
            }
        }
    }

    /// What does not come back with its bus is lost by itself.
    fn await_things(&mut self, index: usize, at: Mono) {
        for place in self.hanging_on(index) {
            if place != index {
                self.buses[place].await_end(at);
            }
            if is_lost(&self.buses, Some(place)) {
                continue;
            }
            for zone in self.zones.iter_mut().filter(|zone| zone.config.bus == Some(place)) {
                zone.await_reading(at);
            }
            for door in self.doors.iter_mut().filter(|door| door.config().bus == Some(place)) {
                door.await_reading(at);
            }
            for reader in self.readers.iter_mut().filter(|one| one.config.bus == Some(place)) {
                reader.await_link(at);
            }
            for camera in self.cameras.iter_mut().filter(|one| one.config.bus == Some(place)) {
                camera.await_link(at);
            }
        }
    }

    pub(super) fn bus_lost(&mut self, index: usize, out: &mut Out<'_>) {
        let things = self.on_bus(index);
        let bus = &mut self.buses[index];
        let Some(at) = bus.due.take() else { return };
        bus.told = true;
        bus.event(at, ("bus.lost", Qualifier::New), things, out);
        out.keep(format!("bus/{}", bus.config.id), &true);
    }

    /// A bus, and the chips on it.
    fn hanging_on(&self, index: usize) -> Vec<usize> {
        let on = |(place, bus): (usize, &Bus)| (bus.config.on == Some(index)).then_some(place);
        let chips = self.buses.iter().enumerate().filter_map(on);
        std::iter::once(index).chain(chips).filter(|place| *place < self.buses.len()).collect()
    }

    /// How many things hang on a bus and its chips.
    fn on_bus(&self, index: usize) -> usize {
        let places = self.hanging_on(index);
        let hangs = |bus: Option<usize>| bus.is_some_and(|bus| places.contains(&bus));
        let doors = self.doors.iter().filter(|door| hangs(door.config().bus)).count();
        let zones = self.zones.iter().filter(|zone| hangs(zone.config.bus)).count();
        let cameras = self.cameras.iter().filter(|one| hangs(one.config.bus)).count();
        let readers = self.readers.iter().filter(|one| hangs(one.config.bus)).count();
        doors + zones + readers + cameras
    }
}
