//! PostgreSQL: one database for any number of receivers side by side.
//!
//! * A transaction locks the rows of its gateways, in order, and takes their state from there: what
//!   another receiver has committed is known before anything is decided, and nobody else decides
//!   about these gateways until the commit. An event counts once by (gateway, seq), whoever brings
//!   it.
//! * A batch is a handful of round trips: lock, stored bodies where they are needed, one COPY, one
//!   UPDATE and the commit together.
//! * A receiver that is killed leaves its locks with its connection; one that hangs in the middle
//!   loses them after [`IDLE_S`]. Then nothing of its batch is in the database, and nothing of it
//!   was acknowledged.
//!
//! [`IDLE_S`]: connection

mod address;
mod calls;
mod connection;
mod expire;
mod gateways;
mod handovers;
mod looks;
mod news;
mod pictures;
mod read;
mod schema;
mod tls;
mod write;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::{self, Handle, Runtime};

use super::{OpenError, StoreError, VERSION};
use connection::Session;
use write::PostgresWriter;

pub use address::{Server, ServerError};
pub(super) use calls::PostgresLedger;
pub(super) use handovers::Handovers;
pub(super) use looks::PostgresLooks;
pub(crate) use news::{Reader, listen};

/// A server, with a connection when one is needed.
#[derive(Debug)]
pub(super) struct Client {
    server: Server,
    /// How this receiver signs its commits, to know them from the others'.
    token: i64,
    /// Gone only while it is dropped.
    runtime: Option<Runtime>,
    session: Mutex<Option<Arc<Session>>>,
}

impl Client {
    /// Connects, and makes the tables where there are none.
    pub(super) fn open(server: &Server) -> Result<Self, OpenError> {
        Self::opened(server, true)
    }

    /// Connects to tables that are there.
    pub(super) fn open_to_read(server: &Server) -> Result<Self, OpenError> {
        Self::opened(server, false)
    }

    fn opened(server: &Server, make: bool) -> Result<Self, OpenError> {
        let open = |source| OpenError::Server { server: server.to_string(), source };
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| OpenError::Io { path: server.to_string().into(), source })?;
        let (token, session) = (fastrand::i64(1..), Mutex::default());
        let client = Self { server: server.clone(), token, runtime: Some(runtime), session };
        let found = outside(|| {
            client.wait(async {
                let bare = connection::bare(server).await?;
                if make {
                    schema::prepare(&bare).await
                } else {
                    schema::layout(&bare).await.map(|found| match found {
                        Some(VERSION) => None,
                        other => Some(other.unwrap_or(0)),
                    })
                }
            })
        })
        .map_err(open)?;
        if let Some(found) = found {
            let found = match found {
                0 => "no tables of a receiver in its schema gatehouse".to_owned(),
                found => format!("layout {found}"),
            };
            let allowed = format!("layout {VERSION}; `gatehouse-receiver run` makes it");
            return Err(OpenError::Foreign { place: server.to_string(), found, allowed });
        }
        outside(|| client.session().map(drop)).map_err(open)?;
        Ok(client)
    }

    /// See [`listen`].
    pub(super) const fn token(&self) -> i64 {
        self.token
    }

    pub(super) fn writer(&self) -> PostgresWriter<'_> {
        PostgresWriter::new(self)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until the client is dropped")
    }

    /// Waits for an answer on this thread, which must not be one of a runtime (see [`outside`]).
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime().block_on(future)
    }

    /// The connection; another one where the last is lost.
    fn session(&self) -> Result<Arc<Session>, StoreError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        match &*session {
            Some(session) if !session.is_closed() => Ok(Arc::clone(session)),
            _ => {
                let fresh = Arc::new(self.wait(Session::connect(&self.server))?);
                Ok(Arc::clone(session.insert(fresh)))
            }
        }
    }

    /// The connection is in a state that nobody knows: the next one begins anew.
    fn hang_up(&self) {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Dropped inside a program's own runtime, it must not wait for its threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Does something that waits for the server; inside a program's runtime on a thread of its own,
/// since a runtime cannot wait inside another.
fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if Handle::try_current().is_err() {
        return work();
    }
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
