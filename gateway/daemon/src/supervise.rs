//! One supervisor owns every task.
//!
//! A unit is a factory of futures. One that ends, fails or panics is built again after a jittered
//! back-off; after [`TOO_OFTEN`] ends within [`WINDOW`] it is *degraded*: told once, retried for
//! ever, and told again when it has held for a whole window. An essential unit is not retried: if
//! one ends, the daemon stops in order and systemd starts it anew.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use gatehouse_core::backoff::Backoff;
use gatehouse_core::time::Mono;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinSet};
use tracing::{Instrument, error, info, warn};

use crate::clock::Clock;

/// So many ends within [`WINDOW`] make a unit degraded.
pub const TOO_OFTEN: usize = 5;

/// The restart window.
pub const WINDOW: Duration = Duration::from_secs(60);

/// How a unit ended. `Ok` is a wish to end, granted only while stopping.
pub type Outcome = Result<(), String>;

type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What the supervisor tells of its units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A unit ended too often; it is tried on.
    Degraded {
        /// The unit.
        unit: String,
        /// Its last end.
        reason: String,
    },
    /// A degraded unit has held for a whole window.
    Recovered {
        /// The unit.
        unit: String,
    },
}

/// Why the supervisor returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The future that it was told to wait for was ready.
    Asked,
    /// An essential unit ended.
    Essential {
        /// The unit.
        unit: String,
        /// How.
        reason: String,
    },
}

struct Unit {
    name: String,
    factory: Option<Box<dyn FnMut() -> Work + Send>>,
    backoff: Backoff,
    ends: VecDeque<Mono>,
    degraded: bool,
    running: Option<AbortHandle>,
    /// When to build it again, or (running and degraded) when to call it recovered.
    due: Option<Mono>,
}

impl Unit {
    const fn runs(&self) -> bool {
        self.running.is_some()
    }
}

/// Owns the tasks of the daemon.
pub struct Supervisor {
    clock: Clock,
    units: Vec<Unit>,
    by_task: HashMap<Id, usize>,
    tasks: JoinSet<Outcome>,
    notices: mpsc::Sender<Notice>,
}

impl Supervisor {
    /// A supervisor that tells of its units through `notices` (bounded; when it is full the notice
    /// is only logged).
    pub fn new(clock: Clock, notices: mpsc::Sender<Notice>) -> Self {
        Self { clock, units: Vec::new(), by_task: HashMap::new(), tasks: JoinSet::new(), notices }
    }

    /// Starts a unit that is built again whenever it ends.
    pub fn unit<F, W>(&mut self, name: impl Into<String>, mut factory: F)
    where
        F: FnMut() -> W + Send + 'static,
        W: Future<Output = Outcome> + Send + 'static,
    {
        let factory: Box<dyn FnMut() -> Work + Send> = Box::new(move || Box::pin(factory()));
        self.add(name.into(), Some(factory), None);
    }

    /// Starts a unit without which the daemon must stop.
    pub fn essential(
        &mut self,
        name: impl Into<String>,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) {
        self.add(name.into(), None, Some(Box::pin(work)));
    }

    fn add(
        &mut self,
        name: String,
        factory: Option<Box<dyn FnMut() -> Work + Send>>,
        work: Option<Work>,
    ) {
        let unit = Unit {
            name,
            factory,
            backoff: Backoff::UNIT,
            ends: VecDeque::new(),
            degraded: false,
            running: None,
            due: None,
        };
        // The place of one that was ended is free: places do not move, tasks are known by them.
        let free = { self.units.iter() }.position(|unit| unit.factory.is_none() && !unit.runs());
        let place = free.unwrap_or(self.units.len());
        match free {
            Some(place) => self.units[place] = unit,
            None => self.units.push(unit),
        }
        self.start(place, work);
    }

    fn start(&mut self, index: usize, work: Option<Work>) {
        let unit = &mut self.units[index];
        let Some(work) = work.or_else(|| unit.factory.as_mut().map(|factory| factory())) else {
            return;
        };
        let span = tracing::info_span!("unit", name = %unit.name);
        let handle = self.tasks.spawn(work.instrument(span));
        self.by_task.insert(handle.id(), index);
        unit.due = unit.degraded.then(|| self.clock.mono().plus(WINDOW));
        unit.running = Some(handle);
    }

