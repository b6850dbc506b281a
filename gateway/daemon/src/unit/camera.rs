//! One camera: its streams, the thread that looks at them, the thread that makes clips, and what is told
//! to the rules.
//!
//! ```text
//!  main stream ─▶ Into ─┬─▶ queue ─▶ clips (thread) ─▶ flash
//!                       └─▶ newest key frame ─▶ picture (masked) ─▶ flash, line
//!  sub stream  ─▶ Into ───▶ queue ─▶ watcher (thread) ─▶ motion, tamper ─┐
//!                  └──▶ health ───────────────────────────────────────────┴─▶ rules
//!  rules ─▶ Eyes ─▶ wishes ─▶ clips, picture
//! ```
//!
//! Clips of a camera with masks are made of its sub stream, if it has one: they are decoded, painted
//! and encoded anew, in a size that it has already. What such a camera sends touches no flash.
//!
//! # Limits
//!
//! - Frames that nobody takes in time are dropped by whole groups of pictures, and counted.
//! - At most [`AT_ONCE`] pictures of a camera are made at a time; further wishes wait at its place.
//! - Without a password, or with one that the camera refuses, it is looked every [`AGAIN`] whether there
//!   is another one; and so is it for the key that seals evidence, without which nothing is kept.

mod clips;
pub(crate) mod evidence;
mod onvif;
mod picture;
mod plan;
mod sink;
pub(super) mod untold;
mod watcher;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_camera::clip::Bell;
use gatehouse_camera::clip::disk::Medium;
use gatehouse_camera::eye::{Eye, Frames};
use gatehouse_camera::health::{Cause, Shortfall, State};
use gatehouse_camera::source::{Feeder, QueueLimits, queue, rtsp};
use gatehouse_camera::watch::Watch;
use gatehouse_config::{Camera, Config, Secret};
use gatehouse_core::sealed::Recipient;
use gatehouse_core::site::{CameraLink, CameraSays, CameraTamper, Condition, Input};
use gatehouse_core::time::Mono;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use super::owner::Owner;
use crate::clock::Clock;
use crate::eyes::{Eyes, What, Wishes};
use crate::rules::{Inputs, SendError};
use crate::supervise::Outcome;
use crate::uplink::commands::Say;
pub(crate) use clips::Recorders;
use onvif::Told;
use picture::Studio;
pub(super) use plan::{Plan, plan};
use sink::{Health, Into, Newest};
pub(crate) use watcher::Turns;
use watcher::Watcher;

/// Pictures that are made at once.
const AT_ONCE: usize = 2;

/// How often it is looked for another password.
const AGAIN: Duration = Duration::from_secs(5);

/// How often it is looked whether a silence has lasted.
const LOOK: Duration = Duration::from_millis(500);

/// Between a stream and the thread that looks at it: that is behind for a moment when many cameras see
/// something at once.
const WATCHED: QueueLimits = QueueLimits { frames: 90, bytes: 3 << 20 };

/// Findings that wait for the unit: its thread waits when it is behind, and pictures are dropped before
/// it.
const FOUND: usize = 64;

/// What all cameras' units share.
#[derive(Clone, Debug)]
pub struct Ways {
    pub(super) inputs: Inputs,
    pub(super) eyes: Eyes,
    pub(super) say: mpsc::Sender<Say>,
    pub(super) turns: Turns,
    pub(super) recorders: Recorders,
    pub(super) clock: Clock,
}

/// Runs a camera until `end` turns true; `place`: that of [`place`].
///
/// # Errors
/// When a part of it has ended: it is built anew.
pub(super) async fn run(
    plan: Plan,
    ways: Ways,
    places: Places,
    mut end: watch::Receiver<bool>,
) -> Outcome {
    loop {
        // Whatever was known of it before was known to another life of it.
        if blind(&ways, &places).await.is_err() {
            return Ok(());
        }
        let known = login(&plan.camera).ok().flatten();
        let ready = tokio::select! {
            ready = onvif::ready(&plan, &ways.clock) => ready,
            _ = end.wait_for(|end| *end) => return Ok(()),
        };
        let (login, plan) = match ready {
            Ok(ready) => ready,
            Err(onvif::NotReady { link, cause, wait }) => {
                let says = CameraSays::Link { link, cause: Some(cause) };
                let at = ways.clock.mono();
                if ways
                    .inputs
                    .send(Input::Camera { camera: places.camera, says, at })
                    .await
                    .is_err()
                {
                    return Ok(());
                }
                // A pause before it is asked again: nothing tells that it would answer now.
                tokio::select! {
                    () = tokio::time::sleep(wait) => continue,
                    () = another_password(&plan.camera, known.as_ref()) => continue,
                    _ = end.wait_for(|end| *end) => return Ok(()),
                }
            }
        };
        let recipients = plan.sealing.recipients();
        let keeps = recipients.is_ok();
        let life = Life::begin(&plan, &ways, &places, (login.as_ref(), recipients));
        tokio::select! {
            ended = async { life?.live().await } => match ended? {},
            () = another_password(&plan.camera, login.as_ref()) => {
                info!(camera = %plan.id(), "another password; the streams begin anew");
            }
            () = the_key_to_come(&plan, keeps) => {
                info!(camera = %plan.id(), "the key of evidence is there; the streams begin anew");
            }
            _ = end.wait_for(|end| *end) => return Ok(()),
        }
    }
}

