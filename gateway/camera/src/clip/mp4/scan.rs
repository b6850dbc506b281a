//! How much of a file that was cut off can be played.

use std::io::{self, Read};

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// Bytes up to the end of the last whole fragment; 0 without any.
    pub bytes: u64,
    /// Whole fragments.
    pub fragments: u64,
    /// Pictures in them.
    pub frames: u64,
    /// When the last of them comes, in 1/90000 s since the file's beginning.
    pub last: u64,
}

/// No header that this module's writer makes is larger: 60 pictures a second for the longest fragment.
const LARGEST_HEAD: u64 = 64 << 10;

/// Walks the boxes of a file from where it is read to its end. What is not as this module's writer makes
/// it ends the walk.
///
/// # Errors
/// What the file's own reading gives.
pub fn scan(file: &mut impl Read) -> io::Result<Whole> {
    let mut whole = Whole::default();
    let mut at = 0u64;
    let mut before = *b"    ";
    let mut table = Table::default();
    loop {
        let mut head = Vec::with_capacity(8);
        file.take(8).read_to_end(&mut head)?;
        let &[a, b, c, d, ref kind @ ..] = head.as_slice() else { break };
        let Ok(kind) = <[u8; 4]>::try_from(kind) else { break };
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        let expected = match &before {
            b"    " => kind == *b"ftyp",
            b"ftyp" => kind == *b"moov",
            b"moov" | b"mdat" => kind == *b"moof",
            _ => kind == *b"mdat",
        };
        if !expected || size < 8 {
            break;
        }
        let content = size - 8;
        let read = if kind == *b"moof" && size <= LARGEST_HEAD {
            let mut head = Vec::new();
            file.take(content).read_to_end(&mut head)?;
            table = table_of(&head);
            head.len() as u64
        } else {
            io::copy(&mut file.take(content), &mut io::sink())?
        };
        if read < content {
            break;
        }
        at += size;
        before = kind;
        if kind == *b"mdat" {
            whole = Whole {
                bytes: at,
                fragments: whole.fragments + 1,
                frames: whole.frames.saturating_add(table.frames),
                last: table.last,
            };
        }
    }
    Ok(whole)
}

/// What a `moof` says of its pictures.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    frames: u64,
    last: u64,
}

/// Reads the content of a `moof` behind its head. What is not laid out as [`fragment`](super::fragment)
/// does has no pictures.
fn table_of(content: &[u8]) -> Table {
    /// Behind the heads of `moof` (already read), `mfhd`, `traf`, `tfhd` and `tfdt`.
    const BASE: usize = 16 + 8 + 16 + 12;
    /// Behind that time, the head of `trun`, and before its offset.
    const COUNT: usize = BASE + 8 + 12;
    const ROWS: usize = COUNT + 8;
    let four = |at: usize| content.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four));
    let base = content.get(BASE..).and_then(|rest| rest.first_chunk());
    let (Some(base), Some(count)) = (base, four(COUNT)) else { return Table::default() };
    let rows = content.get(ROWS..).unwrap_or_default().chunks_exact(16);
    let frames = u64::from(count).min(rows.len() as u64);
    let durations = rows.take(usize::try_from(frames.saturating_sub(1)).unwrap_or(0));
    let durations = durations.filter_map(|row| row.first_chunk().copied().map(u32::from_be_bytes));
    let first = u64::from_be_bytes(*base);
    let last = durations.fold(first, |at, duration| at.saturating_add(u64::from(duration)));
    Table { frames, last }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::{Sample, fragment, init};
    use super::*;
    use crate::testing::track;

    fn file(fragments: u32) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = init(&track(640, 360));
        let mut ends = vec![0];
        for sequence in 1..=fragments {
            let sample = Sample { size: 5, key: true, shown: i64::from(sequence) * 9000 };
            bytes.extend(fragment(sequence, &[sample], None).unwrap());
            bytes.extend(b"12345");
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_is_whole_up_to_a_fragment(cut in 0usize..1200) {
            let (bytes, ends) = file(4);
            let cut = cut.min(bytes.len());
            let whole = scan(&mut Cursor::new(&bytes[..cut])).unwrap();
            let last = ends.iter().rposition(|&end| end <= cut).unwrap();
            let shown = last as u64 * 9000;
            let (bytes, last) = (ends[last] as u64, last as u64);
            prop_assert_eq!(whole, Whole { bytes, fragments: last, frames: last, last: shown });
        }

        #[test]
        fn the_last_picture_is_where_the_fragment_says(times in prop::collection::vec(1i64..20_000, 1..40)) {
            let mut shown = 0;
            let samples: Vec<_> = times
                .iter()
                .map(|step| {
                    shown += step;
                    Sample { size: 0, key: shown == *step, shown }
                })
                .collect();
            let mut bytes = init(&track(640, 360));
            bytes.extend(fragment(1, &samples, None).unwrap());
            let whole = scan(&mut Cursor::new(&bytes)).unwrap();
            prop_assert_eq!((whole.frames, whole.last), (times.len() as u64, shown.unsigned_abs()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let whole = scan(&mut Cursor::new(&bytes)).unwrap();
            prop_assert!(whole.bytes <= bytes.len() as u64);
        }
    }
}
