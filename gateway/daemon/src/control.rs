//! The control socket: what `gatehouse status` and `gatehouse events --follow` ask.
//!
//! A Unix socket of the daemon's own folder, for its own user and group. A line `status` is
//! answered with one JSON object, `schedule` with a list of what schedules do next, `page` with the
//! page's address and, while it has no account, the code for the first, `reload` with what came of it, `config`
//! and a length with what came of the [`Question`] of so many bytes behind that line, a line `follow` with a line for each commit, holding the newest
//! seq, until the client goes away; a [`Wish`] with what came of it, once that is stored.

mod config;
mod schedule;
mod wish;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::contract::{Backlog, PathState};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{Danger, Incident, Thing};
use gatehouse_core::time::{ClockState, UtcMs};
use gatehouse_journal::{Cursors, Journal};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::debug;

pub use config::{Question, Told};
pub use schedule::{ScheduleMoment, ScheduleReport};
pub(crate) use schedule::{of_config, of_view};
pub(crate) use wish::ask;
pub use wish::{Digits, Outcome, Wish};

use crate::board::{Board, StoreView};
use crate::clock::Clock;
use crate::gauges::{EvidenceLoad, Gauges};
use crate::reload::{Reloaded, Request, Running};
use crate::sandbox::{self, Sandbox};
use crate::supervise;
use crate::transaction::{Changes, Unconfirmed, Who};
use crate::unit::readers::Enrolling;
use crate::web::{PageReport, Reception};

/// Clients at once; the next one waits in the kernel.
const CLIENTS: usize = 16;

/// A request is a word or a wish; the longest is a note.
const LONGEST_REQUEST: u64 = 2048;

/// A client that says nothing in this time is not one of ours.
const PATIENCE: Duration = Duration::from_secs(5);

/// The state of a running gateway, as `gatehouse status` shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The gateway.
    pub gateway: Id,
    /// Its version.
    pub version: String,
    /// Counts the daemon's starts.
    pub session: u64,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Which configuration runs.
    pub config_hash: String,
    /// What is known of the wall clock, and its error bound in milliseconds.
    pub clock: (ClockState, Option<u32>),
    /// The newest stored event.
    pub head: Seq,
    /// The newest event that the control room has, without a hole.
    pub host_upto: Seq,
    /// What waits for a PUBACK.
    pub backlog: Backlog,
    /// Age in seconds of the oldest event without a receipt.
    pub oldest_unreceived_s: u64,
    /// Events that the broker refuses.
    pub set_aside: u32,
    /// The broker that is in use.
    pub broker: Option<Id>,
    /// Why none is.
    pub trouble: Option<String>,
    /// Since when.
    pub uplink_since: UtcMs,
    /// What the control room says of itself.
    pub host_online: Option<bool>,
    /// Every path, in order of preference.
    #[serde(default)]
    pub paths: Vec<PathState>,
    /// The failure reporting profile, in seconds.
    #[serde(default)]
    pub reporting_s: u64,
    /// Doors, then zones, then partitions, then readers.
    pub things: Vec<ThingReport>,
    /// Incidents that are open, as far as they may be seen here.
    pub incidents: Vec<Incident>,
    /// Units that are degraded.
    pub degraded: Vec<String>,
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// Events, commits and bytes of this start.
    pub stored: u64,
    /// Transactions.
    pub commits: u64,
    /// Bytes written to flash.
    pub journal_written: u64,
    /// How much of its life the flash has used, in per cent, as it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash_used_percent: Option<u8>,
    /// How much evidence is written and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceLoad>,
    /// A change of the configuration that waits to be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
    /// The gateway's own page, if there is one; without its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageReport>,
    /// The store for pictures and clips, if there is one; without what is silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreView>,
    /// What the daemon took from itself at its start; none: it tried nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
}

/// One door, zone, partition or reader in a [`Report`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThingReport {
    /// `door`, `zone`, `partition` or `reader`.
    pub kind: String,
    /// Its id.
    pub id: Id,
    /// Its name, which stays on the box.
    pub name: Option<String>,
    /// The word for its state.
    pub state: String,
    /// Remarks, as `bypassed`.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Since when.
    pub since: UtcMs,
    /// What it says of itself, which nothing depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

