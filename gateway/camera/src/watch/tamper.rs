//! Whether somebody did something to the camera: covered, blinded, defocused, moved.
//!
//! Each analysed picture is compared with what the view has looked like, by day (in colour) and by
//! night (grey, by infrared light) each for itself. A finding needs three pictures in a row, and some
//! time, so that somebody who passes close by or a headlight is none.

use core::time::Duration;

use gatehouse_core::time::Mono;

use super::TamperKind;
use super::background::part;
use super::grid::Grid;
use super::look::Look;

/// No verdict for so long after the start, nor after the first change between day and night: the first
/// pictures of a stream are poor, and nothing has been learnt.
const LEARNING: Duration = Duration::from_secs(10);
/// Analysed pictures in a row that have to agree, for the beginning and for the end.
const IN_A_ROW: u32 = 3;
/// And the time that these have to span: at 5 pictures a second three are soon over.
const LEAST: Duration = Duration::from_secs(1);
/// Light passes: a headlight at a gate blinds longer than a second.
const LEAST_BLINDED: Duration = Duration::from_secs(4);
/// A view changes with the sun and the season, over minutes: dusk takes twenty.
const FOLLOW: Duration = Duration::from_secs(300);
/// Below this a picture is grey, above the other it has colour; between it stays what it was.
const GREY: (f32, f32) = (0.8, 1.6);

/// Covered: less than this part of the contrast is left,
const COVERED_CONTRAST: f32 = 0.3;
/// and less than this of the edges.
const COVERED_SHARP: f32 = 0.4;
/// Blinded: so much more of the picture is white than usual,
const BLINDED_WHITE: f32 = 0.5;
/// and less than this part of the edges is left.
const BLINDED_SHARP: f32 = 0.8;
/// Defocused: less than this part of the edges is left,
const DEFOCUSED_SHARP: f32 = 0.5;
/// and of the edges by the contrast.
const DEFOCUSED_BLURRED: f32 = 0.6;
/// Moved: shapes are less alike than this part of what they usually are.
const MOVED_LIKENESS: f32 = 0.5;
/// A view whose own pictures are less alike than this cannot tell (noise in the dark).
const LEAST_LIKENESS: f32 = 0.35;

/// The tamper machine of one camera.
#[derive(Clone, Debug, Default)]
pub(super) struct Tamper {
    /// By day, by night.
    views: [Option<View>; 2],
    night: bool,
    states: [State; 4],
    begun: Option<Mono>,
}

/// What a view usually looks like.
#[derive(Clone, Debug)]
struct View {
    look: Look,
    /// How alike single pictures are to it.
    likeness: f32,
    learnt: u32,
    born: Mono,
    last: Mono,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    on: bool,
    /// Pictures in a row that speak for the other state, and the first of them.
    other: Option<(u32, Mono)>,
}

const KINDS: [TamperKind; 4] =
    [TamperKind::Covered, TamperKind::Blinded, TamperKind::Defocused, TamperKind::Moved];

impl Tamper {
    /// Whether something is suspected, so that more pictures would decide sooner.
    pub(super) fn suspects(&self) -> bool {
        self.states.iter().any(|state| state.other.is_some())
    }

