//! Areas in a picture, in parts of its width and height.

use thiserror::Error;

/// More corners than anybody draws; bounds the check of all pairs of sides.
pub const MAX_POINTS: usize = 64;

/// The smallest area in parts of the picture: two pixels of 1080p. Less is a slip of the hand.
const LEAST_AREA: f64 = 1e-6;

/// A place in a picture: 0 is its left or upper border, 1 its right or lower one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From the left, in parts of the width.
    pub x: f64,
    /// From above, in parts of the height.
    pub y: f64,
}

/// A closed outline that does not cross itself and has an inside.
#[derive(Clone, Debug, PartialEq)]
pub struct Polygon {
    points: Vec<Point>,
}

/// Why points are no area. All of these are mistakes in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum PolygonError {
    /// The inside is smaller than a pixel or two: all points on a line, perhaps.
    #[error("the area is empty")]
    Empty,
    /// Two sides cross, so that inside and outside are not clear. Sides count from 1.
    #[error("side {0} crosses side {1}")]
    Crossing(usize, usize),
    /// A point is outside of the picture. Points count from 1.
    #[error("point {number} ({x}, {y}) is not between 0 and 1")]
    Outside {
        /// Which point.
        number: usize,
        /// Its x.
        x: f64,
        /// Its y.
        y: f64,
    },
    /// Less than three points.
    #[error("{0} points are no area: at least 3")]
    TooFew(usize),
    /// More than [`MAX_POINTS`].
    #[error("{0} points: at most {MAX_POINTS}")]
    TooMany(usize),
}

impl Polygon {
    /// The area inside of `points`, in the order of the outline; its last side leads back to the
    /// first point.
    ///
    /// # Errors
    ///
    /// See [`PolygonError`].
    pub fn new(points: Vec<Point>) -> Result<Self, PolygonError> {
        match points.len() {
            0..3 => return Err(PolygonError::TooFew(points.len())),
            3..=MAX_POINTS => {}
            _ => return Err(PolygonError::TooMany(points.len())),
        }
        for (index, &Point { x, y }) in points.iter().enumerate() {
            if !(0.0..=1.0).contains(&x) || !(0.0..=1.0).contains(&y) {
                return Err(PolygonError::Outside { number: index + 1, x, y });
            }
        }
        let polygon = Self { points };
        let sides: Vec<(Point, Point)> = polygon.sides().collect();
        for first in 0..sides.len() {
            // Sides that share a point are neighbours, also the last and the first.
            for second in first + 2..sides.len() {
                let neighbours = first == 0 && second + 1 == sides.len();
                if !neighbours && cross(sides[first], sides[second]) {
                    return Err(PolygonError::Crossing(first + 1, second + 1));
                }
            }
        }
        let doubled: f64 = polygon.sides().map(|(a, b)| a.x * b.y - b.x * a.y).sum();
        if doubled.abs() / 2.0 < LEAST_AREA {
            return Err(PolygonError::Empty);
        }
        Ok(polygon)
    }

    /// The whole picture.
    pub fn whole() -> Self {
        let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
        Self { points: corners.map(|(x, y)| Point { x, y }).to_vec() }
    }

    /// The corners, in the order of the outline.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Whether a place is inside.
    pub fn contains(&self, place: Point) -> bool {
        let crossings = self
            .sides()
            .filter(|(a, b)| (a.y <= place.y) != (b.y <= place.y))
            .filter(|(a, b)| place.x < a.x + (place.y - a.y) * (b.x - a.x) / (b.y - a.y))
            .count();
        crossings % 2 == 1
    }

    pub(super) fn sides(&self) -> impl Iterator<Item = (Point, Point)> + '_ {
        let next = self.points.iter().cycle().skip(1);
        self.points.iter().copied().zip(next.copied())
    }
}

/// Whether two sides have a point in common that is inside of both.
fn cross((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let side = |p: Point, q: Point, r: Point| (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygon(points: &[(f64, f64)]) -> Result<Polygon, PolygonError> {
        Polygon::new(points.iter().map(|&(x, y)| Point { x, y }).collect())
    }

    #[test]
    fn only_areas_with_an_inside_are_taken() {
        assert_eq!(polygon(&[(0.0, 0.0), (1.0, 1.0)]), Err(PolygonError::TooFew(2)));
        assert_eq!(polygon(&[(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]), Err(PolygonError::Empty));
        let bow = polygon(&[(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]);
        assert_eq!(bow, Err(PolygonError::Crossing(1, 3)));
        let outside = polygon(&[(0.0, 0.0), (1.2, 0.0), (0.0, 1.0)]);
        assert!(matches!(outside, Err(PolygonError::Outside { number: 2, .. })));
        let nan = polygon(&[(0.0, 0.0), (f64::NAN, 0.0), (0.0, 1.0)]);
        assert!(matches!(nan, Err(PolygonError::Outside { number: 2, .. })));
        assert_eq!(polygon(&[(0.1, 0.2); 65]), Err(PolygonError::TooMany(65)));
    }

    #[test]
    fn a_place_is_inside_or_not() {
        // An L: the upper right is outside.
        let corners = [(0.1, 0.1), (0.4, 0.1), (0.4, 0.6), (0.9, 0.6), (0.9, 0.9), (0.1, 0.9)];
        let shape = polygon(&corners).unwrap();
        assert!(shape.contains(Point { x: 0.2, y: 0.2 }));
        assert!(shape.contains(Point { x: 0.8, y: 0.8 }));
        assert!(!shape.contains(Point { x: 0.8, y: 0.2 }));
        assert!(!shape.contains(Point { x: 0.05, y: 0.5 }));
        assert!(Polygon::whole().contains(Point { x: 0.999, y: 0.001 }));
    }
}
