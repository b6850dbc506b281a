//! The running demo: building, box, broker, control room and page, and what is done to them.
//!
//! One loop owns it all. It hears the viewer's acts ([`acts`]), lets people use the doors, follows
//! the script, notices when a part ends by itself, and looks several times a second at what each
//! witness says.

mod acts;
mod ending;

pub(crate) use ending::Remains;

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use gatehouse_receiver::{Committed, Handle};

use crate::child::broker::{Broker, Passed};
use crate::child::gatebox::{Flash, GateBox};
use crate::cli::Demo;
use crate::error::DemoError;
use crate::page::{Asked, Evidence, Page};
use crate::room;
use crate::script;
use crate::story::{BreakIn, Scene};
use crate::teller::{Teller, Tone};
use crate::view::Cuts;
use crate::watcher::Watcher;
use crate::world::camera::{CAMERAS, Cameras};
use crate::world::community::SENSORS;
use crate::world::people::People;
use crate::world::{DOORS, Wiring, World};

/// The box stays without power for so long.
const DARK: Duration = Duration::from_secs(2);

/// How often the witnesses are asked. Fast enough for an eye, and a few queries a second.
const LOOK: Duration = Duration::from_millis(120);

/// Reports of the broker that may wait for the loop.
const REPORTS_QUEUED: usize = 1024;

/// Acts of the viewer that may wait for the loop.
const ACTS_QUEUED: usize = 32;

/// How long box and control room may take to find each other at the start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How much later than asked the demo ends at most, when events are still on the way. After the
/// script's longest outage (9 s) box and control room try again within 16 s each, and what a broker
/// took before the control room was back is sent again 10 s after that.
const OVERTIME: Duration = Duration::from_secs(45);

/// How long everything must have arrived before the run counts as drained.
const SETTLED: Duration = Duration::from_millis(600);

/// How the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Somebody asked (Ctrl-C).
    Asked,
    /// The time is over and everything has arrived.
    Drained,
    /// The time is over, and so is the overtime.
    Late,
}

pub(crate) struct Lab<'a> {
    demo: &'a Demo,
    teller: Teller,
    flash: Flash,
    tasks: JoinSet<()>,
    world: World,
    cameras: Cameras,
    people: People,
    broker: Option<Broker>,
    broker_port: u16,
    gatebox: Option<GateBox>,
    power_back: Option<Instant>,
    receiver: Option<Handle>,
    committed: broadcast::Receiver<Arc<Committed>>,
    passed: mpsc::Receiver<Passed>,
    passed_in: mpsc::Sender<Passed>,
    acts: mpsc::Receiver<Asked>,
    /// What waits for the box or for the control room, while the loop goes on.
    waits: JoinSet<()>,
    /// Where a break-in has come to, if one is played.
    scene: watch::Sender<Option<Scene>>,
    /// What the scripted break-in has shown so far.
    break_in: Option<watch::Receiver<BreakIn>>,
    watcher: Watcher,
    began: Instant,
    quiet: bool,
    cuts: Cuts,
    unasked_ends: u32,
}

