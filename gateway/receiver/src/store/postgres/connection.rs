//! One connection: its settings, its prepared statements, and its time limits.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, Statement};

use super::super::StoreError;
use super::address::Server;
use super::tls::Securing;
use crate::password;

/// TCP, TLS and the server's greeting.
const CONNECT_S: u64 = 10;

/// The longest answer that is waited for by who commits. A server that hangs longer is as good as
/// away: nothing is acknowledged meanwhile in either case.
pub(super) const ANSWER_S: u64 = 30;

/// A receiver that hangs in the middle of a transaction keeps its locks so long, in seconds. Above
/// the pause of a busy machine, below what an operator waits for an alarm.
const IDLE_S: u64 = 10;

/// Another receiver's transaction takes some tens of milliseconds; longer than this, in seconds,
/// is no waiting in line any more.
const LOCK_S: u64 = 20;

/// A connection with its statements.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) statements: Statements,
    /// Ends by itself when the client is dropped or the server goes.
    _driver: JoinHandle<()>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// What every batch needs, prepared once.
pub(super) struct Statements {
    pub(super) lock: Statement,
    pub(super) refresh: Statement,
    pub(super) named: Statement,
    pub(super) block: Statement,
    pub(super) bodies: Statement,
    pub(super) copy: Statement,
    pub(super) progress: Statement,
    pub(super) notify: Statement,
    pub(super) commit: Statement,
}

impl Session {
    pub(super) async fn connect(server: &Server) -> Result<Self, StoreError> {
        let (client, driver) = dial(server).await?;
        client
            .batch_execute(&format!(
                "SET search_path = gatehouse; \
                 SET idle_in_transaction_session_timeout = '{IDLE_S}s'; \
                 SET lock_timeout = '{LOCK_S}s'; SET tcp_keepalives_idle = 30; \
                 SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; \
                 SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off';"
            ))
            .await?;
        let statements = Statements {
            lock: client.prepare(super::gateways::LOCK).await?,
            refresh: client.prepare(super::gateways::REFRESH).await?,
            named: client.prepare(super::gateways::NAMED).await?,
            block: client.prepare("SELECT nextval('arrivals')").await?,
            bodies: client.prepare(super::write::BODIES).await?,
            copy: client.prepare(super::write::COPY).await?,
            progress: client.prepare(super::write::PROGRESS).await?,
            notify: client.prepare(super::news::NOTIFY).await?,
            commit: client.prepare("COMMIT").await?,
        };
        Ok(Self { client, statements, _driver: driver })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

/// A connection without settings.
pub(super) async fn bare(server: &Server) -> Result<Client, StoreError> {
    let (client, _) = dial(server).await?;
    if client.query_one("SHOW fsync", &[]).await?.get::<_, &str>(0) == "off" {
        tracing::warn!(%server, "fsync is off: events that are confirmed may be lost with the power");
    }
    Ok(client)
}

/// With the password as it is now.
pub(super) fn configured(server: &Server) -> Result<Config, StoreError> {
    let mut config = server.config.clone();
    if let Some(file) = &server.password_file {
        config.password(password::read(file)?);
    } else if let Some(password) = &server.password {
        config.password(password);
    }
    Ok(config)
}

async fn dial(server: &Server) -> Result<(Client, JoinHandle<()>), StoreError> {
    let config = configured(server)?;
    let connecting = config.connect(Securing(server.tls.clone()));
    let (client, connection) = timeout(Duration::from_secs(CONNECT_S), connecting)
        .await
        .map_err(|_| StoreError::Silent(CONNECT_S))??;
    let driver = tokio::runtime::Handle::current().spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to PostgreSQL has ended");
        }
    });
    Ok((client, driver))
}
