//! Cards and PINs as keyed hashes: what the rules compare, lists hold and events name.
//!
//! A card number is personal data, and short: without a key, all 26-bit cards are hashed in a
//! second. So what leaves a reader's unit is `BLAKE3(key, data)` with the site's own secret key,
//! cut to 16 bytes. Two sites never have the same hash for the same card, and a list that leaves
//! the box tells nothing without the key.
//!
//! # Limits
//!
//! - Whoever has the key *and* the list finds every card by trying: the key is a file that only the
//!   daemon reads. A PIN is in addition bound to where it is typed, so equal PINs are not seen to
//!   be equal.
//! - 16 bytes: among a million credentials two are equal by chance once in 10²⁶ lists.
//!
//! ```
//! use gatehouse_core::credential::SiteKey;
//! let key = SiteKey::new([7; 32]);
//! // A card of 26 bits as its reader sent it, the first bit first.
//! let card = key.card(26, &[0xbd, 0x88, 0xeb, 0x80]);
//! assert_eq!(card.to_string().len(), 32);
//! assert_ne!(card, SiteKey::new([8; 32]).card(26, &[0xbd, 0x88, 0xeb, 0x80]));
//! ```

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::id::Id;

/// The site's secret. Overwritten when dropped; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SiteKey([u8; 32]);

/// The key is written as so many hexadecimal digits.
pub const KEY_DIGITS: usize = 64;

/// A keyed hash of a card or a PIN: 16 bytes, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialHash([u8; 16]);

/// Where a PIN is typed. It is part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinContext<'a> {
    /// After this card: the PIN belongs to the card.
    Card(CredentialHash),
    /// Alone, at any reader of this partition, or at this reader: the PIN is the credential.
    Place(&'a Id),
}

impl SiteKey {
    /// A key of 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash of a card: its count of bits, and the bits as bytes that begin with the first one,
    /// the rest of the last byte zero. Bytes beyond the count are not looked at.
    ///
    /// The same card has the same hash at every reader of the site that sends the same bits,
    /// whether over Wiegand or OSDP.
    pub fn card(&self, bits: u16, data: &[u8]) -> CredentialHash {
        let whole = usize::from(bits).div_ceil(8).min(data.len());
        let mut hasher = self.hasher(b"gatehouse card v1\0");
        hasher.update(&bits.to_le_bytes());
        if let Some((last, first)) = data[..whole].split_last() {
            // A reader may leave anything in the bits that do not count.
            let surplus = (8 - bits % 8) % 8;
            hasher.update(first);
            hasher.update(&[last & (0xff << surplus)]);
        }
        CredentialHash::of(hasher)
    }

    /// The hash of a PIN, its digits 0 to 9 in the order in which they were typed.
    pub fn pin(&self, context: PinContext<'_>, digits: &[u8]) -> CredentialHash {
        let mut hasher = self.hasher(b"gatehouse pin v1\0");
        match context {
            PinContext::Card(card) => hasher.update(b"card\0").update(&card.0),
            PinContext::Place(place) => {
                hasher.update(b"place\0").update(place.as_str().as_bytes()).update(b"\0")
            }
        };
        hasher.update(digits);
        CredentialHash::of(hasher)
    }

    fn hasher(&self, purpose: &[u8]) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(purpose);
        hasher
    }

    /// The key as it stands in its file. Overwrite the text after use.
    pub fn to_hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl Drop for SiteKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteKey(secret)")
    }
}

/// The text is no key. What it is instead is not said: it may be most of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the site key is {KEY_DIGITS} hexadecimal digits; this is something else")]
pub struct KeyError;

