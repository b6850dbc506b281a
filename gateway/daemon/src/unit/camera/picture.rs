//! One picture of a camera: decoded, its masks painted in, made a JPEG, kept, told, sent.
//!
//! Before a picture's first byte is on the flash there is a note of it (see `untold`): what a kill leaves
//! between the picture and its event is told at the next start.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gatehouse_camera::decode::{Limits, key};
use gatehouse_camera::frame::Frame;
use gatehouse_camera::picture::{JPEG_QUALITY, Mask, Masked};
use gatehouse_camera::seal;
use gatehouse_camera::watch::View;
use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::contract::MAX_SNAPSHOT;
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::sealed::Recipient;
use gatehouse_core::site::{Input, Report};
use gatehouse_core::time::Mono;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::evidence;
use super::later::{Choice, Later, Views};
use super::sink::Newest;
use super::untold::pictures::{self, Note};
use super::watcher::{Turns, be_nice};
use crate::clock::Clock;
use crate::eyes::{What, Wish};
use crate::rules::Inputs;
use crate::uplink::commands::{Picture as Sent, Say};

/// A camera that shows nothing for so long has no picture of what happened.
const FIRST_WITHIN: Duration = Duration::from_secs(4);

/// No picture is larger: more pixels say no more on a wall, and cost the line of every site.
const MOST: (usize, usize) = (1280, 720);

/// What is sent meanwhile waits; results of commands must find room beside pictures.
const ROOM: usize = 16;

/// What pictures of a camera are taken with.
#[derive(Clone)]
pub(super) struct Studio {
    pub(super) camera: Id,
    pub(super) driver: String,
    /// The folder of all evidence.
    pub(super) root: PathBuf,
    /// Whom pictures are sealed for on the flash.
    pub(super) recipients: Vec<Recipient>,
    pub(super) mask: Mask,
    /// It looks elsewhere than its masks were drawn for.
    pub(super) moved: Arc<AtomicBool>,
    pub(super) newest: Newest,
    /// What its last key frames look like.
    pub(super) views: Views,
    pub(super) turns: Turns,
    pub(super) clock: Clock,
    pub(super) inputs: Inputs,
    pub(super) say: mpsc::Sender<Say>,
}

/// A picture that is on flash, and what is told of it.
pub(super) struct Taken {
    jpeg: Vec<u8>,
    facts: Value,
    view: View,
    /// When its frame had come.
    at: Mono,
}

impl Studio {
    /// Takes what is wanted at once, and says so. Ends within seconds, with what is left to be taken later.
    pub(super) async fn take(self, mut wish: Wish) -> Option<Later> {
        let first = timeout(FIRST_WITHIN, self.newest.around(wish.at)).await;
        let Ok(first) = first else {
            self.refuse(wish, "no picture came").await;
            return None;
        };
        let told = self.one(&wish, "", move |_| Ok((first, None))).await;
        let (told, seen) = match told {
            Ok(taken) => (Ok(taken.facts), Some((taken.view, taken.at))),
            Err(why) => (Err(why), None),
        };
        if let Some(answer) = wish.answer.take() {
            // Who asked may have gone away.
            let _ = answer.send(told);
        }
        let (before, first_at) = seen.filter(|_| wish.what == What::All)?;
        Some(Later { studio: self, wish, before, first_at })
    }

    /// No picture is taken of this.
    pub(super) async fn refuse(&self, wish: Wish, why: &str) {
        warn!(camera = %self.camera, of = ?wish.of, why, "no picture");
        self.no_picture(&wish, why).await;
        if let Some(answer) = wish.answer {
            let _ = answer.send(Err(why.to_owned()));
        }
    }

    /// No clip is made of this.
    pub(super) async fn no_clip(&self, wish: &Wish, why: &str) {
        warn!(camera = %self.camera, of = ?wish.of, why, "no clip");
        self.no_picture(wish, &format!("no clip: {why}")).await;
    }

