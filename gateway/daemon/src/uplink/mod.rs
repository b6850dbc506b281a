//! Delivery to the district: the machine of `gatehouse_core::uplink` with a real connection.
//!
//! One iteration of [`run`] is one connection. The journal is the only queue: a connection that
//! ends is dropped whole, and the next one begins where the machine's cursors stand.

mod announce;
pub mod link;
mod probe;
mod serve;

use std::time::Duration;

use gatehouse_config::Config;
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
use crate::rules::Inputs;
use crate::supervise::Outcome;
use announce::Control;

/// What the uplink is made of.
pub struct Parts {
    /// The whole configuration.
    pub config: Config,
    /// Where the events are.
    pub journal: Journal,
    /// The newest event of each lane.
    pub heads: watch::Receiver<Cursors>,
    /// What is shown.
    pub board: Board,
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
    /// The broker of the last connection.
    last: Option<usize>,
    /// `uplink.lost` stands in the record without its restore.
    lost_told: bool,
    /// That marks run ahead of the journal was told in this session.
    ahead_told: bool,
    /// Nonces of operators' acts that were taken, the oldest first.
    acts: std::collections::VecDeque<String>,
    stop: watch::Receiver<bool>,
}

/// How a connection ended.
enum End {
    /// It is down, or was ended; prefer the next broker or not.
    Down { why: String, next_broker: bool, prefer_first: bool },
    /// We stop.
    Stopped,
}

/// Delivers until `stop` turns true; then says goodbye within a grace.
///
/// # Errors
/// Never: every trouble with brokers is what this task is for.
pub async fn run(parts: Parts, stop: watch::Receiver<bool>) -> Outcome {
    let uplink = &parts.config.uplink;
    let jitter_s = u32::try_from(uplink.replay_jitter.as_secs()).unwrap_or(u32::MAX);
    let settings = Settings {
        in_flight: uplink.in_flight,
        replay: Replay { rate: uplink.replay_rate, jitter_s },
        host_timeout: uplink.host_timeout,
        several_brokers: parts.config.brokers.len() > 1,
    };
    let gateway = parts.config.address.gateway.clone();
    let (alarm, normal) = (parts.acked.alarm, parts.acked.normal);
    let machine = Uplink::new(gateway, settings, parts.host_upto, alarm, normal);
    let paths = Paths::new(parts.config.brokers.len());
    let mut uplinker = Uplinker {
        parts,
        machine,
        paths,
        last: None,
        lost_told: false,
        ahead_told: false,
        acts: std::collections::VecDeque::new(),
        stop,
    };
    uplinker.deliver().await;
    Ok(())
}

impl Uplinker {
    async fn deliver(&mut self) {
        let mut attempt = self.paths.first(self.now());
        loop {
            if self.wait(attempt.at).await {
                return;
            }
            let index = attempt.broker;
            let broker = self.parts.config.brokers[index].clone();
            let hello = announce::hello(&self.parts);
            let mut stop = self.stop.clone();
            let connected = tokio::select! {
                connected = link::connect(&broker, &hello) => connected,
                () = stopped(&mut stop) => return,
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
                    // Whatever ended it, the window is gone with it.
                    self.machine.handle(Input::Down(Down::Network), self.now());
                    self.last = Some(index);
                    match end {
                        End::Stopped => return,
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

    /// Waits until `at`; true if we stop.
    async fn wait(&mut self, at: Mono) -> bool {
        let wait = at.since(self.now());
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => true,
            () = tokio::time::sleep(wait) => false,
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
        if std::mem::take(&mut self.lost_told) {
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

/// How long a stop waits for the acknowledgements of what is in flight.
const GRACE: Duration = Duration::from_secs(5);

/// The states that `status` goes through on every connection.
const ARRIVAL: [GatewayState; 2] = [GatewayState::Starting, GatewayState::Online];
