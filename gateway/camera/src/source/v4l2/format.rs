//! What is wanted of a device, of what it offers; and what its bytes are.

use linuxvideo::format::{FrameSizes, PixelFormat};

use super::error::DeviceError;
use crate::picture::{JPEG_QUALITY, Mask, Picture, Range};

/// The largest picture of a camera that compresses by itself: what a snapshot to the district shows.
const MOST: (u32, u32) = (1280, 720);

/// The largest that is compressed here: 2 ms of a processor for each, five times as much on a
/// Raspberry Pi 4.
const MOST_RAW: (u32, u32) = (640, 480);

/// How the bytes of a picture stand for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pixels {
    /// A JPEG.
    Jpeg,
    /// Two pixels in four bytes: Y, Cb, Y, Cr.
    Yuyv,
    /// Luma, then Cb and Cr in turns for each four pixels.
    Nv12,
    /// Luma only.
    Grey,
}

/// The known formats, best first.
const KNOWN: [([u8; 4], Pixels); 5] = [
    (*b"MJPG", Pixels::Jpeg),
    (*b"JPEG", Pixels::Jpeg),
    (*b"YUYV", Pixels::Yuyv),
    (*b"NV12", Pixels::Nv12),
    (*b"GREY", Pixels::Grey),
];

/// What a format's code stands for.
pub(super) fn pixels(code: PixelFormat) -> Option<Pixels> {
    KNOWN.iter().find(|(known, _)| *known == code.as_fourcc()).map(|(_, pixels)| *pixels)
}

/// The best of what is offered.
pub(super) fn best(offered: &[PixelFormat]) -> Option<(PixelFormat, Pixels)> {
    KNOWN.iter().find_map(|(known, pixels)| {
        let code = offered.iter().find(|code| code.as_fourcc() == *known)?;
        Some((*code, *pixels))
    })
}

/// The largest size within bounds; where there is none, the smallest. `None`: the device says none.
pub(super) fn size(pixels: Pixels, offered: &FrameSizes) -> Option<(u32, u32)> {
    let most = if pixels == Pixels::Jpeg { MOST } else { MOST_RAW };
    match offered {
        FrameSizes::Discrete(sizes) => {
            nearest(most, sizes.iter().map(|size| (size.width(), size.height())))
        }
        FrameSizes::Stepwise(sizes) | FrameSizes::Continuous(sizes) => {
            let step = |most: u32, least: u32, largest: u32, step: u32| {
                let most = most.clamp(least, largest.max(least));
                most - (most - least) % step.max(1)
            };
            Some((
                step(most.0, sizes.min_width(), sizes.max_width(), sizes.step_width()),
                step(most.1, sizes.min_height(), sizes.max_height(), sizes.step_height()),
            ))
        }
    }
}

fn nearest(most: (u32, u32), sizes: impl Iterator<Item = (u32, u32)>) -> Option<(u32, u32)> {
    let area = |size: &(u32, u32)| u64::from(size.0) * u64::from(size.1);
    let all: Vec<_> = sizes.filter(|size| area(size) > 0).collect();
    let within = all.iter().filter(|size| size.0 <= most.0 && size.1 <= most.1);
    within
        .max_by_key(|size| area(size))
        .or_else(|| all.iter().min_by_key(|size| area(size)))
        .copied()
}

/// How pictures lie in the device's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) pixels: Pixels,
    pub(super) width: usize,
    pub(super) height: usize,
    /// From one row to the next, in bytes.
    pub(super) stride: usize,
}

impl Layout {
    /// A JPEG of what is in a buffer.
    ///
    /// # Errors
    /// The buffer holds less than a picture.
    pub(super) fn jpeg(self, data: &[u8]) -> Result<Vec<u8>, DeviceError> {
        let wrong = |detail: String| DeviceError::Protocol { detail };
        if self.pixels == Pixels::Jpeg {
            return Ok(data.to_vec());
        }
        let planes = self.planes(data).ok_or_else(|| {
            let Self { width, height, stride, .. } = self;
            wrong(format!("{} bytes for {width}x{height}, {stride} a row", data.len()))
        })?;
        let picture = Picture::new(self.width, self.height, Range::Video, planes)
            .map_err(|error| wrong(error.to_string()))?;
        // Nothing is hidden yet: like every frame of a source, this one does not leave the camera's
        // unit before its masks are painted.
        Mask::none().burn(picture).jpeg(JPEG_QUALITY).map_err(|error| wrong(error.to_string()))
    }

