//! What a journal does when nothing is wrong.

use std::collections::HashSet;
use std::sync::mpsc::sync_channel;

use crate::common::{TestClock, all, door, draft, draft_at, event, open, options};
use gatehouse_core::event::{Class, GENESIS, Lane, chain_hash, hex};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_journal::{
    AppendError, Cursors, Journal, MarkError, Marks, OpenError, Options, Query, Reader, verify,
};

#[test]
fn events_are_numbered_without_holes_and_each_carries_the_hash_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut prev = None;
    for seq in 1..=600 {
        let stored = journal.append_and_wait(vec![door()]).unwrap();
        let event = event(&stored[0]);
        let before = prev.unwrap_or_else(|| event.prev.clone());
        assert_eq!((event.seq, event.prev), (Seq(seq), before));
        prev = Some(hex(&chain_hash(&stored[0].payload)));
    }
    let found = journal.verify(Seq(1)).unwrap();
    assert_eq!((found.events, found.linked, found.broken), (600, 600, None));
    assert!(found.holes.is_empty());
}

#[test]
fn a_journal_that_was_wiped_begins_another_chain_whose_events_have_other_ids() {
    let mut ids = HashSet::new();
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        // Same gateway, boot, session, number, time and content.
        open(dir.path()).0.close();
        let (journal, _) = open(dir.path());
        let stored = journal.append_and_wait(vec![door(), door()]).unwrap();
        let (first, second) = (event(&stored[0]), event(&stored[1]));
        assert_eq!((first.session, first.seq), (2, Seq(1)));
        assert_ne!(first.prev, hex(&GENESIS));
        assert!(ids.insert(first.id) && ids.insert(second.id));
        let found = journal.verify(Seq(1)).unwrap();
        assert_eq!((found.linked, found.broken), (2, None));
    }
}

#[test]
fn what_was_stored_reads_back_to_the_byte_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!(opened.session, 1);
    let stored = journal.append_and_wait((0..50).map(|_| door()).collect()).unwrap();
    journal.close();
    let (journal, opened) = open(dir.path());
    assert_eq!((opened.session, opened.head, opened.quarantined), (2, Seq(50), None));
    assert_eq!(all(&journal), stored);
    let next = journal.append_and_wait(vec![door()]).unwrap();
    assert_eq!(event(&next[0]).prev, hex(&chain_hash(&stored[49].payload)));
    assert_eq!(event(&next[0]).session, 2);
    assert_eq!(journal.verify(Seq(1)).unwrap().linked, 51);
}

#[test]
fn an_event_of_another_boot_is_known_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let (journal, _) = Journal::open(options(dir.path(), &clock)).unwrap();
    clock.advance_ms(7);
    journal.append_and_wait(vec![door()]).unwrap();
    journal.close();
    let later = Options { boot: "boot-2".into(), ..options(dir.path(), &clock) };
    let (journal, _) = Journal::open(later).unwrap();
    journal.append_and_wait(vec![door()]).unwrap();
    let found = journal.read(None, Seq::ZERO, 9, usize::MAX).unwrap();
    let boots: Vec<bool> = found.iter().map(|record| record.this_boot).collect();
    assert_eq!(boots, [false, true]);
    assert_eq!(found[0].stored, Mono(60_007_000_000));
}

#[test]
fn the_alarm_lane_is_read_on_its_own_from_memory_and_from_the_file_alike() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options { hot_records: 10, ..options(dir.path(), &TestClock::default()) };
    let (journal, _) = Journal::open(small).unwrap();
    for n in 0..300 {
        let class = if n % 50 == 0 { Class::Alarm } else { Class::Door };
        journal.append_and_wait(vec![draft(class, "x.y", "z1")]).unwrap();
    }
    for after in [0, 1, 100, 251, 285, 289, 295, 300] {
        for lane in [None, Some(Lane::Alarm), Some(Lane::Normal)] {
            let hot = journal.read(lane, Seq(after), 1000, usize::MAX).unwrap();
            let reader = Reader::open(dir.path(), "boot-1");
            let cold = reader.read(lane, Seq(after), 1000, usize::MAX).unwrap();
            assert_eq!(hot, cold);
            let expected: Vec<u64> = (after + 1..=300)
                .filter(|seq| lane.is_none_or(|l| (l == Lane::Alarm) == (seq % 50 == 1)))
                .collect();
            assert_eq!(hot.iter().map(|r| r.seq.0).collect::<Vec<_>>(), expected);
        }
    }
    let limited = journal.read(None, Seq(0), 1000, 1).unwrap();
    assert_eq!(limited.len(), 1, "one event always comes, however small the limit of bytes");
}

