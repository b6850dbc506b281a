//! Clips of real streams, as players see them.

#![expect(clippy::unwrap_used, reason = "what a suite cannot have ends it")]
#![expect(clippy::print_stdout, reason = "how late a clip is durable is a figure")]

mod harness;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use gatehouse_camera::clip::disk::SystemDisk;
use gatehouse_camera::clip::{
    Bell, ClipFile, ClipId, ClipLimits, ClipTold, Recorder, Recovered, Trigger, half_written,
    recover, work,
};
use gatehouse_camera::frame::Frame;
use gatehouse_camera::health::Seen;
use gatehouse_camera::picture::Mask;
use gatehouse_camera::ring::{Ring, RingLimits};
use gatehouse_camera::source::rtsp::{RtspSettings, run};
use gatehouse_camera::source::{Feeder as Queue, QueueLimits, Sink, queue};
use gatehouse_core::time::Mono;
use harness::feeder::Codec;
use harness::probe::probe;
use harness::{Auth, Feeder, Picture, Server, boottime, port};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinSet;

const LIMITS: ClipLimits = ClipLimits {
    before: Duration::from_secs(2),
    after: Duration::from_secs(3),
    longest: Duration::from_secs(20),
};

/// Into the queue, and counted.
struct Into {
    queue: Queue,
    came: Arc<(Mutex<usize>, Notify)>,
}

impl Sink for Into {
    fn frame(&mut self, frame: Frame) {
        self.queue.push(frame);
        *self.came.0.lock().unwrap() += 1;
        self.came.1.notify_one();
    }

    fn seen(&mut self, _: Mono, _: Seen) {}
}

/// A camera with its recorder, as the daemon has it.
struct Scene {
    server: Server,
    feeder: Feeder,
    folder: TempDir,
    came: Arc<(Mutex<usize>, Notify)>,
    bell: Bell,
    told: tokio::sync::mpsc::Receiver<(Mono, ClipTold)>,
    tasks: JoinSet<()>,
    thread: std::thread::JoinHandle<()>,
    udp: u16,
}

async fn scene(encoding: &'static str, picture: Picture) -> anyhow::Result<Scene> {
    let udp = port();
    let feeder = Feeder::start(picture, udp)?;
    let server = Server::start(Auth::None, &[("/cam", encoding, udp)]).await?;
    let folder = tempfile::tempdir()?;
    let (feed, mut drain) = queue(QueueLimits::USUAL);
    let bell = Bell::new(&drain);
    let came = Arc::<(Mutex<usize>, Notify)>::default();
    let settings = RtspSettings::new("cam", server.address("/cam"));
    let mut sink = Into { queue: feed, came: came.clone() };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        run(settings, &boottime, &mut sink).await;
    });
    let ring = Ring::new(RingLimits { span: LIMITS.before, ..RingLimits::default() });
    let unmasked = Mask::none().unmasked().context("no mask")?;
    let path = folder.path().to_owned();
    let mut recorder = Recorder::new(SystemDisk, path, LIMITS, ring, unmasked);
    let (tell, told) = tokio::sync::mpsc::channel(8);
    let rung = bell.clone();
    let thread = std::thread::Builder::new().name("clips".into()).spawn(move || {
        work(&mut recorder, &mut drain, &rung, &boottime, &mut |clip| {
            tell.blocking_send((boottime(), clip)).unwrap();
        });
    })?;
    Ok(Scene { server, feeder, folder, came, bell, told, tasks, thread, udp })
}

