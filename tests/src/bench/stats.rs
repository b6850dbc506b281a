//! Percentiles and medians.

/// The value below which `percent` of the samples lie (nearest rank); 0 without samples.
pub(crate) fn percentile(samples: &[f64], percent: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

/// The middle one.
pub(crate) fn median(samples: &[f64]) -> f64 {
    percentile(samples, 50)
}

/// A percentile of each of `parts` runs of samples, and their median: one hiccup of a shared
/// machine spoils one part only.
pub(crate) fn steady(samples: &[f64], percent: usize, parts: usize) -> f64 {
    let length = samples.len().div_ceil(parts).max(1);
    let each: Vec<f64> = samples.chunks(length).map(|part| percentile(part, percent)).collect();
    median(&each)
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_and_one_bad_part_does_not_move_the_steady_one() {
        let samples: Vec<f64> = (1..=100).map(number).collect();
        assert!((percentile(&samples, 50) - 50.0).abs() < 1e-9);
        assert!((percentile(&samples, 99) - 99.0).abs() < 1e-9);
        assert!((percentile(&samples[..1], 99) - 1.0).abs() < 1e-9);
        let spoilt = [1.0, 1.0, 1.0, 9.0, 1.0, 1.0];
        assert!((steady(&spoilt, 99, 3) - 1.0).abs() < 1e-9);
    }
}
