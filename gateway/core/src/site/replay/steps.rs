//! From recorded events to what the wires and people did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::compare::Told;
use crate::event::{Class, Draft, Qualifier};
use crate::id::Id;
use crate::site::{Condition, Contact, Mode, SiteConfig, Verb, ZoneConfig, ZoneKind};
use crate::time::{Mono, Now, UtcMs};

/// One thing that happened, by the places of the present configuration.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Counts the starts of the box.
    pub(super) life: u32,
    pub(super) at: Mono,
    /// What was known of the clocks when it was recorded.
    pub(super) now: Now,
    pub(super) what: What,
}

/// What the same reading told of a zone besides the end of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// It was activated.
    Activated,
    /// It was normal, and was taken in again.
    NormalAgain,
    /// Nothing.
    Nothing,
}

impl Step {
    pub(super) fn beside(&self, later: &[Self]) -> Beside {
        let What::Over(zone, _) = self.what else { return Beside::Nothing };
        let mut same = later.iter().take_while(|step| (step.life, step.at) == (self.life, self.at));
        let found = same.find_map(|step| match step.what {
            What::Activated(of) if of == zone => Some(Beside::Activated),
            What::NormalAgain(of) if of == zone => Some(Beside::NormalAgain),
            _ => None,
        });
        found.unwrap_or(Beside::Nothing)
    }
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// The box has started, in this boot.
    Start(Box<str>),
    /// A zone is in this condition.
    Zone(usize, Condition),
    /// A zone was activated: it was not active before, whatever is believed.
    Activated(usize),
    /// A bypassed zone is normal, and was active before.
    NormalAgain(usize),
    /// Somebody reset an alarm that latched: the zone was normal.
    Reset(usize),
    /// A zone is not in this condition any more, and nothing else is said of it.
    Over(usize, Condition),
    Contact(usize, Contact),
    Bus(usize, Option<Box<str>>),
    Wanted(Verb),
    /// Somebody took a zone in again; whether anything followed from it.
    Unbypassed {
        zone: usize,
        quiet: bool,
    },
    /// A partition was armed in a mode, or that was refused: the conditions must allow it.
    Outcome(Box<Outcome>),
}

/// What came of an arming.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) partition: usize,
    pub(super) mode: Mode,
    /// An exit delay followed.
    pub(super) leaving: bool,
    /// Zones that were not ready: bypassed by force, or the reason of the refusal.
    pub(super) not_ready: Vec<(usize, Condition)>,
    /// There may be more of them than were told.
    pub(super) more: bool,
}

/// The events of a journal as steps.
#[derive(Debug)]
pub struct Recording {
    pub(super) present: SiteConfig,
    /// The same with what is not replayed.
    pub(super) whole: SiteConfig,
    pub(super) steps: Vec<Step>,
    /// What the record has, of the kinds that are compared.
    pub(super) told: Vec<Told>,
    /// How zones and partitions were before the first event.
    pub(super) initial: Vec<Option<Condition>>,
    pub(super) doors: Vec<Option<Contact>>,
    pub(super) modes: Vec<Option<Mode>>,
    pub(super) notes: BTreeSet<String>,
    pub(super) events: u64,
    /// When the last event was.
    pub(super) end: Now,
    zones: BTreeMap<Id, usize>,
    partitions: BTreeMap<Id, usize>,
    boot: Box<str>,
    life: u32,
    /// Since when each zone is active, as far as it was told.
    active: Vec<Option<Mono>>,
    contacts: Vec<Contact>,
    /// Doors whose tamper stands told.
    tampered: BTreeSet<usize>,
    /// Zones that are bypassed until they are normal.
    passed_over: BTreeSet<usize>,
    /// One of them was normal just now, and was not taken in again: somebody had bypassed it too.
    calmed: Option<(usize, Now)>,
    /// When each partition was entered last.
    entered: Vec<Mono>,
    /// Zones that were bypassed by force just now.
    forced: Vec<(usize, Mono)>,
    /// The zone that was taken in again just now, and which step that is.
    unbypassed: Option<(usize, Mono, usize)>,
}