/// Where a camera, and what hangs on its inputs, stand in a configuration.
#[derive(Clone, Debug)]
pub(super) struct Places {
    camera: usize,
    contacts: Vec<(String, Owner)>,
}

/// The places of a camera in a configuration. `None`: it has no such camera.
pub(super) fn places(plan: &Plan, config: &Config) -> Option<Places> {
    let camera = config.cameras.iter().position(|camera| camera.rules.id == *plan.id())?;
    let contacts = plan.contacts.iter();
    let contacts = contacts.filter_map(|(token, of)| Some((token.clone(), of.owner(config)?)));
    Some(Places { camera, contacts: contacts.collect() })
}

/// Tells that nobody watches, and that nothing is known of its inputs.
async fn blind(ways: &Ways, places: &Places) -> Result<(), SendError> {
    let at = ways.clock.mono();
    let says = CameraSays::Watches(false);
    ways.inputs.send(Input::Camera { camera: places.camera, says, at }).await?;
    for (_, owner) in &places.contacts {
        if let Some(input) = owner.condition(Condition::Unknown, at, true) {
            ways.inputs.send(input).await?;
        }
    }
    Ok(())
}

/// The password, if it needs one.
fn login(camera: &Camera) -> Result<Option<Secret>, String> {
    camera
        .password
        .as_ref()
        .map(gatehouse_config::PasswordSource::read)
        .transpose()
        .map_err(|e| e.to_string())
}

/// Ready when the file holds another password than this.
async fn another_password(camera: &Camera, known: Option<&Secret>) {
    if camera.password.is_none() {
        return std::future::pending().await;
    }
    let mut look = interval(AGAIN);
    loop {
        look.tick().await;
        // One that cannot be read now is no other one: a renewal is not done yet.
        if login(camera).is_ok_and(|now| now.is_some() && now.as_ref() != known) {
            return;
        }
    }
}

/// Ready when the key that seals evidence can be read, which it could not before.
async fn the_key_to_come(plan: &Plan, known: bool) {
    if known {
        return std::future::pending().await;
    }
    let mut look = interval(AGAIN);
    loop {
        look.tick().await;
        if plan.sealing.recipients().is_ok() {
            return;
        }
    }
}

/// A camera whose streams run.
struct Life {
    places: Places,
    ways: Ways,
    health: Health,
    told: Option<(CameraLink, Option<String>)>,
    streams: JoinSet<Infallible>,
    /// What the watcher finds; `None`: nothing is watched.
    found: Option<mpsc::Receiver<(CameraSays, Mono)>>,
    /// What the camera itself finds.
    ear: onvif::Ear,
    wishes: Wishes,
    studio: Studio,
    /// Or why it takes neither pictures nor clips.
    takes: Result<(), &'static str>,
    /// Or why it makes no clips.
    bell: Result<Bell, &'static str>,
    /// It looks elsewhere than its masks were drawn for.
    moved: Arc<AtomicBool>,
}

