//! One virtual gateway: the real delivery machine over a real MQTT session, and a journal in memory.
//!
//! It differs from a box in what it leaves out: no wires, no rules, no flash. What it says, in what
//! order, what it keeps until a receipt covers it and when it comes back are the product's own
//! ([`Uplink`], [`Paths`], [`Standby`], the contract's types).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::contract::{DistrictState, GatewayState, Receipt};
use gatehouse_core::event::{Qualifier, with_replayed};
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_core::topic::Address;
use gatehouse_core::uplink::{Action, Attempt, Down, Failure, Input, Paths, Standby, Uplink};
use tokio::sync::watch;

use super::book::{Book, Entry, Happening};
use super::say::{self, Control};
use super::tally::{Sample, Tally};
use super::wire::{Heard, NoWire, Token, Wire};
use super::{Order, Plan};
use crate::mqtt::{Connect, Properties};
use crate::wait::boottime;

/// A broker that hears nothing drops the connection after 1.5 times this. Drawn from ±10 %: equal
/// ones would make the wills of a district come together.
const KEEP_ALIVE_S: std::ops::RangeInclusive<u16> = 27..=33;

/// Paths that wait are looked at never.
const UNWATCHED: Duration = Duration::MAX;

/// What all gateways of a fleet share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) brokers: Vec<SocketAddr>,
    pub(super) tally: Tally,
    pub(super) started: Mono,
    /// `utc − mono` of this run.
    pub(super) utc_offset_ms: i64,
    pub(super) orders: watch::Sender<Order>,
}

impl Shared {
    fn utc(&self, mono: Mono) -> UtcMs {
        UtcMs(self.utc_offset_ms + i64::try_from(mono.0 / 1_000_000).unwrap_or(i64::MAX))
    }
}

/// What is left of a gateway at the end of a run, for the comparison with the database.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) address: Address,
    pub(super) book: Book,
}

pub(super) struct Gateway {
    shared: Arc<Shared>,
    address: Address,
    /// The brokers in this gateway's order: a fleet's are spread over the nodes.
    brokers: Vec<SocketAddr>,
    book: Book,
    machine: Uplink<Entry, Control>,
    paths: Paths,
    /// Which of them work. Those not in use are not looked at: a look costs a connection.
    standby: Standby,
    session: u64,
    keep_alive_s: u16,
    last: Option<usize>,
    next_event: Mono,
    next_beat: Mono,
    heartbeat: Duration,
    host_online: Option<bool>,
    alarm_open: bool,
    orders: watch::Receiver<Order>,
}

/// Why a connection is left.
enum End {
    Over(Down),
    /// The fleet was told to; see [`Order`].
    Ordered,
    NextBroker,
}

impl Gateway {
    pub(super) fn new(shared: Arc<Shared>, number: usize, address: Address) -> Self {
        let mut brokers = shared.brokers.clone();
        let count = brokers.len();
        brokers.rotate_left(number % count);
        let settings = Plan::settings(count);
        let book = Book::new(address.gateway.clone());
        let (zero, _) = book.heads();
        let machine = Uplink::new(address.gateway.clone(), settings, zero, zero, zero);
        let orders = shared.orders.subscribe();
        let now = boottime();
        let mut gateway = Self {
            address,
            brokers,
            book,
            machine,
            paths: Paths::new(count),
            standby: Standby::new(count, UNWATCHED),
            session: 1,
            keep_alive_s: fastrand::u16(KEEP_ALIVE_S),
            last: None,
            next_event: now,
            next_beat: now,
            heartbeat: shared.plan.heartbeat,
            host_online: None,
            alarm_open: false,
            orders,
            shared,
        };
        gateway.next_event = gateway.later(now);
        gateway
    }