impl FromStr for SiteKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| KeyError)?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl CredentialHash {
    fn of(mut hasher: blake3::Hasher) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        // It holds the key and what was hashed.
        hasher.zeroize();
        Self(bytes)
    }

    /// The hash as bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Every granted card writes it several times, so not digit by digit through a formatter.
    fn with_hex<T>(&self, take: impl FnOnce(&str) -> T) -> T {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        take(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_hex(|text| f.write_str(text))
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is no hash. It is not repeated: somebody may have written a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a credential is 32 hexadecimal digits, as an event names it when its card is presented")]
pub struct HashError;

impl FromStr for CredentialHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let digits = text.as_bytes();
        let mut bytes = [0; 16];
        if digits.len() != 2 * bytes.len() {
            return Err(HashError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit =
                |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (high, low) = (digit(pair[0]), digit(pair[1]));
            *byte = high.ok_or(HashError)? << 4 | low.ok_or(HashError)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for CredentialHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_hex(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for CredentialHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for CredentialHash {
    fn schema_name() -> Cow<'static, str> {
        "CredentialHash".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> SiteKey {
        SiteKey::new([7; 32])
    }

    #[test]
    fn the_hash_of_a_card_is_what_it_was_in_the_last_release() {
        // Lists of credentials on running sites hold these: a change here locks everybody out.
        let card = key().card(26, &[0xbd, 0x88, 0xeb, 0x80]);
        let card_text = card.to_string();
        let mut hasher = blake3::Hasher::new_keyed(&[7; 32]);
        hasher.update(b"gatehouse card v1\0\x1a\x00\xbd\x88\xeb\x80");
        assert_eq!(card_text, hasher.finalize().to_hex()[..32]);
        assert_eq!(card_text, "e8727ae1bbb2842af8c0fac08a82ce71");
        let place: Id = "lobby".parse().unwrap();
        let pin = key().pin(PinContext::Place(&place), &[1, 2, 3, 4]);
        assert_eq!(pin.to_string(), "9bf3261de5406e13a51f658bfbc2037f");
    }

    #[test]
    fn neither_the_key_nor_a_wrong_text_is_repeated() {
        let text = format!("{:?} {}", key(), "0707".parse::<SiteKey>().unwrap_err());
        assert!(!text.contains("07"), "{text}");
        let error = "12345678".parse::<CredentialHash>().unwrap_err().to_string();
        assert!(!error.contains("12345678"), "{error}");
        assert!("g".repeat(32).parse::<CredentialHash>().is_err());
        assert!("é".repeat(16).parse::<CredentialHash>().is_err());
    }

    #[test]
    fn a_pin_has_another_hash_at_another_place_and_after_another_card() {
        let (a, b): (Id, Id) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (x, y) = (key().card(8, &[1]), key().card(8, &[2]));
        let pins = [
            PinContext::Place(&a),
            PinContext::Place(&b),
            PinContext::Card(x),
            PinContext::Card(y),
        ]
        .map(|context| key().pin(context, &[1, 2, 3, 4]));
        for (n, pin) in pins.iter().enumerate() {
            assert!(!pins[..n].contains(pin), "{pins:?}");
        }
    }

    proptest! {
        #[test]
        fn bits_that_do_not_count_change_nothing_and_all_others_do(
            data in prop::collection::vec(any::<u8>(), 1..=16), noise: u8, flip in 0u16..128,
        ) {
            let all = u16::try_from(data.len() * 8).unwrap();
            for bits in all - 7..=all {
                let card = key().card(bits, &data);
                let mut noisy = data.clone();
                let surplus = all - bits;
                *noisy.last_mut().unwrap() ^= noise & !(0xffu8.checked_shl(surplus.into()).unwrap_or(0));
                noisy.push(noise);
                prop_assert_eq!(key().card(bits, &noisy), card);
                let flip = flip % bits;
                let mut other = data.clone();
                other[usize::from(flip / 8)] ^= 0x80 >> (flip % 8);
                prop_assert_ne!(key().card(bits, &other), card);
                prop_assert_ne!(key().card(bits + 1, &data), card);
            }
        }

        #[test]
        fn texts_are_read_back(bytes: [u8; 32]) {
            let key = SiteKey::new(bytes);
            prop_assert_eq!(key.to_hex().len(), KEY_DIGITS);
            prop_assert_eq!(key.to_hex().parse(), Ok(key.clone()));
            let hash = key.card(8, &[1]);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
            let json = serde_json::to_string(&hash).unwrap();
            prop_assert_eq!(serde_json::from_str::<CredentialHash>(&json).unwrap(), hash);
        }
    }
}
