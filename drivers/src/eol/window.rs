//! From samples to windows: a median against spikes, an integral against hum.

use core::time::Duration;

use super::ohms::Ratio;

/// Five periods of 50 Hz and six of 60 Hz: the integral of either over it is zero.
pub const WINDOW: Duration = Duration::from_millis(100);

pub(crate) const WINDOW_NS: u64 = 100_000_000;

/// Longer than this without a sample within a window, and the integral is a guess: more than a
/// period of the mains.
const WIDEST_NS: u64 = 25_000_000;

/// A swing that counts: a quarter of the supply. More than hum that is worth measuring through, less
/// than from a short to normal or from normal to open.
const SWING: u32 = Ratio::ONE.0 / 4;

/// So many swings in the last [`SWUNG`] windows are no signal with its bouncing (below 5 ms, which
/// is at most three swings at each end with 1000 samples a second) but a circuit that opens and
/// closes all the time: every 70 ms or faster. Slower ones do not have equal windows.
const RESTLESS: u32 = 7;

const SWUNG: usize = 5;

/// ... and the values must be far apart for much of the time, which a contact that chatters for 5 ms
/// now and then is not: the variance of an even switching over [`SWING`], in parts of 2^24.
const SCATTERED: u64 = ((SWING >> 8) as u64 / 2).pow(2);

/// How far a window is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    /// Too few samples.
    Thin,
    /// The mean is one of values that have nothing to do with each other: somebody who switches
    /// between short and open can make any mean.
    Restless,
}

/// The mean over [`WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start_ns: u64,
    pub(crate) mean: Ratio,
    pub(crate) quality: Quality,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    at_ns: u64,
    ratio: Ratio,
}

/// Cuts a stream of samples into windows, one after the other without a gap.
///
/// Between two samples the ratio is taken to go in a straight line, also over the border of two
/// windows. So windows are exactly [`WINDOW`] long, and samples that come a little early or late,
/// as they do from a thread with a bus, do no harm to the rejection of hum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windower {
    min_samples: u32,
    /// The last two samples: the median of three has the time of the middle one.
    older: Option<Point>,
    newer: Option<Point>,
    /// The last point after the median.
    last: Option<Point>,
    start_ns: u64,
    /// Twice the area below the values since the start. At most 2 x 2^20 x 10^8 ns: fits.
    area: u64,
    samples: u32,
    widest_ns: u64,
    /// In this window, and in those before it.
    swings: [u32; SWUNG],
    /// Twice the area below the squares, in parts of 2^24; the variance of the windows before.
    squares: u64,
    scatter: [u64; SWUNG],
    rising: bool,
    extreme: u32,
}

impl Windower {
    pub(crate) const fn new(min_samples: u32) -> Self {
        Self {
            min_samples,
            older: None,
            newer: None,
            last: None,
            start_ns: 0,
            area: 0,
            samples: 0,
            widest_ns: 0,
            swings: [0; SWUNG],
            squares: 0,
            scatter: [0; SWUNG],
            rising: true,
            extreme: 0,
        }
    }

    /// Whether a sample at this time would come so late that there is no straight line to it.
    pub(crate) fn is_gap(&self, at_ns: u64) -> bool {
        self.newer.is_some_and(|newer| at_ns.saturating_sub(newer.at_ns) > WINDOW_NS)
    }

    /// Takes the next sample. A time before that of the previous one is taken as equal to it; after
    /// a gap a new window begins.
    pub(crate) fn feed(&mut self, ratio: Ratio, at_ns: u64) -> Option<Window> {
        if self.is_gap(at_ns) {
            *self = Self::new(self.min_samples);
        }
        let at_ns = self.newer.map_or(at_ns, |newer| at_ns.max(newer.at_ns));
        let newer = self.newer.replace(Point { at_ns, ratio });
        let older = core::mem::replace(&mut self.older, newer);
        let (older, newer) = (older?, newer?);
        let ratio = without_spike(older.ratio, newer.ratio, ratio);
        self.point(Point { at_ns: newer.at_ns, ratio })
    }

