//! A source that runs, and what it gave.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::bail;
use gatehouse_camera::frame::Frame;
use gatehouse_camera::health::{Loss, Seen};
use gatehouse_camera::ring::{Ring, RingLimits};
use gatehouse_camera::source::Sink;
use gatehouse_camera::source::rtsp::{RtspSettings, run};
use gatehouse_camera::source::snapshot::{self, SnapshotSettings};
use gatehouse_core::backoff::Backoff;
use gatehouse_core::time::Mono;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::boottime;
use super::hostile::Hostile;

/// Everything that came.
#[derive(Default)]
pub struct Log {
    pub frames: Vec<Frame>,
    /// Instead of `frames`, where only a ring is kept.
    pub ring: Option<Ring>,
    /// Frames that came.
    pub count: usize,
    pub packets_lost: u64,
    pub sessions_lost: u64,
    pub seen: Vec<(Mono, Seen)>,
}

impl Log {
    pub fn losses(&self) -> Vec<(Mono, Loss)> {
        let loss = |&(at, seen): &(Mono, Seen)| match seen {
            Seen::Lost(loss) => Some((at, loss)),
            _ => None,
        };
        self.seen.iter().filter_map(loss).collect()
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<(Mutex<Log>, Notify)>);

impl Sink for Shared {
    fn frame(&mut self, frame: Frame) {
        let mut log = self.0.0.lock().unwrap();
        log.count += 1;
        match &mut log.ring {
            Some(ring) => ring.push(&frame),
            None => log.frames.push(frame),
        }
        drop(log);
        self.0.1.notify_one();
    }

    fn seen(&mut self, at: Mono, seen: Seen) {
        let mut log = self.0.0.lock().unwrap();
        match seen {
            Seen::Gap { packets } => log.packets_lost += u64::from(packets),
            Seen::Lost(_) => log.sessions_lost += 1,
            _ => {}
        }
        if log.ring.is_none() {
            log.seen.push((at, seen));
        }
        drop(log);
        self.0.1.notify_one();
    }
}

/// A running source.
pub struct Taken {
    shared: Shared,
    tasks: JoinSet<()>,
}

/// Attempts come soon: tests wait for them.
pub const SOON: Backoff =
    Backoff::new(Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(500));

impl Taken {
    /// With attempts that come soon.
    pub fn start(settings: RtspSettings) -> Self {
        Self::start_as(RtspSettings { retry: SOON, ..settings })
    }

    /// With the settings as they are.
    pub fn start_as(settings: RtspSettings) -> Self {
        Self::into(settings, Shared::default())
    }

    /// Only a ring is kept of what comes.
    pub fn rings(settings: RtspSettings, limits: RingLimits) -> Self {
        let log = Log { ring: Some(Ring::new(limits)), ..Log::default() };
        Self::into(settings, Shared(Arc::new((Mutex::new(log), Notify::new()))))
    }

    fn into(settings: RtspSettings, shared: Shared) -> Self {
        let mut sink = shared.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            run(settings, &boottime, &mut sink).await;
        });
        Self { shared, tasks }
    }

    /// Snapshots instead of a stream.
    pub fn snapshots(settings: SnapshotSettings) -> Self {
        let shared = Shared::default();
        let mut sink = shared.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            snapshot::run(settings, &boottime, &mut sink).await;
        });
        Self { shared, tasks }
    }

    pub fn read<R>(&self, read: impl FnOnce(&Log) -> R) -> R {
        read(&self.shared.0.0.lock().unwrap())
    }

    /// Waits until `find` finds something.
    pub async fn wait<R>(
        &mut self,
        what: &str,
        limit: Duration,
        mut find: impl FnMut(&Log) -> Option<R>,
    ) -> anyhow::Result<R> {
        let waiting = async {
            loop {
                if let Some(found) = self.read(&mut find) {
                    return Ok(found);
                }
                tokio::select! {
                    () = self.shared.0.1.notified() => {}
                    ended = self.tasks.join_next() => bail!("the source ended: {ended:?}"),
                }
            }
        };
        if let Ok(found) = tokio::time::timeout(limit, waiting).await {
            return found;
        }
        let (frames, losses) = self.read(|log| (log.frames.len(), log.losses()));
        bail!("waited {limit:?} for {what}; {frames} frames, losses {losses:?}")
    }

    /// Frames that came.
    pub fn counted(&self) -> usize {
        self.read(|log| log.count)
    }

    pub fn ring_bytes(&self) -> usize {
        self.read(|log| log.ring.as_ref().map_or(0, Ring::bytes))
    }

    /// Waits until so many came, where only a ring is kept.
    pub async fn pictures(&mut self, least: usize) -> anyhow::Result<()> {
        let limit = Duration::from_secs(60);
        self.wait("pictures", limit, |log| (log.count >= least).then_some(())).await
    }

    /// Waits until a server has served so often, and keeps nothing of what came.
    pub async fn forget_until(&mut self, served: u64, server: &Hostile) -> anyhow::Result<()> {
        while server.served() < served {
            self.wait("a session", Duration::from_secs(20), |log| {
                (!log.seen.is_empty()).then_some(())
            })
            .await?;
            *self.shared.0.0.lock().unwrap() = Log::default();
        }
        Ok(())
    }

    /// The frames so far, which are then nobody else's.
    pub fn take(&self) -> Vec<Frame> {
        std::mem::take(&mut self.shared.0.0.lock().unwrap().frames)
    }

    /// Waits until so many frames have come since the beginning.
    pub async fn frames(&mut self, least: usize) -> anyhow::Result<Vec<Frame>> {
        let what = format!("{least} frames");
        self.wait(&what, Duration::from_secs(40), |log| {
            (log.frames.len() >= least).then(|| log.frames.clone())
        })
        .await
    }

    /// Waits for a loss after so many, and gives it with its time.
    pub async fn loss(&mut self, after: usize) -> anyhow::Result<(Mono, Loss)> {
        self.wait("a loss", Duration::from_secs(40), |log| log.losses().get(after).copied()).await
    }
}
