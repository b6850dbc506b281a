//! The way of effects through the journal: several appends under way, their outcomes in order.
//!
//! While one commit is on its way to flash the next batches are appended already, so that a storm
//! is stored in commits as large as what came meanwhile. What comes out, comes out in the order in
//! which it went in, each after its own commit. An append that the disk refused brings back all
//! that were made behind it ([`Appender`]); they are appended anew, in order.

use std::collections::VecDeque;

use gatehouse_core::backoff::Backoff;
use gatehouse_core::event::Draft;
use gatehouse_core::id::Id;
use gatehouse_core::id::Seq;
use gatehouse_core::site::{Answer as Reply, Coming, Incident, Thing};
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_journal::{AppendError, Appender, Journal, Keep, Record};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

/// Drafts under way at most: half of what the journal puts into one commit. More would only wait
/// there; here they hold back the units, and the kernel tells when it loses an edge.
const UNDER_WAY: usize = 2048;

/// Answers that wait to be looked at: one for each append under way, and each has a draft.
const ANSWERS: usize = 2 * UNDER_WAY;

/// A failing disk is tried so often before events are given up: about four seconds, in which the
/// kernel's buffer holds the edges. Waiting longer would lose more than it saves.
const DISK_TRIES: u32 = 6;

/// What is shown or told after the commit, and which of the batch's drafts brought it.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) what: What,
    pub(super) draft: Option<usize>,
}

/// What is shown or told.
#[derive(Debug)]
pub(super) enum What {
    /// A thing's new state.
    State { of: Thing, state: &'static str, flags: Vec<&'static str>, since: UtcMs },
    /// An incident; `None`: it is closed.
    Incident { id: Id, shown: Option<Box<Incident>> },
    /// What comes next of a schedule.
    Schedule { schedule: usize, coming: Coming },
    /// A camera is to take what happened.
    Look { camera: Id, silent: bool, at: Mono },
    /// The answer to a command.
    Reply { command: u64, reply: Reply },
    /// Another configuration holds: these are the things now. Then it is told that it is stored.
    Things { things: Vec<(Thing, Id, &'static str)>, since: UtcMs, stored: oneshot::Sender<()> },
}

/// What came of one batch.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) changes: Vec<Change>,
    /// Numbers of the batch's drafts, in their order; none of what was not stored.
    pub(super) seqs: Vec<Seq>,
}

type Answer = (u64, Result<Vec<Record>, AppendError>);

#[derive(Debug)]
enum Stage {
    UnderWay,
    Stored(Vec<Seq>),
    /// To be appended anew.
    Back(Vec<Draft>),
}

#[derive(Debug)]
struct Batch {
    drafts: usize,
    /// A copy, for the case that the drafts come back.
    keeps: Vec<Keep>,
    changes: Vec<Change>,
    stage: Stage,
}

/// The journal has ended: nothing can be stored any more.
#[derive(Debug, thiserror::Error)]
#[error("the journal has ended")]
pub(super) struct Ended;

/// Batches under way to the journal.
pub(super) struct Pipe {
    appender: Appender,
    /// Oldest first; the number of the first is `first`.
    batches: VecDeque<Batch>,
    first: u64,
    drafts: usize,
    /// Batches that the journal has.
    under_way: usize,
    /// Batches that came back.
    back: usize,
    tell: mpsc::Sender<Answer>,
    answers: mpsc::Receiver<Answer>,
    backoff: Backoff,
    /// When what came back is appended anew.
    retry_at: Option<Mono>,
}

impl Pipe {
    pub(super) fn new(journal: &Journal) -> Self {
        let (tell, answers) = mpsc::channel(ANSWERS);
        Self {
            appender: journal.appender(),
            batches: VecDeque::new(),
            first: 0,
            drafts: 0,
            under_way: 0,
            back: 0,
            tell,
            answers,
            backoff: Backoff::UNIT,
            retry_at: None,
        }
    }

    /// Whether another batch is taken. Not while the disk fails: what came back goes first.
    pub(super) fn has_room(&self) -> bool {
        let well = self.back == 0 && self.backoff.attempts() == 0;
        well && self.batches.len() < UNDER_WAY && self.drafts < UNDER_WAY
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) const fn retry_at(&self) -> Option<Mono> {
        self.retry_at
    }

