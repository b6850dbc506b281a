//! One `moof` and the head of its `mdat`.

use super::boxes::{put, put_full, u32, u64};
use super::init::TRACK;

/// A picture in a fragment, in the order of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Bytes.
    pub size: u32,
    /// Whether decoding can begin here.
    pub key: bool,
    /// When it is shown, in 1/90000 s since the file's beginning.
    pub shown: i64,
}

/// The last picture of a stream is shown for so long when nothing says better: 1/15 s.
const USUAL_DURATION: u32 = 6_000;

/// Sample flags of 8.8.3.1: depends on no other.
const SYNC: u32 = 0x0200_0000;
/// Depends on others, and is no sync sample.
const NO_SYNC: u32 = 0x0101_0000;

/// Data offset, and for each sample: duration, size, flags, composition offset (8.8.8).
const TRUN_FLAGS: u32 = 0x0001 | 0x0100 | 0x0200 | 0x0400 | 0x0800;

/// The bytes before the samples' data: `moof`, and the first 8 bytes of `mdat`. After them comes
/// the data of all samples, one after the other.
///
/// `next`: when the picture after the last is shown, if that is known. Decode times are the times
/// of showing, sorted: where a camera sends pictures in another order than they are shown (B
/// frames), the composition offsets say so.
///
/// `None`: no samples, or more than 4 GiB of them.
pub fn fragment(sequence: u32, samples: &[Sample], next: Option<i64>) -> Option<Vec<u8>> {
    let mut decode: Vec<i64> = samples.iter().map(|sample| sample.shown.max(0)).collect();
    decode.sort_unstable();
    let first = *decode.first()?;
    let data: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
    let mdat = u32::try_from(data.checked_add(8)?).ok()?;
    let mut offset_at = 0;
    let mut out = Vec::with_capacity(100 + samples.len() * 16);
    put(&mut out, *b"moof", |b| {
        put_full(b, *b"mfhd", 0, 0, |b| u32(b, sequence));
        put(b, *b"traf", |b| {
            // default-base-is-moof: the file can be cut and put together.
            put_full(b, *b"tfhd", 0, 0x02_0000, |b| u32(b, TRACK));
            put_full(b, *b"tfdt", 1, 0, |b| u64(b, first.unsigned_abs()));
            // Version 1: offsets are signed.
            put_full(b, *b"trun", 1, TRUN_FLAGS, |b| {
                u32(b, u32::try_from(samples.len()).unwrap_or(u32::MAX));
                offset_at = b.len();
                u32(b, 0);
                for (n, sample) in samples.iter().enumerate() {
                    let after =
                        decode.get(n + 1).copied().or(next.filter(|&next| next > decode[n]));
                    let duration = after.map(|after| u32::try_from(after - decode[n]));
                    u32(b, duration.and_then(Result::ok).unwrap_or(USUAL_DURATION));
                    u32(b, sample.size);
                    u32(b, if sample.key { SYNC } else { NO_SYNC });
                    let offset = i32::try_from(sample.shown.max(0) - decode[n]).unwrap_or(0);
                    b.extend(offset.to_be_bytes());
                }
            });
        });
    });
    // From the moof's beginning to the data.
    let offset = u32::try_from(out.len() + 8).ok()?;
    out[offset_at..offset_at + 4].copy_from_slice(&offset.to_be_bytes());
    u32(&mut out, mdat);
    out.extend(b"mdat");
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn be(bytes: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn table(header: &[u8]) -> Vec<(u32, u32, u32, i32)> {
        let trun = header.windows(4).position(|w| w == b"trun").unwrap();
        let count = be(header, trun + 8) as usize;
        let row = |n: usize| trun + 16 + n * 16;
        (0..count)
            .map(|n| {
                let at = row(n);
                let offset = be(header, at + 12).cast_signed();
                (be(header, at), be(header, at + 4), be(header, at + 8), offset)
            })
            .collect()
    }

    #[test]
    fn pictures_in_the_order_of_showing_have_no_offsets() {
        let sample = |n: i64| Sample { size: 10, key: n == 0, shown: 9000 * (n + 1) };
        let samples: Vec<_> = (0..3).map(sample).collect();
        let header = fragment(7, &samples, Some(36_100)).unwrap();
        assert_eq!(
            table(&header),
            [(9000, 10, SYNC, 0), (9000, 10, NO_SYNC, 0), (9100, 10, NO_SYNC, 0)]
        );
        let length = header.len();
        assert_eq!(be(&header, 0) as usize, length - 8, "moof ends where mdat begins");
        assert_eq!(be(&header, length - 8), 38);
    }

    #[test]
    fn pictures_out_of_order_are_decoded_in_time_and_shown_at_theirs() {
        let shown = [0, 27_000, 9_000, 18_000];
        let samples = shown.map(|shown| Sample { size: 1, key: shown == 0, shown });
        let header = fragment(1, &samples, None).unwrap();
        let rows = table(&header);
        let mut decode = 0;
        for (row, shown) in rows.iter().zip(shown) {
            assert_eq!(decode + i64::from(row.3), shown);
            decode += i64::from(row.0);
        }
        assert_eq!(rows[3].0, USUAL_DURATION);
    }

    #[test]
    fn no_samples_are_no_fragment_and_neither_are_too_many_bytes() {
        assert_eq!(fragment(1, &[], None), None);
        let large = Sample { size: u32::MAX, key: true, shown: 0 };
        assert_eq!(fragment(1, &[large, large], None), None);
    }
}
