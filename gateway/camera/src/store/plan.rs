//! What must go: a pure function of what is there.

use std::path::PathBuf;

use gatehouse_core::time::{ClockState, Now, UtcMs};

/// One class of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its folder below the root.
    pub folder: String,
    /// Kept so long, in days; `None`: as long as there is space.
    pub days: Option<u32>,
    /// Bytes at most; `None`: as many as there are.
    pub bytes: Option<u64>,
    /// When space is short, the lower goes first.
    pub worth: u8,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The classes.
    pub classes: Vec<Class>,
    /// So many bytes of the medium stay free: the journal needs them.
    pub reserve: u64,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// When it was written last.
    pub written: UtcMs,
    /// Where it is.
    pub path: PathBuf,
    /// What its removal gives back, in bytes.
    pub bytes: u64,
    /// Index of its class.
    pub class: usize,
}

/// Why a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Older than its class allows.
    Age,
    /// Its class has too many bytes.
    Bytes,
    /// The medium has too few left.
    Reserve,
}

/// A file that must go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Which.
    pub item: Item,
    /// Why.
    pub reason: Reason,
}

const DAY_MS: i64 = 86_400_000;

/// What must go of `items`, when the medium has `free` bytes left. Each file is named once.
pub fn plan(policy: &Policy, mut items: Vec<Item>, free: u64, now: &Now) -> Vec<Removal> {
    items.sort_by(|a, b| (a.written.0, &a.path).cmp(&(b.written.0, &b.path)));
    let mut removals = Vec::new();
    // A clock that was never set says 1970, or a year that a dead battery made up: by it all
    // evidence could go at once.
    if now.clock != ClockState::Never {
        let old = |item: &Item| {
            let days = policy.classes.get(item.class).and_then(|class| class.days);
            days.is_some_and(|days| now.utc.0 - item.written.0 > i64::from(days) * DAY_MS)
        };
        take(&mut items, &mut removals, Reason::Age, old);
    }
    for (index, class) in policy.classes.iter().enumerate() {
        let Some(limit) = class.bytes else { continue };
        let of_class = |item: &Item| item.class == index;
        let mut held: u64 = items.iter().filter(|item| of_class(item)).map(|item| item.bytes).sum();
        take(&mut items, &mut removals, Reason::Bytes, |item| {
            let goes = of_class(item) && held > limit;
            held -= if goes { item.bytes } else { 0 };
            goes
        });
    }
    let given: u64 = removals.iter().map(|removal| removal.item.bytes).sum();
    let mut free = free.saturating_add(given);
    // Stable: within a worth the oldest stays first.
    items.sort_by_key(|item| policy.classes.get(item.class).map_or(0, |class| class.worth));
    take(&mut items, &mut removals, Reason::Reserve, |item| {
        let goes = free < policy.reserve;
        free = free.saturating_add(if goes { item.bytes } else { 0 });
        goes
    });
    removals
}

fn take(
    items: &mut Vec<Item>,
    removals: &mut Vec<Removal>,
    reason: Reason,
    mut goes: impl FnMut(&Item) -> bool,
) {
    let gone = items.extract_if(.., |item| goes(item));
    removals.extend(gone.map(|item| Removal { item, reason }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> Policy {
        let class = |folder: &str, days, bytes, worth| Class {
            folder: folder.to_owned(),
            days,
            bytes,
            worth,
        };
        Policy {
            classes: vec![class("clips", Some(30), Some(500), 2), class("looks", Some(7), None, 1)],
            reserve: 1000,
        }
    }

    fn item(day: i64, class: usize, bytes: u64) -> Item {
        let path = PathBuf::from(format!("{class}/{day}"));
        Item { written: UtcMs(day * DAY_MS), path, bytes, class }
    }

    fn day(day: i64, clock: ClockState) -> Now {
        Now { utc: UtcMs(day * DAY_MS), clock, ..Now::default() }
    }

    fn names(removals: &[Removal]) -> Vec<(String, Reason)> {
        removals.iter().map(|r| (r.item.path.display().to_string(), r.reason)).collect()
    }

    #[test]
    fn age_then_bytes_then_the_reserve_the_oldest_and_least_worth_first() {
        let items = vec![
            item(60, 0, 100),
            item(75, 0, 300),
            item(80, 0, 300),
            item(80, 1, 50),
            item(90, 1, 50),
            item(97, 1, 50),
            item(98, 1, 50),
        ];
        let removals = plan(&policy(), items, 330, &day(100, ClockState::Synced));
        assert_eq!(
            names(&removals),
            [
                ("0/60".into(), Reason::Age),
                ("1/80".into(), Reason::Age),
                ("1/90".into(), Reason::Age),
                ("0/75".into(), Reason::Bytes),
                ("1/97".into(), Reason::Reserve),
                ("1/98".into(), Reason::Reserve),
                ("0/80".into(), Reason::Reserve),
            ]
        );
    }

    #[test]
    fn a_clock_that_was_never_set_makes_nothing_old() {
        let items = vec![item(1, 0, 100), item(2, 1, 100)];
        assert_eq!(plan(&policy(), items, 5000, &day(20_000, ClockState::Never)), []);
    }

    proptest! {
        #[test]
        fn limits_hold_afterwards_and_nothing_newer_goes_before_something_older(
            files in prop::collection::btree_map((0i64..100, 0usize..2), 1u64..200, 0..60),
            free in 0u64..2000,
        ) {
            let items: Vec<_> = files.iter().map(|(&(day, class), &b)| item(day, class, b)).collect();
            let removals = plan(&policy(), items.clone(), free, &day(100, ClockState::Holdover));
            let kept: Vec<_> =
                items.iter().filter(|i| removals.iter().all(|r| r.item != **i)).collect();
            prop_assert_eq!(kept.len() + removals.len(), items.len());
            let clips: u64 = kept.iter().filter(|i| i.class == 0).map(|i| i.bytes).sum();
            prop_assert!(clips <= 500);
            let given: u64 = removals.iter().map(|r| r.item.bytes).sum();
            prop_assert!(free + given >= 1000 || kept.is_empty());
            for removal in &removals {
                for kept in kept.iter().filter(|kept| kept.class == removal.item.class) {
                    prop_assert!(kept.written >= removal.item.written);
                }
            }
        }
    }
}
