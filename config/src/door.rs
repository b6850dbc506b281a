//! Doors.

use std::time::Duration;

use gatehouse_core::id::Id;

use crate::devices::Loop;
use crate::wiring::{Bias, Contact, Line};

/// One door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its id in topics and events.
    pub id: Id,
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// The line its contact is wired to.
    pub input: Line,
    /// How its loop is wired, if its line is an input of a converter.
    pub supervised: Option<Loop>,
    /// What the contact does while the door is closed.
    pub contact: Contact,
    /// How long the contact must be still before it is believed.
    pub debounce: Duration,
    /// The resistor at the input.
    pub bias: Bias,
    /// Open for longer than this is `held-open`; `None`: never.
    pub held_open: Option<Duration>,
    /// The partition it belongs to.
    pub partition: Option<Id>,
}
