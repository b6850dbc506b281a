//! Shapes in a camera's picture: masks, and areas in which motion is looked for.

use std::fmt;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong, text};

/// The most corners of a shape.
const MAX_CORNERS: usize = 64;

/// Twice the smallest area: two pixels of 1080p. Less is a slip of the hand.
const LEAST_AREA: i64 = 200;

/// Parts of a side of the picture, in which corners are given.
const WHOLE: u16 = 10_000;

/// Why an outline is no shape: a slip of whoever drew or wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Not corners at all, or more than four digits behind the point.
    #[error("write corners as \"0.1,0.2 0.4,0.2 0.4,0.6\", with at most 4 digits behind the point")]
    Unreadable,
    /// A corner is beyond the picture's edge.
    #[error("a corner is outside of the picture: every number is 0 to 1")]
    Outside,
    /// Pixels were given.
    #[error("divide by the picture's width and height: every number is 0 to 1")]
    Pixels,
    /// A line or a point encloses nothing.
    #[error("it has too few corners: a shape has 3 or more")]
    Few,
    /// More than anybody draws.
    #[error("it has too many corners: a shape has {MAX_CORNERS} at most")]
    Many,
    /// Inside and outside would not be clear.
    #[error("its outline crosses or touches itself: move a corner, or draw two shapes")]
    Crosses,
    /// A slip of the hand.
    #[error("it is smaller than two pixels, or all its corners lie on one line")]
    Small,
}

impl ShapeError {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Unreadable,
        Self::Outside,
        Self::Pixels,
        Self::Few,
        Self::Many,
        Self::Crosses,
        Self::Small,
    ];

    /// A word for it, for those who say it in their own language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Outside => "outside",
            Self::Pixels => "pixels",
            Self::Few => "few",
            Self::Many => "many",
            Self::Crosses => "crosses",
            Self::Small => "small",
        }
    }
}

/// A polygon in a picture, whatever the picture's size. Shows itself as in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(Vec<(u16, u16)>);

impl Shape {
    /// Its corners: parts of the picture's width from the left and of its height from the top, each
    /// 0 to 1.
    pub fn corners(&self) -> impl Iterator<Item = (f32, f32)> {
        let part = |n: u16| f32::from(n) / f32::from(WHOLE);
        self.0.iter().map(move |(x, y)| (part(*x), part(*y)))
    }

    /// An outline as it stands in the file. A box asks this of what is drawn, too, so that one who
    /// draws is told the same as one who writes.
    ///
    /// # Errors
    /// What is wrong with it; of several mistakes the first to mend.
    pub fn parse(given: &str) -> Result<Self, ShapeError> {
        let corner = |text: &str| {
            let (x, y) = text.split_once(',')?;
            Some((part(x)?, part(y)?))
        };
        let corners = given.split_ascii_whitespace().map(corner).collect::<Option<Vec<_>>>();
        let shape = Self(corners.ok_or_else(|| unreadable(given))?);
        match shape.0.len() {
            0..=2 => return Err(ShapeError::Few),
            3..=MAX_CORNERS => {}
            _ => return Err(ShapeError::Many),
        }
        // A bow tie's halves cancel out: that it crosses itself is what helps.
        if shape.crosses_itself() {
            return Err(ShapeError::Crosses);
        }
        if shape.twice_area().abs() < LEAST_AREA {
            return Err(ShapeError::Small);
        }
        Ok(shape)
    }

    /// Whether two of its sides meet elsewhere than in a corner that they share: inside and outside
    /// were not clear.
    fn crosses_itself(&self) -> bool {
        let next = self.0.iter().cycle().skip(1);
        let sides: Vec<_> = self.0.iter().copied().zip(next.copied()).collect();
        let neighbours = |a: usize, b: usize| b == a + 1 || (a == 0 && b + 1 == sides.len());
        let pairs = (0..sides.len()).flat_map(|a| (a + 1..sides.len()).map(move |b| (a, b)));
        { pairs }.filter(|(a, b)| !neighbours(*a, *b)).any(|(a, b)| meet(sides[a], sides[b]))
    }

    /// By the shoelace formula; signed.
    fn twice_area(&self) -> i64 {
        let next = self.0.iter().cycle().skip(1);
        let term = |((x, y), (u, v)): (&(u16, u16), &(u16, u16))| {
            i64::from(*x) * i64::from(*v) - i64::from(*u) * i64::from(*y)
        };
        self.0.iter().zip(next).map(term).sum()
    }
}

