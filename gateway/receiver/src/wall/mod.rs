//! The wall: the page on which operators see a district, and act.
//!
//! ```text
//!  receiver's board ──▶ picture (painted once for all) ──▶ live: a stream for each page
//!                                                             │
//!  receiver's desk ◀── acts ◀── guard (cookie, role, scope) ◀─┴─ browser
//! ```
//!
//! * Silence must mean safety: a page that hears nothing from here for some seconds shows
//!   everything as unknown, and says so.
//! * What an account may see, and do, is decided here in every answer: its sites, its classes, its
//!   role ([`Scope`], [`Role`]).
//! * The page is these files: nothing is built, nothing is loaded from elsewhere.
//!
//! Bounds: 256 connections, 64 streams, 1,024 sessions, one password at a time.
//!
//! Limits: sessions end with the receiver; there is no limit to how long a connection may take to
//! ask (behind 256 of them, more wait).

mod accounts;
mod acts;
mod commands;
mod guard;
mod handovers;
mod history;
mod live;
mod login;
mod page;
mod picture;
mod pictures;
mod scope;
mod stats;
mod view;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use gatehouse_core::time::Mono;
use gatehouse_link::{ServerTls, Stamp, TlsError};
use gatehouse_web::guard::Guard;
use gatehouse_web::listen::{Bounds, Peer, Socket, SocketError};
use gatehouse_web::lockout::Lockout;
use gatehouse_web::session::Sessions;
use tokio::sync::{Semaphore, watch};

pub use accounts::{Account, Accounts, AccountsError, Role};
pub(crate) use accounts::{command, is_name};
pub(crate) use commands::OFFERED;
pub use gatehouse_web::secret::SecretError;
pub(crate) use gatehouse_web::secret::{LONGEST, SHORTEST, hash};
pub use scope::Scope;

use guard::Signed;
use picture::Picture;

use crate::operator::Operator;
use crate::signing::SigningKey;
use crate::store::Database;

/// How long a login lasts: a shift.
pub const DEFAULT_SESSION: Duration = Duration::from_secs(12 * 3600);

/// Logins at once: more than a control room has people, over all shifts.
const SESSIONS: usize = 1024;

/// Streams at a time: pages that are open.
const STREAMS: usize = 64;

/// The largest thing a page sends is a note.
const BODY: usize = 8 * 1024;

/// How often it is looked whether the accounts' file has changed.
const RELOAD: Duration = Duration::from_secs(1);

/// Where the wall is, and for whom.
#[derive(Clone, Debug)]
pub struct WallConfig {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// Certificate and key; needed where others than this machine can come.
    pub tls: Option<ServerTls>,
    /// Without TLS where others can come: something before it must encrypt.
    pub plain: bool,
    /// Who may log in.
    pub accounts: PathBuf,
    /// How long a login lasts.
    pub session: Duration,
    /// Where the history is.
    pub database: Database,
    /// What signs the commands; without it they are not signed.
    pub signing: Option<Arc<SigningKey>>,
}

/// Why there is no wall.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// The accounts' file.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The accounts' file has none.
    #[error("the accounts' file {} has no account; hint: gatehouse-receiver account add op-1 \
             --role operator --accounts {}", .0.display(), .0.display())]
    Nobody(PathBuf),
    /// Passwords would go over a network in the clear.
    #[error(
        "--wall {0} is open to other machines, and without TLS anybody between could read \
             passwords; name --wall-cert FILE and --wall-key FILE, or listen on 127.0.0.1, or say \
             --wall-plain if something before it encrypts"
    )]
    Plain(SocketAddr),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Mostly the port is in use.
    #[error("cannot listen on --wall {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// The listening wall.
pub struct Wall {
    socket: Socket,
    address: SocketAddr,
    shared: Shared,
    painted: watch::Sender<Arc<Picture>>,
}

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

pub(crate) struct Inner {
    operator: Operator,
    pictures: watch::Receiver<Arc<Picture>>,
    file: Mutex<AccountsFile>,
    sessions: Mutex<Sessions>,
    lockout: Mutex<Lockout>,
    streams: Arc<Semaphore>,
    hashing: Semaphore,
    history: history::Desk,
    signing: Option<Arc<SigningKey>>,
    session: Duration,
    cookie: String,
    guard: Guard,
}

impl std::ops::Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

struct AccountsFile {
    path: PathBuf,
    accounts: Arc<Accounts>,
    stamp: Stamp,
    looked: Mono,
}

