//! What the journal says of evidence: which pieces there are, and which of them are in the store.

use std::path::{Path, PathBuf};

use gatehouse_core::event::{Class, Event, Lane};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::is_silent;
use gatehouse_core::time::{ClockState, UtcMs};
use gatehouse_journal::{Journal, Query, ReadError};
use serde_json::Value;
use tracing::error;

use super::notes::{Note, Of};
use super::told::{STORED, STORED_SILENT};
use crate::unit::camera::evidence::{CLIPS, PICTURES};

/// Events that are read at once.
const PAGE: usize = 250;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// A picture or clip is on the flash.
    Piece(Box<Piece>),
    /// One is in the store, and that is told.
    Told { file: String, silent: bool },
}

/// A picture or clip, as an event names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    file: String,
    folder: &'static str,
    camera: Id,
    seq: Seq,
    id: String,
    at: UtcMs,
    dated: bool,
    said: Option<String>,
    silent: bool,
    of: Vec<u64>,
    alarm: bool,
}

/// The next page of facts behind an event, and up to which event they are all.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) facts: Vec<Fact>,
    pub(super) upto: Seq,
    /// There may be more.
    pub(super) more: bool,
}

/// Reads on. `head`: the newest event that was stored when this was wanted. Blocks.
///
/// # Errors
/// The journal cannot be read.
pub(super) fn read(journal: &Journal, after: Seq, head: Seq) -> Result<Page, ReadError> {
    let query =
        Query { class: Some(Class::Camera), after: Some(after), limit: PAGE, ..Query::default() };
    let records = journal.query(&query)?;
    let more = records.len() == PAGE;
    let last = records.last().map_or(after, |record| record.seq);
    let mut facts = Vec::new();
    for record in &records {
        let event: Event = match serde_json::from_slice(&record.payload) {
            Ok(event) => event,
            Err(error) => {
                error!(seq = %record.seq, %error, "an event cannot be read: nothing of it is stored");
                continue;
            }
        };
        let Some(mut fact) = fact(&event) else { continue };
        if let Fact::Piece(piece) = &mut fact {
            piece.alarm = is_alarm(journal, &piece.of)?;
        }
        facts.push(fact);
    }
    Ok(Page { facts, upto: if more { last } else { last.max(head) }, more })
}

