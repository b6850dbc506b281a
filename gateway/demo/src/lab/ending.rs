//! The end of the demo: mend, let arrive, stop in order, show the verdict.

use std::time::Duration;

use tokio::time::{Instant, interval};

use super::Lab;
use crate::error::DemoError;
use crate::outcome::Outcome;
use crate::page::Act;
use crate::story::BreakIn;
use crate::teller::Tone;
use crate::view::Cuts;
use crate::watcher::Seen;

/// How long a viewer who has ended the demo waits for events that are still on the way. A second
/// Ctrl-C cuts it short.
const LAST_EVENTS: Duration = Duration::from_secs(15);

/// How long the control room may take for the last event after the box has stopped.
const LAST_EVENT: Duration = Duration::from_secs(3);

/// What a run leaves for the verdict.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) seen: Seen,
    pub(crate) cuts: Cuts,
    /// Edges of doors that a powered box saw.
    pub(crate) edges_seen: u64,
    pub(crate) drained: bool,
    pub(crate) break_in: Option<BreakIn>,
}

impl Lab<'_> {
    /// Stops every part in order: the box first, since it still has something to say.
    pub(crate) async fn stop(&mut self, drained: bool) -> Result<Remains, DemoError> {
        self.quiet = true;
        if !drained {
            self.mend().await?;
            self.wait_for_all(LAST_EVENTS).await;
        }
        // As the control room sees it, before the box says goodbye.
        let still_armed = self.watcher.armed("perimeter");
        let shown = self.break_in.as_ref().map(|shown| *shown.borrow());
        let break_in = shown.map(|shown| BreakIn { still_armed, ..shown });
        if let Some(gatebox) = self.gatebox.take() {
            self.teller.say(Tone::Faint, "stopping the box in order");
            gatebox.stop().await.map_err(DemoError::Box)?;
        }
        self.wait_for_all(LAST_EVENT).await;
        while let Ok(event) = self.committed.try_recv() {
            self.committed(&event);
        }
        while let Ok(passed) = self.passed.try_recv() {
            self.watcher.passed(&passed);
        }
        self.look();
        if let Some(receiver) = self.receiver.take() {
            receiver.stop().await;
        }
        if let Some(broker) = self.broker.take() {
            broker.cut().await.map_err(DemoError::Part)?;
        }
        let world = *self.world.watch().borrow();
        Ok(Remains {
            seen: self.watcher.seen(),
            cuts: self.cuts,
            edges_seen: world.doors.seen(),
            drained,
            break_in,
        })
    }

    /// Mends what is cut, so that what waits on flash can still arrive before it is counted.
    async fn mend(&mut self) -> Result<(), DemoError> {
        if self.broker.is_none() || self.gatebox.is_none() {
            self.say(Tone::Plain, "mending what is cut, so that what waits can arrive");
        }
        if self.broker.is_none() {
            // It cannot be up already, so there is no refusal.
            let _ = self.act(Act::RestoreBroker).await?;
        }
        self.power_back()
    }

    /// Waits until the control room has all that is stored, at most so long.
    async fn wait_for_all(&mut self, limit: Duration) {
        let limit = Instant::now() + limit;
        let mut look = interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            self.look();
            if self.watcher.all_received() || Instant::now() > limit {
                return;
            }
        }
    }

    /// Shows the verdict on the page, and closes it.
    pub(crate) async fn close(mut self, outcome: &Outcome) {
        /// An open page takes the last snapshot off its socket in a few milliseconds.
        const LAST_LOOK: Duration = Duration::from_millis(200);
        self.watcher.verdict(outcome, self.cuts);
        tokio::time::sleep(LAST_LOOK).await;
        self.tasks.shutdown().await;
    }
}
