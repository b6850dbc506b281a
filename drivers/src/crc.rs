//! The check sum of Sensirion's chips.

/// CRC-8 with the polynomial 0x31 and the start 0xff (Sensirion SHT3x-DIS datasheet, table 20).
pub(crate) fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0xff, |crc, &byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| {
            let shifted = crc << 1;
            if crc & 0x80 == 0 { shifted } else { shifted ^ 0x31 }
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_datasheets_example_is_met() {
        assert_eq!(crc8(&[0xbe, 0xef]), 0x92);
    }

    proptest! {
        #[test]
        fn each_burst_of_up_to_eight_bits_is_found(word: [u8; 2], burst in 1u8.., shift in 0u32..=16) {
            let bent = (u32::from(burst) << shift) ^ u32::from_be_bytes([0, word[0], word[1], crc8(&word)]);
            let [_, high, low, crc] = bent.to_be_bytes();
            prop_assert_ne!(crc8(&[high, low]), crc);
        }
    }
}
