//! Decoders against ffmpeg, sample by sample, and against bytes that nobody should send.

#![expect(clippy::unwrap_used, reason = "tests only")]

mod clip;

use std::path::Path;

use bytes::Bytes;
use clip::{ffmpeg, folder, frames, jpeg};
use gatehouse_camera::decode::{DecodeError, Limits, decoder, key};
use gatehouse_camera::frame::{Codec, Frame};
use gatehouse_camera::picture::Picture;

const SIZE: (u32, u32) = (320, 180);
/// Everything moves, and nothing is smooth.
const SOURCE: &str = "testsrc2=size=320x180:rate=15,noise=alls=12:allf=t";

/// Encodes a clip of some seconds and gives its frames, and ffmpeg's own pictures of it, each as
/// planes in a row.
fn made(name: &str, codec: Codec, source: &str, coding: &[&str]) -> (Vec<Frame>, Vec<Vec<u8>>) {
    let path = folder().join(format!("decode-{name}.video"));
    let path_text = path.to_str().unwrap();
    let format = if codec == Codec::H264 { "h264" } else { "hevc" };
    let begin = ["-f", "lavfi", "-i", source, "-t", "4", "-threads", "1"];
    ffmpeg(&[&begin[..], coding, &["-f", format, path_text]].concat());
    let frames = frames(&path, codec, SIZE, 15);
    let raw = raw(&path, format, frames.len());
    (frames, raw)
}

/// What ffmpeg makes of a stream of so many pictures.
fn raw(path: &Path, format: &str, count: usize) -> Vec<Vec<u8>> {
    let out = path.with_extension("yuv");
    let (path, out) = (path.to_str().unwrap(), out.to_str().unwrap());
    ffmpeg(&["-f", format, "-i", path, "-vsync", "passthrough", "-f", "rawvideo", out]);
    let bytes = std::fs::read(out).unwrap();
    std::fs::remove_file(out).unwrap();
    assert_eq!(bytes.len() % count, 0, "{count} pictures");
    bytes.chunks_exact(bytes.len() / count).map(<[u8]>::to_vec).collect()
}

fn planes(picture: &Picture) -> Vec<u8> {
    [picture.y(), picture.u(), picture.v()].concat()
}

/// All pictures of a stream, and those that its key frames give by themselves.
fn decoded(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut decoder = decoder(frames[0].track.codec, Limits::default());
    let mut pictures = Vec::new();
    for frame in frames {
        let picture = decoder.decode(frame).unwrap();
        if frame.key {
            assert_eq!(picture.as_ref(), Some(&key(frame, Limits::default()).unwrap()));
        }
        pictures.extend(picture.as_ref().map(planes));
    }
    pictures
}

fn assert_equal(ours: &[Vec<u8>], theirs: &[Vec<u8>], name: &str) {
    assert_eq!(ours.len(), theirs.len(), "{name}: pictures");
    for (index, (one, other)) in ours.iter().zip(theirs).enumerate() {
        assert!(one == other, "{name}: picture {index} is another than ffmpeg's");
    }
}

const X264: [&str; 12] = [
    "-c:v",
    "libx264",
    "-pix_fmt",
    "yuv420p",
    "-g",
    "15",
    "-sc_threshold",
    "0",
    "-b:v",
    "500k",
    "-bf",
    "0",
];
const X265: [&str; 8] =
    ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-preset", "fast", "-b:v", "500k"];

#[test]
fn h264_of_cameras_is_decoded_bit_by_bit() {
    for (name, extra) in [
        ("baseline", &["-profile:v", "baseline", "-slices", "4"][..]),
        ("main", &["-profile:v", "main"]),
        ("high", &["-profile:v", "high", "-preset", "slow", "-refs", "3"]),
    ] {
        let (frames, theirs) = made(name, Codec::H264, SOURCE, &[&X264[..], extra].concat());
        assert_eq!(frames.iter().filter(|frame| frame.key).count(), 4, "{name}: key frames");
        assert_equal(&decoded(&frames), &theirs, name);
    }
}

#[test]
fn a_picture_that_is_cropped_has_the_size_that_is_shown() {
    let source = "testsrc2=size=322x178:rate=15";
    let (frames, theirs) = made("cropped", Codec::H264, source, &X264);
    assert_equal(&decoded(&frames), &theirs, "cropped");
    let picture = key(&frames[0], Limits::default()).unwrap();
    assert_eq!((picture.width(), picture.height()), (322, 178));
}

#[test]
fn b_frames_come_in_the_order_of_decoding_and_none_is_lost() {
    let coding = [&X264[..10], &["-bf", "2"]].concat();
    let (frames, mut theirs) = made("b-frames", Codec::H264, SOURCE, &coding);
    let mut ours = decoded(&frames);
    ours.sort();
    theirs.sort();
    assert_equal(&ours, &theirs, "b-frames");
}

#[test]
fn h265_is_decoded_bit_by_bit_also_from_an_open_group_of_pictures() {
    for (name, parameters) in [
        ("closed", "bframes=0:keyint=15:min-keyint=15:open-gop=0:repeat-headers=1:log-level=1"),
        // Key frames are CRA: by its first NAL unit's type only.
        ("open", "bframes=0:keyint=15:min-keyint=15:open-gop=1:scenecut=0:log-level=1"),
    ] {
        let coding = [&X265[..], &["-x265-params", parameters]].concat();
        let (frames, theirs) = made(name, Codec::H265, SOURCE, &coding);
        assert_eq!(frames.iter().filter(|frame| frame.key).count(), 4, "{name}: key frames");
        let mut decoder = decoder(Codec::H265, Limits::default());
        let ours: Vec<Vec<u8>> = frames
            .iter()
            .filter_map(|frame| decoder.decode(frame).unwrap())
            .map(|picture| planes(&picture))
            .collect();
        assert_equal(&ours, &theirs, name);
    }
}

