//! What a place looks like when nothing happens: a mean and a spread for each cell.

#![expect(clippy::cast_precision_loss, reason = "counts of cells are below 2^24")]

use core::time::Duration;

use gatehouse_core::time::Mono;

use super::grid::Grid;
use super::light::Light;

/// The background follows the day's light within this time.
const FOLLOW: Duration = Duration::from_secs(12);
/// How much a place moves by itself is learnt over this time: some gusts of wind.
const RESTLESS: Duration = Duration::from_secs(60);
/// All cells learn for so long before anything is told. Leaves wave to and fro in less.
const WARM: Duration = Duration::from_secs(10);
/// Levels of brightness that even the calmest cell may differ by; codecs do as much.
const LEAST_DIFFERENCE: f32 = 4.0;
/// So many mean deviations are noise.
const DEVIATIONS: f32 = 4.5;
/// More than this part of cells at once is a change of light or of the camera, and not a thing.
const MOST_FOREGROUND: f32 = 0.5;
/// After so many of such pictures in a row the place looks like that now.
const DISTURBED: u32 = 2;
/// As if so many calm pictures had been before the first.
const BEFORE: u32 = 20;
/// Changes between foreground and background per analysed picture, from which on a cell is restless.
const RESTLESS_RATE: f32 = 0.08;

/// The model of one camera's view.
#[derive(Clone, Debug)]
pub(super) struct Background {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) mean: Vec<f32>,
    spread: Vec<f32>,
    /// Changes between foreground and background, per picture.
    toggles: Vec<f32>,
    was: Vec<bool>,
    /// The value from which on a cell did not change, and since when.
    held: Vec<(f32, Mono)>,
    born: Mono,
    last: Mono,
    learnt: u32,
    disturbed: u32,
}

/// What a picture is against the background.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// Each cell in the light of the background.
    pub(super) level: Vec<f32>,
    /// Difference by what counts: 1 is the threshold of the usual sensitivity.
    pub(super) score: Vec<f32>,
    /// Whether anything may be concluded: not while learning or while everything changes.
    pub(super) clear: bool,
}

impl Background {
    pub(super) fn new(grid: &Grid, at: Mono) -> Self {
        let count = grid.cells.len();
        Self {
            columns: grid.columns,
            rows: grid.rows,
            mean: grid.cells.clone(),
            spread: vec![1.0; count],
            toggles: vec![0.0; count],
            was: vec![false; count],
            held: grid.cells.iter().map(|cell| (*cell, at)).collect(),
            born: at,
            last: at,
            learnt: 1,
            disturbed: 0,
        }
    }

    /// Compares a picture, and learns from it.
    pub(super) fn compare(&mut self, grid: &Grid, counts: &[bool], at: Mono) -> Difference {
        let light = Light::of(&self.mean, &grid.cells);
        let warm = self.learns(at);
        // In less light the same contrast is less.
        let cells = grid.cells.iter().zip(&self.mean);
        let level: Vec<f32> = cells.map(|(cell, mean)| mean + light.off(*cell, *mean)).collect();
        let score: Vec<f32> = level
            .iter()
            .zip(self.mean.iter().zip(&self.spread))
            .map(|(level, (mean, spread))| (level - mean).abs() / threshold(*spread))
            .collect();
        let foreground =
            score.iter().zip(counts).filter(|(score, counts)| **score > 1.0 && **counts);
        let counted = counts.iter().filter(|counts| **counts).count().max(1);
        let disturbed = !warm && foreground.count() as f32 / counted as f32 > MOST_FOREGROUND;
        self.disturbed = if disturbed { self.disturbed + 1 } else { 0 };
        if self.disturbed >= DISTURBED {
            self.replace(grid, at);
        } else if !disturbed {
            self.learn(&level, &score, warm, at);
        }
        Difference { level, score, clear: !warm && !disturbed }
    }

    /// Whether it is too early to say anything.
    pub(super) fn learns(&self, at: Mono) -> bool {
        at.since(self.born) < WARM || self.learnt < 4
    }

    /// The place looks like this from now on; how noisy each cell is stays known.
    fn replace(&mut self, grid: &Grid, at: Mono) {
        self.mean.clone_from(&grid.cells);
        for (held, cell) in self.held.iter_mut().zip(&grid.cells) {
            *held = (*cell, at);
        }
        self.was.fill(false);
        self.disturbed = 0;
        self.last = at;
    }

    fn learn(&mut self, level: &[f32], score: &[f32], warm: bool, at: Mono) {
        let passed = at.since(self.last);
        self.last = at;
        self.learnt = (self.learnt + 1).min(1 << 20);
        // At first the mean of all there was.
        let young = 1.0 / self.learnt as f32;
        let follow = part(passed, FOLLOW).max(young);
        // Who passes through a cell comes and goes once. That is two changes, and does not make it
        // restless, were it among the first pictures or at key frames only.
        let slow = part(passed, RESTLESS).max(1.0 / (self.learnt + BEFORE) as f32);
        for index in 0..level.len() {
            let foreground = score[index] > 1.0;
            let difference = level[index] - self.mean[index];
            let toggled = f32::from(u8::from(foreground != self.was[index]));
            self.was[index] = foreground;
            self.toggles[index] += (toggled - self.toggles[index]) * slow;
            if warm || !foreground {
                self.mean[index] += difference * follow;
                self.spread[index] += (difference.abs() - self.spread[index]) * follow;
            } else if self.restless(index) {
                // What waves belongs to the place.
                self.mean[index] += difference * slow;
                self.spread[index] += (difference.abs() - self.spread[index]) * follow;
            }
            let (value, _) = self.held[index];
            if (level[index] - value).abs() > threshold(self.spread[index]) * 0.7 {
                self.held[index] = (level[index], at);
            }
        }
    }

    /// Whether a cell comes and goes all the time.
    pub(super) fn restless(&self, cell: usize) -> bool {
        self.toggles[cell] > RESTLESS_RATE
    }

    /// How long a cell has not changed.
    pub(super) fn still(&self, cell: usize, at: Mono) -> Duration {
        at.since(self.held[cell].1)
    }

    /// A cell looks like this from now on.
    pub(super) fn accept(&mut self, cell: usize, level: f32) {
        self.mean[cell] = level;
        self.was[cell] = false;
    }
}

/// Differences from which on a cell is foreground, in levels.
fn threshold(spread: f32) -> f32 {
    LEAST_DIFFERENCE + DEVIATIONS * spread
}

/// The part of the way to go after a time, to have gone 63 % of it after `whole`.
pub(super) fn part(passed: Duration, whole: Duration) -> f32 {
    1.0 - (-passed.as_secs_f32() / whole.as_secs_f32()).exp()
}
