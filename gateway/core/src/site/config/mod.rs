//! What the rules know of a site: no wires, no brokers, no names.

mod access;
mod camera;
mod challenge;
mod door;
mod output;
mod partition;
mod round;
mod schedule;
mod weekly;
mod zone;

use std::time::Duration;

pub use access::{
    AccessConfig, AreaConfig, Credential, Doors, Lockout, ReaderConfig, Side, UnknownClock,
};
pub use camera::{CameraAreaConfig, CameraConfig, Tells};
pub use challenge::ChallengeConfig;
pub use door::{DoorConfig, Fail, LockConfig, Passage, RexConfig};
pub use output::{Dangers, OutputConfig, Role, SafeState};
pub use partition::{Mode, ModeConfig, Modes, PartitionConfig};
pub use round::{CheckpointConfig, Order, RoundConfig};
pub use schedule::{Dates, HolidayConfig, KeyMotion, KeySwitchConfig, ScheduleConfig};
pub use weekly::{Days, Weekly};
pub use zone::{
    CrossConfig, HelpConfig, LinesConfig, MotionConfig, Responders, ZoneConfig, ZoneKind,
};

use crate::commands::Rights;
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
    /// What can be switched.
    pub outputs: Vec<OutputConfig>,
    /// Each with its own id.
    pub cameras: Vec<CameraConfig>,
    /// How a challenge goes through the site's own wires.
    pub challenge: Option<ChallengeConfig>,
    /// Where people are, or are not.
    pub areas: Vec<AreaConfig>,
    /// Each with its own id.
    pub readers: Vec<ReaderConfig>,
    /// Who may pass. Of several with the same hash the first counts.
    pub credentials: Vec<Credential>,
    /// Which list of credentials that is; compared when another is loaded.
    pub credentials_hash: String,
    /// Each with its own id; one of a partition that does not exist does nothing.
    pub schedules: Vec<ScheduleConfig>,
    /// What schedules follow instead of the days of the week.
    pub holidays: Vec<HolidayConfig>,
    /// Each with its own id.
    pub key_switches: Vec<KeySwitchConfig>,
    /// What holds for all readers.
    pub access: AccessConfig,
    /// Where patrol rounds pass.
    pub checkpoints: Vec<CheckpointConfig>,
    /// Patrol rounds, each with its own id.
    pub rounds: Vec<RoundConfig>,
    /// What the district may want, and who of it.
    pub commands: Rights,
    /// EN 50131-1 grade, 1 to 4: what prevents arming (2006 edition, Table 4). 0 is taken as 2.
    pub grade: u8,
    /// How long an operator may take to acknowledge before the alarm is escalated; `None`: 60 s.
    pub ack_within: Option<Duration>,
    /// Who is called when an alarm is escalated.
    pub escalation: Escalation,
}

/// Who is called when nobody acknowledged an alarm in time, or an operator wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Escalation {
    /// Who comes when: the first whose window is open.
    pub responders: Vec<Responders>,
    /// Who comes at any other time, and when the time is not known.
    pub otherwise: Option<Id>,
}

/// A bus or a chip that several things hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusConfig {
    /// Its id.
    pub id: Id,
    /// Its loss must last so long to be told.
    pub hold_off: Duration,
    /// What it hangs on itself, by its place in [`SiteConfig::buses`]: a chip on its bus. While that
    /// is lost, its own loss is not told. One level deep: a bus that hangs on another carries none.
    pub on: Option<usize>,
}

impl BusConfig {
    /// One that hangs on nothing else.
    pub const fn new(id: Id, hold_off: Duration) -> Self {
        Self { id, hold_off, on: None }
    }
}
