//! The thread that makes a camera's clips, and what is told of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use gatehouse_camera::clip::disk::Medium;
#[cfg(feature = "masked-clips")]
use gatehouse_camera::clip::masked::{self, MaskedRecorder, MaskedSettings, MaskedWays};
use gatehouse_camera::clip::{Bell, ClipFile, ClipId, ClipTold, Recorder, Trigger, work};
use gatehouse_camera::picture::Mask;
use gatehouse_camera::ring::Ring;
use gatehouse_camera::source::Drain;
use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::event::Class;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{error, warn};

use super::evidence::CLIPS;
use super::picture::report;
use super::plan::Plan;
use super::untold::Noter;
use super::watcher::Turns;
#[cfg(feature = "masked-clips")]
use super::watcher::be_nice;
use crate::clock::Clock;
use crate::eyes::Wish;
use crate::rules::Inputs;

/// The name of a clip says what it is of, and whether anybody may know.
fn name(camera: &Id, wish: &Wish) -> Option<ClipId> {
    let silent = if wish.silent { "-s" } else { "" };
    let name = match (wish.of, &wish.command) {
        (Some(seq), _) => format!("{camera}-{seq}{silent}"),
        (None, Some(command)) => format!("{camera}-{command}"),
        (None, None) => format!("{camera}-at-{}", wish.at.0),
    };
    ClipId::new(&name).ok()
}

/// Of which event a clip is, and whether that is silent.
fn meaning(camera: &Id, clip: &ClipId) -> (Option<Seq>, bool) {
    let name = clip.to_string();
    let rest = name.strip_prefix(camera.as_str()).and_then(|rest| rest.strip_prefix('-'));
    let rest = rest.unwrap_or_default();
    let (number, silent) = rest.strip_suffix("-s").map_or((rest, false), |number| (number, true));
    (number.parse().ok().map(Seq), silent)
}

/// A clip is to show this.
pub(super) fn ring(bell: &Bell, camera: &Id, wish: &Wish) {
    if let Some(id) = name(camera, wish) {
        bell.ring(Trigger { id, at: wish.at });
    } else {
        warn!(%camera, "a clip cannot be named; none is made");
    }
}

/// What a camera's clips are made with.
pub(super) struct Maker {
    pub(super) medium: Medium,
    pub(super) mask: Mask,
    pub(super) drain: Drain,
    pub(super) bell: Bell,
    pub(super) clock: Clock,
    pub(super) inputs: Inputs,
    /// For a camera with masks, whose pictures are decoded and encoded.
    pub(super) turns: Turns,
    /// Whether it looks elsewhere than its masks were drawn for.
    pub(super) moved: Arc<AtomicBool>,
    pub(super) recorders: Recorders,
}

/// The threads that make clips: at a stop they are waited for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorders(Arc<watch::Sender<usize>>);

/// A thread of [`Recorders`] that has not ended.
struct UnderWay(Arc<watch::Sender<usize>>);

impl Recorders {
    fn begin(&self) -> UnderWay {
        self.0.send_modify(|threads| *threads += 1);
        UnderWay(Arc::clone(&self.0))
    }

    /// Waits until all have ended, and said what came of their clips.
    pub(crate) async fn ended(&self) {
        // The sender is here: there is no error.
        let _ = self.0.subscribe().wait_for(|threads| *threads == 0).await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|threads| *threads -= 1);
    }
}

/// Why there are no clips of a camera with this mask, if there are none.
pub(super) fn refused(mask: &Mask) -> Option<&'static str> {
    let makes = cfg!(feature = "masked-clips") || mask.is_none();
    (!makes).then_some("this gateway is built without clips of cameras with masks")
}

