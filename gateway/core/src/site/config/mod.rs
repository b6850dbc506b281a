//! What the rules know of a site: no wires, no brokers, no names.

mod partition;
mod zone;

use std::time::Duration;

pub use partition::{Mode, ModeConfig, Modes, PartitionConfig};
pub use zone::{CrossConfig, ZoneConfig, ZoneKind};

use crate::id::Id;

/// Everything that the rules watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteConfig {
    /// Each with its own id.
    pub doors: Vec<DoorConfig>,
    /// Each with its own id.
    pub zones: Vec<ZoneConfig>,
    /// Each with its own id.
    pub partitions: Vec<PartitionConfig>,
    /// Groups of zones that must agree before there is an alarm.
    pub crosses: Vec<CrossConfig>,
    /// What several things hang on.
    pub buses: Vec<BusConfig>,
    /// EN 50131-1 grade, 1 to 4: what prevents arming (2006 edition, Table 4). 0 is taken as 2.
    pub grade: u8,
    /// How long an operator may take to acknowledge before the alarm is escalated; `None`: 60 s.
    pub ack_within: Option<Duration>,
}

/// One door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorConfig {
    /// Its id.
    pub id: Id,
    /// The partition it belongs to.
    pub partition: Option<Id>,
    /// Open for so long, it is held open; `None`: it never is.
    pub held_open: Option<Duration>,
    /// The wire of its contact as events name it, as `gpiochip0:17`.
    pub driver: String,
}

/// A bus or a chip that several things hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusConfig {
    /// Its id.
    pub id: Id,
    /// Its loss must last so long to be told.
    pub hold_off: Duration,
}
