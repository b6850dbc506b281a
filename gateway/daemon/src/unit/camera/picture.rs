//! One picture of a camera: decoded, its masks painted in, made a JPEG, kept, told, sent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use gatehouse_camera::decode::{Limits, key};
use gatehouse_camera::frame::Frame;
use gatehouse_camera::picture::{JPEG_QUALITY, Mask};
use gatehouse_camera::seal::{self, Sum};
use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::contract::MAX_SNAPSHOT;
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::sealed::Recipient;
use gatehouse_core::site::{Input, Report};
use gatehouse_core::time::Mono;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::evidence;
use super::sink::Newest;
use super::watcher::{Turns, be_nice};
use crate::eyes::{What, Wish};
use crate::rules::Inputs;
use crate::uplink::commands::{Picture as Sent, Say};

/// A camera that shows nothing for so long has no picture of what happened.
const FIRST_WITHIN: Duration = Duration::from_secs(4);

/// The second picture is so much later: who came in has turned round.
const LATER: Duration = Duration::from_millis(1500);

/// After that it is not waited for.
const LATER_WITHIN: Duration = Duration::from_secs(10);

/// No picture is larger: more pixels say no more on a wall, and cost the line of every site.
const MOST: (usize, usize) = (1280, 720);

/// What is sent meanwhile waits; results of commands must find room beside pictures.
const ROOM: usize = 16;

/// What pictures of a camera are taken with.
#[derive(Clone)]
pub(super) struct Studio {
    pub(super) camera: Id,
    pub(super) driver: String,
    pub(super) folder: PathBuf,
    /// Whom pictures are sealed for on the flash.
    pub(super) recipients: Vec<Recipient>,
    pub(super) mask: Mask,
    pub(super) newest: Newest,
    pub(super) turns: Turns,
    pub(super) inputs: Inputs,
    pub(super) say: mpsc::Sender<Say>,
}

/// A picture that is on flash.
struct Taken {
    jpeg: Vec<u8>,
    sha256: String,
    size: (usize, usize),
    /// What lies on the flash, where that is not the picture itself.
    sealed: Option<Sum>,
}

impl Studio {
    /// Takes what is wanted, and says so. Ends within seconds.
    pub(super) async fn take(self, mut wish: Wish) {
        let first = timeout(FIRST_WITHIN, self.newest.around(wish.at)).await;
        let Ok(first) = first else {
            return self.refuse(wish, "no picture came").await;
        };
        let received = first.received;
        let told = self.one(&wish, first, "").await;
        let failed = told.is_err();
        if let Some(answer) = wish.answer.take() {
            // Who asked may have gone away.
            let _ = answer.send(told);
        }
        if failed || wish.what != What::All {
            return;
        }
        let at = Mono(wish.at.plus(LATER).0.max(received.0 + 1));
        if let Ok(later) = timeout(LATER_WITHIN, self.newest.after(at)).await {
            // What becomes of it is told.
            let _ = self.one(&wish, later, "-2").await;
        }
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

    async fn one(&self, wish: &Wish, frame: Frame, part: &str) -> Result<Value, String> {
        let name = match (wish.of, &wish.command) {
            (Some(seq), _) => format!("{}-{seq}{part}.jpg", self.camera),
            (None, Some(command)) => format!("{}-{command}{part}.jpg", self.camera),
            (None, None) => format!("{}-{}{part}.jpg", self.camera, wish.at.0),
        };
        let at = frame.received;
        let file = name.clone();
        let (path, mask, turns) = (self.folder.join(name), self.mask.clone(), self.turns.clone());
        let recipients = self.recipients.clone();
        // A thread of its own: niceness stays with a thread, and those of the runtime serve the journal.
        let (tell, made) = oneshot::channel();
        let thread = std::thread::Builder::new().name("picture".to_owned()).spawn(move || {
            be_nice();
            let _turn = turns.take();
            // Who waited may have gone away.
            let _ = tell.send(make(&frame, &mask, (&path, &recipients)));
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
        let facts = self.tell(wish, &taken, &file, at).await;
        self.send(wish, taken);
        Ok(facts)
    }

    async fn tell(&self, wish: &Wish, taken: &Taken, file: &str, at: Mono) -> Value {
        let (width, height) = taken.size;
        let sealed = taken.sealed.is_some().then_some(seal::EXTENSION);
        let file = [Some(file), sealed].into_iter().flatten().collect::<Vec<_>>().join(".");
        let mut facts = json!({
            "of": wish.of, "ref": file, "bytes": taken.jpeg.len(), "width": width, "height": height,
            "sha256": taken.sha256, "masked": !self.mask.is_none(),
        });
        if let Some(sealed) = &taken.sealed {
            facts["sealed"] = json!({ "sha256": to_hex(&sealed.sha256), "bytes": sealed.bytes });
        }
        if let Some(command) = &wish.command {
            facts["command"] = json!(command);
        }
        let kind = if wish.silent { "camera.snapshot_silent" } else { "camera.snapshot" };
        self.report((Class::Camera, kind), None, facts.clone(), Some(at)).await;
        facts
    }

    async fn no_picture(&self, wish: &Wish, why: &str) {
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
            debug!(camera = %self.camera, driver = self.driver, "stopping: a picture is not told of");
        }
    }

    /// Towards the district, if there is room: what finds none is on the box's flash, and its event
    /// says so.
    fn send(&self, wish: &Wish, taken: Taken) {
        let Taken { jpeg, sha256, .. } = taken;
        let picture =
            Sent { camera: self.camera.clone(), of: wish.of, sha256, jpeg: Bytes::from(jpeg) };
        if self.say.capacity() < ROOM || self.say.try_send(Say::Picture(picture)).is_err() {
            warn!(camera = %self.camera, of = ?wish.of, "a picture stays on the box: the line is full");
        }
    }
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

/// Nothing that is not masked leaves this function.
fn make(
    frame: &Frame,
    mask: &Mask,
    (path, recipients): (&Path, &[Recipient]),
) -> Result<Taken, String> {
    let picture = key(frame, Limits::default()).map_err(|error| error.to_string())?;
    let whole = mask.burn(picture);
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
    let sealed = evidence::keep_picture(path, &jpeg, recipients);
    let sealed = sealed.map_err(|error| format!("the picture cannot be kept: {error}"))?;
    let sha256 = to_hex(digest(&SHA256, &jpeg).as_ref());
    let size = (small.picture().width(), small.picture().height());
    Ok(Taken { jpeg, sha256, size, sealed })
}
