//! Doors, readers, outputs, cameras, key switches and schedules from their configuration: places that it does
//! not have are ignored.

use super::SiteConfig;
use super::camera::Camera;
use super::door::Door;
use super::key_switch::KeySwitch;
use super::output::Output;
use super::reader::Reader;
use super::schedule::Schedules;
use crate::id::Id;

/// The doors. One with a reader or a request-to-exit input can tell that it was forced.
pub(super) fn doors(config: &mut SiteConfig) -> Vec<Door> {
    let (outputs, areas) = (config.outputs.len(), config.areas.len());
    let buses = config.buses.len();
    let doors = std::mem::take(&mut config.doors).into_iter().enumerate();
    let doors = doors.map(|(index, mut door)| {
        let place = |id: &Id| config.partitions.iter().position(|known| known.id == *id);
        door.bus = door.bus.filter(|place| *place < buses);
        door.lock = door.lock.filter(|lock| lock.output < outputs);
        door.passage = door.passage.filter(|passage| {
            passage.inside < areas && passage.outside.is_none_or(|area| area < areas)
        });
        let partition = door.partition.as_ref().and_then(place);
        let read = config.readers.iter().any(|reader| reader.door == Some(index));
        let guarded = read || door.rex.is_some();
        Door::new(door, partition, guarded)
    });
    doors.collect()
}

/// The readers, each with the id of the partition that its events name.
pub(super) fn readers(config: &mut SiteConfig, doors: &[Door]) -> Vec<Reader> {
    let (partitions, buses) = (&config.partitions, config.buses.len());
    let readers = std::mem::take(&mut config.readers).into_iter().map(|mut reader| {
        reader.door = reader.door.filter(|place| *place < doors.len());
        reader.partition = reader.partition.filter(|place| *place < partitions.len());
        reader.bus = reader.bus.filter(|place| *place < buses);
        let of_door = reader.door.and_then(|door| doors[door].config().partition.clone());
        let own = reader.partition.map(|place| partitions[place].id.clone());
        Reader::new(reader, of_door.or(own))
    });
    readers.collect()
}

/// The outputs.
pub(super) fn outputs(config: &mut SiteConfig) -> Vec<Output> {
    let partitions = config.partitions.len();
    let outputs = std::mem::take(&mut config.outputs).into_iter().map(|mut output| {
        output.partitions.retain(|place| *place < partitions);
        Output::new(output)
    });
    outputs.collect()
}

/// The cameras, each with the id of the partition that its events name.
pub(super) fn cameras(config: &mut SiteConfig, doors: &[Door]) -> Vec<Camera> {
    let (partitions, zones) = (&config.partitions, config.zones.len());
    let buses = config.buses.len();
    let cameras = std::mem::take(&mut config.cameras).into_iter().map(|mut camera| {
        camera.bus = camera.bus.filter(|place| *place < buses);
        camera.partition = camera.partition.filter(|place| *place < partitions.len());
        camera.doors.retain(|place| *place < doors.len());
        camera.zones.retain(|place| *place < zones);
        let partition = camera.partition.map(|place| partitions[place].id.clone());
        Camera::new(camera, partition)
    });
    cameras.collect()
}

/// The key switches of partitions that there are.
pub(super) fn key_switches(config: &mut SiteConfig) -> Vec<KeySwitch> {
    let partitions = &config.partitions;
    let switches = std::mem::take(&mut config.key_switches).into_iter();
    let switches = switches.filter_map(|switch| {
        let partition = partitions.get(switch.partition)?.id.clone();
        Some(KeySwitch::new(switch, partition))
    });
    switches.collect()
}

/// The schedules of partitions that there are. A common area follows its users only.
pub(super) fn schedules(config: &mut SiteConfig) -> Schedules {
    let ids: Vec<_> = config.partitions.iter().map(|partition| partition.id.clone()).collect();
    let mut all = std::mem::take(&mut config.schedules);
    let common = |place: usize| {
        config.partitions.get(place).is_some_and(|partition| !partition.common_to.is_empty())
    };
    all.retain(|schedule| !common(schedule.partition));
    Schedules::new(all, std::mem::take(&mut config.holidays), &config.access.time_zone, &ids)
}