impl<'a> Lab<'a> {
    /// Starts every part, in the order in which they need each other.
    pub(crate) async fn start(
        demo: &'a Demo,
        teller: Teller,
        dir: &Path,
    ) -> Result<Self, DemoError> {
        let page = Page::listen(demo.port)
            .await
            .map_err(|source| DemoError::Page { port: demo.port, source })?;
        let mut tasks = JoinSet::new();
        let flash = Flash::below(dir);

        let world = World::new();
        tasks.spawn(Wiring::listen(&flash.wiring())?.serve(world.clone()));
        teller.say(
            Tone::Plain,
            format_args!(
                "community     {} doors, {} alarm sensors, {} cameras, all shut",
                DOORS.len(),
                SENSORS.len(),
                CAMERAS.len()
            ),
        );

        let (cameras, filming) = Cameras::start().await.map_err(DemoError::System)?;
        tasks.spawn(filming);
        let (passed_in, passed) = mpsc::channel(REPORTS_QUEUED);
        let (broker, listening) = Broker::start(0, passed_in.clone()).await?;
        tasks.spawn(listening);
        let broker_port = broker.port();
        teller.say(
            Tone::Plain,
            format_args!("broker        MQTT on 127.0.0.1:{broker_port}, everything in memory"),
        );

        let receiver = room::open(dir, broker_port).await?;
        let committed = receiver.subscribe();
        teller.say(Tone::Plain, "control room  receives, commits, sends receipts");

        flash
            .install(broker_port, &cameras.toml())
            .map_err(|source| DemoError::Folder { dir: dir.into(), source })?;
        let gatebox = GateBox::start(&flash).map_err(DemoError::Box)?;
        teller.say(
            Tone::Plain,
            format_args!(
                "box           the real daemon; its flash is {}",
                flash.state_dir().display()
            ),
        );

        let (acts_in, acts) = mpsc::channel(ACTS_QUEUED);
        let (view, shown) = watch::channel(Arc::from("{}"));
        let url = page.url();
        let evidence = Evidence { database: room::database(dir), clips: flash.clips() };
        tasks.spawn(async move {
            if let Err(error) = page.serve(acts_in, shown, evidence).await {
                tracing::error!(%error, "the page is gone");
            }
        });
        teller.say(Tone::Well, format_args!("page          {url}"));

        let (scene, played) = watch::channel(None);
        let watcher = Watcher::new(&flash.journal(), world.watch(), played, view);
        let began = Instant::now();
        let people = People::new(demo.seed, demo.pace(), 0);
        Ok(Self {
            demo,
            teller,
            flash,
            tasks,
            world,
            cameras,
            people,
            broker: Some(broker),
            broker_port,
            gatebox: Some(gatebox),
            power_back: None,
            receiver: Some(receiver),
            committed,
            passed,
            passed_in,
            acts,
            waits: JoinSet::new(),
            scene,
            break_in: None,
            watcher,
            began,
            quiet: false,
            cuts: Cuts::default(),
            unasked_ends: 0,
        })
    }