impl Recording {
    /// A recording of a box with this configuration.
    pub fn new(present: &SiteConfig) -> Self {
        let whole = present.clone();
        let present = super::comparable(present);
        let ids = |ids: Vec<&Id>| ids.into_iter().cloned().zip(0..).collect();
        let (zones, parts) = (present.zones.len(), present.partitions.len());
        Self {
            steps: Vec::new(),
            told: Vec::new(),
            initial: vec![None; zones],
            doors: vec![None; present.doors.len()],
            modes: vec![None; parts],
            notes: BTreeSet::new(),
            events: 0,
            end: Now::default(),
            zones: ids(present.zones.iter().map(|zone| &zone.id).collect()),
            partitions: ids(present.partitions.iter().map(|part| &part.id).collect()),
            boot: "".into(),
            life: 0,
            active: vec![None; zones],
            contacts: vec![Contact::Unknown; present.doors.len()],
            tampered: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            calmed: None,
            entered: vec![Mono(0); parts],
            forced: Vec::new(),
            unbypassed: None,
            whole,
            present,
        }
    }

    /// Takes the next event. `counts`: it is of the time that is compared; events of before only
    /// tell how things stood.
    pub fn hear(&mut self, draft: &Draft, counts: bool) {
        self.events += u64::from(counts);
        let time = &draft.time;
        let at = time.mono_ns;
        let now = Now { mono: at, utc: time.utc, err_ms: time.err_ms, clock: time.clock };
        self.end = if *time.boot == *self.boot {
            if at > self.end.mono { now } else { self.end }
        } else {
            now
        };
        if draft.kind == "system.started" || *time.boot != *self.boot {
            self.boot = time.boot.as_str().into();
            self.life += 1;
            self.push(at, &now, What::Start(self.boot.clone()));
        }
        if is_of_the_box(draft) {
            self.note("faults of the box: what they prevented is not decided again");
            return;
        }
        if counts && Told::concerns(draft) {
            self.told.push(Told::of(draft, self.life));
        }
        // What ended with a change of the configuration did not happen to a wire.
        let changed = [super::super::reconfigure::GONE, super::super::reconfigure::CHANGED];
        if draft.cause.as_deref().is_some_and(|cause| changed.contains(&cause)) {
            return;
        }
        self.was_bypassed(draft);
        match &*draft.source.kind {
            "zone" => match self.zones.get(&draft.source.id) {
                Some(place) => self.zone(*place, draft, at, &now),
                None => self.unknown(draft),
            },
            "partition" => match self.partitions.get(&draft.source.id) {
                Some(place) => self.partition(*place, draft, at, &now),
                None => self.unknown(draft),
            },
            "door" => {
                let door = self.present.doors.iter().position(|door| door.id == draft.source.id);
                match door {
                    Some(place) => self.door(place, draft, at, &now),
                    None => self.unknown(draft),
                }
            }
            "bus" => {
                let bus = self.present.buses.iter().position(|bus| bus.id == draft.source.id);
                let Some(place) = bus else { return };
                let hold_off = self.present.buses[place].hold_off;
                if draft.kind == "bus.lost" {
                    let why = draft.cause.as_deref().unwrap_or("lost").into();
                    self.push(before(at, hold_off), &now, What::Bus(place, Some(why)));
                } else if draft.kind == "bus.restored" {
                    self.push(at, &now, What::Bus(place, None));
                }
            }
            "reader" => {
                self.note("cards, PINs and lockouts: what readers decided is not decided again");
            }
            "gateway" if draft.kind == "config.applied" => {
                self.note(
                    "the configuration changed within this time: all of it is compared with \
                           the present one",
                );
            }
            _ => {}
        }
    }

