//! Checking the chain of a whole journal.

use std::path::Path;

use gatehouse_core::event::Event;
use gatehouse_core::id::Seq;

use crate::error::ReadError;
use crate::read::{Linked, Reader};

/// Events per read transaction: a long check must not hold up the writer's checkpoints.
const STEP: usize = 1000;

/// Holes that are listed; a sound journal has a handful, one per run of retention at most.
const LISTED: usize = 1000;

/// What checking a journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events that were read.
    pub events: u64,
    /// Events whose predecessor was there, and was the one that they follow.
    pub linked: u64,
    /// Numbers that are not in the file, first and last of each run; the first thousand runs.
    /// Retention and quarantine leave them; the undelivered among them have `system.gap` events.
    pub holes: Vec<(Seq, Seq)>,
    /// The last event that was read.
    pub head: Seq,
    /// The first event that is not what it should be.
    pub broken: Option<Break>,
}

/// Where a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The event at which it was noticed; the one before it may be the one that was changed.
    pub seq: Seq,
    /// What is wrong.
    pub why: String,
}

/// Checks every event of the journal in `dir` from `from` on, while it may be written.
///
/// # Errors
/// The file cannot be read at all. What reads but is wrong is [`Verified::broken`].
pub fn verify(dir: &Path, from: Seq) -> Result<Verified, ReadError> {
    verify_with(&Reader::open(dir, String::new()), from)
}

pub(crate) fn verify_with(reader: &Reader, from: Seq) -> Result<Verified, ReadError> {
    let mut found = Verified::default();
    let mut before: Option<(Seq, [u8; 32])> = None;
    let mut after = Seq(from.0.saturating_sub(1));
    let mut size = STEP;
    loop {
        let step = reader
            .with(|conn, rows| rows.after(conn, None, after, Seq(u64::MAX), size, usize::MAX));
        let step = match step {
            Ok(step) => step,
            // One by one up to the event that cannot be read.
            Err(ReadError::Damaged(_)) if size > 1 => {
                size = 1;
                continue;
            }
            Err(ReadError::Damaged(why)) => {
                found.broken = Some(Break { seq: after.next(), why });
                return Ok(found);
            }
            Err(other) => return Err(other),
        };
        let Some(last) = step.last() else { return Ok(found) };
        after = last.record.seq;
        for linked in &step {
            if let Err(why) = link(linked, before, &mut found) {
                found.broken = Some(Break { seq: linked.record.seq, why });
                return Ok(found);
            }
            let seq = linked.record.seq;
            found.events += 1;
            found.head = seq;
            before = Some((seq, linked.hash));
        }
    }
}

fn link(
    linked: &Linked,
    before: Option<(Seq, [u8; 32])>,
    found: &mut Verified,
) -> Result<(), String> {
    let record = &linked.record;
    let event: Event = serde_json::from_slice(&record.payload).map_err(|e| e.to_string())?;
    if event.seq != record.seq || event.draft.class != record.class {
        return Err(format!("its row holds the event {}", event.seq));
    }
    match before {
        Some((seq, hash)) if seq.next() == record.seq => {
            if hash != linked.prev {
                return Err(format!("its prev is not the hash of event {seq}"));
            }
            found.linked += 1;
        }
        // Its `prev` is the journal's birth.
        None if record.seq == Seq(1) => found.linked += 1,
        Some((seq, _)) if found.holes.len() < LISTED => {
            found.holes.push((seq.next(), Seq(record.seq.0 - 1)));
        }
        Some(_) | None => {}
    }
    Ok(())
}
