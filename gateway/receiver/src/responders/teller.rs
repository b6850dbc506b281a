//! The task that tells: it asks the database what is open, the machine what is due, sends, and
//! records what came of it. Where several receivers share a database one of them tells; the others
//! look whether it still does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use gatehouse_link::Stamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::books::{Books, BooksError};
use super::call::End;
use super::file::Roster;
use super::machine::{Deed, Machine, Outcome, Send};
use super::publish;
use super::shown::{Failing, Shown, ToldLine};
use super::{send, words};
use crate::clock::Clock;
use crate::desk;
use crate::meter::Meter;
use crate::outbox::Outbox;
use crate::snapshot::Snapshot;
use crate::store::calls::Wanted;
use crate::storms::StormRule;

/// How often it is looked for what is due. Calls are gathered for two seconds anyway.
const LOOK: Duration = Duration::from_secs(1);

/// Messages that are on their way at once, at most.
const FLYING: usize = 32;

/// A way that fails longer than this is a fault of the control room.
const FAILING_MS: i64 = 5 * 60 * 1000;

/// What was told longer ago is not shown at an incident any more, and a failure of then is no fault
/// of now.
const SHOWN_MS: i64 = 24 * 3600 * 1000;

/// What the task is given.
pub(crate) struct Teller {
    pub(crate) district: Id,
    pub(crate) path: PathBuf,
    pub(crate) roster: Arc<Roster>,
    pub(crate) books: Books,
    pub(crate) storm: StormRule,
    pub(crate) clock: Arc<dyn Clock>,
    /// A call was committed here, or ended.
    pub(crate) news: Arc<Notify>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) board: Arc<Mutex<Snapshot>>,
    pub(crate) meter: Arc<Meter>,
}

