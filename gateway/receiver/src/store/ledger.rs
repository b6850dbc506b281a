//! What a room owes other rooms, and what they have said: kept before anything is sent or confirmed.
//!
//! Beside the events' writer, with a connection of its own: an incident changes hands a few times a
//! day, and must not wait in the queue of a storm.

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;

use super::writer::Over;
use super::{Database, OpenError, StoreError, postgres, sqlite};
use crate::handover::Handover;

/// A handover that is over is listed for so long: a week, until the shift that gave it is back.
const LISTED_MS: i64 = 7 * 24 * 3600 * 1000;

/// Handovers in a list, at most: the latest.
const LISTED: i64 = 1000;

/// A message of ours, or of theirs, with its payload as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) number: u64,
    pub(crate) kind: String,
    /// When it was stored.
    pub(crate) at: UtcMs,
    pub(crate) payload: Vec<u8>,
}

/// A handover with the messages of ours that no receipt covers, in order.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) matter: Handover,
    pub(crate) owed: Vec<Spoken>,
}

/// What one transaction changes of a handover.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) matter: Handover,
    /// Owed from now on.
    pub(crate) said: Vec<Spoken>,
    /// Taken in.
    pub(crate) heard: Option<Spoken>,
    /// The other room has these of ours.
    pub(crate) upto: Option<u64>,
}

/// Says what becomes of a handover; nothing: it stays as it is.
pub(crate) type Decide<'a> = &'a mut dyn FnMut(Option<Handover>) -> Option<Change>;

/// See the module's page.
pub(crate) trait Ledger: Send {
    /// Reads a handover, and writes what is decided of it, in one transaction that nobody else's
    /// overlaps. When this returns `Ok`, it survives the power. Says whether anything was written.
    fn change(&mut self, id: &Id, decide: Decide<'_>) -> Result<bool, StoreError>;

    /// The payload that was taken in under this number, if one was.
    fn heard(&mut self, id: &Id, number: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every handover that is open, owes something, or changed after this; the latest first.
    fn all(&mut self, since: UtcMs, most: i64) -> Result<Vec<Kept>, StoreError>;
}

impl dyn Ledger {
    /// What a room is to look after, and to show.
    pub(crate) fn list(&mut self, now: UtcMs) -> Result<Vec<Kept>, StoreError> {
        self.all(UtcMs(now.0.saturating_sub(LISTED_MS)), LISTED)
    }
}

/// Opens the ledger of this room in a database that [`super::Store::open`] has prepared. Rooms may
/// share a database: each has its own side of a handover.
pub(crate) fn ledger(database: &Database, room: &Id) -> Result<Box<dyn Ledger>, OpenError> {
    Ok(match database {
        Database::File(path) => Box::new(sqlite::Handovers::open(path, room)?),
        Database::Memory => Box::new(sqlite::Handovers::in_memory(room)?),
        Database::Postgres(server) => Box::new(postgres::Handovers::open(server, room)?),
    })
}

/// How a handover is kept, as text.
pub(super) fn written(matter: &Handover) -> String {
    // Nothing in it that JSON could not say.
    serde_json::to_string(matter).unwrap_or_default()
}

/// A handover as it was kept; one that a newer receiver has written may not be readable.
pub(super) fn read(facts: &str) -> Option<Handover> {
    match serde_json::from_str(facts) {
        Ok(matter) => Some(matter),
        Err(error) => {
            tracing::error!(%error, "a handover in the database cannot be read; passed over");
            None
        }
    }
}

/// Whether a handover, as it was kept, has had its time: the class of its incident, from when that
/// began or was offered. One that cannot be read is a newer receiver's, and stays.
pub(super) fn is_over(facts: &str, over: Over<'_>) -> bool {
    read(facts).is_some_and(|matter| {
        // A gateway that does not know the time may say anything; the room's clock is better.
        let began = matter.incident.since.max(matter.offered.at);
        over(matter.incident.class, began)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matter() -> Handover {
        let facts = serde_json::json!({"id": "h-1", "peer": "south", "side": "given",
            "state": "offered", "district": "d-1", "site": "s-1", "gateway": "g-1",
            "incident": {"id": "a1", "phase": "active", "danger": "burglary", "class": "alarm",
                "severity": 1, "since": "2026-11-29T00:00:00.000Z", "sources": [], "open": []},
            "offered": {"by": "op-7", "at": "2026-11-29T00:00:01.000Z"}, "history": [],
            "acts": [], "said": 1, "heard": 0, "from": 1, "told": 1});
        serde_json::from_value(facts).unwrap()
    }

    fn spoken(number: u64, payload: &[u8]) -> Spoken {
        Spoken { number, kind: "offer".into(), at: UtcMs(5), payload: payload.to_vec() }
    }

    #[test]
    fn what_is_owed_is_kept_until_a_receipt_and_what_was_heard_for_ever() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = Database::File(folder.path().join("r.db"));
        drop(super::super::Store::open(&database).unwrap());
        let id: Id = "h-1".parse().unwrap();
        let room: Id = "north".parse().unwrap();
        let mut book = ledger(&database, &room).unwrap();
        let wrote = book.change(&id, &mut |known| {
            assert_eq!(known, None);
            let said = vec![spoken(1, b"one"), spoken(2, b"two")];
            let heard = Some(spoken(1, b"theirs"));
            Some(Change { matter: matter(), said, heard, upto: None })
        });
        assert!(wrote.unwrap());
        assert!(!book.change(&id, &mut |_| None).unwrap());
        // Another process, after the first was killed.
        drop(book);
        let mut other = ledger(&database, &"south".parse().unwrap()).unwrap();
        assert!(other.list(UtcMs(0)).unwrap().is_empty(), "another room's");
        let mut book = ledger(&database, &room).unwrap();
        let kept = book.list(UtcMs(0)).unwrap().remove(0);
        assert_eq!(
            (kept.matter, kept.owed),
            (matter(), vec![spoken(1, b"one"), spoken(2, b"two")])
        );
        let receipt = |known: Option<Handover>| {
            let matter = known.unwrap();
            Some(Change { matter, said: vec![], heard: None, upto: Some(1) })
        };
        book.change(&id, &mut { receipt }).unwrap();
        assert_eq!(book.list(UtcMs(0)).unwrap()[0].owed, [spoken(2, b"two")]);
        assert_eq!(book.heard(&id, 1).unwrap().as_deref(), Some(&b"theirs"[..]));
        assert_eq!(book.heard(&id, 2).unwrap(), None);
    }
}
