//! Several paths, one in use: the others are looked at, so that a failure is known before they are
//! needed, and a preferred one is gone back to.
//!
//! A path is one way to one broker: another broker, or the same one by another network interface.
//! Pure: what a look or an attempt brought comes in, what is to be looked at next and what is to be
//! told comes out.

use std::time::Duration;

use crate::time::Mono;

/// The first look after a connection: soon, since nobody knows yet whether there is a second path.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// A standby that does not answer is looked at again after this; two in a row are a fault.
const SECOND_LOOK: Duration = Duration::from_secs(10);

/// Looks without an answer that are a fault.
const MISSES: u32 = 2;

/// A preferred path that is not in use, and any path that is at fault, is looked at so often at
/// least: what is mended is to be known, and gone back to, within a minute or so.
const MENDED_WITHIN: Duration = Duration::from_secs(60);

/// A path that was gone back to and lost within this is not steady.
const STEADY: Duration = Duration::from_secs(600);

/// How long a path that is not steady is left alone before it is gone back to; doubles up to
/// [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_secs(120);

/// See [`FIRST_REST`].
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// What a path is for at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Events go over it.
    Active,
    /// It waits.
    Standby,
}

impl Part {
    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Standby => "standby",
        }
    }
}

/// Something about a path that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathNews {
    /// Its place in the configuration.
    pub path: usize,
    /// What it was for.
    pub part: Part,
    /// Why it does not work; `None`: it works again.
    pub fault: Option<String>,
}

/// What is to be done after a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// What is to be told.
    pub news: Option<PathNews>,
    /// The path is preferred to the one in use, and steady: go back to it.
    pub go_back: bool,
}

#[derive(Clone, Debug, Default)]
struct Path {
    /// Whether it worked when it was used or looked at last; `None`: not yet.
    works: Option<bool>,
    misses: u32,
    told: bool,
    look_at: Mono,
    looking: bool,
    /// Since when it is in use.
    since: Option<Mono>,
    /// It is, or will be, in use because it was gone back to.
    returned: bool,
    /// How often it was lost soon after it was gone back to.
    unsteady: u32,
    rests_until: Mono,
}

/// The paths in the order of preference.
#[derive(Clone, Debug)]
pub struct Standby {
    paths: Vec<Path>,
    poll: Duration,
    active: Option<usize>,
}

impl Standby {
    /// For so many paths, at least one; those that wait are looked at every `poll`.
    pub fn new(paths: usize, poll: Duration) -> Self {
        Self { paths: vec![Path::default(); paths.max(1)], poll, active: None }
    }

    /// A fault of this path stands in the record from before, without its restore.
    pub fn was_told(&mut self, path: usize) {
        if let Some(path) = self.paths.get_mut(path) {
            path.told = true;
        }
    }

    /// Whether a fault of this path stands in the record.
    pub fn is_told(&self, path: usize) -> bool {
        self.paths.get(path).is_some_and(|path| path.told)
    }

    /// Whether a path worked when it was used or looked at last.
    pub fn works(&self, path: usize) -> Option<bool> {
        self.paths.get(path)?.works
    }

    /// The path in use.
    pub const fn active(&self) -> Option<usize> {
        self.active
    }

    /// Whether no path is known to work, and each was tried.
    pub fn all_failed(&self) -> bool {
        self.paths.iter().all(|path| path.works == Some(false))
    }

    /// A connection is up.
    pub fn connected(&mut self, path: usize, now: Mono) -> Option<PathNews> {
        self.active = Some(path);
        for other in &mut self.paths {
            other.looking = false;
            other.look_at = now.plus(FIRST_LOOK.min(self.poll));
        }
        self.paths.get_mut(path)?.since = Some(now);
        self.good(path, Part::Active)
    }

    /// The connection has ended. `silent`: the path works, but the control room confirms nothing on
    /// it; then it is left alone for a while.
    pub fn lost(&mut self, path: usize, why: &str, silent: bool, now: Mono) -> Option<PathNews> {
        self.active = None;
        let state = self.paths.get_mut(path)?;
        let used = state.since.take().map(|since| now.since(since));
        let returned = std::mem::take(&mut state.returned);
        if silent || (returned && used.is_some_and(|used| used < STEADY)) {
            let rest = FIRST_REST * (1 << state.unsteady.min(5));
            state.unsteady = state.unsteady.saturating_add(1);
            state.rests_until = now.plus(rest.min(LONGEST_REST));
        } else {
            state.unsteady = 0;
        }
        if silent { None } else { self.bad(path, Part::Active, why) }
    }

    /// The connection was ended by us, for no fault of the path.
    pub fn left(&mut self, path: usize) {
        self.active = None;
        if let Some(path) = self.paths.get_mut(path) {
            path.since = None;
        }
    }

