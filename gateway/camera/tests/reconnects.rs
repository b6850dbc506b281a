//! What a thousand reconnects leave behind in memory. Minutes long, and so only when asked for:
//! `tests/bench/cameras`.

mod harness;

use std::time::Duration;

use gatehouse_camera::source::rtsp::RtspSettings;
use gatehouse_core::backoff::Backoff;
use harness::hostile::{Hostile, Lie};
use harness::process::{files, resident_kb};
use harness::{Auth, Feeder, Picture, Server, Taken, boottime, port};

/// The camera ends each session after 20 pictures.
#[tokio::test]
#[ignore = "a minute; run it by tests/bench/cameras"]
async fn a_thousand_sessions_that_the_camera_ends() -> anyhow::Result<()> {
    let hostile = Hostile::start(Lie::None, 1).await?;
    let soon = Backoff::new(Duration::ZERO, Duration::from_millis(1), Duration::from_millis(5));
    let settings = RtspSettings { retry: soon, ..RtspSettings::new("cam", hostile.address()) };
    let mut taken = Taken::start_as(settings);
    let mut figures = Vec::new();
    for sessions in [100, 200, 1000] {
        taken.forget_until(sessions, &hostile).await?;
        figures.push((sessions, resident_kb()?, files()?));
    }
    println!("own server, (sessions, RSS in kB, open files): {figures:?}");
    let [_, (_, warm, open), (_, last, left)] = figures[..] else { unreachable!() };
    assert!(last < warm + 2048, "it grew: {figures:?}");
    assert!(left <= open + 4, "files stay open: {figures:?}");
    Ok(())
}

/// The source is dropped in mid-stream and begun anew, against gst-rtsp-server.
#[tokio::test]
#[ignore = "five minutes; run it by tests/bench/cameras"]
async fn a_thousand_sessions_that_are_dropped() -> anyhow::Result<()> {
    let udp = port();
    let _feeder = Feeder::start(Picture { group: 1, ..Picture::SMALL }, udp)?;
    let server = Server::start(Auth::None, &[("/cam", "H264", udp)]).await?;
    let began = boottime();
    let mut figures = Vec::new();
    for sessions in 1..=1000u32 {
        let settings = RtspSettings::new("cam", server.address("/cam"));
        Taken::start(settings).frames(1).await?;
        if [100, 200, 1000].contains(&sessions) {
            figures.push((sessions, resident_kb()?, files()?));
        }
    }
    println!("gst, (sessions, RSS in kB, open files): {figures:?}; {:?}", boottime().since(began));
    let [_, (_, warm, open), (_, last, left)] = figures[..] else { unreachable!() };
    assert!(last < warm + 2048, "it grew: {figures:?}");
    assert!(left <= open + 4, "files stay open: {figures:?}");
    Ok(())
}
