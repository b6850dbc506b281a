//! Private places, painted over before anything is kept or sent.

use super::{Picture, Polygon};

/// Black, for [`super::Range::Video`]; a very dark grey in the full range.
const LUMA: u8 = 16;
/// No colour.
const CHROMA: u8 = 128;

/// What nobody may see of a camera's pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mask {
    areas: Vec<Polygon>,
}

/// A picture whose mask has been painted: the only kind that leaves this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked(Picture);

/// A camera has no mask: what it sends may be kept as it comes. Only [`Mask::unmasked`] says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmasked(());

impl Mask {
    /// A mask of these areas.
    pub const fn new(areas: Vec<Polygon>) -> Self {
        Self { areas }
    }

    /// Nothing is hidden: said, not forgotten.
    pub const fn none() -> Self {
        Self { areas: Vec::new() }
    }

    /// Whether nothing is hidden.
    pub fn is_none(&self) -> bool {
        self.areas.is_empty()
    }

    /// That nothing is hidden, if that is so.
    pub fn unmasked(&self) -> Option<Unmasked> {
        self.is_none().then_some(Unmasked(()))
    }

    /// What is hidden.
    pub fn areas(&self) -> &[Polygon] {
        &self.areas
    }

    /// Paints every sample that an area touches, were it by a corner. A chroma sample stands for four
    /// pixels and is painted when one of them is.
    pub fn burn(&self, mut picture: Picture) -> Masked {
        let (width, height) = (picture.width, picture.height);
        let (chroma_width, chroma_height) = (picture.chroma_width(), picture.chroma_height());
        for area in &self.areas {
            let planes = [
                (&mut picture.y, width, height, 1.0, LUMA),
                (&mut picture.u, chroma_width, chroma_height, 0.5, CHROMA),
                (&mut picture.v, chroma_width, chroma_height, 0.5, CHROMA),
            ];
            for (plane, columns, rows, scale, value) in planes {
                // Of an odd width the last chroma sample stands for one column only.
                let size = (pixels(width) * scale, pixels(height) * scale);
                touched(area, size, (columns, rows), |row, first, last| {
                    plane[row * columns + first..=row * columns + last].fill(value);
                });
            }
        }
        Masked(picture)
    }
}

impl Masked {
    /// The picture, for looking at it inside of the box.
    pub const fn picture(&self) -> &Picture {
        &self.0
    }

    /// The same, smaller; see [`Picture::shrunk`].
    pub fn shrunk(&self, most_width: usize, most_height: usize) -> Self {
        Self(self.0.shrunk(most_width, most_height))
    }
}

/// Calls with row, first and last column for all samples of a plane whose square the polygon touches.
/// A sample without a side in it is wholly inside or outside, so its middle decides.
fn touched(
    polygon: &Polygon,
    (width, height): (f64, f64),
    (columns, rows): (usize, usize),
    mut paint: impl FnMut(usize, usize, usize),
) {
    let sides: Vec<[f64; 4]> = polygon
        .sides()
        .map(|(a, b)| [a.x * width, a.y * height, b.x * width, b.y * height])
        .collect();
    let mut crossings = Vec::with_capacity(sides.len());
    for row in 0..rows {
        let (above, middle) = (pixels(row), pixels(row) + 0.5);
        crossings.clear();
        for &[ax, ay, bx, by] in &sides {
            if let Some((from, to)) = within([ax, ay, bx, by], above, above + 1.0) {
                paint(row, sample(from, columns), sample(to, columns));
            }
            if (ay <= middle) != (by <= middle) {
                crossings.push(ax + (middle - ay) * (bx - ax) / (by - ay));
            }
        }
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            paint(row, sample(pair[0], columns), sample(pair[1], columns));
        }
    }
}