type Corner = (u16, u16);

/// On which side of a line a corner is; 0: on it.
fn side((a, b): (Corner, Corner), c: Corner) -> i64 {
    let [ax, ay, bx, by, cx, cy] = [a.0, a.1, b.0, b.1, c.0, c.1].map(i64::from);
    ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)).signum()
}

fn meet(one: (Corner, Corner), other: (Corner, Corner)) -> bool {
    let apart = |line, (a, b): (Corner, Corner)| side(line, a) * side(line, b);
    let (this, that) = (apart(one, other), apart(other, one));
    if this == 0 && that == 0 {
        // On one line, or at a corner: they meet where their boxes do.
        let span = |a: u16, b: u16| (a.min(b), a.max(b));
        let both = |(a, b): (u16, u16), (c, d): (u16, u16)| a <= d && c <= b;
        return both(span(one.0.0, one.1.0), span(other.0.0, other.1.0))
            && both(span(one.0.1, one.1.1), span(other.0.1, other.1.1));
    }
    this <= 0 && that <= 0
}

/// Why numbers are none of ours.
fn unreadable(given: &str) -> ShapeError {
    let numbers = given.split(|c: char| c == ',' || c.is_whitespace());
    let numbers: Vec<_> = numbers.filter_map(|n| n.parse::<f64>().ok()).collect();
    // Beyond twice the picture nobody slips: that is a size in pixels.
    if numbers.iter().any(|n| *n > 2.0) {
        ShapeError::Pixels
    } else if numbers.iter().any(|n| !(0.0..=1.0).contains(n)) {
        ShapeError::Outside
    } else {
        ShapeError::Unreadable
    }
}

/// `0.25` in parts of [`WHOLE`].
fn part(text: &str) -> Option<u16> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, behind) = text.split_once('.').unwrap_or((text, "0"));
    if behind.is_empty() || behind.len() > 4 || !digits(whole) || !digits(behind) {
        return None;
    }
    let behind: u16 = format!("{behind:0<4}").parse().ok()?;
    let all = whole.parse::<u16>().ok().filter(|n| *n <= 1)? * WHOLE + behind;
    (all <= WHOLE).then_some(all)
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (x, y)) in self.corners().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{x},{y}")?;
        }
        Ok(())
    }
}

/// [`Shape`] as a value of a key.
pub(crate) struct ShapeKind;

impl Kind for ShapeKind {
    type Out = Shape;

    fn allowed(&self) -> String {
        "the outline of a shape, 3 to 64 corners as \"0.1,0.2 0.4,0.2 0.4,0.6\": parts of the width and of the height, 0 to 1"
            .into()
    }

    fn schema(&self) -> Value {
        let corner = r"[01](\.\d{1,4})?,[01](\.\d{1,4})?";
        json!({ "type": "string", "pattern": format!("^{corner}( {corner}){{2,63}}$") })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Shape, Wrong> {
        let given = text(name, value)?;
        Shape::parse(given).map_err(|error| Wrong::hint(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_a_polygon_within_the_picture() {
        let shape = Shape::parse("0,0 1,0 0.5,0.3333").unwrap();
        assert_eq!(shape.to_string(), "0,0 1,0 0.5,0.3333");
        let many = "0,0 ".repeat(65);
        for (wrong, why) in [
            ("0,0 1,1 1,0 0,1", ShapeError::Crosses),
            ("0,0 1,0 0.5,0 0.5,1", ShapeError::Crosses),
            ("", ShapeError::Few),
            ("0,0 1,1", ShapeError::Few),
            ("0,0 0.5,0.5 1,1", ShapeError::Small),
            ("0,0 0.001,0 0,0.001", ShapeError::Small),
            ("0,0 1.1,0 1,1", ShapeError::Outside),
            ("-1,0 1,0 1,1", ShapeError::Outside),
            ("0,0 640,0 640,360", ShapeError::Pixels),
            ("0,0 1,0 1,x", ShapeError::Unreadable),
            ("0,0 1,0 0.12345,1", ShapeError::Unreadable),
            (many.as_str(), ShapeError::Many),
        ] {
            assert_eq!(Shape::parse(wrong), Err(why), "{wrong}");
        }
        for (place, error) in ShapeError::ALL.iter().enumerate() {
            let twice = ShapeError::ALL[..place].iter().any(|it| it.as_str() == error.as_str());
            assert!(!twice && !error.to_string().is_empty(), "{error:?}");
        }
    }
}
