//! What is at the other end of the wires: resistors, a contact, a cable, and the mains beside it.

use core::f64::consts::TAU;
use std::vec::Vec;

use crate::adc::Sample;

const HOUR_NS: f64 = 3_600e9;

/// Mains that couple into a cable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hum {
    /// Their frequency.
    pub hz: f64,
    /// The peak, as a part of the supply of the loop.
    pub peak: f64,
    /// Where in its period it is at time 0: 0 to 1.
    pub phase: f64,
}

/// A reproducible source of noise: SplitMix64, and sums of it.
#[derive(Clone, Copy, Debug)]
pub struct Noise(u64);

impl Noise {
    /// The same seed makes the same noise.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly from 0 to 1.
    pub fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        f64::from(u32::try_from(z >> 32).unwrap_or_default()) / 4_294_967_296.0
    }

    /// Close to a normal distribution of deviation 1: the sum of twelve even ones (Irwin-Hall),
    /// never beyond 6.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() - 6.0
    }
}

/// A loop and its divider. Tells which part of the supply is across it.
#[derive(Clone, Debug)]
pub struct SimLoop {
    pull_up: f64,
    /// From when on which resistance; infinite is a cut cable.
    script: Vec<(u64, f64)>,
    drift_per_hour: f64,
    hum: Option<Hum>,
    /// Standard deviation, as a part of the supply.
    noise: f64,
    source: Noise,
}

impl SimLoop {
    /// A quiet loop that has this resistance at all times.
    pub fn new(pull_up: f64, ohms: f64) -> Self {
        let script = Vec::from([(0, ohms)]);
        Self { pull_up, script, drift_per_hour: 0.0, hum: None, noise: 0.0, source: Noise::new(1) }
    }

    /// From then on another resistance. Times must not decrease.
    pub fn then(mut self, at_ns: u64, ohms: f64) -> Self {
        self.set(at_ns, ohms);
        self
    }

    /// As [`then`](Self::then), while it is in use.
    pub fn set(&mut self, at_ns: u64, ohms: f64) {
        self.script.push((at_ns, ohms));
    }

    /// With mains beside the cable.
    pub fn hum(mut self, hum: Hum) -> Self {
        self.hum = Some(hum);
        self
    }

    /// With noise of this standard deviation, as a part of the supply.
    pub fn noise(mut self, deviation: f64, seed: u64) -> Self {
        self.noise = deviation;
        self.source = Noise::new(seed);
        self
    }

    /// With a resistance that changes by so much an hour, as a part of itself.
    pub fn drift(mut self, part_per_hour: f64) -> Self {
        self.drift_per_hour = part_per_hour;
        self
    }

    /// The part of the supply that is across the loop: 0 to 1 but for hum and noise.
    pub fn ratio(&mut self, at_ns: u64) -> f64 {
        let ohms = self.script.iter().rev().find(|(from, _)| *from <= at_ns);
        let ohms = ohms.map_or(f64::INFINITY, |(_, ohms)| *ohms);
        let ohms = ohms * (1.0 + self.drift_per_hour * ns(at_ns) / HOUR_NS);
        let still = if ohms.is_finite() { ohms / (ohms + self.pull_up) } else { 1.0 };
        let hum = self.hum.map_or(0.0, |hum| {
            // The whole periods are taken out first: a day has too many for the digits.
            let turns = (ns(at_ns % 1_000_000_000_000) * hum.hz / 1e9 + hum.phase).fract();
            hum.peak * (TAU * turns).sin()
        });
        let noise = if self.noise > 0.0 { self.noise * self.source.normal() } else { 0.0 };
        still + hum + noise
    }
}

/// Exact below 2^53 ns, which are 104 days.
#[expect(clippy::cast_precision_loss, reason = "simulated times are days at most")]
fn ns(at_ns: u64) -> f64 {
    at_ns as f64
}

/// A converter as its data sheet's worst sample, without its bus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Converter {
    /// What it reads for the whole supply.
    pub full_scale: u16,
    /// Its offset in counts.
    pub offset: f64,
    /// Its gain's error, as a part of the gain.
    pub gain: f64,
}

impl Converter {
    /// The sample of a part of the supply.
    pub fn sample(&self, ratio: f64) -> Sample {
        let full_scale = f64::from(self.full_scale);
        let counts = ratio * full_scale * (1.0 + self.gain) + self.offset;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the converter's range"
        )]
        let counts = counts.clamp(0.0, full_scale) as u16;
        Sample { counts, full_scale: self.full_scale }
    }
}
