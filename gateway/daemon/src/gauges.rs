//! What the box's own sensors measured last, and what its cameras and its folder of evidence say of
//! themselves: for heartbeats and `gatehouse status`. No event and no rule depends on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_camera::onvif::masks::OwnMasks;
use gatehouse_core::contract::{Power, PowerKind, Temperature};
use gatehouse_core::id::Id;
use serde::{Deserialize, Serialize};

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// Hundredths of a degree Celsius.
    Temperature(i32),
    /// A supply or a battery.
    Power {
        /// Which.
        of: PowerKind,
        /// Millivolts.
        mv: i32,
        /// Milliamperes.
        ma: i32,
    },
}

/// The newest measurement of each sensor; whoever is lost has none.
#[derive(Clone, Debug, Default)]
pub struct Gauges(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    sensors: BTreeMap<Id, Gauge>,
    flash_used_percent: Option<u8>,
    own_masks: BTreeMap<Id, OwnMasks>,
    evidence: Option<EvidenceLoad>,
}

/// How much evidence is written and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceLoad {
    /// Pictures and clips that are there.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// So many bytes it may have.
    pub most: u64,
    /// Bytes that are written in a day, of the last week; `None`: the clock was never set.
    pub a_day: Option<u64>,
    /// So many bytes a day the medium bears for [`LIFE_YEARS`].
    pub budget: u64,
    /// So many days are wanted.
    pub days: u32,
}

/// So long a box should last.
pub const LIFE_YEARS: u64 = 10;

/// So often the whole of a medium can be written before it is worn: 3,000 cycles of TLC flash, as makers of
/// eMMC give it, less what file system and flash write for each byte of ours, some three times of it. An
/// estimate: what the flash says of itself is `flash_used_percent`.
const FULL_WRITES: u64 = 1_000;

impl EvidenceLoad {
    /// So many bytes a day a medium of this size bears.
    pub const fn budget_of(medium: u64) -> u64 {
        // By division first: no product is too large.
        medium / (LIFE_YEARS * 365) * FULL_WRITES
    }

    /// So many days evidence is kept at this rate; `None`: nothing is written, or nobody knows.
    pub fn lasts_days(&self) -> Option<u64> {
        self.most.checked_div(self.a_day?)
    }
}

impl Gauges {
    /// A sensor measured this; `None`: it is lost.
    pub fn set(&self, sensor: &Id, gauge: Option<Gauge>) {
        let sensors = &mut self.lock().sensors;
        match gauge {
            Some(gauge) => sensors.insert(sensor.clone(), gauge),
            None => sensors.remove(sensor),
        };
    }

    /// How much of its life the flash has used.
    pub fn set_flash(&self, used_percent: Option<u8>) {
        self.lock().flash_used_percent = used_percent;
    }

    /// The same, as it was told last.
    pub fn flash_used_percent(&self) -> Option<u8> {
        self.lock().flash_used_percent
    }

    /// A camera says this of its masks; `None`: nothing is known.
    pub fn set_own_masks(&self, camera: &Id, masks: Option<OwnMasks>) {
        let all = &mut self.lock().own_masks;
        match masks {
            Some(masks) => all.insert(camera.clone(), masks),
            None => all.remove(camera),
        };
    }

    /// The same, as it said last.
    pub fn own_masks(&self, camera: &Id) -> Option<OwnMasks> {
        self.lock().own_masks.get(camera).copied()
    }

    /// So much evidence is written and kept.
    pub fn set_evidence(&self, load: EvidenceLoad) {
        self.lock().evidence = Some(load);
    }

    /// The same; `None`: nobody has looked yet, or there is none.
    pub fn evidence(&self) -> Option<EvidenceLoad> {
        self.lock().evidence
    }

    /// Every thermometer, by its id.
    pub fn temperatures(&self) -> Vec<Temperature> {
        let shown = self.lock();
        let of = |(id, gauge): (&Id, &Gauge)| match *gauge {
            Gauge::Temperature(centi_celsius) => {
                Some(Temperature { id: id.clone(), centi_celsius })
            }
            Gauge::Power { .. } => None,
        };
        shown.sensors.iter().filter_map(of).collect()
    }

    /// Every supply and battery, by its id.
    pub fn power(&self) -> Vec<Power> {
        let shown = self.lock();
        let of = |(id, gauge): (&Id, &Gauge)| match *gauge {
            Gauge::Power { of, mv, ma } => Some(Power { id: id.clone(), of, mv, ma }),
            Gauge::Temperature(_) => None,
        };
        shown.sensors.iter().filter_map(of).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        // A panic while holding it leaves plain values that are each valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_says_nothing_any_more() {
        let gauges = Gauges::default();
        let (box_id, battery) = ("box".parse().unwrap(), "battery".parse().unwrap());
        gauges.set(&box_id, Some(Gauge::Temperature(2150)));
        gauges.set(&battery, Some(Gauge::Power { of: PowerKind::Battery, mv: 13_600, ma: -20 }));
        assert_eq!(gauges.temperatures(), [Temperature { id: box_id, centi_celsius: 2150 }]);
        assert_eq!(gauges.power().len(), 1);
        gauges.set(&battery, None);
        assert_eq!(gauges.power(), []);
    }

    #[test]
    fn the_budget_of_a_medium_is_what_it_bears_in_ten_years() {
        let gib = 1 << 30;
        let budget = EvidenceLoad::budget_of(32 * gib);
        assert!((8 * gib..9 * gib).contains(&budget), "{budget}");
        assert!(EvidenceLoad::budget_of(u64::MAX) > 0);
        let load = EvidenceLoad {
            files: 1,
            bytes: gib,
            most: 2 * gib,
            a_day: Some(gib / 2),
            budget,
            days: 14,
        };
        assert_eq!(load.lasts_days(), Some(4));
        assert_eq!(EvidenceLoad { a_day: Some(0), ..load }.lasts_days(), None);
        assert_eq!(EvidenceLoad { a_day: None, ..load }.lasts_days(), None);
    }
}
