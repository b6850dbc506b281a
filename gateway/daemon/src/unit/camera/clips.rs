//! The thread that makes a camera's clips, and what is told of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use gatehouse_camera::clip::disk::SystemDisk;
#[cfg(feature = "masked-clips")]
use gatehouse_camera::clip::masked::{self, MaskedRecorder, MaskedSettings, MaskedWays};
use gatehouse_camera::clip::{Bell, ClipFile, ClipId, ClipTold, Recorder, Trigger, work};
use gatehouse_camera::picture::Mask;
use gatehouse_camera::ring::Ring;
use gatehouse_camera::source::Drain;
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{Input, Report};
use serde_json::{Value, json};
use tracing::{error, warn};

use super::evidence::CLIPS;
use super::picture::hex;
use super::plan::Plan;
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
    pub(super) mask: Mask,
    pub(super) drain: Drain,
    pub(super) bell: Bell,
    pub(super) clock: Clock,
    pub(super) inputs: Inputs,
    /// For a camera with masks, whose pictures are decoded and encoded.
    pub(super) turns: Turns,
    /// Whether it looks elsewhere than its masks were drawn for.
    pub(super) moved: Arc<AtomicBool>,
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
    let Maker { mask, mut drain, bell, clock, inputs, turns, moved } = maker;
    let teller = Teller {
        camera: plan.id().clone(),
        masked: !plan.camera.masks.is_empty(),
        around_s: (plan.camera.pre.as_secs(), plan.camera.post.as_secs()),
        clock: clock.clone(),
        inputs,
    };
    let folder = plan.evidence.join(CLIPS);
    let ring = Ring::new(plan.ring());
    let limits = plan.clips();
    let name: String = format!("clips-{}", plan.id()).chars().take(15).collect();
    std::thread::Builder::new().name(name).spawn(move || {
        let mono = || clock.mono();
        let mut tell = |told| teller.tell(told);
        if let Some(unmasked) = mask.unmasked() {
            let mut recorder = Recorder::new(SystemDisk, folder, limits, ring, unmasked);
            return work(&mut recorder, &mut drain, &bell, &mono, &mut tell);
        }
        #[cfg(feature = "masked-clips")]
        {
            be_nice();
            let settings = MaskedSettings::default();
            let mut recorder =
                MaskedRecorder::new(SystemDisk, folder, limits, ring, mask, settings);
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
            // What is silent is told apart: in one event it would be noticed.
            for (kind, of) in self.events(id, merged) {
                let facts = json!({ "of": of, "clip": self.facts(file) });
                self.report((Class::Camera, kind), None, facts);
            }
        }
    }

    fn none(&self, id: &ClipId, merged: &[ClipId], why: &str) {
        for (kind, of) in self.events(id, merged) {
            if kind == "camera.clip" {
                let facts = json!({ "of": of.first() });
                let cause = Some(format!("no clip: {why}").chars().take(200).collect());
                self.report((Class::Fault, "camera.no_picture"), cause, facts);
            }
        }
    }

    fn events(&self, id: &ClipId, merged: &[ClipId]) -> Vec<(&'static str, Vec<Seq>)> {
        let all = std::iter::once(id).chain(merged).map(|clip| meaning(&self.camera, clip));
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

    fn facts(&self, file: &ClipFile) -> Value {
        let now = self.clock.now();
        let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let (pre_s, post_s) = self.around_s;
        json!({
            "camera": self.camera, "ref": name, "sha256": hex(&file.sha256), "bytes": file.bytes,
            "frames": file.frames, "pre_s": pre_s, "post_s": post_s, "masked": self.masked,
            "from": file.span.map(|(from, _)| now.utc_at(from)),
            "to": file.span.map(|(_, to)| now.utc_at(to)),
        })
    }

    fn report(&self, (class, kind): (Class, &'static str), cause: Option<String>, detail: Value) {
        let report = Report {
            class,
            kind,
            qualifier: Qualifier::Status,
            severity: if class == Class::Fault { 3 } else { 5 },
            source: ("camera", self.camera.clone()),
            closes: None,
            cause,
            detail: Some(detail),
            at: None,
        };
        if self.inputs.blocking_send(Input::Report(report)).is_err() {
            warn!(camera = %self.camera, "stopping: a clip lies on the flash and is not told of");
        }
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::Mono;

    use super::*;
    use crate::eyes::What;

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
