//! Delivery as a state machine without I/O: [`Uplink::handle`]`(input, now) -> actions`.
//!
//! The journal is the only queue. What the machine holds is a window: records that were read and
//! not yet handed over, and the numbers of those that were handed over and not yet acknowledged.
//! A connection that ends takes the window with it; the journal still has everything.
//!
//! * Two lanes: `panic`, `alarm` and `tamper` first and at once; everything else oldest first,
//!   and what is late ([`REPLAY_AFTER`]) is paced, so that a district's boxes can come back
//!   together.
//! * A PUBACK below 0x80 moves the broker's cursor; only a receipt moves the host's. A PUBACK with
//!   an error leaves the event stored: it is sent again, paced, and set aside with a fault when the
//!   broker will not take it ([`refuse`]).
//! * A broker that forgot the session, or another broker, gets everything again that the control
//!   room has not confirmed.

mod exchange;
mod lane;
mod path;
mod profile;
mod receipts;
mod refuse;
mod resend;
mod rewind;
mod standby;
mod stats;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub use exchange::{Ack, Action, Down, Input, Outgoing, Progress, Settings};
pub use path::{Attempt, Failure, Paths};
pub use profile::{LOST_AFTER, Reporting, SUSPECT_AFTER, silence};
pub use resend::MAX_RANGES as MAX_RESENDS;
pub use standby::{Looked, Part, PathNews, Standby};
pub use stats::{KeptLedger, PathLedger, PathMeasures, Transit};

use crate::contract::Receipt;
use crate::event::{Lane, Qualifier};
use crate::id::{Id, Seq};
use crate::time::Mono;
use lane::LaneQueue;
use receipts::HostWatch;
use refuse::Refused;

/// What was stored so long before it is sent carries the flag `replayed` and is paced.
pub const REPLAY_AFTER: Duration = Duration::from_secs(10);

/// A connection on which the oldest unacknowledged publish is so old is dead, whatever TCP says.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(30);

/// How many records are read ahead of the window, at most: 256 events of 8 KiB are 2 MiB.
pub const READ_AHEAD: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Sent {
    lane: Lane,
    at: Mono,
    /// Asked for again: its lane is past it already.
    again: bool,
}

/// The machine. `R` is a stored event, `C` whatever else is published with QoS 1.
#[derive(Debug)]
pub struct Uplink<R, C> {
    gateway: Id,
    settings: Settings,
    connected: bool,
    /// What broker and configuration allow in flight.
    limit: usize,
    /// The newest event that a broker has taken.
    newest_acked: Seq,
    alarms_in_flight: usize,
    again: rewind::Rewind,
    control: VecDeque<C>,
    control_in_flight: VecDeque<Mono>,
    alarm: LaneQueue<R>,
    normal: LaneQueue<R>,
    in_flight: BTreeMap<Seq, Sent>,
    /// Before this nothing in flight is too old: the window is not looked through for each input.
    fresh_until: Mono,
    refused: Refused,
    resend: BTreeSet<Seq>,
    fetching: Option<(Seq, Seq)>,
    fetched: VecDeque<R>,
    commanded: resend::Resend<R>,
    host: HostWatch,
    pace: lane::Pace,
    marked: (Seq, Seq, Seq),
}

impl<R: Outgoing, C> Uplink<R, C> {
    /// A machine that goes on where the journal's cursors stand.
    pub fn new(gateway: Id, settings: Settings, host_upto: Seq, alarm: Seq, normal: Seq) -> Self {
        Self {
            gateway,
            settings,
            connected: false,
            limit: usize::from(settings.in_flight.max(1)),
            newest_acked: alarm.max(normal).max(host_upto),
            alarms_in_flight: 0,
            again: rewind::Rewind::default(),
            control: VecDeque::new(),
            control_in_flight: VecDeque::new(),
            alarm: LaneQueue::new(alarm.max(host_upto)),
            normal: LaneQueue::new(normal.max(host_upto)),
            in_flight: BTreeMap::new(),
            fresh_until: Mono(0),
            refused: Refused::default(),
            resend: BTreeSet::new(),
            fetching: None,
            fetched: VecDeque::new(),
            commanded: resend::Resend::new(),
            host: HostWatch::new(host_upto),
            pace: lane::Pace::new(settings.replay),
            marked: (Seq::ZERO, Seq::ZERO, Seq::ZERO),
        }
    }

