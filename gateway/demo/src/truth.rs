//! The verdict: the box's journal against the control room's database, number by number.
//!
//! Neither side is asked how it went; both files are read. A stored event is lost when the control
//! room has no event of that number, or other bytes under it, or when a number is missing in the
//! journal itself.

use std::collections::BTreeMap;
use std::path::Path;

use gatehouse_core::id::Seq;
use gatehouse_journal::{ReadError, Reader, verify};
use gatehouse_receiver::{Audit, Filter, OpenError, Store};

/// Events per read.
const STEP: usize = 1000;

/// Bytes per read, as a bound on memory.
const STEP_BYTES: usize = 1 << 20;

/// What the comparison found.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// Events in the journal.
    pub(crate) stored: u64,
    /// Of these, the ones that the control room holds with the same bytes.
    pub(crate) received: u64,
    /// What is wrong, one sentence each; the first few of each kind.
    pub(crate) complaints: Vec<String>,
    /// Events that are lost, in one of the ways above.
    pub(crate) lost: u64,
}

/// Why the files could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TruthError {
    /// The box's journal cannot be read.
    #[error("the box's journal cannot be read: {0}")]
    Journal(#[from] ReadError),
    /// The control room's database cannot be opened.
    #[error("the control room's database cannot be opened: {0}")]
    Database(#[from] OpenError),
    /// The control room's database cannot be read.
    #[error("the control room's database cannot be read: {0}")]
    Read(#[from] gatehouse_receiver::StoreError),
}

/// Sentences per kind of complaint.
const COMPLAINTS: u64 = 5;

/// Compares the two files. Both their writers must have ended.
///
/// # Errors
/// [`TruthError`].
pub(crate) fn compare(journal: &Path, database: &Path) -> Result<Truth, TruthError> {
    let mut room: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let store = Store::open_to_read(database)?;
    store.query(&Filter::default(), |event| {
        room.insert(event.seq.0, event.body);
        Ok::<(), TruthError>(())
    })?;

    let mut truth = Truth::default();
    let reader = Reader::open(journal, "");
    let (mut last, mut missing, mut other) = (0, 0, 0);
    loop {
        let records = reader.read(None, Seq(last), STEP, STEP_BYTES)?;
        if records.is_empty() {
            break;
        }
        for record in records {
            let seq = record.seq.0;
            if seq != last + 1 {
                let hole = seq - last - 1;
                truth.lost += hole;
                truth.complaints.push(format!(
                    "the journal has no events {} to {}",
                    last + 1,
                    seq - 1
                ));
            }
            last = seq;
            truth.stored += 1;
            match room.remove(&seq) {
                Some(body) if body[..] == record.payload[..] => truth.received += 1,
                Some(_) => {
                    other += 1;
                    if other <= COMPLAINTS {
                        truth.complaints.push(format!(
                            "event {seq} has other bytes at the control room than in the journal"
                        ));
                    }
                }
                None => {
                    missing += 1;
                    if missing <= COMPLAINTS {
                        truth.complaints.push(format!(
                            "event {seq} is stored, but the control room does not have it"
                        ));
                    }
                }
            }
        }
    }
    truth.lost += missing + other;
    // Law 1: an event that the district has must be on flash, since it is stored before it is sent.
    for seq in room.keys().take(5) {
        truth.complaints.push(format!("event {seq} reached the control room, but is not stored"));
    }
    truth.lost += room.len() as u64;
    let verified = verify(journal, Seq(1))?;
    if let Some(broken) = verified.broken {
        truth.lost += 1;
        truth
            .complaints
            .push(format!("the journal's chain breaks at {}: {}", broken.seq, broken.why));
    }
    let audit = store.audit(None, &mut |finding| truth.complaints.push(finding))?;
    if !audit.is_clean() {
        truth.lost = truth.lost.max(troubles(&audit));
    }
    Ok(truth)
}

fn troubles(audit: &Audit) -> u64 {
    audit.missing + audit.breaks + audit.conflicts + audit.quarantined
}
