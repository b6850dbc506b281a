//! What readers tell, over whatever wire; and the place where what was on a card becomes a hash.
//!
//! Card bits and PIN digits come from the drivers, are hashed here under the site's key, and go no
//! further: no report, log line or error holds them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::credential::{CredentialHash, PinContext, SiteKey};
use gatehouse_core::id::Id;
use gatehouse_core::time::Mono;
pub use gatehouse_drivers::osdp::{Down, Identity, Indication, Loss};
use gatehouse_drivers::wiegand::{Bits, CardError, Defect, Entry, Format, Key, PinEntry};

/// What was shown at a reader longer ago than this is told and never acted on: who showed it has
/// gone, and somebody else may stand at the door.
pub const FRESH: Duration = Duration::from_secs(2);

/// A PIN belongs to the card that was shown at most so long before its last key.
pub const CARD_THEN_PIN: Duration = Duration::from_secs(30);

/// News of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderReport {
    /// Which reader.
    pub reader: Id,
    /// When it happened, or was learnt.
    pub at: Mono,
    /// What.
    pub news: ReaderNews,
}

/// What a reader tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderNews {
    /// A card or a PIN, now: the only news that may open a door.
    Presented(Credential),
    /// A card or a PIN that was shown more than [`FRESH`] ago or nobody knows when: the reader kept
    /// it while it could not be asked. Record it, never act on it.
    Late {
        /// What was shown.
        credential: Credential,
        /// It was after this; `None` if nobody knows.
        not_before: Option<Mono>,
    },
    /// Something was read that is no card: damage, an unknown kind of card, or a bad cable.
    Unreadable {
        /// Why.
        cause: Unreadable,
        /// How many since the unit started, this one included.
        count: u64,
    },
    /// An entry of keys without an end, or too long.
    PinAbandoned {
        /// How many keys.
        keys: u32,
    },
    /// Its tamper contact. Told after each [`ReaderNews::Up`] and whenever it changes.
    Tamper {
        /// Opened or off its wall.
        active: bool,
    },
    /// Its supply. Told as [`ReaderNews::Tamper`].
    Power {
        /// Failing.
        lost: bool,
    },
    /// It is there and reads.
    Up {
        /// In the secure channel.
        secure: bool,
        /// What it says of itself; a Wiegand reader says nothing.
        identity: Option<Identity>,
    },
    /// It cannot be used. Told again only if the reason changes.
    Down(DownCause),
    /// The secure channel was lost: a tamper, whatever the cause. Until the next
    /// [`ReaderNews::Up`] the reader is not used.
    SecureLost(Loss),
    /// A new reader took its key.
    KeyInstalled,
    /// It has no such lamp or buzzer.
    Refused {
        /// OSDP's number of the command.
        command: u8,
        /// The reader's code.
        code: u8,
    },
}

/// Why a reader cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownCause {
    /// The reader or its bus.
    Osdp(Down),
    /// The lines of a Wiegand reader cannot be read.
    Lines(String),
}

impl fmt::Display for DownCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Osdp(down) => down.fmt(f),
            Self::Lines(cause) => f.write_str(cause),
        }
    }
}

/// Who somebody says to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A card.
    Card {
        /// Its hash.
        card: CredentialHash,
        /// How many bits it has: a hint when a card of the wrong kind is shown.
        bits: u16,
    },
    /// A PIN.
    Pin {
        /// Its hash as a credential of its own, at the reader's place.
        alone: CredentialHash,
        /// Its hash as the PIN of the card that was shown before it, and that card.
        after: Option<(CredentialHash, CredentialHash)>,
    },
}

/// Why something that was read is no card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The pulses were no frame.
    Pulses(Defect),
    /// The bits are no card.
    Bits(CardError),
    /// The bits are no key of a keypad.
    Key,
    /// The reader told something that we do not know.
    Reply(u8),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pulses(Defect::EdgesLost) => f.write_str("pulses were lost"),
            Self::Pulses(Defect::TooFast) => f.write_str("pulses came too fast: noise"),
            Self::Pulses(Defect::TooSlow) => f.write_str("pulses came too slowly"),
            Self::Pulses(Defect::TooLong) => f.write_str("more pulses than any card has: noise"),
            Self::Bits(error) => error.fmt(f),
            Self::Key => f.write_str("a key code that no keypad sends"),
            Self::Reply(reply) => write!(f, "an unknown reply {reply:#04x}"),
        }
    }
}

