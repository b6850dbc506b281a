//! One gateway as the database's thread holds it.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::contract::{AlarmState, GatewayState, Heartbeat, RetainedState, Status};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Mono, Now};
use gatehouse_core::topic::Address;

use crate::gaps::GapTracker;
use crate::life::{Life, Vital};
use crate::pictures::Pace;
use crate::receipts::Owed;
use crate::snapshot::GatewayView;
use crate::states::{Kind, States};
use crate::store::Loaded;

/// Ranges of holes that a [`GatewayView`] carries.
const SHOWN_HOLES: usize = 4;

#[derive(Debug)]
pub(crate) struct Correspondent {
    pub(crate) address: Arc<Address>,
    /// Its row in the database and the row's revision; none before its first event, and when it
    /// is to be read anew.
    pub(crate) known: Option<(i64, i64)>,
    /// What is noted of its numbers may not be what is in the database.
    pub(crate) doubtful: bool,
    /// Rows of what it sent before it began anew.
    pub(crate) former: Vec<i64>,
    pub(crate) tracker: GapTracker,
    /// Number and hash of the event stored last: the chain's next link is checked without a look
    /// into the database.
    pub(crate) tip: Option<(Seq, [u8; 32])>,
    pub(crate) owed: Owed,
    pub(crate) counts: Counts,
    pub(crate) pictures: Pace,
    vital: Vital,
    states: States,
    heartbeat: Option<(Mono, Arc<Heartbeat>)>,
    /// What was logged last, so that a change is logged once.
    life: Life,
    /// Where it stands in the order of what is due.
    pub(crate) due: Option<Mono>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
    pub(crate) quarantined: u64,
    pub(crate) breaks: u64,
}

impl Correspondent {
    pub(crate) fn new(address: Arc<Address>) -> Self {
        Self {
            address,
            known: None,
            doubtful: false,
            former: Vec::new(),
            tracker: GapTracker::default(),
            tip: None,
            owed: Owed::default(),
            counts: Counts::default(),
            pictures: Pace::default(),
            vital: Vital::default(),
            states: States::default(),
            heartbeat: None,
            life: Life::default(),
            due: None,
        }
    }

    /// Takes over what the database knows: at the start, after a commit that failed, and when
    /// another receiver has committed for this gateway.
    pub(crate) fn restore(&mut self, loaded: Loaded) {
        let Loaded { row, revision, former, mut tracker, counts } = loaded;
        if self.former != former {
            // It began anew: what is known of its chain is of another life.
            self.tip = None;
        }
        tracker.inherit(&self.tracker);
        self.known = Some((row, revision));
        self.doubtful = false;
        self.former = former;
        self.tracker = tracker;
        self.counts = counts;
    }

    /// What is known of it was not committed, or may not have been.
    pub(crate) fn doubt(&mut self) {
        self.known = None;
        self.doubtful = true;
        self.tip = None;
    }

    /// Its flash was wiped: it numbers events and sessions from 1 again, and is another from now on.
    pub(crate) fn begin_anew(&mut self, row: i64, session: u64) {
        self.former.extend(self.known.replace((row, 0)).map(|(row, _)| row));
        self.tracker = GapTracker::default();
        self.tip = None;
        self.owed = Owed::default();
        self.counts = Counts::default();
        // Or what it says of itself were of an older session.
        self.vital = Vital::default();
        self.states.forget_incidents_after(session);
    }

    pub(crate) fn event(&mut self, session: u64) {
        self.vital.event(session);
    }

    pub(crate) fn status(&mut self, status: &Status, now: Now) {
        if !self.vital.status(status, now.mono) {
            tracing::debug!(gateway = %self.address, session = status.session,
                "a status of an older session is passed over");
            return;
        }
        match status.state {
            // A gateway with nothing new to send learns where it stands.
            GatewayState::Starting => self.owed.at_once(),
            GatewayState::Online => {
                self.owed.at_once();
                self.owed.ask_again();
                // Every open incident was told before it said so.
                self.states.forget_incidents_before(status.session);
            }
            GatewayState::Stopping | GatewayState::Updating | GatewayState::Lost => {}
        }
    }

    pub(crate) fn heartbeat(&mut self, beat: Heartbeat, now: Now) {
        if !self.vital.heartbeat(&beat, now.mono) {
            return;
        }
        if beat.host_upto < self.tracker.upto() {
            // It does not know what we have: a receipt was lost with a broker's memory.
            self.owed.at_once();
        }
        self.heartbeat = Some((now.mono, Arc::new(beat)));
    }

    /// A retained state of a thing; none: the gateway has it no more.
    pub(crate) fn thing(&mut self, kind: Kind, id: &str, state: Option<RetainedState>, now: Now) {
        self.states.thing(&self.address, kind, id, state, now.utc);
    }

    /// A retained incident; none: it is closed.
    pub(crate) fn incident(&mut self, id: &str, state: Option<AlarmState>, now: Now) {
        self.states.incident(&self.address, id, state, now.utc);
    }

    pub(crate) fn life(&self, now: Mono, period: Duration) -> Life {
        self.vital.life(now, period)
    }

    /// Logs a change of life once, where it is noticed.
    pub(crate) fn notice(&mut self, now: Mono, period: Duration) {
        let life = self.life(now, period);
        let before = std::mem::replace(&mut self.life, life);
        match life {
            _ if life == before => {}
            Life::Lost | Life::Suspect => {
                tracing::warn!(gateway = %self.address, life = life.as_str(), "gateway");
            }
            _ => tracing::info!(gateway = %self.address, life = life.as_str(), "gateway"),
        }
    }

    /// When something is to be done for it without further messages.
    pub(crate) fn next_due(&self, now: Mono, period: Duration) -> Option<Mono> {
        let reachable = self.life(now, period).reachable();
        let receipt = self.owed.due(&self.tracker, reachable);
        let silence = self.vital.next_change(now, period);
        let expiry =
            self.states.valid_s().and_then(|s| self.vital.expiry(s)).filter(|at| *at > now);
        [receipt, silence, expiry].into_iter().flatten().min()
    }

    pub(crate) fn view(&self, now: Mono, period: Duration) -> GatewayView {
        let [doors, zones, partitions, readers, outputs, cameras] =
            self.states.things(|state| self.vital.believed(state, now, period));
        let known = |session| self.vital.is_current(session, now, period);
        GatewayView {
            life: self.life(now, period),
            session: self.vital.session(),
            upto: self.tracker.upto(),
            head: self.tracker.head(),
            holes: self.tracker.holes().take(SHOWN_HOLES).collect(),
            missing: self.tracker.missing(),
            began_anew: self.former.len() as u64,
            received: self.counts.received,
            duplicates: self.counts.duplicates,
            conflicts: self.counts.conflicts,
            quarantined: self.counts.quarantined,
            breaks: self.counts.breaks,
            heartbeat: self.heartbeat.clone(),
            doors,
            zones,
            partitions,
            readers,
            outputs,
            cameras,
            pictures: self.pictures.stored,
            incidents: self.states.incidents(known),
        }
    }
}
