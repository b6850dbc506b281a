//! Intake from a real RTSP server: every codec, and every way to lose it.

mod harness;

use std::sync::Arc;
use std::time::Duration;

use gatehouse_camera::frame;
use gatehouse_camera::health::{Cause, HealthSettings, Ladder, Loss, Seen, State};
use gatehouse_camera::source::Credentials;
use gatehouse_camera::source::rtsp::{RtspSettings, Transport};
use gatehouse_core::time::Mono;
use harness::feeder::Codec;
use harness::{Auth, Feeder, Picture, Server, Taken, boottime, port};
use rustix::process::Signal;

struct Scene {
    server: Server,
    feeder: Feeder,
    udp: u16,
}

async fn scene(auth: Auth, encoding: &'static str, picture: Picture) -> anyhow::Result<Scene> {
    let udp = port();
    let feeder = Feeder::start(picture, udp)?;
    let server = Server::start(auth, &[("/cam", encoding, udp)]).await?;
    Ok(Scene { server, feeder, udp })
}

fn settings(scene: &Scene) -> RtspSettings {
    RtspSettings::new("cam", scene.server.address("/cam"))
}

/// What must hold of all frames of a session.
fn check(frames: &[frame::Frame], codec: frame::Codec, size: (u32, u32)) {
    assert!(frames[0].key, "the first frame is a key frame");
    for frame in frames {
        assert_eq!((frame.track.codec, (frame.track.width, frame.track.height)), (codec, size));
        assert!(Arc::ptr_eq(&frame.track, &frames[0].track), "one format, one track");
        if codec == frame::Codec::Jpeg {
            assert!(frame.key && frame.data.starts_with(&[0xff, 0xd8]));
        } else {
            let mut rest = &frame.data[..];
            while let Some((length, after)) = rest.split_first_chunk::<4>() {
                rest = &after[u32::from_be_bytes(*length) as usize..];
            }
            assert!(rest.is_empty(), "whole NAL units behind their lengths");
        }
    }
    let media = (frames[frames.len() - 1].media - frames[0].media) / 90;
    let ours = frames[frames.len() - 1].received.since(frames[0].received).as_millis();
    let off = u128::from(media.unsigned_abs()).abs_diff(ours);
    assert!(off < 1500, "the camera's time goes as ours: {media} ms, {ours} ms");
}

#[tokio::test]
async fn h264_by_tcp() -> anyhow::Result<()> {
    let scene = scene(Auth::None, "H264", Picture::SMALL).await?;
    let mut taken = Taken::start(settings(&scene));
    let frames = taken.frames(30).await?;
    check(&frames, frame::Codec::H264, (320, 240));
    assert_eq!(frames[0].track.parameter_sets.len(), 2);
    assert_eq!(frames.iter().take(30).filter(|frame| frame.key).count(), 3);
    assert!(taken.read(|log| log.losses().is_empty()));
    Ok(())
}

#[tokio::test]
async fn h264_by_udp() -> anyhow::Result<()> {
    let scene = scene(Auth::None, "H264", Picture::SMALL).await?;
    let mut settings = settings(&scene);
    settings.dialect.transport = Transport::Udp;
    let frames = Taken::start(settings).frames(30).await?;
    check(&frames, frame::Codec::H264, (320, 240));
    Ok(())
}

#[tokio::test]
async fn h265_with_open_groups_has_key_frames() -> anyhow::Result<()> {
    let picture = Picture { codec: Codec::H265Open, ..Picture::SMALL };
    let scene = scene(Auth::None, "H265", picture).await?;
    let frames = Taken::start(settings(&scene)).frames(40).await?;
    check(&frames, frame::Codec::H265, (320, 240));
    assert_eq!(frames[0].track.parameter_sets.len(), 3);
    let keys: Vec<_> = (0..40).filter(|&n| frames[n].key).collect();
    assert_eq!(keys, [0, 10, 20, 30]);
    Ok(())
}

