//! Going back: what the broker took and threw away, or lost, is sent again in order.

use std::time::Duration;

use crate::id::Seq;
use crate::time::Mono;

/// The first wait for somebody to listen; doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(1);
/// See [`FIRST`]. The control room's own word that it is there ends it at once.
const LONGEST: Duration = Duration::from_secs(30);

/// Where to go back to, and when. While it is set, nothing new is handed over.
#[derive(Debug, Default)]
pub(super) struct Rewind {
    /// Everything after this goes again, not before that.
    to: Option<(Seq, Mono)>,
    /// How often nobody has listened, since somebody last did.
    unheard: u32,
}

impl Rewind {
    /// Nobody listened to this event.
    pub(super) fn unheard(&mut self, seq: Seq, now: Mono) {
        let after = Seq(seq.0.saturating_sub(1));
        if let Some((to, _)) = &mut self.to {
            // The rest of the same window: the wait has begun already.
            *to = after.min(*to);
        } else {
            let wait = (FIRST * (1 << self.unheard.min(5))).min(LONGEST);
            self.unheard = self.unheard.saturating_add(1);
            self.to = Some((after, now.plus(wait)));
        }
    }

    /// Everything after this goes again, at once.
    pub(super) fn from(&mut self, after: Seq, now: Mono) {
        let after = self.to.map_or(after, |(to, _)| to.min(after));
        self.to = Some((after, now));
    }

    /// Somebody listens.
    pub(super) const fn heard(&mut self) {
        self.unheard = 0;
    }

    /// Somebody has come who listens: no more waiting.
    pub(super) fn now(&mut self, now: Mono) {
        self.unheard = 0;
        if let Some((_, at)) = &mut self.to {
            *at = now.min(*at);
        }
    }

    /// Whether it is time to go back. Then it is done.
    pub(super) fn due(&mut self, now: Mono) -> bool {
        let due = self.to.is_some_and(|(_, at)| at <= now);
        if due {
            self.to = None;
        }
        due
    }

    pub(super) const fn is_none(&self) -> bool {
        self.to.is_none()
    }

    /// No broker is believed to have anything after this.
    pub(super) fn after(&self) -> Option<Seq> {
        self.to.map(|(after, _)| after)
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.to.map(|(_, at)| at)
    }

    pub(super) const fn done(&mut self) {
        self.to = None;
    }
}
