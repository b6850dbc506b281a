//! Which of some pictures of one view says most: a sharp one that shows the most change.
//!
//! ```text
//!  before ──┐
//!  later 1 ─┼─▶ View ─▶ blurred beside the sharpest? ─▶ out
//!  later 2 ─┤                       └─▶ how much of it is not as before? ─▶ the most, or else the earliest
//!  later 3 ─┘
//! ```
//!
//! Only what is not masked is looked at, since a [`View`] is made of a [`Masked`]. Whether it is a person
//! that changed the view, or a branch, is not asked.

use super::grid::Grid;
use super::look::Look;
use crate::picture::Masked;

/// A picture with less than this part of the sharpest one's edges is blurred: by a hand before the lens,
/// by glare, by a stream whose bits did not suffice. Between two good pictures of a view a tenth is usual.
const BLURRED: f32 = 0.8;

/// A cell has changed when it differs from before by so many levels of 255: twice what a night's noise
/// makes of a cell.
const CHANGED: f32 = 8.0;

/// So much more of the picture must have changed to be worth a later one: a hundredth is a person far away.
const MORE: f32 = 0.01;

/// A picture in some thousand numbers, to be compared with others of its camera.
#[derive(Clone, Debug, PartialEq)]
pub struct View(Look);

/// Why a picture was taken among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There was no other.
    Only,
    /// No later one says more than the earliest.
    Earliest,
    /// The earlier ones are blurred.
    Sharpness,
    /// More of it is not as it was before.
    Change,
}

impl Why {
    /// Its word in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Earliest => "earliest",
            Self::Sharpness => "sharpness",
            Self::Change => "change",
        }
    }
}

impl View {
    /// What a picture looks like where nothing hides it.
    pub fn of(picture: &Masked) -> Self {
        Self(Look::of(&Grid::of(picture.picture())))
    }

    /// How much of the picture is not as before, 0 to 1. Light that changes everywhere does not count;
    /// nor does a picture of another size, of which nothing can be said.
    fn changed(&self, before: &Self) -> f32 {
        let (mine, theirs) = (&self.0.shapes, &before.0.shapes);
        if mine.len() != theirs.len() || self.0.columns != before.0.columns {
            return 0.0;
        }
        let other = mine.iter().zip(theirs).filter(|(a, b)| (*a - *b).abs() > CHANGED).count();
        #[expect(clippy::cast_precision_loss, reason = "counts of cells are below 2^24")]
        let part = other as f32 / mine.len().max(1) as f32;
        part
    }
}

/// The place of the best of `later`, in the order in which they were taken, and why; `before` is the
/// picture that they are compared with. `None`: there are none.
pub fn best(before: &View, later: &[View]) -> Option<(usize, Why)> {
    let sharpest = later.iter().map(|view| view.0.sharp).fold(0.0, f32::max);
    let clear = |view: &View| view.0.sharp >= sharpest * BLURRED;
    let mut best: Option<(usize, f32)> = None;
    for (place, view) in later.iter().enumerate().filter(|(_, view)| clear(view)) {
        let changed = view.changed(before);
        if best.is_none_or(|(_, most)| changed > most + MORE) {
            best = Some((place, changed));
        }
    }
    let (place, _) = best?;
    let why = match place {
        0 if later.len() == 1 => Why::Only,
        0 => Why::Earliest,
        // The earlier ones that are sharp show less.
        _ if later[..place].iter().any(clear) => Why::Change,
        _ => Why::Sharpness,
    };
    Some((place, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Mask, Picture, Point, Polygon, Range};

    const SIZE: (usize, usize) = (320, 180);

    /// A yard of bricks, seen through so much blur, with something so wide in it.
    fn yard(blur: usize, thing: usize) -> Picture {
        let brick = |x: usize, y: usize| -> u32 {
            if x >= 40 && x < 40 + thing && (60..150).contains(&y) {
                return if (x / 6 + y / 6).is_multiple_of(2) { 30 } else { 60 };
            }
            if (x / 20 + y / 12).is_multiple_of(2) { 170 } else { 90 }
        };
        let luma = (0..SIZE.0 * SIZE.1).map(|at| {
            let (x, y) = (at % SIZE.0, at / SIZE.0);
            let across = x.saturating_sub(blur)..=(x + blur).min(SIZE.0 - 1);
            let count = u32::try_from(across.clone().count()).unwrap();
            u8::try_from(across.map(|x| brick(x, y)).sum::<u32>() / count).unwrap()
        });
        let chroma = SIZE.0 * SIZE.1 / 4;
        let planes = [luma.collect(), vec![128; chroma], vec![128; chroma]];
        Picture::new(SIZE.0, SIZE.1, Range::Full, planes).unwrap()
    }

    fn view(blur: usize, thing: usize) -> View {
        View::of(&Mask::none().burn(yard(blur, thing)))
    }

    #[test]
    fn a_blurred_picture_is_passed_over_however_much_of_it_has_changed() {
        let before = view(0, 0);
        let later = [view(14, 60), view(0, 60), view(0, 60)];
        assert!(later[0].changed(&before) > later[1].changed(&before), "blur is a change as well");
        assert_eq!(best(&before, &later), Some((1, Why::Sharpness)));
        assert_eq!(best(&before, &later[1..]), Some((0, Why::Earliest)));
    }

    #[test]
    fn of_sharp_pictures_the_one_with_the_most_change_is_best_and_a_little_more_is_not_worth_it() {
        let before = view(0, 0);
        let later = [view(0, 0), view(0, 30), view(0, 120), view(0, 122), view(0, 0)];
        assert_eq!(best(&before, &later), Some((2, Why::Change)));
        assert_eq!(best(&before, &later[4..]), Some((0, Why::Only)));
        assert_eq!(best(&before, &[]), None);
    }

    #[test]
    fn what_moves_behind_a_mask_chooses_nothing() {
        let area = [(0.0, 0.2), (0.6, 0.2), (0.6, 0.95), (0.0, 0.95)];
        let corners = area.map(|(x, y)| Point { x, y });
        let mask = Mask::new(vec![Polygon::new(corners.to_vec()).unwrap()]);
        let view = |thing| View::of(&mask.burn(yard(0, thing)));
        assert_eq!(best(&view(0), &[view(0), view(120)]), Some((0, Why::Earliest)));
    }

    #[test]
    fn pictures_of_another_size_are_compared_by_their_edges_alone() {
        let small = |blur| View::of(&Mask::none().burn(yard(blur, 60).shrunk(160, 90)));
        assert_eq!(best(&view(0, 0), &[small(20), small(0)]), Some((1, Why::Sharpness)));
    }
}