/// Starts the thread; it ends with the source's end of `drain`. What a camera with a mask sends goes
/// to the recorder that paints it, or nowhere.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(plan: &Plan, maker: Maker) -> io::Result<JoinHandle<()>> {
    let Maker { medium, mask, mut drain, bell, clock, inputs, turns, moved, recorders } = maker;
    let under_way = recorders.begin();
    let teller = Teller {
        camera: plan.id().clone(),
        masked: !plan.camera.masks.is_empty(),
        around_s: (plan.camera.pre.as_secs(), plan.camera.post.as_secs()),
        clock: clock.clone(),
        inputs,
    };
    let folder = plan.evidence.join(CLIPS);
    let noter = Box::new(Noter {
        camera: teller.camera.clone(),
        around_s: teller.around_s,
        masked: teller.masked,
        clock: clock.clone(),
        root: plan.evidence.clone(),
    });
    let ring = Ring::new(plan.ring());
    let limits = plan.clips();
    let name: String = format!("clips-{}", plan.id()).chars().take(15).collect();
    std::thread::Builder::new().name(name).spawn(move || {
        let _under_way = under_way;
        let mono = || clock.mono();
        let mut tell = |told| teller.tell(told);
        if let Some(unmasked) = mask.unmasked() {
            let recorder = Recorder::new(medium, folder, limits, ring, unmasked);
            let mut recorder = recorder.noted(noter);
            return work(&mut recorder, &mut drain, &bell, &mono, &mut tell);
        }
        #[cfg(feature = "masked-clips")]
        {
            be_nice();
            let settings = MaskedSettings::default();
            let recorder = MaskedRecorder::new(medium, folder, limits, ring, mask, settings);
            let mut recorder = recorder.noted(noter);
            let turns = |work: &mut dyn FnMut()| {
                let _turn = turns.take_for_clip();
                work();
            };
            let ways = MaskedWays { clock: &mono, turns: &turns, moved: &moved };
            masked::work(&mut recorder, &mut drain, &bell, ways, &mut tell);
        }
        // Not started for such a camera; if it were, nothing would be kept.
        #[cfg(not(feature = "masked-clips"))]
        drop((turns, moved));
    })
}

/// Which events tell of a clip, and of what each says that it is. What is silent is told apart: in one
/// event it would be noticed.
pub(super) fn events(camera: &Id, id: &ClipId, merged: &[ClipId]) -> Vec<(&'static str, Vec<Seq>)> {
    let all = std::iter::once(id).chain(merged).map(|clip| meaning(camera, clip));
    let (silent, open): (Vec<_>, Vec<_>) = all.partition(|(_, silent)| *silent);
    let numbers = |these: Vec<(Option<Seq>, bool)>| -> Vec<Seq> {
        these.into_iter().filter_map(|(seq, _)| seq).collect()
    };
    let mut events = Vec::new();
    if !open.is_empty() {
        events.push(("camera.clip", numbers(open)));
    }
    if !silent.is_empty() {
        events.push(("camera.clip_silent", numbers(silent)));
    }
    events
}

/// What a clip shows, and how it came to be.
pub(super) struct Shown<'a> {
    pub(super) camera: &'a Id,
    pub(super) around_s: (u64, u64),
    pub(super) masked: Option<bool>,
    pub(super) from: Option<UtcMs>,
    pub(super) to: Option<UtcMs>,
    /// It was found at a start, and may have been cut off.
    pub(super) recovered: bool,
}

/// What an event says of a clip.
pub(super) fn facts(shown: &Shown<'_>, file: &ClipFile) -> Value {
    let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (pre_s, post_s) = shown.around_s;
    // Of what is seen; that of a clip which nobody here can look into is not known.
    let content = file.content.as_ref();
    let mut facts = json!({
        "camera": shown.camera, "ref": name,
        "sha256": content.map(|it| to_hex(&it.sha256)), "bytes": content.map(|it| it.bytes),
        "frames": file.frames, "pre_s": pre_s, "post_s": post_s, "masked": shown.masked,
        "from": shown.from, "to": shown.to,
    });
    if let Some(sealed) = &file.sealed {
        facts["sealed"] = json!({ "sha256": to_hex(&sealed.sha256), "bytes": sealed.bytes });
    }
    if shown.recovered {
        facts["recovered"] = json!(true);
    }
    facts
}

