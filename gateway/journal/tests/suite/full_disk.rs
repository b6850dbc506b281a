//! A disk that is full, and one that has space again.
//!
//! Twice: with a quota through SQLite's page limit, which every machine can run, and on a tmpfs of
//! four mebibytes, where the kernel itself says ENOSPC. The second needs the right to mount; the
//! suites run as root wherever they must not be skipped, and say so when they cannot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gatehouse_core::event::{Class, Draft};
use gatehouse_core::id::Seq;
use gatehouse_journal::{AppendError, Journal, Marks, Options, Record, own};

use crate::common::{TestClock, all, draft, event, options};

fn fat(class: Class) -> Draft {
    let mut draft = draft(class, "x.y", "z1");
    draft.detail = Some("f".repeat(1000).into());
    draft
}

fn kinds(records: &[Record], kind: &str) -> Vec<serde_json::Value> {
    let events = records.iter().map(event).filter(|event| event.draft.kind == kind);
    events.map(|event| event.draft.detail.unwrap_or_default()).collect()
}

/// Fills the disk with normal events, and sees what an alarm gets. Returns how many were refused.
fn fill_up(journal: &Journal) -> u64 {
    let mut stored = 0;
    let refused = loop {
        match journal.append_and_wait(vec![fat(Class::Door)]) {
            Ok(records) => stored += records.len(),
            Err(AppendError::DiskFull { stored, refused }) => {
                assert!(stored.is_empty());
                break refused;
            }
            Err(other) => panic!("{other}"),
        }
        assert!(stored < 10_000, "the disk never gets full");
    };
    assert_eq!(refused, [fat(Class::Door)], "what was not stored comes back");
    assert!(stored > 100);
    let degraded = journal.stats().degraded.expect("it is said");
    assert!(degraded.why.contains("full"), "{degraded:?}");
    // One append with both: the alarm is stored, the rest comes back.
    let both = vec![fat(Class::Door), fat(Class::Alarm), fat(Class::Access)];
    let Err(AppendError::DiskFull { stored, refused }) = journal.append_and_wait(both) else {
        panic!("a normal event was stored on a full disk");
    };
    assert_eq!((stored.len(), stored[0].class, refused.len()), (1, Class::Alarm, 2));
    for _ in 0..20 {
        journal.append_and_wait(vec![draft(Class::Panic, "panic.pressed", "p1")]).unwrap();
    }
    assert_eq!(journal.stats().refused, 3);
    assert_eq!(journal.stats().degraded.unwrap().refused, 3);
    3
}

/// What the journal says about it all once there is space.
fn restored(journal: &Journal, refused: u64) {
    journal.append_and_wait(vec![fat(Class::Door)]).expect("there is space");
    let stats = journal.stats();
    assert_eq!(stats.degraded, None);
    let events = all(journal);
    let full = events.iter().find(|record| event(record).draft.kind == own::DISK_FULL);
    let back = events.iter().find(|record| event(record).draft.kind == own::DISK_RESTORED);
    assert_eq!(event(back.unwrap()).draft.opens, Some(full.unwrap().seq));
    assert_eq!(kinds(&events, own::REFUSED)[0]["refused"], refused);
    assert_eq!(events.iter().filter(|record| record.class == Class::Panic).count(), 20);
    let found = journal.verify(Seq(1)).unwrap();
    assert_eq!(found.broken, None);
}

#[test]
fn a_quota_that_is_used_up_leaves_alarms_recorded_until_retention_makes_space() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opts = Options {
        quota_bytes: Some(600 << 10),
        reserve_bytes: 200 << 10,
        ..options(dir.path(), &clock)
    }
    .keep(Class::Door, std::time::Duration::from_secs(3600));
    let (journal, _) = Journal::open(opts.clone()).unwrap();
    assert!(dir.path().join("journal.reserve").exists());
    let refused = fill_up(&journal);
    let reserve = || fs::metadata(dir.path().join("journal.reserve")).unwrap().len();
    assert!(reserve() < 200 << 10, "the reserve is in use");
    // Nothing is delivered: nothing can go, and it stays as it is.
    clock.advance_ms(7200 * 1000);
    assert_eq!(journal.retain(clock.now()).unwrap().delivered, 0);
    assert!(journal.stats().degraded.is_some());
    journal.mark(Marks { host_upto: Some(journal.stats().head), acked: None }).unwrap();
    assert!(journal.retain(clock.now()).unwrap().delivered > 100);
    clock.advance_ms(10_000);
    restored(&journal, refused);
    assert_eq!(reserve(), 200 << 10);
}