#[test]
fn a_restore_names_the_newest_open_event_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let closing = |id: &str| {
        let mut closed = draft(Class::Door, "door.closed", id);
        closed.closes = Some("door.opened");
        closed
    };
    let (journal, _) = open(dir.path());
    let opened = |id| draft(Class::Door, "door.opened", id);
    let batch = vec![opened("a"), opened("b"), closing("a"), closing("a"), opened("a")];
    let stored = journal.append_and_wait(batch).unwrap();
    let opens: Vec<_> = stored.iter().map(|r| event(r).draft.opens).collect();
    assert_eq!(opens, [None, None, Some(Seq(1)), None, None]);
    journal.close();
    let (journal, _) = open(dir.path());
    let stored = journal
        .append_and_wait(vec![closing("b"), closing("a"), closing("a"), closing("c")])
        .unwrap();
    let opens: Vec<_> = stored.iter().map(|r| event(r).draft.opens).collect();
    assert_eq!(opens, [Some(Seq(2)), Some(Seq(5)), None, None]);
}

#[test]
fn marks_never_go_back_never_pass_the_head_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.append_and_wait((0..20).map(|_| door()).collect()).unwrap();
    let acked = Cursors { alarm: Seq(3), normal: Seq(20) };
    journal.mark(Marks { host_upto: Some(Seq(7)), acked: Some(acked) }).unwrap();
    journal.mark(Marks { host_upto: Some(Seq(5)), acked: None }).unwrap();
    journal.flush_marks().unwrap();
    journal.mark(Marks { host_upto: Some(Seq(9)), acked: None }).unwrap();
    journal.close();
    let (journal, opened) = open(dir.path());
    assert_eq!(opened.host_upto, Seq(9));
    assert_eq!(opened.acked, Cursors { alarm: Seq(3), normal: Seq(20) });
    let backlog = journal.backlog().unwrap();
    assert_eq!((backlog.normal.pending, backlog.normal.unacked, backlog.alarm.pending), (11, 0, 0));
    assert_eq!(backlog.normal.oldest.unwrap().seq, Seq(10));
}

#[test]
fn marks_for_what_was_never_stored_are_refused_whole_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let none = Marks { host_upto: Some(Seq(1)), acked: None };
    assert_eq!(journal.mark(none), Err(MarkError { told: Seq(1), head: Seq(0) }));
    journal.append_and_wait((0..20).map(|_| door()).collect()).unwrap();
    let ahead = |alarm, normal, host| {
        let acked = Some(Cursors { alarm: Seq(alarm), normal: Seq(normal) });
        journal.mark(Marks { host_upto: Some(Seq(host)), acked }).unwrap_err()
    };
    assert_eq!(ahead(21, 9, 9), MarkError { told: Seq(21), head: Seq(20) });
    assert_eq!(ahead(9, 900, 9), MarkError { told: Seq(900), head: Seq(20) });
    assert_eq!(ahead(9, 9, u64::MAX), MarkError { told: Seq(u64::MAX), head: Seq(20) });
    journal.close();
    let (_journal, opened) = open(dir.path());
    // Not cut down to the head: nothing of it is believed, and nothing counts as delivered.
    assert_eq!((opened.host_upto, opened.acked), (Seq::ZERO, Cursors::default()));
}

#[test]
fn the_backlog_counts_every_lane_exactly_wherever_the_cursor_stands() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let class = |seq: u64| {
        // A run of alarms longer than a block, then a mixture.
        if (300..900).contains(&seq) || seq.is_multiple_of(7) { Class::Panic } else { Class::Door }
    };
    let drafts = (1..=1500).map(|seq| draft(class(seq), "x.y", "z1")).collect();
    journal.append_and_wait(drafts).unwrap();
    for upto in [0, 1, 254, 255, 256, 257, 299, 300, 511, 512, 899, 900, 1279, 1280, 1499, 1500] {
        journal.mark(Marks { host_upto: Some(Seq(upto)), acked: None }).unwrap();
        let backlog = journal.backlog().unwrap();
        for lane in [Lane::Alarm, Lane::Normal] {
            let waiting: Vec<u64> =
                (upto + 1..=1500).filter(|seq| class(*seq).lane() == lane).collect();
            let counted = backlog.of(lane);
            assert_eq!(counted.pending, waiting.len() as u64, "{lane:?} after {upto}");
            assert_eq!(counted.oldest.map(|o| o.seq.0), waiting.first().copied());
        }
    }
}

