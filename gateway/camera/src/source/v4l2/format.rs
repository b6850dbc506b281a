//! What is wanted of a device, of what it offers; and what its bytes are.

use std::fmt;

use linuxvideo::format::{FrameSizes, PixelFormat};

use super::error::DeviceError;
use crate::picture::{JPEG_QUALITY, Mask, Picture, Range};

/// The largest picture of a camera that compresses by itself: what a snapshot to the district shows.
const MOST: Size = (1280, 720);

/// The largest that is compressed here: 2 ms of a processor for each, five times as much on a
/// Raspberry Pi 4.
const MOST_RAW: Size = (640, 480);

/// What a driver is asked for that does not say what it has.
const SIMPLE: Size = (640, 480);

/// No picture that is larger is decoded here (see [`Limits`](crate::decode::Limits)).
pub(super) const LARGEST: Size = (4096, 2304);

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

/// The sizes that a device has in a format, in pixels across and down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sizes {
    /// These.
    List(Vec<Size>),
    /// Whatever fits these, across and down.
    Steps(Steps, Steps),
    /// It does not say: a simple driver has one, and says it when it is asked for another.
    Unsaid,
}

/// Pixels across and down.
pub(super) type Size = (u32, u32);

/// Numbers from the least to the most, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) least: u32,
    pub(super) most: u32,
    pub(super) step: u32,
}

impl From<&FrameSizes> for Sizes {
    fn from(offered: &FrameSizes) -> Self {
        match offered {
            FrameSizes::Discrete(sizes) => {
                let all = sizes.iter().map(|size| (size.width(), size.height()));
                Self::List(all.filter(|(width, height)| *width > 0 && *height > 0).collect())
            }
            FrameSizes::Stepwise(sizes) | FrameSizes::Continuous(sizes) => Self::Steps(
                Steps {
                    least: sizes.min_width(),
                    most: sizes.max_width(),
                    step: sizes.step_width(),
                },
                Steps {
                    least: sizes.min_height(),
                    most: sizes.max_height(),
                    step: sizes.step_height(),
                },
            ),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // More than a person reads at once.
        const MOST: usize = 8;
        match self {
            Self::List(sizes) if sizes.is_empty() => f.write_str("none"),
            Self::List(sizes) => {
                for (place, (width, height)) in sizes.iter().take(MOST).enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{width}x{height}")?;
                }
                Ok(())
            }
            Self::Steps(w, h) => {
                write!(f, "{}x{} to {}x{}", w.least, h.least, w.most, h.most)
            }
            Self::Unsaid => f.write_str("it does not say"),
        }
    }
}

impl Steps {
    /// The largest that is not larger than this; or else the least.
    fn within(self, most: u32) -> u32 {
        let most = most.clamp(self.least, self.most.max(self.least));
        most - (most - self.least) % self.step.max(1)
    }

    /// The nearest to this; the smaller of two.
    fn nearest(self, wanted: u32) -> u32 {
        let below = self.within(wanted);
        let above = below.saturating_add(self.step.max(1));
        let nearer = above <= self.most && wanted.abs_diff(above) < wanted.abs_diff(below);
        if nearer { above } else { below }
    }
}

impl Sizes {
    /// The largest size within bounds; where there is none, the smallest. `None`: nobody says.
    fn usual(&self, most: Size) -> Option<Size> {
        match self {
            Self::List(sizes) => {
                let within = sizes.iter().filter(|size| size.0 <= most.0 && size.1 <= most.1);
                let largest = within.max_by_key(|size| area(**size));
                largest.or_else(|| sizes.iter().min_by_key(|size| area(**size))).copied()
            }
            Self::Steps(width, height) => Some((width.within(most.0), height.within(most.1))),
            Self::Unsaid => None,
        }
    }

