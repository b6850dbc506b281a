//! Reads of an event's payload only what committing needs.
//!
//! The canonical bytes are kept as they came; the light [`Head`] borrows from them, so that an
//! event costs one pass of the parser and no copy.

use std::borrow::Cow;

use gatehouse_core::event::{self, Class, Qualifier};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{ClockState, Mono, UtcMs};
use serde::Deserialize;

use crate::gaps::MAX_SEQ;

/// The fields that committing needs. Unknown fields are ignored, as the contract says.
#[derive(Debug, Deserialize)]
pub(crate) struct Head<'a> {
    v: u8,
    #[serde(borrow)]
    gw: Cow<'a, str>,
    pub(crate) session: u64,
    pub(crate) seq: Seq,
    #[serde(borrow)]
    pub(crate) prev: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    pub(crate) class: Class,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Cow<'a, str>,
}

/// A payload that will never be committed as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Its number, where that can still be read.
    pub(crate) seq: Option<Seq>,
    /// For the log and the quarantine.
    pub(crate) reason: String,
}

impl Head<'_> {
    /// Whether the event says when its boot's earlier events happened.
    pub(crate) fn is_anchor(&self) -> bool {
        self.class == Class::System && self.kind == "system.time_anchor"
    }

    /// Whether the event accounts for numbers that can never be sent.
    pub(crate) fn is_gap(&self) -> bool {
        self.class == Class::System && self.kind == "system.gap"
    }
}

/// The head of an event that this gateway may have sent under this word of `ev/…`.
pub(crate) fn head<'a>(
    gateway: &Id,
    class_word: &str,
    canonical: &'a [u8],
) -> Result<Head<'a>, Bad> {
    if canonical.len() > event::MAX_PAYLOAD {
        let reason = format!(
            "{} bytes, the limit is {}; pictures go to snap/…",
            canonical.len(),
            event::MAX_PAYLOAD
        );
        return Err(Bad { seq: seq_only(canonical), reason });
    }
    let head: Head<'a> = serde_json::from_slice(canonical)
        .map_err(|e| Bad { seq: seq_only(canonical), reason: format!("not an event: {e}") })?;
    let complaint = if head.v != event::PAYLOAD_VERSION {
        format!("version {}, this receiver knows {}", head.v, event::PAYLOAD_VERSION)
    } else if head.gw != gateway.as_str() {
        format!("field gw is {:?}, the topic says {gateway}", head.gw)
    } else if head.class.as_str() != class_word {
        format!("field class is {:?}, the topic says {class_word:?}", head.class.as_str())
    } else if head.seq == Seq::ZERO || head.seq.0 > MAX_SEQ {
        return Err(Bad {
            seq: None,
            reason: format!("seq {} is outside 1..={MAX_SEQ}", head.seq),
        });
    } else {
        return Ok(head);
    };
    Err(Bad { seq: Some(head.seq), reason: complaint })
}

/// The number of a payload that is otherwise no event.
fn seq_only(payload: &[u8]) -> Option<Seq> {
    #[derive(Deserialize)]
    struct Only {
        seq: Seq,
    }
    let Only { seq } = serde_json::from_slice(payload).ok()?;
    (seq != Seq::ZERO && seq.0 <= MAX_SEQ).then_some(seq)
}

/// `prev` of a stored event.
pub(crate) fn prev(canonical: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Only {
        prev: String,
    }
    serde_json::from_slice(canonical).ok().map(|Only { prev }| prev)
}

/// The time of an event as its gateway stamped it.
#[derive(Debug, Deserialize)]
pub(crate) struct Stamped<'a> {
    utc: UtcMs,
    #[serde(borrow)]
    pub(crate) boot: Cow<'a, str>,
    mono_ns: Mono,
    clock: ClockState,
}

/// Wall time at one instant of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) utc: UtcMs,
    pub(crate) mono: Mono,
}

/// The time of a stored event; none if it says none that can be read, which is no reason to refuse
/// an event.
pub(crate) fn stamped(canonical: &[u8]) -> Option<Stamped<'_>> {
    #[derive(Deserialize)]
    struct Only<'a> {
        #[serde(borrow)]
        time: Stamped<'a>,
    }
    serde_json::from_slice(canonical).ok().map(|Only { time }| time)
}

