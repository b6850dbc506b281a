//! Where a change is handed in: looked at here, made by the task behind it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_config::change::{self, Edit};
use gatehouse_config::{Config, without_secrets};
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_journal::Journal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tracing::error;

use super::draft::{self, Guard};
use super::files::Mark;
use super::history::{Entry, History};
use super::who::Who;
use super::{Applied, Draft, Refusal, Unconfirmed};
use crate::clock::Clock;
use crate::reload::{Request, Running};
use crate::replay;

/// Changes that wait; one that finds no room is told so.
const WAITING: usize = 4;

/// What changes are made with.
#[derive(Clone)]
pub struct Parts {
    /// The configuration file.
    pub path: PathBuf,
    /// What holds.
    pub running: watch::Receiver<Running>,
    /// Where a reload is wanted.
    pub reloads: mpsc::Sender<Request>,
    /// Where it is told.
    pub journal: Journal,
    /// The clocks.
    pub clock: Clock,
}

/// A change that is to be made, or one that is to end.
pub(super) enum Act {
    /// This is to hold.
    Apply(Box<Wanted>),
    /// What is unconfirmed is to stay; the hash, if it must be just that.
    Confirm(Who, Option<String>),
    /// What is unconfirmed is to go.
    Undo(Who),
}

/// A configuration that is to hold.
pub(super) struct Wanted {
    pub(super) text: String,
    /// The hash of what it was made for; another one holds: it is not applied.
    pub(super) made_for: Option<String>,
    pub(super) who: Who,
    pub(super) guard: Guard,
    /// It must be confirmed within so many seconds, whatever it touches.
    pub(super) within_s: Option<u64>,
}

pub(super) struct Handed {
    pub(super) act: Act,
    pub(super) answer: oneshot::Sender<Result<Applied, Refusal>>,
}

/// A change that waits to be confirmed.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) mark: Mark,
    pub(super) ends: Mono,
    /// The same by the wall's clock as it was then: for people only.
    pub(super) ends_utc: UtcMs,
}

impl Trial {
    /// One that lasts so long from now on.
    pub(super) fn lasts(mark: Mark, lasts: Duration, clock: &Clock) -> Self {
        let now = clock.now();
        let ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        let ends_utc = UtcMs(now.utc.0.saturating_add(ms));
        Self { mark, ends: now.mono.plus(lasts), ends_utc }
    }
}

/// See the module's page. A clone is the same.
#[derive(Clone)]
pub struct Changes(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) parts: Parts,
    pub(super) history: History,
    acts: mpsc::Sender<Handed>,
    pub(super) handed: tokio::sync::Mutex<mpsc::Receiver<Handed>>,
    pub(super) trial: watch::Sender<Option<Trial>>,
    /// One replay at a time: it takes memory.
    replaying: tokio::sync::Mutex<()>,
    /// The newest replay: whoever applies what was looked at does not wait for it again.
    replayed: Mutex<Option<(String, String, replay::Summary)>>,
}

impl Changes {
    /// For this box. The task that makes the changes is [`Changes::run`].
    pub fn new(parts: Parts) -> Self {
        let (acts, handed) = mpsc::channel(WAITING);
        let history = History::of(&parts.running.borrow().config.state_dir);
        Self(Arc::new(Inner {
            parts,
            history,
            acts,
            handed: tokio::sync::Mutex::new(handed),
            trial: watch::Sender::new(None),
            replaying: tokio::sync::Mutex::default(),
            replayed: Mutex::default(),
        }))
    }

    /// The configuration that runs, as text. What looks like a secret is stars.
    ///
    /// # Errors
    /// The file is another one by now.
    pub async fn shown(&self) -> Result<(String, String), Refusal> {
        let now = self.now();
        let hash = now.hash().to_owned();
        let text =
            self.blocking(move |inner| draft::base(&inner.parts.path, &now, None, &inner.history));
        Ok((hash, without_secrets(&text.await?)))
    }

