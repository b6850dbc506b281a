//! The machine against a small world: a journal, a broker that misbehaves, a control room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rec {
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
struct World {
    machine: Machine,
    now: Mono,
    journal: Vec<Rec>,
    /// Retention has removed these.
    removed: BTreeSet<Seq>,
    connected: bool,
    /// On the wire, not yet acknowledged: of this connection.
    wire: VecDeque<Option<Seq>>,
    window: usize,
    /// Queued at the broker for the control room.
    broker: Vec<Seq>,
    /// The broker has acknowledged these in this session.
    taken: BTreeSet<Seq>,
    /// Nobody has subscribed.
    deaf: bool,
    refuses: BTreeSet<Seq>,
    /// Was ever refused, so that it may have been set aside.
    suspects: BTreeSet<Seq>,
    host: BTreeSet<Seq>,
    marks: (Seq, Seq, Seq),
    /// Newest first-time publish of each lane on this connection.
    newest: BTreeMap<Lane, Seq>,
    reports: Vec<&'static str>,
    disconnects: usize,
}

impl World {
    fn new(in_flight: u16) -> Self {
        let settings = Settings {
            in_flight,
            replay: Replay { rate: 100, jitter_s: 2 },
            host_timeout: Duration::from_secs(60),
            several_brokers: false,
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
            refuses: BTreeSet::new(),
            suspects: BTreeSet::new(),
            host: BTreeSet::new(),
            marks: (zero, zero, zero),
            newest: BTreeMap::new(),
            reports: Vec::new(),
            disconnects: 0,
        }
    }

