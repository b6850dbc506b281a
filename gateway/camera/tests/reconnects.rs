//! What a thousand reconnects leave behind in memory. Minutes long, and so only when asked for:
//! `tests/bench/cameras`.

mod harness;

use std::time::Duration;

use anyhow::Context as _;
use gatehouse_camera::ring::RingLimits;
use gatehouse_camera::source::rtsp::RtspSettings;
use gatehouse_core::backoff::Backoff;
use harness::hostile::{Hostile, Lie};
use harness::{Auth, Feeder, Picture, Server, Taken, boottime, port};

/// Memory of this process that is resident, in kB.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

fn files() -> anyhow::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// Seconds of a core that this process has used.
fn cpu() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.cast_unsigned(), u32::try_from(used.tv_nsec).unwrap_or(0))
        .as_secs_f64()
}

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
        figures.push((sessions, resident()?, files()?));
    }
    println!("own server, (sessions, RSS in kB, open files): {figures:?}");
    let [_, (_, warm, open), (_, last, left)] = figures[..] else { unreachable!() };
    assert!(last < warm + 2048, "it grew: {figures:?}");
    assert!(left <= open + 4, "files stay open: {figures:?}");
    Ok(())
}

/// What 16 small streams with their rings cost, one thread, as a share of one core.
#[tokio::test]
#[ignore = "half a minute; run it by tests/bench/cameras"]
async fn sixteen_streams_with_rings() -> anyhow::Result<()> {
    let udp = port();
    let picture = Picture { size: "640x360", per_second: 15, group: 30, ..Picture::SMALL };
    let _feeder = Feeder::start(picture, udp)?;
    let server = Server::start(Auth::None, &[("/cam", "H264", udp)]).await?;
    let before = resident()?;
    let mut cameras = Vec::new();
    for n in 0..16 {
        let settings = RtspSettings::new(format!("cam{n}"), server.address("/cam"));
        cameras.push(Taken::rings(settings, RingLimits::default()));
    }
    for camera in &mut cameras {
        camera.pictures(15 * 12).await?;
    }
    let (began, used) = (boottime(), cpu());
    let from = cameras[0].counted();
    cameras[0].pictures(from + 15 * 10).await?;
    let share = (cpu() - used) / boottime().since(began).as_secs_f64() / 16.0;
    let payload: usize = cameras.iter().map(Taken::ring_bytes).sum();
    println!(
        "16 streams 640x360 at 15/s: {:.3} % of a core each; {} kB of rings, RSS grew {} kB",
        share * 100.0,
        payload / 1024,
        resident()? - before
    );
    assert!(share < 0.005, "half a percent of a core is too much for a stream");
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
            figures.push((sessions, resident()?, files()?));
        }
    }
    println!("gst, (sessions, RSS in kB, open files): {figures:?}; {:?}", boottime().since(began));
    let [_, (_, warm, open), (_, last, left)] = figures[..] else { unreachable!() };
    assert!(last < warm + 2048, "it grew: {figures:?}");
    assert!(left <= open + 4, "files stay open: {figures:?}");
    Ok(())
}
