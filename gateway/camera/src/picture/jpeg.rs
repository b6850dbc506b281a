//! JPEG both ways (ITU-T T.81, JFIF).

use jpeg_encoder::{ChromaSubsamplingMethod, Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use thiserror::Error;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Masked, Picture, Range};
use crate::decode::{DecodeError, Limits};

/// Faces and plates of evidence stay readable; 1080p takes some 300 kB.
pub const JPEG_QUALITY: u8 = 80;

/// Why a picture is no JPEG.
#[derive(Debug, Error)]
pub enum JpegError {
    /// Wider or higher than the format knows.
    #[error("{width}x{height} is too large for a JPEG")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// The encoder refused; our bug.
    #[error("the JPEG encoder refused: {0}")]
    Encoder(String),
}

impl Masked {
    /// As a JPEG file with chroma 4:2:0, in full range as JFIF wants it. `quality` is 1 to 100, see
    /// [`JPEG_QUALITY`].
    ///
    /// # Errors
    ///
    /// See [`JpegError`].
    pub fn jpeg(&self, quality: u8) -> Result<Vec<u8>, JpegError> {
        let picture = self.picture();
        let too_large =
            |_| JpegError::TooLarge { width: picture.width(), height: picture.height() };
        let source = Source {
            picture,
            width: u16::try_from(picture.width()).map_err(too_large)?,
            height: u16::try_from(picture.height()).map_err(too_large)?,
            luma: table(picture.range(), stretched_luma),
            chroma: table(picture.range(), stretched_chroma),
        };
        // A tenth of the samples is more than enough at this quality.
        let mut out = Vec::with_capacity(picture.y().len() / 10 + 1024);
        let mut encoder = Encoder::new(&mut out, quality.clamp(1, 100));
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder.encode_image(source).map_err(|error| JpegError::Encoder(error.to_string()))?;
        Ok(out)
    }
}

/// Rows for the encoder, which halves chroma itself: each sample is given for its four pixels.
struct Source<'a> {
    picture: &'a Picture,
    width: u16,
    height: u16,
    luma: [u8; 256],
    chroma: [u8; 256],
}

impl ImageBuffer for Source<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, row: u16, buffers: &mut [Vec<u8>; 4]) {
        let (row, width) = (usize::from(row), self.picture.width());
        let chroma_width = self.picture.chroma_width();
        let [y, u, v, _] = buffers;
        let luma = &self.picture.y()[row * width..(row + 1) * width];
        y.extend(luma.iter().map(|sample| self.luma[usize::from(*sample)]));
        for (plane, out) in [(self.picture.u(), u), (self.picture.v(), v)] {
            let line = &plane[row / 2 * chroma_width..(row / 2 + 1) * chroma_width];
            let end = out.len() + width;
            out.extend(line.iter().flat_map(|sample| [self.chroma[usize::from(*sample)]; 2]));
            out.truncate(end);
        }
    }
}

fn table(range: Range, stretched: fn(i32) -> i32) -> [u8; 256] {
    std::array::from_fn(|index| {
        let sample = u8::try_from(index).unwrap_or(u8::MAX);
        match range {
            Range::Full => sample,
            Range::Video => {
                let value = stretched(i32::from(sample)).clamp(0, 255);
                u8::try_from(value).unwrap_or(u8::MAX)
            }
        }
    })
}

/// 16..=235 to 0..=255.
const fn stretched_luma(sample: i32) -> i32 {
    ((sample - 16) * 255 + 109) / 219
}

/// 16..=240 around 128 to 1..=255.
const fn stretched_chroma(sample: i32) -> i32 {
    ((sample - 128) * 255 + if sample < 128 { -112 } else { 112 }) / 224 + 128
}

/// A JPEG file as a picture, chroma halved by its mean.
///
/// # Errors
///
/// Too large, or damaged: hostile bytes end here.
pub(crate) fn decode(data: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    let options = DecoderOptions::default()
        .set_max_width(limits.width)
        .set_max_height(limits.height)
        .set_strict_mode(false)
        .jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
    let damaged = |error: zune_jpeg::errors::DecodeErrors| DecodeError::Damaged(error.to_string());
    decoder.decode_headers().map_err(damaged)?;
    let info = decoder.info().ok_or_else(|| DecodeError::Damaged("no header".to_owned()))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    limits.check(width, height)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    if grey {
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
    }
    let pixels = decoder.decode().map_err(damaged)?;
    let chroma = width.div_ceil(2) * height.div_ceil(2);
    let planes = if grey {
        [pixels, vec![128; chroma], vec![128; chroma]]
    } else {
        if pixels.len() != width * height * 3 {
            return Err(DecodeError::Unsupported("colours of a JPEG"));
        }
        split(&pixels, width, height)
    };
    Picture::new(width, height, Range::Full, planes)
        .map_err(|error| DecodeError::Damaged(error.to_string()))
}