#[test]
fn queries_find_by_time_class_and_source_in_both_directions_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let (journal, _) = Journal::open(options(dir.path(), &clock)).unwrap();
    let classes = [Class::Door, Class::Access, Class::Fault];
    let mut model = Vec::new();
    for n in 0..1000_usize {
        clock.advance_ms(1000);
        let class = if n == 700 { Class::Tamper } else { classes[n % 3] };
        let id = ["a", "b", "c", "d"][n % 4];
        let draft = draft_at(class, "x.y", id, &clock.now());
        model.extend(journal.append_and_wait(vec![draft]).unwrap());
    }
    let at = |n: usize| Some(UtcMs(model[n].utc.0));
    let source = |id: &str| Some(("door".to_owned(), id.parse().unwrap()));
    let queries = [
        Query::default(),
        Query { class: Some(Class::Tamper), ..Query::default() },
        Query { class: Some(Class::Access), since: at(100), until: at(800), ..Query::default() },
        Query { since: at(990), ..Query::default() },
        Query { until: at(3), ..Query::default() },
        Query { source: source("b"), since: at(500), ..Query::default() },
        Query { source: source("c"), class: Some(Class::Fault), ..Query::default() },
        Query { source: source("nobody"), ..Query::default() },
    ];
    for query in queries {
        for newest_first in [false, true] {
            let mut expected: Vec<_> = model
                .iter()
                .filter(|r| query.class.is_none_or(|class| class == r.class))
                .filter(|r| query.since.is_none_or(|since| r.utc >= since))
                .filter(|r| query.until.is_none_or(|until| r.utc <= until))
                .filter(|r| {
                    query.source.as_ref().is_none_or(|(_, id)| *id == event(r).draft.source.id)
                })
                .cloned()
                .collect();
            if newest_first {
                expected.reverse();
            }
            let mut found = Vec::new();
            let mut page = Query { newest_first, limit: 37, ..query.clone() };
            loop {
                let part = journal.query(&page).unwrap();
                let Some(last) = part.last() else { break };
                page.after = Some(last.seq);
                found.extend(part);
            }
            assert_eq!(found, expected, "{query:?} newest first: {newest_first}");
        }
    }
    let id = "b".parse().unwrap();
    let last = journal.last_of_source("door", &id, 2).unwrap();
    assert_eq!(last.iter().map(|e| e.seq.0).collect::<Vec<_>>(), [998, 994]);
    assert!(journal.last_of_source("zone", &id, 2).unwrap().is_empty());
}

#[test]
fn an_oversize_draft_is_stored_without_its_details_and_does_not_harm_its_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut huge = draft(Class::Alarm, "zone.alarm", "z1");
    huge.detail = Some("x".repeat(9000).into());
    let mut hopeless = door();
    hopeless.source.driver = Some("y".repeat(9000));
    let stored = journal.append_and_wait(vec![door(), huge, hopeless, door()]).unwrap();
    let told: Vec<_> = stored.iter().map(|r| (r.class, event(r).draft.kind.into_owned())).collect();
    assert_eq!(
        told,
        [
            (Class::Door, "door.opened".to_owned()),
            (Class::Alarm, "zone.alarm".to_owned()),
            (Class::Fault, "event.oversize".to_owned()),
            (Class::Door, "door.opened".to_owned()),
        ]
    );
    let events = all(&journal);
    assert_eq!(events.len(), 5);
    let fault = event(&events[4]);
    assert_eq!(fault.draft.kind, "event.oversize");
    assert_eq!(fault.draft.detail.unwrap()["type"], "zone.alarm");
    assert_eq!(journal.verify(Seq(1)).unwrap().linked, 5);
}

#[test]
fn a_storm_is_stored_in_few_commits_and_the_uplink_is_woken_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let (tell, told) = sync_channel(10_000);
    let wake = tell.clone();
    journal.on_commit(move |committed| {
        for record in committed.records {
            wake.send(("commit", record.seq)).unwrap();
        }
    });
    for _ in 0..1000 {
        let tell = tell.clone();
        journal.append(vec![door()], move |stored| {
            tell.send(("done", stored.unwrap()[0].seq)).unwrap();
        });
    }
    journal.close();
    drop(tell);
    let told: Vec<_> = told.try_iter().collect();
    for what in ["commit", "done"] {
        let seqs = told.iter().filter(|(w, _)| *w == what).map(|(_, seq)| seq.0);
        assert!(seqs.eq(1..=1000), "{what} comes once per event, in order");
    }
    let stats = journal.stats();
    assert_eq!(stats.events, 1000);
    assert!(stats.commits < 500, "{stats:?}");
}