/// One attempt that has ended: what was to be told, and what came of it.
type Ended = (Send, &'static str, Result<(), String>);

impl Teller {
    /// Tells for as long as it is polled.
    pub(crate) async fn run(mut self) {
        let mut stamp = Stamp::of([self.path.as_path()]);
        let mut machine = None;
        let mut flying: JoinSet<Ended> = JoinSet::new();
        // What the database did not take yet.
        let mut unwritten: Vec<Outcome> = Vec::new();
        let mut waiting: Vec<Send> = Vec::new();
        let mut failed = false;
        let mut publishing: JoinSet<()> = JoinSet::new();
        loop {
            // Also when it has panicked.
            if publishing.is_empty() || publishing.try_join_next().is_some() {
                let (district, books) = (self.district.clone(), self.books.clone());
                publishing.spawn(publish::publish(district, books, Arc::clone(&self.outbox)));
            }
            self.reread(&mut stamp);
            let step = self.step(&mut machine, &mut unwritten, &mut waiting, !flying.is_empty());
            match step.await {
                Ok(()) if failed => {
                    failed = false;
                    tracing::info!("the database answers the telling of responders again");
                }
                Ok(()) => {}
                Err(error) => {
                    if failed {
                        tracing::debug!(%error, "still no answer");
                    } else {
                        failed = true;
                        tracing::error!(%error,
                            "the database does not answer; responders are told when it does");
                    }
                    // How far it came nobody knows: made anew from what the database holds.
                    machine = None;
                    waiting.clear();
                }
            }
            while flying.len() < FLYING && !waiting.is_empty() {
                let send = waiting.remove(0);
                self.fly(send, &mut flying);
            }
            tokio::select! {
                Some(ended) = flying.join_next() => {
                    let mut ended = Some(ended);
                    while let Some(one) = ended {
                        match one {
                            Ok(one) => unwritten.push(self.ended(&mut machine, one)),
                            Err(error) => tracing::error!(%error, "a telling has panicked"),
                        }
                        ended = flying.try_join_next();
                    }
                }
                () = self.news.notified() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// Takes over a changed file; a bad one is told, and the last good one holds.
    fn reread(&mut self, stamp: &mut Stamp) {
        let now = Stamp::of([self.path.as_path()]);
        if now == *stamp {
            return;
        }
        *stamp = now;
        match Roster::read(&self.path) {
            Ok(roster) => {
                tracing::info!(lists = roster.lists.len(), "the responders' file is read anew");
                self.roster = Arc::new(roster);
            }
            Err(error) => tracing::error!(%error, "the responders stay as they were"),
        }
    }

    async fn step(
        &self,
        machine: &mut Option<Machine>,
        unwritten: &mut Vec<Outcome>,
        waiting: &mut Vec<Send>,
        flying: bool,
    ) -> Result<(), BooksError> {
        let district = self.district.to_string();
        // First what has come of it: whoever takes over must know.
        while let Some(outcome) = unwritten.first().cloned() {
            let of = district.clone();
            self.books.ask(move |ledger| ledger.record(&of, &outcome)).await?;
            unwritten.remove(0);
        }
        let of = district.clone();
        if !self.books.ask(move |ledger| ledger.lead(&of)).await? {
            if machine.take().is_some() {
                tracing::info!("another receiver tells the responders now");
            }
            waiting.clear();
            return self.show(&district).await;
        }
        // Before the calls are read: what came in until this moment is among them, so a message
        // that is due now leaves none of its calls out.
        let now = self.clock.now().utc;
        let of = district.clone();
        let calls = self.books.ask(move |ledger| ledger.open_calls(&of)).await?;
        let present = match machine {
            Some(machine) => {
                machine.open(calls);
                machine
            }
            // What another task of this receiver still has in flight would be told twice.
            None if flying => return Ok(()),
            None => {
                let of = district.clone();
                let tried = self.books.ask(move |ledger| ledger.tried(&of)).await?;
                let mut fresh = Machine::new(self.storm);
                fresh.open(calls);
                fresh.recall(&self.roster, &tried);
                machine.insert(fresh)
            }
        };
        let mut again = false;
        for deed in present.due(&self.roster, now) {
            match deed {
                Deed::Gather { matter, calls } => {
                    self.books.ask(move |ledger| ledger.gather(matter, &calls)).await?;
                    again = true;
                }
                Deed::Over { call, end } => {
                    if end == End::TooLate {
                        tracing::warn!(call, "a call came in too late to be told");
                    }
                    self.books.ask(move |ledger| ledger.over(&[call], end, now)).await?;
                }
                Deed::Nobody(outcome) => {
                    tracing::error!(list = %outcome.list, why = ?outcome.result.as_ref().err(),
                        "nobody could be told");
                    let of = district.clone();
                    self.books.ask(move |ledger| ledger.record(&of, &outcome)).await?;
                }
                Deed::Send(send) => waiting.push(send),
            }
        }
        if again {
            self.news.notify_one();
        }
        self.show(&district).await
    }

    fn fly(&self, send: Send, flying: &mut JoinSet<Ended>) {
        let roster = Arc::clone(&self.roster);
        flying.spawn(async move {
            let member = roster.member(&send.member);
            let way = member.and_then(|member| member.ways.get(send.way));
            let (Some(member), Some(way)) = (member, way) else {
                return (send, "", Err("no longer in the responders' file".to_owned()));
            };
            let message = words::message(&send, member);
            let result = send::tell(&roster, way, &message).await;
            (send, way.kind(), result)
        });
    }

    fn ended(&self, machine: &mut Option<Machine>, (send, way, result): Ended) -> Outcome {
        self.meter.told(way, result.is_ok());
        match &result {
            Ok(()) => tracing::info!(member = %send.member, way, list = %send.list, "told"),
            Err(why) => {
                tracing::warn!(member = %send.member, way, list = %send.list, why, "not told");
            }
        }
        let at = self.clock.now().utc;
        // Also without the lead: what was done is recorded, whoever tells now.
        let mut without = Machine::new(self.storm);
        let machine = machine.as_mut().unwrap_or(&mut without);
        machine.done(&self.roster, &send, way, at, result)
    }

    /// What the wall shows: who was told of the incidents of a day, and ways that fail.
    async fn show(&self, district: &str) -> Result<(), BooksError> {
        let now = self.clock.now().utc;
        let above = desk::lock(&self.board).told.newest;
        let since = UtcMs(now.0 - SHOWN_MS);
        let of = district.to_owned();
        let (told, failing) = self
            .books
            .ask(move |ledger| {
                let wanted = Wanted {
                    above: Some(above),
                    since: Some(since),
                    most: 20_000,
                    ..Wanted::default()
                };
                Ok((ledger.told(Some(&of), &wanted)?, ledger.failing(&of)?))
            })
            .await?;
        let failing: Vec<Failing> = failing
            .into_iter()
            .filter(|(_, since, last)| now.0 - since.0 > FAILING_MS && now.0 - last.0 < SHOWN_MS)
            .map(|(way, since, _)| Failing { way, since })
            .collect();
        let mut board = desk::lock(&self.board);
        if !told.is_empty() || board.told.failing != failing {
            let mut shown = Shown::clone(&board.told);
            shown.failing = failing;
            shown.forget(since);
            for one in told {
                shown.add(
                    one.number,
                    (one.site, one.gateway, one.incident),
                    ToldLine::of(&one.outcome),
                );
            }
            board.told = Arc::new(shown);
        }
        Ok(())
    }
}
