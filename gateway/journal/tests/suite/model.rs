//! The journal against a model in memory: whatever is done to it, in whatever order.

use std::collections::BTreeMap;

use gatehouse_core::event::{Class, Lane};
use gatehouse_core::id::Seq;
use gatehouse_journal::{Cursors, Journal, Marks, Options, Query, own};
use proptest::prelude::*;

use crate::common::{TestClock, all, draft_at, event, options};

#[derive(Clone, Debug)]
enum Step {
    /// Classes of one batch.
    Append(Vec<u8>),
    Host(u64),
    Acked(u64, u64),
    Retain,
    Restart,
    /// The files as they are, in another place: a kill.
    Kill,
    Read(Option<bool>, u64, usize),
    Query(Option<u8>, bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => prop::collection::vec(0_u8..10, 1..40).prop_map(Step::Append),
        3 => (0_u64..800).prop_map(Step::Host),
        1 => (0_u64..800, 0_u64..800).prop_map(|(a, n)| Step::Acked(a, n)),
        3 => Just(Step::Retain),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        4 => (prop::option::of(any::<bool>()), 0_u64..800, 1_usize..300)
            .prop_map(|(lane, after, limit)| Step::Read(lane, after, limit)),
        2 => (prop::option::of(0_u8..10), any::<bool>()).prop_map(|(c, n)| Step::Query(c, n)),
        2 => (0_u64..5_000_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..50)
}

/// What must be true of the journal.
#[derive(Default)]
struct Model {
    /// Everything ever stored, and the bytes it was stored as.
    stored: BTreeMap<Seq, (Class, Vec<u8>)>,
    host_upto: Seq,
    acked: Cursors,
}

impl Model {
    fn head(&self) -> Seq {
        self.stored.last_key_value().map_or(Seq::ZERO, |(seq, _)| *seq)
    }

