//! The gateway's own web page: what is happening, for the people of the site, on the local network.
//!
//! ```text
//!  board, journal ──▶ live (painted once for all) ──▶ a stream for each page
//!                                                        │
//!  rules' desk, eyes ◀── acts, evidence ◀── guard (cookie, right, CSRF) ◀── browser, HTTPS only
//! ```
//!
//! * The alarm core does not know of it: this is a unit like any other, and when it fails it is
//!   degraded and tried on.
//! * There is no account until somebody reads a code at the console ([`Reception`]), and no password
//!   that we know.
//! * What an account may stands in one table ([`RIGHTS`]), which route needs what in another
//!   ([`ROUTES`]); a route that is not in it answers nobody.
//! * Silent panics, and what belongs to them, are not shown: not even that something is hidden.
//! * Who looks at a picture is recorded before its first byte leaves.
//!
//! Bounds: 64 connections, 32 of one address, one minute idle; 24 streams; 64 sessions of 12 hours;
//! bodies of 8 KiB, of settings 64 KiB; one password at a time; 256 open looks of half an hour.
//!
//! Another `[page]` holds by a reload: who is logged in stays so, at the new address; connections of the old
//! one answer nothing more.
//!
//! Limits: sessions end with the daemon. HTTP/1.1.

mod accounts;
mod acts;
mod audit;
mod certificate;
mod credentials;
mod enrol;
mod events;
mod evidence;
mod files;
mod kept;
mod live;
mod login;
mod page;
mod pairing;
mod people;
mod reception;
mod routes;
mod settings;
mod show;
mod stored;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_config::{Config, Page};
use gatehouse_core::time::Mono;
use gatehouse_web::guard::Guard;
use gatehouse_web::listen::{Bounds, Peer, Socket};
use gatehouse_web::lockout::Lockout;
use gatehouse_web::session::Sessions;
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

pub use accounts::{Account, RIGHTS, Right, Role};
pub use kept::Kept;
pub use reception::{PageReport, Reception};
pub use routes::{Need, ROUTES, Route};

use accounts::Accounts;
use audit::Audit;
use evidence::Looks;
use kept::SESSION;

use crate::control::Sources;
use crate::eyes::Eyes;
use crate::supervise::Outcome;

/// Streams at a time: pages that are open.
const STREAMS: usize = 24;

const BOUNDS: Bounds = Bounds { connections: 64, of_one: 32, idle: Some(Duration::from_secs(60)) };

/// How often it is looked whether the certificate must be renewed.
const RENEW: Duration = Duration::from_secs(3600);

/// What a page is served from.
#[derive(Clone)]
pub struct Parts {
    /// What the control socket answers from, too.
    pub sources: Sources,
    /// What cameras are to take.
    pub eyes: Eyes,
    /// What outlives the page's address.
    pub kept: Kept,
}

/// What every request needs.
#[derive(Clone)]
struct Shared(Arc<Inner>);

struct Inner {
    sources: Sources,
    eyes: Eyes,
    kept: Kept,
    audit: Audit,
    reception: Reception,
    /// The accounts' file.
    path: PathBuf,
    streams: Arc<Semaphore>,
    hashing: Semaphore,
    painted: watch::Receiver<live::Painted>,
    guard: Guard,
    /// The page has moved: connections of its old address answer nothing more.
    closed: AtomicBool,
}

/// A cookie that only this origin sets, and only over TLS.
const COOKIE: &str = "__Host-gatehouse-page";

impl std::ops::Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Serves the page until the task is ended, as the configuration that holds says; without `[page]` it only
/// waits for one.
///
/// # Errors
/// Certificate, accounts or address cannot be used; tried again by the supervisor.
pub async fn run(parts: Parts) -> Outcome {
    let mut running = parts.sources.running.clone();
    loop {
        let config = Arc::clone(&running.borrow_and_update().config);
        let page = config.page.clone();
        let elsewhere = async {
            let moved = running.wait_for(|now| now.config.page != page).await.is_ok();
            if !moved {
                std::future::pending::<()>().await;
            }
        };
        let serve = async {
            if let Some(page) = &page {
                return serve(&parts, &config, page).await;
            }
            parts.sources.page.gone();
            std::future::pending().await
        };
        tokio::select! {
            ended = serve => return ended,
            () = elsewhere => info!("the page is configured anew"),
        }
    }
}

