//! Doors.

use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{Fail, LockConfig, Passage};

use crate::devices::Loop;
use crate::feed::Feed;
use crate::kind::Word;
use crate::wiring::{Bias, Contact, WiredInput};

/// One door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its id in topics and events.
    pub id: Id,
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// Where its contact is: a line of the box, or an input of a camera.
    pub input: Feed,
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
    /// Open for longer than this is an alarm; `None`: never.
    pub propped: Option<Duration>,
    /// The warning that it is held open chimes.
    pub chime: bool,
    /// The partition it belongs to.
    pub partition: Option<Id>,
    /// An opening that nothing explains is an alarm, if it has a reader or a request-to-exit input.
    pub forced: bool,
    /// After a grant it may be opened for so long beyond the lock's own release time.
    pub grace: Duration,
    /// Its request-to-exit input.
    pub rex: Option<Rex>,
    /// The areas it joins, by their places in [`Config::areas`](crate::Config::areas).
    pub passage: Option<Passage>,
    /// Its lock, if the gateway drives it.
    pub lock: Option<LockConfig>,
    /// Whether the gateway may release it at all.
    pub release: bool,
}

/// A request-to-exit button, bar or detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rex {
    /// How it is wired.
    pub input: WiredInput,
    /// So long after it was let go, opening the door is still that exit.
    pub hold: Duration,
    /// Pressed for so long, it is a fault.
    pub stuck_after: Duration,
    /// It also releases the lock.
    pub releases: bool,
}

impl Word for Fail {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Safe, "safe", "it is open without power: a magnet, for escape routes"),
        (Self::Secure, "secure", "it stays locked without power: a strike"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("fail-safe", "safe"),
        ("open", "safe"),
        ("unlocked", "safe"),
        ("fail-secure", "secure"),
        ("closed", "secure"),
        ("locked", "secure"),
    ];
}
