//! Intake from live555, a server of another make: it plays a file once for each client and says
//! goodbye at its end. `tests/live555/build` builds it.

#![expect(clippy::unwrap_used, reason = "tests only")]

#[expect(dead_code, reason = "JPEG files are of other suites")]
mod clip;
mod harness;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use gatehouse_camera::decode::{Limits, decoder};
use gatehouse_camera::frame::{self, Frame};
use gatehouse_camera::health::{Cause, HealthSettings, Ladder, Loss, Shortfall, State};
use gatehouse_camera::source::rtsp::{RtspSettings, Transport};
use gatehouse_camera::source::{Address, Credentials};
use harness::{Taken, boottime, port};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Pictures of each file: 4 s, a key frame each second.
const PICTURES: usize = 40;

/// A running server with the mounts `h264` and `h265`.
struct Live555 {
    program: PathBuf,
    port: u16,
    login: &'static str,
    child: Option<Child>,
}

impl Live555 {
    /// `login`: `USER:PASSWORD` by digest, or `-`.
    async fn start(login: &'static str) -> anyhow::Result<Self> {
        let build = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/live555/build");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("target/tmp")?;
        let built =
            Command::new(build).env("CARGO_TARGET_DIR", target).stderr(Stdio::inherit()).output();
        let built = built.await.context(build)?;
        ensure!(built.status.success(), "{build} failed");
        let program = PathBuf::from(String::from_utf8(built.stdout)?.trim());
        let mut server = Self { program, port: port(), login, child: None };
        server.launch().await?;
        Ok(server)
    }

