//! Storms: many gateways tell of the same fault at about the same time, and that is one matter.
//! A mains failure of a district is one line with a count, not a thousand. Pure: time comes in.
//!
//! The rule: of the faults of one type, ordered by the time at which they began, those that follow
//! each other within [`StormRule::window`] belong together; if they are of at least
//! [`StormRule::gateways`] gateways, they are a storm. It lasts until the last of them has its
//! restore. What folds depends on nothing but the events, so every receiver folds alike, in
//! whatever order they came. Only events of the class `fault` fold: an alarm, a panic or a tamper
//! is never one of many.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Seq;
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;

use crate::wire;

/// Faults that are remembered. Above, the oldest are forgotten: a storm of 16,384 gateways with
/// three types of faults fits.
const MAX_FAULTS: usize = 50_000;

/// When many faults are one storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormRule {
    /// Between two faults of a storm at most so long.
    pub window: Duration,
    /// A storm is of so many gateways at least.
    pub gateways: usize,
}

/// A mains failure reaches a whole street within seconds; boxes wait up to half a minute for their
/// battery test before they tell. Four neighbours may be chance.
impl Default for StormRule {
    fn default() -> Self {
        Self { window: Duration::from_secs(60), gateways: 5 }
    }
}

/// One storm at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StormView {
    /// The type of the faults, as `supply.lost`.
    pub kind: String,
    /// When the first began.
    pub began: UtcMs,
    /// When the last began.
    pub last: UtcMs,
    /// How many gateways it has reached.
    pub gateways: usize,
    /// Of how many it has not ended.
    pub open: usize,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    began: UtcMs,
    ended: bool,
}

/// A fault: whose, and the number of its event.
type Key = (Arc<Address>, Seq);

/// The faults of a district.
#[derive(Debug, Default)]
pub(crate) struct Storms {
    rule: StormRule,
    /// By type.
    faults: BTreeMap<String, BTreeMap<Key, Fault>>,
    count: usize,
}

impl Storms {
    pub(crate) fn new(rule: StormRule) -> Self {
        Self { rule, ..Self::default() }
    }

    /// A fault has begun.
    pub(crate) fn begins(&mut self, gateway: &Arc<Address>, seq: Seq, kind: &str, at: UtcMs) {
        let of_kind = match self.faults.get_mut(kind) {
            Some(of_kind) => of_kind,
            None => self.faults.entry(kind.to_owned()).or_default(),
        };
        let fault = Fault { began: at, ended: false };
        // The same event again changes nothing, not even that it has ended.
        if let std::collections::btree_map::Entry::Vacant(entry) =
            of_kind.entry((Arc::clone(gateway), seq))
        {
            entry.insert(fault);
            self.count += 1;
        }
        if self.count > MAX_FAULTS {
            self.forget_oldest();
        }
    }

    /// A fault of this number has ended. Says whether it was known.
    pub(crate) fn ends(&mut self, gateway: &Arc<Address>, seq: Seq) -> bool {
        let key = (Arc::clone(gateway), seq);
        for of_kind in self.faults.values_mut() {
            if let Some(fault) = of_kind.get_mut(&key) {
                fault.ended = true;
                return true;
            }
        }
        false
    }

    /// Takes an event in; says whether it may have changed something.
    pub(crate) fn event(
        &mut self,
        gateway: &Arc<Address>,
        seq: Seq,
        class: Class,
        at: UtcMs,
        body: &[u8],
    ) -> bool {
        if class != Class::Fault {
            return false;
        }
        let Some(word) = wire::fault(body) else { return false };
        match (word.qualifier, word.opens) {
            (Qualifier::New, _) => self.begins(gateway, seq, &word.kind, at),
            (Qualifier::Restore, Some(opened)) => return self.ends(gateway, opened),
            _ => return false,
        }
        true
    }