    /// Sends a batch on its way.
    pub(super) fn push(&mut self, drafts: Vec<Draft>, keeps: Vec<Keep>, changes: Vec<Change>) {
        let number = self.first + self.batches.len() as u64;
        self.drafts += drafts.len();
        let stage = Stage::Stored(Vec::new());
        let mut batch = Batch { drafts: drafts.len(), keeps, changes, stage };
        if !drafts.is_empty() || !batch.keeps.is_empty() {
            batch.stage = Stage::UnderWay;
            self.append(number, drafts, batch.keeps.clone());
        }
        self.batches.push_back(batch);
    }

    fn append(&mut self, number: u64, drafts: Vec<Draft>, keeps: Vec<Keep>) {
        self.under_way += 1;
        let tell = self.tell.clone();
        self.appender.append(drafts, keeps, move |outcome| {
            // There is a place for each batch; and when the rules are gone, nobody waits.
            let _ = tell.try_send((number, outcome));
        });
    }

    /// Waits for answers and takes them. Can be dropped while it waits.
    pub(super) async fn hear(&mut self, now: impl Fn() -> Mono) -> Result<(), Ended> {
        let mut answers = Vec::with_capacity(64);
        self.answers.recv_many(&mut answers, 64).await;
        for (number, outcome) in answers {
            let stage = self.judge(outcome)?;
            let place = number.checked_sub(self.first).and_then(|n| usize::try_from(n).ok());
            if let Some(batch) = place.and_then(|place| self.batches.get_mut(place)) {
                batch.stage = stage;
            }
        }
        if self.back > 0 && self.under_way == 0 && self.retry_at.is_none() {
            if self.backoff.attempts() >= DISK_TRIES {
                self.give_up();
            }
            self.retry_at = Some(now().plus(self.backoff.next(fastrand::f64())));
        }
        Ok(())
    }

    fn judge(&mut self, outcome: Result<Vec<Record>, AppendError>) -> Result<Stage, Ended> {
        self.under_way -= 1;
        let back = match outcome {
            Ok(records) => {
                self.backoff.reset();
                return Ok(Stage::Stored(records.iter().map(|record| record.seq).collect()));
            }
            Err(AppendError::Closed { .. }) => return Err(Ended),
            Err(AppendError::DiskFull { stored, refused }) => {
                // The journal counts what it refused and says so in an event when it can.
                error!(stored = stored.len(), refused = refused.len(), "the disk is full");
                self.backoff.reset();
                return Ok(Stage::Stored(Vec::new()));
            }
            Err(AppendError::QueueFull { drafts, .. }) => drafts,
            Err(AppendError::Io { drafts, why }) => {
                if self.back == 0 {
                    warn!(%why, "the disk fails; trying again");
                }
                drafts
            }
        };
        self.back += 1;
        Ok(Stage::Back(back))
    }

    /// The oldest batch that came back is lost, so that the next gets its turn.
    fn give_up(&mut self) {
        self.backoff.reset();
        let mut batches = self.batches.iter_mut();
        if let Some(batch) = batches.find(|batch| matches!(batch.stage, Stage::Back(_))) {
            error!(lost = batch.drafts, "events were not stored: the disk fails");
            batch.stage = Stage::Stored(Vec::new());
            self.back -= 1;
        }
    }

    /// Appends anew what came back.
    pub(super) fn retry(&mut self) {
        self.retry_at = None;
        self.appender.resume();
        self.back = 0;
        let mut again = Vec::new();
        for (number, batch) in (self.first..).zip(&mut self.batches) {
            if let Stage::Back(drafts) = &mut batch.stage {
                again.push((number, std::mem::take(drafts), batch.keeps.clone()));
                batch.stage = Stage::UnderWay;
            }
        }
        if again.is_empty() {
            self.backoff.reset();
        }
        for (number, drafts, keeps) in again {
            self.append(number, drafts, keeps);
        }
    }

    /// The oldest batch, once its outcome is known.
    pub(super) fn settled(&mut self) -> Option<Settled> {
        let stored = |batch: &mut Batch| matches!(batch.stage, Stage::Stored(_));
        let batch = self.batches.pop_front_if(stored)?;
        self.first += 1;
        self.drafts -= batch.drafts;
        let Stage::Stored(seqs) = batch.stage else { return None };
        Some(Settled { changes: batch.changes, seqs })
    }
}
