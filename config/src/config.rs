//! The checked configuration.

use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::site::{
    BusConfig, CameraConfig, CrossConfig, DoorConfig, Escalation, HolidayConfig, RexConfig,
    ScheduleConfig, SiteConfig, ZoneConfig,
};
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;
use gatehouse_core::uplink::Reporting;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::access::{Access, Area, CardReader, Rs485};
use crate::camera::{Camera, CameraSource, Evidence};
use crate::commands::Commands;
use crate::devices::{Bus, BusChip};
use crate::door::Door;
use crate::feed::Feed;
use crate::finding::Warnings;
use crate::kind::Word;
use crate::network::Broker;
use crate::output::{Challenge, Output};
use crate::page::{Metrics, Page};
use crate::patrol::{Checkpoint, HelpPoint, Round};
use crate::protection::{KeySwitch, Partition, Zone};
use crate::schema;
use crate::wiring::{Chip, Line};

/// Everything a gateway is told, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The gateway's place in the topic tree.
    pub address: Address,
    /// The site's time zone, with its rules of daylight saving.
    pub time_zone: TimeZone,
    /// Where the journal lives.
    pub state_dir: PathBuf,
    /// The control socket, for `gatehouse status`.
    pub socket: PathBuf,
    /// How long a change that could cut off whoever made it holds without being confirmed.
    pub confirm_within: Duration,
    /// The doors, at most [`MAX_DOORS`](crate::MAX_DOORS).
    pub doors: Vec<Door>,
    /// The areas, at most [`MAX_AREAS`](crate::MAX_AREAS).
    pub areas: Vec<Area>,
    /// The RS-485 buses, at most [`MAX_RS485`](crate::MAX_RS485). They are the first of the rules'
    /// buses, in this order.
    pub rs485: Vec<Rs485>,
    /// The readers, at most [`MAX_READERS`](crate::MAX_READERS).
    pub readers: Vec<CardReader>,
    /// What holds for all readers.
    pub access: Access,
    /// The zones, at most [`MAX_ZONES`](crate::MAX_ZONES).
    pub zones: Vec<Zone>,
    /// The help points, at most [`MAX_HELP_POINTS`](crate::MAX_HELP_POINTS). To the rules they are
    /// the zones behind all others, in this order.
    pub help_points: Vec<HelpPoint>,
    /// The checkpoints, at most [`MAX_CHECKPOINTS`](crate::MAX_CHECKPOINTS).
    pub checkpoints: Vec<Checkpoint>,
    /// The patrol rounds, at most [`MAX_ROUNDS`](crate::MAX_ROUNDS).
    pub rounds: Vec<Round>,
    /// The buses, at most [`MAX_BUSES`](crate::MAX_BUSES).
    pub buses: Vec<Bus>,
    /// The chips on them, at most [`MAX_CHIPS`](crate::MAX_CHIPS). The rules know each as a bus of
    /// its own: see [`Config::bus_place`] and [`Config::chip_place`].
    pub chips: Vec<BusChip>,
    /// The partitions, at most [`MAX_PARTITIONS`](crate::MAX_PARTITIONS). Zones, common areas and
    /// the rules name them by their place here.
    pub partitions: Vec<Partition>,
    /// The groups of zones that must agree, at most [`MAX_CROSS_ZONES`](crate::MAX_CROSS_ZONES).
    pub crosses: Vec<CrossConfig>,
    /// What is armed and disarmed when, at most [`MAX_SCHEDULES`](crate::MAX_SCHEDULES).
    pub schedules: Vec<ScheduleConfig>,
    /// The days that schedules take for others, at most [`MAX_HOLIDAYS`](crate::MAX_HOLIDAYS).
    pub holidays: Vec<HolidayConfig>,
    /// The key switches, at most [`MAX_KEY_SWITCHES`](crate::MAX_KEY_SWITCHES).
    pub key_switches: Vec<KeySwitch>,
    /// The outputs, at most [`MAX_OUTPUTS`](crate::MAX_OUTPUTS). Locks and the rules name them by
    /// their place here.
    pub outputs: Vec<Output>,
    /// The cameras, at most [`MAX_CAMERAS`](crate::MAX_CAMERAS).
    pub cameras: Vec<Camera>,
    /// What several cameras hang on, by its id. To the rules they are the last of their buses, in
    /// this order.
    pub camera_switches: Vec<Id>,
    /// How pictures and clips are kept.
    pub evidence: Evidence,
    /// The challenge test, if an output is wired back to an input.
    pub challenge: Option<Challenge>,
    /// What holds for the alarm system as a whole.
    pub alarm: Alarm,
    /// What the district may command.
    pub commands: Commands,
    /// The brokers in order of preference, 1 to [`MAX_BROKERS`](crate::MAX_BROKERS).
    pub brokers: Vec<Broker>,
    /// How events are delivered.
    pub uplink: Uplink,
    /// Whether a Home Assistant is told what there is.
    pub home_assistant: HomeAssistant,
    /// Where the gateway's own page is served, if it is.
    pub page: Option<Page>,
    /// Where the gateway's figures are served, if they are.
    pub metrics: Option<Metrics>,
    /// How events are kept.
    pub journal: JournalConfig,
    /// The simulated wiring, if there is one.
    pub sim: Option<Sim>,
    /// What is logged.
    pub log: Log,
    pub(crate) hash: String,
    pub(crate) warnings: Warnings,
}

