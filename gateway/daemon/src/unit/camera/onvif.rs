//! A camera's ONVIF: its streams before they are taken, and what it finds by itself while they run.
//!
//! What was already so when we began to listen is no news: it is passed on only when it is over, or
//! when it was otherwise before and has changed while nobody listened.
//!
//! # Limits
//!
//! - The camera says that something moves, not where: that is motion in each area that is not ignored.
//! - Inputs, reboots, failures of its own storage and lost signals go to the log only.
//! - Of more than [`WAITING`] findings that nobody has taken, further ones are dropped, and that is logged.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use gatehouse_camera::onvif::events::{
    self, Event, EventSettings, Finding, Link, Listener, TamperKind, Told,
};
use gatehouse_camera::onvif::{Client, OnvifError, OnvifSettings};
use gatehouse_camera::source::{Address, Credentials};
use gatehouse_config::{CameraSource, CameraUrl, Scheme, Secret};
use gatehouse_core::id::Id;
use gatehouse_core::site::{CameraLink, CameraSays, CameraTamper};
use gatehouse_core::time::Mono;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{AGAIN, Plan};
use crate::clock::Clock;

/// Findings between the camera and the rules. A camera tells a few in a minute.
const WAITING: usize = 64;

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

/// Who finds something: the gateway itself, or the camera under a name of its own.
const OWN: &str = "";

/// Listens to the camera, and puts what it finds together with what the gateway finds.
pub(super) struct Ear {
    heard: Option<mpsc::Receiver<(String, Says, Mono)>>,
    areas: Vec<Id>,
    /// What is to be told next, of a finding that means several things.
    next: Vec<(CameraSays, Mono)>,
    /// By whom each thing stands found.
    by: BTreeMap<String, BTreeSet<String>>,
}

/// What the camera says, before it is known which areas there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Motion(bool),
    Tamper(CameraTamper, bool),
}

impl Ear {
    pub(super) fn begin(
        plan: &Plan,
        login: Option<Credentials>,
        clock: &Clock,
        tasks: &mut JoinSet<Infallible>,
    ) -> Result<Self, String> {
        let camera = &plan.camera;
        let areas = camera.areas.iter().filter(|area| !area.ignores).map(|area| area.id.clone());
        let areas = areas.collect();
        let mut heard = None;
        if let Some(url) = camera.onvif.as_ref().filter(|_| camera.events.onvif()) {
            let (tell, told) = mpsc::channel(WAITING);
            let mut teller = Teller { camera: plan.id().clone(), tell, moving: BTreeSet::new() };
            let settings = EventSettings::new(settings(plan, url, login)?);
            let clock = clock.clone();
            tasks.spawn(async move {
                let mono = move || clock.mono();
                events::run(settings, &mono, &mut teller).await
            });
            heard = Some(told);
        }
        Ok(Self { heard, areas, next: Vec::new(), by: BTreeMap::new() })
    }

    /// What the gateway itself has found. `None`: that it is over, while the camera still finds it.
    pub(super) fn with_own(&mut self, says: CameraSays) -> Option<CameraSays> {
        self.stands(OWN, &says).then_some(says)
    }

    /// What the camera finds; never, if it is not listened to. May be dropped at any time.
    pub(super) async fn next(&mut self) -> (CameraSays, Mono) {
        loop {
            if let Some(next) = self.next.pop() {
                return next;
            }
            // Without a task, or with one that has ended, which ends the unit: never.
            let heard = match &mut self.heard {
                Some(heard) => heard.recv().await,
                None => None,
            };
            let Some((who, says, at)) = heard else { return std::future::pending().await };
            let all: Vec<_> = match says {
                Says::Tamper(kind, on) => vec![CameraSays::Tamper { kind, on }],
                Says::Motion(on) => {
                    let motion = |area: &Id| CameraSays::Motion { area: area.clone(), on };
                    self.areas.iter().map(motion).collect()
                }
            };
            for says in all {
                if self.stands(&who, &says) {
                    self.next.push((says, at));
                }
            }
        }
    }