    /// Every storm, the latest first. What is over is forgotten.
    pub(crate) fn view(&mut self) -> Vec<StormView> {
        let rule = self.rule;
        let window = i64::try_from(rule.window.as_millis()).unwrap_or(i64::MAX);
        let mut storms = Vec::new();
        for (kind, of_kind) in &mut self.faults {
            let mut order: Vec<(UtcMs, Key)> =
                of_kind.iter().map(|(key, fault)| (fault.began, key.clone())).collect();
            order.sort_unstable_by(|(a, (_, x)), (b, (_, y))| (a, x).cmp(&(b, y)));
            for group in order.chunk_by(|(a, _), (b, _)| b.0.saturating_sub(a.0) <= window) {
                let open = |(_, key): &&(UtcMs, Key)| of_kind.get(key).is_some_and(|f| !f.ended);
                let still = distinct(group.iter().filter(open));
                let gateways = distinct(group.iter());
                if still == 0 {
                    for (_, key) in group {
                        of_kind.remove(key);
                    }
                } else if gateways >= rule.gateways {
                    let (began, last) = (group[0].0, group[group.len() - 1].0);
                    storms.push(StormView {
                        kind: kind.clone(),
                        began,
                        last,
                        gateways,
                        open: still,
                    });
                }
            }
        }
        self.faults.retain(|_, of_kind| !of_kind.is_empty());
        self.count = self.faults.values().map(BTreeMap::len).sum();
        storms.sort_by_key(|storm| std::cmp::Reverse(storm.last));
        storms
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .faults
            .iter()
            .flat_map(|(kind, of_kind)| of_kind.iter().map(move |(key, f)| (f.began, kind, key)))
            .min_by_key(|(began, ..)| *began)
            .map(|(_, kind, key)| (kind.clone(), key.clone()));
        if let Some((kind, key)) = oldest
            && let Some(of_kind) = self.faults.get_mut(&kind)
        {
            of_kind.remove(&key);
            self.count -= 1;
        }
    }
}

fn distinct<'a>(group: impl Iterator<Item = &'a (UtcMs, Key)>) -> usize {
    let mut gateways: Vec<&Arc<Address>> = group.map(|(_, (gateway, _))| gateway).collect();
    gateways.sort_unstable();
    gateways.dedup();
    gateways.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gateway(n: usize) -> Arc<Address> {
        let id = |text: &str| text.parse().unwrap();
        Arc::new(Address { district: id("d"), site: id("s"), gateway: id(&format!("g-{n}")) })
    }

    fn at(s: i64) -> UtcMs {
        UtcMs(s * 1000)
    }

    #[test]
    fn a_mains_failure_of_a_district_is_one_storm_with_a_count_until_the_last_restore() {
        let mut storms = Storms::default();
        for n in 0..1000_usize {
            storms.begins(&gateway(n), Seq(7), "supply.lost", at(i64::try_from(n).unwrap() % 40));
        }
        // Somewhere else, an hour before, and of another type.
        storms.begins(&gateway(2000), Seq(1), "supply.lost", at(-3600));
        storms.begins(&gateway(3), Seq(8), "zone.fault", at(10));
        let view = |began, gateways, open| {
            vec![StormView { kind: "supply.lost".into(), began, last: at(39), gateways, open }]
        };
        assert_eq!(storms.view(), view(at(0), 1000, 1000));
        for n in 0..999 {
            assert!(storms.ends(&gateway(n), Seq(7)));
        }
        assert_eq!(storms.view(), view(at(0), 1000, 1));
        assert!(storms.ends(&gateway(999), Seq(7)));
        assert_eq!(storms.view(), []);
        assert!(!storms.ends(&gateway(999), Seq(7)), "what is over is forgotten");
    }

    #[test]
    fn four_neighbours_are_no_storm_and_what_is_too_late_is_another() {
        let mut storms = Storms::default();
        for n in 0..4 {
            // One of them twice: a gateway counts once.
            storms.begins(&gateway(n), Seq(1), "supply.lost", at(0));
            storms.begins(&gateway(n), Seq(2), "supply.lost", at(1));
        }
        storms.begins(&gateway(9), Seq(1), "supply.lost", at(62));
        assert_eq!(storms.view(), []);
        storms.begins(&gateway(5), Seq(1), "supply.lost", at(30));
        let view = storms.view();
        assert_eq!((view.len(), view[0].gateways, view[0].last), (1, 6, at(62)));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut storms = Storms::default();
        let one = gateway(1);
        for n in 0..(MAX_FAULTS as u64 + 3) {
            storms.begins(&one, Seq(n + 1), "zone.fault", UtcMs(i64::try_from(n).unwrap()));
        }
        assert_eq!(storms.count, MAX_FAULTS);
        assert!(!storms.ends(&one, Seq(3)) && storms.ends(&one, Seq(4)));
    }

    proptest! {
        #[test]
        fn what_folds_does_not_depend_on_the_order_of_arrival(
            faults in prop::collection::btree_map((0usize..12, 1u64..4), 0i64..600, 0..40),
            shuffled in any::<u64>(),
        ) {
            let mut order: Vec<_> = faults.into_iter().collect();
            let fold = |order: &[((usize, u64), i64)]| {
                let mut storms = Storms::default();
                for ((n, seq), s) in order {
                    storms.begins(&gateway(*n), Seq(*seq), "supply.lost", at(*s));
                }
                storms.view()
            };
            let straight = fold(&order);
            order.sort_by_key(|((n, seq), s)| (*n as u64 ^ shuffled).wrapping_mul(*seq) ^ s.cast_unsigned());
            prop_assert_eq!(fold(&order), straight);
        }
    }
}
