//! What many streams with their rings cost, as shares of one core: `tests/bench/cameras`.
//!
//! The cameras are one mount of gst-rtsp-server, fed with a file that is not coded anew. Its own cost and
//! that of the feeder are told apart. The peer is ffmpeg, a process for each stream that it takes and
//! throws away (`-c copy -f null`), from the same server in the same run.

#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "figures, told on standard output"
)]

mod harness;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use gatehouse_camera::ring::RingLimits;
use gatehouse_camera::source::rtsp::RtspSettings;
use harness::process::{cpu_s, resident_kb};
use harness::{Auth, Feeder, Server, Taken, boottime, port};
use tokio::process::{Child, Command};

/// Pictures a second of the file.
const RATE: usize = 15;

struct Wanted {
    streams: usize,
    size: &'static str,
    bits: &'static str,
}

#[tokio::test]
#[ignore = "a minute; run it by tests/bench/cameras"]
async fn sixteen_small_streams_with_rings() -> anyhow::Result<()> {
    measure(Wanted { streams: 16, size: "640x360", bits: "400k" }).await
}

#[tokio::test]
#[ignore = "a minute; run it by tests/bench/cameras"]
async fn thirty_two_streams_of_1080p_with_rings() -> anyhow::Result<()> {
    measure(Wanted { streams: 32, size: "1920x1080", bits: "2000k" }).await
}

/// `BENCH_SECONDS` of each are measured, 30 if it is not set.
async fn measure(wanted: Wanted) -> anyhow::Result<()> {
    let Wanted { streams, size, bits } = wanted;
    let seconds = std::env::var("BENCH_SECONDS").map_or(Ok(30), |text| text.parse())?;
    let udp = port();
    let _feeder = Feeder::repeats(&film(size, bits).await?, udp)?;
    let server = Server::start(Auth::None, &[("/cam", "H264", udp)]).await?;
    let serves = server.process_id()?;
    let before = resident_kb()?;
    let mut cameras = Vec::new();
    for n in 0..streams {
        let settings = RtspSettings::new(format!("cam{n}"), server.address("/cam"));
        cameras.push(Taken::rings(settings, RingLimits::default()));
    }
    // A ring of 10 s and a group more is full.
    for camera in &mut cameras {
        camera.pictures(RATE * 13).await?;
    }
    let me = std::process::id();
    let first = cameras[0].counted();
    let counted: usize = cameras.iter().map(Taken::counted).sum();
    // A session that joins in the middle of a group begins with a gap.
    let lost_before = lost(&cameras);
    let (began, ours, its) = (boottime(), cpu_s(me)?, cpu_s(serves)?);
    cameras[0].pictures(first + RATE * seconds).await?;
    let lasted = boottime().since(began).as_secs_f64();
    let each = |cpu: f64| cpu / lasted / f64::from(u32::try_from(streams).unwrap()) * 100.0;
    let (ours, its) = (each(cpu_s(me)? - ours), each(cpu_s(serves)? - its));
    let pictures = cameras.iter().map(Taken::counted).sum::<usize>() - counted;
    let rings: usize = cameras.iter().map(Taken::ring_bytes).sum();
    let grew = (resident_kb()? - before) as f64;
    let held = rings as f64 / 1024.0;
    let (packets, sessions) = lost(&cameras);
    let (packets, sessions) = (packets - lost_before.0, sessions - lost_before.1);
    drop(cameras);
    let copies = copies(streams, &server, seconds).await?;
    println!(
        "{streams} streams {size}, {bits}bit/s, {lasted:.0} s: {ours:.3} % of a core each, the server \
         {its:.3} %, ffmpeg -c copy {copies:.3} % (ratio {:.2}); RSS grew {:.2} MB each for {:.2} MB \
         in the ring ({:.3}); {pictures} pictures, {packets} packets and {sessions} sessions lost",
        ours / copies,
        grew / 1024.0 / streams as f64,
        held / 1024.0 / streams as f64,
        grew / held,
    );
    assert_eq!((packets, sessions), (0, 0), "packets and sessions lost");
    let due = streams * RATE * seconds;
    assert!(pictures.abs_diff(due) <= streams * RATE, "{pictures} of {due} pictures");
    // A session takes some 150 kB by itself, which a small ring is not measured by.
    let small = size == "640x360";
    assert!(small || grew <= held * 1.2, "{grew:.0} kB for rings of {held:.0} kB");
    assert!(ours <= 0.15 || cfg!(debug_assertions), "{ours:.3} % of a core for each stream");
    Ok(())
}

/// Packets and sessions.
fn lost(cameras: &[Taken]) -> (u64, u64) {
    let each =
        cameras.iter().map(|camera| camera.read(|log| (log.packets_lost, log.sessions_lost)));
    each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Percent of a core that ffmpeg takes for each stream.
async fn copies(streams: usize, server: &Server, seconds: usize) -> anyhow::Result<f64> {
    let mut peers = Vec::new();
    for _ in 0..streams {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i"]);
        command.arg(server.address("/cam").to_string()).args(["-c", "copy", "-f", "null", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        peers.push(command.spawn().context("start ffmpeg")?);
    }
    let used = |peers: &[Child]| -> anyhow::Result<f64> {
        peers.iter().map(|peer| cpu_s(peer.id().context("it runs")?)).sum()
    };
    // Each has looked for the stream's format, which takes it 5 s.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (began, before) = (boottime(), used(&peers)?);
    tokio::time::sleep(Duration::from_secs(u64::try_from(seconds / 2)?)).await;
    let lasted = boottime().since(began).as_secs_f64();
    Ok((used(&peers)? - before) / lasted / f64::from(u32::try_from(streams)?) * 100.0)
}

/// 20 s of a yard with a sensor's noise, a key frame every 2 s.
async fn film(size: &str, bits: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("streams-{size}.ts"));
    if path.exists() {
        return Ok(path);
    }
    let part = path.with_extension("part");
    let source = format!(
        "testsrc2=s=64x36:r={RATE},trim=end_frame=1,loop=-1:1,setpts=N/{RATE}/TB,\
         scale={size}:flags=neighbor,eq=contrast=0.3,noise=alls=6:allf=t"
    );
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &source, "-t", "20"]);
    command.args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "0"]);
    command.args(["-g", "30", "-b:v", bits, "-maxrate", bits, "-bufsize", bits, "-f", "mpegts"]);
    ensure!(command.arg(&part).status().await?.success(), "ffmpeg");
    std::fs::rename(part, &path)?;
    Ok(path)
}