impl Stamped<'_> {
    /// What the gateway's clock said, if the gateway believed it.
    pub(crate) fn utc(&self) -> Option<UtcMs> {
        (self.clock != ClockState::Never).then_some(self.utc)
    }

    /// The event's own time as an anchor of its boot.
    pub(crate) fn as_anchor(&self) -> Option<Anchor> {
        self.utc().map(|utc| Anchor { utc, mono: self.mono_ns })
    }

    /// `anchor.utc + (mono − anchor.mono)`, to the millisecond.
    pub(crate) fn corrected(&self, anchor: Anchor) -> UtcMs {
        let nanos = i128::from(self.mono_ns.0) - i128::from(anchor.mono.0);
        let ms = i128::from(anchor.utc.0) + nanos.div_euclid(1_000_000);
        UtcMs(i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// What an event of the class `fault` says of the fault.
#[derive(Debug, Deserialize)]
pub(crate) struct FaultWord<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) qualifier: Qualifier,
    #[serde(default)]
    pub(crate) opens: Option<Seq>,
}

/// The fault of a stored event, if it says one that can be read.
pub(crate) fn fault(canonical: &[u8]) -> Option<FaultWord<'_>> {
    serde_json::from_slice(canonical).ok()
}

/// The session of a stored event.
pub(crate) fn session(canonical: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Only {
        session: u64,
    }
    serde_json::from_slice(canonical).ok().map(|Only { session }| session)
}

/// What a `system.gap` accounts for.
#[derive(Debug, Deserialize)]
pub(crate) struct Gap {
    pub(crate) from: Seq,
    pub(crate) to: Seq,
    #[serde(default)]
    pub(crate) reason: String,
}

/// The range of a `system.gap`; it lies below the event's own number, whatever it says.
pub(crate) fn gap(head: &Head<'_>, canonical: &[u8]) -> Result<Gap, String> {
    #[derive(Deserialize)]
    struct Detail {
        detail: Gap,
    }
    let Detail { detail } = serde_json::from_slice(canonical)
        .map_err(|e| format!("detail is not {{\"from\":…,\"to\":…}}: {e}"))?;
    if detail.from == Seq::ZERO || detail.from > detail.to || detail.to >= head.seq {
        return Err(format!(
            "detail accounts for {}..={}; allowed is 1 up to {}, below the event's own seq",
            detail.from,
            detail.to,
            head.seq.0 - 1
        ));
    }
    Ok(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"v":1,"gw":"g-1","session":3,"seq":9,"prev":"00","id":"ab","class":"door","type":"door.opened","new_field":[1,{}],"test":false}"#;

    fn gateway() -> Id {
        "g-1".parse().unwrap()
    }

    #[test]
    fn a_head_is_read_and_unknown_fields_are_passed_over() {
        let head = head(&gateway(), "door", GOOD.as_bytes()).unwrap();
        assert_eq!((head.seq, head.session, head.class), (Seq(9), 3, Class::Door));
        assert!(matches!(head.prev, Cow::Borrowed("00")));
        assert!(!head.is_gap());
    }

    #[test]
    fn a_payload_that_is_no_event_tells_its_number_where_it_can() {
        let of = |payload: &str, word: &str| {
            head(&gateway(), word, payload.as_bytes()).map(|_| ()).unwrap_err()
        };
        assert_eq!(of("{\"seq\":12}", "door").seq, Some(Seq(12)));
        assert_eq!(of("door open!", "door").seq, None);
        assert_eq!(of(&GOOD[..40], "door").seq, None);
        assert_eq!(of(GOOD, "alarm").seq, Some(Seq(9)));
        assert_eq!(of(&GOOD.replace("g-1", "g-2"), "door").seq, Some(Seq(9)));
        assert_eq!(of(&GOOD.replace("\"v\":1", "\"v\":2"), "door").seq, Some(Seq(9)));
        assert_eq!(of(&GOOD.replace(":9,", ":0,"), "door").seq, None);
        assert_eq!(of(&GOOD.replace(":9,", ":18446744073709551615,"), "door").seq, None);
        let long = GOOD.replace("[1,{}]", &format!("{:?}", "x".repeat(event::MAX_PAYLOAD)));
        assert_eq!(of(&long, "door").seq, Some(Seq(9)));
    }

    #[test]
    fn a_gap_event_accounts_only_for_numbers_below_its_own() {
        let gap_of = |detail: &str| {
            let text = GOOD
                .replace("door.opened", "system.gap")
                .replace("\"door\"", "\"system\"")
                .replace("[1,{}]", &format!("1,\"detail\":{detail}"));
            let head = head(&gateway(), "system", text.as_bytes()).unwrap();
            assert!(head.is_gap());
            gap(&head, text.as_bytes()).map(|gap| (gap.from.0, gap.to.0))
        };
        assert_eq!(gap_of(r#"{"from":2,"to":8,"reason":"retention"}"#), Ok((2, 8)));
        assert_eq!(gap_of(r#"{"from":5,"to":5}"#), Ok((5, 5)));
        for bad in [r#"{"from":2,"to":9}"#, r#"{"from":0,"to":3}"#, r#"{"from":4,"to":3}"#, "null"]
        {
            assert!(gap_of(bad).is_err(), "{bad}");
        }
    }
}
