//! One camera's ladder: how far up it is, and when to say so.

use std::time::Duration;

use gatehouse_core::time::Mono;

use super::measure::{Counters, Measure, Shortfall};
use super::seen::{Cause, Loss, Seen};

/// How far up a camera is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Pictures come as they should.
    Up,
    /// Pictures come, and something is wrong with them.
    Degraded(Shortfall),
    /// It is there and gives no pictures.
    Silent(Cause),
    /// It refuses the credentials: a person must mend that.
    Unauthorised,
    /// Nothing answers at its address.
    Unreachable,
}

impl State {
    /// Higher is worse.
    pub fn rank(self) -> u8 {
        match self {
            Self::Up => 0,
            Self::Degraded(_) => 1,
            Self::Silent(_) => 2,
            Self::Unauthorised => 3,
            Self::Unreachable => 4,
        }
    }

    /// Whether pictures come.
    pub fn shows(self) -> bool {
        self.rank() < 2
    }
}

/// What is wanted of a camera, and how long a change must last to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthSettings {
    /// A change for the worse is told when it has lasted so long.
    pub loss_after: Duration,
    /// A change for the better is told when it has lasted so long.
    pub restore_after: Duration,
    /// Without a picture for so long it is silent, even if no source said so.
    pub silent_after: Duration,
    /// The size that its pictures must have, in pixels.
    pub size: Option<(u32, u32)>,
    /// The least number of pictures in 100 s.
    pub least_per_100_s: Option<u32>,
    /// How far its clock may be off ours, in thousandths, over 20 s.
    pub drift_per_mille: u32,
    /// So many pictures of 10 minutes that cannot be decoded degrade it.
    pub undecodable: usize,
    /// So many losses in 10 minutes degrade it while it is there. At most 64.
    pub unstable_losses: usize,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            // A camera that loses its session has it again within that; a guard needs no sooner.
            loss_after: Duration::from_secs(10),
            // Longer than the way down: what flaps is not up.
            restore_after: Duration::from_secs(30),
            // Above every source's own limit for a stall.
            silent_after: Duration::from_secs(6),
            size: None,
            least_per_100_s: None,
            // 20 s of real time and one late packet of a second are still right.
            drift_per_mille: 100,
            undecodable: 10,
            unstable_losses: 4,
        }
    }
}

/// A change that has lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is now.
    pub state: State,
    /// What was told before; `None` in the first report.
    pub before: Option<State>,
    /// Since when it is no longer as told before.
    pub since: Mono,
    /// All that was counted.
    pub counters: Counters,
}

impl Report {
    /// Whether this is worse than what was told before.
    pub fn is_loss(&self) -> bool {
        self.state.rank() > self.before.map_or(0, State::rank)
    }
}

/// The ladder of one camera. Until something was seen it is unknown, which is no state: the first
/// report comes after the hold-off of what it is then.
///
/// That no pictures come is told within `loss_after` of the loss (and of `silent_after`, where no
/// source says it); the rung that it has then is told with it, and another one after another
/// `loss_after`. A restore tells the worst of the last `restore_after`.
#[derive(Clone, Debug)]
pub struct Ladder {
    settings: HealthSettings,
    measure: Measure,
    started: Mono,
    last_picture: Option<Mono>,
    /// How it is lost; `None` while a session stands.
    loss: Option<Loss>,
    told: Option<State>,
    held: Held,
    last: Mono,
}

/// Ranks of [`State`].
const RANKS: usize = 5;

/// The first rank without pictures.
const LOST: usize = 2;

/// For how long what has held.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Since when it is of this rank or a worse one.
    at_least: [Option<Mono>; RANKS],
    /// Since when it is of this rank or a better one.
    at_most: [Option<Mono>; RANKS],
    /// The last state of each rank.
    last: [Option<State>; RANKS],
}

impl Ladder {
    /// A camera of which nothing is known at `now`.
    pub fn new(settings: HealthSettings, now: Mono) -> Self {
        Self {
            settings,
            measure: Measure::default(),
            started: now,
            last_picture: None,
            loss: None,
            told: None,
            held: Held::default(),
            last: now,
        }
    }

