//! Bech32 of 32 bytes (BIP 173), without its limit of 90 letters, as age has it.

use zeroize::Zeroizing;

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Letters of 32 bytes at 5 bits each, and of the checksum.
const DATA: usize = 52;
const CHECKSUM: usize = 6;

/// The text of some bytes, in small letters; `before`: what stands before the `1`.
pub(super) fn encode(before: &str, bytes: &[u8; 32]) -> String {
    let mut values = Zeroizing::new(Vec::with_capacity(DATA));
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            values.push((held >> bits & 31) as u8);
        }
    }
    values.push((held << (5 - bits) & 31) as u8);
    let sum = checksum(before, values.iter().copied().chain([0; CHECKSUM])) ^ 1;
    let check = (0..CHECKSUM).map(|n| (sum >> (5 * (CHECKSUM - 1 - n)) & 31) as u8);
    let letters = values.iter().copied().chain(check);
    let letters = letters.map(|value| char::from(LETTERS[usize::from(value)]));
    format!("{before}1{}", letters.collect::<String>())
}

/// The bytes of a text, all of whose letters are small or all large. `None`: it is something else.
pub(super) fn decode(text: &str, before: &str) -> Option<Zeroizing<[u8; 32]>> {
    let (small, large) = (|c: u8| c.is_ascii_lowercase(), |c: u8| c.is_ascii_uppercase());
    if text.bytes().any(small) && text.bytes().any(large) {
        return None;
    }
    let (head, letters) = text.rsplit_once('1')?;
    if !head.eq_ignore_ascii_case(before) || letters.len() != DATA + CHECKSUM {
        return None;
    }
    let value = |letter: u8| {
        let place = LETTERS.iter().position(|known| *known == letter.to_ascii_lowercase())?;
        u8::try_from(place).ok()
    };
    let values: Option<Vec<u8>> = letters.bytes().map(value).collect();
    let values = Zeroizing::new(values?);
    if checksum(before, values.iter().copied()) != 1 {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    let (mut bits, mut held, mut at) = (0u32, 0u32, 0);
    for value in &values[..DATA] {
        held = (held << 5 | u32::from(*value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes[at] = (held >> bits & 0xff) as u8;
            at += 1;
        }
    }
    // 260 bits for 256: what is left over is nothing.
    (held.trailing_zeros() >= 4).then_some(bytes)
}

fn checksum(before: &str, values: impl Iterator<Item = u8>) -> u32 {
    /// BIP 173.
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let head = before.bytes().map(|c| c >> 5).chain([0]).chain(before.bytes().map(|c| c & 31));
    head.chain(values).fold(1u32, |sum, value| {
        let top = sum >> 25;
        let sum = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
        let bits = GENERATOR.iter().enumerate().filter(|(n, _)| top >> n & 1 == 1);
        bits.fold(sum, |sum, (_, generator)| sum ^ generator)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_one_wrong_letter_is_noticed(
            bytes in any::<[u8; 32]>(),
            at in 4usize..62,
            other in 0usize..32,
        ) {
            let text = encode("age", &bytes);
            prop_assert_eq!(*decode(&text, "age").unwrap(), bytes);
            let mut wrong = text.clone().into_bytes();
            wrong[at] = LETTERS[other];
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert_eq!(decode(&wrong, "age").is_some(), wrong == text);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            decode(&text, "age");
        }
    }
}
