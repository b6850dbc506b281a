//! Whether a credential may pass: from what the box itself knows, whatever the network does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::site::config::{AccessConfig, Credential, Doors, ReaderConfig, UnknownClock};
use crate::site::{CredentialHash, DoorConfig};
use crate::time::{ClockState, Now};

/// Why somebody may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// Nobody knows this credential.
    Unknown,
    /// It is lost or stolen.
    Blocked,
    /// The PIN is wrong or missing.
    PinWrong,
    /// The wall clock is not known, and the credential has a time limit.
    ClockUnknown,
    /// It is not valid yet.
    NotYetValid,
    /// It is not valid any more.
    Expired,
    /// Not at this time of the week.
    OutsideSchedule,
    /// Not here.
    WrongArea,
    /// The reader is locked after too many wrong attempts.
    LockedOut,
    /// The reader's secure channel is lost: anybody may be talking.
    Insecure,
}

impl Denial {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Unknown,
        Self::Blocked,
        Self::PinWrong,
        Self::ClockUnknown,
        Self::NotYetValid,
        Self::Expired,
        Self::OutsideSchedule,
        Self::WrongArea,
        Self::LockedOut,
        Self::Insecure,
    ];

    /// The word in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Blocked => "blocked",
            Self::PinWrong => "pin-wrong",
            Self::ClockUnknown => "clock-unknown",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
            Self::OutsideSchedule => "outside-schedule",
            Self::WrongArea => "wrong-area",
            Self::LockedOut => "locked-out",
            Self::Insecure => "insecure",
        }
    }

    /// Whether somebody may be trying: it counts towards a lockout.
    pub const fn is_wrong_attempt(self) -> bool {
        matches!(self, Self::Unknown | Self::Blocked | Self::PinWrong)
    }
}

/// A PIN as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pin {
    Right,
    Duress,
    Wrong,
}

pub(super) fn pin(known: &Credential, reader: &ReaderConfig, given: Option<CredentialHash>) -> Pin {
    match given {
        Some(_) if given == known.duress_pin => Pin::Duress,
        Some(_) if given == known.pin => Pin::Right,
        _ if reader.pin => Pin::Wrong,
        // Not asked for.
        _ => Pin::Right,
    }
}

/// Whether a known credential, with a PIN that is as said, may do something at a reader now.
pub(super) fn check(
    known: &Credential,
    pin: Pin,
    reader: &ReaderConfig,
    door: Option<&DoorConfig>,
    access: &AccessConfig,
    now: &Now,
) -> Result<(), Denial> {
    if known.blocked {
        return Err(Denial::Blocked);
    }
    if pin == Pin::Wrong {
        return Err(Denial::PinWrong);
    }
    let here = match (reader.door, door, reader.partition) {
        (Some(place), Some(door), _) => opens(&known.opens, place, door),
        (_, _, Some(place)) => known.arms.contains(&place) || known.disarms.contains(&place),
        _ => false,
    };
    if !here {
        return Err(Denial::WrongArea);
    }
    in_time(known, access, now)
}

fn opens(doors: &Doors, place: usize, door: &DoorConfig) -> bool {
    match doors {
        Doors::All => true,
        Doors::These { doors, areas } => {
            let joins = door.passage.iter().flat_map(|p| [p.outside, Some(p.inside)]).flatten();
            doors.contains(&place) || { joins }.any(|area| areas.contains(&area))
        }
    }
}

fn in_time(known: &Credential, access: &AccessConfig, now: &Now) -> Result<(), Denial> {
    if !known.is_limited() {
        return Ok(());
    }
    let bound = u128::from(now.err_ms.unwrap_or(u32::MAX));
    if now.clock == ClockState::Never || bound > access.clock_error.as_millis() {
        return match access.unknown_clock {
            UnknownClock::Refuse => Err(Denial::ClockUnknown),
            UnknownClock::Allow => Ok(()),
        };
    }
    if known.from.is_some_and(|from| now.utc < from) {
        return Err(Denial::NotYetValid);
    }
    if known.until.is_some_and(|until| now.utc >= until) {
        return Err(Denial::Expired);
    }
    let open = known.weekly.iter().any(|window| window.contains(now.utc, &access.time_zone));
    if known.weekly.is_empty() || open { Ok(()) } else { Err(Denial::OutsideSchedule) }
}
