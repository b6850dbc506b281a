//! Starting a receiver inside a program, watching it and stopping it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, broadcast, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::{Clock, SystemClock};
use crate::command::Answered;
use crate::config::{ReceiverConfig, SecurityError};
use crate::desk::{self, Bell, Desk, Elsewhere, Parts, QUEUE, Work};
use crate::handover::{self, Book, Handovers, Room, RoomError, Rooms, Shares, Voice};
use crate::link::Linker;
use crate::meter::Meter;
use crate::metrics::Gauges;
use crate::operator::Operator;
use crate::outbox::Outbox;
use crate::responders::{Books, Roster, RosterError, Teller};
use crate::snapshot::{Committed, Snapshot};
use crate::store::postgres::{Reader, listen};
use crate::store::{Database, OpenError, Store, ledger};

/// How long an orderly stop may take: a last commit, the goodbye, the end of the connection.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Room in the channel beside the slots of [`QUEUE`], for words of command.
const COMMANDS: usize = 8;

/// Results of commands that wait for whoever sent them.
const RESULTS: usize = 256;

/// The control room's end of one district.
#[derive(Debug)]
pub struct Receiver;

/// A running receiver. Dropped without [`Handle::stop`] it ends as by a crash: what is not
/// acknowledged comes again, and the broker publishes its will.
#[derive(Debug)]
pub struct Handle {
    tasks: JoinSet<()>,
    /// Hears what other receivers commit, and keeps in touch with other control rooms, for as long
    /// as this one lives.
    _listening: JoinSet<()>,
    /// Tells responders, for as long as this one lives.
    telling: JoinSet<()>,
    desk: Option<thread::JoinHandle<()>>,
    failed: watch::Receiver<Option<String>>,
    work: SyncSender<Work>,
    stop: watch::Sender<bool>,
    stop_desk: Arc<AtomicBool>,
    watchers: broadcast::Sender<Arc<Committed>>,
    board: Arc<Mutex<Snapshot>>,
    /// Kept for the operators' desk.
    _results: broadcast::Sender<Arc<Answered>>,
    operator: Operator,
    gauges: Gauges,
}

/// Why a receiver could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Address and files disagree about TLS.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// Whom to tell is kept where a receiver that is killed finds it again.
    #[error("responders are told only from a file or a PostgreSQL, not from a database in memory")]
    NoLedger,
    /// The responders' file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// This room's key, or the peers' file.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// The system gave no thread: out of memory or of process ids.
    #[error("cannot start the database's thread: {0}")]
    Thread(std::io::Error),
}

/// A receiver that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the receiver has ended: {0}")]
pub struct Ended(pub String);