    /// The nearest to what is wanted that can be used.
    fn nearest(&self, wanted: Size) -> Option<Size> {
        let usable = |size: &Size| size.0 <= LARGEST.0 && size.1 <= LARGEST.1 && area(*size) > 0;
        match self {
            Self::List(sizes) => {
                let all = sizes.iter().copied().filter(usable);
                all.min_by_key(|size| (apart(*size, wanted), area(*size)))
            }
            Self::Steps(width, height) => {
                Some((width.nearest(wanted.0), height.nearest(wanted.1))).filter(usable)
            }
            Self::Unsaid => None,
        }
    }
}

fn area(size: Size) -> u64 {
    u64::from(size.0) * u64::from(size.1)
}

/// How far one size is from another: the square of what is missing or too much.
fn apart(one: Size, other: Size) -> u64 {
    let square = |a: u32, b: u32| u64::from(a.abs_diff(b)).saturating_mul(a.abs_diff(b).into());
    square(one.0, other.0).saturating_add(square(one.1, other.1))
}

/// What is asked of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) code: PixelFormat,
    pub(super) size: Size,
}

/// The best of what is offered: the format that is known best, at the largest size within its bounds. If a
/// size is wanted, the nearest in any format that is known, the better one among equals.
///
/// # Errors
/// No format is known; or none has a size that can be used.
pub(super) fn choose(
    offered: &[(PixelFormat, Sizes)],
    wanted: Option<Size>,
) -> Result<Choice, DeviceError> {
    let known = KNOWN.iter().filter_map(|(known, pixels)| {
        let (code, sizes) = offered.iter().find(|(code, _)| code.as_fourcc() == *known)?;
        Some((*code, *pixels, sizes))
    });
    let Some((code, pixels, sizes)) = known.clone().next() else {
        let codes: Vec<_> = offered.iter().map(|(code, _)| *code).collect();
        return Err(no_format(&codes));
    };
    let Some(wanted) = wanted else {
        let most = if pixels == Pixels::Jpeg { MOST } else { MOST_RAW };
        return Ok(Choice { code, size: sizes.usual(most).unwrap_or(SIMPLE) });
    };
    let near = known
        .clone()
        .filter_map(|(code, _, sizes)| Some(Choice { code, size: sizes.nearest(wanted)? }));
    // The first of equals is the better format.
    let nearest = near.min_by_key(|choice| apart(choice.size, wanted));
    // Whoever does not say which it has is asked, and answers with what it gives.
    let asked = known.clone().find(|(.., sizes)| **sizes == Sizes::Unsaid);
    let asked = asked.map(|(code, ..)| Choice { code, size: wanted });
    nearest.or(asked).ok_or_else(|| DeviceError::NoSize {
        wanted: format!("{}x{}", wanted.0, wanted.1),
        offered: known
            .map(|(code, _, sizes)| {
                format!("{} {sizes}", String::from_utf8_lossy(&code.as_fourcc()))
            })
            .collect::<Vec<_>>()
            .join("; "),
    })
}