/// Pixels of three samples as planes.
fn split(pixels: &[u8], width: usize, height: usize) -> [Vec<u8>; 3] {
    let mut planes = [
        Vec::with_capacity(width * height),
        Vec::with_capacity(width.div_ceil(2) * height.div_ceil(2)),
        Vec::with_capacity(width.div_ceil(2) * height.div_ceil(2)),
    ];
    planes[0].extend(pixels.as_chunks::<3>().0.iter().map(|pixel| pixel[0]));
    for rows in pixels.chunks(width * 6) {
        let (upper, lower) = rows.split_at(width * 3);
        // Of an odd height the last row stands twice, of an odd width the last column.
        let lower = if lower.is_empty() { upper } else { lower };
        for (above, below) in upper.chunks(6).zip(lower.chunks(6)) {
            for (channel, plane) in [1, 2].into_iter().zip(&mut planes[1..]) {
                let right = if above.len() == 6 { channel + 3 } else { channel };
                let samples = [above[channel], above[right], below[channel], below[right]];
                let sum: u16 = samples.map(u16::from).iter().sum();
                plane.push(u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX));
            }
        }
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::super::{Mask, Point, Polygon};
    use super::*;

    /// Smooth in all planes, so that JPEG has little to lose.
    fn smooth(width: usize, height: usize, range: Range) -> Picture {
        let value = |at: usize, of: usize| u8::try_from(40 + at * 160 / of).unwrap();
        let y = (0..width * height).map(|i| value(i % width, width)).collect();
        let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
        let u = (0..cw * ch).map(|i| value(i / cw, ch)).collect();
        let v = (0..cw * ch).map(|i| value(i % cw, cw)).collect();
        Picture::new(width, height, range, [y, u, v]).unwrap()
    }

    #[test]
    fn a_picture_comes_back_from_jpeg_nearly_the_same() {
        for (width, height) in [(64, 48), (33, 17), (1, 1)] {
            let picture = smooth(width, height, Range::Full);
            let file = Mask::none().burn(picture.clone()).jpeg(95).unwrap();
            let back = decode(&file, &Limits::default()).unwrap();
            assert_eq!((back.width(), back.height()), (width, height));
            for (one, other) in [(picture.y(), back.y()), (picture.u(), back.u())] {
                let worst = one.iter().zip(other).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(worst <= Some(8), "{width}x{height}: {worst:?}");
            }
        }
    }

    #[test]
    fn video_levels_are_stretched() {
        let planes = |y| [vec![y; 256], vec![128; 64], vec![128; 64]];
        for (level, wanted) in [(16, 0), (235, 255), (126, 128)] {
            let picture = Picture::new(16, 16, Range::Video, planes(level)).unwrap();
            let file = Mask::none().burn(picture).jpeg(JPEG_QUALITY).unwrap();
            let back = decode(&file, &Limits::default()).unwrap();
            assert!(back.y()[0].abs_diff(wanted) <= 1, "{level} is {}", back.y()[0]);
            assert!(back.u()[0].abs_diff(128) <= 1);
        }
    }

    #[test]
    fn a_mask_is_black_in_the_file() {
        let half = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)];
        let half = Polygon::new(half.iter().map(|&(x, y)| Point { x, y }).collect()).unwrap();
        let file =
            Mask::new(vec![half]).burn(smooth(64, 64, Range::Video)).jpeg(JPEG_QUALITY).unwrap();
        let back = decode(&file, &Limits::default()).unwrap();
        let hidden = (0..64).flat_map(|row| &back.y()[row * 64..row * 64 + 24]);
        assert!(hidden.clone().all(|sample| *sample < 6), "{:?}", hidden.max());
    }

    #[test]
    fn hostile_files_are_refused_without_a_panic() {
        let good = Mask::none().burn(smooth(64, 48, Range::Full)).jpeg(JPEG_QUALITY).unwrap();
        let small = Limits { width: 32, ..Limits::default() };
        assert!(decode(&good, &small).is_err());
        assert!(decode(&[], &Limits::default()).is_err());
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..400 {
            let mut bad = good.clone();
            for _ in 0..random.usize(1..20) {
                let at = random.usize(2..bad.len());
                bad[at] ^= 1 << random.u8(0..8);
            }
            bad.truncate(random.usize(2..=bad.len()));
            // A picture or an error, and no panic.
            let _ = decode(&bad, &Limits::default());
        }
    }
}