struct Teller {
    camera: Id,
    masked: bool,
    around_s: (u64, u64),
    clock: Clock,
    inputs: Inputs,
}

impl Teller {
    fn tell(&self, told: ClipTold) {
        match told {
            ClipTold::Done { id, merged, files } => self.done(&id, &merged, &files),
            ClipTold::Empty { id, merged } => {
                self.none(&id, &merged, "no picture came from its beginning to its end");
            }
            ClipTold::Failed { id, merged, error, files } => {
                error!(camera = %self.camera, clip = %id, %error, "a clip could not be kept");
                self.none(&id, &merged, &error.to_string());
                if !files.is_empty() {
                    self.done(&id, &merged, &files);
                }
            }
        }
    }

    fn done(&self, id: &ClipId, merged: &[ClipId], files: &[ClipFile]) {
        for file in files {
            for (kind, of) in events(&self.camera, id, merged) {
                let facts = json!({ "of": of, "clip": self.facts(file) });
                self.report((Class::Camera, kind), None, facts);
            }
        }
    }

    fn none(&self, id: &ClipId, merged: &[ClipId], why: &str) {
        for (kind, of) in events(&self.camera, id, merged) {
            if kind == "camera.clip" {
                let facts = json!({ "of": of.first() });
                let cause = Some(format!("no clip: {why}").chars().take(200).collect());
                self.report((Class::Fault, "camera.no_picture"), cause, facts);
            }
        }
    }

    fn facts(&self, file: &ClipFile) -> Value {
        let now = self.clock.now();
        let shown = Shown {
            camera: &self.camera,
            around_s: self.around_s,
            masked: Some(self.masked),
            from: file.span.map(|(from, _)| now.utc_at(from)),
            to: file.span.map(|(_, to)| now.utc_at(to)),
            recovered: false,
        };
        facts(&shown, file)
    }

