//! One lane's read-ahead, and the pace of what is late.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Outgoing, REPLAY_AFTER};
use crate::contract::Replay;
use crate::id::Seq;
use crate::time::Mono;

/// What was read of a lane and not yet handed over.
#[derive(Debug)]
pub(super) struct LaneQueue<R> {
    queue: VecDeque<R>,
    /// The newest stored event of the lane.
    head: Seq,
    /// Everything of the lane up to here was read.
    read: Seq,
    /// Everything of the lane up to here was handed over.
    sent: Seq,
    /// `head` and limit of the read that is under way.
    asked: Option<(Seq, usize)>,
}

impl<R: Outgoing> LaneQueue<R> {
    pub(super) const fn new(cursor: Seq) -> Self {
        Self { queue: VecDeque::new(), head: cursor, read: cursor, sent: cursor, asked: None }
    }

    pub(super) fn stored(&mut self, head: Seq) {
        self.head = self.head.max(head);
    }

    pub(super) const fn head(&self) -> Seq {
        self.head
    }

    pub(super) const fn sent(&self) -> Seq {
        self.sent
    }

    /// Goes back: everything after `cursor` is read and handed over again.
    pub(super) fn rewind(&mut self, cursor: Seq) {
        self.queue.clear();
        self.asked = None;
        self.read = cursor;
        self.sent = cursor;
    }

    /// Asks for a read when half of the read-ahead is used up; the answer is `filled`.
    pub(super) fn want(&mut self, ahead: usize) -> Option<Seq> {
        let wanted = self.asked.is_none() && self.queue.len() <= ahead / 2 && self.head > self.read;
        wanted.then(|| {
            self.asked = Some((self.head, ahead));
            self.read
        })
    }

    pub(super) fn filled(&mut self, records: Vec<R>) {
        let Some((head, limit)) = self.asked.take() else { return };
        if records.len() < limit {
            self.read = self.read.max(head);
        }
        for record in records {
            self.read = self.read.max(record.seq());
            self.queue.push_back(record);
        }
    }

    pub(super) fn has_more(&self) -> bool {
        self.head > self.read
    }

    pub(super) fn is_drained(&self) -> bool {
        self.queue.is_empty() && !self.has_more()
    }

    /// Whether an event of this number, were it in this lane, was handed over.
    pub(super) fn is_past(&self, seq: Seq) -> bool {
        seq <= self.sent || self.is_drained()
    }

    pub(super) fn front(&self) -> Option<&R> {
        self.queue.front()
    }

    pub(super) fn pop(&mut self) -> Option<R> {
        let record = self.queue.pop_front()?;
        self.sent = self.sent.max(record.seq());
        Some(record)
    }
}

/// A token bucket for what is late, with a random start.
#[derive(Debug)]
pub(super) struct Pace {
    rate: u32,
    jitter: Duration,
    start: Mono,
    /// Tokens at `updated`.
    credit: f64,
    updated: Mono,
}

impl Pace {
    pub(super) fn new(replay: Replay) -> Self {
        let mut pace =
            Self { rate: 1, jitter: Duration::ZERO, start: Mono(0), credit: 1.0, updated: Mono(0) };
        pace.set(replay);
        pace
    }

    pub(super) fn set(&mut self, replay: Replay) {
        self.rate = replay.rate.max(1);
        self.jitter = Duration::from_secs(replay.jitter_s.into());
    }

    /// A connection is up: what is late begins after a random part of the jitter.
    pub(super) fn start(&mut self, now: Mono, random: f64) {
        self.start = now.plus(self.jitter.mul_f64(random.clamp(0.0, 1.0)));
        self.updated = now;
        self.credit = 1.0;
    }

    /// Whether this may go now; takes a token if it is late.
    pub(super) fn permits(&mut self, record: &impl Outgoing, now: Mono, alarm_waits: bool) -> bool {
        if now.since(record.stored()) <= REPLAY_AFTER {
            return true;
        }
        if alarm_waits || now < self.start {
            return false;
        }
        let rate = f64::from(self.rate);
        let gained = now.since(self.updated).as_secs_f64() * rate;
        // A tenth of a second's worth at once keeps the wake-ups few.
        self.credit = (self.credit + gained).min((rate / 10.0).max(1.0));
        self.updated = self.updated.max(now);
        let ready = self.credit >= 1.0;
        if ready {
            self.credit -= 1.0;
        }
        ready
    }

    /// When the next late record may go.
    pub(super) fn ready_at(&self) -> Mono {
        let lacking = (1.0 - self.credit).max(0.0) / f64::from(self.rate);
        // Rounded up to a microsecond, so that the token is there when the time is.
        let wait = Duration::from_secs_f64(lacking) + Duration::from_micros(1);
        self.updated.plus(wait).max(self.start)
    }
}
