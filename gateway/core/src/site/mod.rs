//! The rules of a site as one pure function: [`Site::apply`]`(input, now) -> effects`.
//!
//! The site owns no clock and no wires. Inputs carry the kernel's timestamp of what happened;
//! `now` says what is known of the clocks while the input is looked at. Deadlines that the rules
//! wait for come out of [`Site::next_deadline`] and go in again as [`Input::Tick`].
//!
//! Unknown is not closed: every door and zone is `unknown` until its contact was stable once, and
//! again when its line is lost. Arming, bypasses, open alarms and running delays are handed out as
//! [`Effect::Keep`] and given back by [`Site::restore`], so a restart at any step goes on as if
//! there had been none.
//!
//! | file | what |
//! |---|---|
//! | `door` | one door |
//! | `release` | doors in their site: what opens them, who went through |
//! | `reader` | one reader, and its lockout |
//! | `access` | cards and codes: granted or denied |
//! | `enrol` | the next card is enrolled; another list of credentials |
//! | `zone` | one zone: alarm, tamper and trouble, each with its restore |
//! | `partition` | one partition: disarmed, leaving, armed, entered |
//! | `lines` | what the lines of one detector say together |
//! | `guard` | which activation is an alarm |
//! | `help` | help points: who is called, and the reset of what latches |
//! | `round` | patrol rounds: what is due, begun, done, late, missed |
//! | `bus` | one fault for all that hang on a bus |
//! | `incident` | what an operator handles |
//! | `arming` | commands, what prevents arming, common areas |
//! | `schedule` | arming and disarming at times of the week |
//! | `camera` | one camera: its pictures, tampering, motion; which one sees what |
//! | `key_switch` | arming and disarming with a key |
//! | `ledger` | how long each zone did not protect, why and by whose wish |
//! | `dark` | when the box was off |
//! | `district` | commands of the control room |
//! | `walk` | the walk test |
//! | `output` | one output: why it is on, what it does |
//! | `siren` | which alarm sounds where, and what ends that |
//! | `challenge` | the challenge test |
//! | `timer` | deadlines that outlive the box |
//! | `build` | doors and readers from their configuration |
//! | `replay` | what would have been different under another configuration |
//! | `reconfigure` | another configuration for a site that goes on |
//! | `layout` | which thing stands at which place of a configuration |
//! | `kinds` | every type of event, and which are silent |

mod access;
#[cfg(test)]
mod access_tests;
mod arming;
mod build;
mod bus;
mod camera;
mod challenge;
mod command;
mod config;
mod dark;
mod district;
#[cfg(test)]
mod district_tests;
mod door;
mod effect;
mod enrol;
mod guard;
mod help;
mod incident;
mod input;
mod key_switch;
mod kinds;
mod layout;
mod ledger;
mod lines;
mod out;
mod output;
mod partition;
mod reader;
mod recall;
mod reconfigure;
#[cfg(test)]
mod reconfigure_tests;
mod release;
mod replay;
mod restore;
mod round;
mod schedule;
#[cfg(test)]
mod schedule_tests;
mod siren;
#[cfg(test)]
mod siren_tests;
mod standing;
#[cfg(test)]
mod tests;
mod timer;
mod walk;
mod zone;
#[cfg(test)]
mod zone_tests;

pub use access::{CredentialHash, Denial, HashError};
pub use camera::{CameraLink, CameraSays, CameraTamper};
pub use challenge::LONGEST_NONCE;
pub use command::{Answer, Blocker, Command, Question, Refusal, Verb, Via};
pub use config::{
    AccessConfig, AreaConfig, BusConfig, CameraAreaConfig, CameraConfig, ChallengeConfig,
    CheckpointConfig, Credential, CrossConfig, Dangers, Dates, Days, DoorConfig, Doors, Escalation,
    Fail, HelpConfig, HolidayConfig, KeyMotion, KeySwitchConfig, LinesConfig, LockConfig, Lockout,
    Mode, ModeConfig, Modes, MotionConfig, Order, OutputConfig, PartitionConfig, Passage,
    ReaderConfig, Responders, RexConfig, Role, RoundConfig, SafeState, ScheduleConfig, Side,
    SiteConfig, Tells, UnknownClock, Weekly, ZoneConfig, ZoneKind,
};
pub use door::DoorState;
pub use effect::{Drive, Effect, Show, Sound, Thing};
pub use enrol::LONGEST_ENROL;
pub use incident::{Act, CloseReason, Danger, Incident, Note, Phase};
pub use input::{Card, Condition, Contact, Does, Input, ReaderPart, Report};
pub use kinds::{EVENT_TYPES, is_silent, is_silent_event};
pub use layout::Layout;
pub use lines::ZoneLine;
pub use recall::recalled;
pub use replay::{Counts, Difference, How, Recording, Replayed, Told};
pub use schedule::{Coming, ScheduleAct, schedule_after};
pub(crate) use timer::KeptTimer;
pub use walk::LONGEST_WALK;