    /// Starts it again, on the same port.
    async fn launch(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command.arg(self.port.to_string()).arg(self.login);
        for codec in ["h264", "h265"] {
            command.arg(format!("{codec}={}", film(codec).display()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("start live555")?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        match lines.next_line().await? {
            Some(line) if line == "ready" => {}
            other => bail!("live555 said {other:?}"),
        }
        self.child = Some(child);
        Ok(())
    }

    /// Power off.
    async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.take().context("it runs")?.kill().await.context("kill live555")
    }

    fn settings(&self, codec: &str) -> anyhow::Result<RtspSettings> {
        let address = Address::rtsp(&format!("rtsp://127.0.0.1:{}/{codec}", self.port))?;
        Ok(RtspSettings::new("cam", address))
    }
}

/// A raw file of 320x240, made once for each run of a test program.
fn film(codec: &str) -> PathBuf {
    static MAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = MAKING.lock();
    let path = clip::folder().join(format!("film-{}.{codec}", std::process::id()));
    if !path.exists() {
        let encoder: &[&str] = match codec {
            "h264" => &["libx264", "-bf", "0", "-g", "10", "-f", "h264"],
            _ => &[
                "libx265",
                "-x265-params",
                "bframes=0:keyint=10:pools=1:log-level=error",
                "-f",
                "hevc",
            ],
        };
        let source = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=10:d=4"];
        let code = ["-pix_fmt", "yuv420p", "-preset", "ultrafast", "-c:v"];
        clip::ffmpeg(&[&source[..], &code, encoder, &[path.to_str().unwrap()]].concat());
    }
    path
}

/// The frames of the first session, and how it ended.
async fn session(settings: RtspSettings) -> anyhow::Result<(Vec<Frame>, Loss)> {
    let mut taken = Taken::start(settings);
    let (at, loss) = taken.loss(0).await?;
    let frames = taken.take().into_iter().filter(|frame| frame.received <= at);
    Ok((frames.collect(), loss))
}

#[tokio::test]
async fn every_picture_of_a_file_comes_and_its_end_is_told() -> anyhow::Result<()> {
    let server = Live555::start("-").await?;
    for (name, codec, sets) in [("h264", frame::Codec::H264, 2), ("h265", frame::Codec::H265, 3)] {
        for transport in [Transport::Tcp, Transport::Udp] {
            let mut settings = server.settings(name)?;
            settings.dialect.transport = transport;
            let (frames, loss) = session(settings).await?;
            let what = format!("{name} {transport:?}: {} frames", frames.len());
            assert_eq!(loss, Loss::Silent(Cause::Ended), "{what}");
            // It cannot know where the last one ends, and sends it without the mark of that. A datagram
            // or two may be lost where the machine is busy.
            let missing = if transport == Transport::Tcp { 1 } else { 5 };
            assert!((PICTURES - missing..=PICTURES).contains(&frames.len()), "{what}");
            for (index, frame) in frames.iter().enumerate() {
                let track = &frame.track;
                assert_eq!((track.codec, track.width, track.height), (codec, 320, 240), "{what}");
                assert_eq!(track.parameter_sets.len(), sets, "{what}");
                if transport == Transport::Tcp {
                    assert_eq!(frame.key, index % 10 == 0, "{what}, picture {index}");
                }
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn pictures_are_those_of_the_file() -> anyhow::Result<()> {
    let server = Live555::start("-").await?;
    for (name, codec) in [("h264", frame::Codec::H264), ("h265", frame::Codec::H265)] {
        let (frames, _) = session(server.settings(name)?).await?;
        let filmed = clip::frames(&film(name), codec, (320, 240), 10);
        assert_eq!(filmed.len(), PICTURES);
        let mut received = decoder(codec, Limits::default());
        let mut direct = decoder(codec, Limits::default());
        for (frame, film) in frames.iter().zip(&filmed) {
            let (frame, film) = (received.decode(frame)?.unwrap(), direct.decode(film)?.unwrap());
            assert_eq!(frame.y(), film.y(), "{name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn its_digest_is_answered_and_a_wrong_password_is_told_as_such() -> anyhow::Result<()> {
    let server = Live555::start("guard:s3cret").await?;
    let with = |password| -> anyhow::Result<_> {
        let credentials = Some(Credentials::new("guard", password));
        Ok(RtspSettings { credentials, ..server.settings("h264")? })
    };
    let mut right = Taken::start(with("s3cret")?);
    right.frames(5).await?;
    let mut wrong = Taken::start(with("other")?);
    assert_eq!(wrong.loss(0).await?.1, Loss::Unauthorised);
    let mut none = Taken::start(server.settings("h264")?);
    assert_eq!(none.loss(0).await?.1, Loss::Unauthorised);
    Ok(())
}

/// What a ladder with short hold-offs tells of what came.
fn told(taken: &Taken, loss_after: Duration) -> Vec<State> {
    let hold = HealthSettings {
        loss_after,
        restore_after: Duration::from_millis(800),
        ..HealthSettings::default()
    };
    taken.read(|log| {
        let mut ladder = Ladder::new(hold, log.seen[0].0);
        let reports = log.seen.iter().filter_map(|&(at, seen)| ladder.seen(at, seen));
        reports.map(|report| report.state).collect()
    })
}

/// A camera that ends its sessions, as recorders at their licence's limit do.
#[tokio::test]
async fn sessions_that_end_again_and_again_are_begun_anew_and_degrade() -> anyhow::Result<()> {
    let server = Live555::start("-").await?;
    let mut taken = Taken::start(server.settings("h264")?);
    let fourth = taken.loss(3).await?.0;
    taken
        .wait("most of the fifth session", Duration::from_secs(20), |log| {
            let after = log.frames.last()?.received.since(fourth);
            (after > Duration::from_millis(3500)).then_some(())
        })
        .await?;
    assert!(taken.read(|log| log.frames.len() >= 4 * (PICTURES - 1)));
    // Longer than it takes to begin anew.
    let told = told(&taken, Duration::from_millis(2500));
    assert_eq!(told.first(), Some(&State::Up), "{told:?}");
    assert_eq!(told.last(), Some(&State::Degraded(Shortfall::Unstable)), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn its_power_is_cut_and_it_is_taken_again() -> anyhow::Result<()> {
    let mut server = Live555::start("-").await?;
    let mut taken = Taken::start(server.settings("h264")?);
    taken.frames(15).await?;
    let killed = boottime();
    server.kill().await?;
    let (at, _) = taken.loss(0).await?;
    assert!(at.since(killed) < Duration::from_secs(1), "{:?}", at.since(killed));
    assert_eq!(taken.loss(1).await?.1, Loss::Unreachable);
    let before = taken.read(|log| log.frames.len());
    server.launch().await?;
    let frames = taken.frames(before + 15).await?;
    assert!(frames[before].key && frames[before].media < 90_000);
    let told = told(&taken, Duration::from_millis(200));
    assert!(told.starts_with(&[State::Up]) && told.ends_with(&[State::Up]), "{told:?}");
    assert!(told.contains(&State::Unreachable), "{told:?}");
    Ok(())
}
