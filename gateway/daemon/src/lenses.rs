//! Pictures of cameras that are chips: from the thread of their bus to the cameras' units.
//!
//! A [`Lens`] holds the newest thing that was seen of a camera. The bus does not wait for whoever takes
//! it; a picture that nobody has taken before the next one came is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gatehouse_core::id::Id;
use gatehouse_core::time::Mono;
use tokio::sync::Notify;

/// What was seen of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shot {
    /// A picture.
    Picture {
        /// A whole JPEG.
        jpeg: Bytes,
        /// When it was taken.
        at: Mono,
    },
    /// What came is no picture.
    Broken(Mono),
    /// Its chip is lost.
    Lost(Mono),
}

/// The lenses; a clone is the same lenses.
#[derive(Clone, Debug, Default)]
pub struct Lenses(Arc<Mutex<BTreeMap<Id, Lens>>>);

/// One camera; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Lens(Arc<Newest>);

#[derive(Debug, Default)]
struct Newest {
    shot: Mutex<Option<Shot>>,
    came: Notify,
}

impl Lenses {
    /// The camera that is this chip.
    pub fn of(&self, chip: &Id) -> Lens {
        lock(&self.0).entry(chip.clone()).or_default().clone()
    }
}

impl Lens {
    /// Something was seen.
    pub fn show(&self, shot: Shot) {
        *lock(&self.0.shot) = Some(shot);
        self.0.came.notify_one();
    }

    /// What was seen next. Cancelled it has taken nothing.
    pub async fn next(&self) -> Shot {
        loop {
            // A permit of an earlier one wakes at once: none is missed.
            if let Some(shot) = lock(&self.0.shot).take() {
                return shot;
            }
            self.0.came.notified().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it is held leaves a value that is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_is_taken_once_and_by_its_own_camera() {
        let lenses = Lenses::default();
        let (eye, other) = ("eye".parse().unwrap(), "other".parse().unwrap());
        lenses.of(&eye).show(Shot::Broken(Mono(1)));
        lenses.of(&eye).show(Shot::Lost(Mono(2)));
        lenses.of(&other).show(Shot::Broken(Mono(3)));
        let lens = lenses.of(&eye);
        assert_eq!(lens.next().await, Shot::Lost(Mono(2)));
        let (next, ()) = tokio::join!(lens.next(), async { lens.show(Shot::Broken(Mono(4))) });
        assert_eq!(next, Shot::Broken(Mono(4)));
    }
}
