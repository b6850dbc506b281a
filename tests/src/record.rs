//! A list that only grows and that can be waited on: log lines, messages, notifications.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::watch;

/// What a part of the harness has seen so far, shared between the part and the test.
#[derive(Debug)]
pub struct Record<T> {
    entries: Arc<Mutex<Vec<T>>>,
    grown: Arc<watch::Sender<usize>>,
}

impl<T> Clone for Record<T> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries), grown: Arc::clone(&self.grown) }
    }
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Self { entries: Arc::default(), grown: Arc::new(watch::Sender::new(0)) }
    }
}

impl<T> Record<T> {
    /// Adds an entry and wakes everybody who waits.
    pub fn push(&self, entry: T) {
        let len = self.read_mut(|entries| {
            entries.push(entry);
            entries.len()
        });
        self.grown.send_replace(len);
    }

    /// Changes the newest entry for which `change` returns true, and wakes everybody who waits.
    pub fn amend(&self, mut change: impl FnMut(&mut T) -> bool) {
        self.read_mut(|entries| {
            let _ = entries.iter_mut().rev().any(&mut change);
        });
        self.grown.send_modify(|_| {});
    }

    /// Looks at all entries under the lock.
    pub fn read<R>(&self, look: impl FnOnce(&[T]) -> R) -> R {
        self.read_mut(|entries| look(entries))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.read(<[T]>::len)
    }

    /// Whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of all entries.
    pub fn all(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.read(<[T]>::to_vec)
    }

    /// Waits until `find` returns something over all entries so far; `what` names the missing fact.
    pub async fn wait_for<R>(
        &self,
        what: &str,
        limit: Duration,
        mut find: impl FnMut(&[T]) -> Option<R>,
    ) -> anyhow::Result<R> {
        let mut grown = self.grown.subscribe();
        let search = async {
            loop {
                grown.borrow_and_update();
                if let Some(found) = self.read(&mut find) {
                    return Ok(found);
                }
                grown.changed().await.context("the record's owner is gone")?;
            }
        };
        match tokio::time::timeout(limit, search).await {
            Ok(found) => found,
            Err(_) => bail!("waited {limit:?} for {what}; {} entries so far", self.len()),
        }
    }

    fn read_mut<R>(&self, look: impl FnOnce(&mut Vec<T>) -> R) -> R {
        look(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_the_entry_or_names_what_was_missing() {
        let record = Record::default();
        let writer = record.clone();
        let waiting = record.wait_for("a seven", Duration::from_secs(5), |all| {
            all.iter().position(|entry| *entry == 7)
        });
        let writing = async {
            for entry in [1, 3, 7] {
                writer.push(entry);
                tokio::task::yield_now().await;
            }
        };
        let (found, ()) = tokio::join!(waiting, writing);
        assert_eq!(found.unwrap(), 2);
        let missing = record
            .wait_for("a nine", Duration::from_millis(10), |all| all.contains(&9).then_some(()))
            .await;
        let missing = missing.unwrap_err().to_string();
        assert!(missing.contains("a nine") && missing.contains("3 entries"), "{missing}");
    }

    #[tokio::test]
    async fn a_wait_also_sees_an_amended_entry() {
        let record = Record::default();
        record.push(1);
        record.amend(|entry| {
            *entry = 5;
            true
        });
        record
            .wait_for("five", Duration::from_secs(5), |all| all.contains(&5).then_some(()))
            .await
            .unwrap();
    }
}
