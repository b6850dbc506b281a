//! What is kept, and what stays of an event whose time is over.
//!
//! What an event said goes: who passed a door, which zone was open. Its place stays: number, class,
//! time, and the two hashes that link it to its neighbours, as a [`Stump`] where its bytes stood. So a
//! log is proven complete as before, a copy that comes late is known as one, and nobody can read what
//! was there.
//!
//! Events of which the proof itself is made (checkpoints, gaps, time anchors) say nothing of anybody,
//! and stay.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use gatehouse_core::checkpoint;
use gatehouse_core::event::{self, Class};
use gatehouse_core::id::Seq;
use gatehouse_core::time::UtcMs;
use serde::{Deserialize, Serialize};

use crate::{classes, wire};

/// The longest time that can be asked for, in days: 100 years.
const MOST_DAYS: u32 = 36_500;

const DAY_MS: i64 = 86_400_000;

/// Events without which the rest could not be proven.
const PROOF: [&str; 3] = [checkpoint::EVENT, "system.gap", "system.time_anchor"];

/// What stands for everything that has no time of its own.
const ALL: &str = "all";

/// Payloads that are no event, and second contents of a number.
const ODD: &str = "unreadable";

/// Who looked at pictures, and who took them along.
const LOOKS: &str = "looks";

/// So long looks are kept unless a rule says otherwise, in days: a year, in which somebody may ask who has
/// seen what. The rule of everything else does not shorten that.
const LOOKS_DAYS: u32 = 365;

/// One rule, as `door=30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    of: Of,
    days: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Class(Class),
    Odd,
    Looks,
    All,
}

/// A text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "allowed is WHAT=DAYS with 1 to {MOST_DAYS} days; WHAT is {ALL}, {ODD}, {LOOKS}, or a class: {}",
    classes::words()
)]
pub struct RuleError;

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (what, days) = text.split_once('=').ok_or(RuleError)?;
        let of = match what {
            ALL => Of::All,
            ODD => Of::Odd,
            LOOKS => Of::Looks,
            _ => Of::Class(Class::from_word(what).ok_or(RuleError)?),
        };
        let days = days.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
        Ok(Self { of, days: days.ok_or(RuleError)? })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            Of::All => ALL,
            Of::Odd => ODD,
            Of::Looks => LOOKS,
            Of::Class(class) => class.as_str(),
        };
        write!(f, "{of}={}", self.days)
    }
}

/// How long what is kept. Without any rule everything is, for ever, but for looks: those go after a year,
/// though never before what was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep(BTreeMap<Of, u32>);

impl Keep {
    /// Of these rules.
    ///
    /// # Errors
    /// The rule that is there twice.
    pub fn of(rules: impl IntoIterator<Item = Rule>) -> Result<Self, Rule> {
        let mut keep = Self::default();
        for rule in rules {
            if keep.0.insert(rule.of, rule.days).is_some() {
                return Err(rule);
            }
        }
        Ok(keep)
    }

    /// Events of this class from before this have had their time.
    pub(crate) fn before(&self, class: Class, now: UtcMs) -> Option<UtcMs> {
        self.days(Of::Class(class)).map(|days| back(now, days))
    }

    /// The same of what is no event.
    pub(crate) fn odd_before(&self, now: UtcMs) -> Option<UtcMs> {
        self.days(Of::Odd).map(|days| back(now, days))
    }

    /// Nothing from this on has had its time.
    pub(crate) fn horizon(&self, now: UtcMs) -> Option<UtcMs> {
        Class::ALL.into_iter().filter_map(|class| self.before(class, now)).max()
    }

    /// Looks from before this have had their time, once what was looked at has gone.
    pub(crate) fn looks_before(&self, now: UtcMs) -> UtcMs {
        back(now, self.0.get(&Of::Looks).copied().unwrap_or(LOOKS_DAYS))
    }

    /// Every event from before this has had its time; `None`: some are kept for ever.
    pub(crate) fn all_before(&self, now: UtcMs) -> Option<UtcMs> {
        let each = Class::ALL.into_iter().map(|class| self.before(class, now));
        each.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    fn days(&self, of: Of) -> Option<u32> {
        self.0.get(&of).or_else(|| self.0.get(&Of::All)).copied()
    }
}

fn back(now: UtcMs, days: u32) -> UtcMs {
    UtcMs(now.0.saturating_sub(i64::from(days) * DAY_MS))
}

/// What stays of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stump<'a> {
    /// Always true: how it is known.
    expired: bool,
    /// The hash of the bytes that stood here: 64 hex digits.
    #[serde(borrow)]
    hash: Cow<'a, str>,
    /// As the event said it.
    #[serde(borrow)]
    pub(crate) prev: Cow<'a, str>,
    pub(crate) seq: Seq,
}

/// How the bytes of each begin. A canonical event begins with another name.
const MARK: &[u8] = b"{\"expired\":";

impl Stump<'_> {
    /// What these bytes are, if they are what stays of an event.
    pub(crate) fn read(body: &[u8]) -> Option<Stump<'_>> {
        let stump: Stump<'_> =
            body.starts_with(MARK).then(|| serde_json::from_slice(body).ok()).flatten()?;
        (stump.expired && checkpoint::from_hex::<32>(&stump.hash).is_some()).then_some(stump)
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        checkpoint::from_hex(&self.hash).unwrap_or_default()
    }
}