    /// Waits until the control room sees the box, so that the first edge has somebody to see it.
    pub(crate) async fn meet(&mut self) -> Result<(), DemoError> {
        let limit = Instant::now() + START_LIMIT;
        let mut look = interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                _ = look.tick() => {}
                _ = ended(&mut self.gatebox) => {
                    return Err(DemoError::BoxEnded { log: tail(&self.flash.log()) });
                }
            }
            self.look();
            if self.watcher.online() {
                break;
            }
            if Instant::now() > limit {
                return Err(DemoError::NotMet { limit: START_LIMIT, log: tail(&self.flash.log()) });
            }
        }
        self.began = Instant::now();
        self.teller.say(Tone::Well, "everything is up; people begin to use the doors");
        Ok(())
    }

    /// Runs until the end that was asked for, or until `stop`.
    pub(crate) async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<bool, DemoError> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut script = self
            .demo
            .runs_for
            .map(|length| script::plan(length, self.demo.calm))
            .unwrap_or_default()
            .into_iter()
            .peekable();
        if self.demo.runs_for.is_some() {
            self.break_in();
        }
        let mut settled: Option<Instant> = None;
        tokio::pin!(stop);
        let end = loop {
            let next_step = script.peek().map(|(at, _)| self.began + *at);
            let next_use =
                (!self.quiet).then(|| self.began + Duration::from_millis(self.people.next_ms()));
            tokio::select! {
                () = &mut stop => break End::Asked,
                Some((act, answer)) = self.acts.recv() => self.asked(act, answer).await?,
                Some(_) = self.waits.join_next() => {}
                Some(passed) = self.passed.recv() => self.watcher.passed(&passed),
                event = self.committed.recv() => {
                    if let Ok(event) = event {
                        self.committed(&event);
                    }
                }
                () = at(next_use) => self.people_act(),
                () = at(self.power_back) => self.power_back()?,
                () = at(next_step) => {
                    if let Some((_, step)) = script.next() {
                        self.step(step).await?;
                    }
                }
                status = ended(&mut self.gatebox) => self.box_ended(&status)?,
                status = broker_ended(&mut self.broker) => {
                    self.broker = None;
                    self.say(Tone::Broken, format_args!("the broker ended by itself ({status})"));
                }
                ended = room_ended(&mut self.receiver) => return Err(DemoError::Room(ended)),
                _ = look.tick() => {
                    self.look();
                    if let (true, Some(length)) = (self.quiet, self.demo.runs_for) {
                        let ran = self.began.elapsed();
                        let drained =
                            self.watcher.drained(self.edges_owed()) && self.is_broken_into();
                        settled = if drained { settled.or(Some(Instant::now())) } else { None };
                        let long = settled.is_some_and(|since| since.elapsed() >= SETTLED);
                        if ran >= length && long {
                            break End::Drained;
                        }
                        if ran >= length + OVERTIME {
                            break End::Late;
                        }
                    }
                }
            }
        };
        if end == End::Late {
            self.teller.say(
                Tone::Broken,
                format_args!(
                    "not everything has arrived after {OVERTIME:?} more; counting what has"
                ),
            );
        }
        Ok(end == End::Drained)
    }

    /// The box's flash, for the verdict.
    pub(crate) fn journal(&self) -> PathBuf {
        self.flash.journal()
    }

    /// In a calm run every edge of a door must be found in the journal; elsewhere a power cut may take the
    /// edges of the moment with it, before they were stored.
    fn edges_owed(&self) -> Option<u64> {
        let world = *self.world.watch().borrow();
        self.demo.calm.then_some(world.doors.seen())
    }

    fn look(&mut self) {
        let climbs =
            matches!(*self.scene.borrow(), Some(Scene::Fence | Scene::Window | Scene::Inside));
        let quiet = self.quiet;
        self.cameras.stage(|stage| (stage.burglar, stage.quiet) = (climbs, quiet));
        self.watcher.look(self.receiver.as_ref().map(Handle::snapshot).as_ref());
        let covered = self.cameras.staged().covered;
        let parts = (self.broker.is_some(), self.gatebox.is_some());
        self.watcher.show(parts, covered, self.quiet, self.cuts);
    }

    fn committed(&mut self, event: &Committed) {
        self.watcher.committed(event);
        if self.demo.quiet || self.demo.runs_for.is_some() {
            return;
        }
        if let Some(line) = room::line(event) {
            self.teller.say(Tone::Faint, line);
        }
    }

    fn people_act(&mut self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        for (door, open) in self.people.due(now) {
            self.world.swing(door, open);
        }
    }

    /// The daemon ended though nobody cut it; systemd would start it again, and so does the demo.
    fn box_ended(&mut self, status: &str) -> Result<(), DemoError> {
        /// A daemon that keeps ending has a bug, and the viewer should read its log instead.
        const PATIENCE: u32 = 3;
        self.gatebox = None;
        self.unasked_ends += 1;
        if self.unasked_ends > PATIENCE {
            return Err(DemoError::BoxEnded { log: tail(&self.flash.log()) });
        }
        self.power_back = Some(Instant::now() + DARK);
        self.say(
            Tone::Broken,
            format_args!(
                "the box ended by itself ({status}); starting it again. Its log: {}",
                self.flash.log().display()
            ),
        );
        Ok(())
    }

    fn say(&self, tone: Tone, what: impl std::fmt::Display) {
        let seconds = self.began.elapsed().as_secs_f64();
        self.teller.say(tone, format_args!("{seconds:7.1} s  {what}"));
    }
}

/// Waits until then; without a time, for ever.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Waits for a box that ends by itself, and says how.
async fn ended(gatebox: &mut Option<GateBox>) -> String {
    match gatebox {
        Some(gatebox) => match gatebox.ended().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        },
        None => pending().await,
    }
}

/// Waits for a broker that ends by itself, and says how.
async fn broker_ended(broker: &mut Option<Broker>) -> String {
    match broker {
        Some(broker) => match broker.ended().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        },
        None => pending().await,
    }
}

/// Waits for a control room that ends by itself, which it does when its database dies.
async fn room_ended(receiver: &mut Option<Handle>) -> String {
    match receiver {
        Some(receiver) => receiver.ended().await.0,
        None => pending().await,
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    const LINES: usize = 12;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
