//! Outputs: what the gateway can switch.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::site::Danger;

/// What an output is for. *On* is what the role says: a siren sounds, a lock is released; how that
/// is wired is the driver's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It sounds.
    Siren,
    /// It flashes.
    Strobe,
    /// It lets a door open.
    Lock,
    /// It chimes and beeps.
    Chime,
    /// Anything else.
    Other,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Siren, Self::Strobe, Self::Lock, Self::Chime, Self::Other];

    /// Whether it warns of a danger.
    pub const fn warns(self) -> bool {
        matches!(self, Self::Siren | Self::Strobe)
    }
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// Its id.
    pub id: Id,
    /// What it is for.
    pub role: Role,
    /// The wire as events name it.
    pub driver: String,
    /// What it is set to at start, stop and crash.
    pub safe: SafeState,
    /// The partitions it is for, by their places in
    /// [`SiteConfig::partitions`](super::SiteConfig::partitions). Empty: all of them, and what
    /// belongs to none.
    pub partitions: Vec<usize>,
    /// The dangers for which a siren or strobe goes on.
    pub dangers: Dangers,
    /// How long a siren sounds in one go.
    pub lasts: Duration,
    /// Outside the building: never on for a tamper while unset (EN 50131-1:2006, Table 7).
    pub outside: bool,
}

impl OutputConfig {
    /// One with the defaults of its role.
    pub const fn new(id: Id, role: Role, driver: String) -> Self {
        Self {
            id,
            role,
            driver,
            safe: SafeState::Off,
            partitions: Vec::new(),
            dangers: if role.warns() { Dangers::USUAL } else { Dangers::NONE },
            // EN 50131-1 asks for 90 s at least and 15 min at most; many councils allow 3 min.
            lasts: Duration::from_secs(180),
            outside: false,
        }
    }

    /// Whether it is for what happens in this partition, or in none.
    pub fn is_for(&self, partition: Option<usize>) -> bool {
        self.partitions.is_empty() || partition.is_some_and(|it| self.partitions.contains(&it))
    }
}

/// A set of dangers. A silent panic is never in one: nobody at the site may notice it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dangers(u16);

impl Dangers {
    /// None.
    pub const NONE: Self = Self(0);

    /// What a siren sounds for, if nothing else is said.
    pub const USUAL: Self = Self(
        1 << Danger::Burglary as u16
            | 1 << Danger::Panic as u16
            | 1 << Danger::Tamper as u16
            | 1 << Danger::Fire as u16,
    );

    /// The set of these.
    pub fn of(dangers: impl IntoIterator<Item = Danger>) -> Self {
        let audible = dangers.into_iter().filter(|danger| *danger != Danger::SilentPanic);
        Self(audible.map(|danger| 1 << danger as u16).fold(0, |all, bit| all | bit))
    }

    /// Whether this danger is in it.
    pub const fn contains(self, danger: Danger) -> bool {
        self.0 & (1 << danger as u16) != 0
    }
}

/// What an output is set to when nothing decides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SafeState {
    /// Off: silent, dark, locked.
    #[default]
    Off,
    /// On: for a lock, released.
    On,
    /// As it is.
    Keep,
}
