//! Evidence gives way: nothing of it goes while an alarm waits for its broker's PUBACK.

use std::time::Duration;

use gatehouse_core::time::Mono;
use gatehouse_journal::{Cursors, Journal};
use tokio::sync::watch;

use crate::board::Board;
use crate::clock::Clock;

/// How often it is looked while it is shut.
const LOOK: Duration = Duration::from_millis(200);

/// While no broker can be reached alarms wait for longer than evidence should: it may be all that gets
/// out. The uplink has had this long, and what it connects to shuts the gate again at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether evidence may go.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) heads: watch::Receiver<Cursors>,
    pub(super) journal: Journal,
    pub(super) board: Board,
    pub(super) clock: Clock,
    /// Since when alarms wait and there is no broker.
    pub(super) alone: Option<Mono>,
}

/// What is known of the uplink.
#[derive(Clone, Copy, Debug)]
struct Seen {
    connected: bool,
    alarms_wait: bool,
}

impl Gate {
    /// Whether evidence may go now.
    pub(super) fn is_open(&mut self) -> bool {
        let head = self.heads.borrow().alarm;
        let (connected, alarms) = {
            let view = self.board.view();
            (view.uplink.broker.is_some(), view.uplink.alarms)
        };
        let alarms_wait = if connected {
            // The uplink hears of an alarm a moment after it was stored.
            alarms.wait || head > alarms.upto
        } else {
            head > self.journal.delivered().acked.unwrap_or_default().alarm
        };
        let seen = Seen { connected, alarms_wait };
        opens(seen, &mut self.alone, self.clock.mono())
    }

    /// Ready once it may go.
    pub(super) async fn opened(&mut self) {
        while !self.is_open() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The same, no longer than this; false: it is shut still.
    pub(super) async fn opens_within(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.opened()).await.is_ok()
    }
}

fn opens(seen: Seen, alone: &mut Option<Mono>, now: Mono) -> bool {
    if !seen.alarms_wait || seen.connected {
        *alone = None;
        return !seen.alarms_wait;
    }
    now.since(*alone.get_or_insert(now)) >= PATIENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_that_wait_shut_it_for_as_long_as_there_is_a_broker_to_take_them() {
        let mut alone = None;
        let at = |seconds: u64| Mono(seconds * 1_000_000_000);
        let mut is_open = |connected, alarms_wait, seconds| {
            opens(Seen { connected, alarms_wait }, &mut alone, at(seconds))
        };
        assert!(is_open(true, false, 1) && is_open(false, false, 1));
        assert!(!is_open(true, true, 2) && !is_open(true, true, 10_000));
        // The broker goes: it has its time to come back.
        assert!(!is_open(false, true, 10_001) && !is_open(false, true, 10_060));
        assert!(is_open(false, true, 10_061));
        // It comes back, and the alarm is on its way.
        assert!(!is_open(true, true, 10_062));
        assert!(is_open(true, false, 10_063));
        // Another outage has its own time.
        assert!(!is_open(false, true, 10_064) && !is_open(false, true, 10_123));
        assert!(is_open(false, true, 10_124));
    }
}
