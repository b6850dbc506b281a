//! Who may pass where and when: areas, readers, credentials.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::{Mode, Weekly};
use crate::id::Id;
use crate::site::CredentialHash;
use crate::time::UtcMs;

/// What holds for all readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessConfig {
    /// The site's time zone, for weekly windows. It brings its own rules of daylight saving: nothing
    /// is read from the system.
    pub time_zone: TimeZone,
    /// What a credential with a time limit may do while the time is not known.
    pub unknown_clock: UnknownClock,
    /// With a larger bound of its error, the wall clock is not known.
    pub clock_error: Duration,
    /// A card, a request to exit or a wish to open that is older than this does nothing.
    pub late: Duration,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            time_zone: TimeZone::UTC,
            unknown_clock: UnknownClock::Refuse,
            // Windows are agreed in quarters of an hour.
            clock_error: Duration::from_secs(300),
            // Who waits longer has gone, or stands elsewhere.
            late: Duration::from_secs(5),
        }
    }
}

/// What a credential with a time limit may do while the time is not known. One without is not
/// concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownClock {
    /// Nothing.
    #[default]
    Refuse,
    /// What it may do within its limits.
    Allow,
}

/// An area that people are in or not: a house, a garage, a floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaConfig {
    /// Its id.
    pub id: Id,
    /// A credential that comes in and never left before is reported. It is let in.
    pub passback: bool,
}

/// At which side of its door a reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Before the door: for people who come in.
    #[default]
    Outside,
    /// Behind the door: for people who leave.
    Inside,
}

/// One reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderConfig {
    /// Its id.
    pub id: Id,
    /// The wire or bus address as events name it.
    pub driver: String,
    /// The door it is at, by its place in [`SiteConfig::doors`](super::SiteConfig::doors); `None`:
    /// it only arms and disarms.
    pub door: Option<usize>,
    /// At which side of the door.
    pub side: Side,
    /// The partition that it arms and disarms, by its place in
    /// [`SiteConfig::partitions`](super::SiteConfig::partitions).
    pub partition: Option<usize>,
    /// A granted credential that may disarm the partition does so.
    pub disarms: bool,
    /// A granted credential that may arm the partition and is shown twice arms it in this mode.
    pub arms: Option<Mode>,
    /// A PIN is asked for with the card; who has none is refused.
    pub pin: bool,
    /// Its link must be a secure channel: without, its cards are refused.
    pub secure: bool,
    /// When it is locked.
    pub lockout: Lockout,
    /// A lost link or supply must last so long to be told.
    pub hold_off: Duration,
    /// The bus it hangs on, by its place in [`SiteConfig::buses`](super::SiteConfig::buses).
    pub bus: Option<usize>,
}

impl ReaderConfig {
    /// A card reader before a door.
    pub fn new(id: Id, driver: String, door: Option<usize>) -> Self {
        Self {
            id,
            driver,
            door,
            side: Side::Outside,
            partition: None,
            disarms: false,
            arms: None,
            pin: false,
            secure: false,
            lockout: Lockout::default(),
            hold_off: Duration::from_secs(10),
            bus: None,
        }
    }
}

/// After so many wrong attempts within the window a reader is locked.
///
/// EN 50131-1 asks for 90 s or more, after 10 attempts in grades 2 and 3 and after 3 in grade 4
/// (from memory, not read there). The default is stricter than grade 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// So many; 0: never.
    pub attempts: u8,
    /// Within so long.
    pub window: Duration,
    /// For so long.
    pub lasts: Duration,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { attempts: 5, window: Duration::from_secs(60), lasts: Duration::from_secs(90) }
    }
}

/// What one card or code may do. No name and no number: a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Which it is.
    pub hash: CredentialHash,
    /// Its PIN, at readers that ask for one.
    pub pin: Option<CredentialHash>,
    /// The PIN that its holder gives under duress: it does the same, and the district is told.
    pub duress_pin: Option<CredentialHash>,
    /// Shown only under duress.
    pub duress: bool,
    /// Lost or stolen.
    pub blocked: bool,
    /// Valid from then on.
    pub from: Option<UtcMs>,
    /// Valid until then; not at that instant itself.
    pub until: Option<UtcMs>,
    /// Valid in these windows of each week; empty: always.
    pub weekly: Vec<Weekly>,
    /// The doors it may open.
    pub opens: Doors,
    /// The partitions it may arm.
    pub arms: Vec<usize>,
    /// The partitions it may disarm.
    pub disarms: Vec<usize>,
}

impl Credential {
    /// One that is always valid, opens every door, and arms and disarms nothing.
    pub const fn new(hash: CredentialHash) -> Self {
        Self {
            hash,
            pin: None,
            duress_pin: None,
            duress: false,
            blocked: false,
            from: None,
            until: None,
            weekly: Vec::new(),
            opens: Doors::All,
            arms: Vec::new(),
            disarms: Vec::new(),
        }
    }

    /// Whether it needs to know the time.
    pub const fn is_limited(&self) -> bool {
        self.from.is_some() || self.until.is_some() || !self.weekly.is_empty()
    }
}

/// Doors that a credential may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doors {
    /// Every one.
    All,
    /// These, and all that join one of these areas: by their places in the configuration.
    These {
        /// Doors.
        doors: Vec<usize>,
        /// Areas.
        areas: Vec<usize>,
    },
}