    /// What began or ended.
    pub(super) fn look(&mut self, grid: &Grid, at: Mono) -> Vec<(TamperKind, bool)> {
        let begun = *self.begun.get_or_insert(at);
        let look = Look::of(grid);
        if self.views.iter().flatten().any(|view| view.look.shapes.len() != look.shapes.len()) {
            // The stream has another size: what was learnt does not fit.
            self.views = [None, None];
        }
        self.night = if self.night { grid.colour < GREY.1 } else { grid.colour < GREY.0 };
        let (here, there) = (usize::from(self.night), usize::from(!self.night));
        let known = |view: &Option<View>| {
            view.as_ref()
                .is_some_and(|view| view.learnt >= IN_A_ROW && at.since(view.born) >= LEARNING)
        };
        // By night not learnt yet, that a camera is covered or blinded is seen by the day's view: a
        // cover takes the colour away, too.
        let (view, whole) = match (known(&self.views[here]), known(&self.views[there])) {
            (true, _) => (self.views[here].as_ref(), true),
            (false, true) => (self.views[there].as_ref(), false),
            (false, false) => (None, false),
        };
        let found = view.and_then(|view| view.verdict(&look, whole));
        let mut changes = Vec::new();
        if at.since(begun) >= LEARNING && view.is_some() {
            for (kind, state) in KINDS.into_iter().zip(&mut self.states) {
                // What is not judged in a view that is not known stays as it is, also what another
                // finding hides.
                let hidden = found.is_some_and(|found| found < kind);
                let judged = whole || kind <= TamperKind::Blinded;
                if hidden || !judged {
                    state.other = None;
                } else if state.step(kind, found == Some(kind), at) {
                    changes.push((kind, state.on));
                }
            }
        }
        let calm = self.states.iter().all(|state| !state.on && state.other.is_none());
        if found.is_none() && calm {
            match &mut self.views[here] {
                Some(view) => view.learn(&look, at),
                view => *view = Some(View::new(look, at)),
            }
        }
        changes
    }

    /// Forgets what the view looked like, as after the camera was set up anew. Gives what ends by it.
    pub(super) fn relearn(&mut self) -> Vec<TamperKind> {
        let on = KINDS.into_iter().zip(&self.states).filter(|(_, state)| state.on);
        let ended = on.map(|(kind, _)| kind).collect();
        *self = Self::default();
        ended
    }
}

impl State {
    /// Takes one more picture; whether the state changed.
    fn step(&mut self, kind: TamperKind, found: bool, at: Mono) -> bool {
        if found == self.on {
            self.other = None;
            return false;
        }
        let (count, first) = self.other.map_or((1, at), |(count, first)| (count + 1, first));
        self.other = Some((count, first));
        let least = if kind == TamperKind::Blinded && found { LEAST_BLINDED } else { LEAST };
        if count < IN_A_ROW || at.since(first) < least {
            return false;
        }
        *self = Self { on: found, other: None };
        true
    }
}

impl View {
    const fn new(look: Look, at: Mono) -> Self {
        Self { look, likeness: 1.0, learnt: 1, born: at, last: at }
    }

    fn learn(&mut self, look: &Look, at: Mono) {
        self.learnt = self.learnt.saturating_add(1);
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^24 it is 0 anyway")]
        let young = 1.0 / self.learnt as f32;
        // At first the mean of all there was, but not of the poorest: of the last some.
        let step = part(at.since(self.last), FOLLOW)
            .max(young)
            .max(if at.since(self.born) < LEARNING { 0.1 } else { 0.0 });
        self.last = at;
        if let Some(likeness) = self.look.likeness(look) {
            self.likeness += (likeness - self.likeness) * step;
        }
        self.look.follow(look, step);
    }