/// What the socket answers from.
#[derive(Clone)]
pub struct Sources {
    /// Where the socket is.
    pub path: PathBuf,
    /// The configuration that holds, and where wishes are handed in.
    pub running: watch::Receiver<Running>,
    /// Where it is wanted that the configuration is read again.
    pub reloads: mpsc::Sender<Request>,
    /// Where changes of the configuration are handed in.
    pub changes: Changes,
    /// What is shown.
    pub board: Board,
    /// Readers at which the next card is wanted.
    pub enrolling: Enrolling,
    /// The journal.
    pub journal: Journal,
    /// The newest event of each lane.
    pub heads: watch::Receiver<Cursors>,
    /// The clocks.
    pub clock: Clock,
    /// Counts the daemon's starts.
    pub session: u64,
    /// When the daemon started.
    pub started: gatehouse_core::time::Mono,
    /// What the box has measured.
    pub gauges: Gauges,
    /// What the page says of itself.
    pub page: Reception,
}

/// Answers until the task is ended.
///
/// # Errors
/// When the socket cannot be made; tried again by the supervisor.
pub async fn run(sources: Sources) -> supervise::Outcome {
    let listener = bind(&sources.path)
        .map_err(|error| format!("cannot open {}: {error}", sources.path.display()))?;
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if clients.len() < CLIENTS => {
                let (stream, _) = accepted.map_err(|error| format!("accept: {error}"))?;
                let sources = sources.clone();
                clients.spawn(async move {
                    if let Err(error) = answer(stream, sources).await {
                        debug!(%error, "a client of the control socket went away");
                    }
                });
            }
            Some(_) = clients.join_next() => {}
        }
    }
}

