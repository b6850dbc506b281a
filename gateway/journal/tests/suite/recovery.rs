//! What a journal does after a crash, a cut, a damaged file or a lost one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use gatehouse_journal::{Journal, Marks, OpenError, Options, Record, own, verify};

use crate::common::{TestClock, all, door, draft, event, open, options};

/// As a kill leaves it: the files as the kernel has them, without a close.
fn copy_of(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["journal.db", "journal.db-wal", "seq.mark"] {
        if dir.join(name).exists() {
            fs::copy(dir.join(name), copy.path().join(name)).unwrap();
        }
    }
    copy
}

/// Numbers that `system.gap` events name.
fn gaps(records: &[Record]) -> Vec<(u64, u64)> {
    records
        .iter()
        .map(event)
        .filter(|event| event.draft.kind == own::GAP)
        .map(|event| {
            let detail = event.draft.detail.unwrap();
            (detail["from"].as_u64().unwrap(), detail["to"].as_u64().unwrap())
        })
        .collect()
}

fn of_kind(records: &[Record], kind: &str) -> usize {
    records.iter().filter(|record| event(record).draft.kind == kind).count()
}

/// Whatever happened: no number has two contents, none is missing without a gap event, and the
/// chain of what is there is whole.
fn check(dir: &Path, journal: &Journal, before: &BTreeMap<Seq, Record>) -> Vec<Record> {
    let after = all(journal);
    let gaps = gaps(&after);
    for record in &after {
        if let Some(was) = before.get(&record.seq) {
            assert_eq!(was.payload, record.payload, "event {} has two contents", record.seq);
        } else if event(record).draft.kind == "door.opened" {
            panic!("event {} came from nowhere", record.seq);
        }
    }
    let there: Vec<Seq> = after.iter().map(|record| record.seq).collect();
    for seq in before.keys() {
        let accounted = there.binary_search(seq).is_ok()
            || gaps.iter().any(|(from, to)| (*from..=*to).contains(&seq.0));
        assert!(accounted, "event {seq} is gone without a word; gaps {gaps:?}");
    }
    let found = verify(dir, Seq(1)).unwrap();
    assert_eq!(found.broken, None);
    after
}

fn map(records: Vec<Record>) -> BTreeMap<Seq, Record> {
    records.into_iter().map(|record| (record.seq, record)).collect()
}

#[test]
fn after_a_kill_behind_any_commit_everything_that_was_answered_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let small =
        Options { checkpoint_bytes: 16 << 10, ..options(dir.path(), &TestClock::default()) };
    let (journal, _) = Journal::open(small).unwrap();
    let mut stored = Vec::new();
    for round in 0..60 {
        stored.extend(journal.append_and_wait((0..=round % 7).map(|_| door()).collect()).unwrap());
        let copy = copy_of(dir.path());
        let (again, opened) = open(copy.path());
        assert_eq!(opened.quarantined, None);
        assert_eq!(all(&again), stored);
        again.append_and_wait(vec![door()]).unwrap();
        let found = again.verify(Seq(1)).unwrap();
        assert_eq!((found.linked, found.broken), (stored.len() as u64 + 1, None));
    }
}

#[test]
fn a_wal_that_was_torn_anywhere_leaves_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let stored: Vec<Record> =
        (0..20).flat_map(|_| journal.append_and_wait(vec![door(), door()]).unwrap()).collect();
    let whole = fs::metadata(dir.path().join("journal.db-wal")).unwrap().len();
    let mut lengths = Vec::new();
    for cut in (0..whole).step_by(731).chain([whole - 1, whole]) {
        for flip in [false, true] {
            let copy = copy_of(dir.path());
            let wal = fs::OpenOptions::new().write(true).open(copy.path().join("journal.db-wal"));
            let mut wal = wal.unwrap();
            if flip {
                wal.seek(SeekFrom::Start(cut)).unwrap();
                wal.write_all(&[0xa5; 16]).unwrap();
            } else {
                wal.set_len(cut).unwrap();
            }
            let (again, _) = open(copy.path());
            let after = all(&again);
            assert_eq!(&after[..], &stored[..after.len()], "cut at {cut}");
            lengths.push(after.len());
            again.append_and_wait(vec![door()]).unwrap();
            assert_eq!(again.verify(Seq(1)).unwrap().broken, None);
        }
    }
    assert!(lengths.contains(&0) && lengths.contains(&stored.len()));
}

