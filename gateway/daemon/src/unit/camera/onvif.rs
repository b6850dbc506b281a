//! A camera's ONVIF: its streams before they are taken, and what it finds by itself while they run.
//!
//! What was already so when we began to listen is no news: it is passed on only when it is over, or
//! when it was otherwise before and has changed while nobody listened.
//!
//! # Limits
//!
//! - What the camera finds is motion in the areas whose `rules` it is, and in each that names none. It says
//!   nothing finer.
//! - A rule that has told of nothing within [`RULES_WITHIN`] is thought not to exist: there are cameras that
//!   tell of a rule only when something moves, and theirs are unknown until then.
//! - Of an input nothing is known until the camera says how it is, again after each silence.
//! - Reboots go to the log only.
//! - Of more than [`WAITING`] findings that nobody has taken, further ones are dropped, and that is logged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use gatehouse_camera::onvif::events::{
    self, Event, EventSettings, Finding, Link, Listener, Rule, TamperKind, Told as How,
};
use gatehouse_camera::onvif::{Client, OnvifError, OnvifSettings};
use gatehouse_camera::source::{Address, Credentials};
use gatehouse_config::{CameraRule, CameraSource, CameraUrl, Scheme, Secret};
use gatehouse_core::id::Id;
use gatehouse_core::site::{CameraLink, CameraSays, CameraTamper};
use gatehouse_core::time::Mono;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{AGAIN, Plan, own_masks};
use crate::clock::Clock;
use crate::gauges::Gauges;

/// Findings between the camera and the rules. A camera tells a few in a minute.
const WAITING: usize = 64;

/// A camera whose events are not heard for so long is told of. A subscription is made within seconds.
const UNHEARD: Duration = Duration::from_secs(10);

/// After so long every rule has told how it stands, of a camera that says so at all.
const RULES_WITHIN: Duration = Duration::from_secs(30);

/// So many rules of a camera are remembered, and a few told of.
const MOST_RULES: usize = 64;

/// Many cameras lock out who keeps knocking.
const REFUSED: Duration = Duration::from_secs(60);

/// Why a camera cannot begin yet.
pub(super) struct NotReady {
    pub(super) link: CameraLink,
    pub(super) cause: String,
    /// After so long it is tried again.
    pub(super) wait: Duration,
}

/// The password, and the plan with its streams: as configured, or as the camera says.
pub(super) async fn ready(plan: &Plan, clock: &Clock) -> Result<(Option<Secret>, Plan), NotReady> {
    let refused = |cause| NotReady { link: CameraLink::Unauthorised, cause, wait: AGAIN };
    let password = super::login(&plan.camera).map_err(refused)?;
    let (CameraSource::Onvif, Some(url)) = (&plan.camera.source, &plan.camera.onvif) else {
        return Ok((password, plan.clone()));
    };
    let login = credentials(plan, password.as_ref());
    let settings = settings(plan, url, login).map_err(|cause| NotReady {
        link: CameraLink::Silent,
        cause,
        wait: AGAIN,
    })?;
    let mono = move || clock.mono();
    let streams = Client::new(settings, &mono).streams().await.map_err(|error| {
        let (link, wait) = match error {
            OnvifError::Unreachable { .. } => (CameraLink::Unreachable, AGAIN),
            OnvifError::Unauthorised { .. } => (CameraLink::Unauthorised, REFUSED),
            _ => (CameraLink::Silent, AGAIN),
        };
        warn!(camera = %plan.id(), %error, "its streams are not known");
        NotReady { link, cause: "it does not say by ONVIF which streams it has".to_owned(), wait }
    })?;
    info!(camera = %plan.id(), main = %streams.main, sub = streams.sub.is_some(), "streams by ONVIF");
    let mut plan = plan.clone();
    let (main, sub) = (url_of(&streams.main), streams.sub.as_ref().map(url_of));
    plan.camera.source = CameraSource::Rtsp { main, sub };
    Ok((password, plan))
}

fn url_of(address: &Address) -> CameraUrl {
    let (host, port) = address.endpoint();
    CameraUrl { scheme: Scheme::Rtsp, host, port, path: address.path() }
}

