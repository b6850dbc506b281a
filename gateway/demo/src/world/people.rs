//! People who use the doors: a random walk, as a pure function of time and chance.
//!
//! Each door has a [`Habit`]. Now and then somebody props a door open, so that held-open can be
//! seen. A door that the viewer has touched belongs to the viewer for a while.

use super::DOORS;

/// How people use a door.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    /// Mean time between two uses, in seconds.
    pub(crate) idle_s: f64,
    /// Shortest and longest time it stands open, in seconds.
    pub(crate) open_s: (f64, f64),
    /// How often it is left propped open instead, 0 to 1.
    pub(crate) propped: f64,
}

/// How long a propped door stays open: longer than [`super::HELD_OPEN_S`], so that it shows.
const PROPPED_S: (f64, f64) = (11.0, 18.0);

/// How long a door belongs to the viewer after a click.
const VIEWERS_OWN_MS: u64 = 45_000;

/// What is next at one door, and when.
#[derive(Clone, Copy, Debug)]
struct Plan {
    at_ms: u64,
    open: bool,
}

/// The people of the building.
#[derive(Debug)]
pub(crate) struct People {
    chance: fastrand::Rng,
    pace: f64,
    plans: [Plan; DOORS.len()],
}

impl People {
    /// People whose day begins at `now_ms`. `pace` 1 is a calm afternoon; 10 is the rush hour:
    /// ten times as many uses, each ten times as quick (a propped door stays as long as ever).
    pub(crate) fn new(seed: u64, pace: f64, now_ms: u64) -> Self {
        let mut people = Self {
            chance: fastrand::Rng::with_seed(seed),
            pace: pace.clamp(0.1, 100.0),
            plans: [Plan { at_ms: now_ms, open: true }; DOORS.len()],
        };
        for (plan, door) in people.plans.iter_mut().zip(DOORS) {
            // The first use comes anywhere within the mean, so that doors do not start in step.
            let first = people.chance.f64() * door.habit.idle_s / people.pace;
            plan.at_ms = now_ms + milliseconds(first);
        }
        people
    }

    /// The time of the next act.
    pub(crate) fn next_ms(&self) -> u64 {
        self.plans.iter().map(|plan| plan.at_ms).min().unwrap_or(u64::MAX)
    }

    /// Everything that people do up to `now_ms`: which door, and whether it is opened.
    pub(crate) fn due(&mut self, now_ms: u64) -> Vec<(usize, bool)> {
        let mut acts = Vec::new();
        for door in 0..DOORS.len() {
            let plan = self.plans[door];
            if plan.at_ms > now_ms {
                continue;
            }
            acts.push((door, plan.open));
            let wait = if plan.open { self.open_for(door) } else { self.idle_for(door) };
            self.plans[door] = Plan { at_ms: now_ms + milliseconds(wait), open: !plan.open };
        }
        acts
    }

    /// The viewer used this door; people leave it alone for a while, and then find it like that.
    pub(crate) fn viewer_used(&mut self, door: usize, open: bool, now_ms: u64) {
        if let Some(plan) = self.plans.get_mut(door) {
            *plan = Plan { at_ms: now_ms + VIEWERS_OWN_MS, open: !open };
        }
    }

    fn open_for(&mut self, door: usize) -> f64 {
        let habit = DOORS[door].habit;
        // Propped doors keep their length in a rush hour, so they must become rarer there.
        if self.chance.f64() < habit.propped / self.pace {
            return self.between(PROPPED_S);
        }
        self.between(habit.open_s) / self.pace
    }

    /// Memoryless, as arrivals of people are.
    fn idle_for(&mut self, door: usize) -> f64 {
        let chance = self.chance.f64().max(0.001);
        -chance.ln() * DOORS[door].habit.idle_s / self.pace
    }

    fn between(&mut self, (low, high): (f64, f64)) -> f64 {
        low + self.chance.f64() * (high - low)
    }
}

/// Seconds to milliseconds; at least 40, since nobody swings a door faster than that.
fn milliseconds(seconds: f64) -> u64 {
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(40)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All acts of the first `until` milliseconds.
    fn day(people: &mut People, until: u64) -> Vec<(u64, usize, bool)> {
        let mut acts = Vec::new();
        loop {
            let now = people.next_ms();
            if now > until {
                return acts;
            }
            acts.extend(people.due(now).into_iter().map(|(door, open)| (now, door, open)));
        }
    }

    #[test]
    fn every_door_is_used_and_each_opening_is_followed_by_its_closing() {
        let acts = day(&mut People::new(7, 1.0, 0), 600_000);
        for door in 0..DOORS.len() {
            let of_door: Vec<_> = acts.iter().filter(|act| act.1 == door).collect();
            assert!(of_door.len() > 4, "{door}: {of_door:?}");
            for (n, act) in of_door.iter().enumerate() {
                assert_eq!(act.2, n % 2 == 0, "{door}: {of_door:?}");
            }
        }
    }

    #[test]
    fn now_and_then_a_door_is_held_open_but_mostly_not() {
        let acts = day(&mut People::new(7, 1.0, 0), 3_600_000);
        let mut opened = [0; DOORS.len()];
        let (mut held, mut short) = (0, 0);
        for (at, door, open) in acts {
            if open {
                opened[door] = at;
            } else if at - opened[door] > u64::from(super::super::HELD_OPEN_S) * 1000 {
                held += 1;
            } else {
                short += 1;
            }
        }
        assert!(held > 10 && short > 5 * held, "held {held}, short {short}");
    }

    #[test]
    fn a_door_that_the_viewer_opened_stays_the_viewers_and_is_closed_by_people_later() {
        let mut people = People::new(7, 50.0, 0);
        people.viewer_used(3, true, 1_000);
        let acts = day(&mut people, 1_000 + 2 * VIEWERS_OWN_MS);
        let first = acts.iter().find(|act| act.1 == 3).unwrap();
        assert_eq!((first.0, first.2), (1_000 + VIEWERS_OWN_MS, false));
    }

    #[test]
    fn the_rush_hour_is_as_much_busier_as_it_says() {
        let calm = day(&mut People::new(7, 1.0, 0), 600_000).len();
        let rush = day(&mut People::new(7, 10.0, 0), 600_000).len();
        assert!(rush > 6 * calm && rush < 14 * calm, "calm {calm}, rush {rush}");
    }
}