#[test]
fn a_file_that_is_no_database_is_set_aside_and_recording_goes_on_above_the_mark() {
    for rubbish in [&b"not a database, whatever its name says"[..], &[0; 8192], b""] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = open(dir.path());
        let before = map(journal.append_and_wait((0..30).map(|_| door()).collect()).unwrap());
        journal.mark(Marks { host_upto: Some(Seq(9)), acked: None }).unwrap();
        journal.close();
        fs::write(dir.path().join("journal.db"), rubbish).unwrap();
        let (journal, opened) = open(dir.path());
        let quarantine = opened.quarantined.expect("it says so");
        assert_eq!(fs::read(quarantine.path.as_ref().unwrap()).unwrap(), rubbish);
        assert_eq!((quarantine.salvaged, quarantine.lost), (0, (Seq(1), Seq(1_000_000))));
        assert_eq!((opened.host_upto, opened.session), (Seq::ZERO, 2));
        let next = journal.append_and_wait(vec![draft(Class::Door, "x.y", "z")]).unwrap();
        assert_eq!(next[0].seq, Seq(1_000_003));
        let after = check(dir.path(), &journal, &before);
        assert_eq!(gaps(&after), [(1, 1_000_000)]);
        assert_eq!(of_kind(&after, own::QUARANTINED), 1);
        journal.close();
        let (_, opened) = open(dir.path());
        assert_eq!((opened.quarantined, opened.session), (None, 3));
    }
}

#[test]
fn a_journal_that_vanished_is_continued_above_its_mark() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let before = map(journal.append_and_wait(vec![door(), door()]).unwrap());
    journal.close();
    fs::remove_file(dir.path().join("journal.db")).unwrap();
    let (journal, opened) = open(dir.path());
    let quarantine = opened.quarantined.unwrap();
    assert_eq!((quarantine.path, quarantine.lost), (None, (Seq(1), Seq(1_000_000))));
    let after = check(dir.path(), &journal, &before);
    assert_eq!(after[0].seq, Seq(1_000_001));
    // Twice in a row: the second loss also covers what the first left.
    let before = map(after);
    journal.close();
    fs::remove_file(dir.path().join("journal.db")).unwrap();
    let (journal, _) = open(dir.path());
    let after = check(dir.path(), &journal, &before);
    assert_eq!(after[0].seq, Seq(2_000_001));
}

#[test]
fn a_mark_that_vanished_or_is_damaged_is_made_again_from_a_sound_journal() {
    for damage in [None, Some(&b"gatehouse-seq-mark 1 5 5 0000"[..])] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = open(dir.path());
        journal.append_and_wait(vec![door(), door()]).unwrap();
        journal.close();
        let mark = dir.path().join("seq.mark");
        match damage {
            None => fs::remove_file(&mark).unwrap(),
            Some(bytes) => fs::write(&mark, bytes).unwrap(),
        }
        let (journal, opened) = open(dir.path());
        assert_eq!((opened.head, opened.session, opened.quarantined), (Seq(2), 2, None));
        journal.close();
        assert!(fs::read_to_string(&mark).unwrap().starts_with("gatehouse-seq-mark 1 1000002 2 "));
    }
}

#[test]
fn creation_that_was_cut_off_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal.db"), b"").unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!((opened.session, opened.quarantined), (1, None));
    assert_eq!(journal.append_and_wait(vec![door()]).unwrap()[0].seq, Seq(1));
}

