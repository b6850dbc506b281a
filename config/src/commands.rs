//! What the district may command, and the words for it.

use gatehouse_core::commands::{Lowering, Rights, Verb};
use gatehouse_core::id::Id;

use crate::kind::Word;

/// What the district may command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Who may do what.
    pub rights: Rights,
    /// The keys of those who sign, at most [`MAX_COMMAND_KEYS`](crate::MAX_COMMAND_KEYS).
    pub keys: Vec<CommandKey>,
}

/// A key that commands are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandKey {
    /// Its id, as signatures name it.
    pub id: Id,
    /// The role of those who have it.
    pub role: Id,
    /// Ed25519.
    pub public: [u8; 32],
}

/// Whether commands must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedWord {
    Optional,
    Required,
}

impl Word for SignedWord {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Optional, "optional", "a command without a signature is taken too"),
        (Self::Required, "required", "a command without a signature is refused"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("yes", "required"), ("true", "required"), ("always", "required"), ("no", "optional")];
}

impl Word for Lowering {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Disarm, "disarm", "to disarm partitions"),
        (Self::Bypass, "bypass", "to take zones out of protection"),
        (Self::Output, "output", "to release doors and to switch outputs of the role `other`"),
        (Self::Config, "config", "to read and to change this configuration"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("release", "output"), ("door", "output"), ("configuration", "config")];
}

impl Word for Verb {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Arm, Self::Arm.as_str(), "arm a partition"),
        (Self::Disarm, Self::Disarm.as_str(), "disarm a partition"),
        (Self::Bypass, Self::Bypass.as_str(), "take a zone out of protection"),
        (Self::Unbypass, Self::Unbypass.as_str(), "take it in again"),
        (Self::Silence, Self::Silence.as_str(), "silence the sirens"),
        (Self::Snapshot, Self::Snapshot.as_str(), "one picture of a camera"),
        (Self::Clip, Self::Clip.as_str(), "the pictures around an event"),
        (Self::Resend, Self::Resend.as_str(), "send events again"),
        (Self::State, Self::State.as_str(), "publish every state again"),
        (Self::WalkTest, Self::WalkTest.as_str(), "begin or end a walk test"),
        (Self::Challenge, Self::Challenge.as_str(), "the challenge test"),
        (Self::Output, Self::Output.as_str(), "release a door or switch an output for a time"),
        (Self::ConfigGet, Self::ConfigGet.as_str(), "read the configuration"),
        (Self::ConfigPropose, Self::ConfigPropose.as_str(), "check another configuration"),
        (Self::ConfigConfirm, Self::ConfigConfirm.as_str(), "go on under it"),
        (Self::Diag, Self::Diag.as_str(), "facts of the gateway's health"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("walk-test", "walktest"),
        ("release", "output"),
        ("mute", "silence"),
        ("states", "state"),
    ];
}
