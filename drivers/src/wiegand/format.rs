//! What the bits of a card mean, and their parity.
//!
//! Layouts after the makers' format sheets. The first bit received is bit 1.
//!
//! | format | bits | layout | even parity | odd parity |
//! |---|---|---|---|---|
//! | H10301 | 26 | P, facility 8, number 16, P | bit 1 over 2–13 | bit 26 over 14–25 |
//! | H10306 | 34 | P, facility 16, number 16, P | bit 1 over 2–17 | bit 34 over 18–33 |
//! | CSN | 34 | P, serial number of the chip 32, P | as H10306 | as H10306 |
//! | H10302 | 37 | P, number 35, P | bit 1 over 2–19 | bit 37 over 19–36 |
//! | H10304 | 37 | P, facility 16, number 19, P | as H10302 | as H10302 |
//!
//! Every bit of these is under at least one parity, so any single wrong bit is found; two wrong
//! bits under the same parity are not.

use core::fmt;

use zeroize::Zeroize;

use super::frame::Bits;

/// A layout of a card's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 34 bits with the serial number of the chip. The order of its bytes differs between makers.
    Csn,
    /// 26 bits, facility and number: the common one, with numbers that repeat between sites.
    H10301,
    /// 37 bits, number alone.
    H10302,
    /// 37 bits, facility and number.
    H10304,
    /// 34 bits, facility and number.
    H10306,
}

/// Which of the two parities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// The first bit and the first half.
    Even,
    /// The last bit and the second half.
    Odd,
    /// Both.
    Both,
}

/// Why bits are no card. A wrong reading, the wrong kind of card, or a bad cable: an event, with
/// the count, never silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardError {
    /// No format has so many bits, or not the one that was asked for.
    Length {
        /// The bits there were.
        bits: u8,
    },
    /// A parity is wrong.
    Parity {
        /// The bits there were.
        bits: u8,
        /// Which parity.
        parity: Parity,
    },
    /// The facility or the number does not fit into the format (encoding only).
    Range,
}

impl fmt::Display for CardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bits } => {
                write!(f, "{bits} bits are no known card; known are 26, 34 and 37")
            }
            Self::Parity { bits, parity } => {
                let parity = match parity {
                    Parity::Even => "first",
                    Parity::Odd => "last",
                    Parity::Both => "first and last",
                };
                write!(f, "wrong {parity} parity in {bits} bits")
            }
            Self::Range => f.write_str("the facility or number does not fit into the format"),
        }
    }
}

impl core::error::Error for CardError {}

/// Where the fields and parities of a length are, counted from 0.
struct Layout {
    bits: u8,
    /// The data under the even parity: from, count. Its parity is bit 0.
    even: (u8, u8),
    /// The data under the odd parity. Its parity is the last bit.
    odd: (u8, u8),
}

const BITS_26: Layout = Layout { bits: 26, even: (1, 12), odd: (13, 12) };
const BITS_34: Layout = Layout { bits: 34, even: (1, 16), odd: (17, 16) };
// The middle bit is under both.
const BITS_37: Layout = Layout { bits: 37, even: (1, 18), odd: (18, 18) };

impl Layout {
    const fn of(bits: u8) -> Option<&'static Self> {
        match bits {
            26 => Some(&BITS_26),
            34 => Some(&BITS_34),
            37 => Some(&BITS_37),
            _ => None,
        }
    }

    fn check(&self, bits: &Bits) -> Result<(), CardError> {
        let even = bits.odd(self.even.0, self.even.1) ^ bits.odd(0, 1);
        let odd = !(bits.odd(self.odd.0, self.odd.1) ^ bits.odd(self.bits - 1, 1));
        let parity = match (even, odd) {
            (false, false) => return Ok(()),
            (true, false) => Parity::Even,
            (false, true) => Parity::Odd,
            (true, true) => Parity::Both,
        };
        Err(CardError::Parity { bits: self.bits, parity })
    }
}

/// Checks the parity that every card of this length has, whatever the fields in between.
///
/// # Errors
///
/// No known card has so many bits, or a parity is wrong.
pub(super) fn check(bits: &Bits) -> Result<(), CardError> {
    Layout::of(bits.len()).ok_or(CardError::Length { bits: bits.len() })?.check(bits)
}

/// What is on a card. `Debug` tells the format only.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    format: Format,
    facility: u32,
    number: u64,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Csn, Self::H10301, Self::H10302, Self::H10304, Self::H10306];

    /// Bits of the facility and of the number.
    const fn fields(self) -> (u8, u8) {
        match self {
            Self::Csn => (0, 32),
            Self::H10301 => (8, 16),
            Self::H10302 => (0, 35),
            Self::H10304 => (16, 19),
            Self::H10306 => (16, 16),
        }
    }

    const fn layout(self) -> &'static Layout {
        match self {
            Self::H10301 => &BITS_26,
            Self::Csn | Self::H10306 => &BITS_34,
            Self::H10302 | Self::H10304 => &BITS_37,
        }
    }

    /// How many bits it has.
    pub const fn bits(self) -> u8 {
        self.layout().bits
    }

    /// Checks the parities of a frame whose format is known only by its length.
    ///
    /// A reader needs no more than this: what is compared with the list of credentials is a hash
    /// of all bits, whatever the fields mean.
    ///
    /// # Errors
    ///
    /// No known card has so many bits, or a parity is wrong.
    pub fn check(bits: &Bits) -> Result<(), CardError> {
        check(bits)
    }

    /// Reads the fields, after checking the parities.
    ///
    /// # Errors
    ///
    /// The length is not this format's, or a parity is wrong.
    pub fn decode(self, bits: &Bits) -> Result<Card, CardError> {
        let layout = self.layout();
        if bits.len() != layout.bits {
            return Err(CardError::Length { bits: bits.len() });
        }
        layout.check(bits)?;
        let (facility, number) = self.fields();
        Ok(Card {
            format: self,
            facility: u32::try_from(bits.field(1, facility)).unwrap_or(0),
            number: bits.field(1 + facility, number),
        })
    }
}

impl Card {
    /// A card by what is printed on it, to make its hash for a list of credentials. The facility
    /// is 0 where the format has none.
    ///
    /// # Errors
    ///
    /// [`CardError::Range`].
    pub const fn new(format: Format, facility: u32, number: u64) -> Result<Self, CardError> {
        let (facility_bits, number_bits) = format.fields();
        if facility >> facility_bits != 0 || number >> number_bits != 0 {
            return Err(CardError::Range);
        }
        Ok(Self { format, facility, number })
    }

    /// Its format.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The facility; 0 where the format has none.
    pub const fn facility(&self) -> u32 {
        self.facility
    }

    /// The number.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The bits that a reader sends for it.
    pub fn encode(&self) -> Bits {
        let layout = self.format.layout();
        let (_, number_bits) = self.format.fields();
        let data = u128::from(self.facility) << number_bits | u128::from(self.number);
        let bare = Bits::new(data << 1, layout.bits);
        let even = u128::from(bare.odd(layout.even.0, layout.even.1));
        let odd = u128::from(!bare.odd(layout.odd.0, layout.odd.1));
        Bits::new(bare.value() | even << (layout.bits - 1) | odd, layout.bits)
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.facility.zeroize();
        self.number.zeroize();
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Card").field(&self.format).finish()
    }
}
