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

use gatehouse_config::Config;
use gatehouse_core::id::Id;
use gatehouse_core::site::{Drive, Role, Show, Sound, Thing};
use gatehouse_core::time::Mono;
use tokio::sync::watch;

use crate::clock::Clock;
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
    /// Each with its id, in the order of the configuration.
    outputs: Vec<(Id, watch::Sender<Option<Order>>)>,
    /// The chimes, and the partitions each is for; empty: all, and what belongs to none.
    chimes: Vec<(usize, Vec<usize>)>,
    /// The partition of each door and of each zone.
    doors: Vec<Option<usize>>,
    zones: Vec<Option<usize>>,
    /// Where each reader that hangs on a bus shows things.
    panels: Mutex<BTreeMap<Id, Panel>>,
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
    pub fn new(config: &Config, clock: Clock) -> Self {
        Self::with(config, clock, |_| None)
    }

    /// Hands for another configuration: where an output of the same id waits, it goes on waiting.
    #[must_use]
    pub fn of(&self, config: &Config) -> Self {
        Self::with(config, self.0.clock.clone(), |id| {
            let known = self.0.outputs.iter().find(|(known, _)| known == id);
            known.map(|(_, orders)| orders.clone())
        })
    }

    fn with(
        config: &Config,
        clock: Clock,
        known: impl Fn(&Id) -> Option<watch::Sender<Option<Order>>>,
    ) -> Self {
        let partition = |id: &Id| config.partitions.iter().position(|known| known.rules.id == *id);
        let outputs = config.outputs.iter().enumerate();
        let chimes = outputs.filter(|(_, output)| output.rules.role == Role::Chime);
        Self(Arc::new(Inner {
            clock,
            outputs: { config.outputs.iter() }
                .map(|output| &output.rules.id)
                .map(|id| (id.clone(), known(id).unwrap_or_else(|| watch::Sender::new(None))))
                .collect(),
            chimes: chimes.map(|(n, output)| (n, output.rules.partitions.clone())).collect(),
            doors: config
                .doors
                .iter()
                .map(|it| it.partition.as_ref().and_then(partition))
                .collect(),
            zones: config.zones.iter().map(|zone| zone.rules.partition).collect(),
            panels: Mutex::default(),
        }))
    }

    /// Where the unit of the output at this place waits for orders; `None`: there is no such output.
    pub fn orders(&self, place: usize) -> Option<Orders> {
        self.0.outputs.get(place).map(|(_, orders)| orders.subscribe())
    }

    /// Switches an output.
    pub fn output(&self, place: usize, drive: Drive) {
        self.act(place, Act::Drive(drive));
    }

    /// Makes the chimes sound that are for this door, zone or partition.
    pub fn chime(&self, of: Thing, sound: Sound) {
        let partition = match of {
            Thing::Door(place) => self.0.doors.get(place).copied().flatten(),
            Thing::Zone(place) => self.0.zones.get(place).copied().flatten(),
            Thing::Partition(place) => Some(place),
            _ => None,
        };
        let act = match sound {
            Sound::Chime => Act::Drive(Drive::Pulse(CHIME)),
            Sound::Leaving { until } => Act::Beep { on: BEEP, every: LEAVING_EVERY, until },
            Sound::Entered { until } => Act::Beep { on: BEEP, every: ENTERED_EVERY, until },
            Sound::Quiet => Act::Drive(Drive::Off),
        };
        for (place, partitions) in &self.0.chimes {
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
        if let Some((_, output)) = self.0.outputs.get(place) {
            output.send_replace(Some(Order { act, at: self.0.clock.mono() }));
        }
    }
}