use std::sync::Arc;
use std::time::Duration;

use crate::commands::Commands;
use crate::contract::catalogue;
use crate::event::Draft;
use crate::id::Id;
use crate::time::{Mono, Now};
use access::{Credentials, Places};
use bus::Bus;
use camera::Camera;
use challenge::Challenge;
use dark::Dark;
use door::Door;
use incident::Incidents;
use key_switch::KeySwitch;
use ledger::Ledger;
use out::Out;
use output::Output;
use partition::Partition;
use reader::{Reader, Said};
use round::Rounds;
use schedule::Schedules;
use standing::Standing;
use zone::Zone;

/// An operator has so long to acknowledge, if the configuration says nothing else.
const ACK_WITHIN: Duration = Duration::from_secs(60);

/// Everything of a site and what the rules remember of it.
#[derive(Clone, Debug)]
pub struct Site {
    boot: Arc<str>,
    grade: u8,
    doors: Vec<Door>,
    zones: Vec<Zone>,
    partitions: Vec<Partition>,
    crosses: Vec<CrossConfig>,
    /// Per group: which zones were active when, within its window.
    crossed: Vec<Vec<(usize, Mono)>>,
    incidents: Incidents,
    buses: Vec<Bus>,
    outputs: Vec<Output>,
    cameras: Vec<Camera>,
    challenge: Challenge,
    commands: Commands,
    access: AccessConfig,
    escalation: Escalation,
    areas: Vec<AreaConfig>,
    readers: Vec<Reader>,
    credentials: Credentials,
    places: Places,
    key_switches: Vec<KeySwitch>,
    schedules: Schedules,
    rounds: Rounds,
    dark: Dark,
    ledger: Ledger,
    standing: Standing,
    /// The earliest deadline, as of the end of the last input.
    next: Option<(Mono, Due)>,
    /// The gateway itself, as source of events; none before [`Site::restore`].
    gateway: Option<Id>,
}

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Door(usize),
    Zone(usize),
    Partition(usize),
    Bus(usize),
    Reader(usize),
    Output(usize),
    Camera(usize),
    Challenge,
    KeySwitch(usize),
    Schedule,
    Incident,
    Rounds,
    Alive,
    Ledger,
}

impl Site {
    /// A site of which nothing is known, on the boot with this id.
    ///
    /// Places of zones, partitions and groups that the configuration does not have are ignored.
    pub fn new(mut config: SiteConfig, boot: &str) -> Self {
        let doors = build::doors(&mut config);
        let readers = build::readers(&mut config, &doors);
        let key_switches = build::key_switches(&mut config);
        let schedules = build::schedules(&mut config);
        let crossed = vec![Vec::new(); config.crosses.len()];
        let (partitions, crosses) = (config.partitions.len(), config.crosses.len());
        let cameras = build::cameras(&mut config, &doors);
        let things = config.zones.len() + readers.len() + cameras.len();
        let buses = config.buses.len();
        let ids: Vec<_> = config.partitions.iter().map(|partition| partition.id.clone()).collect();
        let outputs = build::outputs(&mut config);
        let challenge = config.challenge.filter(|it| it.output < outputs.len());
        let zones = config.zones.into_iter().map(|mut zone| {
            zone.partition = zone.partition.filter(|place| *place < partitions);
            zone.cross = zone.cross.filter(|place| *place < crosses);
            zone.bus = zone.bus.filter(|place| *place < buses);
            if let Some(camera) = zone.camera.as_ref().and_then(|it| cameras.get(it.camera)) {
                // What takes the camera away takes its zone away.
                zone.bus = camera.config.bus;
                zone.lines = camera::zones::LINES;
            }
            let partition = zone.partition.map(|place| ids[place].clone());
            Zone::new(zone, partition)
        });
        let whole = config.partitions.into_iter().map(|mut partition| {
            partition.common_to.retain(|place| *place < partitions);
            Partition::new(partition)
        });
        Self {
            boot: boot.into(),
            grade: config.grade,
            doors,
            readers,
            rounds: Rounds::new(config.checkpoints, config.rounds, config.access.time_zone.clone()),
            access: config.access,
            escalation: config.escalation,
            areas: config.areas,
            credentials: Credentials::new(config.credentials, config.credentials_hash),
            places: Places::new(),
            zones: zones.collect(),
            partitions: whole.collect(),
            crosses: config.crosses,
            crossed,
            key_switches,
            schedules,
            dark: Dark::default(),
            next: None,
            ledger: Ledger::new(things),
            gateway: None,
            standing: Standing::default(),
            buses: config.buses.into_iter().map(Bus::new).collect(),
            outputs,
            cameras,
            challenge: Challenge::new(challenge),
            commands: Commands::new(config.commands),
            incidents: Incidents::new(config.ack_within.unwrap_or(ACK_WITHIN)),
        }
    }

