//! What a file says of H.264 that this box has encoded itself.

use super::boxes::{put, u16, u32};

/// Profiles whose `avcC` says nothing of chroma and depth: Baseline, Main, Extended.
const PLAIN: [u8; 3] = [66, 77, 88];

/// The `avc1` box of a stream of this size and these parameter sets, which are NAL units without start
/// code (ISO/IEC 14496-12 8.5.2, 14496-15 5.4.2.1).
///
/// `None`: sets that are none, or of a profile that the box would have to say more of.
pub fn avc1((width, height): (u16, u16), sps: &[u8], pps: &[u8]) -> Option<Vec<u8>> {
    let &[_, profile, compatible, level, ..] = sps else { return None };
    let (sps_length, pps_length) = (length(sps)?, length(pps)?);
    if !PLAIN.contains(&profile) || pps.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(128 + sps.len() + pps.len());
    put(&mut out, *b"avc1", |b| {
        b.extend([0; 6]);
        // The data is in this file.
        u16(b, 1);
        b.extend([0; 16]);
        u16(b, width);
        u16(b, height);
        // 72 dots per inch, as everybody writes.
        u32(b, 0x48_0000);
        u32(b, 0x48_0000);
        u32(b, 0);
        // One picture in a sample; no encoder's name; colours without alpha.
        u16(b, 1);
        b.extend([0; 32]);
        u16(b, 0x18);
        u16(b, 0xffff);
        put(b, *b"avcC", |b| {
            // Lengths of 4 bytes; one SPS, one PPS.
            b.extend([1, profile, compatible, level, 0xfc | 3, 0xe0 | 1]);
            u16(b, sps_length);
            b.extend(sps);
            b.push(1);
            u16(b, pps_length);
            b.extend(pps);
        });
    });
    Some(out)
}

fn length(set: &[u8]) -> Option<u16> {
    u16::try_from(set.len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_lengths_add_up_and_sets_that_are_none_are_refused() {
        let entry = avc1((640, 360), &[0x67, 66, 0xc0, 30, 1, 2], &[0x68, 3]).unwrap();
        assert_eq!(entry.len(), u32::from_be_bytes(entry[..4].try_into().unwrap()) as usize);
        // A sample entry of pictures has 86 bytes before what is of the codec.
        let avcc = &entry[86..];
        assert_eq!(avcc.len(), u32::from_be_bytes(avcc[..4].try_into().unwrap()) as usize);
        assert_eq!(&avcc[4..8], b"avcC");
        assert_eq!(avc1((640, 360), &[0x67, 66], &[0x68]), None);
        assert_eq!(avc1((640, 360), &[0x67, 100, 0, 30], &[0x68]), None, "High says more");
        assert_eq!(avc1((640, 360), &[0x67, 66, 0, 30], &[]), None);
    }
}