impl Life {
    fn begin(
        plan: &Plan,
        ways: &Ways,
        places: &Places,
        (password, recipients): (Option<&Secret>, Result<Vec<Recipient>, String>),
    ) -> Result<Self, String> {
        let mask = plan.mask().map_err(|error| format!("a mask cannot be painted: {error}"))?;
        evidence::folders(&plan.evidence);
        let login = onvif::credentials(plan, password);
        let (clock, id) = (&ways.clock, plan.id());
        let count = 1 + usize::from(plan.camera.sub.is_some());
        let health = Health::new(plan.health(), count, clock.mono());
        let newest = Newest::default();
        let moved = Arc::new(AtomicBool::new(false));
        let mut main_feeds: Vec<Feeder> = Vec::new();
        let mut sub_feeds: Vec<Feeder> = Vec::new();
        if let Err(error) = &recipients {
            error!(camera = %id, error, "no picture and no clip is kept: it would lie open");
        }
        let takes = if !plan.camera.records() {
            Err("it must have a mask, and has none")
        } else if recipients.is_err() {
            Err("the key that seals evidence cannot be read")
        } else {
            Ok(())
        };
        let recipients = recipients.unwrap_or_default();
        let bell = if let Some(why) = takes.err().or_else(|| clips::refused(&mask)) {
            Err(why)
        } else {
            let (feed, drain) = queue(QueueLimits::USUAL);
            let bell = Bell::new(&drain);
            let maker = clips::Maker {
                medium: Medium { recipients: recipients.clone() },
                mask: mask.clone(),
                drain,
                bell: bell.clone(),
                clock: clock.clone(),
                inputs: ways.inputs.clone(),
                turns: ways.turns.clone(),
                moved: moved.clone(),
                recorders: ways.recorders.clone(),
            };
            clips::start(plan, maker).map_err(|error| format!("no thread for clips: {error}"))?;
            // What is copied is to be of the best; what is decoded and shrunk is not.
            if mask.is_none() {
                main_feeds.push(feed);
            } else {
                sub_feeds.push(feed);
            }
            Ok(bell)
        };
        let watched = plan.watched().map_err(|error| format!("an area is none: {error}"))?;
        let found = match watched {
            None => None,
            Some((settings, areas)) => {
                let (feed, drain) = queue(WATCHED);
                let (tell, found) = mpsc::channel(FOUND);
                let frames = match plan.camera.watch {
                    gatehouse_config::Watch::All => Frames::All,
                    gatehouse_config::Watch::Key | gatehouse_config::Watch::Off => Frames::Key,
                };
                let watcher = Watcher {
                    camera: id.clone(),
                    drain,
                    eye: Eye::new(Watch::new(settings), frames),
                    areas,
                    turns: ways.turns.clone(),
                    health: health.clone(),
                    stream: count - 1,
                    found: tell,
                };
                let name: String = format!("watch-{id}").chars().take(15).collect();
                std::thread::Builder::new()
                    .name(name)
                    .spawn(move || watcher.run())
                    .map_err(|error| format!("no thread to watch: {error}"))?;
                sub_feeds.push(feed);
                Some(found)
            }
        };
        let mut streams = JoinSet::new();
        let mut stream = |settings: rtsp::RtspSettings, mut sink: Into| {
            let clock = clock.clone();
            streams.spawn(async move {
                let mono = move || clock.mono();
                rtsp::run(settings, &mono, &mut sink).await
            });
        };
        if let Some(sub) = &plan.camera.sub {
            let sink = Into {
                stream: 1,
                health: health.clone(),
                feeders: std::mem::take(&mut sub_feeds),
                newest: None,
            };
            stream(plan.stream(sub, login.as_ref())?, sink);
        }
        main_feeds.append(&mut sub_feeds);
        let sink = Into {
            stream: 0,
            health: health.clone(),
            feeders: main_feeds,
            newest: Some(newest.clone()),
        };
        let main = plan.camera.main.as_ref().ok_or("its streams are not known: our bug")?;
        stream(plan.stream(main, login.as_ref())?, sink);
        let ear = onvif::Ear::begin(plan, login, clock, &mut streams)?;
        let studio = Studio {
            camera: id.clone(),
            driver: plan.camera.rules.driver.clone(),
            folder: plan.evidence.join(evidence::PICTURES),
            recipients,
            mask,
            newest,
            turns: ways.turns.clone(),
            inputs: ways.inputs.clone(),
            say: ways.say.clone(),
        };
        let wishes = ways.eyes.wishes(id);
        let (ways, told) = (ways.clone(), None);
        Ok(Self {
            places: places.clone(),
            ways,
            health,
            told,
            streams,
            found,
            ear,
            wishes,
            studio,
            takes,
            bell,
            moved,
        })
    }