    /// Applies one input. The same inputs at the same times always give the same effects.
    ///
    /// An input for a thing that does not exist has no effect.
    pub fn apply(&mut self, input: Input, now: &Now) -> Vec<Effect> {
        let boot = Arc::clone(&self.boot);
        let mut out = Out::new(&boot, now);
        // The wall clock may stand elsewhere than at the last input. What is recalled comes before
        // what was kept: nothing may run then, or it would run without its past.
        if !matches!(input, Input::Recall { .. }) {
            self.schedules.aim(now);
        }
        // What was due before it happened comes before it, however late it is looked at.
        let before = input.at().map(|at| at.min(now.mono));
        if let Some(until) = before.filter(|at| self.next.is_some_and(|(due, _)| due <= *at)) {
            self.expire(until, &mut out);
        }
        match input {
            Input::Contact { door, contact, at, resynced } => {
                self.door_contact(door, contact, at, resynced, &mut out);
            }
            Input::Rex { door, pressed, at } => {
                self.rex(door, pressed, at, &mut out);
            }
            Input::RexLost { door, at } => {
                if let Some(door) = self.doors.get_mut(door) {
                    door.rex_lost(at);
                }
            }
            Input::KeySwitch { switch, turned, at, resynced } => {
                self.key_switch(switch, turned, (at, resynced), &mut out);
            }
            Input::Card(card) => {
                self.card(&card, &mut out);
            }
            Input::ReaderStatus { reader, part, good, cause, at } => {
                if let Some(known) = self.readers.get_mut(reader) {
                    let excused = bus::is_lost(&self.buses, known.config.bus);
                    known.says(reader, part, Said { good, excused, cause }, at, &mut out);
                }
            }
            // What is made of a camera's motion has no wire that could say something else.
            Input::Zone { zone, .. } | Input::ZoneLine { zone, .. } if self.is_seen(zone) => {}
            Input::Zone { zone, condition, at, resynced } => {
                self.zone_says(zone, condition, at, resynced, &mut out);
            }
            Input::ZoneLine { zone, line, active, at, resynced } => {
                self.zone_line_says((zone, line), active, at, resynced, &mut out);
            }
            Input::Output { output, does, fault, at } => {
                if let Some(known) = self.outputs.get_mut(output) {
                    known.says(output, does, fault, at, &mut out);
                    self.challenge_output(output, does, at);
                }
            }
            Input::Camera { camera, says, at } => self.camera(camera, says, at, &mut out),
            Input::LoopBack { condition, at } => self.challenge_input(condition, at, &mut out),
            Input::Command(command) => {
                if let Some(answer) = self.command(&command, &mut out) {
                    out.effects.push(Effect::Answer { command: command.id, answer });
                }
            }
            Input::Recall { door, state } => {
                if let Some(door) = self.doors.get_mut(door) {
                    door.recall(state);
                }
            }
            Input::Bus { bus, lost, at } => {
                self.bus(bus, lost, at, &mut out);
            }
            Input::Checkpoint { checkpoint, pressed, at } => {
                self.checkpoint(checkpoint, pressed, at, &mut out);
            }
            Input::Report(report) => self.report(report, &mut out),
            Input::Tick => {}
        }
        self.look_at_rounds(now, &mut out);
        self.expire(now.mono, &mut out);
        self.settle(&mut out);
        out.effects
    }

    fn zone_says(
        &mut self,
        zone: usize,
        condition: Condition,
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) {
        if let Some(z) = self.zones.get_mut(zone) {
            let excused = bus::is_lost(&self.buses, z.config.bus);
            let edge = z.reading(zone, (condition, excused), at, resynced, out);
            self.zone_edge(zone, edge, at, out);
        }
    }

    fn zone_line_says(
        &mut self,
        (zone, line): (usize, ZoneLine),
        active: Option<bool>,
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) {
        if let Some(z) = self.zones.get_mut(zone) {
            let excused = bus::is_lost(&self.buses, z.config.bus);
            let edge = z.further(zone, (line, active, excused), at, resynced, out);
            self.zone_edge(zone, edge, at, out);
        }
    }

