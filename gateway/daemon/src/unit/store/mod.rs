//! Pictures and clips on their way to the district's store.
//!
//! ```text
//!  journal ─▶ taken ─▶ notes ─▶ order ─▶ push ─▶ s3 ─▶ store
//!                        ▲                 │
//!                        └── camera.stored ◀┘  told ─▶ rules ─▶ journal
//! ```
//! What is owed is what the journal tells of and no `camera.stored` has ended: so nothing is sent whose event
//! is not on flash, and each piece is told once, whoever is killed when. One request goes at a time; behind
//! each the most urgent piece is looked for anew. The gate is shut while alarms wait for their broker.
//!
//! # Limits
//!
//! - What is under way when an alarm comes stops within a piece of 16 KiB; some 200 KiB that hyper and the
//!   kernel have already taken at the default rate go out before it.
//! - What `[evidence]` removes before it is stored is not there to be sent: the removal's event counts it.
//! - Sealed evidence goes as it lies here. The names of files, and with them the numbers of events, are in
//!   its key.

mod books;
mod feed;
mod gate;
pub(super) mod notes;
mod order;
mod pace;
mod push;
mod taken;
mod told;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatehouse_config::{Config, PasswordSource, Store, StoreOf};
use gatehouse_core::backoff::Backoff;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::Mono;
use gatehouse_journal::{Cursors, Journal};
use gatehouse_link::Stamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use self::feed::Flow;
use self::gate::Gate;
use self::notes::Note;
use self::pace::Pace;
use self::push::{Stop, Went};
use self::trouble::Trouble;
use super::camera::evidence;
use crate::board::{Board, StoreView};
use crate::clock::Clock;
use crate::reload::Running;
use crate::rules::Inputs;
use crate::s3::{About, Client, Fault, Payload, S3Error};
use crate::supervise::Outcome;

/// How often it is tried whether the store works while nothing is sent.
const CHECK: Duration = Duration::from_secs(24 * 3600);

/// How often it is looked which pieces are gone from the flash.
const TEND: Duration = Duration::from_secs(60);

/// How often it is looked for another secret while the store refuses.
const MENDED: Duration = Duration::from_secs(5);

/// What the unit is made of.
#[derive(Clone)]
pub(super) struct Parts {
    /// The configuration that holds.
    pub(super) running: watch::Receiver<Running>,
    pub(super) journal: Journal,
    pub(super) heads: watch::Receiver<Cursors>,
    pub(super) board: Board,
    pub(super) clock: Clock,
    pub(super) inputs: Inputs,
}

/// What is sent where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    gateway: Id,
    /// The folder of all evidence.
    root: PathBuf,
    store: Store,
}

impl Plan {
    /// `None`: there is no store.
    fn of(config: &Config) -> Option<Self> {
        let store = config.evidence.store.clone()?;
        let gateway = config.address.gateway.clone();
        Some(Self { gateway, root: evidence::root(config), store })
    }

    /// Which store it is: uploads that another began are none here.
    fn place(&self) -> String {
        format!("{}/{}", self.store.endpoint, self.store.bucket)
    }

    /// Whether it is to be sent.
    fn wants(&self, note: &Note) -> bool {
        let kind =
            if note.folder == evidence::CLIPS { self.store.clips } else { self.store.pictures };
        kind && (self.store.of == StoreOf::All || note.alarm)
    }
}

/// Sends evidence for ever, to whatever store the configuration names.
pub(super) async fn run(mut parts: Parts) -> Outcome {
    loop {
        let (plan, gateway) = {
            let config = &parts.running.borrow_and_update().config;
            (Plan::of(config), config.address.gateway.clone())
        };
        match plan {
            None => {
                parts.board.note(|view| view.store = None);
                let none = told::restored(&gateway, Some("no store is configured any more"));
                if parts.inputs.send(none).await.is_err() || parts.running.changed().await.is_err()
                {
                    return Ok(());
                }
            }
            Some(plan) => {
                let pusher = Pusher::new(plan.clone(), &parts).await?;
                tokio::select! {
                    ended = pusher.run() => return ended,
                    another = another(&mut parts.running, &plan) => if !another { return Ok(()) },
                }
            }
        }
    }
}

/// Ready once something else is to be sent, or elsewhere. False: nobody is left who could say so.
async fn another(running: &mut watch::Receiver<Running>, plan: &Plan) -> bool {
    loop {
        if running.changed().await.is_err() {
            return false;
        }
        if Plan::of(&running.borrow_and_update().config).as_ref() != Some(plan) {
            return true;
        }
    }
}

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Work {
    /// The store is tried.
    Check,
    /// A piece goes on.
    Piece(String),
    /// One that is gone is given up.
    GiveUp(String),
}