    /// Takes one input and says what is to be done about it.
    pub fn handle(&mut self, input: Input<'_, R, C>, now: Mono) -> Vec<Action<R, C>> {
        let mut out = Vec::new();
        match input {
            Input::Connected { session_present, receive_max, other_broker, random } => {
                self.connect(session_present && !other_broker, receive_max, random, now);
            }
            Input::Head { alarm, normal } => {
                self.alarm.stored(alarm);
                self.normal.stored(normal);
            }
            Input::Read(lane, records) => self.lane(lane).filled(records),
            // What no broker has had yet comes by its lane anyway.
            Input::Resend { from, to } => self.commanded.ask(from, to.min(self.newest_acked)),
            Input::Fetched { from, to, records } if self.commanded.is_fetching(from, to) => {
                for (from, to) in self.commanded.filled(from, to, records) {
                    self.gap(from, to, &mut out);
                }
            }
            Input::Fetched { from, to, records } => self.fetched(from, to, records, &mut out),
            Input::Control(item) => self.control.push_back(item),
            Input::Acked(seq, ack) => self.acked(seq, ack, now, &mut out),
            Input::ControlAcked => {
                self.control_in_flight.pop_front();
            }
            Input::Receipt(receipt) => self.receipt(receipt, now, &mut out),
            Input::Replay(replay) => self.pace.set(replay),
            Input::HostArrived => {
                self.again.now(now);
                self.host.arrived(self.settings.host_timeout, now);
            }
            Input::Down(down) => self.down(down, now, &mut out),
            Input::Tick => {}
        }
        if self.connected {
            self.watch(now, &mut out);
        }
        if self.connected {
            self.pump(now, &mut out);
        }
        self.mark(&mut out);
        out
    }

