//! How the light of a picture differs from that of the background: over the whole view alike.
//!
//! Exposure, sun and the camera's own tone curve change all cells of one brightness in the same way.
//! The way is taken to be a parabola, which follows a gamma as well as offset and gain, and is too
//! stiff to follow a thing in the picture.

#![expect(clippy::cast_precision_loss, reason = "counts of cells are below 2^24")]

/// Sums that are added up side by side, so that the compiler uses its vector registers.
const LANES: usize = 8;
/// Cells that are farther off than this, in levels, are things, in the rounds one after the other.
const LIMITS: [f32; 4] = [48.0, 24.0, 12.0, 8.0];
/// Steepness of the curve is never less, or noise in the dark would be called contrast.
const LEAST_SLOPE: f32 = 0.3;

/// `cell = a + b × x + c × x²`, where `x` is the background's mean as -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Light {
    a: f32,
    b: f32,
    c: f32,
}

impl Light {
    /// By least squares over those cells that are not far off, found in rounds.
    pub(super) fn of(mean: &[f32], cells: &[f32]) -> Self {
        let mut differences: Vec<f32> = cells.iter().zip(mean).map(|(c, m)| c - m).collect();
        let middle = differences.len() / 2;
        let (_, median, _) = differences.select_nth_unstable_by(middle, f32::total_cmp);
        let mut light = Self { a: *median + 128.0, b: 128.0, c: 0.0 };
        for limit in LIMITS {
            match light.fitted(mean, cells, limit) {
                Some(better) => light = better,
                None => break,
            }
        }
        light
    }

    /// What a cell would be off by in the light of the background.
    pub(super) fn off(&self, cell: f32, mean: f32) -> f32 {
        let x = normal(mean);
        let slope = (self.b + 2.0 * self.c * x) / 128.0;
        (cell - self.at(x)) / slope.max(LEAST_SLOPE)
    }

    fn at(&self, x: f32) -> f32 {
        self.a + x * (self.b + x * self.c)
    }

    /// One round. `None` when there is too little to go by.
    fn fitted(&self, mean: &[f32], cells: &[f32], limit: f32) -> Option<Self> {
        let mut sums = [[0.0_f32; LANES]; 8];
        for (cells, means) in cells.as_chunks::<LANES>().0.iter().zip(mean.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                let (y, x) = (cells[lane], normal(means[lane]));
                // Black and white say nothing of the light.
                let usable = (y - self.at(x)).abs() < limit && y > 2.0 && y < 253.0;
                let weight = if usable { 1.0 } else { 0.0 };
                let (wx, wy) = (weight * x, weight * y);
                let terms =
                    [weight, wx, wx * x, wx * x * x, wx * x * x * x, wy, wy * x, wy * x * x];
                for (sum, term) in sums.iter_mut().zip(terms) {
                    sum[lane] += term;
                }
            }
        }
        let [n, x1, x2, x3, x4, y0, y1, y2] = sums.map(|lanes| lanes.iter().sum::<f32>());
        let spread = x2 - x1 * x1 / n.max(1.0);
        // A quarter of the view has to agree, and to have some contrast: 4 levels.
        if n < cells.len() as f32 / 4.0 || spread < n * 0.001 {
            return None;
        }
        let line = (y1 - x1 * y0 / n) / spread;
        let line = Self { a: (y0 - line * x1) / n, b: line, c: 0.0 };
        let parabola = solved([[n, x1, x2, y0], [x1, x2, x3, y1], [x2, x3, x4, y2]]);
        let found = parabola.filter(Self::sensible).unwrap_or(line);
        found.sensible().then_some(found)
    }

    /// Brighter stays brighter, and neither contrast nor light are lost or made of nothing.
    fn sensible(&self) -> bool {
        let slopes = [self.b - 2.0 * self.c, self.b, self.b + 2.0 * self.c];
        slopes.iter().all(|slope| (0.1..=4.0).contains(&(slope / 128.0)))
    }
}

fn normal(mean: f32) -> f32 {
    (mean - 128.0) / 128.0
}

/// Three equations by elimination. `None` if they say too little.
fn solved(mut rows: [[f32; 4]; 3]) -> Option<Light> {
    for pivot in 0..3 {
        let best =
            (pivot..3).max_by(|a, b| rows[*a][pivot].abs().total_cmp(&rows[*b][pivot].abs()));
        rows.swap(pivot, best?);
        let head = rows[pivot];
        // Some cells' worth: less is rounding.
        if head[pivot].abs() < 1.0 {
            return None;
        }
        for row in rows.iter_mut().skip(pivot + 1) {
            let factor = row[pivot] / head[pivot];
            for (value, upper) in row.iter_mut().zip(head) {
                *value -= factor * upper;
            }
        }
    }
    let c = rows[2][3] / rows[2][2];
    let b = (rows[1][3] - rows[1][2] * c) / rows[1][1];
    let a = (rows[0][3] - rows[0][1] * b - rows[0][2] * c) / rows[0][0];
    Some(Light { a, b, c })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> Vec<f32> {
        (0_u8..=255).cycle().take(3600).map(|v| f32::from(v) * 0.7 + 30.0).collect()
    }

    fn worst(light: Light, mean: &[f32], cells: &[f32]) -> f32 {
        let off = mean.iter().zip(cells).map(|(mean, cell)| light.off(*cell, *mean).abs());
        off.fold(0.0, f32::max)
    }

    #[test]
    fn light_is_found_in_spite_of_a_thing_in_the_picture() {
        let mean = view();
        let mut cells: Vec<f32> = mean.iter().map(|mean| mean * 0.9 + 12.0).collect();
        cells[..900].fill(20.0);
        let light = Light::of(&mean, &cells);
        assert!(worst(light, &mean[900..], &cells[900..]) < 1.5, "{light:?}");
        assert!(light.off(20.0, 200.0) < -100.0);
    }

    #[test]
    fn a_gamma_is_light() {
        let mean = view();
        for gamma in [0.75_f32, 1.3] {
            let cells: Vec<f32> =
                mean.iter().map(|mean| (mean / 255.0).powf(1.0 / gamma) * 255.0).collect();
            let light = Light::of(&mean, &cells);
            assert!(worst(light, &mean, &cells) < 4.0, "{gamma}: {light:?}");
        }
    }

    #[test]
    fn a_picture_without_contrast_has_an_offset_only() {
        let light = Light::of(&[100.0; 100], &[130.0; 100]);
        assert!(light.off(130.0, 100.0).abs() < 0.01, "{light:?}");
        assert!((light.off(150.0, 100.0) - 20.0).abs() < 0.01, "{light:?}");
    }
}