    /// A zone that is normal is taken in again with it, unless its bypass is somebody's wish, which
    /// is not told of a zone that is bypassed already.
    fn was_bypassed(&mut self, next: &Draft) {
        let Some((zone, now)) = self.calmed.take() else { return };
        let same = next.time.mono_ns == now.mono && next.source.id == self.present.zones[zone].id;
        if same && next.kind == "zone.unbypassed" {
            return;
        }
        if same {
            self.calmed = Some((zone, now));
        } else if self.passed_over.remove(&zone) {
            let before = Mono(now.mono.0.saturating_sub(1));
            self.push(before, &now, What::Wanted(Verb::Bypass { zone }));
        }
    }

    fn unknown(&mut self, draft: &Draft) {
        self.note(&format!(
            "{}/{}: the present configuration does not have it",
            draft.source.kind, draft.source.id
        ));
    }

    fn note(&mut self, text: &str) {
        // Enough to see what is the matter.
        if self.notes.len() < 64 && !self.notes.contains(text) {
            self.notes.insert(text.to_owned());
        }
    }

    /// Says what of a proposed configuration is not replayed, if it differs.
    pub(super) fn unplayed(&mut self, proposed: &SiteConfig) {
        let whole = &self.whole;
        let differ = [
            (
                whole.schedules != proposed.schedules || whole.holidays != proposed.holidays,
                "schedules and holidays: what was armed and disarmed by them is replayed as it was",
            ),
            (
                whole.key_switches != proposed.key_switches,
                "key switches: what was armed and disarmed by them is replayed as it was",
            ),
            (whole.rounds != proposed.rounds, "rounds: who passed when is not walked again"),
            (
                whole.cameras != proposed.cameras || detectors(whole) != detectors(proposed),
                "cameras: what they would have seen elsewhere is not known",
            ),
            (
                whole.credentials != proposed.credentials || whole.access != proposed.access,
                "credentials and rights: whom doors let in is not decided again",
            ),
        ];
        for (_, note) in differ.into_iter().filter(|(differs, _)| *differs) {
            self.note(note);
        }
    }

    fn push(&mut self, at: Mono, now: &Now, what: What) {
        self.steps.push(Step { life: self.life, at, now: now.at(at), what });
    }

    /// The steps in the order in which they happened.
    pub(super) fn sort(&mut self) {
        self.steps.sort_by_key(|step| (step.life, step.at));
    }

    fn activated(&mut self, zone: usize, at: Mono, now: &Now) {
        if self.active[zone] == Some(at) {
            return;
        }
        self.active[zone] = Some(at);
        let after_bypass = self.after_bypass(zone, at);
        let what = if after_bypass {
            // It may have been active all the time.
            What::Zone(zone, Condition::Active)
        } else {
            What::Activated(zone)
        };
        self.push(at, now, what);
    }

    /// Whether a zone was taken in again at this moment: then this followed from it.
    fn after_bypass(&mut self, zone: usize, at: Mono) -> bool {
        let known = self.unbypassed.filter(|(known, when, _)| (*known, *when) == (zone, at));
        let Some((.., step)) = known else { return false };
        if let What::Unbypassed { quiet, .. } = &mut self.steps[step].what {
            *quiet = false;
        }
        true
    }

    fn is(&mut self, zone: usize, condition: Condition, at: Mono, now: &Now) {
        let was =
            if condition == Condition::Normal { Condition::Active } else { Condition::Normal };
        self.initial[zone].get_or_insert(was);
        if condition == Condition::Normal {
            self.active[zone] = None;
            self.calmed = self.passed_over.contains(&zone).then_some((zone, *now));
        }
        self.push(at, now, What::Zone(zone, condition));
    }

