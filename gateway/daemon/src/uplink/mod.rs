//! Delivery to the district: the machine of `gatehouse_core::uplink` with a real connection.
//!
//! One iteration of [`run`] is one connection. The journal is the only queue: a connection that
//! ends is dropped whole, and the next one begins where the machine's cursors stand.

mod announce;
pub mod commands;
mod describe;
mod home_assistant;
pub mod link;
mod probe;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use gatehouse_config::{Broker, Config};
use gatehouse_core::contract::{GatewayState, Replay};
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Seq;
use gatehouse_core::site::{Input as SiteInput, Report};
use gatehouse_core::time::Mono;
use gatehouse_core::uplink::{Attempt, Down, Input, Outgoing, Paths, Settings, Uplink};
use gatehouse_journal::{Cursors, Journal, MarkError, Record};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::board::Board;
use crate::clock::Clock;
use crate::gauges::Gauges;
use crate::health::CpuShare;
use crate::reload::Running;
use crate::rules::Inputs;
use crate::supervise::Outcome;
use announce::Control;
use home_assistant::HomeAssistant;

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
    /// It is down, or was ended; prefer the next broker or not.
    Down { why: String, next_broker: bool, prefer_first: bool },
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
    let home = HomeAssistant::new(&parts.config);
    let mut uplinker = Uplinker {
        parts,
        machine,
        paths,
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
    while let Interrupt::Reconfigured = uplinker.deliver().await {
        uplinker.reconfigure();
    }
    Ok(())
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
        self.last = None;
        self.parts.config = config;
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
            if let Some(interrupt) = self.wait(attempt.at).await {
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
                    self.tell_lost(&error.text);
                    self.paths.failed(index, error.failure, self.now(), fastrand::f64())
                }
                Ok(link) => {
                    info!(broker = %broker.id, session_present = link.session_present,
                        window = link.window, "connected");
                    self.paths.connected(index);
                    self.show(Some(index), None);
                    self.tell_connected(index);
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
                            self.show(None, Some("the configuration has changed".to_owned()));
                            return Interrupt::Reconfigured;
                        }
                        End::Down { why, next_broker, prefer_first } => {
                            info!(broker = %broker.id, %why, "the connection ended");
                            self.show(None, Some(why.clone()));
                            if prefer_first {
                                Attempt { broker: 0, at: self.now() }
                            } else {
                                self.tell_lost(&why);
                                let (now, random) = (self.now(), fastrand::f64());
                                self.paths.lost(index, next_broker, now, random)
                            }
                        }
                    }
                }
            };
            debug!(broker = attempt.broker, wait = ?attempt.at.since(self.now()), "next attempt");
        }
    }

    fn now(&self) -> Mono {
        self.parts.clock.mono()
    }

    /// Waits until `at`; or says what came before.
    async fn wait(&mut self, at: Mono) -> Option<Interrupt> {
        let wait = at.since(self.now());
        tokio::select! {
            biased;
            interrupt = interrupted(&mut self.stop, &mut self.parts.running) => Some(interrupt),
            () = tokio::time::sleep(wait) => None,
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

    /// Makes an event of a report; the rules' queue is bounded, and a full one loses the report,
    /// which then stands in the log alone.
    fn report(&self, report: Report) {
        if let Err(error) = self.parts.rules.try_send(SiteInput::Report(report)) {
            warn!(%error, "a report of the uplink found no place");
        }
    }

    fn technical(&self, kind: &'static str, qualifier: Qualifier) -> Report {
        Report {
            class: Class::Fault,
            kind,
            qualifier,
            severity: 3,
            source: ("gateway", self.parts.config.address.gateway.clone()),
            closes: None,
            cause: None,
            detail: None,
            at: None,
        }
    }

    /// Delivery stands beyond what the journal holds. The machine refuses receipts that do, so this
    /// is the journal's loss or our bug; an operator must know either way. Told once a session.
    fn marked_ahead(&mut self, error: MarkError) {
        if std::mem::replace(&mut self.ahead_told, true) {
            return;
        }
        error!(%error, "the marks of delivery are not believed");
        let mut report = self.technical("uplink.receipt_ahead", Qualifier::New);
        report.severity = 1;
        report.cause = Some(error.to_string());
        report.detail = Some(serde_json::json!({ "upto": error.told, "head": error.head }));
        self.report(report);
    }

    /// The district cannot be reached: told once, and restored when it can.
    fn tell_lost(&mut self, why: &str) {
        if std::mem::replace(&mut self.lost_told, true) {
            return;
        }
        let mut report = self.technical("uplink.lost", Qualifier::New);
        report.cause = Some(why.chars().take(200).collect());
        self.report(report);
    }

    fn tell_connected(&mut self, index: usize) {
        let id = |index: usize| self.parts.config.brokers[index].id.clone();
        // A loss of before a restart may stand told: the rules know.
        if std::mem::take(&mut self.lost_told) || self.last.is_none() {
            let mut report = self.technical("uplink.restored", Qualifier::Restore);
            report.closes = Some("uplink.lost");
            report.detail = Some(serde_json::json!({ "broker": id(index) }));
            self.report(report);
        }
        let last = self.last.unwrap_or(0);
        if index > 0 && index != last {
            let mut report = self.technical("uplink.failover", Qualifier::New);
            report.detail = Some(serde_json::json!({ "from": id(last), "to": id(index) }));
            self.report(report);
        } else if index == 0 && last > 0 {
            let mut report = self.technical("uplink.failback", Qualifier::Restore);
            report.closes = Some("uplink.failover");
            report.detail = Some(serde_json::json!({ "from": id(last), "to": id(index) }));
            self.report(report);
        }
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