#[test]
fn when_the_reserve_is_used_up_too_alarms_come_back_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let opts = Options {
        quota_bytes: Some(300 << 10),
        reserve_bytes: 30 << 10,
        ..options(dir.path(), &TestClock::default())
    };
    let (journal, _) = Journal::open(opts).unwrap();
    while journal.append_and_wait(vec![fat(Class::Door)]).is_ok() {}
    let mut stored = 0;
    let refused = loop {
        match journal.append_and_wait(vec![fat(Class::Alarm)]) {
            Ok(_) => stored += 1,
            Err(AppendError::DiskFull { refused, .. }) => break refused,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(stored > 5, "{stored}");
    assert_eq!(refused.len(), 1);
    assert_eq!(journal.stats().degraded.unwrap().refused_alarms, 1);
    assert_eq!(journal.verify(Seq(1)).unwrap().broken, None);
}

/// A file system of four mebibytes, unmounted with the test.
struct Tmpfs(PathBuf, tempfile::TempDir);

impl Tmpfs {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self(path, dir))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        assert!(self.1.path().exists());
    }
}

#[test]
fn a_disk_that_is_really_full_leaves_alarms_recorded_also_over_a_restart() {
    let Some(disk) = Tmpfs::mount() else {
        println!("NOT RUN: mounting a tmpfs needs root");
        return;
    };
    let clock = TestClock::default();
    let opts = Options {
        reserve_bytes: 1 << 20,
        checkpoint_bytes: 256 << 10,
        ..options(disk.path(), &clock)
    };
    let (journal, _) = Journal::open(opts.clone()).unwrap();
    // Somebody else's file takes most of the disk.
    let other = disk.path().join("other.log");
    fs::write(&other, vec![0; 1 << 20]).unwrap();
    let refused = fill_up(&journal);
    journal.close();

    // The box restarts on the full disk, and records alarms.
    fs::write(disk.path().join("more.log"), vec![0; 4 << 20]).unwrap_err();
    let (journal, opened) = Journal::open(opts.clone()).unwrap();
    assert_eq!((opened.session, &opened.quarantined), (2, &None));
    assert!(journal.stats().degraded.is_some());
    fs::remove_file(disk.path().join("more.log")).unwrap();
    let alarms = all(&journal).iter().filter(|record| record.class == Class::Panic).count();
    assert_eq!(alarms, 20);

    fs::remove_file(&other).unwrap();
    clock.advance_ms(10_000);
    journal.append_and_wait(vec![fat(Class::Door)]).expect("there is space");
    assert_eq!(journal.stats().degraded, None);
    assert_eq!(journal.verify(Seq(1)).unwrap().broken, None);
    assert_eq!(refused, 3);
}

#[test]
fn a_disk_that_fills_up_and_empties_again_is_reported_with_what_it_cost() {
    let Some(disk) = Tmpfs::mount() else {
        println!("NOT RUN: mounting a tmpfs needs root");
        return;
    };
    let clock = TestClock::default();
    let opts = Options {
        reserve_bytes: 1 << 20,
        checkpoint_bytes: 256 << 10,
        ..options(disk.path(), &clock)
    };
    let (journal, _) = Journal::open(opts).unwrap();
    let other = disk.path().join("other.log");
    fs::write(&other, vec![0; 1 << 20]).unwrap();
    let refused = fill_up(&journal);
    fs::remove_file(&other).unwrap();
    clock.advance_ms(10_000);
    restored(&journal, refused);
}
