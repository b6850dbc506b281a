//! A small world around the machine: a journal, a broker that misbehaves, a control room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::contract::Replay;

const MS: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rec {
    seq: Seq,
    lane: Lane,
    stored: Mono,
}

impl Outgoing for Rec {
    fn seq(&self) -> Seq {
        self.seq
    }
    fn lane(&self) -> Lane {
        self.lane
    }
    fn stored(&self) -> Mono {
        self.stored
    }
}

type Machine = Uplink<Rec, &'static str>;

/// A journal, a broker's session and a control room around one machine.
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) now: Mono,
    pub(super) journal: Vec<Rec>,
    /// Retention has removed these.
    pub(super) removed: BTreeSet<Seq>,
    pub(super) connected: bool,
    /// On the wire, not yet acknowledged: of this connection.
    pub(super) wire: VecDeque<Option<Seq>>,
    pub(super) window: usize,
    /// Queued at the broker for the control room.
    pub(super) broker: Vec<Seq>,
    /// The broker has acknowledged these in this session.
    pub(super) taken: BTreeSet<Seq>,
    /// Nobody has subscribed.
    pub(super) deaf: bool,
    /// It wants again what it has.
    pub(super) wanted: bool,
    pub(super) refuses: BTreeSet<Seq>,
    /// Was ever refused, so that it may have been set aside.
    pub(super) suspects: BTreeSet<Seq>,
    pub(super) host: BTreeSet<Seq>,
    pub(super) marks: (Seq, Seq, Seq),
    /// Newest first-time publish of each lane on this connection.
    pub(super) newest: BTreeMap<Lane, Seq>,
    pub(super) reports: Vec<&'static str>,
    pub(super) disconnects: usize,
    /// Of these, how often another broker was wanted.
    pub(super) elsewhere: usize,
}

impl World {
    pub(super) fn new(in_flight: u16) -> Self {
        Self::with_brokers(in_flight, false)
    }

    pub(super) fn with_brokers(in_flight: u16, several_brokers: bool) -> Self {
        let settings = Settings {
            in_flight,
            replay: Replay { rate: 100, jitter_s: 2 },
            host_timeout: Duration::from_secs(60),
            several_brokers,
        };
        let zero = Seq::ZERO;
        Self {
            machine: Uplink::new("g-1".parse().unwrap(), settings, zero, zero, zero),
            now: Mono(1_000 * MS),
            journal: Vec::new(),
            removed: BTreeSet::new(),
            connected: false,
            wire: VecDeque::new(),
            window: usize::from(in_flight),
            broker: Vec::new(),
            taken: BTreeSet::new(),
            deaf: false,
            wanted: false,
            refuses: BTreeSet::new(),
            suspects: BTreeSet::new(),
            host: BTreeSet::new(),
            marks: (zero, zero, zero),
            newest: BTreeMap::new(),
            reports: Vec::new(),
            disconnects: 0,
            elsewhere: 0,
        }
    }

    pub(super) fn put(&mut self, input: Input<'_, Rec, &'static str>) {
        let mut actions: VecDeque<_> = self.machine.handle(input, self.now).into();
        while let Some(action) = actions.pop_front() {
            let answer = match action {
                Action::Read { lane, after, limit } => {
                    let of_lane = self.journal.iter().filter(|r| r.lane == lane && r.seq > after);
                    let there = of_lane.filter(|r| !self.removed.contains(&r.seq));
                    Some(Input::Read(lane, there.take(limit).copied().collect()))
                }
                Action::Fetch { from, to } => {
                    let asked = self.journal.iter().filter(|r| r.seq >= from && r.seq <= to);
                    let there = asked.filter(|r| !self.removed.contains(&r.seq));
                    Some(Input::Fetched { from, to, records: there.copied().collect() })
                }
                Action::Publish { record, .. } => {
                    self.published(record);
                    None
                }
                Action::Control(_) => {
                    self.wire.push_back(None);
                    None
                }
                Action::Mark { host_upto, alarm, normal } => {
                    self.check_mark(host_upto, alarm, normal);
                    None
                }
                Action::Report(report) => {
                    self.reports.push(report.kind);
                    None
                }
                Action::Disconnect { next_broker, .. } => {
                    self.disconnects += 1;
                    self.elsewhere += usize::from(next_broker);
                    self.connected = false;
                    self.wire.clear();
                    Some(Input::Down(Down::Network))
                }
            };
            if let Some(answer) = answer {
                actions.extend(self.machine.handle(answer, self.now));
            }
        }
        assert!(self.wire.len() <= self.window, "the window is kept");
    }

    pub(super) fn published(&mut self, record: Rec) {
        assert!(self.connected, "nothing is published without a connection");
        assert!(!self.wire.contains(&Some(record.seq)), "{} is in flight already", record.seq);
        if self.wanted {
            self.wire.push_back(Some(record.seq));
            return;
        }
        assert!(record.seq > self.marks.0, "what the control room has is not sent again");
        // Order within a lane on one connection, but for what was set aside and is tried again.
        let newest = self.newest.entry(record.lane).or_default();
        if record.seq > *newest && !self.suspects.contains(&record.seq) {
            let between = self.journal.iter().filter(|r| {
                r.lane == record.lane
                    && r.seq > *newest
                    && r.seq < record.seq
                    && r.seq > self.marks.0
            });
            for skipped in between.filter(|r| !self.removed.contains(&r.seq)) {
                let known =
                    self.taken.contains(&skipped.seq) || self.suspects.contains(&skipped.seq);
                assert!(known || self.host.contains(&skipped.seq), "{} was skipped", skipped.seq);
            }
            *newest = record.seq;
        }
        self.wire.push_back(Some(record.seq));
    }

