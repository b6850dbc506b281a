//! One camera: whether its pictures come, whether somebody has tampered with it, and where something
//! moves. What it sees is never more than *that* something moved.
//!
//! | what | class | ends |
//! |---|---|---|
//! | `camera.lost`: no pictures, whatever the reason | fault | when they come |
//! | `camera.degraded`: too few, broken, or with a wrong clock | fault | when they are good |
//! | `camera.covered`, `blinded`, `defocused`, `moved` | tamper | when it sees as before |
//! | `camera.frozen`: the picture may stand still | fault | when it moves |
//! | `camera.storage_fault`: it says that a storage of its own fails | fault | when it says otherwise |
//! | `camera.motion` | camera | when nothing moves any more, or the camera is lost |
//!
//! What a camera that is lost cannot see is not over: a tampering stands until it is seen to be mended.

mod look;
#[cfg(test)]
mod tests;
pub(super) mod zones;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bus;
use super::out::{Head, Out};
use super::reconfigure::GONE;
use super::zone::FIRST_READING;
use super::{CameraConfig, Mode, Site, Tells, Thing};
use crate::event::{Class, Draft, Qualifier};
use crate::id::Id;
use crate::time::Mono;

/// How a camera's pictures come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CameraLink {
    /// As they should.
    Up,
    /// Too few, broken, of another size, or with a clock that runs away.
    Degraded,
    /// Its user or password is refused.
    Unauthorised,
    /// It answers, but no picture comes.
    Silent,
    /// Nobody answers there.
    Unreachable,
}

impl CameraLink {
    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Unauthorised => "unauthorised",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
        }
    }

    const fn is_lost(self) -> bool {
        matches!(self, Self::Unauthorised | Self::Silent | Self::Unreachable)
    }
}

/// What was done to a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CameraTamper {
    /// Something dark is before it.
    Covered,
    /// A light shines into it.
    Blinded,
    /// The picture is blurred.
    Defocused,
    /// It looks elsewhere.
    Moved,
    /// The picture seems to stand still. A suspicion: a quiet night may look the same.
    Frozen,
}

impl CameraTamper {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Covered, Self::Blinded, Self::Defocused, Self::Moved, Self::Frozen];

    /// The word in flags.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Blinded => "blinded",
            Self::Defocused => "defocused",
            Self::Moved => "moved",
            Self::Frozen => "frozen",
        }
    }

    const fn kinds(self) -> (&'static str, &'static str) {
        match self {
            Self::Covered => ("camera.covered", "camera.covered_restored"),
            Self::Blinded => ("camera.blinded", "camera.blinded_restored"),
            Self::Defocused => ("camera.defocused", "camera.defocused_restored"),
            Self::Moved => ("camera.moved", "camera.moved_restored"),
            Self::Frozen => ("camera.frozen", "camera.frozen_restored"),
        }
    }

    const fn class(self) -> Class {
        match self {
            Self::Frozen => Class::Fault,
            _ => Class::Tamper,
        }
    }
}

/// What a camera's unit says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraSays {
    /// How its pictures come.
    Link {
        /// How.
        link: CameraLink,
        /// Why, for a person; without any password.
        cause: Option<String>,
    },
    /// Something was done to it, or is mended.
    Tamper {
        /// What.
        kind: CameraTamper,
        /// Begins or is over.
        on: bool,
    },
    /// Whether motion would be seen at this moment: the place is learnt, or the camera's own events
    /// are heard. Until this is said it would not.
    Watches(bool),
    /// A storage of its own fails, or does not any more.
    Storage {
        /// Begins or is over.
        on: bool,
    },
    /// Something moves in an area, or nothing does any more.
    Motion {
        /// The area, among those of the camera.
        area: Id,
        /// Begins or is over.
        on: bool,
    },
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptCamera {
    lost: bool,
    degraded: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    storage: bool,
    /// Tampering that stands told, by its word.
    tampers: Vec<String>,
    /// Areas whose motion stands told.
    motion: Vec<String>,
}

/// An area as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Area {
    moves: bool,
    told: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Camera {
    pub(super) config: CameraConfig,
    /// The id of its partition.
    partition: Option<Id>,
    link: Option<CameraLink>,
    why: Option<String>,
    /// When its loss is told.
    due: Option<Mono>,
    lost: bool,
    degraded: bool,
    storage: bool,
    tampers: [bool; CameraTamper::ALL.len()],
    areas: Vec<Area>,
    watches: bool,
    changed: bool,
}