    /// Lives until the order to end comes and everything is confirmed, or the time for it is over.
    pub(super) async fn live(mut self, ramp: Duration) -> Remains {
        let start = boottime().plus(ramp.mul_f64(fastrand::f64()));
        let mut attempt = self.paths.first(start);
        while !matches!(*self.orders.borrow(), Order::End) {
            let power = *self.orders.borrow_and_update();
            if let Order::Dark = power {
                if self.orders.changed().await.is_err() {
                    break;
                }
                let order = *self.orders.borrow();
                if let Order::Boot { within } = order {
                    attempt = self.boots(within).await;
                }
                continue;
            }
            if !self.rest(attempt).await {
                continue;
            }
            let index = attempt.broker;
            let connect = self.connect();
            let filters = say::subscriptions(&self.address);
            let qos = self.shared.plan.down_qos;
            let opened = Wire::open(self.brokers[index], &connect, &filters, qos).await;
            attempt = match opened {
                Err(why) => {
                    let (counter, failure) = match why {
                        NoWire::Refused(code) => {
                            self.shared.tally.reported(&format!("refused with {code:#04x}"));
                            // Of 3.1.1 and 5: bad user or client, not authorised, banned.
                            let mine = matches!(code, 2 | 4 | 5 | 0x85 | 0x86 | 0x87 | 0x8a);
                            let failure =
                                if mine { Failure::Refused } else { Failure::Unreachable };
                            (&self.shared.tally.refused, failure)
                        }
                        NoWire::Unreachable => (&self.shared.tally.failed, Failure::Unreachable),
                    };
                    Tally::add(counter, 1);
                    self.standby.failed(index, "");
                    self.paths.failed(index, failure, boottime(), fastrand::f64())
                }
                Ok(wire) => {
                    let second = boottime().since(self.shared.started).as_secs();
                    self.shared.tally.connected(second);
                    Tally::add(&self.shared.tally.online, 1);
                    self.paths.connected(index);
                    self.standby.connected(index, boottime());
                    let end = self.serve(wire, index).await;
                    self.shared.tally.online.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                    let (down, silent) = match end {
                        End::Over(down) => (down, false),
                        End::Ordered => (Down::Network, false),
                        End::NextBroker => (Down::Network, true),
                    };
                    self.feed(None, Input::Down(down));
                    self.last = Some(index);
                    self.standby.lost(index, "", silent, boottime());
                    let instead = self.standby.instead_of(index);
                    self.paths.lost(instead, boottime(), fastrand::f64())
                }
            };
        }
        Remains { address: self.address, book: self.book }
    }

    /// Runs without a connection until it is time for this attempt, which is sooner once an alarm
    /// waits; false if an order came before.
    async fn rest(&mut self, mut attempt: Attempt) -> bool {
        let received = self.machine.progress().host_upto;
        loop {
            let alarm = self.book.heads().0 > received;
            if alarm {
                attempt = self.paths.hurried(attempt, boottime(), fastrand::f64());
            }
            let until = if alarm { attempt.at } else { attempt.at.min(self.next_event) };
            let rested = tokio::select! {
                () = tokio::time::sleep(until.since(boottime())) => true,
                _ = self.orders.changed() => false,
            };
            self.happen();
            if !rested || attempt.at <= boottime() {
                return rested;
            }
        }
    }

    /// The power is back: the box starts at its own time, finds what has changed, and connects.
    async fn boots(&mut self, within: Duration) -> Attempt {
        tokio::time::sleep(within.mul_f64(fastrand::f64())).await;
        self.session += 1;
        let settings = Plan::settings(self.brokers.len());
        // The journal's cursors are written lazily: what stands for sure is what was confirmed.
        let upto = self.machine.progress().host_upto;
        self.machine = Uplink::new(self.address.gateway.clone(), settings, upto, upto, upto);
        self.paths = Paths::new(self.brokers.len());
        self.standby = Standby::new(self.brokers.len(), UNWATCHED);
        self.last = None;
        let now = boottime();
        for what in [Happening::MainsLost, Happening::Started, Happening::Door] {
            self.store(what, now);
        }
        self.next_event = self.later(now);
        self.paths.first(now)
    }

    fn connect(&self) -> Connect {
        let version = self.shared.plan.protocol;
        let mut properties = Properties::default();
        if version == 5 {
            properties.session_expiry_s = Some(86_400);
        }
        let will = say::status(self.session, GatewayState::Lost, self.utc());
        let name = self.address.gateway.to_string();
        Connect {
            version,
            clean: false,
            keep_alive_s: self.keep_alive_s,
            properties,
            client_id: name.clone(),
            will: Some((self.address.status(), will, true)),
            username: Some(name.clone()),
            password: Some(name.into_bytes()),
        }
    }