    /// Why no picture may be taken at this moment, if that is so.
    pub(super) fn refused(&self) -> Option<&'static str> {
        // The mask would hide something else.
        let moved = self.moved.load(Ordering::Acquire) && !self.mask.is_none();
        moved.then_some("the camera was moved: its masks may not cover what they should")
    }

    /// One picture: of the frame that `pick` gives, which may look at many. What becomes of it is told.
    pub(super) async fn one(
        &self,
        wish: &Wish,
        part: &str,
        pick: impl FnOnce(&Self) -> Result<(Frame, Option<Choice>), String> + Send + 'static,
    ) -> Result<Taken, String> {
        let (name, command) = (name(&self.camera, wish, part), wish.command.clone());
        let told = Of { name, event: wish.of, silent: wish.silent, command };
        let studio = self.clone();
        // A thread of its own: niceness stays with a thread, and those of the runtime serve the journal.
        let (tell, made) = oneshot::channel();
        let thread = std::thread::Builder::new().name("picture".to_owned()).spawn(move || {
            be_nice();
            let made = pick(&studio).and_then(|(frame, choice)| studio.make(&frame, choice, told));
            // Who waited may have gone away.
            let _ = tell.send(made);
        });
        thread.map_err(|error| format!("no thread for a picture: {error}"))?;
        let taken = match made.await {
            Ok(Ok(taken)) => taken,
            Ok(Err(why)) => {
                self.no_picture(wish, &why).await;
                return Err(why);
            }
            Err(error) => return Err(error.to_string()),
        };
        let kind = kind(wish.silent);
        self.report((Class::Camera, kind), None, taken.facts.clone(), Some(taken.at)).await;
        self.send(wish, &taken);
        Ok(taken)
    }

    /// Decodes, masks, codes and keeps it. Nothing that is not masked leaves this function. Blocks.
    fn make(&self, frame: &Frame, choice: Option<Choice>, told: Of) -> Result<Taken, String> {
        let turn = self.turns.take();
        let picture = key(frame, Limits::default()).map_err(|error| error.to_string())?;
        let whole = self.mask.burn(picture);
        let (jpeg, size) = coded(&whole)?;
        let view = View::of(&whole);
        drop(turn);
        let unkept = |error: std::io::Error| format!("the picture cannot be kept: {error}");
        let (bytes, sealed) = evidence::sealed(&jpeg, &self.recipients).map_err(unkept)?;
        let Of { name, event, silent, command } = told;
        let name = [Some(&*name), sealed.as_ref().map(|_| seal::EXTENSION)];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(".");
        let mut facts = json!({
            "of": event, "ref": name, "bytes": jpeg.len(), "width": size.0, "height": size.1,
            "sha256": to_hex(digest(&SHA256, &jpeg).as_ref()), "masked": !self.mask.is_none(),
        });
        if let Some(sealed) = &sealed {
            facts["sealed"] = json!({ "sha256": to_hex(&sealed.sha256), "bytes": sealed.bytes });
        }
        if let Some(command) = &command {
            facts["command"] = json!(command);
        }
        if let Some(Choice { why, of }) = choice {
            facts["chosen"] = json!({ "why": why.as_str(), "of": of });
        }
        let note = Note::new(&self.camera, silent, &facts, self.clock.now(), frame.received);
        pictures::keep(&self.root, &name, &note, &bytes).map_err(unkept)?;
        Ok(Taken { jpeg, facts, view, at: frame.received })
    }

    pub(super) async fn no_picture(&self, wish: &Wish, why: &str) {
        // Of what is silent nothing is said.
        if !wish.silent {
            let facts = json!({ "of": wish.of });
            let cause = Some(why.to_owned());
            self.report((Class::Fault, "camera.no_picture"), cause, facts, None).await;
        }
    }

    async fn report(
        &self,
        (class, kind): (Class, &'static str),
        cause: Option<String>,
        detail: Value,
        at: Option<Mono>,
    ) {
        let report = report(&self.camera, (class, kind), cause, detail, at);
        if self.inputs.send(report).await.is_err() {
            debug!(camera = %self.camera, driver = self.driver, "stopping: told at the next start");
        }
    }

    /// Towards the district, if there is room: what finds none is on the box's flash, and its event
    /// says so.
    fn send(&self, wish: &Wish, taken: &Taken) {
        let sha256 = taken.facts["sha256"].as_str().unwrap_or_default().to_owned();
        let jpeg = Bytes::from(taken.jpeg.clone());
        send(&self.say, Sent { camera: self.camera.clone(), of: wish.of, sha256, jpeg });
    }
}

/// Hands a picture to the uplink, if there is room.
pub(super) fn send(say: &mpsc::Sender<Say>, picture: Sent) {
    let (camera, of) = (picture.camera.clone(), picture.of);
    if say.capacity() < ROOM || say.try_send(Say::Picture(picture)).is_err() {
        warn!(%camera, ?of, "a picture stays on the box: the line is full");
    }
}

/// What a picture is of.
struct Of {
    /// Of its file.
    name: String,
    event: Option<Seq>,
    silent: bool,
    command: Option<Id>,
}

fn name(camera: &Id, wish: &Wish, part: &str) -> String {
    match (wish.of, &wish.command) {
        (Some(seq), _) => format!("{camera}-{seq}{part}.jpg"),
        (None, Some(command)) => format!("{camera}-{command}{part}.jpg"),
        (None, None) => format!("{camera}-{}{part}.jpg", wish.at.0),
    }
}

/// The event of a picture.
pub(super) const fn kind(silent: bool) -> &'static str {
    if silent { "camera.snapshot_silent" } else { "camera.snapshot" }
}

/// What a camera's evidence is told with.
pub(super) fn report(
    camera: &Id,
    (class, kind): (Class, &'static str),
    cause: Option<String>,
    detail: Value,
    at: Option<Mono>,
) -> Input {
    Input::Report(Report {
        class,
        kind,
        qualifier: Qualifier::Status,
        severity: if class == Class::Fault { 3 } else { 5 },
        source: ("camera", camera.clone()),
        closes: None,
        cause,
        detail: Some(detail),
        at,
    })
}

/// A JPEG that the district takes, and its width and height.
fn coded(whole: &Masked) -> Result<(Vec<u8>, (usize, usize)), String> {
    let mut small = whole.shrunk(MOST.0, MOST.1);
    let mut jpeg = small.jpeg(JPEG_QUALITY).map_err(|error| error.to_string())?;
    for (size, quality) in [(MOST, 60), ((640, 360), 70), ((640, 360), 40)] {
        if jpeg.len() <= MAX_SNAPSHOT {
            break;
        }
        small = whole.shrunk(size.0, size.1);
        jpeg = small.jpeg(quality).map_err(|error| error.to_string())?;
    }
    if jpeg.len() > MAX_SNAPSHOT {
        return Err(format!("the picture has {} bytes even when it is small", jpeg.len()));
    }
    Ok((jpeg, (small.picture().width(), small.picture().height())))
}