#[test]
fn a_journal_of_a_newer_program_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.close();
    let path = dir.path().join("journal.db");
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // user_version, at offset 60 of the header.
    file.seek(SeekFrom::Start(60)).unwrap();
    file.write_all(&9_u32.to_be_bytes()).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = Journal::open(options(dir.path(), &TestClock::default()));
    assert!(matches!(refused, Err(OpenError::Newer { found: 9, known: 1, .. })), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // Steele & Vigna's splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[test]
fn damage_anywhere_is_found_at_the_latest_on_reading_and_what_is_whole_is_salvaged() {
    let original = tempfile::tempdir().unwrap();
    let (journal, _) = open(original.path());
    for _ in 0..40 {
        let mut batch: Vec<_> = (0..9).map(|_| door()).collect();
        batch.push(draft(Class::Alarm, "door.opened", "z1"));
        journal.append_and_wait(batch).unwrap();
    }
    let before = map(all(&journal));
    journal.close();
    let size = fs::metadata(original.path().join("journal.db")).unwrap().len();
    let mut dice = Dice(7);
    let (mut quarantined, mut salvaged) = (0, 0);
    for round in 0..120 {
        let copy = copy_of(original.path());
        let path = copy.path().join("journal.db");
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let length = [1, 16, 700, 5000][usize::try_from(dice.below(4)).unwrap()];
        let offset = dice.below(size);
        if round % 10 == 0 {
            file.set_len(offset).unwrap();
        } else {
            let length = length.min(size - offset);
            let rubbish: Vec<u8> =
                (0..length).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
            file.seek(SeekFrom::Start(offset)).unwrap();
            file.write_all(&rubbish).unwrap();
        }
        drop(file);
        let (journal, opened) = open(copy.path());
        if let Some(quarantine) = &opened.quarantined {
            quarantined += 1;
            salvaged += quarantine.salvaged;
        }
        // Reading meets what opening did not. The writer then replaces the file; a flush waits
        // for that.
        let mut tries = 0;
        while journal.range(Seq(1), Seq(u64::MAX), 1000).is_err()
            || journal
                .read(Some(gatehouse_core::event::Lane::Alarm), Seq(0), 1000, usize::MAX)
                .is_err()
            || journal.last_of_source("door", &"z1".parse().unwrap(), 1000).is_err()
            || journal.backlog().is_err()
        {
            journal.flush_marks().unwrap();
            tries += 1;
            assert!(tries < 5, "damage at {offset}+{length} stays");
        }
        let next = journal.append_and_wait(vec![draft(Class::Door, "x.y", "z")]).unwrap();
        assert!(!before.contains_key(&next[0].seq));
        let after = check(copy.path(), &journal, &before);
        if tries > 0 {
            assert_eq!(journal.stats().quarantines, tries);
            assert!(of_kind(&after, own::QUARANTINED) > 0);
            quarantined += 1;
        }
    }
    assert!(quarantined > 80, "{quarantined} of 120 rounds met the damage");
    assert!(salvaged > 0);
}

#[test]
fn damage_under_a_running_journal_loses_nothing_that_memory_still_has() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        checkpoint_bytes: 16 << 10,
        hot_records: 100,
        ..options(dir.path(), &TestClock::default())
    };
    let (journal, opened) = Journal::open(small).unwrap();
    for _ in 0..50 {
        journal.append_and_wait((0..10).map(|_| door()).collect()).unwrap();
    }
    let before = map(all(&journal));
    // All pages but the first, as a controller does that forgets its table.
    let path = dir.path().join("journal.db");
    let size = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(size).unwrap() - 4096]).unwrap();
    // The pages that readers have in memory are stale after the next commit.
    let mut before = before;
    before.extend(map(journal.append_and_wait(vec![door()]).unwrap()));
    assert!(journal.range(Seq(1), Seq(400), 1000).is_err());
    journal.flush_marks().unwrap();
    assert_eq!(journal.stats().quarantines, 1);
    let after = check(dir.path(), &journal, &before);
    let hot: Vec<u64> = after.iter().map(|r| r.seq.0).filter(|seq| *seq <= 501).collect();
    assert!(hot.len() >= 100 && hot.ends_with(&[500, 501]), "{hot:?}");
    let next = journal.append_and_wait(vec![draft(Class::Door, "x.y", "z")]).unwrap();
    assert!(next[0].seq < Seq(600), "this process knows the head: no number is skipped");
    assert_eq!(next[0].session, opened.session);
}

#[test]
fn a_crash_in_the_middle_of_a_quarantine_repeats_it() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let before = map(journal.append_and_wait((0..30).map(|_| door()).collect()).unwrap());
    journal.close();
    // Set aside, a half-made new file, not yet renamed.
    fs::rename(dir.path().join("journal.db"), dir.path().join("journal.corrupt-1.db")).unwrap();
    fs::write(dir.path().join("journal.new.db"), b"half").unwrap();
    let (journal, opened) = open(dir.path());
    assert!(opened.quarantined.is_some());
    check(dir.path(), &journal, &before);
    assert!(dir.path().join("journal.corrupt-1.db").exists());
}
