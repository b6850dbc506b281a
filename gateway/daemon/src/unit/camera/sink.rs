//! Where a stream's frames go, and what is seen of it: called between two packets, so nothing waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_camera::frame::Frame;
use gatehouse_camera::health::{HealthSettings, Ladder, Report, Seen, State};
use gatehouse_camera::source::{Feeder, Sink};
use gatehouse_core::time::Mono;
use tokio::sync::Notify;

/// How the streams of a camera do: the worst of them counts.
#[derive(Clone, Debug)]
pub(super) struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ladders: Mutex<Vec<Ladder>>,
    /// Something may be to be told.
    news: Notify,
}

impl Health {
    pub(super) fn new(settings: HealthSettings, streams: usize, now: Mono) -> Self {
        let ladders = (0..streams).map(|_| Ladder::new(settings, now)).collect();
        Self(Arc::new(Inner { ladders: Mutex::new(ladders), news: Notify::new() }))
    }

    /// Something was seen of a stream.
    pub(super) fn seen(&self, stream: usize, at: Mono, seen: Seen) {
        let report = self.ladders().get_mut(stream).and_then(|ladder| ladder.seen(at, seen));
        self.announce(report);
    }

    /// Time has passed.
    pub(super) fn tick(&self, now: Mono) {
        let reports: Vec<_> = self.ladders().iter_mut().map(|ladder| ladder.tick(now)).collect();
        for report in reports {
            self.announce(report);
        }
    }

    /// What stands told, of the worst stream; `None`: not of every stream something is known.
    pub(super) fn told(&self) -> Option<State> {
        let ladders = self.ladders();
        let all = ladders.iter().all(|ladder| ladder.told().is_some());
        let worst = ladders.iter().filter_map(Ladder::told).max_by_key(|state| state.rank());
        // One that is lost is enough to know.
        worst.filter(|state| all || !state.shows())
    }

    /// Something may have changed.
    pub(super) async fn changed(&self) {
        self.0.news.notified().await;
    }

    fn announce(&self, report: Option<Report>) {
        if report.is_some() {
            self.0.news.notify_one();
        }
    }

    fn ladders(&self) -> MutexGuard<'_, Vec<Ladder>> {
        // A panic while it is held leaves ladders that are each whole.
        self.0.ladders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest key frame of the best stream: what a picture is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest(Arc<Mutex<Option<Frame>>>, Arc<Notify>);

impl Newest {
    pub(super) fn set(&self, frame: Frame) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(frame);
        self.1.notify_waiters();
    }

    /// The key frame that shows what was there at a time, or the first one behind it: the one before,
    /// unless that is much older than a group of pictures.
    pub(super) async fn around(&self, at: Mono) -> Frame {
        let fresh = |frame: &Frame| at.since(frame.received) < STALE;
        self.first(fresh).await
    }

    /// The first key frame behind a time.
    pub(super) async fn after(&self, at: Mono) -> Frame {
        self.first(|frame| frame.received >= at).await
    }

    async fn first(&self, good: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let news = self.1.notified();
            tokio::pin!(news);
            // Before the look: a frame that comes between both is not missed.
            news.as_mut().enable();
            let now = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(frame) = now.filter(&good) {
                return frame;
            }
            news.await;
        }
    }
}

/// A key frame that is older shows nothing of now.
const STALE: std::time::Duration = std::time::Duration::from_secs(5);

/// One stream's sink.
pub(super) struct Into {
    pub(super) stream: usize,
    pub(super) health: Health,
    /// Whoever takes frames of this stream.
    pub(super) feeders: Vec<Feeder>,
    /// If pictures are made of this stream.
    pub(super) newest: Option<Newest>,
}

impl Sink for Into {
    fn frame(&mut self, frame: Frame) {
        if let Some(newest) = self.newest.as_ref().filter(|_| frame.key) {
            newest.set(frame.clone());
        }
        for feeder in &self.feeders {
            feeder.push(frame.clone());
        }
    }

    fn seen(&mut self, at: Mono, seen: Seen) {
        self.health.seen(self.stream, at, seen);
    }
}
