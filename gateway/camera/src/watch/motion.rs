//! Whether something moves in an area.

use core::time::Duration;

use gatehouse_core::time::Mono;

use super::background::{Background, Difference};
use super::blob::{Blob, around, blobs};
use super::grid::Grid;
use super::settings::{Area, Settings};
use crate::picture::{Point, Polygon};

/// A blob that did not change for so long, and is the mark of something that left, is forgotten.
const GHOST: Duration = Duration::from_secs(2);
/// A thing that did not change for so long stands: no motion.
const STANDS: Duration = Duration::from_secs(6);
/// A thing that stands for so long belongs to the place.
const BELONGS: Duration = Duration::from_secs(20);
/// The background has so much more of an edge than the picture where something left.
const GHOST_EDGE: f32 = 1.4;
/// So much of a blob has to be calm to speak for itself.
const CALM: f32 = 0.5;
/// So much above what counts is no leaf: how much leaves differ by is learnt as well.
const STRONG: f32 = 3.5;
/// How far something has to get through what waves, in parts of the picture's width.
const NET: f32 = 0.08;
/// And in so many pictures.
const NET_STEPS: u32 = 4;
/// Net distance by the way that was made: leaves go back and forth.
const STRAIGHT: f32 = 0.6;

/// The motion machine of one camera.
#[derive(Clone, Debug)]
pub(super) struct Motion {
    settings: Settings,
    view: Option<View>,
    states: Vec<State>,
}

/// What belongs to one size of grid.
#[derive(Clone, Debug)]
struct View {
    background: Background,
    /// For each area: its cells that count, and the least count of cells.
    areas: Vec<(Vec<bool>, usize)>,
    /// Cells that are not excluded.
    counts: Vec<bool>,
}

#[derive(Clone, Debug, Default)]
struct State {
    on: bool,
    /// The last sign of motion.
    sign: Option<Mono>,
    /// Something in what waves, on its way.
    wanderer: Option<Wanderer>,
}

#[derive(Clone, Copy, Debug)]
struct Wanderer {
    start: (f32, f32),
    last: (f32, f32),
    way: f32,
    steps: u32,
    seen: Mono,
}

impl Motion {
    pub(super) fn new(settings: Settings) -> Self {
        let states = vec![State::default(); settings.areas.len()];
        Self { settings, view: None, states }
    }

    /// Whether something moves, did until shortly, or the place is being learnt: what waves in it is
    /// known sooner by more pictures.
    pub(super) fn wants_all(&self, at: Mono) -> bool {
        self.learns(at) || self.states.iter().any(|state| state.on || state.wanderer.is_some())
    }

    /// Whether it is too early to see motion.
    pub(super) fn learns(&self, at: Mono) -> bool {
        self.view.as_ref().is_none_or(|view| view.background.learns(at))
    }

    /// The areas in which motion began or ended.
    pub(super) fn look(&mut self, grid: &Grid, at: Mono) -> Vec<(usize, bool)> {
        let view = match &mut self.view {
            Some(view) if grid.like(view.background.columns, view.background.rows) => view,
            view => view.insert(View::new(&self.settings, grid, at)),
        };
        let difference = view.background.compare(grid, &view.counts, at);
        let mut changes = Vec::new();
        for (index, state) in self.states.iter_mut().enumerate() {
            let area = &self.settings.areas[index];
            if difference.clear && view.moves(area, index, &difference, state, at) {
                state.sign = Some(at);
            }
            let on = state.sign.is_some_and(|sign| at.since(sign) <= self.settings.hold);
            if on != state.on {
                state.on = on;
                changes.push((index, on));
            }
        }
        if difference.clear {
            view.forget(&difference, at);
        }
        changes
    }
}

impl View {
    fn new(settings: &Settings, grid: &Grid, at: Mono) -> Self {
        let background = Background::new(grid, at);
        let excluded = inside_any(&settings.excluded, grid);
        let counts: Vec<bool> = excluded.iter().map(|excluded| !excluded).collect();
        let areas = settings
            .areas
            .iter()
            .map(|area| {
                let inside = inside_any(std::slice::from_ref(&area.shape), grid);
                let inside = inside.iter().zip(&counts).map(|(a, b)| *a && *b).collect();
                (inside, least_cells(area, grid))
            })
            .collect();
        Self { background, areas, counts }
    }

