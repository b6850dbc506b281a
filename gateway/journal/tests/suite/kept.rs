//! What is kept with the events.

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::sync_channel;

use gatehouse_core::event::Draft;
use gatehouse_core::id::Seq;
use gatehouse_journal::{Appender, Keep, Kept};

use crate::common::{door, open};

fn keep(key: &str, value: Option<&str>) -> Keep {
    Keep { key: key.to_owned(), value: value.map(str::to_owned) }
}

fn kept(pairs: &[(&str, &str)]) -> Kept {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Appends, and waits for the flush.
fn store(appender: &Appender, drafts: Vec<Draft>, keeps: Vec<Keep>) {
    let (tell, told) = sync_channel(1);
    appender.append(drafts, keeps, move |outcome| tell.send(outcome).unwrap());
    told.recv().unwrap().unwrap();
}

#[test]
fn what_is_kept_is_there_after_a_restart_with_or_without_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!(opened.kept, Kept::new());
    let appender = journal.appender();
    store(&appender, vec![door()], vec![keep("zone/a", Some("1")), keep("zone/b", Some("2"))]);
    store(&appender, Vec::new(), vec![keep("zone/a", Some("3"))]);
    store(&appender, vec![door()], vec![keep("zone/b", None), keep("alive", Some("x"))]);
    journal.close();
    let (_journal, opened) = open(dir.path());
    assert_eq!(opened.kept, kept(&[("alive", "x"), ("zone/a", "3")]));
    assert_eq!(opened.head, Seq(2));
}

#[test]
fn a_file_that_is_damaged_while_it_is_used_is_replaced_with_all_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let appender = journal.appender();
    for n in 0..300 {
        store(&appender, vec![door()], vec![keep(&format!("zone/{}", n % 40), Some("armed"))]);
    }
    // Everything behind the header, the kept facts too.
    journal.flush_marks().unwrap();
    let path = dir.path().join("journal.db");
    let size = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0xa5; usize::try_from(size - 4096).unwrap()], 4096).unwrap();
    fs::write(dir.path().join("journal.db-wal"), b"").unwrap();
    let mut tries = 0;
    while journal.stats().quarantines == 0 {
        let _ = journal.last_of_source("door", &"z1".parse().unwrap(), 1000);
        let (tell, told) = sync_channel(1);
        appender.append(vec![door()], Vec::new(), move |outcome| tell.send(outcome).unwrap());
        let _ = told.recv().unwrap();
        appender.resume();
        tries += 1;
        assert!(tries < 2_000, "the damage is not met");
    }
    journal.close();
    let (_journal, opened) = open(dir.path());
    assert_eq!(opened.kept.len(), 40, "{:?}", opened.kept);
}

#[test]
fn a_file_that_is_damaged_elsewhere_gives_what_is_kept_to_its_successor() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    store(&journal.appender(), vec![door()], vec![keep("partition/flat", Some("away"))]);
    journal.close();
    // The mark of the session is gone from the one row that must be there.
    let conn = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    conn.execute("DELETE FROM meta", []).unwrap();
    drop(conn);
    let (_journal, opened) = open(dir.path());
    assert!(opened.quarantined.is_some());
    assert_eq!(opened.kept, kept(&[("partition/flat", "away")]));
}
