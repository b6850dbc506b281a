//! What cameras are to take: from the rules to the cameras' units.
//!
//! A wish leaves here once the event that it is of is stored, with that event's number. [`Eyes`] is a
//! cheap clone that [`Rules`](crate::rules) holds; each camera's unit waits at its own place, and is
//! found by the camera's id, so that a unit that is built anew over a reload goes on where the one
//! before was.
//!
//! # Limits
//!
//! At most [`WAITING`] wishes wait for a camera. Rule: what comes then is not taken, which is logged
//! and counted; the clip that is under way holds what was there anyway.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::Mono;
use tokio::sync::{Notify, oneshot};
use tracing::warn;

/// See the module's page. A storm of 64 zones before one camera.
const WAITING: usize = 64;

/// What came of a wish: facts of the picture, or why there is none.
pub type Taken = Result<serde_json::Value, String>;

/// A picture and a clip are wanted.
#[derive(Debug)]
pub struct Wish {
    /// The event that it is of; none: somebody wants to see.
    pub of: Option<Seq>,
    /// Nobody at the site may notice it.
    pub silent: bool,
    /// The command that wants it.
    pub command: Option<Id>,
    /// What of it.
    pub what: What,
    /// Where it is waited for.
    pub answer: Option<oneshot::Sender<Taken>>,
    /// When it was wanted.
    pub at: Mono,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A picture now, one a little later, and a clip.
    All,
    /// One picture.
    Picture,
    /// A clip.
    Clip,
}

/// The eyes; a clone is the same eyes.
#[derive(Clone, Debug, Default)]
pub struct Eyes(Arc<Mutex<BTreeMap<Id, Arc<Place>>>>);

#[derive(Debug, Default)]
struct Place {
    wishes: Mutex<VecDeque<Wish>>,
    news: Notify,
}

/// Where a camera's unit waits.
#[derive(Clone, Debug)]
pub struct Wishes(Arc<Place>);

impl Eyes {
    /// Wants something of a camera.
    pub fn want(&self, camera: &Id, wish: Wish) {
        let place = self.place(camera);
        let mut wishes = lock(&place.wishes);
        if wishes.len() < WAITING {
            wishes.push_back(wish);
        } else {
            warn!(%camera, of = ?wish.of, "too much is wanted of a camera; no picture of this");
        }
        drop(wishes);
        place.news.notify_one();
    }

    /// Where the unit of a camera waits.
    pub fn wishes(&self, camera: &Id) -> Wishes {
        Wishes(self.place(camera))
    }

    fn place(&self, camera: &Id) -> Arc<Place> {
        Arc::clone(lock(&self.0).entry(camera.clone()).or_default())
    }
}

impl Wishes {
    /// The next wish, the oldest first. Cancelled it has taken none.
    pub async fn next(&self) -> Wish {
        loop {
            let news = self.0.news.notified();
            if let Some(wish) = lock(&self.0.wishes).pop_front() {
                return wish;
            }
            news.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it is held leaves a collection that is still one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(n: u64) -> Wish {
        let (what, at) = (What::All, Mono(n));
        Wish { of: Some(Seq(n)), silent: false, command: None, what, answer: None, at }
    }

    #[tokio::test]
    async fn wishes_wait_for_their_camera_in_order_and_are_bounded() {
        let (eyes, gate) = (Eyes::default(), "gate".parse().unwrap());
        for n in 1..=WAITING as u64 + 5 {
            eyes.want(&gate, wish(n));
        }
        eyes.want(&"hall".parse().unwrap(), wish(99));
        let wishes = eyes.wishes(&gate);
        for n in 1..=WAITING as u64 {
            assert_eq!(wishes.next().await.of, Some(Seq(n)));
        }
        let (next, ()) = tokio::join!(wishes.next(), async { eyes.want(&gate, wish(7)) });
        assert_eq!(next.of, Some(Seq(7)));
    }
}
