//! Delivery to the district: the machine of `gatehouse_core::uplink` with a real connection.
//!
//! One iteration of [`run`] is one connection. The journal is the only queue: a connection that
//! ends is dropped whole, and the next one begins where the machine's cursors stand.

mod announce;
pub mod commands;
mod describe;
mod home_assistant;
mod ledgers;
pub mod link;
mod looks;
mod serve;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use gatehouse_config::{Broker, Config};
use gatehouse_core::contract::{DeviceKey, GatewayState, Replay};
use gatehouse_core::event::Qualifier;
use gatehouse_core::id::Seq;
use gatehouse_core::time::Mono;
use gatehouse_core::uplink::{
    Attempt, Down, Input, Outgoing, Paths, Settings, Standby, Transit, Uplink,
};
use gatehouse_journal::{Cursors, Journal, Record};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::board::Board;
use crate::clock::Clock;
use crate::gauges::Gauges;
use crate::health::CpuShare;
use crate::reload::Running;
use crate::rules::Inputs;
use crate::supervise::Outcome;
use announce::Control;
use home_assistant::HomeAssistant;
use ledgers::Ledgers;

/// What the uplink is made of.
pub struct Parts {
    /// The whole configuration, as this knows it.
    pub config: Arc<Config>,
    /// The one that holds.
    pub running: watch::Receiver<Running>,
    /// Where the events are.
    pub journal: Journal,
    /// The newest event of each lane.
    pub heads: watch::Receiver<Cursors>,
    /// What is shown.
    pub board: Board,
    /// What the box's own sensors measured.
    pub gauges: Gauges,
    /// Where reports become events.
    pub rules: Inputs,
    /// The clocks.
    pub clock: Clock,
    /// Counts the daemon's starts.
    pub session: u64,
    /// When the daemon started.
    pub started: Mono,
    /// Where delivery stood when the journal was opened.
    pub host_upto: Seq,
    /// The same, of each lane's PUBACKs.
    pub acked: Cursors,
    /// The key that signs checkpoints.
    pub device_key: Option<DeviceKey>,
}

/// A record, as the machine sees it.
#[derive(Debug)]
struct Out(Record);

impl Outgoing for Out {
    fn seq(&self) -> Seq {
        self.0.seq
    }

    fn lane(&self) -> gatehouse_core::event::Lane {
        self.0.lane()
    }

    fn stored(&self) -> Mono {
        if self.0.this_boot { self.0.stored } else { Mono(0) }
    }
}

/// The uplink with everything that outlives a connection.
struct Uplinker {
    parts: Parts,
    machine: Uplink<Out, Control>,
    paths: Paths,
    /// What is known of each path.
    standby: Standby,
    ledgers: Ledgers,
    /// Events of this connection whose receipts are waited for.
    transit: Transit,
    /// The broker of the last connection, by its place.
    last: Option<usize>,
    /// The same, as it was configured then: one that is configured otherwise is another.
    last_broker: Option<Broker>,
    /// `uplink.lost` stands in the record without its restore.
    lost_told: bool,
    /// That marks run ahead of the journal was told in this session.
    ahead_told: bool,
    /// Nonces of operators' acts that were taken, the oldest first.
    acts: std::collections::VecDeque<String>,
    /// What a Home Assistant on the same broker was told.
    home: HomeAssistant,
    /// What this process took of the processor.
    cpu: CpuShare,
    /// Commands of the district, and what came of them.
    commands: commands::Post,
    stop: watch::Receiver<bool>,
}

/// How a connection ended.
enum End {
    /// It is down, or was ended. `silent`: the path works, but the control room confirms nothing.
    Down { why: String, silent: bool },
    /// A preferred path works again.
    GoBack(usize),
    /// We stop.
    Stopped,
    /// Brokers or delivery are configured otherwise.
    Reconfigured,
}

/// Why something that is waited for is waited for no more.
enum Interrupt {
    Stop,
    Reconfigured,
}

/// Delivers until `stop` turns true; then says goodbye within a grace.
///
/// # Errors
/// Never: every trouble with brokers is what this task is for.
pub async fn run(parts: Parts, ends: commands::Ends, stop: watch::Receiver<bool>) -> Outcome {
    let machine = machine(&parts.config, parts.host_upto, parts.acked);
    let paths = Paths::new(parts.config.brokers.len());
    let (standby, ledgers, trouble) = measured(&parts);
    let transit = Transit::new(parts.clock.mono());
    let home = HomeAssistant::new(&parts.config);
    let mut uplinker = Uplinker {
        parts,
        machine,
        paths,
        standby,
        ledgers,
        transit,
        last: None,
        last_broker: None,
        lost_told: false,
        ahead_told: false,
        acts: std::collections::VecDeque::new(),
        home,
        cpu: CpuShare::default(),
        commands: commands::Post::new(ends),
        stop,
    };
    uplinker.unreadable(trouble);
    while let Interrupt::Reconfigured = uplinker.deliver().await {
        uplinker.reconfigure();
    }
    uplinker.save();
    Ok(())
}