    /// Whether something moves in an area now.
    fn moves(
        &self,
        area: &Area,
        index: usize,
        difference: &Difference,
        state: &mut State,
        at: Mono,
    ) -> bool {
        let (inside, least) = &self.areas[index];
        let factor = area.sensitivity.factor();
        let foreground: Vec<bool> = difference
            .score
            .iter()
            .zip(inside)
            .map(|(score, inside)| *inside && *score > factor)
            .collect();
        if state.wanderer.is_some_and(|wanderer| at.since(wanderer.seen) > GHOST * 2) {
            state.wanderer = None;
        }
        for blob in blobs(&foreground, self.background.columns, *least) {
            if self.still(&blob, STANDS, at) || self.is_ghost(&blob, difference, at) {
                continue;
            }
            if blob.part(|cell| !self.restless(cell)) >= CALM
                || blob.part(|cell| difference.score[cell] > factor * STRONG) >= CALM
            {
                return true;
            }
            // The largest alone: leaves come in many.
            return self.wanders(&blob, state, at);
        }
        false
    }

    /// Whether a cell, or one beside it, comes and goes all the time: a gust reaches farther.
    fn restless(&self, cell: usize) -> bool {
        let background = &self.background;
        background.restless(cell)
            || around(cell, background.columns, background.rows)
                .any(|next| background.restless(next))
    }

    fn wanders(&self, blob: &Blob, state: &mut State, at: Mono) -> bool {
        let here = blob.middle(self.background.columns);
        let distance = |a: (f32, f32), b: (f32, f32)| (a.0 - b.0).hypot(a.1 - b.1);
        let mut wanderer = state.wanderer.unwrap_or(Wanderer {
            start: here,
            last: here,
            way: 0.0,
            steps: 0,
            seen: at,
        });
        wanderer.way += distance(wanderer.last, here);
        wanderer.last = here;
        wanderer.steps += 1;
        wanderer.seen = at;
        let net = distance(wanderer.start, here);
        let straight = net >= wanderer.way * STRAIGHT;
        if !straight && wanderer.steps >= NET_STEPS {
            // Not this way: begin anew from here.
            wanderer = Wanderer { start: here, last: here, way: 0.0, steps: 0, seen: at };
        }
        state.wanderer = Some(wanderer);
        #[expect(clippy::cast_precision_loss, reason = "80 columns")]
        let far = net >= self.background.columns as f32 * NET;
        straight && far && wanderer.steps >= NET_STEPS
    }

    fn still(&self, blob: &Blob, time: Duration, at: Mono) -> bool {
        blob.part(|cell| self.background.still(cell, at) >= time) >= 0.8
    }

    /// Whether a blob is where something was rather than where it is: the edge around it is in the
    /// background and not in the picture.
    fn is_ghost(&self, blob: &Blob, difference: &Difference, at: Mono) -> bool {
        if !self.still(blob, GHOST, at) {
            return false;
        }
        let (columns, rows) = (self.background.columns, self.background.rows);
        let mut member = vec![false; difference.level.len()];
        for cell in &blob.cells {
            member[*cell] = true;
        }
        let (mut now, mut before) = (0.0, 0.0);
        for &cell in &blob.cells {
            for next in around(cell, columns, rows).filter(|next| !member[*next]) {
                now += (difference.level[cell] - difference.level[next]).abs();
                before += (self.background.mean[cell] - self.background.mean[next]).abs();
            }
        }
        before > now * GHOST_EDGE
    }

    /// Ghosts, and what has come to stay, become background.
    fn forget(&mut self, difference: &Difference, at: Mono) {
        let foreground: Vec<bool> = difference.score.iter().map(|score| *score > 1.0).collect();
        for blob in blobs(&foreground, self.background.columns, 1) {
            if self.still(&blob, BELONGS, at) || self.is_ghost(&blob, difference, at) {
                for cell in blob.cells {
                    self.background.accept(cell, difference.level[cell]);
                }
            }
        }
    }
}

/// The cells whose middle is in one of the areas.
fn inside_any(shapes: &[Polygon], grid: &Grid) -> Vec<bool> {
    #[expect(clippy::cast_precision_loss, reason = "80 columns")]
    let middle = |at: usize, of: usize| (at as f64 + 0.5) / of as f64;
    (0..grid.cells.len())
        .map(|cell| {
            let x = middle(cell % grid.columns, grid.columns);
            let y = middle(cell / grid.columns, grid.rows);
            shapes.iter().any(|shape| shape.contains(Point { x, y }))
        })
        .collect()
}

/// The least size in whole cells, at least two: a single cell is noise.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "half of some thousand cells at most, and not negative"
)]
fn least_cells(area: &Area, grid: &Grid) -> usize {
    ((area.least.part() * grid.cells.len() as f64).round() as usize).max(2)
}