    async fn serve(&mut self, wire: Wire, index: usize) -> End {
        let mut wire = wire;
        let other_broker =
            self.shared.plan.separate_brokers && self.last.is_some_and(|l| l != index);
        let up = Input::Connected {
            session_present: wire.session_present,
            receive_max: wire.receive_max,
            other_broker,
            random: fastrand::f64(),
        };
        let mut end = None;
        for control in say::ARRIVAL {
            end = end.or(self.feed(Some(&mut wire), Input::Control(control)));
        }
        let (alarm, normal) = self.book.heads();
        end = end.or(self.feed(Some(&mut wire), Input::Head { alarm, normal }));
        end = end.or(self.feed(Some(&mut wire), up));
        let keep_alive = Duration::from_secs(self.keep_alive_s.into());
        let mut heard = boottime();
        let mut asked = heard;
        self.host_online = None;
        let end = loop {
            if let Some(end) = end {
                break end;
            }
            if wire.flush().await.is_err() {
                break End::Over(Down::Network);
            }
            let wakes = [
                self.machine.next_deadline(),
                Some(self.next_beat),
                Some(self.next_event),
                Some(heard.max(asked).plus(keep_alive / 2)),
            ];
            let wake = wakes.into_iter().flatten().min().unwrap_or(self.next_beat);
            tokio::select! {
                read = wire.read() => {
                    if read.is_err() {
                        break End::Over(Down::Peer);
                    }
                    heard = boottime();
                }
                () = tokio::time::sleep(wake.since(boottime())) => {}
                _ = self.orders.changed() => {
                    let order = *self.orders.borrow_and_update();
                    match order {
                        Order::Run | Order::Drain | Order::Boot { .. } => {}
                        Order::Dark | Order::Drop(_) => break End::Ordered,
                        Order::End => {
                            self.count(&wire);
                            wire.close().await;
                            return End::Ordered;
                        }
                    }
                }
            }
            loop {
                match wire.next() {
                    Ok(Some(message)) => end = end.or(self.hear(&mut wire, message)),
                    Ok(None) => break,
                    Err(_) => end = end.or(Some(End::Over(Down::Peer))),
                }
                if end.is_some() {
                    break;
                }
            }
            let now = boottime();
            if self.happen() {
                let (alarm, normal) = self.book.heads();
                end = end.or(self.feed(Some(&mut wire), Input::Head { alarm, normal }));
            } else {
                end = end.or(self.feed(Some(&mut wire), Input::Tick));
            }
            if now >= self.next_beat {
                self.next_beat = now.plus(self.heartbeat);
                wire.publish_lossy(self.address.heartbeat(), self.beat());
            }
            if now >= heard.plus(keep_alive + keep_alive / 2) {
                end = end.or(Some(End::Over(Down::Network)));
            } else if now >= heard.max(asked).plus(keep_alive / 2) {
                asked = now;
                wire.ping();
            }
        };
        self.count(&wire);
        end
    }

    fn count(&self, wire: &Wire) {
        Tally::add(&self.shared.tally.written, wire.bytes.0);
        Tally::add(&self.shared.tally.read, wire.bytes.1);
    }

    fn hear(&mut self, wire: &mut Wire, heard: Heard) -> Option<End> {
        match heard {
            Heard::Acked(Token::Event(seq), ack) => self.feed(Some(wire), Input::Acked(seq, ack)),
            Heard::Acked(Token::Control, _) => self.feed(Some(wire), Input::ControlAcked),
            Heard::Message { topic, payload, retained } => {
                if topic == self.address.receipt() {
                    let receipt = serde_json::from_slice::<Receipt>(&payload).ok()?;
                    if retained {
                        return None;
                    }
                    return self.feed(Some(wire), Input::Receipt(&receipt));
                }
                if topic != self.address.district_state() {
                    return None;
                }
                let state = serde_json::from_slice::<DistrictState>(&payload).ok()?;
                if let Some(period) = state.hb_s {
                    self.heartbeat = Duration::from_secs(u64::from(period).clamp(5, 3600));
                }
                let mut end = None;
                if let Some(replay) = state.replay {
                    end = self.feed(Some(wire), Input::Replay(replay));
                }
                let arrived = state.online && self.host_online != Some(true);
                self.host_online = Some(state.online);
                if arrived {
                    end = end.or(self.feed(Some(wire), Input::HostArrived));
                }
                end
            }
            Heard::Other => None,
        }
    }

