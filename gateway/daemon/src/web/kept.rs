//! What goes on when the page moves to another address or has another certificate: accounts, sessions,
//! and whatever guards them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gatehouse_web::lockout::Lockout;
use gatehouse_web::session::Sessions;

use super::accounts::Accounts;
use super::evidence::Looks;
use super::lock;

/// How long a login lasts: a shift.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 3600);

/// Logins at once.
const SESSIONS: usize = 64;

/// A clone is the same.
#[derive(Clone)]
pub struct Kept(Arc<Inner>);

struct Inner {
    accounts: Mutex<Arc<Accounts>>,
    changing: tokio::sync::Mutex<()>,
    sessions: Mutex<Sessions>,
    lockout: Mutex<Lockout>,
    looks: Mutex<Looks>,
}

impl Default for Kept {
    fn default() -> Self {
        Self(Arc::new(Inner {
            accounts: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            sessions: Mutex::new(Sessions::new(SESSION, SESSIONS)),
            lockout: Mutex::default(),
            looks: Mutex::default(),
        }))
    }
}

impl Kept {
    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.0.sessions)
    }

    pub(super) fn lockout(&self) -> MutexGuard<'_, Lockout> {
        lock(&self.0.lockout)
    }

    pub(super) fn looks(&self) -> MutexGuard<'_, Looks> {
        lock(&self.0.looks)
    }

    pub(super) fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&lock(&self.0.accounts))
    }

    /// What is in force from now on.
    pub(super) fn put(&self, accounts: Accounts) {
        *lock(&self.0.accounts) = Arc::new(accounts);
    }

    /// Whoever holds it is the only one who changes accounts.
    pub(super) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.changing.lock().await
    }
}
