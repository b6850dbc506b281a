//! A stored event in memory, and its form in a row.
//!
//! Of the canonical bytes a row keeps only what it cannot derive. The head of every event,
//! `{"v":1,"gw":…,"session":…,"seq":…,"prev":…,"id":…,`, takes 165 of about 490 bytes and follows
//! from the row's number, its session and the 32 bytes of `prev`; wall time and boot id inside
//! `time`, 79 bytes, stand in the row and nearly always in its session. The *body* is the rest,
//! and is still JSON. In a storm each byte is written twice (WAL and checkpoint), so this saves
//! more than a third of the flash.

use std::io::Write;
use std::sync::Arc;

use gatehouse_core::event::{self, Class, Lane, head};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, UtcMs};

/// One stored event. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: Seq,
    /// Its class, which says the topic and the lane.
    pub class: Class,
    /// The session that stored it.
    pub session: u64,
    /// When it was stored, on the boot-time clock of the boot that stored it.
    pub stored: Mono,
    /// `stored` is of this boot and compares with the clock of now.
    pub this_boot: bool,
    /// Wall time of the happening, as in the payload.
    pub utc: UtcMs,
    /// The canonical bytes.
    pub payload: Arc<[u8]>,
}

impl Record {
    /// The lane it waits in.
    pub const fn lane(&self) -> Lane {
        self.class.lane()
    }
}

/// What makes a head, besides the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub number: u64,
    pub gateway: Id,
    /// The kernel's boot id in that session.
    pub boot: String,
    pub this_boot: bool,
}

/// The 32 digits of the id and what follows them.
const ID_AND_COMMA: usize = 32 + 2;

/// Where the fields of `time` begin in a body. No text inside an event can look like this, since its
/// quotes would be escaped; and no object comes before it but `source`, whose fields are known.
fn time_at(body: &[u8]) -> Option<usize> {
    const TIME: &[u8] = br#""time":{"#;
    body.windows(TIME.len()).position(|part| part == TIME).map(|at| at + TIME.len())
}