impl Camera {
    pub(super) fn new(config: CameraConfig, partition: Option<Id>) -> Self {
        let areas = vec![Area::default(); config.areas.len()];
        Self {
            config,
            partition,
            link: None,
            why: None,
            due: None,
            lost: false,
            degraded: false,
            storage: false,
            tampers: Default::default(),
            areas,
            watches: false,
            changed: false,
        }
    }

    pub(super) fn restore(&mut self, kept: &KeptCamera) {
        (self.lost, self.degraded, self.storage) = (kept.lost, kept.degraded, kept.storage);
        for kind in CameraTamper::ALL {
            self.tampers[kind as usize] = kept.tampers.iter().any(|word| word == kind.as_str());
        }
        for (area, config) in self.areas.iter_mut().zip(&self.config.areas) {
            area.told = kept.motion.iter().any(|id| id == config.id.as_str());
        }
    }

    /// Goes on as what it was under another configuration.
    pub(super) fn take_over(&mut self, index: usize, old: &Self, at: Mono, out: &mut Out<'_>) {
        let same = self.config.driver == old.config.driver;
        (self.lost, self.degraded, self.tampers) = (old.lost, old.degraded, old.tampers);
        self.storage = old.storage;
        if same {
            (self.link, self.why, self.due) = (old.link, old.why.clone(), old.due);
            self.watches = old.watches;
        }
        for (place, was) in old.config.areas.iter().enumerate() {
            let known = self.config.areas.iter().position(|area| area.id == was.id);
            match known {
                Some(known) => self.areas[known] = old.areas[place],
                None if old.areas[place].told => {
                    self.changed = true;
                    self.still(&was.id, GONE, at, out);
                }
                None => {}
            }
        }
        if !same {
            self.await_link(at);
            self.show(index, at, out);
        }
    }

    /// It is taken out: what stands open of it ends.
    pub(super) fn finish(&mut self, at: Mono, out: &mut Out<'_>) {
        self.end_motion(GONE, at, out);
        let tampers = CameraTamper::ALL.into_iter().filter(|kind| self.tampers[*kind as usize]);
        let mut ends: Vec<_> = tampers.map(|kind| (kind.kinds(), kind.class())).collect();
        if std::mem::take(&mut self.lost) {
            ends.push((("camera.lost", "camera.lost_restored"), Class::Fault));
        }
        if std::mem::take(&mut self.degraded) {
            ends.push((("camera.degraded", "camera.degraded_restored"), Class::Fault));
        }
        if std::mem::take(&mut self.storage) {
            let kinds = ("camera.storage_fault", "camera.storage_fault_restored");
            ends.push((kinds, Class::Fault));
        }
        self.tampers = Default::default();
        for ((began, ended), class) in ends {
            self.event(at, (ended, Qualifier::Restore, class), out, |draft| {
                draft.closes = Some(began);
                draft.cause = Some(GONE.to_owned());
            });
        }
    }

    /// The start, or its switch is back: it has a while to come.
    pub(super) fn await_link(&mut self, at: Mono) {
        if !self.lost && self.link.is_none_or(CameraLink::is_lost) {
            self.due = Some(at.plus(self.config.hold_off.max(FIRST_READING)));
        }
    }

    /// Its switch is lost: nothing is expected of it.
    pub(super) const fn excuse(&mut self) {
        self.due = None;
    }

    pub(super) const fn deadline(&self) -> Option<Mono> {
        self.due
    }

    /// Its loss has lasted.
    pub(super) fn expire(&mut self, index: usize, out: &mut Out<'_>) {
        let Some(at) = self.due.take() else { return };
        self.lost = true;
        self.changed = true;
        let state = self.word();
        let cause = self.why.clone();
        self.event(at, ("camera.lost", Qualifier::New, Class::Fault), out, |draft| {
            draft.cause = cause;
            draft.detail = Some(json!({ "state": state }));
        });
        self.show(index, at, out);
    }

