//! Outputs: what the gateway can switch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Id;

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
    /// Anything else.
    Other,
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