#[test]
fn ten_bit_video_is_narrowed_to_eight() {
    let coding = ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-b:v", "500k", "-x265-params"];
    let coding = [&coding[..], &["bframes=0:keyint=15:log-level=1"]].concat();
    let (frames, theirs) = made("ten", Codec::H265, SOURCE, &coding);
    let narrowed = |wide: &Vec<u8>| -> Vec<u8> {
        let samples = wide.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair) >> 2);
        samples.map(|sample| u8::try_from(sample).unwrap()).collect()
    };
    let theirs: Vec<Vec<u8>> = theirs.iter().map(narrowed).collect();
    assert_equal(&decoded(&frames), &theirs, "ten");
}

#[test]
fn a_jpeg_of_a_camera_is_nearly_what_ffmpeg_sees() {
    let path = folder().join("decode.jpg");
    let text = path.to_str().unwrap();
    let coding = ["-frames:v", "1", "-q:v", "3", "-pix_fmt", "yuvj420p"];
    ffmpeg(&[&["-f", "lavfi", "-i", "testsrc2=size=320x180"], &coding[..], &[text]].concat());
    let frame = jpeg(std::fs::read(&path).unwrap(), SIZE, 0, 1);
    let ours = key(&frame, Limits::default()).unwrap();
    let theirs = raw(&path, "mjpeg", 1).remove(0);
    // Each has its own rounding in the transform, and its own way of halving chroma.
    let (luma, _) = theirs.split_at(ours.y().len());
    let worst = ours.y().iter().zip(luma).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(4), "{worst:?}");
}

#[test]
fn what_is_too_large_is_refused_before_it_is_decoded() {
    let (frames, _) = made("limits", Codec::H264, SOURCE, &X264);
    let (other, _) = made(
        "limits-265",
        Codec::H265,
        SOURCE,
        &[&X265[..], &["-x265-params", "log-level=1"]].concat(),
    );
    let narrow = Limits { width: 300, ..Limits::default() };
    let few = Limits { bytes: 100, ..Limits::default() };
    for frame in [&frames[0], &other[0]] {
        let error = key(frame, narrow).unwrap_err();
        assert!(matches!(error, DecodeError::TooLarge { .. }), "{error}");
        assert!(matches!(key(frame, few), Err(DecodeError::TooLong(_))));
    }
    assert_eq!(key(&frames[1], Limits::default()), Err(DecodeError::NeedsKey));
}

#[test]
fn parameter_sets_inside_of_a_frame_do_not_evade_the_limits() {
    let (frames, _) = made("evade", Codec::H264, SOURCE, &X264);
    let (large, _) = made("large", Codec::H264, "testsrc2=size=640x360:rate=15", &X264);
    let mut bad = frames[0].clone();
    let mut data = Vec::new();
    for set in &large[0].track.parameter_sets {
        data.extend(u32::try_from(set.len()).unwrap().to_be_bytes());
        data.extend_from_slice(set);
    }
    data.extend_from_slice(&frames[0].data);
    bad.data = data.into();
    let narrow = Limits { width: 320, height: 192, ..Limits::default() };
    assert_eq!(key(&bad, narrow), key(&frames[0], narrow));
}

#[test]
fn a_flood_of_slices_is_refused() {
    let (frames, _) = made("flood", Codec::H264, SOURCE, &X264);
    let mut bad = frames[0].clone();
    bad.data = Bytes::from(frames[0].data.repeat(150));
    assert_eq!(key(&bad, Limits::default()), Err(DecodeError::TooManySlices(145)));
}

#[test]
fn flipped_bits_are_an_error_or_a_picture_and_never_a_panic() {
    let h265 = [&X265[..], &["-x265-params", "bframes=0:keyint=15:log-level=1"]].concat();
    let streams = [
        made("flip-cabac", Codec::H264, SOURCE, &[&X264[..], &["-profile:v", "main"]].concat()).0,
        made("flip-cavlc", Codec::H264, SOURCE, &[&X264[..], &["-profile:v", "baseline"]].concat())
            .0,
        made("flip-265", Codec::H265, SOURCE, &h265).0,
    ];
    let mut random = fastrand::Rng::with_seed(20_261_129);
    let (mut pictures, mut errors) = (0, 0);
    for round in 0..600 {
        let stream = &streams[round % streams.len()];
        let mut decoder = decoder(stream[0].track.codec, Limits::default());
        for frame in stream.iter().take(6) {
            let mut bad = frame.clone();
            let mut data = bad.data.to_vec();
            for _ in 0..random.usize(0..6) {
                let at = random.usize(0..data.len());
                data[at] ^= 1 << random.u8(0..8);
            }
            if random.u8(0..8) == 0 {
                data.truncate(random.usize(0..data.len()));
            }
            bad.data = data.into();
            // In a third of the rounds the parameter sets are hit as well.
            if round % 3 == 2 && frame.key {
                let mut track = (*bad.track).clone();
                let which = random.usize(0..track.parameter_sets.len());
                let mut set = track.parameter_sets[which].to_vec();
                let at = random.usize(0..set.len());
                set[at] ^= 1 << random.u8(0..8);
                track.parameter_sets[which] = set.into();
                bad.track = track.into();
            }
            match decoder.decode(&bad) {
                Ok(_) => pictures += 1,
                Err(_) => errors += 1,
            }
        }
    }
    assert!(
        pictures > 100 && errors > 100,
        "{pictures} pictures, {errors} errors: no test of both"
    );
}