    fn report(&self, (class, kind): (Class, &'static str), cause: Option<String>, detail: Value) {
        let report = report(&self.camera, (class, kind), cause, detail, None);
        if self.inputs.blocking_send(report).is_err() {
            warn!(camera = %self.camera, "stopping: a clip is told of at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatehouse_camera::decode::{Limits, key};
    use gatehouse_camera::frame::{Codec, Frame, Track};
    use gatehouse_camera::picture::{Picture, Range};
    use gatehouse_camera::source::{QueueLimits, queue};
    use gatehouse_core::time::Mono;

    use super::super::evidence;
    use super::*;
    use crate::eyes::What;
    use crate::rules::Queue;

    const SITE: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
        [[broker]]\nid = \"b\"\nhost = \"localhost\"\n\
        [[camera]]\nid = \"gate\"\nstream = \"rtsp://192.0.2.1/main\"\n";

    /// A camera's thread, fed with 3 s of a bright picture and a wish for a clip, until it has ended.
    async fn clip(masks: &str) -> (tempfile::TempDir, gatehouse_core::site::Report, Frame) {
        let config = gatehouse_config::Config::parse(&format!("{SITE}{masks}"), "test").unwrap();
        let (_, mut plan) = super::super::plan(&config).next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        plan.evidence = folder.path().to_owned();
        evidence::folders(folder.path());
        let (inputs, mut queue_of_rules): (Inputs, Queue) = Inputs::new(&config.site());
        let (feed, drain) = queue(QueueLimits::USUAL);
        let bell = Bell::new(&drain);
        let clock = Clock::system();
        let begin = clock.mono();
        let frame = bright(begin);
        for n in 0..30 {
            let received = begin.plus(Duration::from_millis(n * 100));
            let media = i64::try_from(n * 9000).unwrap();
            feed.push(Frame { received, media, ..frame.clone() });
        }
        let camera = plan.id().clone();
        let (command, what, answer) = (None, What::Clip, None);
        let (of, silent) = (Some(Seq(7)), false);
        ring(&bell, &camera, &Wish { of, silent, command, what, answer, at: begin });
        let mask = plan.mask().unwrap();
        let medium = Medium { recipients: plan.sealing.recipients().unwrap() };
        let (turns, moved, recorders) = (Turns::default(), Arc::default(), Recorders::default());
        let thread = start(
            &plan,
            Maker { medium, mask, drain, bell, clock, inputs, turns, moved, recorders },
        )
        .unwrap();
        drop(feed);
        let report = queue_of_rules.report().await.unwrap();
        thread.join().unwrap();
        (folder, report, frame)
    }

    fn bright(received: Mono) -> Frame {
        let (width, height) = (320, 240);
        let noise = |n: usize| u8::try_from(200 + n * n % 47).unwrap();
        let planes = [
            (0..width * height).map(noise).collect(),
            vec![128; width * height / 4],
            vec![128; width * height / 4],
        ];
        let picture = Picture::new(width, height, Range::Full, planes).unwrap();
        let data = Mask::none().burn(picture).jpeg(90).unwrap().into();
        let track = Track {
            codec: Codec::Jpeg,
            width: 320,
            height: 240,
            parameter_sets: Vec::new(),
            sample_entry: bytes::Bytes::from_static(b"\0\0\0\x08mp4v"),
        };
        Frame { track: track.into(), received, media: 0, key: true, data }
    }

    /// Whether anything of a frame lies in the folder.
    fn lies_in(folder: &tempfile::TempDir, frame: &Frame) -> bool {
        assert!(key(frame, Limits::default()).is_ok());
        let part = &frame.data[frame.data.len() / 2..][..32];
        let files = std::fs::read_dir(folder.path().join(CLIPS)).unwrap();
        let mut contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        contents.any(|bytes| bytes.windows(part.len()).any(|window| window == part))
    }

    #[tokio::test]
    async fn of_a_camera_without_masks_what_came_is_kept() {
        let (folder, report, frame) = clip("").await;
        assert_eq!(report.kind, "camera.clip");
        assert_eq!(report.detail.unwrap()["clip"]["masked"], false);
        assert!(lies_in(&folder, &frame));
    }

    #[cfg(feature = "masked-clips")]
    #[tokio::test]
    async fn of_a_camera_with_masks_nothing_that_came_is_kept() {
        let (folder, report, frame) = clip("masks = [\"0,0 0.5,0 0.5,1 0,1\"]\n").await;
        let clip = &report.detail.as_ref().unwrap()["clip"];
        assert_eq!((report.kind, &clip["masked"]), ("camera.clip", &json!(true)), "{report:?}");
        assert!(clip["frames"].as_u64().unwrap() >= 15, "{clip}");
        assert!(!lies_in(&folder, &frame));
    }

    #[test]
    fn only_a_gateway_without_the_encoder_refuses_clips_of_a_camera_with_masks() {
        let whole = gatehouse_camera::picture::Polygon::whole();
        let refused_of = |mask: Mask| refused(&mask).is_some();
        assert!(!refused_of(Mask::none()));
        assert_eq!(refused_of(Mask::new(vec![whole])), !cfg!(feature = "masked-clips"));
    }

    #[test]
    fn a_clips_name_says_what_it_is_of() {
        let camera: Id = "gate-2".parse().unwrap();
        let wish = |of, silent| {
            let (command, what, answer, at) = (None, What::All, None, Mono(7));
            Wish { of, silent, command, what, answer, at }
        };
        for (of, silent) in [(Some(Seq(17)), false), (Some(Seq(9)), true), (None, false)] {
            let name = name(&camera, &wish(of, silent)).unwrap();
            assert_eq!(meaning(&camera, &name), (of, silent), "{name}");
        }
    }
}