    fn point(&mut self, point: Point) -> Option<Window> {
        self.swing(point.ratio.0);
        let Some(last) = self.last.replace(point) else {
            self.start_ns = point.at_ns;
            self.samples = 1;
            return None;
        };
        self.samples += 1;
        self.widest_ns = self.widest_ns.max(point.at_ns - last.at_ns);
        let end_ns = self.start_ns + WINDOW_NS;
        if point.at_ns < end_ns {
            self.area += area(last, point);
            self.squares += squares(last, point);
            return None;
        }
        let border = between(last, point, end_ns);
        let mean = (self.area + area(last, border)) / (2 * WINDOW_NS);
        let square = (self.squares + squares(last, border)) / (2 * WINDOW_NS);
        self.scatter[0] = square.saturating_sub((mean >> 8).pow(2));
        let swings = self.swings.iter().sum::<u32>();
        let scatter = self.scatter.iter().sum::<u64>() / SWUNG as u64;
        let thin = self.samples < self.min_samples || self.widest_ns > WIDEST_NS;
        let quality = match () {
            () if thin => Quality::Thin,
            () if swings >= RESTLESS && scatter >= SCATTERED => Quality::Restless,
            () => Quality::Good,
        };
        let mean = u32::try_from(mean).map_or(Ratio::ONE, Ratio);
        let window = Window { start_ns: self.start_ns, mean, quality };
        self.start_ns = end_ns;
        self.area = area(border, point);
        self.squares = squares(border, point);
        self.scatter.rotate_right(1);
        self.samples = 1;
        self.widest_ns = 0;
        self.swings.rotate_right(1);
        self.swings[0] = 0;
        Some(window)
    }

    /// Counts how often the ratio turns round and goes back by more than [`SWING`].
    fn swing(&mut self, ratio: u32) {
        let turned = if self.rising {
            self.extreme = self.extreme.max(ratio);
            self.extreme - ratio > SWING
        } else {
            self.extreme = self.extreme.min(ratio);
            ratio - self.extreme > SWING
        };
        if turned {
            self.rising = !self.rising;
            self.extreme = ratio;
            self.swings[0] += 1;
        }
    }
}

/// The middle one of three samples, or their median if it stands out by more than [`SWING`].
///
/// A plain median would also bend hum: at 150 samples a second each period of 50 Hz has the same
/// three samples, and their median is any of them, always.
fn without_spike(before: Ratio, sample: Ratio, after: Ratio) -> Ratio {
    let median = before.min(sample).max(before.max(sample).min(after));
    if sample.0.abs_diff(median.0) > SWING { median } else { sample }
}

/// Twice the area below the line between two points.
fn area(from: Point, to: Point) -> u64 {
    (u64::from(from.ratio.0) + u64::from(to.ratio.0)) * (to.at_ns - from.at_ns)
}

/// Twice the area below the squares of the values between two points, as if they went in a straight
/// line too, in parts of 2^24. At most 2 x 2^24 x 10^8 ns: fits.
fn squares(from: Point, to: Point) -> u64 {
    let square = |point: Point| u64::from(point.ratio.0 >> 8).pow(2);
    (square(from) + square(to)) * (to.at_ns - from.at_ns)
}

/// The point of the line from `from` to `to` at a time in between.
fn between(from: Point, to: Point, at_ns: u64) -> Point {
    let (part, whole) = (at_ns - from.at_ns, to.at_ns - from.at_ns);
    let weigh = |ratio: Ratio, ns: u64| u64::from(ratio.0) * ns;
    let sum = weigh(from.ratio, whole - part) + weigh(to.ratio, part);
    let ratio = sum.checked_div(whole).and_then(|ratio| u32::try_from(ratio).ok());
    Point { at_ns, ratio: ratio.map_or(to.ratio, Ratio) }
}