    fn put(&mut self, input: Input<'_, Rec, &'static str>) {
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
                Action::Disconnect { .. } => {
                    self.disconnects += 1;
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

    fn published(&mut self, record: Rec) {
        assert!(self.connected, "nothing is published without a connection");
        assert!(!self.wire.contains(&Some(record.seq)), "{} is in flight already", record.seq);
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

    fn check_mark(&mut self, host: Seq, alarm: Seq, normal: Seq) {
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

    fn store(&mut self, alarm: bool) {
        let seq = Seq(self.journal.len() as u64 + 1);
        let lane = if alarm { Lane::Alarm } else { Lane::Normal };
        self.journal.push(Rec { seq, lane, stored: self.now });
        self.head();
    }

    fn head(&mut self) {
        let newest = |lane| {
            let seqs = self.journal.iter().filter(|r| r.lane == lane).map(|r| r.seq);
            seqs.max().unwrap_or_default()
        };
        self.put(Input::Head { alarm: newest(Lane::Alarm), normal: newest(Lane::Normal) });
    }

    fn connect(&mut self, forgot: bool) {
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
    fn ack(&mut self, n: usize) {
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
    fn cut(&mut self, n: usize, peer: bool) {
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
    fn receipt(&mut self, all: bool) {
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

    fn pass(&mut self, ms: u64) {
        self.now = Mono(self.now.0 + ms * MS);
        self.put(Input::Tick);
    }

    /// Everything works again: what is owed arrives in bounded time.
    fn settle(&mut self) {
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

#[derive(Clone, Debug)]
enum Step {
    Store(bool),
    Connect(bool),
    Ack(usize),
    Cut(usize, bool),
    Receipt(bool),
    Pass(u64),
    Refuse(u64),
    Deaf(bool),
    Swallow,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::bool::weighted(0.2).prop_map(Step::Store),
        4 => prop::bool::weighted(0.2).prop_map(Step::Connect),
        16 => prop_oneof![3 => Just(0), 1 => any::<usize>()].prop_map(Step::Ack),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(n, peer)| Step::Cut(n, peer)),
        5 => any::<bool>().prop_map(Step::Receipt),
        5 => prop_oneof![0u64..50, 1_000u64..20_000, 59_000u64..62_000].prop_map(Step::Pass),
        1 => (1u64..40).prop_map(Step::Refuse),
        2 => any::<bool>().prop_map(Step::Deaf),
        1 => Just(Step::Swallow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    /// The law: whatever the broker, the network and the control room do, every stored event
    /// arrives once they work again, no cursor passes what was not taken, and the order within a
    /// lane on one connection holds.
    #[test]
    fn nothing_is_lost_and_no_cursor_runs_ahead(
        in_flight in 1u16..24, steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(in_flight);
        for step in steps {
            match step {
                Step::Store(alarm) => world.store(alarm),
                Step::Connect(forgot) => world.connect(forgot),
                Step::Ack(n) => world.ack(n),
                Step::Cut(n, peer) => world.cut(n, peer),
                Step::Receipt(all) => world.receipt(all),
                Step::Pass(ms) => world.pass(ms),
                Step::Deaf(deaf) => world.deaf = deaf,
                // The broker loses what it holds for the control room, and says nothing.
                Step::Swallow => world.broker.clear(),
                Step::Refuse(n) => { world.refuses.insert(Seq(n)); }
            }
        }
        world.settle();
        prop_assert_eq!(world.host.len(), world.journal.len());
        prop_assert!(world.machine.is_idle());
    }
}

#[test]
fn the_alarm_lane_goes_first_whatever_waits() {
    let mut world = World::new(4);
    for n in 0..40 {
        world.store(n == 30 || n == 35);
    }
    world.pass(20_000);
    world.connect(false);
    assert_eq!(world.wire.iter().flatten().map(|s| s.0).collect::<Vec<_>>(), [31, 36]);
    // While alarms wait for their PUBACK, nothing late is sent.
    world.pass(5_000);
    assert_eq!(world.wire.len(), 2);
    world.ack(0);
    world.ack(0);
    assert_eq!(world.wire.front(), Some(&Some(Seq(1))));
}

#[test]
fn a_backlog_waits_for_its_random_start_and_keeps_its_pace() {
    let mut world = World::new(20);
    for _ in 0..500 {
        world.store(false);
    }
    world.pass(20_000);
    world.connect(false);
    assert!(world.wire.is_empty(), "half of two seconds of jitter");
    let mut sent = 0;
    for _ in 0..200 {
        world.pass(10);
        while !world.wire.is_empty() {
            world.ack(0);
            sent += 1;
        }
    }
    // One second of waiting, one second at 100/s.
    assert!((95..=112).contains(&sent), "{sent}");
}

#[test]
fn one_event_that_the_broker_refuses_does_not_hold_up_the_others() {
    let mut world = World::new(4);
    world.refuses.insert(Seq(2));
    for _ in 0..6 {
        world.store(false);
    }
    world.connect(false);
    for _ in 0..60 {
        world.pass(500);
        while !world.wire.is_empty() {
            world.ack(0);
        }
    }
    assert_eq!(world.reports, ["uplink.set_aside"]);
    assert_eq!(world.taken, [1, 3, 4, 5, 6].map(Seq).into());
    assert_eq!(world.machine.progress().set_aside, 1);
    // A new connection tries it again at once.
    world.cut(0, false);
    world.connect(false);
    assert_eq!(world.wire, [Some(Seq(2))]);
    world.ack(0);
    // It is tried again for ever, and arrives when somebody has mended the broker.
    world.settle();
    assert_eq!(world.host.len(), 6);
    assert_eq!(world.machine.progress().set_aside, 0);
}

#[test]
fn a_record_that_tears_every_connection_is_sent_alone_and_then_set_aside() {
    let mut world = World::new(8);
    for _ in 0..5 {
        world.store(false);
    }
    for lost in 0..5 {
        world.connect(false);
        assert_eq!(world.wire.len(), if lost < 3 { 5 } else { 1 });
        // The broker dies of the first record each time.
        world.cut(0, true);
    }
    assert_eq!(world.reports, ["uplink.set_aside"]);
    world.connect(false);
    assert_eq!(world.wire.iter().flatten().map(|s| s.0).collect::<Vec<_>>(), [2, 3, 4, 5]);
}

#[test]
fn a_network_that_fails_never_sets_an_event_aside() {
    let mut world = World::new(8);
    world.store(true);
    for _ in 0..50 {
        world.connect(false);
        assert_eq!(world.wire.len(), 1);
        world.cut(0, false);
    }
    assert!(world.reports.is_empty());
}

#[test]
fn a_silent_control_room_gets_the_window_again_and_then_a_fault_with_its_restore() {
    let mut world = World::new(4);
    for _ in 0..3 {
        world.store(false);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.broker.clear(); // the broker swallowed them
    world.pass(59_000);
    assert!(world.wire.is_empty());
    world.pass(1_500);
    assert_eq!(world.wire.iter().flatten().count(), 3);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.pass(61_000);
    assert_eq!(world.reports, ["host_unresponsive"]);
    world.receipt(true);
    assert_eq!(world.reports, ["host_unresponsive", "host_responsive"]);
}

#[test]
fn what_nobody_listened_to_is_sent_again_when_somebody_does() {
    let mut world = World::new(4);
    world.deaf = true;
    for _ in 0..30 {
        world.store(false);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    assert_eq!(world.marks.2, Seq::ZERO, "what was thrown away is not with the broker");
    world.deaf = false;
    world.put(Input::HostArrived);
    assert_eq!(world.wire.iter().flatten().map(|s| s.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_broker_that_lost_what_it_acknowledged_gets_all_of_it_again() {
    let mut world = World::new(4);
    for _ in 0..300 {
        world.store(false);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.broker.clear();
    let started = world.now;
    for _ in 0..2_000 {
        world.pass(100);
        while !world.wire.is_empty() {
            world.ack(0);
        }
        world.receipt(true);
        if world.host.len() == 300 {
            break;
        }
    }
    assert_eq!(world.host.len(), 300);
    // One timeout, then at the pace of what is late: 100 a second.
    assert!(world.now.since(started) < Duration::from_secs(66), "{:?}", world.now.since(started));
}

#[test]
fn a_hole_is_filled_and_what_retention_removed_is_told_once() {
    let mut world = World::new(8);
    for _ in 0..6 {
        world.store(false);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.broker.retain(|seq| ![2, 3, 5].contains(&seq.0));
    world.removed.insert(Seq(3));
    world.receipt(true);
    assert_eq!(world.reports, ["system.gap"]);
    assert_eq!(world.wire.iter().flatten().map(|s| s.0).collect::<Vec<_>>(), [2, 5]);
    world.receipt(true);
    assert_eq!(world.reports, ["system.gap"]);
}

#[test]
fn a_connection_without_acknowledgement_is_dropped() {
    let mut world = World::new(4);
    world.store(false);
    world.connect(false);
    world.pass(29_000);
    assert_eq!(world.disconnects, 0);
    world.pass(1_000);
    assert_eq!(world.disconnects, 1);
}

#[test]
fn a_receipt_for_what_was_never_stored_is_not_believed() {
    let mut world = World::new(4);
    world.store(false);
    world.connect(false);
    let receipt = Receipt {
        upto: Seq(900),
        missing: vec![],
        nak: vec![],
        host: "h".into(),
        recv_ts: crate::time::UtcMs(0),
    };
    world.put(Input::Receipt(&receipt));
    world.put(Input::Receipt(&receipt));
    assert_eq!(world.reports, ["uplink.receipt_ahead"]);
    assert_eq!(world.machine.progress().host_upto, Seq::ZERO);
}