/// Pushes evidence to one store.
struct Pusher {
    plan: Plan,
    journal: Journal,
    heads: watch::Receiver<Cursors>,
    board: Board,
    clock: Clock,
    inputs: Inputs,
    client: Client,
    flow: Flow,
    notes: BTreeMap<String, Note>,
    /// Events up to here have their notes.
    upto: Seq,
    trouble: Trouble,
    /// What the store refuses for its own sake, and when it is tried again.
    later: BTreeMap<String, (Backoff, Mono)>,
    /// Uploads whose parts are known.
    listed: BTreeSet<String>,
    /// Pieces whose event is on its way to the journal.
    told: BTreeSet<String>,
    /// Pieces that are not on the flash any more.
    gone: BTreeSet<String>,
    check: Mono,
    tend: Mono,
    /// The files of secret and authority, as they were when the store refused last.
    refused_with: Option<Stamp>,
    view: StoreView,
}

impl Pusher {
    async fn new(plan: Plan, parts: &Parts) -> Result<Self, String> {
        let root = plan.root.clone();
        let kept = spawn_blocking(move || notes::load(&root)).await;
        let kept = kept.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let clock = parts.clock.clone();
        let gate = Gate {
            heads: parts.heads.clone(),
            journal: parts.journal.clone(),
            board: parts.board.clone(),
            clock: clock.clone(),
            alone: None,
        };
        let pace = Arc::new(Mutex::new(Pace::new(plan.store.rate)));
        let view = StoreView {
            endpoint: plan.store.endpoint.to_string(),
            bucket: plan.store.bucket.clone(),
            since: clock.now().utc,
            ..StoreView::default()
        };
        Ok(Self {
            client: Client::new(plan.store.clone(), clock.clone()),
            flow: Flow { pace, gate, clock: clock.clone() },
            trouble: Trouble::new(plan.store.hold_off),
            plan,
            journal: parts.journal.clone(),
            heads: parts.heads.clone(),
            board: parts.board.clone(),
            clock,
            inputs: parts.inputs.clone(),
            notes: kept.notes,
            upto: kept.upto,
            later: BTreeMap::new(),
            listed: BTreeSet::new(),
            told: BTreeSet::new(),
            gone: BTreeSet::new(),
            check: Mono(0),
            tend: Mono(0),
            refused_with: None,
            view,
        })
    }