    /// When the machine wants an [`Input::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Mono> {
        if !self.connected {
            return None;
        }
        let waits = !self.in_flight.is_empty() || !self.control_in_flight.is_empty();
        let oldest = waits.then_some(self.fresh_until);
        let paced = self.window_is_open() && self.alarms_in_flight == 0 && !self.refused.is_full();
        let late = self.normal.front().is_some() || self.commanded.front().is_some();
        let paced = paced && self.again.is_none() && late;
        let paced = paced.then(|| self.pace.ready_at());
        let retry = self.refused.next_retry();
        let host = self.host.deadline(self.host_is_due(), self.settings.host_timeout);
        let again = self.again.deadline().filter(|_| self.in_flight.is_empty());
        [oldest, paced, retry, host, again].into_iter().flatten().min()
    }

    /// Where delivery stands.
    pub fn progress(&self) -> Progress {
        Progress {
            host_upto: self.host.upto(),
            alarm_acked: self.cursor(Lane::Alarm),
            normal_acked: self.cursor(Lane::Normal),
            in_flight: u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX),
            set_aside: self.refused.count(),
        }
    }

    /// How many ranges that were wanted again are not handed over whole.
    pub fn resending(&self) -> usize {
        self.commanded.left()
    }

    /// Whether everything but events was handed over and acknowledged.
    pub fn control_is_done(&self) -> bool {
        self.control.is_empty() && self.control_in_flight.is_empty()
    }

    /// Whether an alarm is yet to be acknowledged by a broker: what is large waits for it.
    pub fn alarms_wait(&self) -> bool {
        self.alarms_in_flight > 0 || !self.alarm.is_drained()
    }

    /// The newest alarm that this knows of; one that was stored a moment ago may be newer.
    pub const fn alarm_head(&self) -> Seq {
        self.alarm.head()
    }

    /// Whether everything that is stored was handed over and acknowledged by a broker.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.alarm.is_drained() && self.normal.is_drained()
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneQueue<R> {
        match lane {
            Lane::Alarm => &mut self.alarm,
            Lane::Normal => &mut self.normal,
        }
    }

    fn connect(&mut self, remembered: bool, receive_max: u16, random: f64, now: Mono) {
        self.connected = true;
        self.limit = usize::from(self.settings.in_flight.min(receive_max).max(1));
        if !remembered {
            let upto = self.host.upto();
            self.alarm.rewind(upto);
            self.normal.rewind(upto);
            self.refused.forget();
        }
        self.refused.reconnected(now);
        self.host.connected(now);
        self.pace.start(now, random);
    }

    fn down(&mut self, down: Down, now: Mono, out: &mut Vec<Action<R, C>>) {
        if self.connected && down == Down::Peer {
            let head = self.in_flight.iter().next().map(|(seq, sent)| (*seq, sent.lane));
            if let Some(seq) = self.refused.connection_lost(head, now) {
                out.push(Action::Report(refuse::report(&self.gateway, seq, None)));
            }
        }
        self.connected = false;
        self.control.clear();
        self.control_in_flight.clear();
        self.fetching = None;
        self.fetched.clear();
        self.commanded.clear();
        self.resend.clear();
        let (alarm, normal) = (self.cursor(Lane::Alarm), self.cursor(Lane::Normal));
        self.in_flight.clear();
        self.alarms_in_flight = 0;
        self.again.done();
        self.refused.disconnected(now);
        self.alarm.rewind(alarm);
        self.normal.rewind(normal);
    }

    fn acked(&mut self, seq: Seq, ack: Ack, now: Mono, out: &mut Vec<Action<R, C>>) {
        let Some(sent) = self.in_flight.remove(&seq) else { return };
        self.alarms_in_flight -= usize::from(sent.lane == Lane::Alarm);
        match ack {
            Ack::Taken => {
                self.newest_acked = self.newest_acked.max(seq);
                self.again.heard();
                self.resend.extend(self.refused.taken(seq));
            }
            Ack::Unheard => self.again.unheard(seq, now),
            Ack::Refused(code) => {
                if self.refused.refuse(seq, sent.lane, now) {
                    out.push(Action::Report(refuse::report(&self.gateway, seq, Some(code))));
                }
            }
        }
    }

    /// Drops a connection that is dead although nobody said so, and asks after the control room.
    fn watch(&mut self, now: Mono, out: &mut Vec<Action<R, C>>) {
        if now >= self.fresh_until {
            let oldest = self.in_flight.values().map(|sent| sent.at);
            let oldest = oldest.chain(self.control_in_flight.front().copied()).min();
            if oldest.is_some_and(|at| now.since(at) >= ACK_TIMEOUT) {
                let why = "the broker has acknowledged nothing for 30 s";
                out.push(Action::Disconnect { why, next_broker: false });
                self.down(Down::Network, now, out);
                return;
            }
            // What is sent from now on is younger.
            self.fresh_until = oldest.unwrap_or(now).plus(ACK_TIMEOUT);
        }
        let due = self.host_is_due();
        match self.host.check(due, self.settings.host_timeout, now) {
            None => {}
            Some(receipts::Stalled::SendAgain) => {
                let from = self.host.upto().next();
                self.ask_again(from, Seq(from.0 + self.window() as u64 - 1));
            }
            Some(receipts::Stalled::Unresponsive) => {
                out.push(Action::Report(receipts::unresponsive(&self.gateway, Qualifier::New)));
                if self.settings.several_brokers {
                    let why = "the control room confirms nothing";
                    out.push(Action::Disconnect { why, next_broker: true });
                    self.down(Down::Network, now, out);
                }
            }
        }
    }

    fn window(&self) -> usize {
        if self.refused.solo() { 1 } else { self.limit }
    }

    fn window_is_open(&self) -> bool {
        self.in_flight.len() + self.control_in_flight.len() < self.window()
    }

    /// Hands over as much as the window takes: control, alarm lane, what was asked for again,
    /// and the rest.
    fn pump(&mut self, now: Mono, out: &mut Vec<Action<R, C>>) {
        self.resend.extend(self.refused.due(now));
        if self.in_flight.is_empty() {
            self.go_back(now);
        }
        while self.window_is_open() {
            if let Some(item) = self.control.pop_front() {
                self.control_in_flight.push_back(now);
                out.push(Action::Control(item));
            } else if !self.again.is_none() {
                // What is in flight comes back first; then everything goes again, in order.
                break;
            } else if let Some(record) = self.alarm.pop() {
                self.publish(record, now, false, out);
            } else if self.alarm.has_more() {
                // The alarm lane goes first, so nothing else goes until it was read.
                break;
            } else if let Some(record) = self.fetched.pop_front() {
                self.publish(record, now, true, out);
            } else if self.normal_may_go(now)
                && let Some(record) = self.normal.pop()
            {
                self.publish(record, now, false, out);
            } else if self.commanded_may_go(now)
                && let Some(record) = self.commanded.pop()
            {
                // Also what was received: that is what is wanted.
                if self.lane(record.lane()).is_past(record.seq()) {
                    self.hand_over(record, now, true, out);
                }
            } else {
                break;
            }
        }
        let ahead = READ_AHEAD.min(self.window() * 4);
        for (lane, name) in [(&mut self.alarm, Lane::Alarm), (&mut self.normal, Lane::Normal)] {
            if let Some(after) = lane.want(ahead) {
                out.push(Action::Read { lane: name, after, limit: ahead });
            }
        }
        if self.fetching.is_none()
            && self.fetched.is_empty()
            && let Some(range) = self.next_resend()
        {
            self.fetching = Some(range);
            out.push(Action::Fetch { from: range.0, to: range.1 });
        }
        if let Some((from, to)) = self.commanded.want(ahead) {
            out.push(Action::Fetch { from, to });
        }
    }

    fn commanded_may_go(&mut self, now: Mono) -> bool {
        let alarm_waits = self.alarms_in_flight > 0;
        !self.refused.is_full()
            && self.commanded.front().is_some_and(|r| self.pace.permits(r, now, alarm_waits))
    }

    /// Goes back if it is time to. Everything that was to be sent besides comes by its lane then.
    fn go_back(&mut self, now: Mono) {
        let (alarm, normal) = (self.cursor(Lane::Alarm), self.cursor(Lane::Normal));
        if self.again.due(now) {
            self.alarm.rewind(alarm);
            self.normal.rewind(normal);
            self.refused.disconnected(now);
            self.resend.clear();
            self.fetched.clear();
            self.fetching = None;
        }
    }

    fn normal_may_go(&mut self, now: Mono) -> bool {
        let alarm_waits = self.alarms_in_flight > 0;
        !self.refused.is_full()
            && self.normal.front().is_some_and(|r| self.pace.permits(r, now, alarm_waits))
    }

    /// The next run of consecutive numbers to send again.
    fn next_resend(&mut self) -> Option<(Seq, Seq)> {
        let from = *self.resend.first()?;
        let mut to = from;
        while to.0 - from.0 + 1 < self.window() as u64 && self.resend.contains(&to.next()) {
            to = to.next();
        }
        for seq in from.0..=to.0 {
            self.resend.remove(&Seq(seq));
        }
        Some((from, to))
    }

    fn fetched(&mut self, from: Seq, to: Seq, records: Vec<R>, out: &mut Vec<Action<R, C>>) {
        if self.fetching.take() != Some((from, to)) {
            return;
        }
        let mut expected = from;
        for record in records {
            if record.seq() > expected {
                self.gap(expected, Seq(record.seq().0 - 1), out);
            }
            expected = record.seq().next();
            if !self.in_flight.contains_key(&record.seq()) {
                self.fetched.push_back(record);
            }
        }
        if expected <= to {
            self.gap(expected, to, out);
        }
    }

    /// What the journal no longer has: told once each.
    fn gap(&mut self, from: Seq, to: Seq, out: &mut Vec<Action<R, C>>) {
        if self.host.tell(from) {
            out.push(Action::Report(receipts::gap(&self.gateway, from, to)));
        }
    }

    fn publish(&mut self, record: R, now: Mono, again: bool, out: &mut Vec<Action<R, C>>) {
        let seq = record.seq();
        if (!again && self.refused.is_aside(seq)) || seq <= self.host.upto() {
            return;
        }
        self.hand_over(record, now, again, out);
    }

    fn hand_over(&mut self, record: R, now: Mono, again: bool, out: &mut Vec<Action<R, C>>) {
        let (seq, lane) = (record.seq(), record.lane());
        if again && self.in_flight.contains_key(&seq) {
            return;
        }
        let late = now.since(record.stored()) > REPLAY_AFTER;
        if self.in_flight.insert(seq, Sent { lane, at: now, again }).is_none() {
            self.alarms_in_flight += usize::from(lane == Lane::Alarm);
        }
        out.push(Action::Publish { record, replayed: late });
    }

    /// Up to here the broker has everything of a lane (but what it refused for good).
    fn cursor(&self, lane: Lane) -> Seq {
        let queue = match lane {
            Lane::Alarm => &self.alarm,
            Lane::Normal => &self.normal,
        };
        // Asked for with every input: a window full of the other lane is not looked through.
        let none = lane == Lane::Alarm && self.alarms_in_flight == 0;
        let mut by_lane =
            self.in_flight.iter().filter(|(_, sent)| sent.lane == lane && !sent.again);
        let first = if none { None } else { by_lane.next().map(|(seq, _)| *seq) };
        let first = [first, self.refused.first_pending(lane)].into_iter().flatten().min();
        let sent = queue.sent().min(self.again.after().unwrap_or(Seq(u64::MAX)));
        first.map_or(sent, |seq| sent.min(Seq(seq.0 - 1))).max(self.host.upto())
    }

    /// Whether the control room owes a receipt: the broker has taken something above the last one.
    /// Not while the next one that it waits for is set aside: then the reason is known.
    fn host_is_due(&self) -> bool {
        let upto = self.host.upto();
        self.newest_acked > upto && !self.refused.is_aside(upto.next())
    }

    fn mark(&mut self, out: &mut Vec<Action<R, C>>) {
        let now = (self.host.upto(), self.cursor(Lane::Alarm), self.cursor(Lane::Normal));
        if now != self.marked {
            self.marked = now;
            out.push(Action::Mark { host_upto: now.0, alarm: now.1, normal: now.2 });
        }
    }

    fn receipt(&mut self, receipt: &Receipt, now: Mono, out: &mut Vec<Action<R, C>>) {
        let head = self.alarm.head().max(self.normal.head());
        let (reports, lost) = self.host.receipt(receipt, head, &self.gateway, now);
        out.extend(reports.into_iter().map(Action::Report));
        let upto = self.host.upto();
        if lost {
            // Only what was sent again has arrived: so the broker lost what it had acknowledged.
            self.again.from(upto, now);
        }
        self.resend.retain(|seq| *seq > upto);
        self.fetched.retain(|record| record.seq() > upto);
        self.refused.received(upto);
        for &(from, to) in &receipt.missing {
            let from = from.max(upto.next());
            self.refused.asked(from, to, now);
            self.ask_again(from, to);
        }
    }

    /// Sends these again, as far as they were handed over and are not on their way. What was not
    /// handed over yet is no hole: it comes by its lane. Bounded: who misses more asks again.
    fn ask_again(&mut self, from: Seq, to: Seq) {
        let last = to.0.min(from.0.saturating_add(READ_AHEAD as u64 - 1));
        for seq in (from.0..=last).map(Seq) {
            if self.resend.len() >= READ_AHEAD {
                return;
            }
            if seq <= self.newest_acked && self.was_handed_over(seq) {
                self.resend.insert(seq);
            }
        }
    }

    fn was_handed_over(&self, seq: Seq) -> bool {
        // A number belongs to one lane, and which one is not known here: so both must be past it.
        self.alarm.is_past(seq)
            && self.normal.is_past(seq)
            && !self.in_flight.contains_key(&seq)
            && !self.refused.waits(seq)
            && self.again.is_none()
            && self.fetching.is_none_or(|(from, to)| seq < from || seq > to)
            && self.fetched.iter().all(|record| record.seq() != seq)
    }
}