    /// Runs until `asked` is ready or an essential unit ends. The units go on running: see
    /// [`Supervisor::stop`].
    pub async fn run(&mut self, asked: impl Future<Output = ()>) -> Ended {
        tokio::pin!(asked);
        loop {
            let now = self.clock.mono();
            let wait = self.units.iter().filter_map(|unit| unit.due).min();
            let wait = wait.map_or(WINDOW, |due| due.since(now));
            tokio::select! {
                () = &mut asked => return Ended::Asked,
                Some(ended) = self.tasks.join_next_with_id() => {
                    if let Some(end) = self.ended(ended) {
                        return end;
                    }
                }
                () = tokio::time::sleep(wait) => self.due(),
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), tokio::task::JoinError>) -> Option<Ended> {
        let (id, reason) = match ended {
            Ok((id, Ok(()))) => (id, "it ended".to_owned()),
            Ok((id, Err(reason))) => (id, reason),
            Err(error) => (error.id(), panic_text(error)),
        };
        let index = self.by_task.remove(&id)?;
        let now = self.clock.mono();
        let unit = &mut self.units[index];
        unit.running = None;
        if unit.factory.is_none() {
            error!(unit = %unit.name, %reason, "an essential unit ended");
            return Some(Ended::Essential { unit: unit.name.clone(), reason });
        }
        unit.ends.push_back(now);
        while unit.ends.front().is_some_and(|at| now.since(*at) > WINDOW) {
            unit.ends.pop_front();
        }
        if unit.ends.len() <= 1 && !unit.degraded {
            unit.backoff.reset();
        }
        let wait = unit.backoff.next(fastrand::f64());
        unit.due = Some(now.plus(wait));
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        warn!(unit = %unit.name, %reason, wait_ms, "a unit ended and is started again");
        if unit.ends.len() >= TOO_OFTEN && !unit.degraded {
            unit.degraded = true;
            let unit = unit.name.clone();
            self.tell(&Notice::Degraded { unit, reason });
        }
        None
    }

    fn due(&mut self) {
        let now = self.clock.mono();
        for index in 0..self.units.len() {
            let unit = &mut self.units[index];
            if unit.due.is_none_or(|due| due > now) {
                continue;
            }
            unit.due = None;
            if unit.running.is_none() {
                self.start(index, None);
            } else if std::mem::take(&mut unit.degraded) {
                unit.ends.clear();
                unit.backoff.reset();
                info!(unit = %unit.name, "a degraded unit holds again");
                let unit = unit.name.clone();
                self.tell(&Notice::Recovered { unit });
            }
        }
    }

    fn tell(&self, notice: &Notice) {
        if self.notices.try_send(notice.clone()).is_err() {
            error!(?notice, "nobody takes this notice");
        }
    }

    /// Ends the units of these names and waits until they are gone. Others run on.
    pub async fn stop(&mut self, is_meant: impl Fn(&str) -> bool) {
        let mut waiting = 0;
        for unit in self.units.iter_mut().filter(|unit| is_meant(&unit.name)) {
            unit.due = None;
            unit.factory = None;
            if let Some(handle) = &unit.running {
                handle.abort();
                waiting += 1;
            }
        }
        while waiting > 0 {
            let Some(ended) = self.tasks.join_next_with_id().await else { return };
            let id = ended.map_or_else(|error| error.id(), |(id, _)| id);
            let Some(index) = self.by_task.remove(&id) else { continue };
            self.units[index].running = None;
            waiting -= usize::from(is_meant(&self.units[index].name));
        }
    }

    /// Waits until the units of these names have ended, which they were asked to, and ends those
    /// that have not within `grace`. They are not started again; the others run on. Says whether an
    /// essential unit has ended meanwhile.
    pub async fn end(&mut self, is_meant: impl Fn(&str) -> bool, grace: Duration) -> Option<Ended> {
        let mut end = None;
        let meant = |unit: &Unit| unit.factory.is_some() && is_meant(&unit.name);
        let places: Vec<_> = (0..self.units.len()).filter(|n| meant(&self.units[*n])).collect();
        for place in &places {
            let unit = &mut self.units[*place];
            unit.factory = None;
            unit.due = None;
        }
        let patience = tokio::time::sleep(grace);
        tokio::pin!(patience);
        while places.iter().any(|place| self.units[*place].runs()) {
            let ended = tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next_with_id() => ended,
                () = &mut patience, if !patience.is_elapsed() => {
                    let late = places.iter().filter_map(|place| self.units[*place].running.as_ref());
                    late.for_each(AbortHandle::abort);
                    continue;
                }
                else => break,
            };
            let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
            match self.by_task.get(&id).copied().filter(|place| places.contains(place)) {
                Some(place) => {
                    self.by_task.remove(&id);
                    self.units[place].running = None;
                }
                None => end = end.or(self.ended(ended)),
            }
        }
        for place in places {
            if std::mem::take(&mut self.units[place].degraded) {
                // What is not wanted any more is not degraded any more.
                let unit = self.units[place].name.clone();
                self.tell(&Notice::Recovered { unit });
            }
        }
        end
    }