impl Scene {
    async fn frames(&self, least: usize) -> anyhow::Result<()> {
        let coming = async {
            while *self.came.0.lock().unwrap() < least {
                self.came.1.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(40), coming).await.context("frames")
    }

    fn trigger(&self, id: &str) -> Mono {
        let at = boottime();
        self.bell.ring(Trigger { id: ClipId::new(id).unwrap(), at });
        at
    }

    async fn clip(&mut self) -> anyhow::Result<(Mono, Vec<ClipFile>)> {
        let told = tokio::time::timeout(Duration::from_secs(40), self.told.recv()).await;
        match told.context("a clip in time")?.context("a recorder")? {
            (at, ClipTold::Done { files, .. }) => Ok((at, files)),
            other => bail!("{other:?}"),
        }
    }

    async fn end(mut self) {
        self.tasks.shutdown().await;
        self.thread.join().unwrap();
    }
}

async fn records(encoding: &'static str, codec: Codec, name: &str) -> anyhow::Result<()> {
    let picture = Picture { codec, ..Picture::SMALL };
    let mut scene = scene(encoding, picture).await?;
    scene.frames(35).await?;
    let at = scene.trigger("a");
    let (done, files) = scene.clip().await?;
    let late = done.since(at.plus(LIMITS.after));
    println!("{encoding} {name}: durable {} ms after the end", late.as_millis());
    assert!(late < Duration::from_millis(300), "durable {late:?} after the end");
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let probed = probe(&file.path)?;
    assert_eq!((probed.codec.as_str(), probed.width, probed.height), (name, 320, 240));
    let (first, last) = file.span.unwrap();
    // 2 s before the trigger and up to a group more, but for a frame; to 3 s after it, but for what
    // a loaded machine's feeder is late.
    let before = at.since(first).as_secs_f64();
    assert!((1.8..3.3).contains(&before), "{before} s before");
    let after = last.since(at).as_secs_f64();
    assert!((2.0..=3.0).contains(&after), "{after} s after");
    // The last picture is shown for some time too; the camera's time is not ours.
    let off = probed.duration - last.since(first).as_secs_f64();
    assert!((-0.3..0.5).contains(&off), "{probed:?} of {before} + {after} s");
    let frames = file.frames.unwrap();
    // Pictures before an open group's first key frame depend on what is not there.
    assert!(probed.frames <= frames && probed.frames + 2 >= frames, "{probed:?} {frames}");
    let bytes = std::fs::read(&file.path)?;
    assert_eq!(
        ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref(),
        file.content.unwrap().sha256
    );
    scene.end().await;
    Ok(())
}

#[tokio::test]
async fn h264() -> anyhow::Result<()> {
    records("H264", Codec::H264, "h264").await
}

#[tokio::test]
async fn h264_with_pictures_out_of_order() -> anyhow::Result<()> {
    records("H264+timed", Codec::H264Reordered, "h264").await
}

#[tokio::test]
async fn h265_with_open_groups() -> anyhow::Result<()> {
    records("H265+timed", Codec::H265Open, "hevc").await
}

#[tokio::test]
async fn mjpeg() -> anyhow::Result<()> {
    records("JPEG", Codec::Jpeg, "mjpeg").await
}

#[tokio::test]
async fn a_clip_over_a_change_of_size_has_two_files_that_both_play() -> anyhow::Result<()> {
    let mut scene = scene("H264", Picture::SMALL).await?;
    scene.frames(25).await?;
    scene.trigger("a");
    let second = Feeder::start(Picture { size: "640x480", ..Picture::SMALL }, scene.udp)?;
    std::mem::replace(&mut scene.feeder, second).kill().await?;
    // However late the other size comes: it is in the clip that the next trigger prolongs.
    let before = *scene.came.0.lock().unwrap();
    scene.frames(before + 15).await?;
    scene.trigger("b");
    let (_, files) = scene.clip().await?;
    let sizes: Vec<_> =
        files.iter().map(|file| probe(&file.path).map(|p| p.width)).collect::<Result<_, _>>()?;
    assert_eq!(sizes, [320, 640]);
    scene.end().await;
    Ok(())
}

/// The recorder is killed in mid-clip: its file is found at the next start, and plays.
#[tokio::test]
async fn what_a_power_cut_left_of_a_real_clip_plays() -> anyhow::Result<()> {
    let scene = scene("H264", Picture::SMALL).await?;
    scene.frames(25).await?;
    scene.trigger("a");
    scene.frames(45).await?;
    let partial = scene.folder.path().join("a.mp4.partial");
    let bytes = std::fs::read(&partial)?;
    let after = tempfile::tempdir()?;
    for (n, cut) in [bytes.len(), bytes.len() - 1, bytes.len() * 2 / 3].into_iter().enumerate() {
        std::fs::write(after.path().join(format!("cut{n}.mp4.partial")), &bytes[..cut])?;
    }
    for partial in half_written(after.path())? {
        let told = recover(&partial, None);
        let Recovered::Kept { file, .. } = told else { bail!("{told:?}") };
        let probed = probe(&file.path)?;
        assert!(probed.frames >= 10, "{probed:?}");
    }
    scene.end().await;
    Ok(())
}

/// The camera's power fails in mid-clip: the same file goes on when it is back.
#[tokio::test]
async fn a_clip_goes_on_after_a_reconnect() -> anyhow::Result<()> {
    let mut scene = scene("H264", Picture::SMALL).await?;
    scene.frames(25).await?;
    scene.trigger("a");
    let before = *scene.came.0.lock().unwrap();
    scene.server.kill().await?;
    // Each prolongs the clip, however long a loaded machine takes.
    scene.trigger("b");
    scene.server.launch().await?;
    scene.trigger("c");
    scene.frames(before + 15).await?;
    scene.trigger("d");
    let (_, files) = scene.clip().await?;
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let (first, last) = file.span.unwrap();
    let probed = probe(&file.path)?;
    let off = probed.duration - last.since(first).as_secs_f64();
    assert!((-0.3..0.5).contains(&off), "{probed:?}");
    assert!(probed.duration > 4.5, "{probed:?}");
    scene.end().await;
    Ok(())
}