/// What stays of these bytes; none of what is to stay whole, or has gone already.
pub(crate) fn stump(seq: Seq, body: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Only<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    // Bytes that are no event cannot be linked: whoever put them there is told by `audit`.
    let Only { kind } = serde_json::from_slice(body).ok()?;
    if PROOF.contains(&&*kind) {
        return None;
    }
    let hash = event::hex(&event::chain_hash(body));
    let stump = Stump { expired: true, hash: hash.into(), prev: wire::prev(body)?.into(), seq };
    serde_json::to_vec(&stump).ok()
}

/// The hash by which the event behind this one names it.
pub(crate) fn chain_hash(stored: &[u8]) -> [u8; 32] {
    Stump::read(stored).map_or_else(|| event::chain_hash(stored), |stump| stump.hash())
}

/// Whether what came is what is stored, or was.
pub(crate) fn same(stored: &[u8], came: &[u8]) -> bool {
    stored == came
        || Stump::read(stored).is_some_and(|stump| stump.hash() == event::chain_hash(came))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(kind: &str) -> Vec<u8> {
        json!({"gw": "g-1", "prev": "ab".repeat(32), "seq": 7, "type": kind}).to_string().into()
    }

    #[test]
    fn a_stump_links_as_the_event_did_and_says_nothing_of_it() {
        let whole = body("door.opened");
        let left = stump(Seq(7), &whole).unwrap();
        let text = std::str::from_utf8(&left).unwrap();
        assert!(!text.contains("door") && !text.contains("g-1"), "{text}");
        assert_eq!(chain_hash(&left), event::chain_hash(&whole));
        assert_eq!(wire::prev(&left), wire::prev(&whole));
        assert!(same(&left, &whole) && same(&whole, &whole));
        assert!(!same(&left, &body("door.closed")) && !same(&whole, &left));
        assert_eq!(Stump::read(&left).unwrap().seq, Seq(7));
        assert_eq!(stump(Seq(7), &left), None, "it goes once");
        assert!(Stump::read(&whole).is_none());
    }

    #[test]
    fn what_proves_the_rest_stays() {
        for kind in PROOF {
            assert_eq!(stump(Seq(7), &body(kind)), None, "{kind}");
        }
        assert_eq!(stump(Seq(7), b"no event"), None);
    }

    #[test]
    fn a_stump_that_was_tampered_with_is_none() {
        for wrong in
            ["{\"expired\":true}", "{\"expired\":false,\"hash\":\"\",\"prev\":\"\",\"seq\":1}"]
        {
            assert!(Stump::read(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn each_class_has_its_own_time_or_that_of_all() {
        let rule = |text: &str| text.parse::<Rule>();
        let keep = Keep::of([rule("door=30").unwrap(), rule("all=365").unwrap()]).unwrap();
        let now = UtcMs(400 * DAY_MS);
        assert_eq!(keep.before(Class::Door, now), Some(UtcMs(370 * DAY_MS)));
        assert_eq!(keep.before(Class::Alarm, now), Some(UtcMs(35 * DAY_MS)));
        assert_eq!(keep.odd_before(now), Some(UtcMs(35 * DAY_MS)));
        assert_eq!(keep.horizon(now), Some(UtcMs(370 * DAY_MS)));
        let only = Keep::of([rule("access=7").unwrap()]).unwrap();
        assert_eq!((only.before(Class::Door, now), only.odd_before(now)), (None, None));
        assert_eq!((Keep::default().horizon(now), Keep::default().all_before(now)), (None, None));
        let twice = Keep::of([rule("door=30").unwrap(), rule("door=31").unwrap()]).unwrap_err();
        assert_eq!(twice.to_string(), "door=31");
        for wrong in ["door", "door=0", "door=x", "doors=3", "all=40000", "=3", "unreadable=-1"] {
            assert_eq!(rule(wrong), Err(RuleError), "{wrong}");
        }
        assert!(RuleError.to_string().contains("all, unreadable, looks, or a class: panic"));
    }

    #[test]
    fn looks_have_a_year_of_their_own_whatever_is_said_of_everything_else() {
        let now = UtcMs(4000 * DAY_MS);
        let keep = |rules: &[&str]| Keep::of(rules.iter().map(|rule| rule.parse().unwrap()));
        for rules in [&[][..], &["all=30"], &["all=3650", "camera=7"]] {
            assert_eq!(keep(rules).unwrap().looks_before(now), UtcMs(3635 * DAY_MS), "{rules:?}");
        }
        let short = keep(&["looks=90", "all=30", "alarm=60"]).unwrap();
        assert_eq!(short.looks_before(now), UtcMs(3910 * DAY_MS));
        assert_eq!(
            short.all_before(now),
            Some(UtcMs(3940 * DAY_MS)),
            "the class that stays longest"
        );
        assert_eq!(keep(&["camera=30", "looks=1"]).unwrap().all_before(now), None);
    }
}