    fn zone(&mut self, zone: usize, draft: &Draft, at: Mono, now: &Now) {
        let config = &self.present.zones[zone];
        let hold_off = config.hold_off;
        let cause = draft.cause.as_deref().unwrap_or_default();
        let trouble = |kind: &str| match kind {
            "zone.fault" => Some(Condition::Fault),
            "zone.masked" => Some(Condition::Masked),
            "zone.lost" => Some(Condition::Unknown),
            _ => None,
        };
        let (began, ended) = config.alarm();
        let alarm_begins = draft.kind == began;
        let alarm_ends = draft.kind == ended;
        let ends = draft.qualifier == Qualifier::Restore && draft.kind != "zone.unbypassed";
        if !ends {
            // What did not end something had nothing to end.
            self.initial[zone].get_or_insert(Condition::Normal);
        }
        if draft.kind == "zone.unbypassed" {
            self.passed_over.remove(&zone);
        }
        match &*draft.kind {
            "zone.opened" | "zone.unverified" | "zone.walked" => self.activated(zone, at, now),
            "zone.closed" => self.is(zone, Condition::Normal, at, now),
            "zone.tamper" => self.is(zone, Condition::Tamper, at, now),
            "zone.tamper_restored" => self.over(zone, Condition::Tamper, at, now),
            "zone.bypassed" if cause == "wanted" => {
                self.push(at, now, What::Wanted(Verb::Bypass { zone }));
            }
            "zone.bypassed" => {
                self.passed_over.insert(zone);
                if cause == "armed by force" {
                    self.forced.push((zone, at));
                }
            }
            "zone.unbypassed" if cause == "wanted" => {
                self.unbypassed = Some((zone, at, self.steps.len()));
                self.push(at, now, What::Unbypassed { zone, quiet: true });
            }
            "zone.unbypassed" if cause == "normal again" => {
                self.active[zone] = None;
                self.push(at, now, What::NormalAgain(zone));
            }
            _ if alarm_begins => {
                if cause == "entry delay ended" {
                    self.entered(zone, &config.clone(), at, now);
                } else {
                    self.activated(zone, at, now);
                }
            }
            // It latched, and the next event is another activation.
            _ if alarm_ends && cause == "activated again" => {}
            _ if alarm_ends && cause == "reset" => {
                self.initial[zone].get_or_insert(Condition::Active);
                self.active[zone] = None;
                self.push(at, now, What::Reset(zone));
            }
            _ if alarm_ends => self.is(zone, Condition::Normal, at, now),
            kind => {
                if let Some(condition) = trouble(kind) {
                    // It began before it was told.
                    self.is(zone, condition, before(at, hold_off), now);
                } else if let Some(over) = kind.strip_suffix("_restored").and_then(trouble) {
                    self.over(zone, over, at, now);
                }
            }
        }
    }

    fn over(&mut self, zone: usize, condition: Condition, at: Mono, now: &Now) {
        self.initial[zone].get_or_insert(condition);
        self.push(at, now, What::Over(zone, condition));
    }

    /// An alarm at the end of an entry delay: when that zone was activated is known only if its
    /// openings are recorded.
    fn entered(&mut self, zone: usize, config: &ZoneConfig, at: Mono, now: &Now) {
        let Some(place) = config.partition else { return };
        let began = self.entered[place];
        if self.active[zone].is_some_and(|since| since >= began) {
            return;
        }
        self.note(&format!(
            "zone/{}: when it was entered is not recorded (record = false)",
            config.id
        ));
        let delay = config.entry.unwrap_or(Duration::ZERO);
        let when = if config.kind == ZoneKind::EntryExit && !delay.is_zero() {
            before(at, delay).max(began)
        } else {
            began
        };
        self.active[zone] = Some(when);
        self.push(when, now, What::Activated(zone));
    }

