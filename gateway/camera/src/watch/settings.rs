//! What a camera's watching is told.

use core::time::Duration;

use thiserror::Error;

use crate::picture::Polygon;

/// How small a change of brightness counts: 1 (only strong) to 10 (the slightest).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sensitivity(u8);

/// The smallest thing that counts, in parts of the whole picture's area.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct LeastSize(f64);

/// A number that a setting does not take: a mistake in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum SettingsError {
    /// Outside of 0 to 0.5.
    #[error("a least size of {0}: more than 0, at most 0.5 of the picture")]
    LeastSize(f64),
    /// Outside of 1 to 10.
    #[error("a sensitivity of {0}: 1 to 10")]
    Sensitivity(u8),
}

impl Sensitivity {
    /// From 1 to 10.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Sensitivity`].
    pub const fn new(level: u8) -> Result<Self, SettingsError> {
        match level {
            1..=10 => Ok(Self(level)),
            _ => Err(SettingsError::Sensitivity(level)),
        }
    }

    /// What thresholds are multiplied by: 1 at 5, half at 9, double at 1.
    pub(super) fn factor(self) -> f32 {
        ((5.0 - f32::from(self.0)) / 4.0).exp2()
    }
}

impl Default for Sensitivity {
    fn default() -> Self {
        Self(5)
    }
}

impl LeastSize {
    /// More than 0, at most 0.5.
    ///
    /// # Errors
    ///
    /// [`SettingsError::LeastSize`].
    pub fn new(part: f64) -> Result<Self, SettingsError> {
        if part > 0.0 && part <= 0.5 { Ok(Self(part)) } else { Err(SettingsError::LeastSize(part)) }
    }

    /// The part of the picture.
    pub(super) const fn part(self) -> f64 {
        self.0
    }
}

impl Default for LeastSize {
    /// 0.1 %: of 360p 230 pixels, a person of 10x23 at the far end of a yard.
    fn default() -> Self {
        Self(0.001)
    }
}

/// A part of the picture in which motion is reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// Where.
    pub shape: Polygon,
    /// How small a change of brightness counts.
    pub sensitivity: Sensitivity,
    /// How small a thing counts.
    pub least: LeastSize,
}

impl Area {
    /// An area with the usual sensitivity and size.
    pub fn new(shape: Polygon) -> Self {
        Self { shape, sensitivity: Sensitivity::default(), least: LeastSize::default() }
    }
}

/// All that [`super::Watch`] is told of a camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where motion is reported, each by itself. They may overlap.
    pub areas: Vec<Area>,
    /// Where nothing counts: a street, a tree, the camera's own clock in the picture.
    pub excluded: Vec<Polygon>,
    /// How long a motion goes on after its last sign.
    pub hold: Duration,
}

impl Default for Settings {
    /// The whole picture. The hold joins what a person does with short stops; at key frames of 2 s it
    /// has to be longer than two of them.
    fn default() -> Self {
        Self {
            areas: vec![Area::new(Polygon::whole())],
            excluded: Vec::new(),
            hold: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(Sensitivity::new(0).is_err() && Sensitivity::new(11).is_err());
        assert!((Sensitivity::new(9).unwrap().factor() - 0.5).abs() < 1e-6);
        assert!((Sensitivity::default().factor() - 1.0).abs() < 1e-6);
        for part in [0.0, -1.0, 0.6, f64::NAN] {
            assert!(LeastSize::new(part).is_err(), "{part}");
        }
    }
}