/// What a device is said to have that has nothing known.
pub(super) fn no_format(offered: &[PixelFormat]) -> DeviceError {
    let names = offered.iter().map(|code| String::from_utf8_lossy(&code.as_fourcc()).into_owned());
    let names: Vec<_> = names.take(8).collect();
    DeviceError::NoFormat { offered: names.join(", ") }
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

    const YUYV: [u8; 4] = *b"YUYV";
    const MJPG: [u8; 4] = *b"MJPG";

    fn list(sizes: &[Size]) -> Sizes {
        Sizes::List(sizes.to_vec())
    }

    fn chosen(
        offered: &[([u8; 4], Sizes)],
        wanted: Option<Size>,
    ) -> Result<([u8; 4], Size), String> {
        let codes =
            offered.iter().map(|(code, sizes)| (PixelFormat::from_fourcc(*code), sizes.clone()));
        let choice = choose(&codes.collect::<Vec<_>>(), wanted);
        choice.map(|it| (it.code.as_fourcc(), it.size)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_camera_that_compresses_by_itself_is_preferred_and_the_unknown_is_none() {
        let one = || list(&[(640, 480)]);
        let offered = [(YUYV, one()), (*b"H264", one()), (MJPG, one())];
        assert_eq!(chosen(&offered, None), Ok((MJPG, (640, 480))));
        assert_eq!(chosen(&offered[..2], None), Ok((YUYV, (640, 480))));
        let error = chosen(&offered[1..2], None).unwrap_err();
        assert_eq!(error, "it has none of MJPG, JPEG, YUYV, NV12 and GREY (it has: H264)");
    }

    #[test]
    fn the_largest_size_within_bounds_is_taken_or_else_the_smallest() {
        let sizes = [(320, 240), (640, 480), (1280, 720), (1920, 1080)];
        assert_eq!(chosen(&[(MJPG, list(&sizes))], None), Ok((MJPG, (1280, 720))));
        assert_eq!(chosen(&[(YUYV, list(&sizes))], None), Ok((YUYV, (640, 480))));
        assert_eq!(chosen(&[(YUYV, list(&sizes[2..]))], None), Ok((YUYV, (1280, 720))));
        assert_eq!(chosen(&[(YUYV, Sizes::Unsaid)], None), Ok((YUYV, SIMPLE)));
    }

    #[test]
    fn the_size_that_is_wanted_is_taken_or_else_the_nearest_in_any_format() {
        let both = [
            (YUYV, list(&[(640, 480), (800, 600), (1920, 1080)])),
            (MJPG, list(&[(640, 480), (1280, 720), (1920, 1080)])),
        ];
        for (wanted, is) in [
            ((1280, 720), (MJPG, (1280, 720))),
            ((1920, 1080), (MJPG, (1920, 1080))),
            ((800, 600), (YUYV, (800, 600))),
            ((1270, 700), (MJPG, (1280, 720))),
            ((64, 48), (MJPG, (640, 480))),
            ((4096, 2304), (MJPG, (1920, 1080))),
        ] {
            assert_eq!(chosen(&both, Some(wanted)), Ok(is), "{wanted:?}");
        }
        // As far from both: the smaller.
        let two = [(MJPG, list(&[(1000, 500), (800, 500)]))];
        assert_eq!(chosen(&two, Some((900, 500))), Ok((MJPG, (800, 500))));
        // A driver that does not say is asked where no other is known.
        let simple = [(YUYV, Sizes::Unsaid), (MJPG, list(&[(640, 480)]))];
        assert_eq!(chosen(&simple, Some((800, 600))), Ok((MJPG, (640, 480))));
        assert_eq!(chosen(&simple[..1], Some((800, 600))), Ok((YUYV, (800, 600))));
    }

    #[test]
    fn of_a_device_that_has_sizes_in_steps_the_nearest_step_is_taken() {
        let steps = |least, most, step| Steps { least, most, step };
        let offered = [(YUYV, Sizes::Steps(steps(32, 2592, 16), steps(32, 1944, 2)))];
        assert_eq!(chosen(&offered, Some((1280, 720))), Ok((YUYV, (1280, 720))));
        assert_eq!(chosen(&offered, Some((1287, 721))), Ok((YUYV, (1280, 720))));
        assert_eq!(chosen(&offered, Some((1289, 4000))), Ok((YUYV, (1296, 1944))));
        assert_eq!(chosen(&offered, None), Ok((YUYV, MOST_RAW)));
        let broken = [(YUYV, Sizes::Steps(steps(0, 0, 0), steps(0, 0, 0)))];
        assert!(chosen(&broken, Some((640, 480))).is_err());
    }

    #[test]
    fn a_device_without_any_size_that_can_be_used_says_which_it_has() {
        let huge = [(YUYV, list(&[(8000, 6000), (5000, 4000)])), (MJPG, list(&[]))];
        assert_eq!(
            chosen(&huge, Some((1280, 720))).unwrap_err(),
            "it has no picture near 1280x720 that can be used, at most 4096x2304 \
             (it has: MJPG none; YUYV 8000x6000, 5000x4000)"
        );
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