/// The paths, with what was kept of them.
fn measured(parts: &Parts) -> (Standby, Ledgers, Option<String>) {
    let (config, now) = (&parts.config, parts.clock.now());
    let mut standby = Standby::new(config.brokers.len(), config.uplink.standby_poll);
    let (ledgers, trouble) = Ledgers::open(&config.state_dir, &config.brokers, &mut standby, &now);
    (standby, ledgers, trouble)
}

/// Whether two paths lead to one broker: then what it was given by one need not go by the other.
fn is_same_broker(a: &Broker, b: &Broker) -> bool {
    a.host.eq_ignore_ascii_case(&b.host)
        && (a.port, a.protocol) == (b.port, b.protocol)
        && (&a.username, &a.tls) == (&b.username, &b.tls)
}

fn machine(config: &Config, host_upto: Seq, acked: Cursors) -> Uplink<Out, Control> {
    let uplink = &config.uplink;
    let jitter_s = u32::try_from(uplink.replay_jitter.as_secs()).unwrap_or(u32::MAX);
    let settings = Settings {
        in_flight: uplink.in_flight,
        replay: Replay { rate: uplink.replay_rate, jitter_s },
        host_timeout: uplink.host_timeout,
        several_brokers: config.brokers.len() > 1,
    };
    let gateway = config.address.gateway.clone();
    Uplink::new(gateway, settings, host_upto, acked.alarm, acked.normal)
}

impl Uplinker {
    /// Goes on with what holds now: as after a start, from where delivery stands.
    fn reconfigure(&mut self) {
        let config = Arc::clone(&self.parts.running.borrow_and_update().config);
        let marks = self.parts.journal.delivered();
        let (host_upto, acked) = (marks.host_upto, marks.acked);
        self.machine = machine(&config, host_upto.unwrap_or_default(), acked.unwrap_or_default());
        self.paths = Paths::new(config.brokers.len());
        self.save();
        // Nobody looks any more at a path that is gone: its fault ends with it.
        for (path, broker) in self.parts.config.brokers.iter().enumerate() {
            let stays = config.brokers.iter().any(|other| other.id == broker.id);
            if self.standby.is_told(path) && !stays {
                let mut report = self.technical("path.restored", Qualifier::Restore);
                report.source = ("path", broker.id.clone());
                report.closes = Some("path.fault");
                report.cause = Some("not in the configuration any more".to_owned());
                self.report(report);
            }
        }
        self.last = None;
        self.parts.config = config;
        let trouble;
        (self.standby, self.ledgers, trouble) = measured(&self.parts);
        self.unreadable(trouble);
    }

    /// Whether what holds now can be taken over without another connection; then it is.
    fn takes_over(&mut self) -> bool {
        let config = Arc::clone(&self.parts.running.borrow_and_update().config);
        let (old, new) = (&self.parts.config, &config);
        if old.brokers != new.brokers || old.uplink != new.uplink {
            return false;
        }
        // Its prefix is subscribed to with the connection.
        if old.home_assistant != new.home_assistant {
            return false;
        }
        self.parts.config = config;
        true
    }

