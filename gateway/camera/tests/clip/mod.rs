//! Raw video of ffmpeg as the frames that a source gives, for tests and figures.

#![expect(clippy::unwrap_used, reason = "tests and figures only")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatehouse_camera::frame::{Codec, Frame, Track};
use gatehouse_core::time::Mono;

/// Where clips are kept between runs.
pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs ffmpeg, single-threaded so that its output is the same everywhere.
pub(crate) fn ffmpeg(arguments: &[&str]) {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(arguments);
    let output = command.output().expect("ffmpeg is there: tests/run setup");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg {arguments:?}: {text}");
}

/// The access units of a raw stream, `rate` a second.
pub(crate) fn frames(
    path: &Path,
    codec: Codec,
    (width, height): (u32, u32),
    rate: u32,
) -> Vec<Frame> {
    let stream = Bytes::from(std::fs::read(path).unwrap());
    let mut sets: Vec<Bytes> = Vec::new();
    let mut pictures: Vec<(bool, Vec<u8>)> = Vec::new();
    for unit in units(&stream) {
        let (kind, header) = match codec {
            Codec::H264 => (unit[0] & 0x1f, 1),
            Codec::H265 => (unit[0] >> 1 & 0x3f, 2),
            Codec::Jpeg => unreachable!("JPEG has no NAL units"),
        };
        let (set, picture, key) = match codec {
            Codec::H264 => (matches!(kind, 7 | 8), matches!(kind, 1 | 5), kind == 5),
            _ => (matches!(kind, 32..=34), kind < 32, matches!(kind, 16..=23)),
        };
        if set && !sets.contains(&unit) {
            sets.push(unit.clone());
        }
        if !picture {
            continue;
        }
        // first_mb_in_slice is 0, or first_slice_segment_in_pic_flag is set: a new picture. A
        // second field also begins so, and is left to itself.
        if unit[header] & 0x80 != 0 {
            pictures.push((key, Vec::new()));
        }
        let (_, data) = pictures.last_mut().expect("a slice begins a picture");
        data.extend(u32::try_from(unit.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&unit);
    }
    let track =
        Arc::new(Track { codec, width, height, parameter_sets: sets, sample_entry: Bytes::new() });
    let frame = |(index, (key, data)): (usize, (bool, Vec<u8>))| {
        let (media, received) = times(index, rate);
        Frame { track: Arc::clone(&track), received, media, key, data: data.into() }
    };
    pictures.into_iter().enumerate().map(frame).collect()
}

/// A frame of one JPEG file.
pub(crate) fn jpeg(
    data: impl Into<Bytes>,
    (width, height): (u32, u32),
    index: usize,
    rate: u32,
) -> Frame {
    let (media, received) = times(index, rate);
    let track = Track {
        codec: Codec::Jpeg,
        width,
        height,
        parameter_sets: Vec::new(),
        sample_entry: Bytes::new(),
    };
    Frame { track: Arc::new(track), received, media, key: true, data: data.into() }
}

/// The camera's time of a picture, and when it came. A box has been up for a while.
fn times(index: usize, rate: u32) -> (i64, Mono) {
    let media = i64::try_from(index).unwrap() * 90_000 / i64::from(rate);
    let since = Duration::from_nanos(u64::try_from(media).unwrap() * 100_000 / 9);
    (media, Mono(1_000_000_000_000).plus(since))
}

/// The NAL units between start codes (H.264 annex B).
fn units(stream: &Bytes) -> Vec<Bytes> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(found) =
        stream.get(at..).and_then(|rest| rest.windows(3).position(|window| window == [0, 0, 1]))
    {
        starts.push(at + found + 3);
        at += found + 3;
    }
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| {
            // The zero of a longer start code, and those that fill up.
            let zeros = stream[start..end].iter().rev().take_while(|byte| **byte == 0).count();
            stream.slice(start..end - zeros)
        })
        .filter(|unit| unit.len() > 2)
        .collect()
}
