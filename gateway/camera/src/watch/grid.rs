//! A picture in a few thousand cells: all that watching looks at.

#![expect(
    clippy::cast_precision_loss,
    reason = "sums over some thousand samples of 8 bit fit into 24 bits"
)]

use crate::picture::{Picture, Range};

/// Cells in a row. At 640x360 a cell is 8x8 pixels: a person far away still fills some, and the
/// sensor's noise is an eighth.
pub(super) const COLUMNS: usize = 80;

/// Rows of pixels that are read of a row of half cells; more adds time and nothing else.
const MOST_LINES: usize = 4;

/// A mean level from which on a half cell is called white, of 255. Sky is below, a lamp is not.
const WHITE: f32 = 246.0;

/// Means of luma, 0 to 255 whatever the picture's range, and what is said of the whole picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// `columns` × `rows` means.
    pub(super) cells: Vec<f32>,
    /// Twice as fine in both directions.
    pub(super) fine: Vec<f32>,
    /// Mean distance of chroma from grey, over blocks, so that noise hardly counts.
    pub(super) colour: f32,
    /// Part of the half cells that are white.
    pub(super) white: f32,
}

impl Grid {
    pub(super) fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width(), picture.height());
        // A picture of few pixels has fewer cells, of at least 4x4.
        let columns = COLUMNS.min(width / 4).max(1);
        let rows = (columns * height / width).clamp(1, COLUMNS * 2).min((height / 4).max(1));
        let mut fine = means(picture.y(), (width, height), (columns * 2, rows * 2));
        if picture.range() == Range::Video {
            for mean in &mut fine {
                *mean = (*mean - 16.0) * (255.0 / 219.0);
            }
        }
        let white = fine.iter().filter(|mean| **mean > WHITE).count() as f32 / fine.len() as f32;
        let mut cells = Vec::with_capacity(columns * rows);
        for pair in fine.chunks_exact(columns * 4) {
            let (upper, lower) = pair.split_at(columns * 2);
            let quads = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            cells.extend(quads.map(|([a, b], [c, d])| (a + b + c + d) / 4.0));
        }
        Self { columns, rows, cells, fine, colour: colour(picture), white }
    }

    /// Whether two grids have the same cells.
    pub(super) fn like(&self, columns: usize, rows: usize) -> bool {
        self.columns == columns && self.rows == rows
    }
}

/// Mean distance from grey.
fn colour(picture: &Picture) -> f32 {
    let size = (picture.chroma_width(), picture.chroma_height());
    let blocks = (size.0.min(20), size.1.min(11));
    let distance = |plane: &[u8]| -> f32 {
        let means = means(plane, size, blocks);
        means.iter().map(|mean| (mean - 128.0).abs()).sum::<f32>() / means.len() as f32
    };
    distance(picture.u()) + distance(picture.v())
}

/// Means over blocks of a plane, of at most [`MOST_LINES`] rows each.
fn means(plane: &[u8], size: (usize, usize), blocks: (usize, usize)) -> Vec<f32> {
    let mut out = Vec::with_capacity(blocks.0 * blocks.1);
    let mut sums = vec![0_u16; size.0];
    let border = |column: usize| column * size.0 / blocks.0;
    for row in 0..blocks.1 {
        let first = row * size.1 / blocks.1;
        let last = ((row + 1) * size.1 / blocks.1).clamp(first + 1, size.1.max(first + 1));
        let step = (last - first).div_ceil(MOST_LINES);
        sums.fill(0);
        let mut lines = 0;
        for line in plane[first * size.0..last * size.0].chunks_exact(size.0).step_by(step) {
            lines += 1;
            for (sum, sample) in sums.iter_mut().zip(line) {
                *sum += u16::from(*sample);
            }
        }
        for column in 0..blocks.0 {
            let span = border(column)..border(column + 1).max(border(column) + 1);
            let count = (span.len() * lines) as f32;
            let sum: u32 = sums[span].iter().map(|sum| u32::from(*sum)).sum();
            out.push(sum as f32 / count);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, y: impl Fn(usize, usize) -> u8) -> Picture {
        let luma = (0..width * height).map(|i| y(i % width, i / width)).collect();
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        let planes = [luma, vec![128; chroma], vec![148; chroma]];
        Picture::new(width, height, Range::Video, planes).unwrap()
    }

    #[test]
    fn cells_are_means_in_full_range_at_any_size() {
        for (width, height) in [(640, 360), (1920, 1080), (768, 576), (320, 240), (33, 17), (3, 2)]
        {
            let grid = Grid::of(&picture(width, height, |_, _| 235));
            assert_eq!(grid.cells.len(), grid.columns * grid.rows);
            assert_eq!(grid.fine.len(), grid.cells.len() * 4);
            assert!(grid.cells.iter().all(|cell| (cell - 255.0).abs() < 0.01));
            assert!((grid.white - 1.0).abs() < 0.01 && (grid.colour - 20.0).abs() < 0.01);
        }
    }

    #[test]
    fn a_cell_shows_what_is_in_its_place() {
        let grid = Grid::of(&picture(640, 360, |x, y| if x < 320 && y >= 180 { 126 } else { 16 }));
        assert_eq!((grid.columns, grid.rows), (80, 45));
        assert!(grid.cells[44 * 80 + 3] > 120.0);
        assert!(grid.cells[44 * 80 + 43].abs() < 0.1);
        assert!(grid.cells[3].abs() < 0.1);
    }
}