    /// Named tables of the configuration that runs, as they stand in the file.
    ///
    /// # Errors
    /// The file is another one by now.
    pub(crate) async fn tables(
        &self,
        names: &'static [&'static str],
    ) -> Result<(String, serde_json::Value), Refusal> {
        let now = self.now();
        let hash = now.hash().to_owned();
        let text =
            self.blocking(move |inner| draft::base(&inner.parts.path, &now, None, &inner.history));
        let tables = change::tables(&text.await?, names).ok_or(Refusal::Internal)?;
        Ok((hash, tables))
    }

    /// The text that steps make of what runs.
    ///
    /// # Errors
    /// A step that cannot be made; the file is another one by now.
    pub async fn changed(&self, edits: Vec<Edit>) -> Result<String, Refusal> {
        let now = self.now();
        let made = self.blocking(move |inner| {
            let text = draft::base(&inner.parts.path, &now, None, &inner.history)?;
            change::change(&text, &edits).map_err(|error| Refusal::Step { text: error.to_string() })
        });
        made.await
    }

    /// What a text would change, and with `replay` what it would have changed in the last days.
    ///
    /// # Errors
    /// Its mistakes, or why it could not be applied.
    pub(crate) async fn draft(
        &self,
        text: String,
        guard: Guard,
        with_replay: bool,
    ) -> Result<Draft, Refusal> {
        let now = self.now();
        let checked = self.blocking(move |inner| {
            let path = &inner.parts.path;
            let before = draft::base(path, &now, Some(&text), &inner.history)?;
            let draft = draft::check(path, (&before, &text), &now, guard)?;
            Ok((draft, text))
        });
        let (mut draft, text) = checked.await?;
        if with_replay {
            draft.replay = Some(self.replayed(&draft, text).await);
        }
        Ok(draft)
    }

    async fn replayed(&self, draft: &Draft, text: String) -> replay::Summary {
        let kept = || self.0.replayed.lock().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.0.replaying.lock().await;
        let known = kept().clone();
        if let Some((_, _, summary)) =
            known.filter(|(before, after, _)| (before, after) == (&draft.before, &draft.hash))
        {
            return summary;
        }
        let now = self.now();
        let summary = self.blocking(move |inner| {
            let Ok(proposed) = Config::check(&text, &inner.parts.path) else {
                return Err(Refusal::Internal);
            };
            Ok(replay::summary(&now, &proposed, &inner.parts.clock))
        });
        let summary = summary
            .await
            .unwrap_or(replay::Summary::Skipped { skipped: replay::Skipped::Unreadable });
        *kept() = Some((draft.before.clone(), draft.hash.clone(), summary.clone()));
        summary
    }

    /// Lets a text hold; see [`Wanted`].
    ///
    /// # Errors
    /// Why not; then what held before holds.
    pub(crate) async fn apply(
        &self,
        text: String,
        made_for: Option<String>,
        (who, guard): (Who, Guard),
        within_s: Option<u64>,
    ) -> Result<Applied, Refusal> {
        let wanted = Wanted { text, made_for, who, guard, within_s };
        self.hand_in(Act::Apply(Box::new(wanted))).await
    }

    /// Lets stay what is unconfirmed.
    ///
    /// # Errors
    /// Nothing is, or it is another one than this.
    pub async fn confirm(&self, who: Who, hash: Option<String>) -> Result<Applied, Refusal> {
        self.hand_in(Act::Confirm(who, hash)).await
    }

    /// Puts back what was before the unconfirmed change.
    ///
    /// # Errors
    /// Nothing is unconfirmed.
    pub async fn undo(&self, who: Who) -> Result<Applied, Refusal> {
        self.hand_in(Act::Undo(who)).await
    }

    /// Everything that held, the oldest first.
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn history(&self) -> Result<Vec<Entry>, Refusal> {
        let read = self
            .blocking(|inner| inner.history.entries().map_err(|error| draft::unreadable(&error)));
        read.await
    }

    /// The file of an entry of the history.
    ///
    /// # Errors
    /// There is no such entry.
    pub async fn entry(&self, n: u32) -> Result<String, Refusal> {
        self.blocking(move |inner| inner.history.text(n).map_err(|_| Refusal::NoEntry { n })).await
    }

    /// What is unconfirmed, if something is.
    pub fn unconfirmed(&self) -> Option<Unconfirmed> {
        let trial = self.0.trial.borrow().clone()?;
        let left = trial.ends.since(self.0.parts.clock.mono());
        Some(Unconfirmed {
            before: trial.mark.before,
            after: trial.mark.after,
            who: trial.mark.who,
            touches: trial.mark.touches,
            ends: trial.ends_utc,
            left_s: left.as_secs() + u64::from(left.subsec_nanos() > 0),
        })
    }

    /// Ready whenever something is unconfirmed or is not any more.
    pub(crate) fn watch(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut trial = self.0.trial.subscribe();
        async move {
            if trial.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn now(&self) -> Arc<Config> {
        Arc::clone(&self.0.parts.running.borrow().config)
    }

    async fn hand_in(&self, act: Act) -> Result<Applied, Refusal> {
        let (answer, made) = oneshot::channel();
        if self.0.acts.try_send(Handed { act, answer }).is_err() {
            return Err(Refusal::Busy);
        }
        made.await.unwrap_or(Err(Refusal::Internal))
    }

    /// Files are read beside the loop that everything runs in.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let inner = Arc::clone(&self.0);
        spawn_blocking(move || work(&inner)).await.unwrap_or_else(|failed| {
            error!(%failed, "a change of the configuration could not be looked at");
            Err(Refusal::Internal)
        })
    }
}
