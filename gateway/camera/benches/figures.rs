//! What pictures cost: `cargo bench -p gatehouse-camera`. CPU milliseconds of one thread, the median
//! of many; needs ffmpeg, and nothing else on the machine for figures that hold.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

#[path = "../tests/clip/mod.rs"]
mod clip;

use core::time::Duration;
use std::hint::black_box;

use clip::{ffmpeg, folder, frames, jpeg};
use gatehouse_camera::decode::{Limits, decoder, key};
use gatehouse_camera::frame::{Codec, Frame};
use gatehouse_camera::picture::{JPEG_QUALITY, Mask, Picture, Point, Polygon};
use gatehouse_camera::watch::{Settings, Watch};
use rustix::time::{ClockId, clock_gettime};

/// Enough for a median; a key frame of 1080p takes 40 ms.
const ROUNDS: usize = 25;

fn main() {
    // Cargo runs it for tests of all targets as well.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    for (name, size, rate) in [("640x360", (640, 360), "400k"), ("1920x1080", (1920, 1080), "2M")] {
        let h264 = made(name, size, rate, Codec::H264);
        let h265 = made(name, size, rate, Codec::H265);
        let pictures: Vec<Picture> = decoded(&h264);
        say(name, "decode an H.264 key frame", || key(&h264[15], Limits::default()));
        say(name, "decode an H.265 key frame", || key(&h265[15], Limits::default()));
        each(name, "decode H.264, all frames, each", &h264);
        each(name, "decode H.265, all frames, each", &h265);
        let mut watch = Watch::new(Settings::default());
        let mut at = h264[0].received;
        let mut next = 0;
        say(name, "watch a picture", || {
            at = at.plus(Duration::from_millis(200));
            next = (next + 1) % pictures.len();
            watch.picture(&pictures[next], at)
        });
        let mask = mask();
        say(name, "burn a mask", || mask.burn(pictures[0].clone()));
        let masked = mask.burn(pictures[0].clone());
        say(name, "encode a JPEG", || masked.jpeg(JPEG_QUALITY));
        let still = jpeg(masked.jpeg(JPEG_QUALITY).expect("a JPEG"), size, 0, 1);
        say(name, "decode a JPEG", || key(&still, Limits::default()));
        say(name, "snapshot: key frame, mask, JPEG", || {
            let picture = key(&h264[15], Limits::default()).expect("a picture");
            mask.burn(picture).jpeg(JPEG_QUALITY)
        });
        say(name, "shrink to 640x360", || pictures[0].shrunk(640, 360));
        #[cfg(feature = "masked-clips")]
        for (codec, frames) in [("H.264", &h264), ("H.265", &h265)] {
            masked_clip(name, codec, frames);
        }
    }
}

/// A clip of 15 s of a camera with a mask: 5 s of it from the ring.
#[cfg(feature = "masked-clips")]
fn masked_clip(name: &str, codec: &str, frames: &[Frame]) {
    use gatehouse_camera::clip::disk::SystemDisk;
    use gatehouse_camera::clip::masked::{MaskedRecorder, MaskedSettings};
    use gatehouse_camera::clip::{ClipId, ClipLimits, ClipTold, Trigger};
    use gatehouse_camera::ring::{Ring, RingLimits};

    const RATE: u64 = 15;
    let (before, after) = (Duration::from_secs(5), Duration::from_secs(10));
    let limits = ClipLimits { before, after, longest: before + after };
    let folder = tempfile::tempdir().expect("a folder");
    let (path, settings) = (folder.path().to_owned(), MaskedSettings::default());
    let ring = Ring::new(RingLimits { span: before, ..RingLimits::default() });
    let mut recorder = MaskedRecorder::new(SystemDisk, path, limits, ring, mask(), settings);
    let start = frames[0].received;
    let (begin, mut told) = (cpu(), None);
    for (n, frame) in (0..16 * RATE).zip(frames.iter().cycle()) {
        let received = start.plus(Duration::from_millis(n * 1000 / RATE));
        let media = i64::try_from(n * 90_000 / RATE).expect("seconds");
        recorder.frame(&Frame { received, media, ..frame.clone() });
        if n == 5 * RATE {
            let id = ClipId::new("a").expect("a name");
            recorder.trigger(&Trigger { id, at: received });
        }
        told = told.or(recorder.advance(&mut || false));
    }
    let took = cpu().saturating_sub(begin).as_secs_f64();
    let Some(ClipTold::Done { files, .. }) = told else { panic!("{told:?}") };
    let what = format!("masked clip of 15 s of {codec}");
    let (pictures, kib) =
        (files[0].frames.unwrap_or(0), files[0].content.map_or(0, |content| content.bytes) >> 10);
    println!("{name:<10} {what:<34} {:>8.0} ms  {pictures} pictures, {kib} KiB", took * 1000.0);
}

fn mask() -> Mask {
    let corners = [(0.05, 0.1), (0.55, 0.2), (0.5, 0.6), (0.1, 0.5)];
    let corners = corners.iter().map(|&(x, y)| Point { x, y }).collect();
    Mask::new(vec![Polygon::new(corners).expect("an area")])
}

/// Noisy, as a camera's picture is.
fn made(name: &str, size: (u32, u32), rate: &str, codec: Codec) -> Vec<Frame> {
    let (encoder, format) = match codec {
        Codec::H264 => ("libx264", "h264"),
        _ => ("libx265", "hevc"),
    };
    let path = folder().join(format!("figures-{name}.{format}"));
    let source = format!("testsrc2=size={name}:rate=15,noise=alls=8:allf=t");
    let text = path.to_str().expect("a path");
    let coding = ["-c:v", encoder, "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "0"];
    let group = ["-g", "15", "-sc_threshold", "0", "-x265-params"];
    let group = [&group[..], &["keyint=15:scenecut=0:bframes=0:log-level=1"]].concat();
    let group = if codec == Codec::H264 { &group[..4] } else { &group[..] };
    let begin = ["-f", "lavfi", "-i", &source, "-t", "4", "-b:v", rate];
    ffmpeg(&[&begin[..], &coding, group, &["-f", format, text]].concat());
    frames(&path, codec, size, 15)
}

fn decoded(frames: &[Frame]) -> Vec<Picture> {
    let mut decoder = decoder(frames[0].track.codec, Limits::default());
    frames.iter().take(10).filter_map(|frame| decoder.decode(frame).expect("decodes")).collect()
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs().try_into().unwrap_or(0))
}

fn say<T>(size: &str, what: &str, mut work: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begin = cpu();
            black_box(work());
            cpu().saturating_sub(begin)
        })
        .collect();
    times.sort_unstable();
    println!("{size:<10} {what:<34} {:>8.3} ms", times[ROUNDS / 2].as_secs_f64() * 1000.0);
}

fn each(size: &str, what: &str, frames: &[Frame]) {
    let mut decoder = decoder(frames[0].track.codec, Limits::default());
    let begin = cpu();
    for frame in frames {
        black_box(decoder.decode(frame).expect("decodes"));
    }
    let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
    let each = cpu().saturating_sub(begin) / count;
    println!("{size:<10} {what:<34} {:>8.3} ms", each.as_secs_f64() * 1000.0);
}
