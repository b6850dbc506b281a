//! From when to when a clip goes.

use std::fmt;
use std::time::Duration;

use gatehouse_core::time::Mono;
use thiserror::Error;

/// The name of a clip, and of its files: 1 to 64 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClipId(String);

/// Why a text is no name of a clip: our bug, or a foreign command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a clip's name has 1 to 64 of a-z, 0-9 and -")]
pub struct ClipIdError;

impl ClipId {
    /// Reads a name.
    ///
    /// # Errors
    /// When it has other characters, none, or too many: it becomes the name of a file.
    pub fn new(text: &str) -> Result<Self, ClipIdError> {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ClipIdError)
        }
    }
}

impl fmt::Display for ClipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long clips are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipLimits {
    /// So much before the trigger, as far as the ring reaches.
    pub before: Duration,
    /// So much after the last trigger.
    pub after: Duration,
    /// From its beginning no clip is longer, however many triggers come.
    pub longest: Duration,
}

impl Default for ClipLimits {
    fn default() -> Self {
        // How somebody came, and what they did: 30 s. A storm of triggers ends after two minutes,
        // and the next trigger begins another clip.
        Self {
            before: Duration::from_secs(10),
            after: Duration::from_secs(20),
            longest: Duration::from_secs(120),
        }
    }
}

/// Something happened that a clip shall show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The name of the clip, if this begins one.
    pub id: ClipId,
    /// When it happened.
    pub at: Mono,
}

/// A clip that is being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub id: ClipId,
    /// Where it begins.
    pub from: Mono,
    /// Where it ends.
    pub until: Mono,
    /// Where it must end.
    pub latest: Mono,
    /// Further triggers that it covers.
    pub merged: Vec<ClipId>,
}

/// So many merged triggers are named; with more the clip is the same.
const NAMED: usize = 32;

impl Plan {
    /// The clip of a trigger.
    pub fn new(trigger: &Trigger, limits: ClipLimits) -> Self {
        let before = u64::try_from(limits.before.as_nanos()).unwrap_or(u64::MAX);
        let from = Mono(trigger.at.0.saturating_sub(before));
        let latest = from.plus(limits.longest);
        let until = trigger.at.plus(limits.after).min(latest);
        Self { id: trigger.id.clone(), from, until, latest, merged: Vec::new() }
    }

    /// Whether the clip covers the trigger, which then prolongs it.
    pub fn merge(&mut self, trigger: &Trigger, limits: ClipLimits) -> bool {
        if trigger.at > self.until {
            return false;
        }
        self.until = self.until.max(trigger.at.plus(limits.after).min(self.latest));
        if self.merged.len() < NAMED && trigger.id != self.id {
            self.merged.push(trigger.id.clone());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trigger(second: u64) -> Trigger {
        Trigger {
            id: ClipId::new(&format!("t{second}")).unwrap(),
            at: Mono(second * 1_000_000_000),
        }
    }

    #[test]
    fn a_name_of_a_clip_cannot_leave_its_folder() {
        for bad in ["", "../x", "a/b", "A", "x.mp4", &"a".repeat(65)] {
            assert_eq!(ClipId::new(bad), Err(ClipIdError), "{bad}");
        }
        assert!(ClipId::new("01jd-7f3").is_ok());
    }

    #[test]
    fn a_second_trigger_prolongs_and_one_after_the_end_does_not() {
        let limits = ClipLimits::default();
        let mut plan = Plan::new(&trigger(100), limits);
        assert_eq!((plan.from.0, plan.until.0), (90_000_000_000, 120_000_000_000));
        assert!(plan.merge(&trigger(115), limits));
        assert_eq!(plan.until.0, 135_000_000_000);
        assert!(!plan.merge(&trigger(136), limits));
        assert_eq!(plan.merged, [trigger(115).id]);
    }

    proptest! {
        #[test]
        fn no_clip_is_longer_than_allowed(triggers in prop::collection::vec(0u64..300, 1..60)) {
            let limits = ClipLimits::default();
            let mut plan = Plan::new(&trigger(triggers[0]), limits);
            for &second in &triggers[1..] {
                let before = plan.until;
                plan.merge(&trigger(second), limits);
                prop_assert!(plan.until >= before);
                prop_assert!(plan.until.since(plan.from) <= limits.longest);
                prop_assert!(plan.merged.len() <= NAMED);
            }
        }
    }
}