    fn says_link(
        &mut self,
        index: usize,
        (link, cause): (CameraLink, Option<String>),
        excused: bool,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        self.why = cause;
        let before = self.link.replace(link);
        if before == Some(link) {
            return;
        }
        if link.is_lost() {
            if !self.lost && !excused && self.due.is_none() {
                self.due = Some(at.plus(self.config.hold_off));
            }
            // What moves there nobody can say any more.
            self.end_motion("the camera is lost", at, out);
        } else {
            self.due = None;
            if std::mem::take(&mut self.lost) {
                self.changed = true;
                let head = ("camera.lost_restored", Qualifier::Restore, Class::Fault);
                self.event(at, head, out, |draft| draft.closes = Some("camera.lost"));
            }
        }
        match (self.degraded, link) {
            (false, CameraLink::Degraded) => {
                (self.degraded, self.changed) = (true, true);
                let cause = self.why.clone();
                let head = ("camera.degraded", Qualifier::New, Class::Fault);
                self.event(at, head, out, |draft| {
                    draft.severity = 3;
                    draft.cause = cause;
                });
            }
            (true, CameraLink::Up) => {
                (self.degraded, self.changed) = (false, true);
                let head = ("camera.degraded_restored", Qualifier::Restore, Class::Fault);
                self.event(at, head, out, |draft| draft.closes = Some("camera.degraded"));
            }
            _ => {}
        }
        self.show(index, at, out);
    }

    fn says_tamper(
        &mut self,
        index: usize,
        kind: CameraTamper,
        on: bool,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        if std::mem::replace(&mut self.tampers[kind as usize], on) == on {
            return;
        }
        self.changed = true;
        let (began, ended) = kind.kinds();
        if on {
            self.event(at, (began, Qualifier::New, kind.class()), out, |_| {});
        } else {
            self.event(at, (ended, Qualifier::Restore, kind.class()), out, |draft| {
                draft.closes = Some(began);
            });
        }
        self.show(index, at, out);
    }

    fn says_motion(&mut self, area: &Id, on: bool, tells: bool, at: Mono, out: &mut Out<'_>) {
        let place = self.config.areas.iter().position(|known| known.id == *area);
        let Some(place) = place else { return };
        // What was seen while no picture comes is a report that was overtaken.
        let on = on && self.link.is_some_and(|link| !link.is_lost());
        if std::mem::replace(&mut self.areas[place].moves, on) == on {
            return;
        }
        if on && tells && !self.areas[place].told {
            self.areas[place].told = true;
            self.changed = true;
            self.event(at, ("camera.motion", Qualifier::New, Class::Camera), out, |draft| {
                draft.severity = 5;
                draft.detail = Some(json!({ "area": area }));
            });
        } else if !on && std::mem::take(&mut self.areas[place].told) {
            self.changed = true;
            self.still(area, "nothing moves", at, out);
        }
    }

    fn says_storage(&mut self, on: bool, at: Mono, out: &mut Out<'_>) {
        if std::mem::replace(&mut self.storage, on) == on {
            return;
        }
        self.changed = true;
        let (began, ended) = ("camera.storage_fault", "camera.storage_fault_restored");
        if on {
            self.event(at, (began, Qualifier::New, Class::Fault), out, |draft| draft.severity = 3);
        } else {
            let head = (ended, Qualifier::Restore, Class::Fault);
            self.event(at, head, out, |draft| draft.closes = Some(began));
        }
    }

    fn says_watches(&mut self, on: bool, at: Mono, out: &mut Out<'_>) {
        self.watches = on;
        for place in 0..self.areas.len() {
            // Told before this start, or before nobody watched: what moves there now is said anew.
            if on && self.areas[place].told && !self.areas[place].moves {
                self.areas[place].told = false;
                self.changed = true;
                let area = self.config.areas[place].id.clone();
                self.still(&area, "nothing moves", at, out);
            }
        }
    }

    fn end_motion(&mut self, why: &str, at: Mono, out: &mut Out<'_>) {
        for place in 0..self.areas.len() {
            let was = std::mem::take(&mut self.areas[place]);
            if was.told {
                self.changed = true;
                let area = self.config.areas[place].id.clone();
                self.still(&area, why, at, out);
            }
        }
    }

    fn still(&self, area: &Id, why: &str, at: Mono, out: &mut Out<'_>) {
        let head = ("camera.motion_ended", Qualifier::Restore, Class::Camera);
        self.event(at, head, out, |draft| {
            draft.severity = 5;
            draft.closes = Some("camera.motion");
            draft.cause = Some(why.to_owned());
            draft.detail = Some(json!({ "area": area }));
        });
    }

