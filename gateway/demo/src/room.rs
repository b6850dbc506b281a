//! The control room: the district's real receiver, inside the demo's process.

use std::path::{Path, PathBuf};

use gatehouse_core::contract::Replay;
use gatehouse_core::event::Flag;
use gatehouse_core::id::{Id, IdError};
use gatehouse_core::site::is_silent_event;
use gatehouse_receiver::{BrokerAddress, Committed, Handle, Receiver, ReceiverConfig, Scheme};

use crate::child::gatebox::{DISTRICT, HEARTBEAT_S};
use crate::error::DemoError;
use crate::world::DOORS;
use crate::world::camera::CAMERAS;
use crate::world::community::{PARTITIONS, SENSORS};

/// The pace that the district asks of backlogs. A viewer wants to see one arrive; a real district
/// spreads it over minutes.
const REPLAY: Replay = Replay { rate: 500, jitter_s: 0 };

/// The control room's database below the demo's folder.
pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join("control-room.db")
}

/// Opens the control room.
///
/// # Errors
/// When its database cannot be opened.
pub(crate) async fn open(dir: &Path, broker_port: u16) -> Result<Handle, DemoError> {
    let broker =
        BrokerAddress { scheme: Scheme::Mqtt, host: "127.0.0.1".to_owned(), port: broker_port };
    let district: Id =
        DISTRICT.parse().map_err(|error: IdError| DemoError::Room(error.to_string()))?;
    let mut config = ReceiverConfig::new(broker, district, database(dir));
    "control-room".clone_into(&mut config.host);
    config.heartbeat_s = Some(HEARTBEAT_S);
    config.replay = Some(REPLAY);
    Receiver::start(config).await.map_err(|error| DemoError::Room(error.to_string()))
}

/// A committed event as a line for the terminal.
pub(crate) fn line(committed: &Committed) -> Option<String> {
    let event = committed.event().ok()?;
    let draft = &event.draft;
    let id = draft.source.id.as_str();
    let name = match &*draft.source.kind {
        "door" => DOORS.iter().find(|door| door.id == id).map(|door| door.name_en),
        "camera" => CAMERAS.iter().find(|camera| camera.id == id).map(|camera| camera.name_en),
        "zone" => SENSORS.iter().find(|sensor| sensor.id == id).map(|sensor| sensor.name_en),
        "partition" => PARTITIONS.iter().find(|known| known.id == id).map(|known| known.name_en),
        "incident" => Some(id),
        _ => None,
    };
    let who = name.unwrap_or("the box");
    // "North lobby opened", but "the box: uplink lost".
    let own = ["door.", "zone.", "partition.", "incident.", "camera."];
    let what = own.iter().find_map(|own| draft.kind.strip_prefix(own)).unwrap_or(&draft.kind);
    let silent = if is_silent_event(draft) { "SILENT " } else { "" };
    let time = draft.time.utc.to_string();
    let clock = time.get(11..19).unwrap_or(&time);
    let mut line = format!(
        "  {clock}Z  #{:<5} {who:<14} {silent}{}",
        event.seq,
        what.replace(['_', '.'], " ")
    );
    for (fact, word) in [
        (draft.flags.contains(&Flag::WhileDown), "while dark"),
        (committed.replayed, "sent late"),
        (committed.duplicate, "a duplicate, recognised"),
    ] {
        if fact {
            line.push_str(" · ");
            line.push_str(word);
        }
    }
    Some(line)
}