    /// Whether this is to be told, now that this one says so. The rules swallow what they know.
    fn stands(&mut self, who: &str, says: &CameraSays) -> bool {
        let (what, on) = match says {
            CameraSays::Tamper { kind, on } => (format!("tamper {}", kind.as_str()), *on),
            CameraSays::Motion { area, on } => (format!("motion {area}"), *on),
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
}

/// Takes what a camera tells, without waiting.
struct Teller {
    camera: Id,
    tell: mpsc::Sender<(String, Says, Mono)>,
    /// The sources that see something move.
    moving: BTreeSet<String>,
}

impl Teller {
    fn tell(&self, source: &str, says: Says, at: Mono) {
        if self.tell.try_send((format!("camera {source}"), says, at)).is_err() {
            warn!(camera = %self.camera, ?says, "more findings than the rules take: one is dropped");
        }
    }
}

impl Listener for Teller {
    fn event(&mut self, event: Event) {
        let Event { finding, told, received, camera_time } = event;
        let camera_utc_ms = camera_time.map(|time| time.utc.0);
        info!(camera = %self.camera, ?finding, ?told, camera_utc_ms, "it says");
        let (source, says, on) = match finding {
            Finding::Motion { on, source } => (source, Says::Motion(on), on),
            Finding::Tamper { kind, on, source } => {
                let kind = match kind {
                    TamperKind::SceneChange => CameraTamper::Moved,
                    TamperKind::Bright => CameraTamper::Blinded,
                    TamperKind::Blurry => CameraTamper::Defocused,
                    TamperKind::Dark | TamperKind::Detector => CameraTamper::Covered,
                };
                (format!("{kind:?} {source}"), Says::Tamper(kind, on), on)
            }
            _ => return,
        };
        // Something that stood so when we came is no news.
        if on && matches!(told, Told::State { before: None | Some(true) }) {
            return;
        }
        if let Says::Motion(on) = says {
            if on {
                self.moving.insert(source.clone())
            } else {
                self.moving.remove(&source)
            };
        }
        self.tell(&source, says, received);
    }

    fn link(&mut self, at: Mono, link: Link) {
        if let Link::Lost(_) = link {
            // Its end would not be heard. Tampering stands until somebody says that it is over.
            for source in std::mem::take(&mut self.moving) {
                self.tell(&source, Says::Motion(false), at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_camera::onvif::OnvifError;

    use super::*;

    fn heard(told: &mut mpsc::Receiver<(String, Says, Mono)>) -> Vec<Says> {
        std::iter::from_fn(|| told.try_recv().ok()).map(|(_, says, _)| says).collect()
    }

    #[test]
    fn what_stood_so_is_no_alarm_and_what_changed_meanwhile_is_one() {
        let (tell, mut told) = mpsc::channel(WAITING);
        let mut teller = Teller { camera: "gate".parse().unwrap(), tell, moving: BTreeSet::new() };
        let mut say = |on, told| {
            let finding = Finding::Motion { on, source: "lens".into() };
            let event = Event { finding, told, received: Mono(1), camera_time: None };
            teller.event(event);
        };
        say(true, Told::State { before: None });
        assert!(heard(&mut told).is_empty(), "state is no alarm");
        say(true, Told::State { before: Some(false) });
        assert_eq!(heard(&mut told), [Says::Motion(true)]);
        say(false, Told::State { before: Some(true) });
        assert_eq!(heard(&mut told), [Says::Motion(false)]);
        say(true, Told::Change);
        teller.link(Mono(2), Link::Lost(OnvifError::Missing { what: "events" }));
        assert_eq!(
            heard(&mut told),
            [Says::Motion(true), Says::Motion(false)],
            "its end is not heard"
        );
    }

    #[test]
    fn what_two_find_is_over_when_both_say_so() {
        let (areas, by) = (vec!["drive".parse().unwrap()], BTreeMap::new());
        let mut ear = Ear { heard: None, areas, next: Vec::new(), by };
        let motion = |on| CameraSays::Motion { area: "drive".parse().unwrap(), on };
        assert!(ear.with_own(motion(true)).is_some());
        assert!(ear.stands("camera lens", &motion(true)));
        assert!(ear.with_own(motion(false)).is_none(), "the camera still sees it");
        assert!(ear.stands("camera lens", &motion(false)));
        assert!(ear.with_own(motion(false)).is_some(), "the rules know whether that is news");
    }
}