    async fn live(mut self) -> Result<Infallible, String> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pictures = JoinSet::new();
        loop {
            tokio::select! {
                () = self.health.changed() => self.tell_link().await,
                _ = look.tick() => {
                    self.health.tick(self.ways.clock.mono());
                    self.tell_link().await;
                }
                found = next(self.found.as_mut()) => {
                    let (says, at) = found.ok_or("the thread that watches has ended")?;
                    let Some(says) = self.ear.with_own(says) else { continue };
                    self.send(says, at).await;
                }
                (told, at) = self.ear.next() => self.tell(told, at).await,
                wish = self.wishes.next(), if pictures.len() < AT_ONCE => {
                    let studio = self.studio.clone();
                    if let Err(why) = self.may_take() {
                        pictures.spawn(async move { studio.refuse(wish, why).await });
                        continue;
                    }
                    let clip = (wish.what != What::Picture).then_some(&self.bell);
                    let no_clip = match clip {
                        Some(Ok(bell)) => {
                            clips::ring(bell, &studio.camera, &wish);
                            None
                        }
                        Some(Err(why)) => Some(*why),
                        None => None,
                    };
                    pictures.spawn(async move {
                        if let Some(why) = no_clip {
                            studio.no_clip(&wish, why).await;
                        }
                        if wish.what != What::Clip {
                            studio.take(wish).await;
                        }
                    });
                }
                Some(ended) = pictures.join_next() => if let Err(error) = ended {
                    error!(camera = %self.studio.camera, %error, "a picture has ended its task: our bug");
                },
                Some(ended) = self.streams.join_next() => {
                    return match ended {
                        Ok(never) => match never {},
                        Err(error) => Err(format!("a stream has ended: {error}")),
                    };
                }
            }
        }
    }

    /// Whether something of it may be kept at this moment.
    fn may_take(&self) -> Result<(), &'static str> {
        // The mask would hide something else.
        if self.moved.load(Ordering::Acquire) && !self.studio.mask.is_none() {
            return Err("the camera was moved: its masks may not cover what they should");
        }
        self.takes
    }

    async fn tell_link(&mut self) {
        let Some(state) = self.health.told() else { return };
        let now = self.ways.clock.mono();
        let pictures = said(state);
        // What its own events say is worse than its pictures, or is not told now.
        let worse = self.ear.shortfall(now).filter(|(link, _)| *link > pictures.0);
        let (link, cause) = worse.map_or(pictures, |(link, why)| (link, Some(why)));
        if self.told.as_ref().is_some_and(|told| *told == (link, cause.clone())) {
            return;
        }
        self.told = Some((link, cause.clone()));
        self.send(CameraSays::Link { link, cause }, now).await;
    }

    async fn tell(&mut self, told: Told, at: Mono) {
        match told {
            Told::Says(says) => self.send(says, at).await,
            Told::Link => self.tell_link().await,
            Told::Contact { token, on, found } => {
                let condition = match on {
                    None => Condition::Unknown,
                    Some(false) => Condition::Normal,
                    Some(true) => Condition::Active,
                };
                let of = self.places.contacts.iter().filter(|(known, _)| *known == token);
                for input in of.filter_map(|(_, owner)| owner.condition(condition, at, found)) {
                    self.input(input).await;
                }
            }
        }
    }

    async fn send(&self, says: CameraSays, at: Mono) {
        if let CameraSays::Tamper { kind: CameraTamper::Moved, on } = says {
            self.moved.store(on, Ordering::Release);
        }
        self.input(Input::Camera { camera: self.places.camera, says, at }).await;
    }

    async fn input(&self, input: Input) {
        if self.ways.inputs.send(input).await.is_err() {
            // The daemon stops; the supervisor ends this in a moment.
            std::future::pending::<()>().await;
        }
    }
}

async fn next<T>(from: Option<&mut mpsc::Receiver<T>>) -> Option<T> {
    match from {
        Some(from) => from.recv().await,
        None => std::future::pending().await,
    }
}

/// The rules' word for a state, and why in a person's.
fn said(state: State) -> (CameraLink, Option<String>) {
    let cause = |cause: Cause| match cause {
        Cause::Ended => "it closed the connection".to_owned(),
        Cause::Hung => "it takes connections and answers nothing".to_owned(),
        Cause::NoKeyFrame => "no key frame came".to_owned(),
        Cause::NoVideo => "it has no video of a known codec".to_owned(),
        Cause::Protocol => "what it sends is not understood".to_owned(),
        Cause::Refused(status) => {
            format!("it refuses the stream with {status}: is the path right?")
        }
        Cause::Stalled => "no picture comes".to_owned(),
    };
    match state {
        State::Up => (CameraLink::Up, None),
        State::Degraded(shortfall) => {
            let why = match shortfall {
                Shortfall::Resolution { width, height } => {
                    format!("its pictures have {width}x{height}")
                }
                Shortfall::Unstable => "it is lost again and again".to_owned(),
                Shortfall::Undecodable => "its pictures cannot be decoded".to_owned(),
                Shortfall::FewPictures { per_100_s } => format!("{per_100_s} pictures in 100 s"),
                Shortfall::ClockDrift => "its clock runs fast or slow, or jumps".to_owned(),
            };
            (CameraLink::Degraded, Some(why))
        }
        State::Silent(why) => (CameraLink::Silent, Some(cause(why))),
        State::Unauthorised => {
            (CameraLink::Unauthorised, Some("it refuses user or password".to_owned()))
        }
        State::Unreachable => (CameraLink::Unreachable, Some("nobody answers".to_owned())),
    }
}
