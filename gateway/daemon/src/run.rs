//! One life of the daemon, from a checked configuration to an exit.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_config::{Config, Credentials};
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::site::{self, Input, Report, Site};
use gatehouse_journal::{ClockSource, Journal, OpenError, Opened, Options};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use crate::board::Board;
use crate::clock::Clock;
use crate::device_key::DeviceKey;
use crate::gauges::Gauges;
use crate::hands::Hands;
use crate::reload::{self, Reloader, Request, Running};
use crate::rules::{self, Desk, Inputs, Rules};
use crate::supervise::{Ended, Notice, Supervisor};
use crate::transaction::{Held, History, Who};
use crate::unit::readers::Enrolling;
use crate::{checkpoints, clock_watch, commands, control, metrics, transaction, unit, uplink, web};

/// How many of a door's newest events are looked at to recall its state: a state stands in one of
/// the last two or three, faults may lie above.
const RECALLED: usize = 16;

/// How often delivery marks are made durable while nothing is stored: losing one costs duplicates.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// How often retention looks; each look is bounded.
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal cannot be opened; nothing can be recorded.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The async runtime or the signal handlers cannot be made: limits of the process.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
    /// Recording stopped, or could not begin; systemd starts us again.
    #[error("{unit} ended: {reason}")]
    Essential {
        /// The task.
        unit: String,
        /// What it said.
        reason: String,
    },
}

