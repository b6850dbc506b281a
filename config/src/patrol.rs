//! Help points, checkpoints and rounds.

use gatehouse_core::site::{CheckpointConfig, Order, RoundConfig, ZoneConfig};

use crate::kind::Word;
use crate::wiring::WiredInput;

/// One help point: how it is wired, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpPoint {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// Its button; `None`: it has only a reader.
    pub input: Option<WiredInput>,
    /// Its second button.
    pub second: Option<WiredInput>,
    /// To the rules it is a zone.
    pub rules: ZoneConfig,
}

/// One checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// Its button; `None`: it has only a reader.
    pub input: Option<WiredInput>,
    /// Everything else, with its id.
    pub rules: CheckpointConfig,
}

/// One patrol round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// Everything else, with its id.
    pub rules: RoundConfig,
}

impl Word for Order {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Strict, "strict", "as they are listed; another one is reported and does not count"),
        (Self::Any, "any", "in any, so that nobody who watches can predict the round"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("fixed", "strict"), ("listed", "strict"), ("random", "any"), ("free", "any")];
}