    /// The box stops in order: until now it was watched, and what only a power cut may lose is kept.
    pub fn stop(&mut self, now: &Now) -> Vec<Effect> {
        let boot = Arc::clone(&self.boot);
        let mut out = Out::new(&boot, now);
        // Without a start there is nothing to keep.
        if self.gateway.is_some() {
            self.account(now.mono);
            self.dark.note(&mut out);
            self.ledger_keep(now.mono, &mut out);
        }
        out.effects
    }

    /// What somebody asked for.
    fn asked(&mut self, question: Question, now: &Now) -> Answer {
        let facts = match question {
            Question::Ledger => self.unprotected(now.mono),
            Question::Rounds => self.rounds_told(now),
        };
        Answer::Told { facts }
    }

    /// What follows from every input.
    fn settle(&mut self, out: &mut Out<'_>) {
        self.account(out.now.mono);
        self.sound_alarms(out);
        self.beep(out);
        self.dark.explain(out);
        self.incidents.watch(out);
        self.call_responders(out);
        self.look(out);
        // An alarm has just begun to wait for its acknowledgement.
        let incident = self.incidents.deadline().map(|at| (at, Due::Incident));
        // A siren has just begun to sound.
        let outputs = self.outputs.iter().enumerate();
        let outputs = outputs.filter_map(|(n, output)| Some((output.deadline()?, Due::Output(n))));
        self.next = self.next.into_iter().chain(incident).chain(outputs).min();
        self.keep(out);
        // What is published of it is true of every event that any test makes.
        if cfg!(debug_assertions) {
            for draft in out.effects.iter().filter_map(Effect::record) {
                catalogue::check(draft).expect("gateway/core/src/contract/events.csv");
            }
        }
    }

    /// Fires every deadline up to `until`, the earliest first.
    fn expire(&mut self, until: Mono, out: &mut Out<'_>) {
        loop {
            self.next = self.earliest();
            let Some((at, due)) = self.next.filter(|(at, _)| *at <= until) else { return };
            match due {
                Due::Door(index) => self.doors[index].expire(index, out),
                Due::Zone(index) => self.zones[index].expire(index, out),
                Due::Partition(index) => match self.partitions[index].arming() {
                    partition::Arming::Leaving { .. } => self.exit_ended(index, at, out),
                    partition::Arming::Disarmed => self.walk_expired(index, at, out),
                    _ => self.entry_ended(index, at, out),
                },
                Due::Bus(index) => self.bus_lost(index, out),
                Due::Reader(index) => self.readers[index].expire(index, out),
                Due::Output(index) => self.siren_ended(index, at, out),
                Due::Camera(index) => self.cameras[index].expire(index, out),
                Due::Challenge => self.challenge_expired(at, out),
                Due::KeySwitch(index) => self.key_switches[index].expire(out),
                Due::Schedule => self.schedules_due(at, out),
                Due::Rounds => self.rounds_due(at, out),
                Due::Alive => self.dark.note(out),
                Due::Ledger => {
                    if let Some(gateway) = self.gateway.clone() {
                        self.ledger_due(&gateway, at, out);
                    }
                }
                Due::Incident => self.incidents.expire(out),
            }
        }
    }

    fn earliest(&self) -> Option<(Mono, Due)> {
        let doors = self.doors.iter().enumerate();
        let doors = doors.filter_map(|(n, door)| Some((door.deadline()?, Due::Door(n))));
        let zones = self.zones.iter().enumerate();
        let zones = zones.filter_map(|(n, zone)| Some((zone.deadline()?, Due::Zone(n))));
        let partitions = self.partitions.iter().enumerate();
        let partitions = partitions.filter_map(|(n, p)| Some((p.deadline()?, Due::Partition(n))));
        let buses = self.buses.iter().enumerate();
        let buses = buses.filter_map(|(n, bus)| Some((bus.deadline()?, Due::Bus(n))));
        let incident = self.incidents.deadline().map(|at| (at, Due::Incident));
        let alive = self.dark.deadline().map(|at| (at, Due::Alive));
        let ledger = self.ledger.deadline().map(|at| (at, Due::Ledger));
        let readers = self.readers.iter().enumerate();
        let readers = readers.filter_map(|(n, reader)| Some((reader.deadline()?, Due::Reader(n))));
        let outputs = self.outputs.iter().enumerate();
        let outputs = outputs.filter_map(|(n, output)| Some((output.deadline()?, Due::Output(n))));
        let cameras = self.cameras.iter().enumerate();
        let cameras = cameras.filter_map(|(n, camera)| Some((camera.deadline()?, Due::Camera(n))));
        let challenge = self.challenge.deadline().map(|at| (at, Due::Challenge));
        let switches = self.key_switches.iter().enumerate();
        let switches = switches.filter_map(|(n, it)| Some((it.deadline()?, Due::KeySwitch(n))));
        let schedule = self.schedules.deadline().map(|at| (at, Due::Schedule));
        let things = doors.chain(zones).chain(partitions).chain(buses).chain(readers);
        let things = things.chain(switches).chain(schedule).chain(outputs).chain(challenge);
        let rounds = self.rounds.deadline().map(|at| (at, Due::Rounds));
        things.chain(cameras).chain(incident).chain(rounds).chain(alive).chain(ledger).min()
    }

