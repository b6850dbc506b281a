//! What a view looks like as a whole: how sharp, how varied, and where what is.

#![expect(clippy::cast_precision_loss, reason = "counts of cells are below 2^24")]

use super::grid::Grid;

/// Blocks across and down, each compared by itself, so that a thing in some of them does not make the
/// view another.
const BLOCKS: (usize, usize) = (5, 4);
/// Part of half cells that are called edges.
const EDGES: f32 = 0.05;
/// Cells to each side that a cell is compared with.
const AROUND: usize = 2;
/// A block with less contrast than this, in levels, has nothing to be recognised by.
const LEAST_CONTRAST: f32 = 2.0;

/// A view in numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) columns: usize,
    /// Mean step between half cells at the sharpest edges.
    pub(super) sharp: f32,
    /// Standard deviation of the cells.
    pub(super) contrast: f32,
    /// Part of the half cells that are white.
    pub(super) white: f32,
    /// Each cell less the mean around it: light and colour are gone, shapes stay.
    pub(super) shapes: Vec<f32>,
}

impl Look {
    pub(super) fn of(grid: &Grid) -> Self {
        let count = grid.cells.len() as f32;
        let mean = grid.cells.iter().sum::<f32>() / count;
        let variance = grid.cells.iter().map(|cell| (cell - mean).powi(2)).sum::<f32>() / count;
        Self {
            columns: grid.columns,
            sharp: sharp(&grid.fine, grid.columns * 2),
            contrast: variance.sqrt(),
            white: grid.white,
            shapes: shapes(&grid.cells, grid.columns),
        }
    }

    /// Becomes a part more like another of the same size.
    pub(super) fn follow(&mut self, other: &Self, part: f32) {
        let step = |mine: &mut f32, theirs: f32| *mine += (theirs - *mine) * part;
        step(&mut self.sharp, other.sharp);
        step(&mut self.contrast, other.contrast);
        step(&mut self.white, other.white);
        for (mine, theirs) in self.shapes.iter_mut().zip(&other.shapes) {
            step(mine, *theirs);
        }
    }

    /// How alike the shapes are, -1 to 1: the middle of the blocks that have any by `self`. `None`
    /// if too few have.
    pub(super) fn likeness(&self, other: &Self) -> Option<f32> {
        let rows = self.shapes.len() / self.columns;
        let mut found = Vec::with_capacity(BLOCKS.0 * BLOCKS.1);
        for block in 0..BLOCKS.0 * BLOCKS.1 {
            let (bx, by) = (block % BLOCKS.0, block / BLOCKS.0);
            let across = bx * self.columns / BLOCKS.0..(bx + 1) * self.columns / BLOCKS.0;
            let down = by * rows / BLOCKS.1..(by + 1) * rows / BLOCKS.1;
            let (mut n, mut aa, mut bb, mut ab) = (0, 0.0, 0.0, 0.0);
            for row in down {
                let span = row * self.columns + across.start..row * self.columns + across.end;
                for (a, b) in self.shapes[span.clone()].iter().zip(&other.shapes[span]) {
                    n += 1;
                    aa += a * a;
                    bb += b * b;
                    ab += a * b;
                }
            }
            if n > 0 && aa / n as f32 > LEAST_CONTRAST * LEAST_CONTRAST {
                found.push(ab / (aa * bb).sqrt().max(f32::EPSILON));
            }
        }
        if found.len() < 4 {
            return None;
        }
        found.sort_by(f32::total_cmp);
        Some(found[found.len() / 2])
    }
}

/// The mean of the greatest steps to the right and downward.
fn sharp(fine: &[f32], columns: usize) -> f32 {
    let mut histogram = [0_u32; 512];
    for (row, below) in fine.chunks_exact(columns).zip(fine.chunks_exact(columns).skip(1)) {
        for (pair, below) in row.array_windows::<2>().zip(below) {
            let step = (pair[1] - pair[0]).abs() + (below - pair[0]).abs();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "not negative; the cast saturates"
            )]
            let bin = (step as usize).min(511);
            histogram[bin] += 1;
        }
    }
    let wanted = (fine.len() as f32 * EDGES).max(1.0);
    let (mut count, mut sum) = (0.0, 0.0);
    for (step, found) in histogram.iter().enumerate().rev() {
        let taken = (*found as f32).min(wanted - count);
        count += taken;
        sum += taken * (step as f32 + 0.5);
    }
    sum / count.max(1.0)
}

/// Each cell less the mean of those around it, by sums over rows and then over columns.
fn shapes(cells: &[f32], columns: usize) -> Vec<f32> {
    let rows = cells.len() / columns;
    let span = |at: usize, of: usize| at.saturating_sub(AROUND)..(at + AROUND + 1).min(of);
    let mut across = Vec::with_capacity(cells.len());
    for row in cells.chunks_exact(columns) {
        across.extend((0..columns).map(|x| {
            let span = span(x, columns);
            let count = span.len() as f32;
            row[span].iter().sum::<f32>() / count
        }));
    }
    let mut out = Vec::with_capacity(cells.len());
    for y in 0..rows {
        let span = span(y, rows);
        let count = span.len() as f32;
        for x in 0..columns {
            let sum: f32 = span.clone().map(|row| across[row * columns + x]).sum();
            out.push(cells[y * columns + x] - sum / count);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(cells: impl Fn(usize, usize) -> f32) -> Grid {
        let (columns, rows) = (80, 45);
        let fine = (0..columns * rows * 4)
            .map(|index| cells(index % (columns * 2) / 2, index / (columns * 2) / 2))
            .collect();
        let cells = (0..columns * rows).map(|i| cells(i % columns, i / columns)).collect();
        Grid { columns, rows, cells, fine, colour: 9.0, white: 0.0 }
    }

    fn pattern(x: usize, y: usize) -> f32 {
        if (x * 7 + y * 5 + x * y) % 23 < 9 { 180.0 } else { 60.0 }
    }

    #[test]
    fn light_does_not_change_what_a_view_is_like() {
        let one = Look::of(&grid(pattern));
        let dark = Look::of(&grid(|x, y| pattern(x, y) * 0.5 + 40.0));
        assert!(one.likeness(&dark) > Some(0.99));
        let moved = Look::of(&grid(|x, y| pattern(x + 5, y + 3)));
        assert!(one.likeness(&moved) < Some(0.4));
        let truck = Look::of(&grid(|x, y| if x < 30 { 90.0 } else { pattern(x, y) }));
        assert!(one.likeness(&truck) > Some(0.9));
    }

    #[test]
    fn nothing_can_be_said_of_a_plain_wall() {
        let wall = Look::of(&grid(|_, _| 120.0));
        assert_eq!(wall.likeness(&wall), None);
        assert!(wall.contrast < 0.01 && wall.sharp < 1.0);
    }
}
