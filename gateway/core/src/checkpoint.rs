//! Checkpoints: the device signs how far its chain goes, so that the chain is proof.
//!
//! The chain alone shows that no event *within* it was changed or left out. It does not show whose it
//! is: whoever holds all of it can make another. A `system.checkpoint` event carries a signature
//! (Ed25519, RFC 8032) of the device's key over the hash of one event, and with it of every event
//! before. Whoever has the public key can tell later, without the gateway, that the events up to
//! there are the ones that the gateway stored.
//!
//! Signing and verifying are not here: both need a library, and this crate needs none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event;
use crate::id::{Id, Seq};

/// The type of the event.
pub const EVENT: &str = "system.checkpoint";

/// Its source's kind; the id is the gateway's.
pub const SOURCE: &str = "chain";

/// A checkpoint is made at the latest after so many events.
pub const EVERY_EVENTS: u64 = 1000;

/// What a `system.checkpoint` event says in `detail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// The event whose hash is signed.
    pub upto: Seq,
    /// BLAKE3 of its canonical bytes, 64 hex digits: the `prev` of the event behind it.
    pub hash: String,
    /// The key's id: the first 16 hex digits of BLAKE3 of the public key.
    pub key: String,
    /// The public key, 64 hex digits.
    pub public: String,
    /// The signature of [`statement`], 128 hex digits.
    pub sig: String,
}

/// What is signed: four lines of ASCII, each with its end.
///
/// ```text
/// gatehouse-checkpoint 1
/// g-7f3a
/// 918273
/// 9c1e…
/// ```
pub fn statement(gateway: &Id, upto: Seq, hash: &[u8; 32]) -> Vec<u8> {
    format!("gatehouse-checkpoint 1\n{gateway}\n{upto}\n{}\n", event::hex(hash)).into_bytes()
}

/// The id of a public key.
pub fn key_id(public: &[u8; 32]) -> String {
    event::hex(blake3::hash(public).as_bytes())[..16].to_owned()
}

/// Bytes as hex digits.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0x0f)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Hex digits, of either case, as so many bytes.
pub fn from_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_these_bytes_for_ever() {
        // Checkpoints of years ago must verify: this form never changes, another gets another number.
        let stated = statement(&"g-7f3a".parse().unwrap(), Seq(918_273), &[0x9c; 32]);
        let hash = "9c".repeat(32);
        let wanted = format!("gatehouse-checkpoint 1\ng-7f3a\n918273\n{hash}\n");
        assert_eq!(String::from_utf8(stated).unwrap(), wanted);
        assert_eq!(key_id(&[0; 32]), "2ada83c1819a5372");
    }

    #[test]
    fn hex_digits_go_there_and_back_and_nothing_else_does() {
        let bytes = [0, 1, 0x7f, 0x80, 0xff];
        assert_eq!(to_hex(&bytes), "00017f80ff");
        assert_eq!(from_hex("00017f80ff"), Some(bytes));
        assert_eq!(from_hex("00017F80FF"), Some(bytes));
        for wrong in ["", "00017f80f", "00017f80ff0", "00017f80fg", "+0017f80ff", "门0017f80"] {
            assert_eq!(from_hex::<5>(wrong), None, "{wrong}");
        }
    }
}
