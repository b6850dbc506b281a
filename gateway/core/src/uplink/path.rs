//! Which broker to try next, and when.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::time::Mono;

/// Why a broker could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It could not be reached, or the connection ended.
    Unreachable,
    /// It refused the credentials or the client: nobody but a person mends that.
    Refused,
}

/// With an alarm that has no receipt the next attempt is at most so far away.
const HURRY: Duration = Duration::from_secs(2);

/// So many attempts without success, some minutes, are hurried: then the back-off holds for alarms
/// too, since the broker is not just changing its leader.
const HURRIED: u32 = 100;

/// The next thing to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The broker's place in the configuration.
    pub broker: usize,
    /// Not before this.
    pub at: Mono,
}

#[derive(Clone, Debug)]
struct Broker {
    refused: Backoff,
    /// Not to be tried before.
    rests_until: Mono,
}

/// The brokers in order of preference.
///
/// A round tries each once, in order and without waiting; after a round without success comes the
/// back-off. A broker that refused the credentials has a longer back-off of its own.
#[derive(Clone, Debug)]
pub struct Paths {
    brokers: Vec<Broker>,
    backoff: Backoff,
    /// The next one of this round.
    next: usize,
}

impl Paths {
    /// For so many brokers; at least one.
    pub fn new(brokers: usize) -> Self {
        let broker = Broker { refused: Backoff::REFUSED, rests_until: Mono(0) };
        Self { brokers: vec![broker; brokers.max(1)], backoff: Backoff::UNREACHABLE, next: 0 }
    }

    /// The first attempt.
    pub const fn first(&self, now: Mono) -> Attempt {
        Attempt { broker: 0, at: now }
    }

    /// A connection is up.
    pub fn connected(&mut self, broker: usize) {
        self.backoff.reset();
        self.next = 0;
        if let Some(broker) = self.brokers.get_mut(broker) {
            broker.refused.reset();
            broker.rests_until = Mono(0);
        }
    }

    /// A connection that was up has ended: `instead` is tried at once, if there is one that may
    /// work; or the first after a short random wait.
    pub fn lost(&mut self, instead: Option<usize>, now: Mono, random: f64) -> Attempt {
        if let Some(broker) = instead {
            return Attempt { broker, at: now };
        }
        self.next = 0;
        let wait = self.backoff.next(random);
        self.choose(now.plus(wait))
    }

    /// An attempt has failed.
    pub fn failed(&mut self, broker: usize, failure: Failure, now: Mono, random: f64) -> Attempt {
        if failure == Failure::Refused
            && let Some(broker) = self.brokers.get_mut(broker)
        {
            broker.rests_until = now.plus(broker.refused.next(random));
        }
        self.next = broker + 1;
        if self.next < self.brokers.len() {
            return self.choose(now);
        }
        self.next = 0;
        let wait = self.backoff.next(random);
        self.choose(now.plus(wait))
    }

    /// The same attempt, sooner: an alarm waits. Not sooner than a broker that refused may be asked.
    pub fn hurried(&self, attempt: Attempt, now: Mono, random: f64) -> Attempt {
        if self.backoff.attempts() > HURRIED {
            return attempt;
        }
        let wait = HURRY.mul_f64(0.25 + 0.75 * random.clamp(0.0, 1.0));
        let rests_until = self.brokers.get(attempt.broker).map_or(now, |b| b.rests_until);
        let at = now.plus(wait).max(rests_until);
        Attempt { broker: attempt.broker, at: attempt.at.min(at) }
    }

    /// The next broker of this round that does not rest; if all do, the one that rests shortest.
    fn choose(&self, at: Mono) -> Attempt {
        let order = (self.next..self.brokers.len()).chain(0..self.next);
        let ready = |broker: usize| self.brokers.get(broker).map_or(at, |b| b.rests_until.max(at));
        let best = order.min_by_key(|broker| ready(*broker)).unwrap_or(0);
        Attempt { broker: best, at: ready(best) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_round_tries_each_broker_at_once_and_then_waits() {
        let mut paths = Paths::new(3);
        let now = Mono(S);
        assert_eq!(paths.first(now), Attempt { broker: 0, at: now });
        for broker in [0, 1] {
            let next = paths.failed(broker, Failure::Unreachable, now, 1.0);
            assert_eq!(next, Attempt { broker: broker + 1, at: now });
        }
        let next = paths.failed(2, Failure::Unreachable, now, 1.0);
        assert_eq!((next.broker, next.at.since(now).as_millis()), (0, 500));
    }

    #[test]
    fn a_broker_that_refuses_is_left_alone_while_another_is_there() {
        let mut paths = Paths::new(2);
        let now = Mono(S);
        let next = paths.failed(0, Failure::Refused, now, 1.0);
        assert_eq!(next, Attempt { broker: 1, at: now });
        let next = paths.failed(1, Failure::Unreachable, now, 1.0);
        assert_eq!((next.broker, next.at.since(now).as_millis()), (1, 500));
        // Alone, it is knocked at by its own slow schedule.
        let mut paths = Paths::new(1);
        let next = paths.failed(0, Failure::Refused, now, 1.0);
        assert_eq!((next.broker, next.at.since(now).as_secs()), (0, 30));
    }

    #[test]
    fn an_alarm_does_not_wait_out_the_back_off_but_a_refusal_and_not_for_ever() {
        let mut paths = Paths::new(1);
        let mut now = Mono(S);
        for attempt in 0..200 {
            let next = paths.failed(0, Failure::Unreachable, now, 1.0);
            let soon = paths.hurried(next, now, 1.0);
            let least = paths.hurried(next, now, 0.0).at.since(now).as_millis();
            if attempt < 100 {
                assert!(soon.at <= next.at && soon.at.since(now) <= HURRY, "{attempt}");
                assert!(attempt < 2 || least == 500, "{attempt}: {least}");
            } else {
                assert_eq!(soon, next);
            }
            now = next.at;
        }
        paths.connected(0);
        let refused = paths.failed(0, Failure::Refused, now, 1.0);
        assert_eq!(paths.hurried(refused, now, 1.0), refused);
        // What is to be tried sooner anyway is.
        paths.connected(0);
        let first = paths.first(now);
        assert_eq!(paths.hurried(first, now, 1.0), first);
    }

    #[test]
    fn a_lost_connection_leads_to_the_standby_at_once_or_to_the_first_after_a_wait() {
        let mut paths = Paths::new(2);
        let now = Mono(S);
        paths.connected(0);
        assert_eq!(paths.lost(Some(1), now, 1.0), Attempt { broker: 1, at: now });
        paths.connected(1);
        let next = paths.lost(None, now, 1.0);
        assert_eq!((next.broker, next.at.since(now).as_millis()), (0, 500));
        // The standby that was tried at once and fails is not the end of the round.
        let mut paths = Paths::new(2);
        paths.connected(0);
        paths.lost(Some(1), now, 1.0);
        let next = paths.failed(1, Failure::Unreachable, now, 1.0);
        assert_eq!((next.broker, next.at.since(now).as_millis()), (0, 500));
    }
}