/// How the fields of `time` begin: wall time and boot id, both of which the row has elsewhere.
fn time_head(session: &Session, utc: UtcMs, out: &mut Vec<u8>) {
    out.extend_from_slice(br#""utc":""#);
    write!(out, "{utc}").expect("a Vec takes all that is written");
    out.extend_from_slice(br#"","boot":""#);
    out.extend_from_slice(session.boot.as_bytes());
    out.extend_from_slice(br#"","#);
}

/// Writes the body to store for these canonical bytes: `{` and what follows the head, without
/// what [`time_head`] says; or all of them, when they do not begin with the head that [`expand`]
/// would make (another version of the payload).
pub(crate) fn compact(
    session: &Session,
    seq: Seq,
    prev: &[u8; 32],
    utc: UtcMs,
    canonical: &[u8],
    body: &mut Vec<u8>,
) {
    body.clear();
    head(&session.gateway, session.number, seq, prev, body);
    let rest = canonical.strip_prefix(body.as_slice()).and_then(|rest| rest.get(ID_AND_COMMA..));
    body.clear();
    let Some(rest) = rest else {
        body.extend_from_slice(canonical);
        return;
    };
    time_head(session, utc, body);
    let parts =
        time_at(rest).and_then(|at| Some((&rest[..at], rest[at..].strip_prefix(body.as_slice())?)));
    body.clear();
    body.push(b'{');
    match parts {
        Some((before, after)) => {
            body.extend_from_slice(before);
            body.extend_from_slice(after);
        }
        None => body.extend_from_slice(rest),
    }
}

/// The canonical bytes of a stored body.
pub(crate) fn expand(
    session: &Session,
    seq: Seq,
    prev: &[u8; 32],
    utc: UtcMs,
    body: &[u8],
) -> Arc<[u8]> {
    // A compacted body never begins so: after its `{` comes `"class"`.
    if body.starts_with(br#"{"v":"#) {
        return body.into();
    }
    let mut canonical = Vec::with_capacity(body.len() + 320);
    head(&session.gateway, session.number, seq, prev, &mut canonical);
    let id = event::event_id(&session.gateway, session.number, seq, prev);
    canonical.extend_from_slice(id.as_bytes());
    canonical.extend_from_slice(br#"","#);
    let rest = body.strip_prefix(b"{").unwrap_or(body);
    match time_at(rest) {
        Some(at) if !rest[at..].starts_with(br#""utc":"#) => {
            canonical.extend_from_slice(&rest[..at]);
            time_head(session, utc, &mut canonical);
            canonical.extend_from_slice(&rest[at..]);
        }
        _ => canonical.extend_from_slice(rest),
    }
    canonical.into()
}

/// What a row keeps of the hash of its canonical bytes, so that damage inside a page is noticed
/// when the row is read, and not delivered: 47 bits, an integer of six bytes in SQLite.
pub(crate) fn sum(hash: &[u8; 32]) -> i64 {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(&hash[..6]);
    i64::from_be_bytes(bytes) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(boot: &str) -> Session {
        Session {
            number: 41,
            gateway: "g-7f3a".parse().unwrap(),
            boot: boot.to_owned(),
            this_boot: true,
        }
    }

    /// An event as format 1 stores it. If this fails, old journals do not read any more: the form
    /// of the row, the payload's field order or the making of `id` has changed.
    #[test]
    fn a_row_of_format_1_still_reads_to_the_same_bytes() {
        let body = br#"{"class":"door","type":"door.opened","qualifier":"new","severity":4,"source":{"kind":"door","id":"lobby"},"time":{"mono_ns":7,"err_ms":12,"clock":"synced"},"test":false}"#;
        let canonical = br#"{"v":1,"gw":"g-7f3a","session":41,"seq":918273,"prev":"0909090909090909090909090909090909090909090909090909090909090909","id":"74afaa8e481907cfe363f22d662c6687","class":"door","type":"door.opened","qualifier":"new","severity":4,"source":{"kind":"door","id":"lobby"},"time":{"utc":"2026-09-30T11:02:03.412Z","boot":"5e1c","mono_ns":7,"err_ms":12,"clock":"synced"},"test":false}"#;
        let utc = UtcMs(1_790_766_123_412);
        let read = expand(&session("5e1c"), Seq(918_273), &[9; 32], utc, body);
        assert_eq!(&read[..], canonical);
        let mut again = Vec::new();
        compact(&session("5e1c"), Seq(918_273), &[9; 32], utc, &read, &mut again);
        assert_eq!(again, body);
    }

    #[test]
    fn whatever_the_canonical_bytes_are_they_come_back() {
        let prev = [3; 32];
        let mut head_ = Vec::new();
        head(&session("b").gateway, 41, Seq(5), &prev, &mut head_);
        let id = event::event_id(&session("b").gateway, 41, Seq(5), &prev);
        let head_ = format!("{}{id}\",", String::from_utf8(head_).unwrap());
        let time = r#""time":{"utc":"1970-01-01T00:00:00.007Z","boot":"b","mono_ns":1}"#;
        for canonical in [
            format!("{head_}{time}}}"),
            format!("{head_}{}}}", time.replace("\"b\"", "\"another\"")),
            format!("{head_}{}}}", time.replace("\"b\"", "\"b2\"")),
            format!("{head_}{}}}", time.replace("007", "008")),
            format!("{head_}\"cause\":\"\\\"time\\\":{{\\\"utc\\\":\\\"\",{time}}}"),
            format!("{head_}\"a\":1}}"),
            head_[..head_.len() - 3].to_owned(),
            r#"{"v":2,"gw":"g-7f3a","new":"form"}"#.to_owned(),
            r#"{"v":1,"gw":"another","session":41}"#.to_owned(),
        ] {
            let mut body = Vec::new();
            compact(&session("b"), Seq(5), &prev, UtcMs(7), canonical.as_bytes(), &mut body);
            let read = expand(&session("b"), Seq(5), &prev, UtcMs(7), &body);
            assert_eq!(String::from_utf8_lossy(&read), canonical);
        }
    }
}
