//! How much of a file that was cut off can be played.

use std::io::{self, Read, Seek, SeekFrom};

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// Bytes up to the end of the last whole fragment; 0 without any.
    pub bytes: u64,
    /// Whole fragments.
    pub fragments: u64,
}

/// Walks the boxes of a file. What is not as this module's writer makes it ends the walk.
///
/// # Errors
/// What the file's own reading gives.
pub fn scan(file: &mut (impl Read + Seek)) -> io::Result<Whole> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut whole = Whole::default();
    let mut at = 0u64;
    let mut before = *b"    ";
    while at + 8 <= length {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        let expected = match &before {
            b"    " => kind == *b"ftyp",
            b"ftyp" => kind == *b"moov",
            b"moov" | b"mdat" => kind == *b"moof",
            _ => kind == *b"mdat",
        };
        if !expected || size < 8 || at + size > length {
            break;
        }
        at += size;
        before = kind;
        if kind == *b"mdat" {
            whole = Whole { bytes: at, fragments: whole.fragments + 1 };
        }
    }
    Ok(whole)
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
            prop_assert_eq!(whole, Whole { bytes: ends[last] as u64, fragments: last as u64 });
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let whole = scan(&mut Cursor::new(&bytes)).unwrap();
            prop_assert!(whole.bytes <= bytes.len() as u64);
        }
    }
}
