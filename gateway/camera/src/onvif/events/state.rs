//! What is known of each property of a camera, so that state is told from change.

use std::collections::BTreeMap;

use gatehouse_core::time::{Mono, UtcMs};

use super::finding::{Finding, Kind, Meant, Value, meant};
use super::message::{Message, Operation};
use crate::onvif::Quirks;

/// A finding, and how it is to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub finding: Finding,
    /// A change, or how it stands.
    pub told: Told,
    /// When it came, by our clock: this is its time.
    pub received: Mono,
    /// When it was by the camera's clock, for a person who compares.
    pub camera_time: Option<CameraTime>,
}

/// Whether something has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The camera says that it has happened.
    Change,
    /// So it stands since we do not know when: no alarm by itself.
    State {
        /// How it stood when it was last heard of. `None`: never. Where it was the other way, it has
        /// changed while nobody listened.
        before: Option<bool>,
    },
}

/// A time by the camera's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraTime {
    /// As it says.
    pub utc: UtcMs,
    /// Cameras of its make are known to be off by hours.
    pub doubtful: bool,
}

/// No camera has so many properties; what a hostile one has beyond them is told each time.
const MOST: usize = 256;

/// What was last heard of each property. Outlives subscriptions.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<(String, String), Value>);

impl Known {
    /// What a message tells beyond what is known. `None`: nothing.
    pub(super) fn take(
        &mut self,
        message: &Message,
        quirks: &Quirks,
        received: Mono,
    ) -> Option<Event> {
        let mut meant = meant(message, quirks)?;
        if message.operation == Operation::Deleted && meant.kind != Kind::Reboot {
            meant.value = Value::On(false);
        }
        let key = (message.topic.clone(), meant.source.clone());
        let before = self.0.get(&key).copied();
        // Whoever did not hear for a while does not know how a contact is, even if it is as it was.
        let level = meant.kind == Kind::Input && message.operation == Operation::Initialized;
        if before == Some(meant.value) && !level {
            // Repeated: every second, by some makes.
            return None;
        }
        if before.is_some() || self.0.len() < MOST {
            self.0.insert(key, meant.value);
        }
        let told = told(message.operation, &meant, before)?;
        let doubtful = quirks.doubtful_time;
        let camera_time = message.time.map(|utc| CameraTime { utc, doubtful });
        Some(Event { finding: meant.finding(), told, received, camera_time })
    }
}

fn told(operation: Operation, meant: &Meant, before: Option<Value>) -> Option<Told> {
    if meant.kind == Kind::Reboot {
        // The first is that of a boot that we did not see; another one is a boot, whatever the
        // camera calls it.
        return before.map(|_| Told::Change);
    }
    let before = before.map(|value| value == Value::On(true));
    match operation {
        Operation::Changed => Some(Told::Change),
        Operation::Initialized => Some(Told::State { before }),
        // What never was on need not be said to be off.
        Operation::Deleted => before.map(|_| Told::State { before }),
    }
}