    /// Something was seen. A report is due at the next [`Ladder::tick`] at the latest.
    pub fn seen(&mut self, at: Mono, seen: Seen) -> Option<Report> {
        let at = at.max(self.last);
        // Silence that nobody told of must count before the picture that ends it.
        let report = self.tick(at);
        self.measure.seen(at, seen, &self.settings);
        match seen {
            Seen::Picture { .. } => {
                self.last_picture = Some(at);
                self.loss = None;
            }
            Seen::Lost(loss) => self.loss = Some(loss),
            // It answers again, but shows nothing: no longer unreachable.
            Seen::Answered if matches!(self.loss, Some(Loss::Unreachable | Loss::Unauthorised)) => {
                self.loss = Some(Loss::Silent(Cause::Stalled));
            }
            Seen::Answered | Seen::Gap { .. } | Seen::Undecodable => {}
        }
        if report.is_some() {
            // One at a time; what this makes due is told at the next tick.
            self.note(at);
            return report;
        }
        self.tick(at)
    }

    /// Time has passed. To be called at least every second: what is due is told then.
    pub fn tick(&mut self, now: Mono) -> Option<Report> {
        let state = self.note(now)?;
        let (state, since) = self.worse(state).or_else(|| self.better(state))?;
        let report = Report { state, before: self.told, since, counters: self.measure.counters };
        self.told = Some(state);
        Some(report)
    }

    /// Notes what it is now.
    fn note(&mut self, now: Mono) -> Option<State> {
        let now = now.max(self.last);
        self.last = now;
        let state = self.state_at(now)?;
        let rank = usize::from(state.rank());
        let began = match state {
            // Of a silence that is, since the last picture.
            State::Silent(Cause::Stalled) => self.last_picture.unwrap_or(self.started),
            _ => now,
        };
        let held = &mut self.held;
        held.last[rank] = Some(state);
        for (at, since) in held.at_least.iter_mut().enumerate() {
            *since = (at <= rank).then(|| since.unwrap_or(began));
        }
        for (at, since) in held.at_most.iter_mut().enumerate() {
            *since = (at >= rank).then(|| since.unwrap_or(now));
        }
        Some(state)
    }

    /// What is to be told when it has been worse than told for long enough, and since when.
    fn worse(&self, state: State) -> Option<(State, Mono)> {
        let rank = usize::from(state.rank());
        let told = self.told.map_or(0, |told| usize::from(told.rank()));
        let held = |at: usize| {
            self.held.at_least[at].filter(|&at| self.last.since(at) >= self.settings.loss_after)
        };
        if rank <= told {
            return None;
        }
        // Without pictures is without pictures, through whatever ranks it fell.
        let counts = if told < LOST { rank.min(LOST) } else { rank };
        if let Some(since) = held(counts) {
            return Some((state, since));
        }
        // It was degraded for so long, and a moment ago it was lost: that is news for later.
        let degraded = held(1).filter(|_| told == 0)?;
        Some((self.held.last[1]?, degraded))
    }

    /// What is to be told when it has been better than told for long enough, and since when: the
    /// worst of that time.
    fn better(&self, state: State) -> Option<(State, Mono)> {
        let rank = usize::from(state.rank());
        let told = self.told.map_or(RANKS, |told| usize::from(told.rank()));
        (rank..told).find_map(|at| {
            let since = self.held.at_most[at]?;
            let long = self.last.since(since) >= self.settings.restore_after;
            long.then_some((self.held.last[at]?, since))
        })
    }

    /// What was told last.
    pub fn told(&self) -> Option<State> {
        self.told
    }

    /// What it is at this moment, told or not; `None`: nothing is known yet.
    pub fn state_at(&mut self, now: Mono) -> Option<State> {
        let shows = self.last_picture.is_some_and(|at| now.since(at) < self.settings.silent_after);
        Some(match (self.loss, shows) {
            // Lost a moment ago: pictures of before say nothing of now.
            (Some(Loss::Unreachable), _) => State::Unreachable,
            (Some(Loss::Unauthorised), _) => State::Unauthorised,
            (Some(Loss::Silent(cause)), _) => State::Silent(cause),
            (None, true) => match self.measure.shortfall(now, &self.settings) {
                Some(shortfall) => State::Degraded(shortfall),
                None => State::Up,
            },
            (None, false) => {
                let known = self.last_picture.unwrap_or(self.started);
                if now.since(known) < self.settings.silent_after {
                    return None;
                }
                State::Silent(Cause::Stalled)
            }
        })
    }
}

#[cfg(test)]
mod tests;