    fn partition(&mut self, partition: usize, draft: &Draft, at: Mono, now: &Now) {
        let detail = |key: &str| draft.detail.as_ref().map(|detail| &detail[key]);
        let by_rules = detail("via").is_some_and(|via| via == "rules");
        let mode = |word: Option<&serde_json::Value>| -> Option<Mode> {
            serde_json::from_value(word?.clone()).ok()
        };
        let armed = serde_json::to_value(&draft.arming).ok();
        match &*draft.kind {
            "partition.arming" | "partition.armed" => {
                self.modes[partition].get_or_insert(Mode::Disarmed);
                let Some(mode) = mode(armed.as_ref()) else { return };
                let leaving = draft.kind == "partition.arming";
                let not_ready: Vec<_> = self.take_forced(at).collect();
                let forced =
                    !not_ready.is_empty() || detail("force").is_some_and(|force| *force == true);
                let outcome = Outcome { partition, mode, leaving, not_ready, more: false };
                self.outcome(outcome, at, now);
                if !by_rules {
                    // What had no exit delay had none to skip.
                    let delays = self.present.partitions[partition].mode(mode);
                    let skipped = !leaving && delays.is_some_and(|delays| !delays.exit.is_zero());
                    let verb = Verb::Arm { partition, mode, force: forced, at_once: skipped };
                    self.push(at, now, What::Wanted(verb));
                }
            }
            "partition.arm_failed" => {
                let Some(mode) = mode(detail("mode")) else { return };
                let blockers = detail("blockers").and_then(|all| all.as_array().cloned());
                let blockers = blockers.unwrap_or_default();
                let named = blockers.iter().filter_map(|blocker| {
                    let place = *self.zones.get(&blocker["id"].as_str()?.parse().ok()?)?;
                    Some((place, condition(blocker["why"].as_str()?)))
                });
                let not_ready: Vec<_> = named.collect();
                let more = detail("count").and_then(serde_json::Value::as_u64)
                    > Some(not_ready.len() as u64);
                let outcome = Outcome { partition, mode, leaving: false, not_ready, more };
                self.outcome(outcome, at, now);
                if !by_rules {
                    let verb = Verb::Arm { partition, mode, force: false, at_once: true };
                    self.push(at, now, What::Wanted(verb));
                }
            }
            "partition.disarmed" => {
                if let Some(was) = mode(detail("was")) {
                    self.modes[partition].get_or_insert(was);
                }
                if !by_rules {
                    self.push(at, now, What::Wanted(Verb::Disarm { partition }));
                }
            }
            "partition.entry" => {
                self.entered[partition] = at;
                if let Some(zone) = detail("zone").and_then(|zone| zone.as_str()?.parse().ok())
                    && let Some(place) = self.zones.get::<Id>(&zone).copied()
                {
                    self.activated(place, at, now);
                }
            }
            "walk.begun" => {
                let lasts = detail("lasts_s").and_then(serde_json::Value::as_u64);
                let lasts = Duration::from_secs(lasts.unwrap_or(0));
                self.push(at, now, What::Wanted(Verb::WalkTest { partition, lasts }));
            }
            "walk.ended" if draft.cause.as_deref() == Some("wanted") => {
                let lasts = Duration::ZERO;
                self.push(at, now, What::Wanted(Verb::WalkTest { partition, lasts }));
            }
            _ => {}
        }
    }

    /// Just before: what came of it depends on it.
    fn outcome(&mut self, outcome: Outcome, at: Mono, now: &Now) {
        self.push(Mono(at.0.saturating_sub(1)), now, What::Outcome(Box::new(outcome)));
    }

    fn take_forced(&mut self, at: Mono) -> impl Iterator<Item = (usize, Condition)> + use<> {
        let forced = std::mem::take(&mut self.forced);
        let now = forced.into_iter().filter(move |(_, when)| *when == at);
        // Why it was not ready is not told; that it is not known has no other consequence.
        now.map(|(zone, _)| (zone, Condition::Unknown))
    }