    /// An attempt to connect has failed.
    pub fn failed(&mut self, path: usize, why: &str) -> Option<PathNews> {
        self.bad(path, Part::Active, why)
    }

    /// The path to take when this one was lost: the most preferred that is not known to fail.
    pub fn instead_of(&self, lost: usize) -> Option<usize> {
        let others = || self.paths.iter().enumerate().filter(move |(place, _)| *place != lost);
        let works = |known| others().find(move |(_, path)| path.works == known);
        works(Some(true)).or_else(|| works(None)).map(|(place, _)| place)
    }

    /// A path that is to be looked at now.
    pub fn look(&mut self, now: Mono) -> Option<usize> {
        let active = self.active?;
        let due = |(place, path): &(usize, &mut Path)| {
            *place != active && !path.looking && path.look_at <= now
        };
        let (place, path) = self.paths.iter_mut().enumerate().find(due)?;
        path.looking = true;
        Some(place)
    }

    /// When [`Self::look`] has something to say at the latest.
    pub fn next_look(&self) -> Option<Mono> {
        let active = self.active?;
        let waits = |(place, path): &(usize, &Path)| *place != active && !path.looking;
        let waiting = self.paths.iter().enumerate().filter(waits);
        waiting.map(|(_, path)| path.look_at).min()
    }

    /// What a look brought: `Err` says why the path would not do.
    pub fn looked(&mut self, path: usize, found: Result<(), String>, now: Mono) -> Looked {
        let Some(active) = self.active.filter(|active| *active != path) else {
            return Looked::default();
        };
        let Some(state) = self.paths.get_mut(path) else { return Looked::default() };
        state.looking = false;
        let soon = self.poll.min(MENDED_WITHIN);
        match found {
            Ok(()) => {
                state.look_at = now.plus(if path < active { soon } else { self.poll });
                let go_back = path < active && state.rests_until <= now;
                state.returned |= go_back;
                Looked { news: self.good(path, Part::Standby), go_back }
            }
            Err(why) => {
                state.misses += 1;
                if state.misses < MISSES {
                    state.look_at = now.plus(SECOND_LOOK.min(self.poll));
                    return Looked::default();
                }
                state.look_at = now.plus(soon);
                Looked { news: self.bad(path, Part::Standby, &why), go_back: false }
            }
        }
    }

    fn good(&mut self, path: usize, part: Part) -> Option<PathNews> {
        let state = self.paths.get_mut(path)?;
        state.works = Some(true);
        state.misses = 0;
        std::mem::take(&mut state.told).then_some(PathNews { path, part, fault: None })
    }

