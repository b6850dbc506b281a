//! A bus that many things hang on: when it is lost, that is one fault, not one for each of them.

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

    pub(super) const fn is_lost(&self) -> bool {
        self.lost.is_some()
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

impl Site {
    /// A bus was lost, with the reason, or is there again.
    pub(super) fn bus(&mut self, index: usize, lost: Option<String>, at: Mono, out: &mut Out<'_>) {
        let children = self.on_bus(index);
        let Some(bus) = self.buses.get_mut(index) else { return };
        match (bus.lost.is_some(), lost) {
            (false, Some(reason)) => {
                bus.lost = Some(reason);
                if !bus.told {
                    bus.due = Some(at.plus(bus.config.hold_off));
                }
                for zone in self.zones.iter_mut().filter(|zone| zone.config.bus == Some(index)) {
                    zone.excuse();
                }
                for reader in self.readers.iter_mut().filter(|one| one.config.bus == Some(index)) {
                    reader.excuse();
                }
            }
            (_, Some(reason)) => bus.lost = Some(reason),
            (_, None) => {
                bus.lost = None;
                bus.due = None;
                if std::mem::take(&mut bus.told) {
                    bus.event(at, ("bus.restored", Qualifier::Restore), children, out);
                    let key = format!("bus/{}", bus.config.id);
                    out.effects.push(super::Effect::Keep { key, value: None });
                }
                // What does not come back with it is lost by itself.
                for zone in self.zones.iter_mut().filter(|zone| zone.config.bus == Some(index)) {
                    zone.await_reading(at);
                }
                for reader in self.readers.iter_mut().filter(|one| one.config.bus == Some(index)) {
                    reader.await_link(at);
                }
            }
        }
    }

    pub(super) fn bus_lost(&mut self, index: usize, out: &mut Out<'_>) {
        let children = self.on_bus(index);
        let bus = &mut self.buses[index];
        let Some(at) = bus.due.take() else { return };
        bus.told = true;
        bus.event(at, ("bus.lost", Qualifier::New), children, out);
        out.keep(format!("bus/{}", bus.config.id), &true);
    }

    fn on_bus(&self, index: usize) -> usize {
        let zones = self.zones.iter().filter(|zone| zone.config.bus == Some(index)).count();
        zones + self.readers.iter().filter(|one| one.config.bus == Some(index)).count()
    }
}