/// Closes what was served, when the page moves or its unit ends.
struct Closing(Shared);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Relaxed);
    }
}

async fn serve(parts: &Parts, config: &Config, page: &Page) -> Outcome {
    let Parts { sources, eyes, kept } = parts;
    let reception = sources.page.clone();
    reception.closed(page.listen);
    let gateway = config.address.gateway.clone();
    let identity = || {
        let now = sources.clock.now();
        certificate::identity(page, &config.state_dir, &gateway, &now)
            .map_err(|error| error.to_string())
    };
    let (tls, fingerprint) = identity()?;
    let folder = files::folder(&config.state_dir).map_err(|error| error.to_string())?;
    let path = folder.join("accounts.toml");
    let accounts = Accounts::read(&path).map_err(|error| error.to_string())?;
    let socket = Socket::open(page.listen, Some(tls), BOUNDS)
        .await
        .map_err(|error| format!("the page cannot listen on {}: {error}", page.listen))?;
    info!(listen = %page.listen, sha256 = fingerprint, accounts = accounts.len(), "the page is served");
    reception.open(&fingerprint, accounts.len());
    kept.put(accounts);
    let (paint, painted) = watch::channel(live::Painted::default());
    let here = page.listen.ip().is_loopback().then_some(page.listen.port());
    let audit = Audit::new(sources.journal.clone(), sources.clock.clone(), gateway.clone());
    let shared = Shared(Arc::new(Inner {
        audit,
        eyes: eyes.clone(),
        kept: kept.clone(),
        reception: reception.clone(),
        path,
        streams: Arc::new(Semaphore::new(STREAMS)),
        hashing: Semaphore::new(1),
        painted,
        guard: Guard { secure: true, here },
        closed: AtomicBool::new(false),
        sources: sources.clone(),
    }));
    let _closing = Closing(shared.clone());
    let service = routes::router(&shared).into_make_service_with_connect_info::<Peer>();
    let serve = async move { axum::serve(socket, service).await };
    let renew = async {
        let mut look = tokio::time::interval(RENEW);
        loop {
            look.tick().await;
            match identity() {
                Ok((_, fingerprint)) => reception.renewed(&fingerprint),
                Err(error) => warn!(%error, "the page's certificate cannot be renewed"),
            }
        }
    };
    tokio::select! {
        served = serve => served.map_err(|error| error.to_string()),
        () = live::paint(sources.clone(), paint) => Ok(()),
        () = renew => Ok(()),
    }
}

impl Inner {
    fn mono(&self) -> Mono {
        self.sources.clock.mono()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.kept.sessions()
    }

    fn lockout(&self) -> MutexGuard<'_, Lockout> {
        self.kept.lockout()
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.kept.looks()
    }

    fn accounts(&self) -> Arc<Accounts> {
        self.kept.accounts()
    }

    /// Makes a change of accounts durable, then lets it hold.
    fn keep(&self, accounts: Accounts) -> Result<(), accounts::AccountsError> {
        accounts.write(&self.path)?;
        self.reception.counted(accounts.len());
        self.kept.put(accounts);
        Ok(())
    }

    /// Who has this token, if it still holds.
    fn signed(&self, token: &str) -> Option<routes::Signed> {
        let session = self.sessions().get(token, self.mono())?.clone();
        let account = self.accounts().get(&session.name).cloned();
        let account =
            account.filter(|account| session.is_of(account.name.as_str(), &account.password))?;
        Some(routes::Signed { account, token: token.to_owned(), csrf: session.csrf })
    }
}

/// Whoever panicked holding it: every change is complete under its lock.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