fn bind(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    match std::fs::remove_file(path) {
        // Left by a start that was cut off: the journal's lock says that no other daemon runs.
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    // The daemon's group may look, and may wish.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

async fn answer(stream: UnixStream, sources: Sources) -> std::io::Result<()> {
    let user = stream.peer_cred().map(|peer| peer.uid()).ok();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(LONGEST_REQUEST)).lines();
    let Ok(line) = tokio::time::timeout(PATIENCE, lines.next_line()).await else { return Ok(()) };
    match line?.as_deref() {
        Some("status") => {
            let mut json = serde_json::to_vec(&report(&sources))?;
            json.push(b'\n');
            write.write_all(&json).await
        }
        Some("schedule") => {
            let config = Arc::clone(&sources.running.borrow().config);
            let reports = of_view(&config, &sources.board.view().schedules);
            let mut json = serde_json::to_vec(&reports)?;
            json.push(b'\n');
            write.write_all(&json).await
        }
        Some("page") => {
            let report = sources.page.with_code(sources.clock.mono());
            let mut json = serde_json::to_vec(&report)?;
            json.push(b'\n');
            write.write_all(&json).await
        }
        Some(line) if line.starts_with("config ") => {
            let told = config::answer(line, &mut lines, user, &sources.changes).await;
            let mut json = serde_json::to_vec(&told)?;
            json.push(b'\n');
            write.write_all(&json).await
        }
        Some("follow") => follow(write, lines, sources.heads).await,
        Some("reload") => {
            let mut json = serde_json::to_vec(&reload(user, &sources.reloads).await)?;
            json.push(b'\n');
            write.write_all(&json).await
        }
        line => {
            let wish = serde_json::from_str(line.unwrap_or_default());
            let outcome = match wish {
                Ok(wish) => wish::fulfil(wish, user, &sources).await,
                Err(error) => Outcome::Error(format!(
                    "neither status nor schedule nor page nor follow nor a wish that can be read: {error}"
                )),
            };
            let mut json = serde_json::to_vec(&outcome)?;
            json.push(b'\n');
            write.write_all(&json).await
        }
    }
}

/// Wants the configuration read again, and waits for what comes of it.
async fn reload(user: Option<u32>, reloads: &mpsc::Sender<Request>) -> Reloaded {
    let (answer, told) = oneshot::channel();
    let failed = |why: &str| Reloaded::Failed { why: why.to_owned() };
    if reloads.try_send(Request::by(Who::console(user), Some(answer))).is_err() {
        return failed("others have asked for the same already");
    }
    told.await.unwrap_or_else(|_| failed("the gateway stopped before that"))
}

async fn follow(
    mut write: tokio::net::unix::OwnedWriteHalf,
    mut lines: tokio::io::Lines<BufReader<tokio::io::Take<tokio::net::unix::OwnedReadHalf>>>,
    mut heads: watch::Receiver<Cursors>,
) -> std::io::Result<()> {
    loop {
        let heads_now = *heads.borrow_and_update();
        let head = heads_now.alarm.max(heads_now.normal);
        write.write_all(format!("{head}\n").as_bytes()).await?;
        tokio::select! {
            changed = heads.changed() => if changed.is_err() { return Ok(()) },
            // Nothing more is expected: an end means that the client is gone.
            line = lines.next_line() => if line?.is_none() { return Ok(()) },
        }
    }
}

/// A thing's name, which stays on the box.
fn name(config: &gatehouse_config::Config, thing: Thing, id: &Id) -> Option<String> {
    // By its id: the board may be a moment behind a new configuration, or before it.
    match thing {
        Thing::Output(_) => config.outputs.iter().find(|it| it.rules.id == *id)?.name.clone(),
        Thing::Door(_) => config.doors.iter().find(|door| door.id == *id)?.name.clone(),
        Thing::Zone(_) => {
            let zones = config.zones.iter().map(|zone| (&zone.rules.id, &zone.name));
            let points = config.help_points.iter().map(|point| (&point.rules.id, &point.name));
            zones.chain(points).find(|(known, _)| *known == id)?.1.clone()
        }
        Thing::Partition(_) => {
            config.partitions.iter().find(|known| known.rules.id == *id)?.name.clone()
        }
        Thing::Camera(_) => {
            config.cameras.iter().find(|camera| camera.rules.id == *id)?.name.clone()
        }
        Thing::Reader(_) => {
            config.readers.iter().find(|reader| reader.rules.id == *id)?.name.clone()
        }
    }
}

pub(crate) fn report(sources: &Sources) -> Report {
    let now = sources.clock.now();
    let heads = *sources.heads.borrow();
    let stats = sources.journal.stats();
    // Unreadable for a moment while the journal is being replaced: then nothing is known to wait.
    let waiting = sources.journal.backlog().unwrap_or_default();
    let config = Arc::clone(&sources.running.borrow().config);
    let view = sources.board.view();
    let things = view.things.iter().map(|view| ThingReport {
        kind: view.thing.kind().to_owned(),
        id: view.id.clone(),
        name: name(&config, view.thing, &view.id),
        state: view.state.to_owned(),
        flags: view.flags.iter().map(|flag| (*flag).to_owned()).collect(),
        since: view.since,
        says: matches!(view.thing, Thing::Camera(_))
            .then(|| sources.gauges.own_masks(&view.id))
            .flatten()
            .map(|masks| masks.to_string()),
    });
    let incidents = view.incidents.values().filter_map(|view| view.incident.clone());
    Report {
        gateway: config.address.gateway.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        session: sources.session,
        uptime_s: now.mono.since(sources.started).as_secs(),
        config_hash: config.hash().to_owned(),
        clock: (now.clock, now.err_ms),
        head: heads.alarm.max(heads.normal),
        host_upto: view.uplink.progress.host_upto,
        backlog: Backlog { alarm: waiting.alarm.unacked, normal: waiting.normal.unacked },
        oldest_unreceived_s: crate::health::oldest_age(&waiting, &now).as_secs(),
        set_aside: view.uplink.progress.set_aside,
        broker: view.uplink.broker.clone(),
        trouble: view.uplink.trouble.clone(),
        uplink_since: view.uplink.since,
        host_online: view.uplink.host_online,
        paths: view.uplink.paths.clone(),
        reporting_s: config.uplink.reporting.time().as_secs(),
        things: things.collect(),
        // A silent panic shows nowhere here.
        incidents: incidents.filter(|incident| incident.danger != Danger::SilentPanic).collect(),
        degraded: view.degraded.iter().cloned().collect(),
        rss_kib: crate::health::resident_kib(),
        stored: stats.events,
        commits: stats.commits,
        journal_written: stats.bytes_written.unwrap_or(0),
        flash_used_percent: sources.gauges.flash_used_percent(),
        evidence: sources.gauges.evidence(),
        unconfirmed: sources.changes.unconfirmed(),
        page: sources.page.report(),
        store: view.store.clone(),
        sandbox: sandbox::of_this_process().cloned(),
    }
}
