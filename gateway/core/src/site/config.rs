//! What the rules know of a site: no wires, no brokers, no names.

use std::time::Duration;

use crate::id::Id;

/// The doors that the rules watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteConfig {
    /// Each with its own id.
    pub doors: Vec<DoorConfig>,
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
