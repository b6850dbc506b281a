//! What decoders give, as I420 of 8 bit.

use super::DecodeError;
use crate::picture::{Picture, Range};

/// How chroma stands to luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chroma {
    /// Halved in both directions: I420 as it is.
    Half,
    /// Halved in width only (4:2:2).
    HalfWidth,
    /// As large as luma (4:4:4).
    Whole,
}

/// Builds a picture; chroma that is not halved is, by its mean.
pub(super) fn picture(
    (width, height): (u32, u32),
    range: Range,
    chroma: Chroma,
    [y, u, v]: [Vec<u8>; 3],
) -> Result<Picture, DecodeError> {
    let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    let (width, height) = (size(width), size(height));
    let (columns, rows, across) = match chroma {
        Chroma::Half => (0, 0, 1),
        Chroma::HalfWidth => (width / 2, height, 1),
        Chroma::Whole => (width, height, 2),
    };
    let fit = |plane: Vec<u8>| match chroma {
        Chroma::Half => Ok(plane),
        _ if plane.len() == columns * rows => Ok(halve(&plane, columns, across)),
        _ => Err(DecodeError::Damaged("chroma of another size".to_owned())),
    };
    Picture::new(width, height, range, [y, fit(u)?, fit(v)?])
        .map_err(|error| DecodeError::Damaged(error.to_string()))
}

/// The mean of two rows, and of `across` columns.
fn halve(plane: &[u8], columns: usize, across: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(plane.len() / 2);
    for rows in plane.chunks((columns * 2).max(1)) {
        let (upper, lower) = rows.split_at(columns.min(rows.len()));
        let lower = if lower.is_empty() { upper } else { lower };
        for (above, below) in upper.chunks(across).zip(lower.chunks(across)) {
            let sum: usize = above.iter().chain(below).map(|sample| usize::from(*sample)).sum();
            let count = above.len() + below.len();
            out.push(u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX));
        }
    }
    out
}

/// Samples of more than 8 bit, to 8.
pub(super) fn narrowed(samples: impl Iterator<Item = u16>, depth: u8) -> Vec<u8> {
    let shift = depth.saturating_sub(8).min(8);
    samples.map(|sample| u8::try_from(sample >> shift).unwrap_or(u8::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_of_other_formats_is_halved() {
        let y = vec![50; 16];
        let full = picture(
            (4, 4),
            Range::Video,
            Chroma::Whole,
            [y.clone(), (0..16).collect(), vec![7; 16]],
        )
        .unwrap();
        assert_eq!(full.u(), [3, 5, 11, 13]);
        let half = picture(
            (4, 4),
            Range::Video,
            Chroma::HalfWidth,
            [y.clone(), (0..8).collect(), vec![7; 8]],
        )
        .unwrap();
        assert_eq!(half.u(), [1, 2, 5, 6]);
        let short = picture((4, 4), Range::Video, Chroma::Whole, [y, vec![1; 3], vec![7; 16]]);
        assert!(short.is_err());
        assert_eq!(narrowed([0, 512, 1023].into_iter(), 10), [0, 128, 255]);
    }
}
