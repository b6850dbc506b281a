//! What goes, what stays, and what is said about it.

use std::time::Duration;

use gatehouse_core::event::{Class, Draft};
use gatehouse_core::id::Seq;
use gatehouse_core::time::ClockState;
use gatehouse_journal::{Journal, Marks, Options, Record, Retained, own};

use crate::common::{TestClock, all, draft, draft_at, event, options};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn fat(class: Class) -> Draft {
    let mut draft = draft(class, "x.y", "z1");
    draft.detail = Some("f".repeat(1000).into());
    draft
}

fn host(journal: &Journal, upto: u64) {
    let upto = Seq(upto).min(journal.stats().head);
    journal.mark(Marks { host_upto: Some(upto), acked: None }).unwrap();
}

fn to_the_end(journal: &Journal, clock: &TestClock) -> Retained {
    let mut total = Retained::default();
    loop {
        let step = journal.retain(clock.now()).unwrap();
        total.delivered += step.delivered;
        total.undelivered += step.undelivered;
        total.over_limit = step.over_limit;
        if !step.more {
            return total;
        }
    }
}

fn gaps(records: &[Record]) -> Vec<(u64, u64, String)> {
    records
        .iter()
        .map(event)
        .filter(|event| event.draft.kind == own::GAP)
        .map(|event| {
            let detail = event.draft.detail.unwrap();
            let number = |name: &str| detail[name].as_u64().unwrap();
            (number("from"), number("to"), detail["reason"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn delivered_events_go_when_their_class_is_old_enough_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = options(dir.path(), &clock).keep(Class::Door, 2 * DAY).keep(Class::Camera, DAY);
    let (journal, _) = Journal::open(opts).unwrap();
    let classes = [Class::Door, Class::Camera, Class::Alarm];
    let mut stored = Vec::new();
    for n in 0..900 {
        // Five days in steps of eight minutes.
        clock.advance_ms(8 * 60 * 1000);
        let draft = draft_at(classes[n % 3], "x.y", "z1", &clock.now());
        stored.extend(journal.append_and_wait(vec![draft]).unwrap());
    }
    assert_eq!(to_the_end(&journal, &clock), Retained::default(), "nothing is delivered yet");
    host(&journal, 800);
    let retained = to_the_end(&journal, &clock);
    let now = clock.now();
    let expected: Vec<Record> = stored
        .iter()
        .filter(|record| {
            let age = u64::try_from(now.utc.0 - record.utc.0).unwrap();
            let old = match record.class {
                Class::Door => age > 2 * 86_400_000,
                Class::Camera => age > 86_400_000,
                _ => false,
            };
            !old || record.seq > Seq(800)
        })
        .cloned()
        .collect();
    let left = all(&journal);
    assert_eq!(left, expected);
    assert_eq!(retained.delivered, 900 - left.len() as u64);
    assert_eq!(retained.undelivered, 0);
    assert!(gaps(&left).is_empty(), "what was delivered needs no gap event");
    assert_eq!(journal.read(None, Seq(0), 1000, usize::MAX).unwrap(), left, "memory agrees");
    assert_eq!(journal.backlog().unwrap().normal.pending, 66);
    assert_eq!(journal.verify(Seq(1)).unwrap().broken, None);
}

#[test]
fn a_clock_that_was_never_set_drops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = options(dir.path(), &clock).keep(Class::Door, DAY);
    let (journal, _) = Journal::open(opts).unwrap();
    // Stored by a box without a clock: 1970.
    let mut unset = draft(Class::Door, "x.y", "z1");
    unset.time.utc = gatehouse_core::time::UtcMs(1000);
    journal.append_and_wait(vec![unset, draft(Class::Door, "x.y", "z1")]).unwrap();
    host(&journal, 2);
    clock.advance_ms(1000);
    let mut now = clock.now();
    assert_eq!(journal.retain(now).unwrap().delivered, 0, "1970 is no age");
    clock.advance_ms(3 * 86_400_000);
    now = clock.now();
    now.clock = ClockState::Never;
    assert_eq!(journal.retain(now).unwrap().delivered, 0, "this clock says nothing");
}

#[test]
fn too_many_bytes_drop_the_oldest_and_name_the_undelivered_but_never_a_waiting_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = Options { max_bytes: 400 << 10, ..options(dir.path(), &clock) };
    let (journal, _) = Journal::open(opts).unwrap();
    // 500 of some 1.6 KB; each tenth an alarm.
    let drafts: Vec<Draft> =
        (1..=500).map(|n| fat(if n % 10 == 0 { Class::Alarm } else { Class::Door })).collect();
    for chunk in drafts.chunks(50) {
        journal.append_and_wait(chunk.to_vec()).unwrap();
    }
    host(&journal, 100);
    let retained = to_the_end(&journal, &clock);
    assert!(!retained.over_limit);
    let left = all(&journal);
    let numbers: Vec<u64> = left.iter().map(|record| record.seq.0).collect();
    assert!(numbers.iter().all(|seq| *seq > 100), "delivered events go first, alarms too");
    for alarm in (110..=500).step_by(10) {
        assert!(numbers.contains(&alarm), "alarm {alarm} was not received");
    }
    assert!(numbers.contains(&500));
    assert_eq!(retained.delivered, 100);
    let mut named: Vec<u64> = Vec::new();
    for (from, to, reason) in gaps(&left) {
        assert_eq!(reason, "retention");
        named.extend(from..=to);
    }
    named.sort_unstable();
    let missing: Vec<u64> = (101..=500).filter(|seq| !numbers.contains(seq)).collect();
    assert_eq!(named, missing, "each undelivered number that is gone is named, once");
    assert_eq!(retained.undelivered, missing.len() as u64);
    assert_eq!(journal.verify(Seq(1)).unwrap().broken, None);

    // Freed pages are used again: the file does not grow while as much goes as comes.
    let size = || std::fs::metadata(dir.path().join("journal.db")).unwrap().len();
    journal.close();
    let before = size();
    let opts = Options { max_bytes: 400 << 10, ..options(dir.path(), &clock) };
    let (journal, _) = Journal::open(opts).unwrap();
    for _ in 0..10 {
        host(&journal, u64::MAX);
        journal.append_and_wait((0..50).map(|_| fat(Class::Door)).collect()).unwrap();
        to_the_end(&journal, &clock);
    }
    journal.close();
    assert!(size() <= before + (120 << 10), "{} after {before}", size());
}

#[test]
fn a_dropped_gap_event_hands_its_numbers_on() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = Options { max_bytes: 200 << 10, ..options(dir.path(), &clock) };
    let (journal, _) = Journal::open(opts).unwrap();
    for _ in 0..40 {
        journal.append_and_wait((0..30).map(|_| fat(Class::Door)).collect()).unwrap();
        to_the_end(&journal, &clock);
    }
    let left = all(&journal);
    let first_left = left.iter().find(|r| event(r).draft.kind != own::GAP).unwrap().seq.0;
    assert!(first_left > 900);
    let gaps = gaps(&left);
    assert!(gaps.len() < 10, "{gaps:?}");
    for seq in 1..first_left {
        let there = left.iter().any(|record| record.seq.0 == seq);
        assert!(
            there || gaps.iter().any(|(from, to, _)| (*from..=*to).contains(&seq)),
            "number {seq} is not accounted for; gaps {gaps:?}"
        );
    }
}

#[test]
fn alarms_alone_may_exceed_the_limit_and_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = Options { max_bytes: 100 << 10, ..options(dir.path(), &clock) };
    let (journal, _) = Journal::open(opts).unwrap();
    let stored = journal.append_and_wait((0..200).map(|_| fat(Class::Panic)).collect()).unwrap();
    let retained = to_the_end(&journal, &clock);
    assert!(retained.over_limit);
    assert_eq!(all(&journal), stored);
}