impl std::fmt::Debug for Wall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wall").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Wall {
    /// Reads accounts and certificate, and listens.
    ///
    /// # Errors
    /// [`WallError`]: nothing is guessed, and no file that cannot be read becomes a default.
    pub async fn open(config: WallConfig, operator: Operator) -> Result<Self, WallError> {
        let here = config.address.ip().is_loopback();
        if !here && config.tls.is_none() && !config.plain {
            return Err(WallError::Plain(config.address));
        }
        let stamp = Stamp::of([config.accounts.as_path()]);
        let accounts = Accounts::read(&config.accounts)?;
        if accounts.is_empty() {
            return Err(WallError::Nobody(config.accounts));
        }
        let secure = config.tls.is_some();
        let listen = |source| WallError::Listen { address: config.address, source };
        let socket =
            Socket::open(config.address, config.tls, Bounds::ROOM).await.map_err(|error| {
                match error {
                    SocketError::Tls(error) => error.into(),
                    SocketError::Io(source) => listen(source),
                }
            })?;
        let address = axum::serve::Listener::local_addr(&socket).map_err(listen)?;
        let (painted, pictures) = watch::channel(Arc::default());
        let looked = operator.time().mono;
        let file =
            AccountsFile { path: config.accounts, accounts: Arc::new(accounts), stamp, looked };
        // Cookies do not know ports: two walls on one machine must not share theirs.
        let cookie = if secure {
            "__Host-gatehouse-wall".to_owned()
        } else {
            format!("gatehouse-wall-{}", address.port())
        };
        let shared = Shared(Arc::new(Inner {
            operator,
            pictures,
            file: Mutex::new(file),
            sessions: Mutex::new(Sessions::new(config.session, SESSIONS)),
            lockout: Mutex::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            hashing: Semaphore::new(1),
            history: history::Desk::new(config.database),
            signing: config.signing,
            session: config.session,
            cookie,
            guard: Guard { secure, here: here.then_some(address.port()) },
        }));
        Ok(Self { socket, address, shared, painted })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for a browser.
    pub fn url(&self) -> String {
        format!("{}://{}/", if self.shared.guard.secure { "https" } else { "http" }, self.address)
    }

    /// Serves for as long as it is polled.
    ///
    /// # Errors
    /// None that is known: connections that fail are their own matter.
    pub async fn serve(self) -> io::Result<()> {
        let Self { socket, shared, painted, .. } = self;
        let service = router(shared.clone()).into_make_service_with_connect_info::<Peer>();
        let serve = async move { axum::serve(socket, service).await };
        tokio::select! {
            served = serve => served,
            () = picture::paint(shared.operator.clone(), painted) => Ok(()),
        }
    }
}

fn router(shared: Shared) -> Router {
    page::router()
        .route("/api/session", get(login::session))
        .route("/api/login", post(login::login))
        .route("/api/logout", post(login::logout))
        .route("/api/live", get(live::live))
        .route("/api/sites/{site}", get(acts::site))
        .route("/api/pictures/{site}", get(pictures::latest))
        .route("/api/picture/{site}/{gateway}/{sha256}", get(pictures::one))
        .route("/api/incidents/{site}/{gateway}/{id}/pictures", get(pictures::incident))
        .route("/api/events", get(history::events))
        .route("/api/stats", get(stats::stats))
        .route("/api/incidents/{site}/{gateway}/{id}/{verb}", post(acts::incident))
        .route("/api/commands/{site}/{gateway}/{verb}", post(commands::command))
        .route("/api/handovers/offer/{site}/{gateway}/{incident}", post(handovers::offer))
        .route("/api/handovers/{id}/{verb}", post(handovers::answer))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
        .with_state(shared)
}

impl Inner {
    fn mono(&self) -> Mono {
        self.operator.time().mono
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    fn lockout(&self) -> MutexGuard<'_, Lockout> {
        lock(&self.lockout)
    }

    /// The accounts as the file has them now, or had them when it was good.
    fn accounts(&self) -> Arc<Accounts> {
        let mut file = lock(&self.file);
        let now = self.mono();
        if now.since(file.looked) >= RELOAD {
            file.looked = now;
            let stamp = Stamp::of([file.path.as_path()]);
            if stamp != file.stamp {
                file.stamp = stamp;
                match Accounts::read(&file.path) {
                    Ok(accounts) => {
                        tracing::info!(
                            accounts = accounts.iter().count(),
                            "the accounts' file is read anew"
                        );
                        file.accounts = Arc::new(accounts);
                    }
                    Err(error) => tracing::error!(%error, "the accounts stay as they were"),
                }
            }
        }
        Arc::clone(&file.accounts)
    }

    /// Who has this token, if it still holds.
    fn signed(&self, token: &str) -> Option<Signed> {
        let session = self.sessions().get(token, self.mono())?.clone();
        let account = self.accounts().get(&session.name).cloned();
        let account = account.filter(|account| session.is_of(&account.name, &account.password))?;
        Some(Signed { account, token: token.to_owned(), csrf: session.csrf })
    }

    fn set_cookie(&self, token: &str, lasts_s: u64) -> String {
        self.guard.set_cookie(&self.cookie, token, lasts_s)
    }
}

/// Whoever panicked holding it: every change is complete under its lock.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