/// Makes hashes of what one reader reads.
#[derive(Debug)]
pub struct Desk {
    key: Arc<SiteKey>,
    /// Part of the hash of each PIN that is typed alone: readers that share it share PINs.
    pin_place: Id,
    entry: PinEntry,
    last_card: Option<(CredentialHash, u64)>,
    unreadable: u64,
}

/// When something was shown.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// When it was told, or, with a stamp of its own, when it was.
    pub at_ns: u64,
    /// At most [`FRESH`] ago, for certain.
    pub fresh: bool,
    /// It was after this.
    pub not_before: Option<Mono>,
}

impl Desk {
    /// A reader's desk.
    pub fn new(key: Arc<SiteKey>, pin_place: Id) -> Self {
        Self { key, pin_place, entry: PinEntry::new(), last_card: None, unreadable: 0 }
    }

    /// A card by its bits, the first one highest in the first byte. With `wiegand`, its parity is
    /// checked.
    pub fn card(&mut self, bits: u16, data: &[u8], wiegand: bool, when: When) -> ReaderNews {
        if wiegand {
            let checked = match Bits::from_bytes(data, bits) {
                Some(bits) => Format::check(&bits),
                None => Err(CardError::Length { bits: u8::try_from(bits).unwrap_or(u8::MAX) }),
            };
            if let Err(error) = checked {
                return self.unreadable(Unreadable::Bits(error));
            }
        }
        let card = self.key.card(bits, data);
        self.entry.clear();
        self.last_card = when.fresh.then_some((card, when.at_ns));
        told(Credential::Card { card, bits }, when)
    }

    /// A key.
    pub fn key(&mut self, key: Key, when: When) -> [Option<ReaderNews>; 2] {
        // Keys from before mixed with keys of now are nobody's PIN.
        if !when.fresh {
            self.entry.clear();
            self.last_card = None;
        }
        self.entry.key(key, when.at_ns).map(|entry| entry.map(|entry| self.entered(entry, when)))
    }

    /// When [`expire`](Self::expire) has something to say.
    pub const fn deadline(&self) -> Option<u64> {
        self.entry.deadline()
    }

    /// Tells an entry that nobody went on with.
    pub fn expire(&mut self, now_ns: u64) -> Option<ReaderNews> {
        let entry = self.entry.expire(now_ns)?;
        let when = When { at_ns: now_ns, fresh: true, not_before: None };
        Some(self.entered(entry, when))
    }

    fn entered(&mut self, entry: Entry, when: When) -> ReaderNews {
        match entry {
            Entry::Abandoned { keys, .. } => ReaderNews::PinAbandoned { keys },
            Entry::Complete { pin, at_ns } => {
                let alone = self.key.pin(PinContext::Place(&self.pin_place), pin.digits());
                let card = self.last_card.take().filter(|(_, shown_ns)| {
                    u128::from(at_ns.saturating_sub(*shown_ns)) <= CARD_THEN_PIN.as_nanos()
                });
                let after = card
                    .map(|(card, _)| (card, self.key.pin(PinContext::Card(card), pin.digits())));
                told(Credential::Pin { alone, after }, when)
            }
        }
    }

    /// Counts something that is no card.
    pub const fn unreadable(&mut self, cause: Unreadable) -> ReaderNews {
        self.unreadable += 1;
        ReaderNews::Unreadable { cause, count: self.unreadable }
    }

    /// The reader is gone: who began there must begin anew.
    pub fn forget(&mut self) {
        self.entry.clear();
        self.last_card = None;
    }
}

const fn told(credential: Credential, when: When) -> ReaderNews {
    if when.fresh {
        ReaderNews::Presented(credential)
    } else {
        ReaderNews::Late { credential, not_before: when.not_before }
    }
}
