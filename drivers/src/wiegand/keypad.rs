//! What the bits of a keypad mean, and keys to a PIN.

use core::fmt;
use core::time::Duration;

use zeroize::Zeroize;

use super::frame::Bits;

/// The longest PIN. More digits make the entry void: nobody knows which were meant.
pub const MAX_PIN: usize = 12;

/// An entry without a key for so long is abandoned: who left it must not have it completed by the
/// next one.
pub const KEY_TIMEOUT: Duration = Duration::from_secs(10);

const KEY_TIMEOUT_NS: u64 = 10_000_000_000;

/// A key. `Debug` tells whether it is a digit, not which.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// 0 to 9.
    Digit(u8),
    /// `*` or ESC: begins anew.
    Star,
    /// `#` or ENT: the entry is complete.
    Hash,
}

/// Why bits are no key: noise on the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not 4 or 8 bits.
    Length,
    /// 8 bits whose first half is not the inverse of the second.
    Inverse,
    /// A code above 11, that no keypad sends.
    Code,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a key has 4 or 8 bits",
            Self::Inverse => "the first four bits of a key are not the inverse of the last",
            Self::Code => "no key has this code",
        })
    }
}

impl core::error::Error for KeyError {}

impl Key {
    /// Whether a frame of so many bits is a key.
    pub const fn has_length(bits: u8) -> bool {
        matches!(bits, 4 | 8)
    }

    /// Reads a burst of 4 bits, or of 8 with the inverse first.
    ///
    /// # Errors
    ///
    /// The bits are no key.
    pub fn decode(bits: &Bits) -> Result<Self, KeyError> {
        let code = match bits.len() {
            4 => bits.field(0, 4),
            8 if bits.field(0, 4) ^ bits.field(4, 4) == 0xf => bits.field(4, 4),
            8 => return Err(KeyError::Inverse),
            _ => return Err(KeyError::Length),
        };
        u8::try_from(code).ok().and_then(Self::from_code).ok_or(KeyError::Code)
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0..=9 => Some(Self::Digit(code)),
            10 => Some(Self::Star),
            11 => Some(Self::Hash),
            _ => None,
        }
    }

    /// Reads a key as OSDP readers send it: the digit's character, and for `*` and `#` either
    /// their characters or the control codes DEL (0x7f) and CR (0x0d).
    pub const fn from_ascii(code: u8) -> Option<Self> {
        match code {
            b'0'..=b'9' => Some(Self::Digit(code - b'0')),
            b'*' | 0x7f => Some(Self::Star),
            b'#' | 0x0d => Some(Self::Hash),
            _ => None,
        }
    }

    /// The bits of a keypad that sends 4.
    pub const fn encode4(self) -> Bits {
        Bits::new(self.code() as u128, 4)
    }

    /// The bits of a keypad that sends 8.
    pub const fn encode8(self) -> Bits {
        let code = self.code();
        Bits::new(((!code & 0xf) << 4 | code) as u128, 8)
    }

    const fn code(self) -> u8 {
        match self {
            Self::Digit(digit) => digit,
            Self::Star => 10,
            Self::Hash => 11,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digit(_) => "Digit",
            Self::Star => "Star",
            Self::Hash => "Hash",
        })
    }
}

/// The digits of a complete entry, overwritten when dropped. `Debug` tells how many.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Pin {
    digits: [u8; MAX_PIN],
    len: usize,
}

impl Pin {
    /// The digits, each 0 to 9. Hash them, and keep nothing else.
    pub fn digits(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    const fn push(&mut self, digit: u8) -> Result<(), ()> {
        if self.len == MAX_PIN {
            return Err(());
        }
        self.digits[self.len] = digit;
        self.len += 1;
        Ok(())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({})", self.len)
    }
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `#` after at least one digit.
    Complete {
        /// The digits.
        pin: Pin,
        /// When `#` was pressed.
        at_ns: u64,
    },
    /// Nobody went on for [`KEY_TIMEOUT`], or more than [`MAX_PIN`] digits came.
    Abandoned {
        /// How many keys it had.
        keys: u32,
        /// When the last one was pressed.
        at_ns: u64,
    },
}

/// Makes PINs of keys.
#[derive(Debug, Default)]
pub struct PinEntry {
    pin: Pin,
    keys: u32,
    last_ns: u64,
    overlong: bool,
}

impl PinEntry {
    /// No key was pressed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a key. An entry that had run out before it is told first; the key then begins anew.
    pub fn key(&mut self, key: Key, at_ns: u64) -> [Option<Entry>; 2] {
        let before = self.expire(at_ns);
        self.last_ns = at_ns;
        let now = match key {
            Key::Digit(digit) => {
                self.keys = self.keys.saturating_add(1);
                self.overlong |= self.pin.push(digit).is_err();
                None
            }
            Key::Star => {
                self.clear();
                None
            }
            Key::Hash if self.keys == 0 => None,
            Key::Hash if self.overlong => {
                let keys = self.keys;
                self.clear();
                Some(Entry::Abandoned { keys, at_ns })
            }
            Key::Hash => {
                let pin = core::mem::take(&mut self.pin);
                self.clear();
                Some(Entry::Complete { pin, at_ns })
            }
        };
        [before, now]
    }

    /// When [`expire`](Self::expire) will have something to say, if no key comes before.
    pub const fn deadline(&self) -> Option<u64> {
        if self.keys == 0 { None } else { Some(self.last_ns.saturating_add(KEY_TIMEOUT_NS)) }
    }

    /// Decides by the passing of time alone.
    pub fn expire(&mut self, now_ns: u64) -> Option<Entry> {
        if now_ns < self.deadline()? {
            return None;
        }
        let (keys, at_ns) = (self.keys, self.last_ns);
        self.clear();
        Some(Entry::Abandoned { keys, at_ns })
    }

    /// Forgets what was typed.
    pub fn clear(&mut self) {
        self.pin = Pin::default();
        self.keys = 0;
        self.overlong = false;
    }
}