/// Runs until SIGTERM or SIGINT, or until an essential part ends.
///
/// # Errors
/// See [`RunError`]. A second signal returns at once.
pub fn run(config: Config, credentials: Credentials, path: PathBuf) -> Result<(), RunError> {
    // One thread for all tasks: the work is small, and the journal's writer has its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Start)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(RunError::Start)?;
        let mut again = Signals::new().map_err(RunError::Start)?;
        let life = live(config, credentials, path, async move { signals.next().await });
        tokio::pin!(life);
        // The first signal stops in order, the second at once: `again` sees both.
        let second = async {
            again.next().await;
            again.next().await;
        };
        tokio::select! {
            ended = &mut life => ended,
            () = second => {
                warn!("a second signal: stopping at once");
                Ok(())
            }
        }
    })
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Everything between start and stop. `path` is the file that a reload reads.
///
/// # Errors
/// See [`RunError`].
pub async fn live(
    config: Config,
    credentials: Credentials,
    path: PathBuf,
    asked: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let mut hangup = signal(SignalKind::hangup()).map_err(RunError::Start)?;
    let clock = Clock::system();
    let started = clock.mono();
    let (journal, opened) = Journal::open(options(&config, &clock))?;
    info!(session = opened.session, head = %opened.head, host_upto = %opened.host_upto,
        "journal open");

    let heads = watch::Sender::new(opened.heads);
    let told = heads.clone();
    journal.on_commit(move |commit| {
        told.send_replace(commit.heads);
    });
    let (inputs, queue) = Inputs::new(&config.site());
    let desk = Desk::new(inputs.clone(), clock.clone());
    let (stop_rules, rules_stop) = watch::channel(false);
    let (stop_uplink, uplink_stop) = watch::channel(false);
    let (notices, noticed) = mpsc::channel(64);
    let mut supervisor = Supervisor::new(clock.clone(), notices);

    let list = credentials.hash().to_owned();
    let mut site = recall(&config, credentials, &journal, &clock);
    let things = site.states().map(|(thing, id, _)| (thing, id.clone()));
    let board = Board::new(things, clock.now().utc);
    let kept = opened.kept.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let past = site.restore(kept, &config.address.gateway, &clock.now());
    let dark = site.dark();
    record_start(&config, &list, &journal, &opened, dark, &clock).await?;
    let hands = Hands::new(&config.site(), clock.clone());
    let wires = (board.clone(), desk.clone(), hands.clone());
    let mut rules = Rules::new(site, &journal, wires, clock.clone(), queue, rules_stop);
    // What ran out while the box was dark, behind the event of the start.
    rules.carry_out(past);
    supervisor.essential("rules", rules.run());
    announce_ready(supervisor_watchdog());

    let config = Arc::new(config);
    let now = Running { config: Arc::clone(&config), revision: 1, desk: desk.clone() };
    let (running, runs) = watch::channel(now);
    let (reloads, mut wanted) = mpsc::channel(reload::WAITING);
    let gauges = Gauges::default();
    let parts = uplink::Parts {
        config: Arc::clone(&config),
        running: runs.clone(),
        journal: journal.clone(),
        heads: heads.subscribe(),
        board: board.clone(),
        gauges: gauges.clone(),
        rules: inputs.clone(),
        clock: clock.clone(),
        session: opened.session,
        started,
        host_upto: opened.host_upto,
        acked: opened.acked,
        device_key: public_key(&config.state_dir),
    };
    let (ends, arrivals, say) = uplink::commands::Ends::new();
    supervisor.essential("uplink", uplink::run(parts, ends, uplink_stop));
    unit::outputs(&mut supervisor, &config, &hands, &inputs);
    let enrolling = Enrolling::default();
    let own = (hands.clone(), enrolling.clone(), say.clone());
    let left = unit::clips_left(&config);
    let units = unit::Units::start(&mut supervisor, &config, &inputs, own, gauges.clone());
    unit::evidence(&mut supervisor, &runs, (&journal, &clock, &inputs), (&say, &gauges), left);
    let known = (&journal, heads.subscribe());
    unit::store(&mut supervisor, &runs, known, (&board, &clock, &inputs));
    let changes = transaction::Changes::new(transaction::Parts {
        path: path.clone(),
        running: runs.clone(),
        reloads: reloads.clone(),
        journal: journal.clone(),
        clock: clock.clone(),
    });
    let history = held_at_start(&config, &path, &clock);
    let sources = control::Sources {
        path: config.socket.clone(),
        running: runs,
        reloads,
        changes: changes.clone(),
        board: board.clone(),
        enrolling,
        journal: journal.clone(),
        heads: heads.subscribe(),
        clock: clock.clone(),
        session: opened.session,
        started,
        gauges: gauges.clone(),
        page: web::Reception::default(),
    };
    let kept = web::Kept::default();
    let page = web::Parts { sources: sources.clone(), eyes: hands.eyes().clone(), kept };
    supervisor.unit("page", move || web::run(page.clone()));
    let figures = sources.clone();
    supervisor.unit("metrics", move || metrics::run(figures.clone()));
    supervisor.unit("config", move || changes.clone().run());
    let parts = commands::Parts::new(sources.clone(), say, hands.eyes().clone(), path.clone());
    supervisor.essential("commands", commands::run(parts, arrivals));
    supervisor.unit("control", move || control::run(sources.clone()));
    let keeper = (journal.clone(), clock.clone());
    supervisor.unit("retention", move || keep(keeper.0.clone(), keeper.1.clone()));
    let signing = checkpoints::Parts {
        state_dir: config.state_dir.clone(),
        gateway: config.address.gateway.clone(),
        journal: journal.clone(),
        heads: heads.subscribe(),
        rules: inputs.clone(),
    };
    supervisor.unit("checkpoints", move || checkpoints::run(signing.clone()));
    let wall = (journal.clone(), config.address.gateway.clone(), clock.clone(), inputs.clone());
    supervisor.unit("clock_watch", move || {
        let (journal, gateway, clock, rules) = wall.clone();
        clock_watch::run(journal, gateway, clock, rules)
    });
    let health = inputs.clone();
    supervisor.unit("box_health", move || {
        unit::box_health::run("/sys".into(), health.clone(), gauges.clone())
    });
    let teller = (config.address.gateway.clone(), board, inputs.clone());
    supervisor.essential("notices", tell(noticed, teller.0, teller.1, teller.2));
    if let Some(period) = supervisor_watchdog() {
        supervisor.unit("watchdog", move || watchdog(period));
    }

    let mut reloader = Reloader {
        path,
        units,
        inputs: inputs.clone(),
        journal: journal.clone(),
        running,
        history,
        clock: clock.clone(),
    };
    tokio::pin!(asked);
    let ended = loop {
        let mut request = None;
        let interrupted = async {
            tokio::select! {
                () = &mut asked => {}
                Some(wish) = wanted.recv() => request = Some(wish),
                _ = hangup.recv() => request = Some(Request::by(Who::SIGNAL, None)),
            }
        };
        let ended = supervisor.run(interrupted).await;
        let (Ended::Asked, Some(request)) = (&ended, request) else { break ended };
        if let Ok(monotonic) = sd_notify::NotifyState::monotonic_usec_now() {
            sd_notify_state(&[sd_notify::NotifyState::Reloading, monotonic]);
        }
        let ended = reloader.reload(&mut supervisor, request).await;
        sd_notify_state(&[sd_notify::NotifyState::Ready]);
        if let Some(ended) = ended {
            break ended;
        }
    };
    // In this order: nothing new comes in, what came is stored, what is stored gets its chance.
    sd_notify_state(&[sd_notify::NotifyState::Stopping]);
    let essential = |name: &str| matches!(name, "rules" | "uplink" | "watchdog" | "notices");
    supervisor.stop(|name| !essential(name)).await;
    reloader.units.clips_ended().await;
    let reason = match &ended {
        Ended::Asked => "asked to stop".to_owned(),
        Ended::Essential { unit, reason } => format!("{unit} ended: {reason}"),
    };
    let gateway = config.address.gateway.clone();
    let stopping = system("system.stopping", gateway, Some(reason), None);
    if inputs.send(Input::Report(stopping)).await.is_err() {
        warn!("the stop could not be recorded");
    }
    stop_rules.send_replace(true);
    supervisor.join(|name| name == "rules").await;
    stop_uplink.send_replace(true);
    supervisor.join(|name| name == "uplink").await;
    journal.close();
    match ended {
        Ended::Asked => Ok(()),
        Ended::Essential { unit, reason } => Err(RunError::Essential { unit, reason }),
    }
}

