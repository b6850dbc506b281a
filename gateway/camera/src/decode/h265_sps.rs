//! What an SPS of H.265 asks for, before the decoder believes it (ITU-T H.265 7.3.2.2).

use super::DecodeError;

/// Size, and how many pictures are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The decoded picture buffer, in pictures: 1 to 16.
    pub(super) pictures: u32,
}

/// Reads an SPS without its NAL unit header and without emulation prevention.
///
/// # Errors
///
/// [`DecodeError::Damaged`] when it ends too soon or contradicts itself.
pub(super) fn wanted(payload: &[u8]) -> Result<Wanted, DecodeError> {
    let mut bits = Bits { payload, at: 0 };
    bits.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = bits.fixed(3)?;
    bits.skip(1)?; // sps_temporal_id_nesting_flag
    profile_tier_level(&mut bits, sub_layers)?;
    bits.number()?; // sps_seq_parameter_set_id
    if bits.number()? == 3 {
        bits.skip(1)?; // separate_colour_plane_flag
    }
    let (width, height) = (bits.number()?, bits.number()?);
    if bits.fixed(1)? == 1 {
        for _ in 0..4 {
            bits.number()?; // conformance window
        }
    }
    for _ in 0..3 {
        bits.number()?; // bit depths, length of POC
    }
    // For each sub-layer, or for the highest alone; the highest asks for most.
    let all = bits.fixed(1)? == 1;
    let mut pictures = 0;
    for _ in 0..=if all { sub_layers } else { 0 } {
        pictures = pictures.max(bits.number()?.saturating_add(1));
        bits.number()?; // sps_max_num_reorder_pics
        bits.number()?; // sps_max_latency_increase_plus1
    }
    if pictures > 16 {
        return Err(DecodeError::Damaged(format!("{pictures} pictures to be kept")));
    }
    Ok(Wanted { width, height, pictures })
}

/// Steps over it (7.3.3).
fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Result<(), DecodeError> {
    const PROFILE: usize = 88;
    const LEVEL: usize = 8;
    bits.skip(PROFILE + LEVEL)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.fixed(1)? == 1, bits.fixed(1)? == 1));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - usize::try_from(sub_layers).unwrap_or(8)))?;
    }
    for (profile, level) in present {
        bits.skip(usize::from(profile) * PROFILE + usize::from(level) * LEVEL)?;
    }
    Ok(())
}

struct Bits<'a> {
    payload: &'a [u8],
    /// In bits.
    at: usize,
}

impl Bits<'_> {
    fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        self.at += count;
        if self.at > self.payload.len() * 8 { Err(short()) } else { Ok(()) }
    }

    /// `u(count)`, at most 32 bits.
    fn fixed(&mut self, count: u32) -> Result<u32, DecodeError> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.payload.get(self.at / 8).ok_or_else(short)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    /// `ue(v)` (9.2).
    fn number(&mut self) -> Result<u32, DecodeError> {
        let mut zeros = 0;
        while self.fixed(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return Err(DecodeError::Damaged("a number of more than 32 bits".to_owned()));
            }
        }
        let rest = self.fixed(zeros)?;
        Ok((1_u32 << zeros) - 1 + rest)
    }
}

fn short() -> DecodeError {
    DecodeError::Damaged("the SPS ends too soon".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SPS of these numbers, with its two flags where they belong.
    fn sps(numbers: &[u32]) -> Vec<u8> {
        let mut bits = format!("00000001{}", "0".repeat(96));
        for (index, value) in numbers.iter().enumerate() {
            // No conformance window; numbers for each sub-layer.
            bits += match index {
                4 => "0",
                7 => "1",
                _ => "",
            };
            let text = format!("{:b}", u64::from(*value) + 1);
            bits += &"0".repeat(text.len() - 1);
            bits += &text;
        }
        bits += "00000000";
        let byte = |bits: &[u8]| bits.iter().fold(0, |sum, bit| sum << 1 | (bit - b'0'));
        bits.as_bytes().chunks(8).map(byte).collect()
    }

    #[test]
    fn size_and_buffer_are_read() {
        let found = wanted(&sps(&[0, 1, 1920, 1088, 0, 0, 4, 4, 0, 0]));
        assert_eq!(found, Ok(Wanted { width: 1920, height: 1088, pictures: 5 }));
        assert!(wanted(&sps(&[0, 1, 1920, 1088, 0, 0, 4, 16, 0, 0])).is_err());
    }

    #[test]
    fn what_ends_too_soon_is_refused() {
        let whole = sps(&[0, 1, 1920, 1088, 0, 0, 4, 4, 0, 0]);
        for length in 0..whole.len() - 3 {
            assert!(wanted(&whole[..length]).is_err(), "{length}");
        }
        assert!(wanted(&[0; 64]).is_err());
    }
}
