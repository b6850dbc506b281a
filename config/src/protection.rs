//! Zones and partitions, and the words for them.

use std::time::Duration;

use gatehouse_core::site::{
    KeySwitchConfig, Mode, PartitionConfig, ZoneConfig, ZoneKind, ZoneLine,
};

use crate::devices::Loop;
use crate::feed::Feed;
use crate::kind::Word;
use crate::wiring::{Bias, Contact, Line, WiredInput};

/// One zone: how it is wired, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// Where what it says comes from. No other zone and no door has its line.
    pub input: Feed,
    /// How its loop is wired, if its line is an input of a converter.
    pub supervised: Option<Loop>,
    /// What the contact does while all is quiet.
    pub contact: Contact,
    /// How long the contact must be still before it is believed.
    pub debounce: Duration,
    /// The resistor at the input.
    pub bias: Bias,
    /// Its further lines, each once.
    pub further: Vec<(ZoneLine, WiredInput)>,
    /// Everything else, with its id. `driver` is the line as events name it.
    pub rules: ZoneConfig,
}

/// One partition: its name, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// Everything else, with its id.
    pub rules: PartitionConfig,
}

/// One key switch: how it is wired, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySwitch {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// The line it is wired to. Nothing else has it.
    pub input: Line,
    /// What the contact does while the key is not turned.
    pub contact: Contact,
    /// How long the contact must be still before it is believed.
    pub debounce: Duration,
    /// The resistor at the input.
    pub bias: Bias,
    /// Everything else, with its id. `driver` is the line as events name it.
    pub rules: KeySwitchConfig,
}

impl Word for Mode {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Away, Self::Away.as_str(), "everything protects: nobody is in"),
        (Self::Home, Self::Home.as_str(), "the perimeter protects: people are in"),
        (
            Self::Night,
            Self::Night.as_str(),
            "the perimeter protects, and inside what nobody passes at night",
        ),
        (Self::Custom, Self::Custom.as_str(), "as the site has agreed"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("full", "away"),
        ("total", "away"),
        ("armed-away", "away"),
        ("stay", "home"),
        ("part", "home"),
        ("perimeter", "home"),
        ("armed-home", "home"),
        ("sleep", "night"),
        ("armed-night", "night"),
    ];
}

/// The word for a kind of zone in the file.
pub(crate) fn word(kind: ZoneKind) -> &'static str {
    <ZoneKind as Word>::WORDS.iter().find(|(it, ..)| *it == kind).map_or("", |(_, word, _)| *word)
}

impl Word for ZoneKind {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Instant,
            "instant",
            "burglary, at once while armed: a window, a shutter, a roof hatch",
        ),
        (
            Self::EntryExit,
            "entry-exit",
            "the way in and out: while armed it begins the entry delay, and it may be open during \
             the exit delay",
        ),
        (
            Self::Follower,
            "follower",
            "on the way from the entrance to the keypad: quiet while an entry or exit delay runs, \
             burglary at once otherwise",
        ),
        (Self::Hours24, "24h", "burglary at any time: a safe, an emergency exit, a store of keys"),
        (Self::Panic, "panic", "a hold-up button that sounds the alarm, at any time"),
        (
            Self::SilentPanic,
            "silent-panic",
            "a hold-up button that nobody at the site must notice, at any time",
        ),
        (Self::Tamper, "tamper", "the lid of a box or a cable, at any time"),
        (Self::Fire, "fire", "a fire detector or a manual call point, at any time"),
        (Self::Flood, "flood", "water where it should not be, at any time"),
        (Self::Gas, "gas", "gas, at any time"),
        (
            Self::Technical,
            "technical",
            "a pump, a lift, a freezer, a cabinet too hot: nobody is in danger, at any time",
        ),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("burglary", "instant"),
        ("perimeter", "instant"),
        ("immediate", "instant"),
        ("entry", "entry-exit"),
        ("exit", "entry-exit"),
        ("delay", "entry-exit"),
        ("delayed", "entry-exit"),
        ("interior", "follower"),
        ("24", "24h"),
        ("24-h", "24h"),
        ("24-hour", "24h"),
        ("24-hours", "24h"),
        ("hours24", "24h"),
        ("hold-up", "panic"),
        ("holdup", "panic"),
        ("silent", "silent-panic"),
        ("duress", "silent-panic"),
        ("smoke", "fire"),
        ("call-point", "fire"),
        ("water", "flood"),
        ("leak", "flood"),
        ("co", "gas"),
    ];
}