    /// Waits until these units have ended by themselves.
    pub async fn join(&mut self, is_meant: impl Fn(&str) -> bool) {
        while self.units.iter().any(|unit| unit.running.is_some() && is_meant(&unit.name)) {
            let Some(ended) = self.tasks.join_next_with_id().await else { return };
            let id = ended.map_or_else(|error| error.id(), |(id, _)| id);
            if let Some(index) = self.by_task.remove(&id) {
                self.units[index].running = None;
            }
        }
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            format!("it panicked: {}", text.unwrap_or_else(|| "no message".to_owned()))
        }
        Err(_) => "it was ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn supervisor() -> (Supervisor, mpsc::Receiver<Notice>) {
        let (tell, notices) = mpsc::channel(16);
        (Supervisor::new(Clock::system(), tell), notices)
    }

    #[tokio::test]
    async fn a_unit_that_panics_is_started_again_and_the_others_run_on() {
        let (mut supervisor, _notices) = supervisor();
        let (starts, steady) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (done, mut wait) = mpsc::channel::<()>(1);
        let count = Arc::clone(&starts);
        supervisor.unit("flaps", move || {
            let (n, done) = (count.fetch_add(1, Ordering::Relaxed), done.clone());
            async move {
                assert!(n >= 2, "not yet");
                done.send(()).await.map_err(|e| e.to_string())?;
                std::future::pending().await
            }
        });
        let count = Arc::clone(&steady);
        supervisor.unit("steady", move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        });
        let ended = supervisor.run(async move { wait.recv().await.unwrap_or_default() }).await;
        assert_eq!(ended, Ended::Asked);
        assert_eq!((starts.load(Ordering::Relaxed), steady.load(Ordering::Relaxed)), (3, 1));
        supervisor.stop(|_| true).await;
    }

    #[tokio::test]
    async fn a_unit_that_flaps_is_degraded_once_and_tried_on() {
        let (mut supervisor, mut notices) = supervisor();
        let starts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&starts);
        supervisor.unit("flaps", move || {
            count.fetch_add(1, Ordering::Relaxed);
            async { Err("no such device".to_owned()) }
        });
        let count = Arc::clone(&starts);
        let asked = async {
            while count.load(Ordering::Relaxed) < TOO_OFTEN + 1 {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(supervisor.run(asked).await, Ended::Asked);
        let degraded = Notice::Degraded { unit: "flaps".into(), reason: "no such device".into() };
        assert_eq!(notices.try_recv(), Ok(degraded));
        assert!(notices.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_unit_that_is_ended_has_its_grace_and_the_others_run_on() {
        let (mut supervisor, _notices) = supervisor();
        let (ask, asked) = tokio::sync::watch::channel(false);
        let (starts, orderly) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&orderly);
        supervisor.unit("orderly", move || {
            let (mut asked, count) = (asked.clone(), Arc::clone(&count));
            async move {
                asked.wait_for(|asked| *asked).await.map_err(|e| e.to_string())?;
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        });
        supervisor.unit("deaf", std::future::pending);
        let count = Arc::clone(&starts);
        supervisor.unit("steady", move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        });
        ask.send_replace(true);
        let ended = supervisor.end(|name| name != "steady", Duration::from_secs(1)).await;
        assert_eq!((ended, orderly.load(Ordering::Relaxed)), (None, 1));
        // Their places are free for others of the same name; the steady one was not touched.
        supervisor.unit("deaf", std::future::pending);
        assert_eq!((supervisor.units.len(), starts.load(Ordering::Relaxed)), (3, 1));
        supervisor.stop(|_| true).await;
    }

    #[tokio::test]
    async fn an_essential_unit_that_ends_stops_everything() {
        let (mut supervisor, _notices) = supervisor();
        supervisor.essential("journal", async { Err("the disk is gone".to_owned()) });
        let ended = supervisor.run(std::future::pending()).await;
        let reason = "the disk is gone".to_owned();
        assert_eq!(ended, Ended::Essential { unit: "journal".into(), reason });
    }
}