    /// Gives the machine an input and does what it says, as far as a connection is there.
    fn feed(
        &mut self,
        mut wire: Option<&mut Wire>,
        input: Input<'_, Entry, Control>,
    ) -> Option<End> {
        let now = boottime();
        let mut end = None;
        let mut actions = VecDeque::from(self.machine.handle(input, now));
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Read { lane, after, limit } => {
                    let records = self.book.read(lane, after, limit);
                    actions.extend(self.machine.handle(Input::Read(lane, records), now));
                }
                Action::Fetch { from, to } => {
                    let records = self.book.fetch(from, to);
                    actions.extend(self.machine.handle(Input::Fetched { from, to, records }, now));
                }
                Action::Publish { record, replayed } => {
                    let Some(wire) = wire.as_deref_mut() else { continue };
                    Tally::add(&self.shared.tally.published, 1);
                    Tally::add(&self.shared.tally.replayed, u64::from(replayed));
                    let payload = if replayed {
                        with_replayed(&record.payload)
                    } else {
                        record.payload.to_vec()
                    };
                    let topic = self.address.events(record.class);
                    wire.publish(Token::Event(record.seq), topic, payload, false);
                }
                Action::Control(control) => {
                    let Some(wire) = wire.as_deref_mut() else { continue };
                    let (topic, payload) =
                        say::message(&self.address, &control, self.session, self.utc());
                    wire.publish(Token::Control, topic, payload, true);
                }
                Action::Mark { host_upto, .. } => {
                    let tally = &self.shared.tally;
                    self.book.confirmed(host_upto, |entry| {
                        let (lane, stored) = (entry.class.lane(), entry.stored);
                        tally.confirmed(Sample { lane, stored, took: now.since(stored) });
                    });
                }
                // A box makes an event of it; here it is counted.
                Action::Report(report) => self.shared.tally.reported(report.kind),
                Action::Disconnect { next_broker, .. } => {
                    end =
                        Some(if next_broker { End::NextBroker } else { End::Over(Down::Network) });
                }
            }
        }
        end
    }

    /// Everything that was to happen by now; whether anything did.
    fn happen(&mut self) -> bool {
        let mut happened = false;
        let now = boottime();
        let runs =
            matches!(*self.orders.borrow(), Order::Run | Order::Drop(_) | Order::Boot { .. });
        while self.next_event <= now {
            let at = self.next_event;
            self.next_event = self.later(at);
            if !runs {
                continue;
            }
            happened = true;
            let what = if self.alarm_open {
                self.alarm_open = false;
                Happening::Alarm(Qualifier::Restore)
            } else if fastrand::f64() < self.shared.plan.alarm_share {
                self.alarm_open = true;
                Happening::Alarm(Qualifier::New)
            } else {
                Happening::Door
            };
            self.store(what, at);
        }
        happened
    }

    fn store(&mut self, what: Happening, at: Mono) {
        self.book.store(self.session, what, at, self.shared.utc(at));
        Tally::add(&self.shared.tally.stored, 1);
    }

    /// When the next thing happens: independent of all others, so exponentially far away.
    fn later(&self, from: Mono) -> Mono {
        let mean = self.shared.plan.event_every.as_secs_f64();
        let wait = -mean * (1.0 - fastrand::f64()).ln();
        from.plus(Duration::try_from_secs_f64(wait.max(0.001)).unwrap_or(Duration::MAX))
    }

    fn utc(&self) -> UtcMs {
        self.shared.utc(boottime())
    }

    fn beat(&self) -> Vec<u8> {
        let now = boottime();
        let uptime = now.since(self.shared.started).as_secs();
        say::heartbeat(self.session, self.utc(), uptime, &self.book, self.machine.progress())
    }
}