    /// Hands out what changed of that which outlives a restart.
    fn keep(&mut self, out: &mut Out<'_>) {
        for zone in &mut self.zones {
            zone.keep(out);
        }
        for partition in &mut self.partitions {
            partition.keep(|zone| self.zones[zone].config.id.to_string(), out);
        }
        for door in &mut self.doors {
            door.keep(|area| self.areas[area].id.to_string(), out);
        }
        for reader in &mut self.readers {
            reader.keep(out);
        }
        for output in &mut self.outputs {
            output.keep(|place| self.partitions[place].config.id.to_string(), out);
        }
        for camera in &mut self.cameras {
            camera.keep(out);
        }
        for switch in &mut self.key_switches {
            switch.keep(out);
        }
        self.schedules.keep(out);
        self.rounds.keep(out);
        self.incidents.keep(out);
        self.keep_commands(out);
    }

    /// When the rules want an [`Input::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.next.map(|(at, _)| at)
    }

    /// The present state of every door, in the order of the configuration.
    pub fn door_states(&self) -> impl Iterator<Item = (&DoorConfig, DoorState)> {
        self.doors.iter().map(|door| (door.config(), door.state()))
    }

    /// The doors as configured.
    pub fn door(&self, index: usize) -> Option<&DoorConfig> {
        self.doors.get(index).map(Door::config)
    }

    /// The cameras as configured.
    pub fn camera_config(&self, index: usize) -> Option<&CameraConfig> {
        self.cameras.get(index).map(|camera| &camera.config)
    }

    /// The readers as configured.
    pub fn reader(&self, index: usize) -> Option<&ReaderConfig> {
        self.readers.get(index).map(|reader| &reader.config)
    }

    /// The present state of everything that has one, as [`Effect::State`] would tell it.
    pub fn states(&self) -> impl Iterator<Item = (Thing, &Id, &'static str)> {
        let doors = self.doors.iter().enumerate();
        let doors = doors.map(|(n, d)| (Thing::Door(n), &d.config().id, d.state().as_str()));
        let zones = self.zones.iter().enumerate();
        let zones = zones.map(|(n, zone)| (Thing::Zone(n), &zone.config.id, zone.word()));
        let partitions = self.partitions.iter().enumerate();
        let partitions = partitions.map(|(n, p)| (Thing::Partition(n), &p.config.id, p.word()));
        let readers = self.readers.iter().enumerate();
        let readers = readers.map(|(n, r)| (Thing::Reader(n), &r.config.id, r.word()));
        let outputs = self.outputs.iter().enumerate();
        let outputs = outputs.map(|(n, o)| (Thing::Output(n), &o.config.id, o.word()));
        let cameras = self.cameras.iter().enumerate();
        let cameras = cameras.map(|(n, c)| (Thing::Camera(n), &c.config.id, c.word()));
        doors.chain(zones).chain(partitions).chain(readers).chain(outputs).chain(cameras)
    }

    /// The interval before this start in which nothing was watched, for `system.started`.
    pub fn dark(&self) -> Option<serde_json::Value> {
        self.dark.last().map(dark::Interval::facts)
    }

    /// The open incidents, the oldest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.all()
    }
}

/// 16 hex digits over the states of all things, each its kind, its id and the word for its state:
/// equal digests, equal states.
pub fn digest<'a>(states: impl IntoIterator<Item = (&'a str, &'a Id, &'a str)>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (kind, id, state) in states {
        for part in [kind, "/", id.as_str(), "=", state, ";"] {
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The event of a technical report, made outside the rules: before they run, or after.
pub fn draft(report: Report, boot: &str, now: &Now) -> Draft {
    let mut out = Out::new(boot, now);
    out.report(report);
    match out.effects.pop() {
        Some(Effect::Record(draft)) => draft,
        _ => unreachable!("a report makes exactly one record"),
    }
}
