//! Cells that hang together.

/// Cells of the foreground that touch, were it by a corner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) cells: Vec<usize>,
}

/// All blobs of at least `least` cells, the largest first.
pub(super) fn blobs(foreground: &[bool], columns: usize, least: usize) -> Vec<Blob> {
    let rows = foreground.len() / columns;
    let mut left: Vec<bool> = foreground.to_vec();
    let mut found = Vec::new();
    let mut stack = Vec::new();
    for start in 0..left.len() {
        if !std::mem::take(&mut left[start]) {
            continue;
        }
        let mut cells = Vec::new();
        stack.push(start);
        while let Some(cell) = stack.pop() {
            cells.push(cell);
            for next in around(cell, columns, rows) {
                if std::mem::take(&mut left[next]) {
                    stack.push(next);
                }
            }
        }
        if cells.len() >= least {
            found.push(Blob { cells });
        }
    }
    found.sort_by_key(|blob| std::cmp::Reverse(blob.cells.len()));
    found
}

/// The up to eight neighbours of a cell.
pub(super) fn around(cell: usize, columns: usize, rows: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (cell % columns, cell / columns);
    let (left, right) = (x.saturating_sub(1), (x + 1).min(columns - 1));
    let (above, below) = (y.saturating_sub(1), (y + 1).min(rows - 1));
    (above..=below)
        .flat_map(move |y| (left..=right).map(move |x| y * columns + x))
        .filter(move |next| *next != cell)
}

impl Blob {
    /// The middle, in cells.
    #[expect(clippy::cast_precision_loss, reason = "counts of cells are below 2^24")]
    pub(super) fn middle(&self, columns: usize) -> (f32, f32) {
        let (mut x, mut y) = (0, 0);
        for cell in &self.cells {
            x += cell % columns;
            y += cell / columns;
        }
        let count = self.cells.len().max(1) as f32;
        (x as f32 / count, y as f32 / count)
    }

    /// Part of its cells of which something holds.
    #[expect(clippy::cast_precision_loss, reason = "counts of cells are below 2^24")]
    pub(super) fn part(&self, holds: impl Fn(usize) -> bool) -> f32 {
        let count = self.cells.iter().filter(|cell| holds(**cell)).count();
        count as f32 / self.cells.len().max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_touch_by_a_corner_are_one() {
        let picture = "
            x....x
            .x...x
            ......
            ...x..
        ";
        let foreground: Vec<bool> =
            picture.chars().filter(|c| !c.is_whitespace()).map(|c| c == 'x').collect();
        let found = blobs(&foreground, 6, 1);
        assert_eq!(found.iter().map(|blob| blob.cells.len()).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(blobs(&foreground, 6, 2).len(), 2);
        assert_eq!(found[0].middle(6), (0.5, 0.5));
    }
}