    pub(super) fn check_mark(&mut self, host: Seq, alarm: Seq, normal: Seq) {
        let aside = self.machine.progress().set_aside as usize;
        let unsafe_marks = self.journal.iter().filter(|r| {
            let cursor = if r.lane == Lane::Alarm { alarm } else { normal };
            r.seq <= cursor && !self.taken.contains(&r.seq) && !self.removed.contains(&r.seq)
        });
        let not_taken: Vec<_> = unsafe_marks.map(|r| r.seq).collect();
        assert!(
            not_taken.iter().all(|s| self.suspects.contains(s) || self.host.contains(s)),
            "the cursor passed {not_taken:?}"
        );
        assert!(not_taken.iter().filter(|s| !self.host.contains(s)).count() <= aside);
        assert!((1..=host.0).all(|n| self.host.contains(&Seq(n))), "the host has not {host}");
        self.marks = (host, alarm, normal);
    }

    pub(super) fn store(&mut self, alarm: bool) {
        let seq = Seq(self.journal.len() as u64 + 1);
        let lane = if alarm { Lane::Alarm } else { Lane::Normal };
        self.journal.push(Rec { seq, lane, stored: self.now });
        self.head();
    }

    pub(super) fn head(&mut self) {
        let newest = |lane| {
            let seqs = self.journal.iter().filter(|r| r.lane == lane).map(|r| r.seq);
            seqs.max().unwrap_or_default()
        };
        self.put(Input::Head { alarm: newest(Lane::Alarm), normal: newest(Lane::Normal) });
    }

    pub(super) fn connect(&mut self, forgot: bool) {
        if self.connected {
            return;
        }
        if forgot {
            // The broker lost its memory: also what it held for the control room.
            self.taken = self.host.clone();
            self.broker.clear();
        }
        self.connected = true;
        self.newest.clear();
        let receive_max = 20;
        let session_present = !forgot;
        let other_broker = false;
        self.put(Input::Connected { session_present, receive_max, other_broker, random: 0.5 });
    }

    /// The broker acknowledges the n-th publish on the wire.
    pub(super) fn ack(&mut self, n: usize) {
        if self.wire.is_empty() {
            return;
        }
        let n = n % self.wire.len();
        match self.wire.remove(n).unwrap() {
            None => self.put(Input::ControlAcked),
            Some(seq) if self.refuses.contains(&seq) => {
                self.suspects.insert(seq);
                self.put(Input::Acked(seq, Ack::Refused(0x87)));
            }
            Some(seq) if self.deaf => self.put(Input::Acked(seq, Ack::Unheard)),
            Some(seq) => {
                self.taken.insert(seq);
                self.broker.push(seq);
                self.put(Input::Acked(seq, Ack::Taken));
            }
        }
    }

    /// The connection ends; of what is on the wire the broker has taken the first `n`.
    pub(super) fn cut(&mut self, n: usize, peer: bool) {
        if !self.connected {
            return;
        }
        if peer {
            self.suspects.extend(self.wire.iter().flatten().min());
        }
        let reached = n % (self.wire.len() + 1);
        self.broker.extend(self.wire.iter().take(reached).flatten());
        self.wire.clear();
        self.connected = false;
        self.put(Input::Down(if peer { Down::Peer } else { Down::Network }));
    }

    /// The control room commits what the broker holds and sends a receipt.
    pub(super) fn receipt(&mut self, all: bool) {
        let n = if all { self.broker.len() } else { self.broker.len() / 2 };
        self.host.extend(self.broker.drain(..n));
        // What retention removed is resolved by its gap event.
        if self.reports.contains(&"system.gap") {
            self.host.extend(self.removed.iter());
        }
        if !self.connected {
            return;
        }
        let upto = (1..=u64::MAX).find(|n| !self.host.contains(&Seq(*n))).unwrap() - 1;
        let newest = self.host.last().copied().unwrap_or_default().0;
        let mut missing: Vec<(Seq, Seq)> = Vec::new();
        for n in (upto + 1..=newest).filter(|n| !self.host.contains(&Seq(*n))) {
            match missing.last_mut() {
                Some((_, to)) if to.0 + 1 == n => *to = Seq(n),
                _ => missing.push((Seq(n), Seq(n))),
            }
        }
        let receipt = Receipt {
            upto: Seq(upto),
            missing,
            nak: Vec::new(),
            host: "h".into(),
            recv_ts: crate::time::UtcMs(0),
        };
        self.put(Input::Receipt(&receipt));
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now = Mono(self.now.0 + ms * MS);
        self.put(Input::Tick);
    }

    /// Everything works again: what is owed arrives in bounded time.
    pub(super) fn settle(&mut self) {
        self.refuses.clear();
        self.deaf = false;
        self.put(Input::HostArrived);
        for _ in 0..4_000 {
            let all = self.host.len() == self.journal.len();
            if all && self.machine.is_idle() {
                break;
            }
            self.connect(false);
            self.head();
            while !self.wire.is_empty() {
                self.ack(0);
            }
            self.receipt(true);
            while !self.wire.is_empty() {
                self.ack(0);
            }
            let step = self
                .machine
                .next_deadline()
                .map_or(1000 * MS, |at| at.0.saturating_sub(self.now.0).clamp(1, 60_000 * MS));
            self.now = Mono(self.now.0 + step);
            self.put(Input::Tick);
        }
    }
}
