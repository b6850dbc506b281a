//! `desc`: what this gateway has, by its configuration.

use std::borrow::Cow;
use std::time::Duration;

use gatehouse_config::Config;
use gatehouse_core::contract::{
    DescribedCamera, DescribedDoor, DescribedMode, DescribedOutput, DescribedPartition,
    DescribedReader, DescribedZone, Description, DeviceKey, Limits, SAY_AGAIN_S, catalogue,
};
use gatehouse_core::event::MAX_PAYLOAD;
use gatehouse_core::site::Mode;

/// What the configuration says that there is.
pub(super) fn description(
    config: &Config,
    session: u64,
    revision: u32,
    device_key: Option<DeviceKey>,
) -> Description {
    let partition = |place: usize| Some(config.partitions.get(place)?.rules.id.clone());
    let doors = config.doors.iter().map(|door| DescribedDoor {
        id: door.id.clone(),
        partition: door.partition.clone(),
        held_open_s: door.held_open.map(seconds),
        propped_s: door.propped.map(seconds),
        release: door.release && door.lock.is_some(),
    });
    let zones = config.zone_rules().map(|zone| DescribedZone {
        id: zone.id.clone(),
        kind: zone.kind,
        partition: zone.partition.and_then(partition),
        bypassable: zone.bypassable,
        soak: zone.soak,
    });
    let partitions = config.partitions.iter().map(|it| {
        let mode = |mode: Mode| {
            let delays = it.rules.mode(mode)?;
            let (exit_s, entry_s) = (seconds(delays.exit), seconds(delays.entry));
            Some(DescribedMode { mode, exit_s, entry_s })
        };
        DescribedPartition {
            id: it.rules.id.clone(),
            modes: Mode::ARMED.into_iter().filter_map(mode).collect(),
            common_to: it.rules.common_to.iter().filter_map(|place| partition(*place)).collect(),
        }
    });
    let door = |place: usize| Some(config.doors.get(place)?.id.clone());
    let readers = config.readers.iter().map(|reader| DescribedReader {
        id: reader.rules.id.clone(),
        door: reader.rules.door.and_then(door),
        partition: reader.rules.partition.and_then(partition),
    });
    let zone_ids: Vec<_> = config.zone_rules().map(|zone| zone.id.clone()).collect();
    let cameras = config.cameras.iter().map(|camera| {
        let rules = &camera.rules;
        let looked = camera.areas.iter().filter(|area| !area.ignores);
        DescribedCamera {
            id: rules.id.clone(),
            partition: rules.partition.and_then(partition),
            doors: rules.doors.iter().filter_map(|place| door(*place)).collect(),
            zones: rules.zones.iter().filter_map(|n| zone_ids.get(*n).cloned()).collect(),
            areas: looked.map(|area| area.id.clone()).collect(),
            masked: !camera.masks.is_empty(),
            records: camera.records(),
        }
    });
    let outputs = config
        .outputs
        .iter()
        .map(|output| DescribedOutput { id: output.rules.id.clone(), role: output.rules.role });
    Description {
        session,
        revision,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        doors: doors.collect(),
        zones: zones.collect(),
        partitions: partitions.collect(),
        outputs: outputs.collect(),
        readers: readers.collect(),
        cameras: cameras.collect(),
        event_types: catalogue::all().iter().map(|known| Cow::Borrowed(known.name)).collect(),
        limits: Limits {
            payload_bytes: u32::try_from(MAX_PAYLOAD).unwrap_or(u32::MAX),
            in_flight: config.uplink.in_flight,
            heartbeat_s: seconds(config.uplink.heartbeat),
            say_again_s: SAY_AGAIN_S,
        },
        device_key,
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_names_what_is_wired_and_in_which_modes_it_is_armed() {
        let text = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../config/examples/lobby.toml"
        ));
        let config = Config::parse(&text.unwrap(), "lobby.toml").unwrap();
        let told = description(&config, 3, 2, None);
        let doors: Vec<_> = told.doors.iter().map(|door| &door.id).collect();
        assert_eq!(doors, config.doors.iter().map(|door| &door.id).collect::<Vec<_>>());
        assert_eq!((told.session, told.revision), (3, 2));
        let partition = &told.partitions[0];
        assert!(partition.modes.iter().any(|it| it.mode == Mode::Away), "{partition:?}");
        assert!(told.event_types.contains(&Cow::Borrowed("system.started")));
        assert!(!told.zones.is_empty() && told.zones.iter().any(|zone| zone.partition.is_some()));
    }
}