    /// With one path alone there is nothing to tell beside that nobody can be reached.
    fn bad(&mut self, path: usize, part: Part, why: &str) -> Option<PathNews> {
        let several = self.paths.len() > 1;
        let state = self.paths.get_mut(path)?;
        state.works = Some(false);
        let news = several && !std::mem::replace(&mut state.told, several);
        news.then(|| PathNews { path, part, fault: Some(why.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLL: Duration = Duration::from_secs(900);

    fn s(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    fn failed(why: &str) -> Result<(), String> {
        Err(why.to_owned())
    }

    fn fault(path: usize, part: Part, why: &str) -> PathNews {
        PathNews { path, part, fault: Some(why.to_owned()) }
    }

    #[test]
    fn a_standby_is_looked_at_soon_and_then_slowly_and_two_misses_are_a_fault() {
        let mut paths = Standby::new(2, POLL);
        assert_eq!(paths.look(s(0)), None, "nothing is in use");
        paths.connected(0, s(0));
        assert_eq!((paths.look(s(9)), paths.next_look()), (None, Some(s(10))));
        assert_eq!((paths.look(s(10)), paths.look(s(10))), (Some(1), None), "once at a time");
        assert_eq!(paths.looked(1, Ok(()), s(11)), Looked::default());
        assert_eq!(paths.next_look(), Some(s(911)), "the slow poll");
        assert_eq!(paths.look(s(911)), Some(1));
        assert_eq!(paths.looked(1, failed("no answer"), s(912)), Looked::default());
        assert_eq!(paths.look(s(922)), Some(1));
        let looked = paths.looked(1, failed("no answer"), s(923));
        assert_eq!(looked.news, Some(fault(1, Part::Standby, "no answer")));
        // It is told once, and its end within a minute of it.
        assert_eq!(paths.look(s(983)), Some(1));
        assert_eq!(paths.looked(1, failed("no answer"), s(984)), Looked::default());
        assert_eq!(paths.look(s(1044)), Some(1));
        let looked = paths.looked(1, Ok(()), s(1045));
        assert_eq!(looked.news, Some(PathNews { path: 1, part: Part::Standby, fault: None }));
        assert!(!looked.go_back, "it is not the preferred one");
    }

    #[test]
    fn the_standby_that_works_is_promoted_and_the_preferred_one_gone_back_to() {
        let mut paths = Standby::new(3, POLL);
        paths.connected(0, s(0));
        paths.look(s(10));
        paths.looked(1, failed("x"), s(10));
        paths.look(s(20));
        paths.looked(1, failed("x"), s(20));
        let lost = paths.lost(0, "no answer to a ping", false, s(7200));
        assert_eq!(lost, Some(fault(0, Part::Active, "no answer to a ping")));
        assert_eq!(paths.instead_of(0), Some(2), "the second is known to fail");
        assert_eq!(paths.connected(2, s(7201)), None);
        assert_eq!(paths.look(s(7211)), Some(0));
        let looked = paths.looked(0, Ok(()), s(7212));
        assert_eq!(looked.news, Some(PathNews { path: 0, part: Part::Standby, fault: None }));
        assert!(looked.go_back);
    }

    #[test]
    fn a_path_that_is_lost_soon_after_it_was_gone_back_to_rests_longer_each_time() {
        let mut paths = Standby::new(2, POLL);
        paths.connected(0, s(0));
        let mut now = 10_000;
        let mut rests = Vec::new();
        for _ in 0..7 {
            paths.lost(0, "again", false, s(now));
            paths.connected(1, s(now));
            let lost = now;
            loop {
                now += 1;
                if let Some(path) = paths.look(s(now))
                    && paths.looked(path, Ok(()), s(now)).go_back
                {
                    break;
                }
            }
            rests.push(now - lost);
            paths.left(1);
            paths.connected(0, s(now));
            now += 5;
        }
        assert!(rests[0] <= 10, "steady before: {rests:?}");
        for (rest, at_least) in rests[1..].iter().zip([120, 240, 480, 960, 1920, 3600]) {
            assert!((at_least..at_least + 61).contains(rest), "{rests:?}");
        }
    }

    #[test]
    fn a_silent_control_room_is_no_fault_of_the_path_and_not_gone_back_to_at_once() {
        let mut paths = Standby::new(2, POLL);
        paths.connected(0, s(0));
        assert_eq!(paths.lost(0, "the control room confirms nothing", true, s(5000)), None);
        assert_eq!(paths.instead_of(0), Some(1));
        paths.connected(1, s(5000));
        paths.look(s(5010));
        assert!(!paths.looked(0, Ok(()), s(5010)).go_back);
        paths.look(s(5120));
        assert!(paths.looked(0, Ok(()), s(5120)).go_back);
    }

    #[test]
    fn one_path_alone_tells_nothing_of_itself() {
        let mut paths = Standby::new(1, POLL);
        assert!(!paths.all_failed());
        assert_eq!(paths.failed(0, "away"), None);
        assert!(paths.all_failed());
        assert_eq!(paths.connected(0, s(1)), None);
        assert_eq!((paths.next_look(), paths.look(s(9999))), (None, None));
        assert_eq!((paths.lost(0, "x", false, s(2)), paths.instead_of(0)), (None, None));
    }

    proptest! {
        /// Whatever happens to the paths: faults and restores of each alternate, a fault is told
        /// when it is known, and never while the path works.
        #[test]
        fn every_fault_has_its_restore(
            count in 2usize..4, steps in prop::collection::vec((0u8..4, 0usize..4, any::<bool>()), 1..120),
        ) {
            let mut paths = Standby::new(count, POLL);
            let mut open = vec![false; count];
            let mut now = 0;
            for (what, path, good) in steps {
                let path = path % count;
                now += 61;
                let news = match (what, paths.active()) {
                    (0, None) if good => paths.connected(path, s(now)),
                    (0, None) => paths.failed(path, "away"),
                    (1, Some(active)) => paths.lost(active, "cut", good, s(now)),
                    (_, Some(_)) => paths.look(s(now)).and_then(|path| {
                        let found = if good { Ok(()) } else { failed("deaf") };
                        paths.looked(path, found, s(now)).news
                    }),
                    _ => None,
                };
                if let Some(news) = news {
                    let begins = news.fault.is_some();
                    prop_assert_ne!(open[news.path], begins, "told twice");
                    open[news.path] = begins;
                }
                for (path, open) in open.iter().enumerate() {
                    prop_assert_eq!(*open, paths.is_told(path));
                    prop_assert_eq!(*open, paths.works(path) == Some(false));
                }
            }
        }
    }
}