impl Config {
    /// The first 16 hex digits of the BLAKE3 of the file's bytes: which configuration this is.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What is allowed in the file but unwise.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// What the clock on the wall of the site shows at an instant, as `Sun 2026-03-29 20:00 CEST`.
    pub fn local_time(&self, at: UtcMs) -> String {
        match Timestamp::from_millisecond(at.0) {
            Ok(then) => {
                let there = then.to_zoned_datetime(self.time_zone.clone());
                there.strftime("%a %Y-%m-%d %H:%M %Z").to_string()
            }
            // Outside the years -9999 to 9999.
            Err(_) => at.to_string(),
        }
    }

    /// What the rules need to know: no wires' polarity, no brokers, no names. Credentials stand in
    /// a file of their own, see [`Credentials`](crate::Credentials).
    pub fn site(&self) -> SiteConfig {
        let doors = self.doors.iter().map(|door| DoorConfig {
            bus: self.bus_of(&door.input),
            partition: door.partition.clone(),
            held_open: door.held_open,
            propped: door.propped,
            chime: door.chime,
            forced: door.forced,
            grace: door.grace,
            passage: door.passage,
            rex: door.rex.as_ref().map(|rex| RexConfig {
                driver: rex.input.line.to_string(),
                hold: rex.hold,
                releases: rex.releases,
                stuck_after: rex.stuck_after,
            }),
            lock: door.lock.clone(),
            release_allowed: door.release,
            ..DoorConfig::new(door.id.clone(), door.input.to_string())
        });
        SiteConfig {
            doors: doors.collect(),
            zones: self.zones().collect(),
            checkpoints: self.checkpoints.iter().map(|one| one.rules.clone()).collect(),
            rounds: self.rounds.iter().map(|round| round.rules.clone()).collect(),
            buses: self.rules_buses(),
            partitions: self.partitions.iter().map(|part| part.rules.clone()).collect(),
            crosses: self.crosses.clone(),
            challenge: self.challenge.as_ref().map(|challenge| challenge.rules.clone()),
            schedules: self.schedules.clone(),
            holidays: self.holidays.clone(),
            key_switches: self.key_switches.iter().map(|switch| switch.rules.clone()).collect(),
            areas: self.areas.iter().map(|area| area.rules.clone()).collect(),
            readers: self.readers.iter().map(|reader| reader.rules.clone()).collect(),
            access: self.access.rules(&self.time_zone),
            outputs: self.outputs.iter().map(|output| output.rules.clone()).collect(),
            cameras: self.camera_rules().collect(),
            commands: self.commands.rights.clone(),
            grade: self.alarm.grade,
            ack_within: Some(self.alarm.ack_within),
            escalation: self.alarm.escalation.clone(),
            ..SiteConfig::default()
        }
    }

    /// All that is a zone to the rules, in their order: zones, then help points.
    pub fn zone_rules(&self) -> impl Iterator<Item = &ZoneConfig> + Clone {
        let points = self.help_points.iter().map(|point| &point.rules);
        self.zones.iter().map(|zone| &zone.rules).chain(points)
    }

    /// The chip of `[[chip]]` that a line is on, by its place in [`Config::chips`]. `None`: the
    /// line is one of the kernel's, or simulated.
    pub fn chip(&self, line: &Line) -> Option<usize> {
        let Chip::Gpio(name) = &line.chip else { return None };
        self.chips.iter().position(|chip| chip.id.as_str() == name)
    }

    /// The place of a bus in the rules' `SiteConfig::buses`: RS-485 buses come first, chips last.
    pub const fn bus_place(&self, bus: usize) -> usize {
        self.rs485.len() + bus
    }

    /// The place of a chip in the rules' `SiteConfig::buses`.
    pub const fn chip_place(&self, chip: usize) -> usize {
        self.bus_place(self.buses.len()) + chip
    }

    /// The place of a camera switch in the rules' `SiteConfig::buses`.
    pub const fn switch_place(&self, switch: usize) -> usize {
        self.chip_place(self.chips.len()) + switch
    }

    fn camera_rules(&self) -> impl Iterator<Item = CameraConfig> {
        self.cameras.iter().map(|camera| CameraConfig {
            bus: match camera.source {
                CameraSource::Chip { chip, .. } => Some(self.chip_place(chip)),
                _ => camera.switch.map(|switch| self.switch_place(switch)),
            },
            ..camera.rules.clone()
        })
    }