/// Whether one of these events was an alarm. One that the journal has no more is none.
fn is_alarm(journal: &Journal, of: &[u64]) -> Result<bool, ReadError> {
    for seq in of {
        let found = journal.range(Seq(*seq), Seq(*seq), 1)?;
        if found.first().is_some_and(|record| record.lane() == Lane::Alarm) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What an event says of a piece; `None`: it says nothing of one.
fn fact(event: &Event) -> Option<Fact> {
    let draft = &event.draft;
    let detail = draft.detail.as_ref()?;
    let (folder, facts) = match &*draft.kind {
        "camera.clip" | "camera.clip_silent" => (CLIPS, &detail["clip"]),
        "camera.snapshot" | "camera.snapshot_silent" => (PICTURES, detail),
        STORED | STORED_SILENT => {
            let file = detail["ref"].as_str()?.to_owned();
            return Some(Fact::Told { file, silent: draft.kind == STORED_SILENT });
        }
        _ => return None,
    };
    let file = facts["ref"].as_str().filter(|file| is_name(file))?.to_owned();
    // What lies there is what is sent.
    let lies = if facts["sealed"].is_object() { &facts["sealed"] } else { facts };
    Some(Fact::Piece(Box::new(Piece {
        file,
        folder,
        camera: draft.source.id.clone(),
        seq: event.seq,
        id: event.id.clone(),
        at: draft.time.utc,
        dated: draft.time.clock != ClockState::Never,
        said: lies["sha256"].as_str().map(str::to_owned),
        silent: is_silent(&draft.kind),
        of: match &detail["of"] {
            Value::Array(all) => all.iter().filter_map(Value::as_u64).collect(),
            one => one.as_u64().into_iter().collect(),
        },
        alarm: false,
    })))
}

/// Whether this is one name in one folder.
fn is_name(file: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    !file.is_empty() && file.len() <= 200 && file.bytes().all(plain) && !file.starts_with('.')
}

impl Piece {
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Where it lies.
    pub(super) fn path(&self, root: &Path) -> PathBuf {
        root.join(self.folder).join(&self.file)
    }

    /// A note of this alone, which has so many bytes.
    pub(super) fn note(self, bytes: u64) -> Note {
        let mut note = Note {
            file: self.file.clone(),
            folder: self.folder.to_owned(),
            camera: self.camera.clone(),
            seq: self.seq,
            id: self.id.clone(),
            at: self.at,
            dated: self.dated,
            alarm: false,
            bytes,
            said: self.said.clone(),
            open: None,
            silent: None,
            sums: None,
            upload: None,
            done: None,
        };
        self.add_to(&mut note);
        note
    }

    /// What is told of a piece in more events than one; says whether that was news.
    pub(super) fn add_to(self, note: &mut Note) -> bool {
        let to = if self.silent { &mut note.silent } else { &mut note.open };
        let to = to.get_or_insert_with(Of::default);
        if to.events.contains(&self.seq) {
            return false;
        }
        to.events.push(self.seq);
        for of in self.of {
            if !to.of.contains(&of) {
                to.of.push(of);
            }
        }
        note.alarm |= self.alarm;
        true
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::event::Qualifier;
    use gatehouse_core::site::{self, Report};
    use gatehouse_core::time::Now;
    use gatehouse_journal::{ClockSource, Options};
    use serde_json::json;

    use super::*;

    fn report(class: Class, kind: &'static str, source: &'static str, detail: Value) -> Report {
        Report {
            class,
            kind,
            qualifier: Qualifier::Status,
            severity: 5,
            source: (source, "gate".parse().unwrap()),
            closes: None,
            cause: None,
            detail: Some(detail),
            at: None,
        }
    }

    fn journal(dir: &std::path::Path) -> Journal {
        let source = ClockSource::new(Now::default);
        let options = Options::new(dir, "g".parse().unwrap(), "boot".to_owned(), source);
        Journal::open(options).unwrap().0
    }

    fn store(journal: &Journal, reports: Vec<Report>) -> Vec<Seq> {
        let drafts = reports.into_iter().map(|it| site::draft(it, "boot", &Now::default()));
        let records = journal.append_and_wait(drafts.collect()).unwrap();
        records.iter().map(|record| record.seq).collect()
    }

    fn picture(of: u64, file: &str) -> Value {
        json!({
            "of": of, "ref": file, "bytes": 3, "width": 1, "height": 1, "sha256": "ab",
            "masked": false,
        })
    }

    #[test]
    fn each_piece_is_read_with_what_it_is_of_and_what_lies_there_until_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(dir.path());
        let panic = report(Class::Panic, "panic.silent", "zone", json!({}));
        let seqs = store(
            &journal,
            vec![panic, report(Class::Door, "door.opened", "door", json!({ "n": 1 }))],
        );
        let (panic, door) = (seqs[0].0, seqs[1].0);
        let mut sealed = picture(door, "gate-2.jpg.age");
        sealed["sealed"] = json!({ "sha256": "cd", "bytes": 9 });
        let clip = json!({ "of": [door], "clip": { "ref": "gate-2.mp4", "sha256": null } });
        let both = json!({ "of": [panic], "clip": { "ref": "gate-2.mp4", "sha256": null } });
        let told = json!({ "ref": "gate-2.mp4" });
        let all = store(
            &journal,
            vec![
                report(Class::Camera, "camera.snapshot", "camera", sealed),
                report(Class::Camera, "camera.clip", "camera", clip),
                report(Class::Camera, "camera.clip_silent", "camera", both),
                report(Class::Camera, "camera.motion", "camera", json!({ "area": "a" })),
                report(Class::Camera, "camera.snapshot", "camera", picture(door, "../x.jpg")),
                report(Class::Camera, STORED_SILENT, "camera", told),
            ],
        );
        let head = *all.last().unwrap();
        let page = read(&journal, Seq::ZERO, head).unwrap();
        assert_eq!((page.upto, page.more, page.facts.len()), (head, false, 4));
        let mut facts = page.facts.into_iter();
        let mut piece = || match facts.next() {
            Some(Fact::Piece(piece)) => *piece,
            other => panic!("{other:?}"),
        };
        let (sealed, open, silent) = (piece(), piece(), piece());
        assert_eq!(
            (sealed.said.as_deref(), sealed.alarm, sealed.dated),
            (Some("cd"), false, false)
        );
        let mut note = open.note(9);
        assert_eq!((note.folder.as_str(), note.alarm, note.said.as_ref()), (CLIPS, false, None));
        assert!(silent.clone().add_to(&mut note) && !silent.add_to(&mut note));
        // One of the two was an alarm.
        assert!(note.alarm);
        assert_eq!(note.open.unwrap().of, [door]);
        assert_eq!(note.silent.unwrap(), Of { events: vec![all[2]], of: vec![panic] });
        let told = Fact::Told { file: "gate-2.mp4".to_owned(), silent: true };
        assert_eq!(facts.next(), Some(told));
        // Behind the last there is nothing more, whatever else was stored.
        let page = read(&journal, head, Seq(head.0 + 5)).unwrap();
        assert_eq!((page.facts.len(), page.upto), (0, Seq(head.0 + 5)));
    }

    #[test]
    fn more_than_a_page_is_read_in_pages() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(dir.path());
        let one = |n: u64| {
            report(Class::Camera, "camera.snapshot", "camera", picture(1, &format!("gate-{n}.jpg")))
        };
        let seqs = store(&journal, (0..300).map(one).collect());
        let head = *seqs.last().unwrap();
        let first = read(&journal, Seq::ZERO, head).unwrap();
        assert_eq!((first.facts.len(), first.more, first.upto), (250, true, seqs[249]));
        let second = read(&journal, first.upto, head).unwrap();
        assert_eq!((second.facts.len(), second.more, second.upto), (50, false, head));
    }
}