/// What it is logged in with, if a name is given.
pub(super) fn credentials(plan: &Plan, password: Option<&Secret>) -> Option<Credentials> {
    let name = plan.camera.username.clone().filter(|name| !name.is_empty())?;
    Some(Credentials::new(name, password.map(Secret::expose).unwrap_or_default()))
}

fn settings(
    plan: &Plan,
    url: &CameraUrl,
    credentials: Option<Credentials>,
) -> Result<OnvifSettings, String> {
    let address = Address::http(&url.to_string()).map_err(|error| error.to_string())?;
    Ok(OnvifSettings { credentials, ..OnvifSettings::new(plan.id().as_str(), address) })
}

/// Asks the camera, if it has ONVIF, what it masks itself: for people to see.
pub(super) fn ask_of_masks(
    plan: &Plan,
    login: Option<Credentials>,
    (clock, gauges): (&Clock, &Gauges),
    tasks: &mut JoinSet<Infallible>,
) -> Result<(), String> {
    if let Some(url) = &plan.camera.onvif {
        let settings = settings(plan, url, login)?;
        let (camera, clock, gauges) = (plan.id().clone(), clock.clone(), gauges.clone());
        tasks.spawn(own_masks::watch(camera, settings, clock, gauges));
    }
    Ok(())
}

/// Who finds something: the gateway itself, or the camera under a name of its own.
const OWN: &str = "";

/// What the camera watches by itself, as one.
const CAMERA: &str = "camera";

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// To the rules, of the camera.
    Says(CameraSays),
    /// To the rules, of what hangs on one of its inputs.
    Contact {
        /// The camera's name for the input.
        token: String,
        /// Active or not; `None`: nobody hears how it is.
        on: Option<bool>,
        /// It was found so.
        found: bool,
    },
    /// How the camera is may be another.
    Link,
}

/// Listens to the camera, and puts what it finds together with what the gateway finds.
pub(super) struct Ear {
    heard: Option<mpsc::Receiver<(Heard, Mono)>>,
    /// Motion and tampering that the camera finds count.
    counts: bool,
    /// The areas, and the rules that each names.
    areas: Vec<(Id, Vec<CameraRule>)>,
    /// Inputs that something hangs on.
    contacts: BTreeSet<String>,
    /// What is to be told next, of a finding that means several things.
    next: VecDeque<(Told, Mono)>,
    /// By whom each thing stands found.
    by: BTreeMap<String, BTreeSet<String>>,
    /// Who sees something move, and in which areas that was told.
    moving: BTreeMap<String, Vec<Id>>,
    /// Lenses without a picture.
    dark: BTreeSet<String>,
    /// The rules that it has told of.
    rules: BTreeSet<Rule>,
    /// Since when it is heard, or is not and why.
    since: Result<Mono, (Mono, &'static str)>,
}

#[derive(Debug)]
enum Heard {
    Event(Event),
    Link(Link),
}

impl Ear {
    pub(super) fn begin(
        plan: &Plan,
        login: Option<Credentials>,
        clock: &Clock,
        tasks: &mut JoinSet<Infallible>,
    ) -> Result<Self, String> {
        let mut ear = Self::of(plan, clock.mono());
        let wanted = ear.counts || !ear.contacts.is_empty();
        if let Some(url) = plan.camera.onvif.as_ref().filter(|_| wanted) {
            let (tell, told) = mpsc::channel(WAITING);
            let mut teller = Teller { camera: plan.id().clone(), tell };
            let settings = EventSettings::new(settings(plan, url, login)?);
            let clock = clock.clone();
            tasks.spawn(async move {
                let mono = move || clock.mono();
                events::run(settings, &mono, &mut teller).await
            });
            ear.heard = Some(told);
        }
        Ok(ear)
    }