/// The history of configurations, with the one that this start found in it.
fn held_at_start(config: &Config, path: &Path, clock: &Clock) -> History {
    let history = History::of(&config.state_dir);
    let note = || {
        let text = std::fs::read_to_string(path)?;
        // Edited in this moment: then a reload notes it.
        if gatehouse_config::config_hash(text.as_bytes()) != config.hash() {
            return Ok(());
        }
        let (who, why) = transaction::at_start(path);
        history.note(&Held { text: &text, at: clock.now().utc, who: &who, why: Some(why) })
    };
    if let Err(error) = note() {
        warn!(%error, "the history of configurations has no entry of this one");
    }
    history
}

/// What the district is told of the key that signs checkpoints. That it cannot be read is told by the
/// unit that signs.
fn public_key(state_dir: &Path) -> Option<gatehouse_core::contract::DeviceKey> {
    match DeviceKey::open(state_dir) {
        Ok(key) => Some(key.public()),
        Err(error) => {
            error!(%error, "no checkpoints are signed");
            None
        }
    }
}

fn options(config: &Config, clock: &Clock) -> Options {
    let clock_for_journal = clock.clone();
    let source = ClockSource::new(move || clock_for_journal.now());
    let dir = config.state_dir.join("journal");
    let gateway = config.address.gateway.clone();
    let mut options = Options::new(dir, gateway, clock.boot().to_owned(), source);
    options.max_bytes = config.journal.max_bytes;
    options.reserve_bytes = config.journal.reserve_bytes;
    for class in Class::ALL {
        options.max_age[usize::from(class as u8)] = config.journal.keep(class);
    }
    options
}

/// The site, with what the journal knows of each door from before.
fn recall(config: &Config, credentials: Credentials, journal: &Journal, clock: &Clock) -> Site {
    let mut site = Site::new(site_of(config, credentials), clock.boot());
    for (door, known) in config.doors.iter().enumerate() {
        let state = recalled(journal, &known.id);
        site.apply(Input::Recall { door, state }, &clock.now());
    }
    site
}

/// What the rules are told: the configuration, and who may pass.
pub(crate) fn site_of(config: &Config, credentials: Credentials) -> site::SiteConfig {
    let credentials_hash = credentials.hash().to_owned();
    site::SiteConfig { credentials: credentials.list, credentials_hash, ..config.site() }
}

/// The state of a door as the record has it.
pub(crate) fn recalled(journal: &Journal, door: &gatehouse_core::id::Id) -> site::DoorState {
    match journal.last_of_source("door", door, RECALLED) {
        Ok(events) => site::recalled(&events),
        Err(error) => {
            // Unknown is not closed: the door starts without a past.
            warn!(%door, %error, "the door's past cannot be read");
            site::DoorState::Unknown
        }
    }
}

