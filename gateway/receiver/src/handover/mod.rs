//! Handing incidents over between control rooms: levels of one district, or districts.
//!
//! ```text
//!  giver's room                                   taker's room
//!   offer (state, signed bundle) ──────────────▶  kept, bundle checked, shown
//!   handed over  ◀────────────────── accepted     after the operator's word and its commit
//!   gateway ◀─ relayed as op@taker ◀────── act    what the taker's operator does
//!   event of it, committed ──── done, event ───▶  both histories have both sides' acts
//! ```
//!
//! * Rooms know each other by the peers' file ([`RoomConfig`]); nothing of others is kept.
//! * Everything is signed, numbered, and stored before it is sent; it is sent again until the other
//!   room's receipt is here, and shown with its age until then.
//! * Nothing is called handed over until the taker's `accepted` is here, which it says after its
//!   commit. Until then, and when it is refused, the incident stays the giver's.
//! * From then on the giver may note and nothing else: acknowledging, escalating and closing are the
//!   taker's. Its acts reach the gateway through the giver's room, which alone has an account there;
//!   a taker of the same district, whose broker it is, acts there directly. Either way the gateway
//!   records them as `operator@room`.
//!
//! Limits: an offer holds a bundle of 160 KiB at most, in one message, with no picture: only their
//! SHA-256 go, in the events that tell of them. Of a larger one only the
//! incident's own events are sent; if these alone are larger, the offer is refused with a word. Who
//! took an incident over from another district cannot hand it on: its gateway's log is not here.

mod book;
mod matter;
mod message;
mod peers;
mod room;
mod wish;

use gatehouse_core::id::Id;
use gatehouse_core::site::Incident;
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;
use serde::{Deserialize, Serialize};

pub(crate) use book::{Book, Voice, is_takers};
pub(crate) use matter::foreign;
pub use matter::{Asked, Entry, Handover, Mark, NotNow, Outcome, Side, State};
pub(crate) use message::Act;
pub(crate) use peers::Rooms;
pub use peers::{Peer, RoomConfig, RoomError};
pub use room::Handovers;
pub(crate) use room::{Inbox, Room, Shares, channel};
pub(crate) use wish::{HandoverOutcome, HandoverWish};

use crate::bundle::MakeError;
use crate::operator::ActError;
use crate::store::StoreError;

/// Why something about a handover was not done. Nothing was kept of it.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// It is open between the rooms already.
    #[error("{incident} is {state} already: to {peer}", state = state.as_str())]
    Already {
        /// Which.
        incident: Id,
        /// How far.
        state: State,
        /// To whom.
        peer: Id,
    },
    /// The bundle cannot be made.
    #[error(transparent)]
    Bundle(#[from] MakeError),
    /// The receiver ends, or hangs.
    #[error("the receiver is ending; nothing is kept of it")]
    Ending,
    /// Our bug.
    #[error("the message cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// The gateway or its incident.
    #[error(transparent)]
    Incident(#[from] ActError),
    /// The name is wrong.
    #[error("no control room {0} is known; the peers' file names {1}")]
    NoPeer(Id, String),
    /// This receiver is in touch with nobody.
    #[error(
        "this receiver knows no other control room; start it with --room, --room-key and --peers"
    )]
    NoRooms,
    /// Something of it has not come here yet.
    #[error(
        "the history of {0} is not whole here yet; try again when nothing of its gateway is missing"
    )]
    NotWhole(Id),
    /// Who asks comes too early or too late, or to the wrong room.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The database.
    #[error("the database does not take it: {0}")]
    Store(#[from] StoreError),
    /// It does not go into a message.
    #[error(
        "the events of {incident} alone are {} KiB; at most {} KiB go to another room", bytes / 1024,
        message::MAX_BUNDLE / 1024
    )]
    TooLarge {
        /// Which.
        incident: Id,
        /// Of the smallest bundle.
        bytes: usize,
    },
    /// The id is wrong.
    #[error("no handover {0} is known here; `gatehouse-receiver handover list` shows which are")]
    Unknown(Id),
}

/// What an operator wants to hand over.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    pub(crate) peer: Id,
    pub(crate) address: Address,
    pub(crate) incident: Incident,
    pub(crate) operator: String,
}

/// What of a handover the other room has not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The oldest message: `offer`, `accepted`, `refused`, `withdrawn`, `act`, `done` or `event`.
    pub kind: String,
    /// Since when, by this room's clock.
    pub since: UtcMs,
    /// How many.
    pub messages: usize,
    /// What the broker said of the last attempt, if it was no good word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A handover as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandoverView {
    /// Itself.
    #[serde(flatten)]
    pub handover: Handover,
    /// What the other room has not confirmed, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Owed>,
}

/// What is shown of the other rooms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoomsView {
    /// This room's name; none: it is in touch with nobody.
    pub name: Option<Id>,
    /// The others' names.
    pub peers: Vec<Id>,
    /// Open handovers, and those of the last week; the latest first.
    pub handovers: Vec<HandoverView>,
}

impl RoomsView {
    /// The open handover of this incident that this room gave or took.
    pub(crate) fn of(&self, at: &Address, incident: &Id) -> Option<&Handover> {
        let all = self.handovers.iter().map(|view| &view.handover);
        let same = |one: &&Handover| {
            (&one.district, &one.site, &one.gateway, &one.incident.id)
                == (&at.district, &at.site, &at.gateway, incident)
        };
        all.filter(same).find(|one| one.is_open())
    }
}
