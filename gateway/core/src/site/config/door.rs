//! Doors: a contact, and what may stand around it: a lock, a request-to-exit button, readers.

use std::time::Duration;

use crate::id::Id;

/// One door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorConfig {
    /// Its id.
    pub id: Id,
    /// The partition it belongs to.
    pub partition: Option<Id>,
    /// The wire of its contact as events name it, as `gpiochip0:17`.
    pub driver: String,
    /// The bus its contact hangs on, by its place in
    /// [`SiteConfig::buses`](super::SiteConfig::buses): while that is lost, the loss of the door is
    /// not told.
    pub bus: Option<usize>,
    /// Open for so long, it is held open: a warning. `None`: it never is.
    pub held_open: Option<Duration>,
    /// Open for so long, it is propped: an alarm. `None`: it never is.
    pub propped: Option<Duration>,
    /// The warning that it is held open chimes.
    pub chime: bool,
    /// Opened without a grant or a request to exit, it is forced. That needs a reader or a
    /// request-to-exit input at this door: a plain contact cannot tell and never is forced.
    pub forced: bool,
    /// Its request-to-exit input, if it has one.
    pub rex: Option<RexConfig>,
    /// Its lock, if the gateway drives it.
    pub lock: Option<LockConfig>,
    /// Whether the gateway may release the lock at all: by a card, a request to exit or a command.
    pub release_allowed: bool,
    /// After a grant it may be opened for so long beyond the lock's own release time.
    pub grace: Duration,
    /// The areas it joins, if the site has areas.
    pub passage: Option<Passage>,
}

impl DoorConfig {
    /// A plain contact: nothing is released, and nothing is forced before there is a reader or a
    /// request-to-exit input.
    pub const fn new(id: Id, driver: String) -> Self {
        Self {
            id,
            partition: None,
            driver,
            bus: None,
            held_open: None,
            propped: None,
            chime: false,
            forced: true,
            rex: None,
            lock: None,
            release_allowed: false,
            // The time to walk up to the door and pull it.
            grace: Duration::from_secs(5),
            passage: None,
        }
    }

    /// How long after a grant it may be opened.
    pub fn window(&self) -> Duration {
        let release = self.lock.as_ref().map_or(Duration::ZERO, |lock| lock.pulse);
        release + self.grace
    }
}

/// A request-to-exit button, bar or detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RexConfig {
    /// The wire as events name it.
    pub driver: String,
    /// So long after it was let go, opening the door is still that exit.
    pub hold: Duration,
    /// It also releases the lock; otherwise the lock opens from inside by its own mechanics.
    pub releases: bool,
    /// Pressed for so long, it is stuck or tied down: a fault, and it explains no opening any more.
    pub stuck_after: Duration,
}

impl RexConfig {
    /// One that only explains an opening.
    pub const fn new(driver: String) -> Self {
        Self {
            driver,
            hold: Duration::from_secs(5),
            releases: false,
            // Longer than any furniture takes to be carried through.
            stuck_after: Duration::from_secs(300),
        }
    }
}

/// A lock that the gateway drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockConfig {
    /// Its output, by its place in [`SiteConfig::outputs`](super::SiteConfig::outputs).
    pub output: usize,
    /// It is released for so long.
    pub pulse: Duration,
    /// What it does without power.
    pub fail: Fail,
}

/// What a lock does without power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    /// It is open: a magnet. For escape routes.
    Safe,
    /// It stays locked: a strike.
    Secure,
}

/// The areas that a door joins, by their places in [`SiteConfig::areas`](super::SiteConfig::areas).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Before the door; `None`: the street.
    pub outside: Option<usize>,
    /// Behind the door.
    pub inside: usize,
}
