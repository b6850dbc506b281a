//! What the demo breaks by itself when it runs for a given time.

use std::time::Duration;

/// One act of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// SIGKILL to the broker.
    CutBroker,
    /// A new broker on the same port, with an empty memory.
    RestoreBroker,
    /// SIGKILL to the box; it comes back by itself.
    CutPower,
    /// Everybody goes home: doors close, and what is on its way arrives.
    Quiet,
}

/// One round of breakage: the broker alone, the box alone, the box while the broker is away.
/// The last is the hardest: only the flash can remember. Times as fractions of a round.
const ROUND: [(f64, Step); 6] = [
    (0.10, Step::CutBroker),
    (0.28, Step::RestoreBroker),
    (0.45, Step::CutPower),
    (0.66, Step::CutBroker),
    (0.74, Step::CutPower),
    (0.88, Step::RestoreBroker),
];

/// A round takes at least this long, so that a box is mostly back before it is broken again.
const ROUND_SECONDS: f64 = 20.0;

/// The share of the time in which people use the doors; the rest is for the last events to arrive.
const BUSY: f64 = 0.7;

/// Everything that happens in a run of this length, in order.
pub(crate) fn plan(length: Duration, calm: bool) -> Vec<(Duration, Step)> {
    let busy = length.mul_f64(BUSY);
    let mut steps = Vec::new();
    if !calm {
        let rounds = rounds(busy);
        let round = busy / rounds;
        for n in 0..rounds {
            let from = round * n;
            steps.extend(ROUND.map(|(part, step)| (from + round.mul_f64(part), step)));
        }
    }
    steps.push((busy, Step::Quiet));
    steps
}

/// At least one round, and as many as fit.
fn rounds(busy: Duration) -> u32 {
    let mut rounds = 1;
    while busy.as_secs_f64() >= ROUND_SECONDS * f64::from(rounds + 1) {
        rounds += 1;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_is_mended_before_the_end_and_the_end_leaves_time_to_arrive() {
        for seconds in [8, 12, 30, 60, 600] {
            let length = Duration::from_secs(seconds);
            let steps = plan(length, false);
            assert!(steps.is_sorted_by_key(|(at, _)| *at));
            let mut up = true;
            for (_, step) in &steps {
                match step {
                    Step::CutBroker => assert!(std::mem::replace(&mut up, false)),
                    Step::RestoreBroker => assert!(!std::mem::replace(&mut up, true)),
                    Step::CutPower | Step::Quiet => {}
                }
            }
            assert!(up, "{steps:?}");
            let (quiet, last) = *steps.last().unwrap();
            assert_eq!(last, Step::Quiet);
            assert!(quiet + length / 4 <= length);
            assert!(steps.iter().filter(|(_, step)| *step == Step::CutPower).count() >= 2);
        }
    }

    #[test]
    fn a_calm_run_breaks_nothing() {
        let steps = plan(Duration::from_secs(30), true);
        assert_eq!(steps, [(Duration::from_secs(21), Step::Quiet)]);
    }
}