#[test]
fn the_newest_event_stays_so_that_the_chain_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = options(dir.path(), &clock).keep(Class::Door, DAY);
    let (journal, _) = Journal::open(opts.clone()).unwrap();
    journal.append_and_wait((0..5).map(|_| draft(Class::Door, "x.y", "z")).collect()).unwrap();
    host(&journal, 5);
    clock.advance_ms(30 * 86_400_000);
    assert_eq!(to_the_end(&journal, &clock).delivered, 4);
    journal.close();
    let (journal, opened) = Journal::open(opts).unwrap();
    assert_eq!(opened.head, Seq(5));
    let next = journal.append_and_wait(vec![draft(Class::Door, "x.y", "z")]).unwrap();
    assert_eq!(next[0].seq, Seq(6));
    assert_eq!(journal.verify(Seq(1)).unwrap().linked, 1);
}

#[test]
fn a_storm_past_the_limit_is_held_by_the_writer_itself() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = Options { max_bytes: 2 << 20, ..options(dir.path(), &clock) };
    let (journal, _) = Journal::open(opts).unwrap();
    for _ in 0..40 {
        journal.append_and_wait((0..200).map(|_| fat(Class::Door)).collect()).unwrap();
    }
    journal.close();
    let size = std::fs::metadata(dir.path().join("journal.db")).unwrap().len();
    assert!(size < 6 << 20, "12 MB of events, {size} bytes");
}
