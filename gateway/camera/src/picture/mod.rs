//! One uncompressed picture, the masks that are burned into it, and JPEG both ways.
//!
//! A [`Picture`] has no way out of this crate by itself: only [`Masked`] can be made a JPEG, and only
//! [`Mask::burn`] makes a [`Masked`].

use thiserror::Error;

mod area;
mod jpeg;
mod mask;

pub use area::{MAX_POINTS, Point, Polygon, PolygonError};
pub(crate) use jpeg::decode as decode_jpeg;
pub use jpeg::{JPEG_QUALITY, JpegError};
pub use mask::{Mask, Masked, Unmasked};

/// What the samples of a picture stand for (ITU-T H.273 8.3, `VideoFullRangeFlag`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Luma 0 to 255: JPEG, and video that says so.
    Full,
    /// Luma 16 to 235, chroma 16 to 240: nearly all video.
    Video,
}

/// A picture in planes of 8 bit, chroma halved in both directions (I420), without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    range: Range,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

/// Planes that do not fit the size: a decoder's bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{width}x{height} with {y} luma, {u} and {v} chroma samples is no I420 picture")]
pub struct PlanesError {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Luma samples.
    pub y: usize,
    /// Cb samples.
    pub u: usize,
    /// Cr samples.
    pub v: usize,
}

impl Picture {
    /// From planes: `width` × `height` luma samples, and of each chroma half of both, rounded up.
    ///
    /// # Errors
    ///
    /// A plane has another size, or there is no pixel at all.
    pub fn new(
        width: usize,
        height: usize,
        range: Range,
        [y, u, v]: [Vec<u8>; 3],
    ) -> Result<Self, PlanesError> {
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        let fits = width > 0 && height > 0 && y.len() == width * height;
        if !fits || u.len() != chroma || v.len() != chroma {
            return Err(PlanesError { width, height, y: y.len(), u: u.len(), v: v.len() });
        }
        Ok(Self { width, height, range, y, u, v })
    }

    /// Width in pixels.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Samples in a row of a chroma plane.
    pub const fn chroma_width(&self) -> usize {
        self.width.div_ceil(2)
    }

    /// Rows of a chroma plane.
    pub const fn chroma_height(&self) -> usize {
        self.height.div_ceil(2)
    }

    /// What the samples stand for.
    pub const fn range(&self) -> Range {
        self.range
    }

    /// The luma plane, row by row: `width` × `height` samples.
    pub fn y(&self) -> &[u8] {
        &self.y
    }

    /// The Cb plane: `chroma_width` × `chroma_height` samples.
    pub fn u(&self) -> &[u8] {
        &self.u
    }

    /// The Cr plane, as large as Cb.
    pub fn v(&self) -> &[u8] {
        &self.v
    }

    /// The same picture, at most so large and in its own proportions; each pixel is the mean of those
    /// it stands for. Never enlarges.
    pub fn shrunk(&self, most_width: usize, most_height: usize) -> Self {
        let (most_width, most_height) = (most_width.max(1), most_height.max(1));
        if self.width <= most_width && self.height <= most_height {
            return self.clone();
        }
        let by_width = self.height * most_width <= self.width * most_height;
        let (width, height) = if by_width {
            (most_width, (self.height * most_width / self.width).max(1))
        } else {
            ((self.width * most_height / self.height).max(1), most_height)
        };
        let chroma = (self.chroma_width(), self.chroma_height());
        let wanted = (width.div_ceil(2), height.div_ceil(2));
        Self {
            width,
            height,
            range: self.range,
            y: shrink(&self.y, (self.width, self.height), (width, height)),
            u: shrink(&self.u, chroma, wanted),
            v: shrink(&self.v, chroma, wanted),
        }
    }
}

/// A plane at another size, not larger than it is, by the mean over whole samples.
fn shrink(plane: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let mut out = Vec::with_capacity(to.0 * to.1);
    let mut sums = vec![0_u32; from.0];
    for row in 0..to.1 {
        let first = row * from.1 / to.1;
        let last = ((row + 1) * from.1 / to.1).max(first + 1);
        sums.fill(0);
        for line in plane[first * from.0..last * from.0].chunks_exact(from.0) {
            for (sum, sample) in sums.iter_mut().zip(line) {
                *sum += u32::from(*sample);
            }
        }
        for column in 0..to.0 {
            let left = column * from.0 / to.0;
            let right = ((column + 1) * from.0 / to.0).max(left + 1);
            let count = u32::try_from((right - left) * (last - first)).unwrap_or(u32::MAX);
            let sum: u32 = sums[left..right].iter().sum();
            out.push(u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shrunk_picture_keeps_its_proportions_and_its_means() {
        let planes = [vec![100; 64 * 36], vec![90; 32 * 18], vec![160; 32 * 18]];
        let picture = Picture::new(64, 36, Range::Video, planes).unwrap();
        let small = picture.shrunk(16, 16);
        assert_eq!((small.width(), small.height()), (16, 9));
        assert!(small.y().iter().all(|sample| *sample == 100));
        assert!(small.u().iter().all(|sample| *sample == 90));
        assert_eq!(small.v().len(), 8 * 5);
        assert_eq!(picture.shrunk(640, 360), picture);
    }

    #[test]
    fn planes_of_another_size_are_refused() {
        let planes = [vec![0; 15], vec![0; 4], vec![0; 4]];
        let error = Picture::new(4, 4, Range::Video, planes).unwrap_err();
        assert_eq!(error.y, 15);
        assert!(Picture::new(0, 0, Range::Video, [vec![], vec![], vec![]]).is_err());
    }
}
