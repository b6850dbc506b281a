//! What the record tells of a door after a restart.

use super::DoorState;
use crate::event::Event;

/// The state that a door had when the gateway last recorded something of it.
///
/// `newest_first` are the door's last events. A `door.unknown` says that the line was lost: what
/// counts is the state before it.
pub fn recalled<'a>(newest_first: impl IntoIterator<Item = &'a Event>) -> DoorState {
    for event in newest_first {
        match &*event.draft.kind {
            "door.opened" => return DoorState::Open,
            "door.held_open" => return DoorState::HeldOpen,
            "door.closed" | "door.found" => return DoorState::Closed,
            _ => {}
        }
    }
    DoorState::Unknown
}