    /// Until the disk fails or the rules have ended.
    async fn run(mut self) -> Outcome {
        loop {
            match self.turn().await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Stop::Disk(why)) => return Err(why),
                Err(Stop::Store(error)) => return Err(error.advice()),
            }
        }
    }

    /// One thing at a time. False: the rules have ended.
    async fn turn(&mut self) -> Result<bool, Stop> {
        self.take_up().await?;
        let now = self.clock.mono();
        if self.tend <= now {
            self.look_for_gone().await?;
            self.tend = now.plus(TEND);
        }
        if !self.tell().await {
            return Ok(false);
        }
        self.show();
        let work = self.work(now);
        let Some(work) = work.filter(|_| self.trouble.again() <= now) else {
            self.rest(now).await;
            return Ok(true);
        };
        if !self.flow.gate.is_open() {
            self.view.gives_way = true;
            self.show();
            tokio::select! {
                () = self.flow.gate.opened() => self.view.gives_way = false,
                // What is the most urgent may be another by then; and who waits is told of it.
                () = changed(&mut self.heads) => {}
            }
            return Ok(true);
        }
        self.view.gives_way = false;
        self.carry_out(work).await?;
        Ok(true)
    }

    /// What is to be done, the most urgent first.
    fn work(&self, now: Mono) -> Option<Work> {
        // The small object says whether it works before anything large is tried.
        if self.check <= now || self.trouble.stands().is_some() {
            return Some(Work::Check);
        }
        let due = |note: &&Note| {
            self.is_owed(note) && self.later.get(&note.file).is_none_or(|(_, at)| *at <= now)
        };
        let piece = order::next(self.notes.values().filter(due));
        let piece = piece.map(|note| Work::Piece(note.file.clone()));
        piece.or_else(|| self.gone.first().cloned().map(Work::GiveUp))
    }

    fn is_owed(&self, note: &Note) -> bool {
        note.done.is_none() && self.plan.wants(note) && !self.gone.contains(&note.file)
    }

    async fn carry_out(&mut self, work: Work) -> Result<(), Stop> {
        let done = match &work {
            Work::Check => {
                let key = format!("{}{}/check", self.plan.store.prefix, self.plan.gateway);
                let about = About { content_type: "text/plain", meta: Vec::new() };
                let put = self.client.put(&key, &about, Payload::text("gatehouse\n")).await;
                put.map_err(Stop::Store)
            }
            Work::Piece(file) => self.step(file).await.map(|went| match went {
                Went::On => {}
                Went::Gone => {
                    self.gone.insert(file.clone());
                }
                Went::Stored => self.stored(file),
            }),
            Work::GiveUp(file) => self.give_up(file).await,
        };
        let now = self.clock.mono();
        match done {
            Ok(()) => {
                if let Work::Piece(file) = &work {
                    self.later.remove(file);
                }
                self.works(now).await;
                Ok(())
            }
            Err(Stop::Store(S3Error::GaveWay)) => Ok(()),
            Err(Stop::Store(error)) => {
                self.failed(&work, &error, now).await;
                Ok(())
            }
            Err(disk) => Err(disk),
        }
    }

    async fn works(&mut self, now: Mono) {
        self.check = now.plus(CHECK);
        self.refused_with = None;
        if self.trouble.works() {
            if self.view.trouble.take().is_some() || !self.view.works {
                info!(bucket = self.plan.store.bucket, "the store for pictures and clips works");
                self.view.since = self.clock.now().utc;
            }
            self.view.works = true;
            self.send(vec![told::restored(&self.plan.gateway, None)]).await;
        }
    }

    async fn failed(&mut self, work: &Work, error: &S3Error, now: Mono) {
        if error.is_of_one()
            && let Work::Piece(file) = work
        {
            // It took the request for what it is, and refuses the piece.
            self.put_off(file, error, now);
            return self.works(now).await;
        }
        let fault = error.fault().unwrap_or(Fault::Refused);
        let first = self.trouble.stands().is_none();
        self.trouble.failed(fault, error.cause(), now, fastrand::f64());
        self.refused_with = fault.is_refusal().then(|| stamp(&self.plan.store));
        if self.client.has_its_time() && first {
            // With that it is asked again at once; a second time it waits like any other.
            self.trouble.try_now();
            return;
        }
        self.troubled(error.advice());
    }

    /// Shown, and logged when it is another than before.
    fn troubled(&mut self, advice: String) {
        if self.view.trouble.is_none() {
            self.view.since = self.clock.now().utc;
        }
        if self.view.trouble.as_ref() != Some(&advice) {
            warn!(bucket = self.plan.store.bucket, why = advice, "the store takes nothing");
            self.view.trouble = Some(advice);
        }
    }

    fn put_off(&mut self, file: &str, error: &S3Error, now: Mono) {
        let entry = self.later.entry(file.to_owned()).or_insert((Backoff::REFUSED, now));
        entry.1 = now.plus(entry.0.next(fastrand::f64()));
        let Some(note) = self.notes.get_mut(file) else { return };
        // What was summed may not be what is there.
        note.sums = None;
        // A name could tell of what nobody here may know.
        let file = note.open.as_ref().map(|_| file);
        warn!(
            file,
            why = error.advice(),
            "a picture or clip is not taken; it is tried again later"
        );
    }

    /// Waits for whatever comes first: an event, an attempt that is due, or a mended secret.
    async fn rest(&mut self, now: Mono) {
        let mut at = vec![self.tend, self.check];
        at.extend(self.trouble.due());
        at.extend(self.later.values().map(|(_, at)| *at));
        if self.trouble.stands().is_some() {
            at.push(self.trouble.again());
        } else {
            self.client.rest();
        }
        let at = at.into_iter().filter(|at| *at > now).min();
        let wait = at.map_or(TEND, |at| at.since(now));
        let mended = mended(&self.plan.store, self.refused_with.as_ref());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = changed(&mut self.heads) => {}
            () = mended => {
                info!("the store's secret or authority is another one: it is tried again");
                self.refused_with = None;
                self.trouble.try_now();
            }
        }
    }
}

/// Ready when something was stored.
async fn changed(heads: &mut watch::Receiver<Cursors>) {
    if heads.changed().await.is_err() {
        // Nothing is stored any more: we are about to be stopped.
        std::future::pending::<()>().await;
    }
}

/// What only a person can mend may be mended in these files.
fn stamp(store: &Store) -> Stamp {
    let secret = match &store.secret_key {
        PasswordSource::File(path) => Some(path.as_path()),
        // systemd gives another one with the next start.
        PasswordSource::Credential(_) => None,
    };
    Stamp::of(secret.into_iter().chain([store.ca.as_path()]))
}

/// Ready when these files are others than they were; never, if the store does not refuse.
async fn mended(store: &Store, before: Option<&Stamp>) {
    let Some(before) = before else { return std::future::pending().await };
    let mut look = tokio::time::interval(MENDED);
    loop {
        look.tick().await;
        if stamp(store) != *before {
            return;
        }
    }
}

/// Of removed evidence, how many pieces the store never had; `None`: there is no store. `owed`: the names
/// that had a note before they were removed. Blocks.
pub(super) fn unstored<'a>(
    config: &Config,
    owed: &BTreeSet<String>,
    removed: impl Iterator<Item = &'a std::path::Path>,
) -> Option<usize> {
    let plan = Plan::of(config)?;
    let name = |path: &std::path::Path| Some(path.file_name()?.to_str()?.to_owned());
    let names = removed.filter_map(name).filter(|name| owed.contains(name));
    Some(names.filter(|name| notes::was_owed(&plan.root, name)).count())
}

#[cfg(test)]
mod tests;
