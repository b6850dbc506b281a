//! What the district can want.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the district can want of a gateway.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Arm a partition: `partition`, `mode` (`away`), `force`, `at_once`.
    Arm,
    /// Disarm a partition: `partition`.
    Disarm,
    /// Take a zone out of protection: `zone`.
    Bypass,
    /// Take it in again: `zone`.
    Unbypass,
    /// Silence the sirens; nothing is disarmed: `partition`, or all.
    Silence,
    /// One picture of a camera: `camera`.
    Snapshot,
    /// The pictures around an event: `camera`, `seq`.
    Clip,
    /// Send events again: `from`, `to`.
    Resend,
    /// Publish every retained state again.
    State,
    /// Begin a walk test, or end it: `partition`, `minutes` (0: end it).
    WalkTest,
    /// Send a nonce through output, wire, input, rules and journal: `nonce`.
    Challenge,
    /// Let a door open once, `door`; or switch an output on for a time, `output` and `seconds`.
    Output,
    /// The running configuration: `at`, the byte to begin with.
    #[serde(rename = "config.get")]
    ConfigGet,
    /// Check another configuration, and keep it beside: `text`, in pieces `at` and `of`.
    #[serde(rename = "config.propose")]
    ConfigPropose,
    /// Go on under the one that was proposed: `hash`.
    #[serde(rename = "config.confirm")]
    ConfigConfirm,
    /// Facts of the gateway's health.
    Diag,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 16] = [
        Self::Arm,
        Self::Disarm,
        Self::Bypass,
        Self::Unbypass,
        Self::Silence,
        Self::Snapshot,
        Self::Clip,
        Self::Resend,
        Self::State,
        Self::WalkTest,
        Self::Challenge,
        Self::Output,
        Self::ConfigGet,
        Self::ConfigPropose,
        Self::ConfigConfirm,
        Self::Diag,
    ];

    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arm => "arm",
            Self::Disarm => "disarm",
            Self::Bypass => "bypass",
            Self::Unbypass => "unbypass",
            Self::Silence => "silence",
            Self::Snapshot => "snapshot",
            Self::Clip => "clip",
            Self::Resend => "resend",
            Self::State => "state",
            Self::WalkTest => "walktest",
            Self::Challenge => "challenge",
            Self::Output => "output",
            Self::ConfigGet => "config.get",
            Self::ConfigPropose => "config.propose",
            Self::ConfigConfirm => "config.confirm",
            Self::Diag => "diag",
        }
    }

    /// The verb of this word, if there is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }

    /// What the site must have allowed the district for this; `None`: nothing but the role.
    pub const fn lowers(self) -> Option<Lowering> {
        match self {
            Self::Disarm => Some(Lowering::Disarm),
            Self::Bypass => Some(Lowering::Bypass),
            Self::Output => Some(Lowering::Output),
            Self::ConfigGet | Self::ConfigPropose | Self::ConfigConfirm => Some(Lowering::Config),
            _ => None,
        }
    }

    /// Whether it does harm when it is carried out late: a door that opens when nobody stands
    /// before it any more. Without a trusted clock it needs a nonce.
    pub const fn must_not_be_late(self) -> bool {
        matches!(
            self,
            Self::Disarm
                | Self::Bypass
                | Self::Silence
                | Self::WalkTest
                | Self::Output
                | Self::ConfigConfirm
        )
    }
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbs(u16);

impl Verbs {
    /// All of them.
    pub const ALL: Self = Self(u16::MAX);

    /// The set of these.
    pub fn of(verbs: impl IntoIterator<Item = Verb>) -> Self {
        Self(verbs.into_iter().map(|verb| 1 << verb as u16).fold(0, |all, bit| all | bit))
    }

    /// Whether this verb is in it.
    pub const fn contains(self, verb: Verb) -> bool {
        self.0 & (1 << verb as u16) != 0
    }
}

/// What lowers protection, or lets the district into what is the site's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lowering {
    /// To disarm.
    Disarm,
    /// To take zones out of protection.
    Bypass,
    /// To open doors and switch outputs.
    Output,
    /// To read and change the configuration.
    Config,
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lowerings(u8);

impl Lowerings {
    /// The set of these.
    pub fn of(all: impl IntoIterator<Item = Lowering>) -> Self {
        Self(all.into_iter().map(|one| 1 << one as u8).fold(0, |all, bit| all | bit))
    }

    /// Whether this is in it.
    pub const fn contains(self, one: Lowering) -> bool {
        self.0 & (1 << one as u8) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_its_word_everywhere_and_its_place_in_a_set() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_word(verb.as_str()), Some(verb));
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
            let all = Verb::ALL.into_iter().filter(|it| Verbs::of([verb]).contains(*it));
            assert!(all.eq([verb]) && Verbs::ALL.contains(verb));
        }
    }

    #[test]
    fn what_lowers_protection_at_once_must_not_be_late() {
        let late: Vec<_> = Verb::ALL.into_iter().filter(|verb| verb.must_not_be_late()).collect();
        for verb in [Verb::Disarm, Verb::Bypass, Verb::Output, Verb::ConfigConfirm] {
            assert!(late.contains(&verb) && verb.lowers().is_some());
        }
        assert!(!late.contains(&Verb::Arm), "to arm late protects late");
    }
}