    /// The strongest finding that one picture speaks for.
    fn verdict(&self, look: &Look, whole: bool) -> Option<TamperKind> {
        let usual = &self.look;
        let likeness = usual.likeness(look);
        let alike = likeness.is_none_or(|likeness| likeness >= self.likeness * MOVED_LIKENESS);
        if look.contrast < usual.contrast * COVERED_CONTRAST
            && look.sharp < usual.sharp * COVERED_SHARP
            && look.white < BLINDED_WHITE
        {
            return Some(TamperKind::Covered);
        }
        if look.white > usual.white + BLINDED_WHITE && look.sharp < usual.sharp * BLINDED_SHARP {
            return Some(TamperKind::Blinded);
        }
        if !whole {
            return None;
        }
        // Where light fades, contrast fades as much as edges do.
        let blurred = look.sharp * usual.contrast < usual.sharp * look.contrast * DEFOCUSED_BLURRED;
        if look.sharp < usual.sharp * DEFOCUSED_SHARP && blurred {
            return Some(TamperKind::Defocused);
        }
        (!alike && self.likeness >= LEAST_LIKENESS).then_some(TamperKind::Moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the state changes, in ms, if what is found changes at 0 and pictures come so often.
    fn begins(kind: TamperKind, every_ms: u64) -> u64 {
        let mut state = State::default();
        (0..100)
            .map(|index| index * every_ms)
            .find(|ms| state.step(kind, true, Mono(ms * 1_000_000)))
            .unwrap()
    }

    #[test]
    fn three_pictures_and_a_second_are_needed_and_more_for_glare() {
        assert_eq!(begins(TamperKind::Covered, 2000), 4000);
        assert_eq!(begins(TamperKind::Moved, 200), 1000);
        assert_eq!(begins(TamperKind::Blinded, 200), 4000);
        assert_eq!(begins(TamperKind::Blinded, 2000), 4000);
    }

    #[test]
    fn one_good_picture_between_bad_ones_begins_the_count_anew() {
        let mut state = State::default();
        for (second, found) in [(0, true), (2, true), (4, false), (6, true), (8, true)] {
            assert!(!state.step(TamperKind::Moved, found, Mono(second * 1_000_000_000)));
        }
        assert!(state.step(TamperKind::Moved, true, Mono(10_000_000_000)));
        assert!(state.on);
    }

    /// A view with shapes in it; in colour or grey.
    fn grid(cell: impl Fn(usize, usize) -> f32, colour: f32) -> Grid {
        let fine = (0..160 * 90).map(|i| cell(i % 160 / 2, i / 160 / 2)).collect();
        let cells = (0..80 * 45).map(|i| cell(i % 80, i / 80)).collect();
        Grid { columns: 80, rows: 45, cells, fine, colour, white: 0.0 }
    }

    fn yard(x: usize, y: usize) -> f32 {
        if (x * 7 + y * 5 + x * y) % 23 < 9 { 180.0 } else { 60.0 }
    }

    fn second(second: u64) -> Mono {
        Mono(second * 1_000_000_000)
    }

    #[test]
    fn night_that_falls_at_once_is_no_tamper_and_a_cover_that_looks_like_night_is() {
        let mut tamper = Tamper::default();
        // Infrared from the camera's place: other things are bright.
        let infrared = |x, y| yard(y, x) * 0.8 + 20.0;
        for at in 0..30 {
            let view = if at < 15 { grid(yard, 12.0) } else { grid(infrared, 0.0) };
            assert_eq!(tamper.look(&view, second(at)), [], "{at} s");
        }
        // Back to day, which is still known; then somebody covers it, which takes the colour away.
        for at in 30..35 {
            assert_eq!(tamper.look(&grid(yard, 12.0), second(at)), []);
        }
        let found: Vec<_> =
            (35..40).flat_map(|at| tamper.look(&grid(|_, _| 12.0, 0.0), second(at))).collect();
        assert_eq!(found, [(TamperKind::Covered, true)]);
    }

    #[test]
    fn a_cover_before_the_first_night_is_seen_by_what_the_day_was_like() {
        let mut tamper = Tamper::default();
        for at in 0..15 {
            assert_eq!(tamper.look(&grid(yard, 12.0), second(at)), []);
        }
        let found: Vec<_> =
            (15..20).flat_map(|at| tamper.look(&grid(|_, _| 12.0, 0.0), second(at))).collect();
        assert_eq!(found, [(TamperKind::Covered, true)]);
        let found: Vec<_> =
            (20..25).flat_map(|at| tamper.look(&grid(yard, 12.0), second(at))).collect();
        assert_eq!(found, [(TamperKind::Covered, false)]);
    }

    #[test]
    fn nothing_is_said_in_the_first_ten_seconds() {
        let mut tamper = Tamper::default();
        for at in 0..10 {
            let view = if at < 4 { grid(yard, 12.0) } else { grid(|_, _| 12.0, 12.0) };
            assert_eq!(tamper.look(&view, second(at)), [], "{at} s");
        }
    }
}