/// Records the start. When this is on flash, we are ready: recording works.
async fn record_start(
    config: &Config,
    credentials: &str,
    journal: &Journal,
    opened: &Opened,
    dark: Option<serde_json::Value>,
    clock: &Clock,
) -> Result<(), RunError> {
    let detail = serde_json::json!({
        "dark": dark,
        "version": env!("CARGO_PKG_VERSION"),
        "config": config.hash(),
        "credentials": credentials,
        "doors": config.doors.len(),
    });
    if let Some(quarantine) = &opened.quarantined {
        error!(?quarantine, "the journal was damaged and set aside");
    }
    let gateway = config.address.gateway.clone();
    let report = system("system.started", gateway, None, Some(detail));
    let drafts = site::draft(report, clock.boot(), &clock.now());
    match rules::append(journal, vec![drafts]).await {
        Ok(_) => Ok(()),
        Err(gatehouse_journal::AppendError::DiskFull { .. }) => {
            // Degraded, not stopped: alarms go on from the reserve.
            error!("the disk is full; only alarms are recorded");
            Ok(())
        }
        Err(problem) => {
            let reason = problem.to_string();
            Err(RunError::Essential { unit: "journal".to_owned(), reason })
        }
    }
}

fn system(
    kind: &'static str,
    gateway: gatehouse_core::id::Id,
    cause: Option<String>,
    detail: Option<serde_json::Value>,
) -> Report {
    Report {
        class: Class::System,
        kind,
        qualifier: Qualifier::Status,
        severity: 5,
        source: ("gateway", gateway),
        closes: None,
        cause,
        detail,
        at: None,
    }
}

/// Makes marks durable and keeps the journal within its bounds.
async fn keep(journal: Journal, clock: Clock) -> crate::supervise::Outcome {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let mut retain = tokio::time::interval(RETAIN_EVERY);
    let mut flushed = None;
    loop {
        let journal = journal.clone();
        // Both wait for the journal's writer, so not on the thread of all tasks.
        let done = tokio::select! {
            _ = flush.tick() => {
                let marks = Some(journal.delivered());
                // An idle box wakes no thread for what is on the flash already.
                if marks == flushed {
                    continue;
                }
                let done = spawn_blocking(move || journal.flush_marks().map_err(text)).await;
                if matches!(done, Ok(Ok(()))) {
                    flushed = marks;
                }
                done
            }
            _ = retain.tick() => {
                let clock = clock.clone();
                spawn_blocking(move || retain_all(&journal, &clock)).await
            }
        };
        match done {
            Ok(Ok(())) => {}
            // The journal's own fault event tells of a full or failing disk; this is tried again.
            Ok(Err(error)) => warn!(%error, "the journal was not tended"),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn retain_all(journal: &Journal, clock: &Clock) -> Result<(), String> {
    while journal.retain(clock.now()).map_err(text)?.more {}
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Makes events of the supervisor's notices.
async fn tell(
    mut notices: mpsc::Receiver<Notice>,
    gateway: gatehouse_core::id::Id,
    board: Board,
    inputs: Inputs,
) -> crate::supervise::Outcome {
    while let Some(notice) = notices.recv().await {
        let (unit, reason) = match notice {
            Notice::Degraded { unit, reason } => (unit, Some(reason)),
            Notice::Recovered { unit } => (unit, None),
        };
        let degraded = reason.is_some();
        board.change(|view| {
            if degraded {
                view.degraded.insert(unit.clone());
            } else {
                view.degraded.remove(&unit);
            }
        });
        let report = Report {
            class: Class::Fault,
            kind: if degraded { "unit.degraded" } else { "unit.recovered" },
            qualifier: if degraded { Qualifier::New } else { Qualifier::Restore },
            severity: 2,
            source: ("gateway", gateway.clone()),
            closes: (!degraded).then_some("unit.degraded"),
            cause: reason.map(|reason| reason.chars().take(200).collect()),
            detail: Some(serde_json::json!({ "unit": unit })),
            at: None,
        };
        if inputs.send(Input::Report(report)).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

/// systemd's watchdog period, if it set one for us.
fn supervisor_watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Tells systemd that the runtime still turns, at a third of its period.
async fn watchdog(period: Duration) -> crate::supervise::Outcome {
    let mut tick = tokio::time::interval(period / 3);
    loop {
        tick.tick().await;
        sd_notify_state(&[sd_notify::NotifyState::Watchdog]);
    }
}

fn announce_ready(watchdog: Option<Duration>) {
    info!(?watchdog, "recording");
    sd_notify_state(&[sd_notify::NotifyState::Ready]);
}

fn sd_notify_state(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "systemd cannot be told");
    }
}
