//! What there is to know of a reader.

use core::fmt;
use core::time::Duration;

use zeroize::Zeroize;

/// The most that a reader can tell of one card: `OSDP_EVENT_CARDREAD_MAX_DATALEN` of libosdp, and
/// more than any format has.
const MAX_READING: usize = 64;

/// News of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is there, has told what it had kept, and reads cards from now on.
    Up {
        /// What it says of itself.
        identity: Identity,
        /// In the secure channel.
        secure: bool,
    },
    /// It is not there, or must not be used. Told again only if the reason changes.
    Down(Down),
    /// The secure session was lost: a reason to look at the reader and its cable. The reader is
    /// not used until [`Event::Up`].
    SecureLost(Loss),
    /// A new reader took its key.
    KeyInstalled,
    /// A card was shown.
    Card {
        /// Its bits.
        reading: Reading,
        /// The reader says that these are the bits of a Wiegand card, with parities.
        wiegand: bool,
        /// When.
        shown: Shown,
    },
    /// Keys were pressed, as characters: see [`crate::wiegand::Key::from_ascii`].
    Keys {
        /// The characters.
        reading: Reading,
        /// When.
        shown: Shown,
    },
    /// Tamper contact and power; told after [`Event::Up`] and whenever it changes.
    Status(Status),
    /// It will not do what it was told: it has no such lamp or buzzer.
    Refused {
        /// The command.
        command: u8,
        /// The reader's code.
        code: u8,
    },
    /// It said something that we do not know.
    Unknown {
        /// The reply.
        reply: u8,
    },
}

/// Why a reader is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// Our port is gone: unplugged, or its driver failed.
    BusGone,
    /// It said that it is busy for eight seconds: the reader's fault.
    Busy,
    /// Only noise came: another speed, two readers at one address, or bad wires.
    Garbled,
    /// Nothing came: no power, a cut cable, the wrong address, or swapped wires.
    NoAnswer,
    /// It knows no secure channel, and there is a key for it: the wrong reader, or somebody else's.
    NotSecure,
    /// It refused a command without which it cannot be used.
    Refused {
        /// The command.
        command: u8,
        /// The reader's code.
        code: u8,
    },
    /// It answered with something else: not an OSDP reader as the standard has it.
    Unexpected {
        /// The command.
        command: u8,
        /// The reply.
        reply: u8,
    },
    /// It has another key: replaced, reset, or never given ours.
    WrongKey,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BusGone => f.write_str("the serial port is gone"),
            Self::Busy => f.write_str("the reader is busy without end"),
            Self::Garbled => {
                f.write_str("only noise comes: check the speed, the address and the wires")
            }
            Self::NoAnswer => f.write_str(
                "no answer: check power, cable, address and that A and B are not swapped",
            ),
            Self::NotSecure => {
                f.write_str("the reader knows no secure channel, but a key is configured for it")
            }
            Self::Refused { command, code } => {
                write!(f, "the reader refuses command {command:#04x} with code {code}")
            }
            Self::Unexpected { command, reply } => {
                write!(f, "the reader answers command {command:#04x} with {reply:#04x}")
            }
            Self::WrongKey => f.write_str(
                "the reader has another key: it was replaced or reset, or never got this one",
            ),
        }
    }
}

/// Why a secure session was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The reader says that there is none: it restarted, or lost a packet.
    Dropped {
        /// The reader's code; 5 and 6 concern security, 4 the sequence.
        code: u8,
    },
    /// The MAC is wrong: somebody else spoke, or a packet was repeated.
    Forged,
    /// A reply came without the session's protection.
    InTheClear,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped { code } => {
                write!(
                    f,
                    "the reader ended the secure session (code {code}): it may have restarted"
                )
            }
            Self::Forged => f.write_str("a reply was not signed by the reader"),
            Self::InTheClear => f.write_str("a reply came in the clear within the secure session"),
        }
    }
}

/// What a reader says of itself (PDID).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The maker's IEEE number.
    pub vendor: [u8; 3],
    /// The maker's own numbers.
    pub model: u8,
    /// The maker's own numbers.
    pub version: u8,
    /// The serial number.
    pub serial: u32,
    /// Major, minor, build.
    pub firmware: [u8; 3],
}

impl Identity {
    pub(super) const UNKNOWN: Self =
        Self { vendor: [0; 3], model: 0, version: 0, serial: 0, firmware: [0; 3] };

    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let &[v0, v1, v2, model, version, s0, s1, s2, s3, f0, f1, f2] = data else { return None };
        let serial = u32::from_le_bytes([s0, s1, s2, s3]);
        Some(Self { vendor: [v0, v1, v2], model, version, serial, firmware: [f0, f1, f2] })
    }
}

/// Tamper contact and power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// It was opened or taken off its wall.
    pub tamper: bool,
    /// Its supply fails.
    pub power_lost: bool,
}

/// Between which times a card was shown or a key pressed, on the clock of `now_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Then the reader had nothing to tell. `None`: not known since it is up, so it may have been
    /// any time before.
    pub after_ns: Option<u64>,
    /// Then it told.
    pub until_ns: u64,
}

impl Shown {
    /// Whether it is certain that this was at most `limit` ago when it was told.
    pub fn within(&self, limit: Duration) -> bool {
        self.after_ns.is_some_and(|after_ns| {
            u128::from(self.until_ns.saturating_sub(after_ns)) <= limit.as_nanos()
        })
    }
}

/// What was on a card or pressed on a keypad. Overwritten when dropped; `Debug` tells how much
/// there is, not what.
#[derive(Clone, PartialEq, Eq)]
pub struct Reading {
    reader: u8,
    bits: u16,
    data: [u8; MAX_READING],
}

impl Reading {
    pub(super) fn new(reader: u8, bits: u16, bytes: &[u8]) -> Option<Self> {
        let whole = usize::from(bits).div_ceil(8);
        let bytes = bytes.get(..whole).filter(|_| (1..=MAX_READING).contains(&whole))?;
        let mut data = [0; MAX_READING];
        data[..whole].copy_from_slice(bytes);
        Some(Self { reader, bits, data })
    }

    /// Which head of the reader: 0, unless it has several.
    pub const fn reader(&self) -> u8 {
        self.reader
    }

    /// How many bits.
    pub const fn bits(&self) -> u16 {
        self.bits
    }

    /// The bits, the first one highest in the first byte.
    pub fn data(&self) -> &[u8] {
        &self.data[..usize::from(self.bits).div_ceil(8)]
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.data.zeroize();
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reading({} bits)", self.bits)
    }
}