/// Tells the connection that nothing more will come, however the thread ends.
struct Ending(Arc<Outbox>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Receiver {
    /// Opens the database, begins to connect, and returns. Runs inside the caller's runtime.
    ///
    /// # Errors
    /// When the database cannot be opened, or TLS is half configured. A broker that is away is no error: it is tried again.
    pub async fn start(config: ReceiverConfig) -> Result<Handle, StartError> {
        Self::start_with(config, Arc::new(SystemClock)).await
    }

    /// The same, with another clock.
    ///
    /// # Errors
    /// See [`Receiver::start`].
    pub async fn start_with(
        config: ReceiverConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Handle, StartError> {
        config.check()?;
        let rooms = match &config.room {
            Some(_) if matches!(config.database, Database::Memory) => {
                return Err(RoomError::NoDatabase.into());
            }
            Some(room) => Some(Arc::new(Rooms::read(room, &config.district)?)),
            None => None,
        };
        let (inbox, inputs) = handover::channel();
        let config = Arc::new(config);
        let outbox = Arc::new(Outbox::default());
        let board = Arc::new(Mutex::new(Snapshot::default()));
        let slots = Arc::new(Semaphore::new(QUEUE));
        let meter = Arc::new(Meter::default());
        let (work, works) = sync_channel(QUEUE + COMMANDS);
        let (watchers, _) = broadcast::channel(config.watch_capacity.max(1));
        let (results, _) = broadcast::channel(RESULTS);
        let (stop, stopping) = watch::channel(false);
        let (failed, failure) = watch::channel(None);
        let stop_desk = Arc::new(AtomicBool::new(false));
        let elsewhere = Arc::new(Elsewhere::default());
        let roster = match &config.responders {
            None => None,
            Some(path) => Some((path.clone(), Arc::new(Roster::read(path)?))),
        };
        if roster.is_some() && matches!(config.database, Database::Memory) {
            return Err(StartError::NoLedger);
        }
        let calling = roster.is_some().then(|| Arc::new(Notify::new()));
        let desk = Desk::new(Parts {
            clock: Arc::clone(&clock),
            district: config.district.clone(),
            host: config.host.clone(),
            period: config.period(),
            storm: config.storm,
            keep: config.keep.clone(),
            pictures_max: config.pictures_max,
            outbox: Arc::clone(&outbox),
            board: Arc::clone(&board),
            watchers: watchers.clone(),
            results: results.clone(),
            slots: Arc::clone(&slots),
            meter: Arc::clone(&meter),
            elsewhere: Arc::clone(&elsewhere),
            calling: calling.clone(),
            inbox: rooms.is_some().then(|| inbox.clone()),
            stop: Arc::clone(&stop_desk),
        });
        let (opened, is_open) = oneshot::channel();
        let database = config.database.clone();
        let ending = Arc::clone(&outbox);
        let desk = thread::Builder::new()
            .name("receiver_desk".to_owned())
            .spawn(move || {
                // Also when the thread panics: the connection must not outlive it.
                let _ending = Ending(ending);
                let store = match Store::open(&database) {
                    Ok(store) => store,
                    Err(error) => {
                        let _ = opened.send(Err(error));
                        return;
                    }
                };
                let _ = opened.send(Ok(store.token()));
                if let Err(error) = desk.run(&store, &works) {
                    tracing::error!(%error, "the database cannot be read");
                    failed.send_replace(Some(format!("the database cannot be read: {error}")));
                }
            })
            .map_err(StartError::Thread)?;
        let token = match is_open.await {
            Ok(opened) => opened?,
            Err(_) => unreachable!("the thread answers before it does anything else"),
        };
        let mut listening = JoinSet::new();
        if let (Database::Postgres(server), Some(token)) = (&config.database, token) {
            let (server, district) = (server.clone(), config.district.to_string());
            let bell: Arc<dyn Reader> = Arc::new(Bell { elsewhere, work: work.clone() });
            listening.spawn(async move { listen(&server, token, &district, bell).await });
        }
        let mut telling = JoinSet::new();
        if let (Some((path, roster)), Some(news)) = (roster, calling) {
            let teller = Teller {
                district: config.district.clone(),
                path,
                roster,
                books: Books::new(config.database.clone()),
                storm: config.storm,
                clock: Arc::clone(&clock),
                news,
                outbox: Arc::clone(&outbox),
                board: Arc::clone(&board),
                meter: Arc::clone(&meter),
            };
            telling.spawn(teller.run());
        }
        let mut operator = Operator::new(&outbox, &board, &watchers, &results, &clock);
        if let Some(rooms) = rooms {
            operator.handovers = Some(inbox.desk(&board));
            let store = Store::open_to_read(&config.database)?;
            let ledger = ledger(&config.database, &rooms.name)?;
            let voice = Voice { rooms, clock: Arc::clone(&clock) };
            let book = Book { voice, ledger, store };
            let (outbox, board, clock) =
                (Arc::clone(&outbox), Arc::clone(&board), Arc::clone(&clock));
            let shares = Shares { outbox, board, clock, events: watchers.subscribe() };
            listening.spawn(Room::new(book, operator.clone(), inputs, shares).run());
        }
        let gauges = Gauges {
            config: Arc::clone(&config),
            operator: operator.clone(),
            meter,
            slots: Arc::clone(&slots),
        };
        let linker = Linker {
            config,
            clock,
            outbox,
            board: Arc::clone(&board),
            slots,
            work: work.clone(),
            stop: stopping,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(linker.run());
        Ok(Handle {
            tasks,
            _listening: listening,
            telling,
            desk: Some(desk),
            failed: failure,
            work,
            stop,
            stop_desk,
            watchers,
            board,
            _results: results,
            operator,
            gauges,
        })
    }
}

impl Handle {
    /// Every event from now on whose commit has returned, duplicates included. A watcher that
    /// falls behind by more than `watch_capacity` is told how many it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.watchers.subscribe()
    }

    /// Counts and states at this moment.
    pub fn snapshot(&self) -> Snapshot {
        desk::lock(&self.board).summed()
    }

    /// The operators' desk: incidents, and what is done about them. Of no use after the end.
    pub fn operator(&self) -> Operator {
        self.operator.clone()
    }

    /// The desk of handovers to other control rooms, if there are any.
    pub fn handovers(&self) -> Option<Handovers> {
        self.operator.handovers.clone()
    }

    /// What `/metrics` is made of. Of no use after the end.
    pub fn gauges(&self) -> Gauges {
        self.gauges.clone()
    }

    /// Waits until the receiver ends by itself, which it does only if the database's thread dies.
    pub async fn ended(&mut self) -> Ended {
        // A panic of the only task ends the receiver as well.
        let join = tokio::select! {
            join = self.tasks.join_next() => join,
            // It has no end of its own. Without it nobody would be told, and nobody would notice.
            Some(Err(error)) = self.telling.join_next() => {
                return Ended(format!("the task that tells responders failed: {error}"));
            }
        };
        let reason = self.failed.borrow().clone();
        match (reason, join) {
            (Some(reason), _) => Ended(reason),
            (None, Some(Err(error))) => Ended(format!("the connection's task failed: {error}")),
            (None, _) => Ended("the database's thread is gone; see the log".to_owned()),
        }
    }

    /// Commits what has arrived, sends what is owed, tells the district that nobody receives,
    /// and closes connection and database.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.stop_desk.store(true, Ordering::Release);
        // The channel has room for commands beside the slots; if it is gone, so is the thread.
        let _ = self.work.try_send(Work::Stop);
        if let Some(desk) = &self.desk {
            desk.thread().unpark();
        }
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(STOP_WITHIN, ended).await.is_err() {
            tracing::warn!("the connection does not end; it is cut");
            self.tasks.shutdown().await;
        }
        if let Some(desk) = self.desk.take() {
            // The thread is past its last commit, or ends after the present one.
            let joined = tokio::task::spawn_blocking(move || desk.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the database's thread panicked");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop_desk.store(true, Ordering::Release);
        if let Some(desk) = &self.desk {
            desk.thread().unpark();
        }
    }
}