    fn door(&mut self, door: usize, draft: &Draft, at: Mono, now: &Now) {
        match &*draft.kind {
            "door.tamper" => {
                self.tampered.insert(door);
            }
            "door.tamper_restored" => {
                self.tampered.remove(&door);
            }
            _ => {}
        }
        let contact = match &*draft.kind {
            "door.opened" => Contact::Open,
            "door.closed" | "door.found" => Contact::Closed,
            "door.unknown" => Contact::Unknown,
            "door.tamper" => Contact::Tamper,
            // It is as it was, or the next event says otherwise.
            "door.known" if self.tampered.contains(&door) => Contact::Tamper,
            "door.known" | "door.tamper_restored" => self.contacts[door],
            "door.forced" => {
                return self
                    .note("doors forced: grants and requests to exit are not recorded whole");
            }
            _ => return,
        };
        if matches!(contact, Contact::Open | Contact::Closed) {
            let was = if draft.kind == "door.closed" { Contact::Open } else { Contact::Closed };
            self.doors[door].get_or_insert(was);
            self.contacts[door] = contact;
        }
        self.push(at, now, What::Contact(door, contact));
    }
}

/// Which zones are made of which cameras.
fn detectors(config: &SiteConfig) -> BTreeMap<&Id, (Option<&Id>, Option<&Id>)> {
    let zones = config.zones.iter().filter_map(|zone| {
        let motion = zone.camera.as_ref()?;
        let camera = config.cameras.get(motion.camera).map(|camera| &camera.id);
        Some((&zone.id, (camera, motion.area.as_ref())))
    });
    zones.collect()
}

/// A moment before another.
fn before(at: Mono, by: Duration) -> Mono {
    Mono(at.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
}

/// A condition from its word among blockers. A silent panic shows itself as normal: that it was not
/// ready is all that can be said.
fn condition(word: &str) -> Condition {
    match word {
        "active" => Condition::Active,
        "tamper" => Condition::Tamper,
        "fault" => Condition::Fault,
        "masked" => Condition::Masked,
        _ => Condition::Unknown,
    }
}

impl Told {
    /// Whether an event is of those that are compared.
    pub(super) fn concerns(draft: &Draft) -> bool {
        let begins = draft.qualifier == Qualifier::New;
        let alarm = matches!(draft.class, Class::Alarm | Class::Panic | Class::Tamper);
        let replayed = matches!(&*draft.source.kind, "zone" | "door" | "partition" | "bus");
        let other = matches!(
            &*draft.kind,
            "zone.fault"
                | "zone.masked"
                | "zone.lost"
                | "zone.swinger"
                | "door.held_open"
                | "bus.lost"
                | "partition.arm_failed"
                | "partition.entry"
        );
        replayed && !draft.test && draft.kind != "door.forced" && (begins && alarm || other)
    }

    pub(super) fn of(draft: &Draft, life: u32) -> Self {
        Self {
            kind: draft.kind.to_string(),
            thing: draft.source.kind.to_string(),
            id: draft.source.id.clone(),
            partition: draft.partition.clone(),
            alarm: draft.qualifier == Qualifier::New
                && matches!(draft.class, Class::Alarm | Class::Panic | Class::Tamper),
            utc: draft.time.utc,
            life,
            at: draft.time.mono_ns,
            cause: draft.cause.clone(),
            silent: crate::site::is_silent_event(draft),
        }
    }

    /// The day of the wall, in UTC.
    pub fn day(&self) -> String {
        self.utc.to_string().chars().take(10).collect()
    }

    pub(super) fn since(&self, utc: UtcMs) -> bool {
        self.utc >= utc
    }
}

/// An arming that nothing but faults of the box prevented.
fn is_of_the_box(draft: &Draft) -> bool {
    let blockers = draft.detail.as_ref().and_then(|detail| detail["blockers"].as_array());
    draft.kind == "partition.arm_failed"
        && blockers.is_some_and(|all| {
            !all.is_empty() && all.iter().all(|blocker| blocker["kind"] != "zone")
        })
}
