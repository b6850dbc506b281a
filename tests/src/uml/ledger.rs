//! The books of the box against the books of the district: what was stored, what was received.
//!
//! Judges by the bytes alone, without the code of journal and receiver, so that a mistake of theirs is
//! not repeated here.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use serde_json::Value;

/// Events by number, with their canonical bytes.
pub type Book = BTreeMap<u64, Vec<u8>>;

/// So many findings of a kind are told in full: one is enough to begin with, thousands hide it.
const SHOWN: u64 = 3;

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Events that the box had stored, as it said itself at any time.
    pub stored: u64,
    /// Events that the district has committed.
    pub received: u64,
    /// Events that were stored and are not received with the same content.
    pub lost: u64,
    /// Numbers up to the newest that are neither received nor accounted for by a `system.gap`.
    pub holes: u64,
    /// Numbers that were seen with more than one content.
    pub conflicts: u64,
    /// Events whose `prev` is not the hash of the event before.
    pub breaks: u64,
}

impl Verdict {
    /// Nothing lost, nothing missing, nothing twice.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.holes == 0 && self.conflicts == 0 && self.breaks == 0
    }
}

/// Reads JSON lines of events into a book; returns how many numbers came with another content.
///
/// With `torn`, a last line that a power cut has torn is passed over: it was never told whole, so
/// nobody was promised anything.
pub fn enter(book: &mut Book, text: &str, torn: bool) -> anyhow::Result<u64> {
    let mut conflicts = 0;
    for line in text.split_inclusive('\n') {
        let Some(whole) = line.strip_suffix('\n') else {
            ensure!(torn, "the last line is not whole: {line:?}");
            break;
        };
        let (seq, _) = numbered(whole.as_bytes())?;
        let known = book.entry(seq).or_insert_with(|| whole.as_bytes().to_vec());
        if known != whole.as_bytes() {
            conflicts += 1;
            if conflicts <= SHOWN {
                let known = String::from_utf8_lossy(known);
                eprintln!("number {seq} has two contents:\n  {known}\n  {whole}");
            }
        }
    }
    Ok(conflicts)
}

/// Compares the box's book with the district's, up to number `head`.
pub fn compare(stored: &Book, received: &Book, head: u64) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict {
        stored: stored.len() as u64,
        received: received.len() as u64,
        ..Verdict::default()
    };
    for (seq, bytes) in stored {
        match received.get(seq) {
            Some(same) if same == bytes => {}
            Some(other) => {
                verdict.lost += 1;
                verdict.conflicts += 1;
                if verdict.conflicts <= SHOWN {
                    eprintln!("number {seq} was received with another content than stored:");
                    eprintln!("  stored   {}", String::from_utf8_lossy(bytes));
                    eprintln!("  received {}", String::from_utf8_lossy(other));
                }
            }
            None => {
                verdict.lost += 1;
                if verdict.lost <= SHOWN {
                    eprintln!("number {seq} was stored and not received");
                }
            }
        }
    }
    let gaps = gaps(received)?;
    let accounted = |seq: u64| gaps.iter().any(|&(from, to)| (from..=to).contains(&seq));
    verdict.holes =
        (1..=head).filter(|seq| !received.contains_key(seq) && !accounted(*seq)).count() as u64;
    for (seq, bytes) in received {
        let (_, event) = numbered(bytes)?;
        let before = received.get(&(seq - 1)).map(|b| hash(b));
        // Before the first event, and after an accounted gap, there is nothing to check against.
        let Some(before) = before else { continue };
        if event["prev"] != hex(&before) {
            verdict.breaks += 1;
            if verdict.breaks <= SHOWN {
                eprintln!("number {seq} does not continue the chain");
            }
        }
    }
    Ok(verdict)
}

/// The number of an event and its fields.
fn numbered(bytes: &[u8]) -> anyhow::Result<(u64, Value)> {
    let text = || String::from_utf8_lossy(bytes).into_owned();
    let event: Value = serde_json::from_slice(bytes).with_context(text)?;
    match event["seq"].as_u64() {
        Some(seq) => Ok((seq, event)),
        None => bail!("not an event: {}", text()),
    }
}

fn gaps(book: &Book) -> anyhow::Result<Vec<(u64, u64)>> {
    let mut gaps = Vec::new();
    for bytes in book.values() {
        let (seq, event) = numbered(bytes)?;
        if event["type"] == "system.gap" {
            let detail = &event["detail"];
            let ends = detail["from"].as_u64().zip(detail["to"].as_u64());
            gaps.push(ends.with_context(|| format!("the system.gap {seq} names no range"))?);
        }
    }
    Ok(gaps)
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    gatehouse_core::event::chain_hash(bytes)
}

fn hex(hash: &[u8; 32]) -> String {
    gatehouse_core::event::hex(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(events: &[(u64, &str)]) -> Book {
        let mut book = Book::new();
        let mut prev = [0; 32];
        for (seq, kind) in events {
            let detail = r#"{"from":2,"to":3}"#;
            let prev_hex = hex(&prev);
            let bytes =
                format!(r#"{{"seq":{seq},"prev":"{prev_hex}","type":"{kind}","detail":{detail}}}"#);
            prev = hash(bytes.as_bytes());
            book.insert(*seq, bytes.into_bytes());
        }
        book
    }

    #[test]
    fn equal_books_are_clean() {
        let both = book(&[(1, "a"), (2, "b"), (3, "c")]);
        let verdict = compare(&both, &both, 3).unwrap();
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.stored, verdict.received), (3, 3));
    }

    #[test]
    fn a_stored_event_that_is_not_received_is_lost_and_a_hole() {
        let stored = book(&[(1, "a"), (2, "b")]);
        let mut received = stored.clone();
        received.remove(&2);
        let verdict = compare(&stored, &received, 2).unwrap();
        assert_eq!((verdict.lost, verdict.holes), (1, 1));
    }

    #[test]
    fn a_number_with_another_content_is_lost_a_conflict_and_breaks_the_chain() {
        let stored = book(&[(1, "a"), (2, "b")]);
        let mut received = stored.clone();
        received.insert(1, br#"{"seq":1,"prev":"","type":"z"}"#.to_vec());
        let verdict = compare(&stored, &received, 2).unwrap();
        assert_eq!((verdict.lost, verdict.conflicts, verdict.breaks), (1, 1, 1));
    }

    #[test]
    fn a_hole_with_a_record_is_no_hole_but_a_stored_event_in_it_is_still_lost() {
        let received = book(&[(1, "a"), (4, "system.gap")]);
        let verdict = compare(&book(&[(1, "a")]), &received, 4).unwrap();
        assert!(verdict.is_clean(), "{verdict:?}");
        let mut stored = book(&[(1, "a")]);
        stored.insert(2, br#"{"seq":2}"#.to_vec());
        assert_eq!(compare(&stored, &received, 4).unwrap().lost, 1);
    }

    #[test]
    fn a_torn_last_line_promises_nothing_and_a_changed_line_is_a_conflict() {
        let mut stored = Book::new();
        let conflicts = enter(&mut stored, "{\"seq\":1}\n{\"seq\":2}\n{\"se", true).unwrap();
        assert_eq!((conflicts, stored.len()), (0, 2));
        assert!(enter(&mut stored, "{\"se", false).is_err());
        assert_eq!(enter(&mut stored, "{\"seq\":1}\n{\"seq\":2,\"x\":1}\n", false).unwrap(), 1);
    }
}
