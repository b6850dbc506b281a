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
#[derive(Clone, Debug)]
pub struct Ladder {
    settings: HealthSettings,
    measure: Measure,
    started: Mono,
    last_picture: Option<Mono>,
    /// How it is lost; `None` while a session stands.
    loss: Option<Loss>,
    told: Option<State>,
    /// In which direction it has left what was told, and since when.
    away: Option<(Away, Mono)>,
    last: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Away {
    Worse,
    Better,
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
            away: None,
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
        report.or_else(|| self.tick(at))
    }

    /// Time has passed. To be called at least every second: what is due is told then.
    pub fn tick(&mut self, now: Mono) -> Option<Report> {
        let now = now.max(self.last);
        self.last = now;
        let state = self.state_at(now)?;
        let rank = state.rank();
        let away = match self.told {
            // The first report: up is good news, and anything else bad.
            None if rank == 0 => Away::Better,
            None => Away::Worse,
            Some(told) if rank > told.rank() => Away::Worse,
            Some(told) if rank < told.rank() => Away::Better,
            Some(_) => {
                self.away = None;
                return None;
            }
        };
        let since = match self.away {
            Some((same, since)) if same == away => since,
            _ => {
                let since = self.began(state, now);
                self.away = Some((away, since));
                since
            }
        };
        let hold = match away {
            Away::Worse => self.settings.loss_after,
            Away::Better => self.settings.restore_after,
        };
        if now.since(since) < hold {
            return None;
        }
        let report = Report { state, before: self.told, since, counters: self.measure.counters };
        self.told = Some(state);
        self.away = None;
        Some(report)
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

    /// Since when: of a silence that is, since the last picture.
    fn began(&self, state: State, now: Mono) -> Mono {
        match state {
            State::Silent(Cause::Stalled) => self.last_picture.unwrap_or(self.started),
            _ => now,
        }
    }
}

#[cfg(test)]
mod tests;