    /// Why it does not watch, the gravest reason; `None`: it does.
    pub(super) fn why_out(&self) -> Option<&'static str> {
        if self.link.is_none_or(CameraLink::is_lost) {
            return Some("lost");
        }
        let stands = CameraTamper::ALL.into_iter().find(|kind| self.tampers[*kind as usize]);
        stands.map(CameraTamper::as_str)
    }

    pub(super) fn word(&self) -> &'static str {
        self.link.map_or("unknown", CameraLink::as_str)
    }

    pub(super) fn show(&self, index: usize, at: Mono, out: &mut Out<'_>) {
        let tampers = CameraTamper::ALL.into_iter().filter(|kind| self.tampers[*kind as usize]);
        let lost = self.lost.then_some("lost");
        let flags = lost.into_iter().chain(tampers.map(CameraTamper::as_str)).collect();
        out.state(Thing::Camera(index), self.word(), flags, at);
    }

    /// Hands out what changed of that which outlives a restart.
    pub(super) fn keep(&mut self, out: &mut Out<'_>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let key = format!("camera/{}", self.config.id);
        let tampers = CameraTamper::ALL.into_iter().filter(|kind| self.tampers[*kind as usize]);
        let areas = self.areas.iter().zip(&self.config.areas).filter(|(area, _)| area.told);
        let kept = KeptCamera {
            lost: self.lost,
            degraded: self.degraded,
            storage: self.storage,
            tampers: tampers.map(|kind| kind.as_str().to_owned()).collect(),
            motion: areas.map(|(_, config)| config.id.to_string()).collect(),
        };
        if kept == KeptCamera::default() {
            out.effects.push(super::Effect::Keep { key, value: None });
        } else {
            out.keep(key, &kept);
        }
    }

    fn event(
        &self,
        at: Mono,
        (kind, qualifier, class): (&'static str, Qualifier, Class),
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("camera", &self.config.id);
        let severity = if qualifier == Qualifier::New { 2 } else { 4 };
        let head = Head { class, kind, qualifier, severity, source };
        out.record(at, head, |draft| {
            draft.source.driver = Some(self.config.driver.clone());
            draft.partition.clone_from(&self.partition);
            fill(draft);
        });
    }
}

impl Site {
    /// What a camera's unit says.
    pub(super) fn camera(&mut self, index: usize, says: CameraSays, at: Mono, out: &mut Out<'_>) {
        let Some(camera) = self.cameras.get_mut(index) else { return };
        match says {
            CameraSays::Link { link, cause } => {
                let excused = bus::is_lost(&self.buses, camera.config.bus);
                let bus = camera.config.bus;
                camera.says_link(index, (link, cause), excused, at, out);
                if let Some(bus) = bus {
                    self.look_at_switch(bus, at, out);
                }
            }
            CameraSays::Tamper { kind, on } => camera.says_tamper(index, kind, on, at, out),
            CameraSays::Storage { on } => camera.says_storage(on, at, out),
            CameraSays::Watches(on) => camera.says_watches(on, at, out),
            CameraSays::Motion { area, on } => {
                let tells = self.tells_motion(index, &area, out.now);
                self.cameras[index].says_motion(&area, on, tells, at, out);
            }
        }
        self.zones_of_camera(index, at, false, out);
    }

    /// All cameras of a switch are lost: that is the switch, or what feeds it. One alone on its switch
    /// is lost by itself.
    fn look_at_switch(&mut self, place: usize, at: Mono, out: &mut Out<'_>) {
        let on_it = self.cameras.iter().filter(|camera| camera.config.bus == Some(place));
        let links: Vec<_> = on_it.map(|camera| camera.link).collect();
        let lost = |link: &Option<CameraLink>| link.is_some_and(CameraLink::is_lost);
        let gone = links.len() > 1 && links.iter().all(lost);
        let shows = links.iter().any(|link| link.is_some() && !lost(link));
        let is_lost = bus::is_lost(&self.buses, Some(place));
        // Told before this start, which nobody has said again yet.
        let told = self.buses.get(place).is_some_and(bus::Bus::is_told);
        if gone && !is_lost {
            let reason = format!("none of its {} cameras gives pictures", links.len());
            self.bus(place, Some(reason), at, out);
        } else if shows && (is_lost || told) {
            self.bus(place, None, at, out);
        }
    }

    /// Whether motion in an area is told at this moment.
    fn tells_motion(&self, index: usize, area: &Id, now: &crate::time::Now) -> bool {
        let config = &self.cameras[index].config;
        let Some(area) = config.areas.iter().find(|known| known.id == *area) else { return false };
        let partition = config.partition.and_then(|place| self.partitions.get(place));
        let wanted = match area.tells {
            Tells::Always => true,
            Tells::Armed => partition.is_some_and(|it| it.protects() != Mode::Disarmed),
            Tells::Never => false,
        };
        let zone = &self.access.time_zone;
        let open = || area.weekly.iter().any(|window| window.contains(now.utc, zone));
        wanted && (area.weekly.is_empty() || !self.knows_time(now) || open())
    }
}
