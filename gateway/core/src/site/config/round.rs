//! Patrol rounds: where somebody must have been, in which order and when.

use std::time::Duration;

use super::Weekly;
use crate::id::Id;

/// A place that a round passes: a button or a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// Its id.
    pub id: Id,
    /// The wire of its button as events name it; `None`: it has only a reader.
    pub driver: Option<String>,
    /// A known card that is shown at this reader is a visit: by its place in
    /// [`SiteConfig::readers`](super::SiteConfig::readers).
    pub reader: Option<usize>,
    /// A lost line must last so long to be told.
    pub hold_off: Duration,
}

impl CheckpointConfig {
    /// One with a button.
    pub const fn new(id: Id, driver: String) -> Self {
        Self { id, driver: Some(driver), reader: None, hold_off: Duration::from_secs(10) }
    }
}

/// In which order the checkpoints of a round are visited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they are listed; another one does not count, and is told.
    #[default]
    Strict,
    /// In any: rounds that nobody outside can predict.
    Any,
}

/// One round. It is due once in each of its windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundConfig {
    /// Its id.
    pub id: Id,
    /// The checkpoints, by their places in
    /// [`SiteConfig::checkpoints`](super::SiteConfig::checkpoints), each once.
    pub checkpoints: Vec<usize>,
    /// In which order.
    pub order: Order,
    /// It begins in one of these windows of the week, in the site's time zone.
    pub starts: Vec<Weekly>,
    /// The way from one checkpoint to the next takes so long at least: who is faster was not there
    /// on foot.
    pub leg_min: Duration,
    /// And so long at most.
    pub leg_max: Duration,
    /// So much later is still in time, at the start and on each way.
    pub tolerance: Duration,
    /// Overdue for so long, the round is given up and was missed.
    pub give_up: Duration,
}

impl RoundConfig {
    /// A round in strict order, with ways of up to ten minutes.
    pub const fn new(id: Id, checkpoints: Vec<usize>, starts: Vec<Weekly>) -> Self {
        Self {
            id,
            checkpoints,
            order: Order::Strict,
            starts,
            leg_min: Duration::ZERO,
            leg_max: Duration::from_secs(600),
            tolerance: Duration::from_secs(60),
            give_up: Duration::from_secs(1800),
        }
    }
}
