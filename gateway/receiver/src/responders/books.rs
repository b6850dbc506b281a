//! The ledger for a task: a database's answer is waited for on a thread that may wait.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::calls::{self, Ledger};
use crate::store::{Database, OpenError, StoreError};

/// Why the database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BooksError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It does not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runtime ends.
    #[error("the receiver is ending")]
    Ending,
}

/// Opened with the first question; cheap to clone.
#[derive(Clone)]
pub(crate) struct Books {
    database: Database,
    ledger: Arc<Mutex<Option<Box<dyn Ledger>>>>,
}

impl Books {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, ledger: Arc::default() }
    }

    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Ledger) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BooksError> {
        let Self { database, ledger } = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            // Whoever panicked holding it: a ledger has no state between two questions.
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            if ledger.is_none() {
                *ledger = Some(calls::open(&database)?);
            }
            let open = ledger.as_mut().ok_or(BooksError::Ending)?;
            Ok(question(&mut **open)?)
        });
        asked.await.map_err(|_| BooksError::Ending)?
    }
}
