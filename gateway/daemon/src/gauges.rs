//! What the box's own sensors measured last, for heartbeats. No event and no rule depends on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::contract::{Power, PowerKind, Temperature};
use gatehouse_core::id::Id;

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
}
