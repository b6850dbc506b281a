//! Doors, sensors, partitions and incidents as the page shows them: what the control room believes,
//! and beside it how the wires really are.

use gatehouse_core::site::Danger;
use gatehouse_core::time::UtcMs;
use gatehouse_receiver::{GatewayView, ThingView};
use serde::Serialize;

use crate::ledger::Ledger;
use crate::world::camera::{CAMERAS, Place};
use crate::world::community::{PARTITIONS, SENSORS};
use crate::world::{DOORS, WorldView};

/// One door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DoorTile {
    pub(crate) id: &'static str,
    pub(crate) en: &'static str,
    pub(crate) zh: &'static str,
    /// As the control room sees it: `closed`, `open`, `held-open` or `unknown`.
    pub(crate) state: String,
    /// As it really is: `closed` or `open`.
    pub(crate) wire: &'static str,
}

/// One sensor on the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ZoneTile {
    pub(crate) id: &'static str,
    pub(crate) en: &'static str,
    pub(crate) zh: &'static str,
    /// How it is drawn.
    pub(crate) look: &'static str,
    /// It comes back to rest by itself.
    pub(crate) pulse: bool,
    pub(crate) partition: Option<&'static str>,
    /// As the control room sees it: `normal`, `active`, `unknown`, …
    pub(crate) state: String,
    pub(crate) flags: Vec<String>,
    /// As it really is: `normal` or `active`.
    pub(crate) wire: &'static str,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PartitionTile {
    pub(crate) id: &'static str,
    pub(crate) en: &'static str,
    pub(crate) zh: &'static str,
    /// As the control room sees it: `disarmed`, `arming`, `armed-away`, `pending`, `triggered`,
    /// `unknown`, …
    pub(crate) state: String,
    pub(crate) flags: Vec<String>,
    /// The mode that was last armed, by the box's events.
    pub(crate) mode: Option<String>,
    /// When a running delay ends.
    pub(crate) until: Option<String>,
}

/// One camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CameraTile {
    pub(crate) id: &'static str,
    pub(crate) en: &'static str,
    pub(crate) zh: &'static str,
    /// As the control room sees it: `up`, `silent`, `unknown`, …
    pub(crate) state: String,
    pub(crate) flags: Vec<String>,
    /// Something is really before its lens.
    pub(crate) covered: bool,
    /// The newest picture that the control room has an event of.
    pub(crate) picture: Option<PictureTile>,
    /// The newest clip on the box's flash.
    pub(crate) clip: Option<String>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PictureTile {
    pub(crate) sha256: String,
    pub(crate) utc: String,
    pub(crate) masked: bool,
}

/// One open incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct IncidentTile {
    pub(crate) id: String,
    /// As the control room sees it: `active`, `restored`, `acked` or `unknown`.
    pub(crate) phase: String,
    pub(crate) danger: Danger,
    pub(crate) severity: u8,
    pub(crate) partition: Option<String>,
    pub(crate) since: UtcMs,
    pub(crate) sources: Vec<String>,
    pub(crate) acked: bool,
    pub(crate) by: Option<String>,
    pub(crate) escalated: bool,
    pub(crate) silent: bool,
}

pub(crate) fn doors(gateway: &GatewayView, world: &WorldView) -> Vec<DoorTile> {
    let tile = |(door, open): (&crate::world::Door, bool)| DoorTile {
        id: door.id,
        en: door.name_en,
        zh: door.name_zh,
        state: shown(gateway.doors.get(door.id)),
        wire: if open { "open" } else { "closed" },
    };
    DOORS.iter().zip(world.open).map(tile).collect()
}

pub(crate) fn cameras(gateway: &GatewayView, ledger: &Ledger, covered: bool) -> Vec<CameraTile> {
    let tile = |camera: &crate::world::camera::Camera| {
        let seen = ledger.seen(camera.id);
        CameraTile {
            id: camera.id,
            en: camera.name_en,
            zh: camera.name_zh,
            state: shown(gateway.cameras.get(camera.id)),
            flags: flags(gateway.cameras.get(camera.id)),
            covered: covered && camera.place == Place::Garage,
            picture: seen.and_then(|seen| seen.picture.clone()),
            clip: seen.and_then(|seen| seen.clip.clone()),
        }
    };
    CAMERAS.iter().map(tile).collect()
}

pub(crate) fn zones(gateway: &GatewayView, world: &WorldView) -> Vec<ZoneTile> {
    let wires = world.open.into_iter().skip(DOORS.len());
    let tile = |(sensor, active): (&crate::world::community::Sensor, bool)| ZoneTile {
        id: sensor.id,
        en: sensor.name_en,
        zh: sensor.name_zh,
        look: sensor.look.as_str(),
        pulse: sensor.look.is_pulse(),
        partition: sensor.partition,
        state: shown(gateway.zones.get(sensor.id)),
        flags: flags(gateway.zones.get(sensor.id)),
        wire: if active { "active" } else { "normal" },
    };
    SENSORS.iter().zip(wires).map(tile).collect()
}

pub(crate) fn partitions(gateway: &GatewayView, ledger: &Ledger) -> Vec<PartitionTile> {
    let tile = |partition: &crate::world::community::Partition| {
        let state = shown(gateway.partitions.get(partition.id));
        let arming = ledger.arming(partition.id);
        let waits = matches!(&*state, "arming" | "pending");
        PartitionTile {
            id: partition.id,
            en: partition.name_en,
            zh: partition.name_zh,
            flags: flags(gateway.partitions.get(partition.id)),
            mode: arming.map(|arming| arming.mode.clone()),
            until: arming
                .and_then(|arming| arming.until)
                .filter(|_| waits)
                .map(|until| until.to_string()),
            state,
        }
    };
    PARTITIONS.iter().map(tile).collect()
}

/// The open incidents of the one box, in the order given.
pub(crate) fn incidents(room: &gatehouse_receiver::Snapshot) -> Vec<IncidentTile> {
    let open = room.open_incidents().into_iter();
    open.map(|(_, _, view)| {
        let incident = &view.state.incident;
        IncidentTile {
            id: incident.id.to_string(),
            phase: view.shown.clone(),
            danger: incident.danger,
            severity: incident.severity,
            partition: incident.partition.as_ref().map(ToString::to_string),
            since: incident.since,
            sources: incident.sources.clone(),
            acked: incident.acked.is_some(),
            by: incident.acked.as_ref().and_then(|(by, _)| by.clone()),
            escalated: incident.escalated,
            silent: view.is_silent(),
        }
    })
    .collect()
}

fn shown(thing: Option<&ThingView>) -> String {
    thing.map_or_else(|| "unknown".to_owned(), |thing| thing.shown.clone())
}

fn flags(thing: Option<&ThingView>) -> Vec<String> {
    thing.map(|thing| thing.flags().to_vec()).unwrap_or_default()
}