    /// I420. `None`: there are fewer bytes, or rows that overlap.
    fn planes(self, data: &[u8]) -> Option<[Vec<u8>; 3]> {
        let Self { pixels, width, height, stride } = self;
        let in_row = if pixels == Pixels::Yuyv { width.div_ceil(2) * 4 } else { width };
        if in_row > stride || width == 0 {
            return None;
        }
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let row = |at: usize, long: usize| data.get(at..at.checked_add(long)?);
        let mut y = Vec::with_capacity(width * height);
        let mut u = Vec::with_capacity(half_width * half_height);
        let mut v = Vec::with_capacity(half_width * half_height);
        for number in 0..height {
            let row = row(number * stride, in_row)?;
            match pixels {
                Pixels::Yuyv => {
                    y.extend(row.iter().step_by(2).take(width));
                    // Every second row of colour: an eye sees no difference.
                    if number % 2 == 0 {
                        u.extend(row.iter().skip(1).step_by(4));
                        v.extend(row.iter().skip(3).step_by(4));
                    }
                }
                Pixels::Nv12 | Pixels::Grey | Pixels::Jpeg => y.extend_from_slice(row),
            }
        }
        match pixels {
            Pixels::Nv12 => {
                for number in 0..half_height {
                    let row = row((height + number) * stride, half_width * 2)?;
                    u.extend(row.iter().step_by(2));
                    v.extend(row.iter().skip(1).step_by(2));
                }
            }
            Pixels::Grey | Pixels::Jpeg => {
                u.resize(half_width * half_height, 128);
                v.resize(half_width * half_height, 128);
            }
            Pixels::Yuyv => {}
        }
        Some([y, u, v])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(pixels: Pixels, stride: usize) -> Layout {
        Layout { pixels, width: 4, height: 2, stride }
    }

    #[test]
    fn a_camera_that_compresses_by_itself_is_preferred_and_the_unknown_is_none() {
        let code = PixelFormat::from_fourcc;
        let offered = [code(*b"YUYV"), code(*b"H264"), code(*b"MJPG")];
        assert_eq!(best(&offered), Some((code(*b"MJPG"), Pixels::Jpeg)));
        assert_eq!(best(&offered[..2]), Some((code(*b"YUYV"), Pixels::Yuyv)));
        assert_eq!(best(&offered[1..2]), None);
    }

    #[test]
    fn the_largest_size_within_bounds_is_taken_or_else_the_smallest() {
        let sizes = [(320, 240), (640, 480), (1280, 720), (1920, 1080)];
        assert_eq!(nearest(MOST, sizes.into_iter()), Some((1280, 720)));
        assert_eq!(nearest(MOST_RAW, sizes.into_iter()), Some((640, 480)));
        assert_eq!(nearest(MOST_RAW, sizes.into_iter().skip(2)), Some((1280, 720)));
        assert_eq!(nearest(MOST, std::iter::empty()), None);
    }

    #[test]
    fn each_format_is_read_with_the_padding_of_its_rows() {
        let yuyv = [[10, 1, 11, 2, 12, 3, 13, 4, 0, 0], [20, 9, 21, 9, 22, 9, 23, 9, 0, 0]];
        let planes = layout(Pixels::Yuyv, 10).planes(&yuyv.concat()).unwrap();
        let luma = vec![10, 11, 12, 13, 20, 21, 22, 23];
        assert_eq!(planes, [luma.clone(), vec![1, 3], vec![2, 4]]);
        let nv12 = [[10, 11, 12, 13, 0], [20, 21, 22, 23, 0], [1, 2, 3, 4, 0]].concat();
        let planes = layout(Pixels::Nv12, 5).planes(&nv12).unwrap();
        assert_eq!(planes, [luma.clone(), vec![1, 3], vec![2, 4]]);
        let planes = layout(Pixels::Grey, 5).planes(&nv12[..9]).unwrap();
        assert_eq!(planes, [luma, vec![128; 2], vec![128; 2]], "the last row has no padding");
    }

    #[test]
    fn a_jpeg_is_passed_on_as_it_is_and_a_short_buffer_is_told() {
        let jpeg = [0xff, 0xd8, 7, 0xff, 0xd9];
        assert_eq!(layout(Pixels::Jpeg, 0).jpeg(&jpeg).unwrap(), jpeg);
        let error = layout(Pixels::Grey, 4).jpeg(&[0; 7]).unwrap_err();
        assert_eq!(error.to_string(), "not understood: 7 bytes for 4x2, 4 a row");
    }

    proptest! {
        #[test]
        fn no_device_makes_it_panic(
            data in prop::collection::vec(any::<u8>(), 0..200),
            (width, height, stride) in (0_usize..12, 0_usize..12, 0_usize..40),
        ) {
            for pixels in [Pixels::Jpeg, Pixels::Yuyv, Pixels::Nv12, Pixels::Grey] {
                let _ = Layout { pixels, width, height, stride }.planes(&data);
            }
        }
    }
}
