//! A stored event in memory, and its form in a row.
//!
//! Of the canonical bytes a row keeps only what it cannot derive. The head of every event,
//! `{"v":1,"gw":…,"session":…,"seq":…,"prev":…,"id":…,`, takes 165 of about 480 bytes and follows
//! from the row's number, its session and the 32 bytes of `prev`; the *body* is the rest. In a
//! storm each byte is written twice (WAL and checkpoint), so this saves a third of the flash.

use std::sync::Arc;

use gatehouse_core::event::{self, Class, Lane};
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
    pub this_boot: bool,
}

/// How the canonical bytes of an event begin, up to and with the `"id":"…",`.
fn head(gateway: &Id, session: u64, seq: Seq, prev: &[u8; 32], out: &mut Vec<u8>) {
    let mut digits = itoa::Digits::default();
    out.extend_from_slice(br#"{"v":1,"gw":""#);
    out.extend_from_slice(gateway.as_str().as_bytes());
    out.extend_from_slice(br#"","session":"#);
    out.extend_from_slice(digits.of(session));
    out.extend_from_slice(br#","seq":"#);
    out.extend_from_slice(digits.of(seq.0));
    out.extend_from_slice(br#","prev":""#);
    out.extend_from_slice(event::hex(prev).as_bytes());
    out.extend_from_slice(br#"","id":""#);
    out.extend_from_slice(event::event_id(gateway, session, seq, prev).as_bytes());
    out.extend_from_slice(br#"","#);
}

/// The body to store for these canonical bytes: `{` and what follows the head; or all of it, when
/// it does not begin with the head that [`expand`] would make (another version of the payload).
pub(crate) fn compact(
    gateway: &Id,
    session: u64,
    seq: Seq,
    prev: &[u8; 32],
    canonical: &[u8],
    body: &mut Vec<u8>,
) {
    body.clear();
    head(gateway, session, seq, prev, body);
    let rest = canonical.strip_prefix(body.as_slice());
    body.clear();
    match rest {
        Some(rest) => {
            body.push(b'{');
            body.extend_from_slice(rest);
        }
        None => body.extend_from_slice(canonical),
    }
}

/// The canonical bytes of a stored body.
pub(crate) fn expand(
    gateway: &Id,
    session: u64,
    seq: Seq,
    prev: &[u8; 32],
    body: &[u8],
) -> Arc<[u8]> {
    // A compacted body never begins so: after its `{` comes `"class"`.
    if body.starts_with(br#"{"v":"#) {
        return body.into();
    }
    let mut canonical = Vec::with_capacity(body.len() + 224);
    head(gateway, session, seq, prev, &mut canonical);
    canonical.extend_from_slice(body.strip_prefix(b"{").unwrap_or(body));
    canonical.into()
}

/// Integers as decimal digits without a `String`.
mod itoa {
    /// Room for the 20 digits of `u64::MAX`.
    #[derive(Default)]
    pub(super) struct Digits([u8; 20]);

    impl Digits {
        pub(super) fn of(&mut self, mut number: u64) -> &[u8] {
            let mut at = self.0.len();
            loop {
                at -= 1;
                self.0[at] = b'0' + u8::try_from(number % 10).expect("a digit");
                number /= 10;
                if number == 0 {
                    return &self.0[at..];
                }
            }
        }
    }
}