    fn of(plan: &Plan, now: Mono) -> Self {
        let camera = &plan.camera;
        let areas = camera.areas.iter().filter(|area| !area.ignores);
        Self {
            heard: None,
            counts: camera.events.onvif(),
            areas: areas.map(|area| (area.id.clone(), area.rules.clone())).collect(),
            contacts: plan.contacts.iter().map(|(token, _)| token.clone()).collect(),
            next: VecDeque::new(),
            by: BTreeMap::new(),
            moving: BTreeMap::new(),
            dark: BTreeSet::new(),
            rules: BTreeSet::new(),
            since: Err((now, "it has not answered yet")),
        }
    }

    /// What the gateway itself has found. `None`: that it is over, while the camera still finds it.
    pub(super) fn with_own(&mut self, says: CameraSays) -> Option<CameraSays> {
        self.stands(OWN, &says).then_some(says)
    }

    /// What the camera finds; never, if it is not listened to. May be dropped at any time.
    pub(super) async fn next(&mut self) -> (Told, Mono) {
        loop {
            if let Some(next) = self.next.pop_front() {
                return next;
            }
            // Without a task, or with one that has ended, which ends the unit: never.
            let heard = match &mut self.heard {
                Some(heard) => heard.recv().await,
                None => None,
            };
            match heard {
                Some((Heard::Event(event), _)) => self.event(event),
                Some((Heard::Link(link), at)) => self.link(&link, at),
                None => return std::future::pending().await,
            }
        }
    }

    fn event(&mut self, event: Event) {
        let Event { finding, told, received: at, .. } = event;
        // Something that stood so when we came is no news, but a fault that stands is one.
        let news = |on: bool| !(on && matches!(told, How::State { before: None | Some(true) }));
        match finding {
            Finding::Motion { on, source, rule } => {
                let topic = rule.topic.clone();
                let here = |rules: &[CameraRule]| {
                    rules.is_empty()
                        || rules.iter().any(|it| rule.is(it.topic.as_deref(), &it.name))
                };
                let areas = self.areas.iter().filter(|(_, rules)| here(rules));
                let areas: Vec<_> = areas.map(|(area, _)| area.clone()).collect();
                if self.rules.len() < MOST_RULES {
                    self.rules.insert(rule);
                }
                if !self.counts || !news(on) {
                    return;
                }
                let who = format!("{CAMERA} {topic} {source}");
                for area in &areas {
                    self.find(&who, CameraSays::Motion { area: area.clone(), on }, at);
                }
                if on {
                    self.moving.insert(who, areas);
                } else {
                    self.moving.remove(&who);
                }
            }
            Finding::Tamper { kind, on, source } if self.counts && news(on) => {
                let who = format!("{CAMERA} {kind:?} {source}");
                let kind = match kind {
                    TamperKind::SceneChange => CameraTamper::Moved,
                    TamperKind::Bright => CameraTamper::Blinded,
                    TamperKind::Blurry => CameraTamper::Defocused,
                    TamperKind::Dark | TamperKind::Detector => CameraTamper::Covered,
                };
                self.find(&who, CameraSays::Tamper { kind, on }, at);
            }
            Finding::SignalLoss { on, source } => {
                if on {
                    self.dark.insert(source);
                } else {
                    self.dark.remove(&source);
                }
                self.next.push_back((Told::Link, at));
            }
            Finding::StorageFailure { on, source } => {
                self.find(&format!("{CAMERA} {source}"), CameraSays::Storage { on }, at);
            }
            Finding::DigitalInput { token, on } if self.contacts.contains(&token) => {
                let found = told != How::Change;
                self.next.push_back((Told::Contact { token, on: Some(on), found }, at));
            }
            Finding::Tamper { .. } | Finding::DigitalInput { .. } | Finding::Reboot { .. } => {}
        }
    }