#[tokio::test]
async fn mjpeg() -> anyhow::Result<()> {
    let picture = Picture { codec: Codec::Jpeg, per_second: 5, ..Picture::SMALL };
    let scene = scene(Auth::None, "JPEG", picture).await?;
    let frames = Taken::start(settings(&scene)).frames(15).await?;
    check(&frames, frame::Codec::Jpeg, (320, 240));
    Ok(())
}

#[tokio::test]
async fn the_right_password_opens_and_the_wrong_one_is_told_as_such() -> anyhow::Result<()> {
    for auth in [Auth::Digest("guard:s3cret"), Auth::Basic("guard:s3cret")] {
        let scene = scene(auth, "H264", Picture::SMALL).await?;
        let with = |password| RtspSettings {
            credentials: Some(Credentials::new("guard", password)),
            ..settings(&scene)
        };
        Taken::start(with("s3cret")).frames(5).await?;
        let mut wrong = Taken::start(with("other"));
        assert_eq!(wrong.loss(0).await?.1, Loss::Unauthorised, "{auth:?}");
        let mut none = Taken::start(settings(&scene));
        assert_eq!(none.loss(0).await?.1, Loss::Unauthorised, "{auth:?}");
        assert!(wrong.read(|log| log.frames.is_empty() && log.losses().len() == 1));
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_path_and_a_wrong_port_are_told_apart() -> anyhow::Result<()> {
    let scene = scene(Auth::None, "H264", Picture::SMALL).await?;
    let wrong_path = RtspSettings::new("cam", scene.server.address("/other"));
    let refused = Loss::Silent(Cause::Refused(404));
    assert_eq!(Taken::start(wrong_path).loss(0).await?.1, refused);
    let nobody = format!("rtsp://127.0.0.1:{}/cam", port());
    let nobody = gatehouse_camera::source::Address::rtsp(&nobody)?;
    let mut taken = Taken::start(RtspSettings::new("cam", nobody));
    assert_eq!(taken.loss(0).await?.1, Loss::Unreachable);
    Ok(())
}

#[tokio::test]
async fn a_camera_that_loses_power_is_missed_at_once_and_taken_again() -> anyhow::Result<()> {
    let mut scene = scene(Auth::None, "H264", Picture::SMALL).await?;
    let mut taken = Taken::start(settings(&scene));
    taken.frames(15).await?;
    let killed = boottime();
    scene.server.kill().await?;
    let (at, loss) = taken.loss(0).await?;
    assert!(at.since(killed) < Duration::from_secs(1));
    assert_ne!(loss, Loss::Unauthorised);
    assert_eq!(taken.loss(1).await?.1, Loss::Unreachable);
    let before = taken.read(|log| log.frames.len());
    scene.server.launch().await?;
    let frames = taken.frames(before + 30).await?;
    check(&frames[before..], frame::Codec::H264, (320, 240));
    let hold = HealthSettings {
        loss_after: Duration::from_millis(200),
        restore_after: Duration::from_millis(800),
        ..HealthSettings::default()
    };
    let told = taken.read(|log| {
        let mut ladder = Ladder::new(hold, log.seen[0].0);
        let reports = log.seen.iter().filter_map(|&(at, seen)| ladder.seen(at, seen));
        reports.map(|report| report.state).collect::<Vec<_>>()
    });
    // Between the answer and the first picture it may be told as silent: the hold-offs are short.
    assert!(told.starts_with(&[State::Up]) && told.ends_with(&[State::Up]), "{told:?}");
    assert!(told.contains(&State::Unreachable), "{told:?}");
    assert!(frames[before].media < 90_000 * 20, "a session's time begins anew");
    Ok(())
}

/// The encoder of the camera hangs: its connection stands, and nothing comes.
#[tokio::test]
async fn a_stall_is_seen_within_five_seconds_and_ends_with_the_stall() -> anyhow::Result<()> {
    let scene = scene(Auth::None, "H264", Picture::SMALL).await?;
    let mut taken = Taken::start(settings(&scene));
    taken.frames(10).await?;
    scene.feeder.signal(Signal::STOP)?;
    let (at, loss) = taken.loss(0).await?;
    assert_eq!(loss, Loss::Silent(Cause::Stalled));
    let last = taken.read(|log| log.frames.last().map(|frame| frame.received)).unwrap();
    let after = at.since(last);
    assert!((2900..5000).contains(&after.as_millis()), "{after:?}");
    let before = taken.read(|log| log.frames.len());
    scene.feeder.signal(Signal::CONT)?;
    taken.frames(before + 10).await?;
    Ok(())
}

/// The whole camera hangs: it takes connections, and answers none.
#[tokio::test]
async fn a_hung_camera_is_told_from_one_that_cannot_be_reached() -> anyhow::Result<()> {
    let scene = scene(Auth::None, "H264", Picture::SMALL).await?;
    let mut settings = settings(&scene);
    settings.answer = Duration::from_secs(2);
    let mut taken = Taken::start(settings);
    taken.frames(10).await?;
    let stopped = boottime();
    scene.server.signal(Signal::STOP)?;
    let (at, loss) = taken.loss(0).await?;
    assert_eq!(loss, Loss::Silent(Cause::Stalled));
    assert!(at.since(stopped) < Duration::from_secs(5));
    assert_eq!(taken.loss(1).await?.1, Loss::Silent(Cause::Hung));
    let before = taken.read(|log| log.frames.len());
    scene.server.signal(Signal::CONT)?;
    taken.frames(before + 10).await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_changes_its_size_gives_another_track() -> anyhow::Result<()> {
    let scene = scene(Auth::None, "H264", Picture::SMALL).await?;
    let mut taken = Taken::start(settings(&scene));
    taken.frames(10).await?;
    scene.feeder.kill().await?;
    let _second = Feeder::start(Picture { size: "640x480", ..Picture::SMALL }, scene.udp)?;
    let at = taken
        .wait("pictures of the other size", Duration::from_secs(40), |log| {
            let wide = |frame: &frame::Frame| frame.track.width == 640;
            let at = log.frames.iter().position(wide)?;
            (log.frames.len() >= at + 15).then_some(at)
        })
        .await?;
    taken.read(|log| {
        check(&log.frames[at..], frame::Codec::H264, (640, 480));
        assert!(log.seen.iter().any(|(_, seen)| matches!(seen, Seen::Picture { width: 640, .. })));
    });
    Ok(())
}

/// Viewers come in the middle of a group, and a source is dropped at any time.
#[tokio::test]
async fn a_source_that_is_dropped_and_begun_again_begins_with_a_key_frame() -> anyhow::Result<()> {
    let picture = Picture { group: 30, ..Picture::SMALL };
    let scene = scene(Auth::None, "H264", picture).await?;
    // It keeps the stream going between the others.
    let mut watching = Taken::start(settings(&scene));
    let mut last = Mono(0);
    for round in 1..=4 {
        watching.frames(round * 7).await?;
        let frames = Taken::start(settings(&scene)).frames(1).await?;
        assert!(frames[0].key && frames[0].received > last);
        last = frames[0].received;
    }
    Ok(())
}

/// A ring holds thousands: what a vector had in reserve must not go along.
#[tokio::test]
async fn a_frame_holds_no_more_memory_than_its_bytes() -> anyhow::Result<()> {
    let scene = scene(Auth::None, "H264", Picture::SMALL).await?;
    let mut taken = Taken::start(settings(&scene));
    taken.frames(12).await?;
    for frame in taken.take() {
        let length = frame.data.len();
        let alone = frame.data.try_into_mut().expect("nobody shares it");
        assert_eq!(alone.capacity(), length);
    }
    Ok(())
}
