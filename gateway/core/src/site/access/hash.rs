//! A credential as the box knows it: a keyed hash. The number itself is never stored.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 16 bytes of a keyed BLAKE3 over a card's bits, or over a card and its PIN.
///
/// The key is the site's own. Without it, a list of all cards of a make cannot be tried against a
/// journal that got into wrong hands; and two sites cannot tell that they know the same card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialHash([u8; 16]);

impl CredentialHash {
    /// The hash of a card's bits, or of a code that is given instead of a card.
    pub fn of_card(key: &[u8; 32], bits: u16, data: &[u8]) -> Self {
        // The number of bits belongs to it: formats of different lengths share bytes.
        Self::of(key, "card", &bits.to_le_bytes(), data)
    }

    /// The hash of a PIN. It holds for this card only: equal PINs do not look equal.
    pub fn of_pin(key: &[u8; 32], card: Self, digits: &str) -> Self {
        Self::of(key, "pin ", &card.0, digits.as_bytes())
    }

    fn of(key: &[u8; 32], kind: &str, head: &[u8], data: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        // The kind fixes the length of the head: no two inputs run into each other.
        hasher.update(kind.as_bytes()).update(head).update(data);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(bytes)
    }
}

impl fmt::Display for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let mut text = [0; 32];
        text.iter_mut().zip(digits).for_each(|(c, digit)| *c = DIGITS[usize::from(digit)]);
        f.write_str(str::from_utf8(&text).expect("digits are ASCII"))
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Why a text is not a credential's hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a credential's hash has 32 digits of 0-9 and a-f: `gatehouse credential` prints it")]
pub struct HashError;

impl FromStr for CredentialHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let text = text.as_bytes();
        let mut bytes = [0; 16];
        if text.len() != 32 {
            return Err(HashError);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let [high, low] = [digit(pair[0])?, digit(pair[1])?];
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

const fn digit(c: u8) -> Result<u8, HashError> {
    match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(HashError),
    }
}

impl Serialize for CredentialHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CredentialHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for CredentialHash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CredentialHash".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_32_digits_both_ways_and_depends_on_key_length_and_card() {
        let (key, other) = ([7; 32], [8; 32]);
        let card = CredentialHash::of_card(&key, 26, b"\x01\x02\x03\x04");
        let text = card.to_string();
        assert_eq!((text.len(), text.parse()), (32, Ok(card)));
        let json = serde_json::to_string(&card).unwrap();
        assert_eq!(serde_json::from_str::<CredentialHash>(&json).unwrap(), card);
        assert_ne!(card, CredentialHash::of_card(&other, 26, b"\x01\x02\x03\x04"));
        assert_ne!(card, CredentialHash::of_card(&key, 34, b"\x01\x02\x03\x04"));
        let neighbour = CredentialHash::of_card(&key, 26, b"\x01\x02\x03\x05");
        let pins = [card, neighbour].map(|card| CredentialHash::of_pin(&key, card, "1234"));
        assert_ne!(pins[0], pins[1]);
        for wrong in ["", "12", &text.to_uppercase(), &format!("{text}0")] {
            assert_eq!(wrong.parse::<CredentialHash>(), Err(HashError), "{wrong}");
        }
    }
}
