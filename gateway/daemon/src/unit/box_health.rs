//! The computer of the box: the temperature of its processor and the wear of its flash.
//!
//! Both are what the kernel shows of the board it runs on: a thermal zone of the type `cpu-thermal`, and
//! an eMMC's own estimate of its wear. A board that shows neither (a card in a slot tells no wear) has
//! neither fault. Looked at once a minute.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Input, Report};
use serde_json::{Value, json};

use super::chip_bus::{Limit, Place};
use crate::gauges::{Gauge, Gauges};
use crate::io::{KernelClock, LineClock};
use crate::rules::Inputs;
use crate::supervise::Outcome;

/// Both change in minutes and months.
const EVERY: Duration = Duration::from_secs(60);

/// A Raspberry Pi slows itself down from 80 °C on, and more so from 85 (documentation, "frequency
/// management and thermal control").
const TOO_HOT_MILLI: i32 = 80_000;

/// It is good again when it is so far below.
const MARGIN_MILLI: i32 = 5_000;

/// A busy minute is no fault of the cabinet.
const HOLD: Duration = Duration::from_secs(120);

/// JEDEC eMMC 5.0, `DEVICE_LIFE_TIME_EST`: in tenths of its life, 0x0a is the last one.
const LAST_TENTH: u8 = 0x0a;

/// Looks for ever.
///
/// # Errors
///
/// Nobody takes its reports any more: the daemon stops.
pub(crate) async fn run(sys: PathBuf, inputs: Inputs, gauges: Gauges) -> Outcome {
    let clock = KernelClock::new();
    let mut watch = Watch::new(gauges);
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        let now_ns = clock.monotonic_ns();
        for report in watch.look(&sys, now_ns) {
            let report = Report { at: Some(clock.boot(now_ns)), ..report };
            inputs.send(Input::Report(report)).await.map_err(|error| error.to_string())?;
        }
    }
}

struct Watch {
    heat: Limit,
    /// The wear that was told.
    worn: Option<u8>,
    gauges: Gauges,
}

impl Watch {
    fn new(gauges: Gauges) -> Self {
        Self { heat: Limit::new(HOLD), worn: None, gauges }
    }

    fn look(&mut self, sys: &Path, now_ns: u64) -> Vec<Report> {
        let mut reports = Vec::new();
        let (heat, wear) = (heat(sys), wear(sys));
        self.gauges.set(&id("cpu"), heat.map(|milli| Gauge::Temperature(milli / 10)));
        self.gauges.set_flash(wear.map(|tenths| tenths.saturating_mul(10)));
        match heat {
            Some(milli) => {
                let place = Place::below(milli, TOO_HOT_MILLI, MARGIN_MILLI);
                if let Some((hot, _)) = self.heat.feed(place, now_ns) {
                    let detail = json!({ "centi_celsius": milli / 10 });
                    reports.push(self::hot(hot, detail));
                }
            }
            None => self.heat.gap(),
        }
        if let Some(tenths) = wear.filter(|tenths| *tenths >= LAST_TENTH)
            && self.worn != Some(tenths)
        {
            self.worn = Some(tenths);
            let detail = json!({ "used_percent": u32::from(tenths) * 10 });
            reports.push(report("flash.worn", Qualifier::Status, None, "flash", detail));
        }
        reports
    }
}

fn hot(is: bool, detail: Value) -> Report {
    if is {
        report("temperature.high", Qualifier::New, None, "cpu", detail)
    } else {
        let (kind, ends) = ("temperature.high_restored", Some("temperature.high"));
        report(kind, Qualifier::Restore, ends, "cpu", detail)
    }
}

fn report(
    kind: &'static str,
    qualifier: Qualifier,
    closes: Option<&'static str>,
    of: &str,
    detail: Value,
) -> Report {
    let id = id(of);
    let severity = if qualifier == Qualifier::Restore { 4 } else { 3 };
    let source = ("sensor", id);
    let (cause, detail) = (None, Some(detail));
    Report {
        class: Class::Fault,
        kind,
        qualifier,
        severity,
        source,
        closes,
        cause,
        detail,
        at: None,
    }
}

fn id(of: &str) -> Id {
    of.parse().expect("a short word is an id")
}

/// The processor's temperature in thousandths of a degree.
pub(crate) fn heat(sys: &Path) -> Option<i32> {
    let zones = fs::read_dir(sys.join("class/thermal")).ok()?;
    let zones = zones.flatten().map(|zone| zone.path());
    let is_cpu = |zone: &PathBuf| word(&zone.join("type")).as_deref() == Some("cpu-thermal");
    zones.filter(is_cpu).filter_map(|zone| word(&zone.join("temp"))?.parse().ok()).max()
}

/// The wear of the most worn part of an eMMC, in tenths of its life.
pub(crate) fn wear(sys: &Path) -> Option<u8> {
    let disks = fs::read_dir(sys.join("block")).ok()?;
    let lives = disks.flatten().filter_map(|disk| word(&disk.path().join("device/life_time")));
    let tenths = |life: String| {
        let parts = life.split_whitespace();
        parts.filter_map(|part| u8::from_str_radix(part.strip_prefix("0x")?, 16).ok()).max()
    };
    lives.filter_map(tenths).max()
}

/// The text of a file of the kernel, trimmed.
fn word(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_hot_processor_is_a_fault_with_its_restore_and_a_worn_flash_is_told_once() {
        let sys = tempfile::tempdir().unwrap();
        let gauges = Gauges::default();
        let mut watch = Watch::new(gauges.clone());
        let minute = |n: u64| n * 60_000_000_000;
        let mut look = |n| {
            let reports = watch.look(sys.path(), minute(n));
            reports.iter().map(|report| report.kind).collect::<Vec<_>>()
        };
        assert!(look(0).is_empty(), "a board that shows nothing has no fault");
        put(sys.path(), "class/thermal/thermal_zone0/type", "gpu-thermal\n");
        put(sys.path(), "class/thermal/thermal_zone0/temp", "99000\n");
        put(sys.path(), "class/thermal/thermal_zone1/type", "cpu-thermal\n");
        put(sys.path(), "class/thermal/thermal_zone1/temp", "80001\n");
        assert!(look(1).is_empty());
        assert!(look(2).is_empty());
        assert_eq!(look(3), ["temperature.high"]);
        put(sys.path(), "class/thermal/thermal_zone1/temp", "74000\n");
        assert!(look(4).is_empty());
        put(sys.path(), "block/mmcblk0/device/life_time", "0x02 0x0a\n");
        assert_eq!(look(6), ["temperature.high_restored", "flash.worn"]);
        assert!(look(7).is_empty());
        assert_eq!(gauges.flash_used_percent(), Some(100));
        assert_eq!(gauges.temperatures()[0].centi_celsius, 7_400);
    }
}