#[test]
fn a_full_queue_gives_the_drafts_back_and_keeps_room_for_alarms() {
    let dir = tempfile::tempdir().unwrap();
    let few = Options { queue_drafts: 8, ..options(dir.path(), &TestClock::default()) };
    let (journal, _) = Journal::open(few).unwrap();
    let (hold, held) = sync_channel::<()>(0);
    let (at_work, working) = sync_channel::<()>(0);
    journal.append(vec![door()], move |_| {
        at_work.send(()).unwrap();
        held.recv().unwrap();
    });
    working.recv().unwrap();
    let (tell, told) = sync_channel(100);
    let append = |draft| {
        let tell = tell.clone();
        journal.append(vec![draft], move |outcome| tell.send(outcome).unwrap());
    };
    for _ in 0..9 {
        append(door());
    }
    let refused = told.try_recv().unwrap();
    let Err(AppendError::QueueFull { drafts, waiting: 8 }) = refused else { panic!("{refused:?}") };
    assert_eq!(drafts.len(), 1);
    for _ in 0..3 {
        append(draft(Class::Alarm, "zone.alarm", "z1"));
    }
    assert!(matches!(told.try_recv(), Ok(Err(AppendError::QueueFull { waiting: 10, .. }))));
    hold.send(()).unwrap();
    journal.close();
    assert_eq!(told.try_iter().flatten().count(), 10);
    assert_eq!(journal.stats().queue_full, 2);
}

#[test]
fn only_one_process_may_write() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let again = Journal::open(options(dir.path(), &TestClock::default()));
    assert!(matches!(again, Err(OpenError::InUse { .. })));
    journal.close();
    assert!(Journal::open(options(dir.path(), &TestClock::default())).is_ok());
}

#[test]
fn a_closed_journal_takes_nothing_and_can_still_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.append_and_wait(vec![door()]).unwrap();
    journal.close();
    assert!(matches!(
        journal.append_and_wait(vec![door()]),
        Err(AppendError::Closed { drafts }) if drafts.len() == 1
    ));
    assert!(journal.flush_marks().is_err());
    assert_eq!(all(&journal).len(), 1);
}

#[test]
fn readers_see_a_prefix_while_the_writer_writes() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        hot_records: 16,
        checkpoint_bytes: 64 << 10,
        ..options(dir.path(), &TestClock::default())
    };
    let (journal, _) = Journal::open(small).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..400 {
                journal.append_and_wait((0..5).map(|_| door()).collect()).unwrap();
            }
        });
        for _ in 0..3 {
            scope.spawn(|| {
                let reader = Reader::open(dir.path(), "boot-1");
                let mut after = Seq::ZERO;
                while after < Seq(2000) {
                    let own = reader.read(None, after, 7, usize::MAX).unwrap();
                    let found = journal.read(None, after, 64, usize::MAX).unwrap();
                    assert!(own.len() <= found.len().max(7));
                    for record in found {
                        assert_eq!(record.seq, after.next());
                        after = record.seq;
                    }
                }
            });
        }
    });
    let found = verify(dir.path(), Seq(1)).unwrap();
    assert_eq!((found.linked, found.broken), (2000, None));
}

#[test]
fn what_was_appended_behind_an_append_that_came_back_comes_back_too() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let appender = journal.appender();
    // Somebody else writes: the first commit waits for its turn in vain.
    let other = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (tell, told) = sync_channel(9);
    // The first fills a commit by itself, so the second waits for the next.
    for (name, count, mut other) in [("first", 4096, Some(other)), ("second", 1, None)] {
        let tell = tell.clone();
        let drafts = vec![draft(Class::Door, "door.opened", name); count];
        appender.append(drafts, vec![], move |outcome| {
            // From here on the second could be stored, were it not behind the first.
            drop(other.take());
            tell.send(outcome).unwrap();
        });
    }
    let mut back = Vec::new();
    for _ in 0..2 {
        let Err(AppendError::Io { mut drafts, .. }) = told.recv().unwrap() else {
            panic!("stored")
        };
        back.extend(drafts.pop());
    }
    appender.resume();
    for draft in back {
        let tell = tell.clone();
        appender.append(vec![draft], vec![], move |outcome| tell.send(outcome).unwrap());
    }
    let names = [told.recv(), told.recv()].map(|outcome| {
        let records = outcome.unwrap().unwrap();
        event(&records[0]).draft.source.id.to_string()
    });
    assert_eq!(names, ["first", "second"]);
}
