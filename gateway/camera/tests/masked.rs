//! Clips and pictures of a camera with a mask, from real streams: nobody sees what it hides, neither in
//! what lies on the disk in the end nor in what lay there for a moment, and no byte of the camera's own
//! is there.
//!
//! The cameras show a dark picture, and a bright marker where the mask is.

#![cfg(feature = "masked-clips")]
#![expect(clippy::unwrap_used, reason = "what a suite cannot have ends it")]

mod evidence;
mod harness;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use evidence::{JPEG, Region, Seen, Source, hidden, holds_pictures, shown};
use gatehouse_camera::clip::disk::SystemDisk;
use gatehouse_camera::clip::masked::{MaskedRecorder, MaskedSettings, MaskedWays, work};
use gatehouse_camera::clip::{
    Bell, ClipFile, ClipId, ClipLimits, ClipTold, Recorder, Recovered, Trigger, half_written,
    recover,
};
use gatehouse_camera::decode::{Limits, key};
use gatehouse_camera::frame::{Codec as CodecOf, Frame};
use gatehouse_camera::health::Seen as SeenOf;
use gatehouse_camera::picture::{JPEG_QUALITY, Mask, Point, Polygon};
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

const REGION: Region = Region { left: 0.25, top: 0.25, right: 0.5, bottom: 0.65 };

/// All is dark but for a white marker with some structure, a little smaller than the region.
const MARKED: &str = "lutyuv=y=16+val/4,\
    drawbox=x=iw*0.27:y=ih*0.27:w=iw*0.21:h=ih*0.36:color=white:t=fill,\
    drawgrid=x=iw*0.27:y=ih*0.27:w=24:h=24:t=1:c=black@0.1";

fn mask() -> Mask {
    let Region { left, top, right, bottom } = REGION;
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
    let corners = corners.iter().map(|&(x, y)| Point { x, y }).collect();
    Mask::new(vec![Polygon::new(corners).unwrap()])
}

/// All that came, and whoever waits for it.
type Came = Arc<(Mutex<Vec<Frame>>, Notify)>;

/// Into the queue, and kept to compare.
struct Into {
    queue: Queue,
    came: Came,
}

impl Sink for Into {
    fn frame(&mut self, frame: Frame) {
        self.came.0.lock().unwrap().push(frame.clone());
        self.queue.push(frame);
        self.came.1.notify_one();
    }

    fn seen(&mut self, _: Mono, _: SeenOf) {}
}

/// A camera with its recorder, as the daemon has it.
struct Scene {
    feeder: Feeder,
    _server: Server,
    folder: TempDir,
    came: Came,
    bell: Bell,
    told: tokio::sync::mpsc::Receiver<ClipTold>,
    tasks: JoinSet<()>,
    thread: std::thread::JoinHandle<()>,
    udp: u16,
    seen: Seen,
}

async fn scene(encoding: &'static str, picture: Picture) -> anyhow::Result<Scene> {
    let udp = port();
    let feeder = Feeder::start(picture, udp)?;
    let server = Server::start(Auth::None, &[("/cam", encoding, udp)]).await?;
    let folder = tempfile::tempdir()?;
    let (feed, mut drain) = queue(QueueLimits::USUAL);
    let bell = Bell::new(&drain);
    let came = Came::default();
    let settings = RtspSettings::new("cam", server.address("/cam"));
    let mut sink = Into { queue: feed, came: came.clone() };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        run(settings, &boottime, &mut sink).await;
    });
    let ring = Ring::new(RingLimits { span: LIMITS.before, ..RingLimits::default() });
    let path = folder.path().to_owned();
    let settings = MaskedSettings::default();
    let mut recorder = MaskedRecorder::new(SystemDisk, path, LIMITS, ring, mask(), settings);
    let (tell, told) = tokio::sync::mpsc::channel(8);
    let rung = bell.clone();
    let thread = std::thread::Builder::new().name("clips".into()).spawn(move || {
        let moved = AtomicBool::new(false);
        let turns = |work: &mut dyn FnMut()| work();
        let ways = MaskedWays { clock: &boottime, turns: &turns, moved: &moved };
        work(&mut recorder, &mut drain, &rung, ways, &mut |clip| {
            tell.blocking_send(clip).unwrap();
        });
    })?;
    let seen = Seen::default();
    Ok(Scene { feeder, _server: server, folder, came, bell, told, tasks, thread, udp, seen })
}