    async fn deliver(&mut self) -> Interrupt {
        let mut attempt = self.paths.first(self.now());
        loop {
            if let Some(interrupt) = self.wait(attempt).await {
                return interrupt;
            }
            let index = attempt.broker;
            let broker = self.parts.config.brokers[index].clone();
            let hello = announce::hello(&self.parts);
            let mut stop = self.stop.clone();
            let mut running = self.parts.running.clone();
            let connected = tokio::select! {
                connected = link::connect(&broker, &hello) => connected,
                interrupt = interrupted(&mut stop, &mut running) => return interrupt,
            };
            attempt = match connected {
                Err(error) => {
                    warn!(broker = %broker.id, host = %broker.host, port = broker.port, %error,
                        "no connection");
                    self.show(None, Some(error.text.clone()));
                    let news = self.standby.failed(index, &error.text);
                    self.tell_path(news);
                    self.tell_lost(&error.text);
                    self.note_paths();
                    self.paths.failed(index, error.failure, self.now(), fastrand::f64())
                }
                Ok(link) => {
                    info!(broker = %broker.id, session_present = link.session_present,
                        window = link.window, "connected");
                    self.paths.connected(index);
                    self.show(Some(index), None);
                    let now = self.now();
                    let news = self.standby.connected(index, now);
                    self.tell_path(news);
                    self.tell_connected(index);
                    self.note_paths();
                    self.transit = Transit::new(now);
                    let end = self.serve(link, index).await;
                    self.commands.down();
                    // Whatever ended it, the window is gone with it.
                    self.machine.handle(Input::Down(Down::Network), self.now());
                    self.last = Some(index);
                    self.last_broker = Some(broker.clone());
                    match end {
                        End::Stopped => return Interrupt::Stop,
                        End::Reconfigured => {
                            info!(broker = %broker.id, "brokers or delivery are configured anew");
                            self.standby.left(index);
                            self.show(None, Some("the configuration has changed".to_owned()));
                            return Interrupt::Reconfigured;
                        }
                        End::GoBack(path) => {
                            self.standby.left(index);
                            self.show(None, Some("a preferred path is back".to_owned()));
                            Attempt { broker: path, at: self.now() }
                        }
                        End::Down { why, silent } => self.lost(index, &why, silent),
                    }
                }
            };
            debug!(broker = attempt.broker, wait = ?attempt.at.since(self.now()), "next attempt");
        }
    }

    fn now(&self) -> Mono {
        self.parts.clock.mono()
    }

    /// Waits until it is time for this attempt, which is sooner once an alarm waits; or says what
    /// came before.
    async fn wait(&mut self, mut attempt: Attempt) -> Option<Interrupt> {
        let mut heads = self.parts.heads.clone();
        let received = self.machine.progress().host_upto;
        loop {
            let alarm = heads.borrow_and_update().alarm > received;
            if alarm {
                attempt = self.paths.hurried(attempt, self.now(), fastrand::f64());
            }
            let wait = attempt.at.since(self.now());
            tokio::select! {
                biased;
                interrupt = interrupted(&mut self.stop, &mut self.parts.running) => {
                    return Some(interrupt);
                }
                () = tokio::time::sleep(wait) => return None,
                // An error means that nothing is stored any more: we are about to stop.
                Ok(()) = heads.changed(), if !alarm => {}
            }
        }
    }

    fn show(&self, broker: Option<usize>, trouble: Option<String>) {
        let broker = broker.map(|index| self.parts.config.brokers[index].id.clone());
        let since = self.parts.clock.now().utc;
        self.parts.board.note(|view| {
            view.uplink.broker = broker;
            view.uplink.trouble = trouble;
            view.uplink.since = since;
        });
    }

    /// A connection that was up has ended: what is to be tried next.
    fn lost(&mut self, index: usize, why: &str, silent: bool) -> Attempt {
        info!(broker = %self.parts.config.brokers[index].id, why, "the connection ended");
        self.show(None, Some(why.to_owned()));
        let now = self.now();
        let news = self.standby.lost(index, why, silent, now);
        self.tell_path(news);
        self.tell_lost(why);
        self.note_paths();
        self.paths.lost(self.standby.instead_of(index), now, fastrand::f64())
    }

    /// Brings measures and board up to date with what is known of the paths.
    fn note_paths(&mut self) {
        let now = self.parts.clock.now();
        self.ledgers.note(&self.standby, now.mono);
        let paths = self.ledgers.states(&self.standby, now.mono);
        self.parts.board.note(|view| view.uplink.paths = paths);
        if self.ledgers.save_at() <= now.mono {
            self.save();
        }
    }

    fn save(&mut self) {
        let now = self.parts.clock.now();
        self.ledgers.save(&self.standby, &now);
    }

    /// The measures of the paths could not be read: they begin anew, which is told.
    fn unreadable(&self, trouble: Option<String>) {
        let Some(trouble) = trouble else { return };
        let mut report = self.technical("state.unreadable", Qualifier::Status);
        report.cause = Some(trouble);
        report.detail = Some(serde_json::json!({ "file": "paths.json" }));
        self.report(report);
    }
}

/// Ready when we stop; also when nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Ready when we stop, or when something else holds.
async fn interrupted(
    stop: &mut watch::Receiver<bool>,
    running: &mut watch::Receiver<Running>,
) -> Interrupt {
    tokio::select! {
        biased;
        () = stopped(stop) => Interrupt::Stop,
        Ok(()) = running.changed() => Interrupt::Reconfigured,
    }
}

/// How long a stop waits for the acknowledgements of what is in flight.
const GRACE: Duration = Duration::from_secs(5);

/// The states that `status` goes through on every connection.
const ARRIVAL: [GatewayState; 2] = [GatewayState::Starting, GatewayState::Online];
