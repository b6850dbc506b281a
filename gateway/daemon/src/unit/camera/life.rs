//! A camera whose source runs: what comes of its pictures, and what is wanted of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_camera::clip::Bell;
use gatehouse_camera::clip::disk::Medium;
use gatehouse_camera::eye::{Eye, Frames};
use gatehouse_camera::source::{Feeder, QueueLimits, queue};
use gatehouse_camera::watch::Watch;
use gatehouse_config::Secret;
use gatehouse_core::sealed::Recipient;
use gatehouse_core::site::{CameraLink, CameraSays, CameraTamper, Condition, Input};
use gatehouse_core::time::Mono;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use super::intake::{Intake, Intakes};
use super::later::{LATERS, Later, Views};
use super::onvif::Told;
use super::picture::Studio;
use super::plan::Plan;
use super::said::said;
use super::sink::{Health, Into, Newest};
use super::watcher::Watcher;
use super::{Places, Ways, clips, evidence, onvif};
use crate::eyes::{What, Wishes};

/// Pictures that are made at once.
pub(super) const AT_ONCE: usize = 2;

/// How often it is looked whether a silence has lasted.
const LOOK: Duration = Duration::from_millis(500);

/// Between a stream and the thread that looks at it: that is behind for a moment when many cameras see
/// something at once.
const WATCHED: QueueLimits = QueueLimits { frames: 90, bytes: 3 << 20 };

/// Findings that wait for the unit: its thread waits when it is behind, and pictures are dropped before
/// it.
const FOUND: usize = 64;

/// A camera whose streams run.
pub(super) struct Life {
    places: Places,
    ways: Ways,
    health: Health,
    told: Option<(CameraLink, Option<String>)>,
    /// What is said when it is not there.
    absent: &'static str,
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
    pub(super) fn begin(
        plan: &Plan,
        ways: &Ways,
        places: &Places,
        (password, recipients): (Option<&Secret>, Result<Vec<Recipient>, String>),
    ) -> Result<Self, String> {
        let mask = plan.mask().map_err(|error| format!("a mask cannot be painted: {error}"))?;
        evidence::folders(&plan.evidence);
        let login = onvif::credentials(plan, password);
        let (clock, id) = (&ways.clock, plan.id());
        let Intakes { main, sub } = plan.intakes(login.as_ref(), &ways.lenses)?;
        let count = 1 + usize::from(sub.is_some());
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
        let mut take = |intake: Intake, mut sink: Into| {
            let clock = clock.clone();
            streams.spawn(async move {
                let mono = move || clock.mono();
                intake.run(&mono, &mut sink).await
            });
        };
        if let Some(sub) = sub {
            let sink = Into {
                stream: 1,
                health: health.clone(),
                feeders: std::mem::take(&mut sub_feeds),
                newest: None,
            };
            take(sub, sink);
        }
        main_feeds.append(&mut sub_feeds);
        let sink = Into {
            stream: 0,
            health: health.clone(),
            feeders: main_feeds,
            newest: Some(newest.clone()),
        };
        take(main, sink);
        onvif::ask_of_masks(plan, login.clone(), (clock, &ways.gauges), &mut streams)?;
        let ear = onvif::Ear::begin(plan, login, clock, &mut streams)?;
        let studio = Studio {
            camera: id.clone(),
            driver: plan.camera.rules.driver.clone(),
            root: plan.evidence.clone(),
            recipients,
            mask,
            moved: moved.clone(),
            newest,
            views: Views::default(),
            turns: ways.turns.clone(),
            clock: clock.clone(),
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
            absent: plan.absent(),
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

    pub(super) async fn live(mut self) -> Result<Infallible, String> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What is wanted at once, and the second pictures, which wait for some seconds.
        let (mut pictures, mut laters) = (JoinSet::new(), JoinSet::new());
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
                wish = self.wishes.next(), if pictures.len() < AT_ONCE && laters.len() < LATERS => {
                    let studio = self.studio.clone();
                    if let Err(why) = self.may_take() {
                        pictures.spawn(async move {
                            studio.refuse(wish, why).await;
                            None
                        });
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
                        if wish.what == What::Clip { None } else { studio.take(wish).await }
                    });
                }
                Some(ended) = pictures.join_next() => match ended {
                    Ok(None) => {}
                    Ok(Some(later)) => {
                        laters.spawn(Later::take(later));
                    }
                    Err(error) => self.picture_bug(&error),
                },
                Some(ended) = laters.join_next() => if let Err(error) = ended {
                    self.picture_bug(&error);
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
        self.studio.refused().map_or(self.takes, Err)
    }

    fn picture_bug(&self, error: &JoinError) {
        error!(camera = %self.studio.camera, %error, "a picture has ended its task: our bug");
    }

    async fn tell_link(&mut self) {
        let Some(state) = self.health.told() else { return };
        let now = self.ways.clock.mono();
        let pictures = said(state, self.absent);
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
