//! Partitions: what is armed together, and how.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Id;

/// How a partition protects.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Only what is always live.
    #[default]
    Disarmed,
    /// Everything: nobody is in.
    Away,
    /// The perimeter: people are in.
    Home,
    /// The perimeter, and inside what nobody passes at night.
    Night,
    /// As the site has agreed.
    Custom,
}

impl Mode {
    /// All of them that protect.
    pub const ARMED: [Self; 4] = [Self::Away, Self::Home, Self::Night, Self::Custom];

    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disarmed => "disarmed",
            Self::Away => "away",
            Self::Home => "home",
            Self::Night => "night",
            Self::Custom => "custom",
        }
    }

    /// How much it protects: night more than home, away more than both.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Disarmed => 0,
            Self::Custom => 1,
            Self::Home => 2,
            Self::Night => 3,
            Self::Away => 4,
        }
    }

    /// The partition's state while it is armed so.
    pub const fn armed_word(self) -> &'static str {
        match self {
            Self::Disarmed => "disarmed",
            Self::Away => "armed-away",
            Self::Home => "armed-home",
            Self::Night => "armed-night",
            Self::Custom => "armed-custom",
        }
    }
}

/// A set of armed modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes(u8);

impl Modes {
    /// Every armed mode.
    pub const ALL: Self = Self(0b0001_1110);

    /// The set of these. [`Mode::Disarmed`] is never in it.
    pub fn of(modes: impl IntoIterator<Item = Mode>) -> Self {
        let bits = modes.into_iter().map(|mode| 1 << mode as u8).fold(0, |all, bit| all | bit);
        Self(bits & Self::ALL.0)
    }

    /// Whether this mode is in it.
    pub const fn contains(self, mode: Mode) -> bool {
        self.0 & (1 << mode as u8) != 0
    }

    /// Whether none is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The delays of one mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeConfig {
    /// Time to leave after arming; zero: none.
    pub exit: Duration,
    /// Time to disarm after an entry zone was entered; zero: none.
    pub entry: Duration,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionConfig {
    /// Its id.
    pub id: Id,
    /// A common area (a stair, a lift lobby): it is armed exactly while all these partitions are.
    /// Empty: it is armed by itself.
    pub common_to: Vec<usize>,
    /// The modes it has, by `mode as usize - 1`.
    pub modes: [Option<ModeConfig>; 4],
}

impl PartitionConfig {
    /// The delays of a mode, if the partition has it.
    pub fn mode(&self, mode: Mode) -> Option<ModeConfig> {
        (mode as usize).checked_sub(1).and_then(|place| self.modes[place])
    }
}
