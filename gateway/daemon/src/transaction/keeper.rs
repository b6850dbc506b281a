//! The task that makes the changes, one after the other, and takes back what nobody confirms.

use std::time::Duration;

use gatehouse_config::Config;
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::site::{self, Report};
use gatehouse_core::time::Mono;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::changes::{Act, Changes, Handed, Inner, Parts, Trial, Wanted};
use super::draft;
use super::files::{self, Mark, OVERTAKEN, Stage};
use super::history::History;
use super::who::Who;
use super::{Applied, Refusal};
use crate::reload::{Reloaded, Request};
use crate::rules;
use crate::supervise::Outcome;

/// What cannot be put back, as on a full disk, is tried again after so long.
const AGAIN: Duration = Duration::from_secs(10);

/// Nobody confirmed it in time.
const NOT_CONFIRMED: &str = "not_confirmed";

/// Somebody took it back.
const UNDONE: &str = "undone";

/// Somebody confirmed it.
const CONFIRMED: &str = "confirmed";

/// The reload refused it.
const REFUSED: &str = "refused";

impl Changes {
    /// Makes changes until the task is ended. What a start has left is told first.
    ///
    /// # Errors
    /// Never: what goes wrong with a change is its answer.
    pub async fn run(self) -> Outcome {
        // Whoever ran before this is gone, in the midst of a change perhaps.
        let mut handed = self.0.handed.lock().await;
        self.0.left_over().await;
        loop {
            let ends = self.0.trial.borrow().as_ref().map(|trial| trial.ends);
            let mut running = self.0.parts.running.clone();
            running.mark_unchanged();
            tokio::select! {
                Some(Handed { act, answer }) = handed.recv() => {
                    let made = self.0.make(act).await;
                    // Whoever asked may have gone away.
                    let _ = answer.send(made);
                }
                () = self.0.until(ends), if ends.is_some() => self.0.time_is_over().await,
                Ok(()) = running.changed(), if ends.is_some() => self.0.overtaken().await,
            }
        }
    }
}

impl Inner {
    /// What a start, or a change that ended with its task, has left beside the file.
    async fn left_over(&self) {
        if self.trial.borrow().is_some() {
            return;
        }
        let mark = match self.at_files(|here| files::mark(&here.parts.path)).await {
            Ok(Some(mark)) => mark,
            Ok(None) => return,
            Err(error) => {
                error!(%error, "what is unconfirmed of the configuration cannot be read");
                return;
            }
        };
        match mark.stage {
            Stage::Kept | Stage::Back => self.over(&mark).await,
            // It could not be settled at the start: at once, and again.
            Stage::About | Stage::Trial => {
                let trial = Trial::lasts(mark, Duration::ZERO, &self.parts.clock);
                self.trial.send_replace(Some(trial));
            }
        }
    }

