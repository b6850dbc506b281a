//! Why a command is not carried out, or did not come about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::site::Refusal;

/// Why, as a stable word of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not a command that can be read.
    Malformed,
    /// Larger than [`MAX_COMMAND`](crate::contract::MAX_COMMAND).
    TooLarge,
    /// A command must never be retained.
    Retained,
    /// `expires` is missing.
    NoExpiry,
    /// `expires` is not after `issued`, or more than 24 h after it.
    BadExpiry,
    /// `issued` lies in the future: one of the two clocks is wrong.
    NotYet,
    /// `expires` is over.
    Late,
    /// There is no such verb.
    UnknownVerb,
    /// The verb takes other arguments.
    BadArgs,
    /// The site wants signed commands.
    Unsigned,
    /// The site knows no key of this id.
    ForeignKey,
    /// The signature is not that of this command by this key.
    BadSignature,
    /// The key is of another role.
    KeyOfAnotherRole,
    /// The site knows no such role.
    UnknownRole,
    /// The role may not do this.
    NotAllowed,
    /// The site does not let the district do this.
    LowersProtection,
    /// The gateway's clock is not trusted, and there is no nonce.
    NoNonce,
    /// The gateway's clock is not trusted, and the nonce is not one of the latest.
    StaleNonce,
    /// Too many commands, or another of the same kind is under way.
    Busy,
    /// The gateway stopped before it was over.
    Restart,
    /// There is no such partition.
    UnknownPartition,
    /// There is no such zone.
    UnknownZone,
    /// There is no such door.
    UnknownDoor,
    /// There is no such output.
    UnknownOutput,
    /// The partition has no such mode.
    UnknownMode,
    /// The gateway has no such camera.
    NoCamera,
    /// There is no such picture, or none can be taken; `detail.why` says why.
    NoPicture,
    /// Something prevents arming; `detail.blockers` says what.
    NotReady,
    /// The zone's configuration forbids its bypass.
    NotBypassable,
    /// The site does not let the gateway do this, by whoever's wish.
    NotConfigured,
    /// It is still active, or not known.
    Active,
    /// It did not come about in time.
    TimeOut,
    /// The partition is armed.
    Armed,
    /// It follows its users and is not armed or disarmed by itself.
    CommonArea,
    /// The test failed; its event says where.
    TestFailed,
    /// No such events: the range lies beyond the newest.
    NoSuchEvents,
    /// The connection ended before it was over.
    ConnectionLost,
    /// The configuration has mistakes; `detail.mistakes` names them.
    Mistakes,
    /// It would change who may command what, which is the site's own.
    ChangesRights,
    /// It would change the gateway's own ids.
    ChangesIdentity,
    /// The pieces do not fit together.
    Pieces,
    /// Nothing was proposed, or not this.
    NoProposal,
    /// The file was changed by somebody else since.
    FileChanged,
    /// The gateway may not write its configuration.
    ReadOnly,
    /// It was tried, and the one before holds again.
    RolledBack,
    /// The gateway could not do it; its log says why.
    Internal,
}

impl Reason {
    /// The word in payloads and events.
    pub fn as_str(self) -> String {
        // Each is a unit variant, which is a string.
        serde_json::to_value(self)
            .ok()
            .and_then(|word| word.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Whether it may mean that somebody else than the control room sent it.
    pub const fn is_suspicious(self) -> bool {
        matches!(
            self,
            Self::Retained
                | Self::Unsigned
                | Self::ForeignKey
                | Self::BadSignature
                | Self::KeyOfAnotherRole
        )
    }

    /// The same of the rules' word.
    pub const fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::UnknownMode,
            Refusal::NotReady => Self::NotReady,
            Refusal::NotBypassable => Self::NotBypassable,
            Refusal::NotAllowed | Refusal::NotScheduled | Refusal::TooLong => Self::NotConfigured,
            Refusal::Late => Self::Late,
            Refusal::Active => Self::Active,
            Refusal::TimeOut => Self::TimeOut,
            Refusal::Busy => Self::Busy,
            Refusal::Armed => Self::Armed,
            Refusal::Common => Self::CommonArea,
            Refusal::Failed => Self::TestFailed,
        }
    }
}