    fn link(&mut self, link: &Link, at: Mono) {
        self.since = match link {
            Link::Listening { .. } => Ok(at),
            Link::Lost(error) => Err((
                at,
                match error {
                    OnvifError::Unauthorised { .. } => "it refuses user or password",
                    OnvifError::Unreachable { .. } => "nobody answers",
                    _ => "it does not answer as it should",
                },
            )),
        };
        if self.since.is_err() {
            // Its end would not be heard. Tampering stands until somebody says that it is over.
            for (who, areas) in std::mem::take(&mut self.moving) {
                for area in areas {
                    self.find(&who, CameraSays::Motion { area, on: false }, at);
                }
            }
            for token in self.contacts.clone() {
                self.next.push_back((Told::Contact { token, on: None, found: true }, at));
            }
        }
        if self.counts {
            self.find(CAMERA, CameraSays::Watches(self.since.is_ok()), at);
        }
        self.next.push_back((Told::Link, at));
    }

    fn find(&mut self, who: &str, says: CameraSays, at: Mono) {
        if self.stands(who, &says) {
            self.next.push_back((Told::Says(says), at));
        }
    }

    /// Whether this is to be told, now that this one says so. The rules swallow what they know.
    fn stands(&mut self, who: &str, says: &CameraSays) -> bool {
        let (what, on) = match says {
            CameraSays::Tamper { kind, on } => (format!("tamper {}", kind.as_str()), *on),
            CameraSays::Motion { area, on } => (format!("motion {area}"), *on),
            CameraSays::Storage { on } => ("storage".to_owned(), *on),
            CameraSays::Watches(on) => ("watches".to_owned(), *on),
            CameraSays::Link { .. } => return true,
        };
        let by = self.by.entry(what).or_default();
        if on {
            by.insert(who.to_owned());
            return true;
        }
        by.remove(who);
        by.is_empty()
    }

    /// What is wrong with it beside its pictures, and why in a person's words.
    pub(super) fn shortfall(&self, now: Mono) -> Option<(CameraLink, String)> {
        self.heard.as_ref()?;
        if !self.dark.is_empty() {
            return Some((CameraLink::Silent, "it says that its video signal is lost".to_owned()));
        }
        match self.since {
            Err((since, why)) if now.since(since) >= UNHEARD => {
                Some((CameraLink::Degraded, format!("its own events are not heard: {why}")))
            }
            Ok(since) if self.counts && now.since(since) >= RULES_WITHIN => {
                self.unknown_rules().map(|why| (CameraLink::Degraded, why))
            }
            _ => None,
        }
    }

    /// Rules that areas name and the camera has not told of.
    fn unknown_rules(&self) -> Option<String> {
        let told = |rule: &CameraRule| {
            self.rules.iter().any(|it| it.is(rule.topic.as_deref(), &rule.name))
        };
        let named = self.areas.iter().flat_map(|(_, rules)| rules);
        let unknown: Vec<_> =
            named.filter(|rule| !told(rule)).map(|it| shown(&it.to_string())).collect();
        if unknown.is_empty() {
            return None;
        }
        let known = self.rules.iter().flat_map(|rule| &rule.names).map(|name| shown(name));
        let known: BTreeSet<_> = known.collect();
        let known: Vec<_> = known.into_iter().take(8).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Some(format!("it has told of no rule {}; of these it has: {known}", unknown.join(", ")))
    }
}

/// A camera's own word, as long as a person reads and without what a terminal obeys.
fn shown(word: &str) -> String {
    let word: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("\u{201c}{word}\u{201d}")
}

/// Takes what a camera tells, without waiting.
struct Teller {
    camera: Id,
    tell: mpsc::Sender<(Heard, Mono)>,
}

impl Teller {
    fn tell(&self, heard: Heard, at: Mono) {
        if let Err(error) = self.tell.try_send((heard, at)) {
            warn!(camera = %self.camera, %error, "more findings than the rules take: one is dropped");
        }
    }
}

impl Listener for Teller {
    fn event(&mut self, event: Event) {
        let Event { finding, told, received, camera_time } = &event;
        let camera_utc_ms = camera_time.map(|time| time.utc.0);
        info!(camera = %self.camera, ?finding, ?told, camera_utc_ms, "it says");
        let at = *received;
        self.tell(Heard::Event(event), at);
    }

    fn link(&mut self, at: Mono, link: Link) {
        self.tell(Heard::Link(link), at);
    }
}

#[cfg(test)]
mod tests;