    async fn until(&self, ends: Option<Mono>) {
        let Some(ends) = ends else { return std::future::pending().await };
        loop {
            // By the clock that goes on while the box sleeps.
            let left = ends.since(self.parts.clock.mono());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(AGAIN)).await;
        }
    }

    async fn make(&self, act: Act) -> Result<Applied, Refusal> {
        match act {
            Act::Apply(wanted) => self.apply(*wanted).await,
            Act::Confirm(who, hash) => {
                let trial = self.trial.borrow().clone().ok_or(Refusal::NothingUnconfirmed)?;
                if hash.is_some_and(|hash| hash != trial.mark.after) {
                    return Err(Refusal::NothingUnconfirmed);
                }
                self.confirm(&trial.mark, &who).await
            }
            Act::Undo(who) => {
                let trial = self.trial.borrow().clone().ok_or(Refusal::NothingUnconfirmed)?;
                self.back(&trial.mark, &who, UNDONE).await?;
                let Mark { before, after, .. } = trial.mark;
                Ok(done(after, before))
            }
        }
    }

    async fn apply(&self, wanted: Wanted) -> Result<Applied, Refusal> {
        if let Some(trial) = &*self.trial.borrow() {
            let left_s = trial.ends.since(self.parts.clock.mono()).as_secs();
            return Err(Refusal::Unconfirmed { left_s });
        }
        let now = self.parts.running.borrow().config.clone();
        if let Some(made_for) = &wanted.made_for
            && made_for != now.hash()
        {
            let (wanted, running) = (made_for.clone(), now.hash().to_owned());
            return Err(Refusal::Moved { wanted, running });
        }
        let Wanted { text, who, guard, within_s, .. } = wanted;
        let by = who.clone();
        let put = self.at_files(move |here| Ok(here.put(&now, &text, (by, guard), within_s)));
        let put = put.await.map_err(|error| draft::unreadable(&error))??;
        let Some((mark, confirm)) = put else {
            // It holds already, and so does its file.
            let hash = self.parts.running.borrow().config.hash().to_owned();
            return Ok(done(hash.clone(), hash));
        };
        let text = match self.reload(who, confirm.then_some(mark.within_s), None).await {
            Reloaded::Applied { before, after, needs_restart, warnings, .. } => {
                let confirm_within_s = confirm.then_some(mark.within_s);
                if confirm {
                    self.begin(mark).await;
                }
                return Ok(Applied { before, after, needs_restart, warnings, confirm_within_s });
            }
            Reloaded::Unchanged { hash } => {
                self.forget().await;
                return Ok(done(hash.clone(), hash));
            }
            Reloaded::Rejected { text, .. } => draft::without_path(&text, &self.parts.path),
            // The daemon stops; the next start finds the file that held before.
            Reloaded::Failed { why } => why,
        };
        let before = mark.before.clone();
        match self.at_files(move |here| files::put_back(&here.parts.path, &before)).await {
            Ok(()) => {
                info!("the configuration before is put back");
                self.tell(&mark.over(Stage::Back, &Who::GATEWAY, REFUSED)).await;
                self.forget().await;
            }
            Err(error) => error!(%error, "the configuration before cannot be put back"),
        }
        Err(Refusal::RolledBack { text })
    }

    /// It holds, until somebody confirms it or the time is over.
    async fn begin(&self, mark: Mark) {
        let mark = Mark { stage: Stage::Trial, ..mark };
        let lasts = Duration::from_secs(mark.within_s);
        let written = mark.clone();
        if let Err(error) = self.at_files(move |here| written.write(&here.parts.path)).await {
            // It says *about*, of which a start makes the same.
            warn!(%error, "that a configuration is unconfirmed cannot be written anew");
        }
        info!(hash = mark.after, within_s = mark.within_s, "the configuration is unconfirmed");
        self.trial.send_replace(Some(Trial::lasts(mark, lasts, &self.parts.clock)));
    }

    async fn confirm(&self, mark: &Mark, who: &Who) -> Result<Applied, Refusal> {
        let kept = mark.over(Stage::Kept, who, CONFIRMED);
        let written = kept.clone();
        let write = self.at_files(move |here| written.write(&here.parts.path)).await;
        write.map_err(|error| draft::unwritable(&error))?;
        info!(hash = mark.after, "the configuration is confirmed");
        self.over(&kept).await;
        Ok(done(mark.before.clone(), mark.after.clone()))
    }

    async fn time_is_over(&self) {
        let Some(trial) = self.trial.borrow().clone() else { return };
        warn!(
            hash = trial.mark.after,
            "nobody has confirmed the configuration: the one before is put back"
        );
        if self.back(&trial.mark, &Who::GATEWAY, NOT_CONFIRMED).await.is_err() {
            self.trial.send_replace(Some(Trial::lasts(trial.mark, AGAIN, &self.parts.clock)));
        }
    }

    /// Something else holds: was it edited by hand? Then that is the last word.
    async fn overtaken(&self) {
        let Some(trial) = self.trial.borrow().clone() else { return };
        let holds = self.parts.running.borrow().config.hash().to_owned();
        if holds == trial.mark.after {
            return;
        }
        warn!(hash = holds, "the configuration was changed by hand: nothing is put back");
        let kept = trial.mark.over(Stage::Kept, &Who::SIGNAL, OVERTAKEN);
        let written = kept.clone();
        if let Err(error) = self.at_files(move |here| written.write(&here.parts.path)).await {
            error!(%error, "that nothing is unconfirmed any more cannot be written");
        }
        self.over(&kept).await;
    }

    /// Puts the file before in its place and lets it hold.
    async fn back(&self, mark: &Mark, who: &Who, why: &'static str) -> Result<(), Refusal> {
        let (before, after) = (mark.before.clone(), mark.after.clone());
        let put = self.at_files(move |here| {
            let path = &here.parts.path;
            let file = gatehouse_config::config_hash(&std::fs::read(path).unwrap_or_default());
            if file == before {
                return Ok(None);
            }
            if file != after {
                // Edited by hand, and not reloaded yet: it is theirs.
                return Ok(Some(file));
            }
            match (files::put_back(path, &before), here.history.with_hash(&before)) {
                (Err(error), Some(text)) => {
                    warn!(%error, "the file before is not beside: the history has it");
                    files::replace(path, text.as_bytes(), Some(path)).map(|()| None)
                }
                (put, _) => put.map(|()| None),
            }
        });
        let theirs = put.await.map_err(|error| draft::unwritable(&error))?;
        if let Some(file) = theirs {
            let running = self.parts.running.borrow().config.hash().to_owned();
            if *who != Who::GATEWAY {
                return Err(Refusal::FileChanged { running, file });
            }
            warn!("the file was edited by hand: nothing is put back");
            let kept = mark.over(Stage::Kept, &Who::SIGNAL, OVERTAKEN);
            self.over(&kept).await;
            return Ok(());
        }
        let written = mark.over(Stage::Back, who, why);
        match self.reload(who.clone(), None, Some(why)).await {
            Reloaded::Applied { .. } | Reloaded::Unchanged { .. } => {}
            Reloaded::Rejected { text, .. } => {
                error!("the configuration before does not hold any more:\n{text}");
                let text = draft::without_path(&text, &self.parts.path);
                return Err(Refusal::RolledBack { text });
            }
            // The daemon stops; the next start finds it.
            Reloaded::Failed { .. } => return Err(Refusal::Internal),
        }
        let mark = written.clone();
        if let Err(error) = self.at_files(move |here| mark.write(&here.parts.path)).await {
            error!(%error, "that a configuration was put back cannot be written");
        }
        self.over(&written).await;
        Ok(())
    }

    /// It is over: told, and only then forgotten.
    async fn over(&self, mark: &Mark) {
        self.tell(mark).await;
        self.forget().await;
        self.trial.send_replace(None);
    }

    async fn forget(&self) {
        if let Err(error) = self.at_files(|here| files::forget(&here.parts.path)).await {
            error!(%error, "the mark of an unconfirmed configuration cannot be removed");
        }
    }

    async fn tell(&self, mark: &Mark) {
        let kept = mark.stage == Stage::Kept;
        let mut detail = json!({ "before": mark.before, "after": mark.after, "why": mark.why });
        mark.who.tell(&mut detail);
        let gateway = self.parts.running.borrow().config.address.gateway.clone();
        let report = Report {
            class: Class::System,
            kind: if kept { "config.confirmed" } else { "config.rolled_back" },
            qualifier: Qualifier::Status,
            severity: if kept { 5 } else { 3 },
            source: ("gateway", gateway),
            closes: None,
            cause: None,
            detail: Some(detail),
            at: None,
        };
        let clock = &self.parts.clock;
        let draft = site::draft(report, clock.boot(), &clock.now());
        if let Err(error) = rules::append(&self.parts.journal, vec![draft]).await {
            error!(%error, "what came of an unconfirmed configuration cannot be recorded");
        }
    }

    async fn reload(&self, who: Who, within_s: Option<u64>, why: Option<&'static str>) -> Reloaded {
        let (answer, told) = oneshot::channel();
        let request = Request { who, answer: Some(answer), confirm_within_s: within_s, why };
        let failed = || Reloaded::Failed { why: "the gateway stopped before that".to_owned() };
        match self.parts.reloads.send(request).await {
            Ok(()) => told.await.unwrap_or_else(|_| failed()),
            Err(_) => failed(),
        }
    }

    async fn at_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> std::io::Result<T> + Send + 'static,
    ) -> std::io::Result<T> {
        let here = Files { parts: self.parts.clone(), history: self.history.clone() };
        spawn_blocking(move || work(&here))
            .await
            .unwrap_or_else(|failed| Err(std::io::Error::other(failed)))
    }
}

/// What work at the files needs.
struct Files {
    parts: Parts,
    history: History,
}

impl Files {
    /// Puts a text in the file's place; whether it must be confirmed. `None`: it holds already.
    fn put(
        &self,
        now: &Config,
        text: &str,
        (who, guard): (Who, draft::Guard),
        within_s: Option<u64>,
    ) -> Result<Option<(Mark, bool)>, Refusal> {
        let path = &self.parts.path;
        let before = draft::base(path, now, Some(text), &self.history)?;
        let checked = draft::check(path, (&before, text), now, guard)?;
        if checked.hash == now.hash() {
            return Ok(None);
        }
        let mark = Mark {
            stage: Stage::About,
            before: checked.before,
            after: checked.hash,
            who,
            within_s: within_s.or(checked.confirm_within_s).unwrap_or_default(),
            touches: checked.touches,
            why: None,
        };
        let confirm = within_s.or(checked.confirm_within_s).is_some();
        files::put(path, &before, text, confirm.then_some(&mark))
            .map_err(|error| draft::unwritable(&error))?;
        Ok(Some((mark, confirm)))
    }
}

fn done(before: String, after: String) -> Applied {
    Applied { before, after, needs_restart: vec![], warnings: vec![], confirm_within_s: None }
}
