//! Quantities as the drivers return them: whole numbers of a unit that is in the type's name.

use core::fmt;
use core::num::NonZeroU32;

/// A voltage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millivolts(pub i32);

/// A current. Positive: in the direction that the driver's page names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milliamps(pub i32);

/// A resistance that is divided by, so it is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milliohms(pub NonZeroU32);

/// A temperature in hundredths of a degree Celsius.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CentiCelsius(pub i32);

/// A relative humidity in hundredths of a percent, 0 to 10 000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CentiPercent(pub u16);

impl fmt::Display for Millivolts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mV", self.0)
    }
}

impl fmt::Display for Milliamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mA", self.0)
    }
}

impl fmt::Display for CentiCelsius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sign is written apart: -0.25 has a whole part of 0.
        let sign = if self.0 < 0 { "-" } else { "" };
        let all = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02} °C", all / 100, all % 100)
    }
}

impl fmt::Display for CentiPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} %", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_quarter_of_a_degree_below_zero_keeps_its_sign() {
        assert_eq!(CentiCelsius(-25).to_string(), "-0.25 °C");
        assert_eq!(CentiCelsius(2_150).to_string(), "21.50 °C");
        assert_eq!(CentiCelsius(i32::MIN).to_string(), "-21474836.48 °C");
        assert_eq!(CentiPercent(10_000).to_string(), "100.00 %");
    }
}