    /// What is in the journal is what was stored; what is not was received, or is named.
    fn check(&mut self, journal: &Journal) {
        let there = all(journal);
        let mut named = Vec::new();
        for record in &there {
            let known = self.stored.get(&record.seq);
            let event = event(record);
            if event.draft.kind == own::GAP {
                let detail = event.draft.detail.unwrap();
                let number = |name: &str| Seq(detail[name].as_u64().unwrap());
                named.push(number("from")..=number("to"));
            }
            if let Some((class, bytes)) = known {
                assert_eq!((record.class, &record.payload[..]), (*class, &bytes[..]));
            } else {
                assert_eq!(event.draft.kind, own::GAP, "only gap events are not the model's");
                self.stored.insert(record.seq, (record.class, record.payload.to_vec()));
            }
        }
        let mut there = there.iter().map(|record| record.seq).peekable();
        for (seq, (class, _)) in &self.stored {
            if there.next_if_eq(seq).is_some() {
                continue;
            }
            assert_ne!(*seq, self.head(), "the newest event stays");
            if *seq > self.host_upto {
                assert_eq!(class.lane(), Lane::Normal, "alarm {seq} was not received");
                assert!(named.iter().any(|gap| gap.contains(seq)), "{seq} is gone unnamed");
            }
        }
        let found = journal.verify(Seq(1)).unwrap();
        assert_eq!(found.broken, None);
    }
}

fn run(steps: Vec<Step>, hot_records: usize) {
    let mut dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = |dir: &std::path::Path| {
        let mut opts = Options {
            hot_records,
            max_bytes: 120 << 10,
            checkpoint_bytes: 32 << 10,
            reserve_bytes: 4096,
            ..options(dir, &clock)
        };
        opts.max_age[Class::Door as usize] = Some(std::time::Duration::from_secs(3600));
        opts
    };
    let mut journal = Journal::open(opts(dir.path())).unwrap().0;
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(classes) => {
                let drafts = classes.iter().map(|class| {
                    draft_at(Class::from_number(*class).unwrap(), "x.y", "z", &clock.now())
                });
                let stored = journal.append_and_wait(drafts.collect()).unwrap();
                assert_eq!(stored.len(), classes.len());
                for record in stored {
                    assert_eq!(record.seq, model.head().next());
                    let payload = record.payload.to_vec();
                    model.stored.insert(record.seq, (record.class, payload));
                }
            }
            Step::Host(upto) => {
                // What the control room confirms was stored, but now and then a wrong one does.
                let upto = if upto % 8 == 7 { upto } else { upto.min(model.head().0) };
                let marked = journal.mark(Marks { host_upto: Some(Seq(upto)), acked: None });
                assert_eq!(marked.is_ok(), Seq(upto) <= model.head());
                if marked.is_ok() {
                    model.host_upto = model.host_upto.max(Seq(upto));
                }
            }
            Step::Acked(alarm, normal) => {
                let acked = Cursors { alarm: Seq(alarm), normal: Seq(normal) };
                let marked = journal.mark(Marks { host_upto: None, acked: Some(acked) });
                assert_eq!(marked.is_ok(), Seq(alarm.max(normal)) <= model.head());
                if marked.is_ok() {
                    model.acked.alarm = model.acked.alarm.max(Seq(alarm));
                    model.acked.normal = model.acked.normal.max(Seq(normal));
                }
            }
            Step::Retain => {
                journal.retain(clock.now()).unwrap();
                model.check(&journal);
            }
            Step::Restart => {
                journal.close();
                let opened;
                (journal, opened) = Journal::open(opts(dir.path())).unwrap();
                assert_eq!(opened.quarantined, None);
                assert_eq!(opened.head, model.head());
                assert_eq!((opened.host_upto, opened.acked), (model.host_upto, model.acked));
            }
            Step::Kill => {
                let copy = tempfile::tempdir().unwrap();
                for name in ["journal.db", "journal.db-wal", "seq.mark"] {
                    std::fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
                }
                journal.close();
                let opened;
                (journal, opened) = Journal::open(opts(copy.path())).unwrap();
                assert_eq!((opened.head, opened.quarantined), (model.head(), None));
                // Marks may have been lost, and only marks.
                assert!(opened.host_upto <= model.host_upto);
                model.host_upto = opened.host_upto;
                model.acked = opened.acked;
                dir = copy;
                model.check(&journal);
            }
            Step::Read(lane, after, limit) => {
                let lane = lane.map(|alarm| if alarm { Lane::Alarm } else { Lane::Normal });
                let found = journal.read(lane, Seq(after), limit, usize::MAX).unwrap();
                let expected: Vec<_> = all(&journal)
                    .into_iter()
                    .filter(|r| r.seq > Seq(after) && lane.is_none_or(|l| l == r.lane()))
                    .take(limit)
                    .collect();
                assert_eq!(found, expected);
            }
            Step::Query(class, newest_first) => {
                let class = class.and_then(Class::from_number);
                let query = Query { class, newest_first, limit: 10_000, ..Query::default() };
                let mut expected = all(&journal);
                expected.retain(|record| class.is_none_or(|class| class == record.class));
                if newest_first {
                    expected.reverse();
                }
                assert_eq!(journal.query(&query).unwrap(), expected);
                let backlog = journal.backlog().unwrap();
                for lane in [Lane::Alarm, Lane::Normal] {
                    let waiting: Vec<Seq> = all(&journal)
                        .iter()
                        .filter(|r| r.lane() == lane && r.seq > model.host_upto)
                        .map(|r| r.seq)
                        .collect();
                    let counted = backlog.of(lane);
                    assert_eq!(counted.pending, waiting.len() as u64);
                    assert_eq!(counted.oldest.map(|o| o.seq), waiting.first().copied());
                    let cursor = model.acked.of(lane);
                    let unacked = waiting.iter().filter(|seq| **seq > cursor).count();
                    assert_eq!(counted.unacked, unacked as u64);
                }
            }
            Step::Wait(ms) => clock.advance_ms(ms),
        }
    }
    model.check(&journal);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_is_done_the_journal_agrees_with_the_model(
        steps in steps(),
        hot_records in prop_oneof![Just(1_usize), Just(50), Just(2048)],
    ) {
        run(steps, hot_records);
    }
}
