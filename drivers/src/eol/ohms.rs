//! Resistance, and the divider by which it is measured.

use core::fmt;

use crate::adc::Sample;

/// A resistance in ohm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ohms(pub u32);

impl Ohms {
    /// Nothing is connected: as much as or more than can be measured.
    pub const OPEN: Self = Self(u32::MAX);
}

impl fmt::Display for Ohms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::OPEN { f.write_str("open") } else { write!(f, "{} ohm", self.0) }
    }
}

/// The voltage across a loop as a part of its supply; [`Ratio::ONE`] is all of it.
///
/// 20 bits after the point: four more than the best converter has, for what averaging gains. At the
/// middle of the divider one step is 4 ppm of the pull-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ratio(pub(crate) u32);

impl Ratio {
    pub(crate) const BITS: u32 = 20;
    pub(crate) const ONE: Self = Self(1 << Self::BITS);

    /// At most [`Ratio::ONE`]: a foreign voltage above the supply is an open loop, and a full scale
    /// of 0 (which no converter of ours returns) too.
    pub(crate) fn of(sample: Sample) -> Self {
        let Sample { counts, full_scale } = sample;
        if counts >= full_scale {
            return Self::ONE;
        }
        let ratio = (u64::from(counts) << Self::BITS) / u64::from(full_scale);
        // Below ONE, since counts is below full_scale.
        u32::try_from(ratio).map_or(Self::ONE, Self)
    }

    /// The resistance of the loop in thousandths of an ohm: pull-up x ratio / (1 - ratio).
    pub(crate) fn milliohms(self, pull_up: Ohms) -> u64 {
        let rest = Self::ONE.0.saturating_sub(self.0);
        let whole = u64::from(pull_up.0) * 1_000;
        // Below 2^42 (ohm and thousand) x 2^20: fits.
        (whole * u64::from(self.0)).checked_div(u64::from(rest)).unwrap_or(u64::MAX)
    }

    pub(crate) fn ohms(self, pull_up: Ohms) -> Ohms {
        let ohms = self.milliohms(pull_up).saturating_add(500) / 1_000;
        u32::try_from(ohms).map_or(Ohms::OPEN, Ohms)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    fn ohms(counts: u16, full_scale: u16, pull_up: u32) -> Ohms {
        Ratio::of(Sample { counts, full_scale }).ohms(Ohms(pull_up))
    }

    #[test]
    fn half_of_the_supply_is_the_pull_up() {
        assert_eq!(ohms(2048, 4096, 1_000), Ohms(1_000));
        assert_eq!(ohms(13_200, 26_400, 5_600), Ohms(5_600));
    }

    #[test]
    fn ground_is_a_short_and_all_of_the_supply_or_more_is_open() {
        assert_eq!(ohms(0, 4096, 1_000), Ohms(0));
        assert_eq!(ohms(4096, 4096, 1_000), Ohms::OPEN);
        assert_eq!(ohms(u16::MAX, 26_400, 1_000), Ohms::OPEN);
        assert_eq!(ohms(0, 0, 1_000), Ohms::OPEN);
        assert_eq!(Ohms::OPEN.to_string(), "open");
        assert_eq!(Ohms(47).to_string(), "47 ohm");
    }

    proptest! {
        #[test]
        fn more_counts_are_never_less_resistance(
            full_scale in 512_u16.., counts in 0..u16::MAX, pull_up in 1_u32..10_000_000,
        ) {
            prop_assert!(ohms(counts, full_scale, pull_up) <= ohms(counts + 1, full_scale, pull_up));
        }

        /// With 12 bits, one count of error moves the result by one count of the divider.
        #[test]
        fn a_resistance_is_found_again_from_its_counts(ohm in 50_u32..40_000, pull_up in 500_u32..10_000) {
            let counts = u16::try_from(u64::from(ohm) * 4096 / u64::from(ohm + pull_up)).unwrap();
            let (low, high) = (ohms(counts, 4096, pull_up), ohms(counts + 1, 4096, pull_up));
            prop_assert!(low.0 <= ohm + 1 && ohm <= high.0.saturating_add(1), "{low} {ohm} {high}");
        }
    }
}