/// The least and greatest x of the part of a side between two heights.
fn within([ax, ay, bx, by]: [f64; 4], above: f64, below: f64) -> Option<(f64, f64)> {
    if ay.max(by) < above || ay.min(by) > below {
        return None;
    }
    let at = |y: f64| {
        let part = if (by - ay).abs() < f64::EPSILON { 0.0 } else { (y - ay) / (by - ay) };
        ax + part.clamp(0.0, 1.0) * (bx - ax)
    };
    if (by - ay).abs() < f64::EPSILON {
        return Some((ax.min(bx), ax.max(bx)));
    }
    let (one, other) = (at(above), at(below));
    Some((one.min(other), one.max(other)))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^52")]
fn pixels(count: usize) -> f64 {
    count as f64
}

/// The sample at a coordinate; its right border belongs to the next, the plane's to the last.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "coordinates are 0 to a picture's size; the cast saturates"
)]
fn sample(coordinate: f64, count: usize) -> usize {
    (coordinate.floor() as usize).min(count - 1)
}

#[cfg(test)]
mod tests {
    use super::super::{Point, Range};
    use super::*;

    fn bright(width: usize, height: usize) -> Picture {
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        let planes = [vec![200; width * height], vec![60; chroma], vec![190; chroma]];
        Picture::new(width, height, Range::Video, planes).unwrap()
    }

    fn polygon(points: &[(f64, f64)]) -> Polygon {
        Polygon::new(points.iter().map(|&(x, y)| Point { x, y }).collect()).unwrap()
    }

    /// Whether polygon and square have a place in common: asked of many places, with no geometry.
    fn seen(shape: &Polygon, (width, height): (usize, usize), (x, y): (usize, usize)) -> bool {
        (0..20).flat_map(|i| (0..20).map(move |j| (i, j))).any(|(i, j)| {
            shape.contains(Point {
                x: (pixels(x) + (f64::from(i) + 0.5) / 20.0) / pixels(width),
                y: (pixels(y) + (f64::from(j) + 0.5) / 20.0) / pixels(height),
            })
        })
    }

    #[test]
    fn every_sample_that_an_area_touches_is_painted_in_all_planes() {
        let shapes = [
            polygon(&[(0.11, 0.07), (0.93, 0.31), (0.42, 0.88)]),
            polygon(&[(0.1, 0.1), (0.4, 0.1), (0.4, 0.6), (0.9, 0.6), (0.9, 0.9), (0.1, 0.9)]),
            // Thinner than a pixel: no middle of a sample is inside.
            polygon(&[(0.0, 0.499), (1.0, 0.501), (1.0, 0.503)]),
            polygon(&[(0.505, 0.0), (0.506, 0.0), (0.506, 1.0), (0.505, 1.0)]),
        ];
        for (width, height) in [(64, 36), (33, 17)] {
            for shape in &shapes {
                let masked = Mask::new(vec![shape.clone()]).burn(bright(width, height));
                let picture = masked.picture();
                for y in 0..height {
                    for x in 0..width {
                        if seen(shape, (width, height), (x, y)) {
                            let chroma = (y / 2) * picture.chroma_width() + x / 2;
                            assert_eq!(picture.y()[y * width + x], LUMA, "luma at {x},{y}");
                            assert_eq!(picture.u()[chroma], CHROMA, "chroma at {x},{y}");
                            assert_eq!(picture.v()[chroma], CHROMA, "chroma at {x},{y}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_lies_outside_of_an_area_stays() {
        let shape = polygon(&[(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]);
        let masked = Mask::new(vec![shape]).burn(bright(64, 64));
        let painted: usize =
            masked.picture().y().iter().map(|sample| usize::from(*sample == LUMA)).sum();
        // 32x32 and the row and column that the outline touches on each side.
        assert!((32 * 32..=34 * 34).contains(&painted), "{painted}");
        assert_eq!(masked.picture().y()[0], 200);
        assert_eq!(Mask::none().burn(bright(8, 8)).picture(), &bright(8, 8));
    }

    #[test]
    fn the_whole_picture_can_be_hidden() {
        let masked = Mask::new(vec![Polygon::whole()]).burn(bright(33, 17));
        assert!(masked.picture().y().iter().all(|sample| *sample == LUMA));
        assert!(masked.picture().u().iter().chain(masked.picture().v()).all(|c| *c == CHROMA));
    }
}
