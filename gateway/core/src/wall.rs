//! The wall clock watched against the boot-time clock: when it is known first, and when it steps.
//!
//! Events carry both clocks. With the first of these a receiver corrects what was stored before:
//! within one boot, `utc = anchor.utc + (mono − anchor.mono)`.

use std::time::Duration;

use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::site::Report;
use crate::time::{ClockState, Mono, Now, UtcMs};

/// The type of the event that the clock is known for the first time in a boot. Its own `time` is the
/// anchor.
pub const ANCHOR: &str = "system.time_anchor";

/// The type of the event that the clock has stepped.
pub const STEP: &str = "system.clock_step";

/// Source of both; the id is the gateway's.
pub const SOURCE: &str = "clock";

/// Less is no step: a time daemon slews it away.
const STEP_MS: u64 = 500;

/// How fast the kernel slews at most (500 ppm), and what a crystal adds.
const SLEW_PPM: u64 = 700;

/// How often to look: a step is told with this delay at most.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Watches the wall clock of one boot.
#[derive(Clone, Debug, Default)]
pub struct WallWatch {
    anchored: bool,
    last: Option<(Mono, UtcMs)>,
}

impl WallWatch {
    /// `anchored`: the record has the anchor of this boot already.
    pub const fn new(anchored: bool) -> Self {
        Self { anchored, last: None }
    }

    /// Looks at the clocks; what is to be told of them.
    pub fn look(&mut self, now: &Now, gateway: &Id) -> Option<Report> {
        let last = self.last.replace((now.mono, now.utc));
        let known = now.clock != ClockState::Never;
        let stepped = last.and_then(|last| step(last, now));
        if known && !self.anchored {
            self.anchored = true;
            let by = stepped.map_or(0, |(by_ms, _)| by_ms);
            return Some(report(ANCHOR, gateway, serde_json::json!({ "by_ms": by })));
        }
        let (by_ms, expected) = stepped?;
        let detail = serde_json::json!({ "by_ms": by_ms, "from": expected, "to": now.utc });
        Some(report(STEP, gateway, detail))
    }
}

/// How far the clock has stepped since, and where it would stand without.
fn step((mono, utc): (Mono, UtcMs), now: &Now) -> Option<(i64, UtcMs)> {
    let passed = u64::try_from(now.mono.since(mono).as_millis()).unwrap_or(u64::MAX);
    let expected = utc.0.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
    let by_ms = now.utc.0.saturating_sub(expected);
    let slewed = passed.saturating_mul(SLEW_PPM) / 1_000_000;
    (by_ms.unsigned_abs() > STEP_MS.saturating_add(slewed)).then_some((by_ms, UtcMs(expected)))
}

fn report(kind: &'static str, gateway: &Id, detail: serde_json::Value) -> Report {
    Report {
        class: Class::System,
        kind,
        qualifier: Qualifier::Status,
        severity: 4,
        source: (SOURCE, gateway.clone()),
        closes: None,
        cause: None,
        detail: Some(detail),
        at: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now(mono_ms: u64, utc_ms: i64, clock: ClockState) -> Now {
        Now { mono: Mono(mono_ms * 1_000_000), utc: UtcMs(utc_ms), err_ms: None, clock }
    }

    fn told(watch: &mut WallWatch, now: Now) -> Option<(&'static str, i64)> {
        let report = watch.look(&now, &"g-1".parse().unwrap())?;
        assert_eq!((report.class, report.source.0), (Class::System, "clock"));
        Some((report.kind, report.detail.unwrap()["by_ms"].as_i64().unwrap()))
    }

    #[test]
    fn the_first_time_of_a_boot_is_an_anchor_and_told_once() {
        use ClockState::{Holdover, Never, Synced};
        let mut watch = WallWatch::new(false);
        assert_eq!(told(&mut watch, now(0, 7, Never)), None);
        assert_eq!(told(&mut watch, now(5_000, 5_007, Never)), None);
        // NTP sets the clock from 1970 to today: an anchor, and no step beside it.
        let anchor = told(&mut watch, now(10_000, 1_790_000_000_000, Synced));
        assert_eq!(anchor, Some((ANCHOR, 1_790_000_000_000 - 10_007)));
        assert_eq!(told(&mut watch, now(15_000, 1_790_000_005_000, Synced)), None);
        assert_eq!(told(&mut watch, now(20_000, 1_790_000_010_000, Holdover)), None);
        assert_eq!(told(&mut watch, now(25_000, 1_790_000_015_000, Synced)), None);
        // A restart of the daemon within the boot: the record has it.
        let mut again = WallWatch::new(true);
        assert_eq!(told(&mut again, now(30_000, 1_790_000_020_000, Synced)), None);
    }

    #[test]
    fn a_step_of_more_than_half_a_second_is_told_with_where_from_and_where_to() {
        let mut watch = WallWatch::new(true);
        let synced = |mono, utc| now(mono, utc, ClockState::Synced);
        assert_eq!(told(&mut watch, synced(0, 1_000_000)), None);
        assert_eq!(told(&mut watch, synced(5_000, 1_005_500)), None, "half a second");
        assert_eq!(told(&mut watch, synced(10_000, 1_011_004)), Some((STEP, 504)));
        assert_eq!(told(&mut watch, synced(15_000, 1_016_004)), None, "once");
        assert_eq!(told(&mut watch, synced(20_000, 0)), Some((STEP, -1_021_004)));
        let back = watch.look(&synced(25_000, 9_000), &"g-1".parse().unwrap()).unwrap();
        let detail = back.detail.unwrap();
        assert_eq!(detail["from"], "1970-01-01T00:00:05.000Z");
        assert_eq!(detail["to"], "1970-01-01T00:00:09.000Z");
        // Also a clock that is not known can be set by hand.
        let mut watch = WallWatch::new(false);
        assert_eq!(told(&mut watch, now(0, 0, ClockState::Never)), None);
        assert_eq!(told(&mut watch, now(5_000, 99_000, ClockState::Never)), Some((STEP, 94_000)));
    }

    proptest! {
        #[test]
        fn a_clock_that_is_slewed_never_steps(
            ppm in -500i64..=500, looks in prop::collection::vec(1u64..7_200_000, 1..50),
        ) {
            let mut watch = WallWatch::new(true);
            let mut mono = 0;
            for wait in looks {
                mono += wait;
                let slewed = i64::try_from(mono).unwrap() * (1_000_000 + ppm) / 1_000_000;
                prop_assert_eq!(told(&mut watch, now(mono, slewed, ClockState::Synced)), None);
            }
        }
    }
}