impl Scene {
    /// Waits for so many frames, and looks into the folder at each.
    async fn frames(&mut self, least: usize) -> anyhow::Result<()> {
        let coming = async {
            while self.came.0.lock().unwrap().len() < least {
                self.came.1.notified().await;
                self.seen.look(self.folder.path())?;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(40), coming).await.context("frames")?
    }

    fn count(&self) -> usize {
        self.came.0.lock().unwrap().len()
    }

    fn trigger(&self, id: &str) -> Mono {
        let at = boottime();
        self.bell.ring(Trigger { id: ClipId::new(id).unwrap(), at });
        at
    }

    /// Waits for a clip, and looks into the folder at each frame until then.
    async fn clip(&mut self) -> anyhow::Result<Vec<ClipFile>> {
        let making = async {
            loop {
                tokio::select! {
                    told = self.told.recv() => return told.context("a recorder"),
                    () = self.came.1.notified() => self.seen.look(self.folder.path())?,
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(40), making).await.context("a clip")?? {
            ClipTold::Done { files, .. } => Ok(files),
            other => bail!("{other:?}"),
        }
    }

    /// A snapshot as the daemon makes it, of the newest key frame.
    fn snapshot(&self) -> anyhow::Result<()> {
        let newest = self.came.0.lock().unwrap().iter().rfind(|frame| frame.key).cloned();
        let picture = key(&newest.context("a key frame")?, Limits::default())?;
        let jpeg = mask().burn(picture).shrunk(1280, 720).jpeg(JPEG_QUALITY)?;
        std::fs::write(self.folder.path().join("a.jpg"), jpeg)?;
        Ok(())
    }

    /// Whatever ever lay in the folder shows nothing, and has no byte of the camera's.
    fn judge(&mut self) -> anyhow::Result<()> {
        self.seen.look(self.folder.path())?;
        let frames = self.came.0.lock().unwrap().clone();
        let source = Source::of(&frames);
        ensure!(source.runs() > 1000, "{} runs to look for", source.runs());
        let cut = tempfile::tempdir()?;
        let from_jpeg = frames[0].track.codec == CodecOf::Jpeg;
        let mut whole = 0;
        for (n, (path, bytes)) in self.seen.contents().enumerate() {
            // A JPEG of a JPEG has the same bits where the picture is flat: what it shows is looked at.
            let alike = from_jpeg && bytes.starts_with(&JPEG);
            if let Some(at) = source.find(bytes).filter(|_| !alike) {
                bail!("{} has bytes of the camera at {at}", path.display());
            }
            if !holds_pictures(bytes) {
                continue;
            }
            let end = if bytes.starts_with(&JPEG) { "jpg" } else { "mp4" };
            // What a power cut would have left there.
            let left = cut.path().join(format!("{n}.{end}"));
            std::fs::write(&left, bytes)?;
            hidden(&left, REGION).with_context(|| path.display().to_string())?;
            whole += 1;
        }
        ensure!(whole >= 3, "{whole} files had pictures");
        Ok(())
    }

    async fn end(mut self) {
        self.tasks.shutdown().await;
        self.thread.join().unwrap();
    }
}

/// The suite's eyes are open: of what the camera itself sends they say so.
fn sees_what_is_raw(frames: &[Frame], folder: &Path) -> anyhow::Result<()> {
    let first = frames.iter().find(|frame| frame.key).context("a key frame")?;
    let picture = key(first, Limits::default())?;
    let size = (picture.width(), picture.height());
    ensure!(shown(picture.y(), size, REGION, false).is_some(), "the marker is not there");
    let ring = Ring::new(RingLimits::default());
    let unmasked = Mask::none().unmasked().context("no mask")?;
    let mut raw = Recorder::new(SystemDisk, folder.to_owned(), LIMITS, ring, unmasked);
    for frame in frames {
        raw.frame(frame.clone());
    }
    raw.trigger(&Trigger { id: ClipId::new("raw")?, at: frames[frames.len() - 1].received });
    let Some(ClipTold::Done { files, .. }) = raw.end() else { bail!("no raw clip") };
    let bytes = std::fs::read(&files[0].path)?;
    ensure!(Source::of(frames).find(&bytes).is_some(), "a raw clip has no raw byte");
    ensure!(hidden(&files[0].path, REGION).is_err(), "a raw clip shows nothing");
    Ok(())
}

async fn hides(encoding: &'static str, codec: Codec, size: &'static str) -> anyhow::Result<()> {
    let picture = Picture { codec, size, filter: MARKED, ..Picture::SMALL };
    let mut scene = scene(encoding, picture).await?;
    scene.frames(35).await?;
    scene.snapshot()?;
    let at = scene.trigger("a");
    let files = scene.clip().await?;
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let probed = probe(&file.path)?;
    assert_eq!((probed.codec.as_str(), probed.width, probed.height), ("h264", 640, 360));
    // From a moment before the trigger, whatever group it is in, to one after it.
    let (first, last) = file.span.unwrap();
    let (before, after) = (at.since(first).as_secs_f64(), last.since(at).as_secs_f64());
    assert!((1.7..=2.0).contains(&before), "{before} s before");
    assert!((2.0..=3.0).contains(&after), "{after} s after");
    let off = probed.duration - last.since(first).as_secs_f64();
    assert!((-0.3..0.5).contains(&off), "{probed:?} of {before} + {after} s");
    assert_eq!(Some(probed.frames), file.frames);
    // 10 in a second, but for what a loaded machine's feeder is late.
    assert!((35..=51).contains(&probed.frames), "{probed:?}");
    let bytes = std::fs::read(&file.path)?;
    assert_eq!(
        ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref(),
        file.content.unwrap().sha256
    );
    assert!(scene.seen.partial() > 0, "no half-written file was seen");
    scene.judge()?;
    let frames = scene.came.0.lock().unwrap().clone();
    let raw = tempfile::tempdir()?;
    sees_what_is_raw(&frames, raw.path())?;
    scene.end().await;
    Ok(())
}

#[tokio::test]
async fn h264_that_is_shrunk() -> anyhow::Result<()> {
    hides("H264", Codec::H264, "1280x720").await
}

#[tokio::test]
async fn h264_with_pictures_out_of_order() -> anyhow::Result<()> {
    hides("H264+timed", Codec::H264Reordered, "640x360").await
}

#[tokio::test]
async fn h265_with_open_groups() -> anyhow::Result<()> {
    hides("H265+timed", Codec::H265Open, "640x360").await
}

#[tokio::test]
async fn mjpeg() -> anyhow::Result<()> {
    hides("JPEG", Codec::Jpeg, "640x360").await
}

/// The recorder is killed in mid-clip: what is made whole at the next start is masked as well.
#[tokio::test]
async fn what_a_power_cut_left_is_masked() -> anyhow::Result<()> {
    let picture = Picture { size: "640x360", filter: MARKED, ..Picture::SMALL };
    let mut scene = scene("H264", picture).await?;
    scene.frames(25).await?;
    scene.trigger("a");
    scene.frames(50).await?;
    let bytes = std::fs::read(scene.folder.path().join("a.mp4.partial"))?;
    let after = tempfile::tempdir()?;
    for (n, cut) in [bytes.len(), bytes.len() - 1, bytes.len() * 2 / 3].into_iter().enumerate() {
        std::fs::write(after.path().join(format!("cut{n}.mp4.partial")), &bytes[..cut])?;
    }
    for partial in half_written(after.path())? {
        let told = recover(&partial, None);
        let Recovered::Kept { file, .. } = told else { bail!("{told:?}") };
        assert!(probe(&file.path)?.frames >= 10);
        hidden(&file.path, REGION)?;
    }
    scene.end().await;
    Ok(())
}

#[tokio::test]
async fn a_clip_over_a_change_of_size_has_two_files_that_are_both_masked() -> anyhow::Result<()> {
    let picture = Picture { size: "640x360", filter: MARKED, ..Picture::SMALL };
    let mut scene = scene("H264", picture).await?;
    scene.frames(25).await?;
    scene.trigger("a");
    let second = Feeder::start(Picture { size: "640x480", ..picture }, scene.udp)?;
    std::mem::replace(&mut scene.feeder, second).kill().await?;
    // However late the other size comes: it is in the clip that the next trigger prolongs.
    let before = scene.count();
    scene.frames(before + 15).await?;
    scene.trigger("b");
    let files = scene.clip().await?;
    let sizes: Vec<_> =
        files.iter().map(|file| probe(&file.path).map(|p| p.width)).collect::<Result<_, _>>()?;
    assert_eq!(sizes, [640, 480]);
    scene.judge()?;
    scene.end().await;
    Ok(())
}
