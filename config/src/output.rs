//! Outputs, and the words for them.

use std::time::Duration;

use gatehouse_core::site::{ChallengeConfig, Danger, OutputConfig, Role, SafeState};

use crate::kind::Word;
use crate::wiring::{Bias, Contact, Drive, Level, Line};

/// One output: how it is wired, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// The line that switches the load. Nothing else has it.
    pub line: Line,
    /// The level that switches it on.
    pub active: Level,
    /// How the line is driven.
    pub drive: Drive,
    /// The line that tells what the load does, and its level while the load is on.
    pub read_back: Option<(Line, Level)>,
    /// It is never on for longer in one go.
    pub max_on: Option<Duration>,
    /// Everything else, with its id. `driver` is the line as events name it.
    pub rules: OutputConfig,
}

/// The challenge test: how its input is wired, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The line that the output is wired to.
    pub input: Line,
    /// What the circuit does while the output is off.
    pub contact: Contact,
    /// The resistor at the input.
    pub bias: Bias,
    /// How long the input must be still before it is believed.
    pub debounce: Duration,
    /// Everything else.
    pub rules: ChallengeConfig,
}

impl Word for Role {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Siren, "siren", "it sounds for an alarm, for a time"),
        (Self::Strobe, "strobe", "it flashes for an alarm, until somebody disarms"),
        (Self::Lock, "lock", "it lets a door open; the `[[door]]` names it"),
        (Self::Chime, "chime", "it chimes and beeps: doors, exit and entry delays"),
        (Self::Other, "other", "anything else, as the loop-back of `[challenge]`"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("bell", "siren"),
        ("sounder", "siren"),
        ("horn", "siren"),
        ("flash", "strobe"),
        ("beacon", "strobe"),
        ("light", "strobe"),
        ("strike", "lock"),
        ("magnet", "lock"),
        ("door", "lock"),
        ("release", "lock"),
        ("buzzer", "chime"),
        ("beeper", "chime"),
        ("relay", "other"),
    ];
}

impl Word for SafeState {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Off, "off", "silent, dark, locked"),
        (Self::On, "on", "a lock is released"),
        (Self::Keep, "keep", "as it is: nothing is written before the first command"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("locked", "off"),
        ("released", "on"),
        ("open", "on"),
        ("hold", "keep"),
        ("as-is", "keep"),
    ];
}

impl Word for Danger {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Burglary, "burglary", "zones while armed, 24h zones, forced doors"),
        (Self::Panic, "panic", "hold-up with noise"),
        (Self::Tamper, "tamper", "a case, a cabinet, a cable, a loop"),
        (Self::Fire, "fire", "fire and manual call points"),
        (Self::Flood, "flood", "water"),
        (Self::Gas, "gas", "gas"),
        (Self::Technical, "technical", "a pump, a lift, a freezer"),
        (Self::Door, "door", "a door is propped open"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("intrusion", "burglary"),
        ("intruder", "burglary"),
        ("hold-up", "panic"),
        ("holdup", "panic"),
        ("smoke", "fire"),
        ("water", "flood"),
        ("propped", "door"),
    ];
}
