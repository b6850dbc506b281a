//! The hands of the rules: what they order leaves here at once, before anything is stored.
//!
//! A siren does not wait for flash (law 1). [`Hands`] is a cheap clone that [`Rules`](crate::rules)
//! holds; an order is written into the place of its output, and that output's unit wakes.
//!
//! # Limits
//!
//! One order for each output is held. Rule: the newest replaces what nobody has taken yet, for it says
//! what the output is to do from now on. An order bears its time, so one that is taken late, by a unit
//! that was just built again, does no more than what is left of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{Drive, Role, Show, SiteConfig, Sound, Thing};
use gatehouse_core::time::Mono;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::eyes::Eyes;
use crate::unit::reader::Indication;
use crate::unit::rs485_bus::Panel;

/// What an output is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is switched.
    Drive(Drive),
    /// It is on for `on` in each `every`, until then.
    Beep {
        /// How long each beep is.
        on: Duration,
        /// From one beep to the next.
        every: Duration,
        /// The end.
        until: Mono,
    },
}

/// An order, and when it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub act: Act,
    /// When.
    pub at: Mono,
}

/// Where the unit of an output waits for orders.
pub type Orders = watch::Receiver<Option<Order>>;

/// The hands; a clone is the same hands.
#[derive(Clone, Debug)]
pub struct Hands(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    outputs: Vec<watch::Sender<Option<Order>>>,
    rooms: Mutex<Rooms>,
    /// Where each reader that hangs on a bus shows things.
    panels: Mutex<BTreeMap<Id, Panel>>,
    /// What cameras are to take.
    eyes: Eyes,
}

/// What chimes where; moves with a new configuration.
#[derive(Debug)]
struct Rooms {
    /// The chimes, and the partitions each is for; empty: all, and what belongs to none.
    chimes: Vec<(usize, Vec<usize>)>,
    /// The partition of each door and of each zone.
    doors: Vec<Option<usize>>,
    zones: Vec<Option<usize>>,
}

impl Rooms {
    fn new(site: &SiteConfig) -> Self {
        let partition = |id: &Id| site.partitions.iter().position(|known| known.id == *id);
        let outputs = site.outputs.iter().enumerate();
        let chimes = outputs.filter(|(_, output)| output.role == Role::Chime);
        Self {
            chimes: chimes.map(|(n, output)| (n, output.partitions.clone())).collect(),
            doors: site.doors.iter().map(|it| it.partition.as_ref().and_then(partition)).collect(),
            zones: site.zones.iter().map(|zone| zone.partition).collect(),
        }
    }
}

/// A door chimes once, so long: heard, and over before the next.
const CHIME: Duration = Duration::from_millis(400);

/// A beep of an exit or entry delay.
const BEEP: Duration = Duration::from_millis(100);

/// Who leaves is told that time runs, who comes in that it runs out.
const LEAVING_EVERY: Duration = Duration::from_secs(1);
const ENTERED_EVERY: Duration = Duration::from_millis(500);

impl Hands {
    /// Hands for the outputs of this configuration.
    pub fn new(site: &SiteConfig, clock: Clock) -> Self {
        let outputs = site.outputs.iter().map(|_| watch::Sender::new(None)).collect();
        let rooms = Mutex::new(Rooms::new(site));
        Self(Arc::new(Inner {
            clock,
            outputs,
            rooms,
            panels: Mutex::default(),
            eyes: Eyes::default(),
        }))
    }

    /// Another configuration holds, with the same outputs.
    pub fn moved(&self, site: &SiteConfig) {
        *self.rooms() = Rooms::new(site);
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // A panic while it is held leaves plain values that are each valid.
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock that orders are stamped with.
    pub fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    /// What cameras are to take.
    pub fn eyes(&self) -> &Eyes {
        &self.0.eyes
    }

    /// Where the unit of the output at this place waits for orders; `None`: there is no such output.
    pub fn orders(&self, place: usize) -> Option<Orders> {
        self.0.outputs.get(place).map(watch::Sender::subscribe)
    }

    /// Switches an output.
    pub fn output(&self, place: usize, drive: Drive) {
        self.act(place, Act::Drive(drive));
    }

    /// Makes the chimes sound that are for this door, zone or partition.
    pub fn chime(&self, of: Thing, sound: Sound) {
        let rooms = self.rooms();
        let partition = match of {
            Thing::Door(place) => rooms.doors.get(place).copied().flatten(),
            Thing::Zone(place) => rooms.zones.get(place).copied().flatten(),
            Thing::Partition(place) => Some(place),
            _ => None,
        };
        let act = match sound {
            Sound::Chime => Act::Drive(Drive::Pulse(CHIME)),
            Sound::Leaving { until } => Act::Beep { on: BEEP, every: LEAVING_EVERY, until },
            Sound::Entered { until } => Act::Beep { on: BEEP, every: ENTERED_EVERY, until },
            Sound::Quiet => Act::Drive(Drive::Off),
        };
        for (place, partitions) in &rooms.chimes {
            let meant = partitions.is_empty()
                || partition.is_some_and(|partition| partitions.contains(&partition));
            if meant {
                self.act(*place, act);
            }
        }
    }

    /// Shows something at a reader. One without a lamp of its own, a Wiegand reader, shows nothing.
    pub fn reader(&self, reader: &Id, show: Show) {
        let indication = match show {
            Show::Granted => Indication::Granted,
            Show::Denied => Indication::Denied,
            Show::Wait => Indication::Wait,
        };
        if let Some(panel) = self.panels().get(reader) {
            panel.show(reader, indication);
        }
    }

    /// From now on these readers show things on this panel: their bus's unit was built.
    pub fn seat(&self, readers: &[Id], panel: &Panel) {
        self.panels().extend(readers.iter().map(|reader| (reader.clone(), panel.clone())));
    }

    fn panels(&self) -> MutexGuard<'_, BTreeMap<Id, Panel>> {
        // A panic while it is held leaves a map that is still a map.
        self.0.panels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, place: usize, act: Act) {
        if let Some(output) = self.0.outputs.get(place) {
            output.send_replace(Some(Order { act, at: self.0.clock.mono() }));
        }
    }
}
