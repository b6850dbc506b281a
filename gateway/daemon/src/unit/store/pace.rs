//! How fast evidence goes out: never more than the line can spare.

use std::time::Duration;

use gatehouse_core::time::Mono;

/// What may go at once after a pause.
const BURST: Duration = Duration::from_millis(100);

/// A token bucket, kept as the time at which the line is free.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes in a second.
    rate: u64,
    free: Mono,
}

impl Pace {
    pub(super) const fn new(rate: u64) -> Self {
        Self { rate, free: Mono(0) }
    }

    /// So many bytes are to go: how long they wait.
    pub(super) fn take(&mut self, bytes: u64, now: Mono) -> Duration {
        let burst = u64::try_from(BURST.as_nanos()).unwrap_or(u64::MAX);
        let begin = self.free.max(Mono(now.0.saturating_sub(burst)));
        let takes = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.max(1));
        let takes = u64::try_from(takes).unwrap_or(u64::MAX);
        self.free = Mono(begin.0.saturating_add(takes));
        begin.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Sends pieces for so long from `begin` on, each once its wait is over; gives when each went.
    fn sent(pace: &mut Pace, piece: u64, begin: u64, pieces: usize) -> Vec<u64> {
        let mut now = Mono(begin);
        let mut at = Vec::new();
        for _ in 0..pieces {
            now = now.plus(pace.take(piece, now));
            at.push(now.0);
        }
        at
    }

    #[test]
    fn in_no_second_does_more_go_than_the_rate_and_one_burst() {
        let (rate, piece) = (100_000, 16_384);
        let mut pace = Pace::new(rate);
        let at = sent(&mut pace, piece, 5 * SECOND, 300);
        let took = (at[299] - at[0]) / SECOND;
        let bytes = piece * 300;
        assert!((bytes / rate - 1..=bytes / rate + 1).contains(&took), "{bytes} in {took} s");
        for (n, begin) in at.iter().enumerate() {
            let within = at[n..].iter().take_while(|at| **at - begin < SECOND).count() as u64;
            assert!(within * piece <= rate + rate / 10 + piece, "{within} pieces from {n} on");
        }
    }

    #[test]
    fn a_pause_saves_up_no_more_than_a_burst() {
        let mut pace = Pace::new(1_000_000);
        sent(&mut pace, 10_000, SECOND, 100);
        let at = sent(&mut pace, 10_000, 3600 * SECOND, 100);
        let at_once = at.iter().filter(|one| **one == at[0]).count();
        // A tenth of a second's worth, and the piece that fills it.
        assert_eq!(at_once, 11);
    }

    #[test]
    fn a_piece_larger_than_a_burst_goes_and_the_next_waits_for_it() {
        let mut pace = Pace::new(1000);
        assert_eq!(pace.take(10_000, Mono(SECOND)), Duration::ZERO);
        assert_eq!(pace.take(1, Mono(SECOND)), Duration::from_millis(9_900));
    }
}
