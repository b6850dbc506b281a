//! What was kept over a restart, given back.

use std::sync::Arc;

use serde_json::json;

use super::out::Out;
use super::{Effect, Report, Site};
use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::time::Now;

impl Site {
    /// Gives back what [`Effect::Keep`] handed out before this start. To be called once, before
    /// the first input.
    ///
    /// What ran out while the box was dark has run out: its effects come here. What belongs to
    /// nothing that the configuration has is forgotten; what cannot be read is a fault that says
    /// so, and the thing it belonged to starts without a past.
    pub fn restore<'a>(
        &mut self,
        kept: impl IntoIterator<Item = (&'a str, &'a str)>,
        gateway: &Id,
        now: &Now,
    ) -> Vec<Effect> {
        let boot = Arc::clone(&self.boot);
        let mut out = Out::new(&boot, now);
        for (key, value) in kept {
            match self.take(key, value, now) {
                Ok(true) => {}
                Ok(false) => {
                    out.effects.push(Effect::Keep { key: key.to_owned(), value: None });
                }
                Err(error) => out.report(Report {
                    class: Class::Fault,
                    kind: "state.unreadable",
                    qualifier: Qualifier::Status,
                    severity: 2,
                    source: ("gateway", gateway.clone()),
                    closes: None,
                    cause: Some(error.to_string()),
                    detail: Some(json!({ "key": key })),
                    at: None,
                }),
            }
        }
        self.gateway = Some(gateway.clone());
        self.dark.note(&mut out);
        for (index, zone) in self.zones.iter_mut().enumerate() {
            zone.begin(now);
            zone.show(index, now.mono, &mut out);
        }
        for (index, partition) in self.partitions.iter().enumerate() {
            partition.show(index, now.mono, &mut out);
        }
        for (index, reader) in self.readers.iter_mut().enumerate() {
            reader.await_link(now.mono);
            reader.show(index, now.mono, &mut out);
        }
        for (index, camera) in self.cameras.iter_mut().enumerate() {
            camera.await_link(now.mono);
            camera.show(index, now.mono, &mut out);
        }
        self.rounds.begin(now.mono);
        for (index, output) in self.outputs.iter().enumerate() {
            output.show(index, now.mono, &mut out);
        }
        self.walks_cut_off(&mut out);
        self.challenge_cut_off(&mut out);
        self.district_cut_off(&mut out);
        self.ledger_begin(now);
        self.schedules.begin(now);
        self.schedules.aim(now);
        self.look_at_rounds(now, &mut out);
        self.expire(now.mono, &mut out);
        for (index, output) in self.outputs.iter().enumerate() {
            output.resume(index, &mut out);
        }
        self.settle(&mut out);
        out.effects
    }

    /// Says whether there is something that it belongs to.
    fn take(&mut self, key: &str, value: &str, now: &Now) -> Result<bool, serde_json::Error> {
        let Some((kind, id)) = key.split_once('/') else { return Ok(false) };
        match kind {
            "zone" => {
                let zone = self.zones.iter_mut().find(|zone| zone.config.id.as_str() == id);
                let Some(zone) = zone else { return Ok(false) };
                zone.restore(serde_json::from_str(value)?);
            }
            "partition" => {
                let ids: Vec<_> = self.zones.iter().map(|zone| &zone.config.id).collect();
                let place = |id: &str| ids.iter().position(|known| known.as_str() == id);
                let partition = self.partitions.iter_mut();
                let partition = { partition }.find(|known| known.config.id.as_str() == id);
                let Some(partition) = partition else { return Ok(false) };
                partition.restore(serde_json::from_str(value)?, place, &self.boot, now);
            }
            "bus" => match self.buses.iter_mut().find(|bus| bus.is(id)) {
                Some(bus) => bus.restore(),
                None => return Ok(false),
            },
            "round" | "checkpoint" => {
                return self.rounds.restore(kind, id, value, &self.boot, now);
            }
            _ if key == super::round::CLOCK_KEY => self.rounds.restore_clock(value)?,
            _ if key == super::dark::KEY => self.dark.restore(value, &self.boot, now)?,
            _ if key == super::ledger::KEY => self.ledger_restore(value)?,
            _ if key == super::schedule::HELD_KEY => {
                self.schedules.restore_held(serde_json::from_str(value)?);
            }
            "schedule" => {
                let kept = serde_json::from_str(value)?;
                return Ok(self.schedules.restore(id, kept, &self.boot, now));
            }
            "key-switch" => {
                let switch = self.key_switches.iter_mut().find(|known| known.is(id));
                let Some(switch) = switch else { return Ok(false) };
                switch.restore();
            }
            "door" => {
                let areas = &self.areas;
                let place = |id: &str| areas.iter().position(|area| area.id.as_str() == id);
                let door = self.doors.iter_mut().find(|door| door.config().id.as_str() == id);
                let Some(door) = door else { return Ok(false) };
                door.restore(serde_json::from_str(value)?, place, &self.boot, now);
            }
            "reader" => {
                let reader = self.readers.iter_mut().find(|known| known.config.id.as_str() == id);
                let Some(reader) = reader else { return Ok(false) };
                reader.restore(&serde_json::from_str(value)?, &self.boot, now);
            }
            "camera" => {
                let camera = self.cameras.iter_mut().find(|known| known.config.id.as_str() == id);
                let Some(camera) = camera else { return Ok(false) };
                camera.restore(&serde_json::from_str(value)?);
            }
            _ if key == super::challenge::KEY => self.challenge.restore(value)?,
            "output" => {
                let partitions = &self.partitions;
                let place = |id: &str| partitions.iter().position(|it| it.config.id.as_str() == id);
                let output = self.outputs.iter_mut().find(|it| it.config.id.as_str() == id);
                let Some(output) = output else { return Ok(false) };
                output.restore(serde_json::from_str(value)?, place, &self.boot, now);
            }
            "place" => {
                let area: String = serde_json::from_str(value)?;
                let place = self.areas.iter().position(|known| known.id.as_str() == area);
                let Some(hash) = id.parse().ok().filter(|hash| self.credentials.knows(*hash))
                else {
                    return Ok(false);
                };
                if place.is_none() && !area.is_empty() {
                    return Ok(false);
                }
                self.places.insert(hash, place);
            }
            crate::commands::KIND => {
                return self.commands.restore(id, value, &self.boot, now);
            }
            super::standing::KEY => {
                let buses = &self.buses;
                let exists = |id: &str| id == "cpu" || buses.iter().any(|bus| bus.is(id));
                return Ok(self.standing.restore(id, exists));
            }
            "incident" => self.incidents.restore(id, value, &self.boot, now)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