    fn rules_buses(&self) -> Vec<BusConfig> {
        let rs485 = self.rs485.iter().map(|bus| BusConfig::new(bus.id.clone(), bus.hold_off));
        let buses = self.buses.iter().map(|bus| BusConfig::new(bus.id.clone(), bus.hold_off));
        let chips = self.chips.iter().map(|chip| {
            let hold_off = self.buses.get(chip.bus).map(|bus| bus.hold_off).unwrap_or_default();
            let on = Some(self.bus_place(chip.bus));
            BusConfig { on, ..BusConfig::new(chip.id.clone(), hold_off) }
        });
        // All of its cameras have waited before it is found lost.
        let switches = self.camera_switches.iter();
        let switches = switches.map(|id| BusConfig::new(id.clone(), Duration::ZERO));
        rs485.chain(buses).chain(chips).chain(switches).collect()
    }

    /// Zones, then help points, each with the chip that it hangs on.
    fn zones(&self) -> impl Iterator<Item = ZoneConfig> {
        let zones = self.zones.iter().map(|zone| (&zone.rules, self.bus_of(&zone.input)));
        let points = self.help_points.iter().map(|point| {
            let chip = point.input.as_ref().and_then(|input| self.chip(&input.line));
            (&point.rules, chip.map(|chip| self.chip_place(chip)))
        });
        zones.chain(points).map(|(rules, bus)| ZoneConfig { bus, ..rules.clone() })
    }

    /// The chip, or the switch of a camera, that a door or a zone hangs on.
    fn bus_of(&self, feed: &Feed) -> Option<usize> {
        if let Some(line) = feed.line() {
            return self.chip(line).map(|chip| self.chip_place(chip));
        }
        let camera = self.cameras.iter().find(|camera| Some(&camera.rules.id) == feed.camera())?;
        camera.switch.map(|switch| self.switch_place(switch))
    }

    /// The JSON Schema of the file, for editors.
    pub fn schema() -> String {
        schema::document()
    }
}

/// What holds for the alarm system as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// EN 50131-1 grade, 1 to 4: what prevents arming.
    pub grade: u8,
    /// How long an operator may take to acknowledge before the alarm is escalated.
    pub ack_within: Duration,
    /// Who is called when an alarm is escalated.
    pub escalation: Escalation,
}

/// How events are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The failure reporting profile.
    pub reporting: Reporting,
    /// The period of heartbeats, until the control room sets a shorter one.
    pub heartbeat: Duration,
    /// How often brokers that are not in use are looked at.
    pub standby_poll: Duration,
    /// The pace of what is sent late, in events per second.
    pub replay_rate: u32,
    /// What is sent late begins after a random delay of at most this.
    pub replay_jitter: Duration,
    /// The most events without the broker's acknowledgement.
    pub in_flight: u16,
    /// Without progress of receipts for so long, the events are sent again.
    pub host_timeout: Duration,
}

/// Whether a Home Assistant is told what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeAssistant {
    /// It is.
    pub enabled: bool,
    /// Where it looks: its `discovery_prefix`.
    pub prefix: Id,
    /// Names for people go with it.
    pub names: bool,
}

/// How events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// The most the journal may take of the disk.
    pub max_bytes: u64,
    /// What is set aside for alarms on a full disk.
    pub reserve_bytes: u64,
    /// How long events are kept, by the number of their class; see [`JournalConfig::keep`].
    pub keep: [Option<Duration>; Class::ALL.len()],
}

impl JournalConfig {
    /// How long events of a class are kept; `None`: until room is needed.
    pub fn keep(&self, class: Class) -> Option<Duration> {
        self.keep[usize::from(class as u8)]
    }
}

/// Where the simulated wiring is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sim {
    /// A Unix socket, to which the box connects.
    Socket(PathBuf),
    /// A file of timed edges.
    Script(PathBuf),
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important message that is still shown.
    pub level: LogLevel,
    /// How a message is written.
    pub format: LogFormat,
}

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words are the field's own")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word in the file, which `tracing` understands too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Word for LogLevel {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Error, Self::Error.as_str(), "what does not work"),
        (Self::Warn, Self::Warn.as_str(), "also what may stop working"),
        (Self::Info, Self::Info.as_str(), "also what happens, a few lines an hour"),
        (Self::Debug, Self::Debug.as_str(), "also each event and each step"),
        (Self::Trace, Self::Trace.as_str(), "everything, each edge and packet"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("warning", "warn"), ("verbose", "debug"), ("all", "trace"), ("notice", "info")];
}

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Word for LogFormat {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Text, "text", "for people"),
        (Self::Json, "json", "one JSON object a line, for log collectors"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("plain", "text"), ("pretty", "text"), ("jsonl", "json")];
}
