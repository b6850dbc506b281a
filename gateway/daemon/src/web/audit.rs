//! What people do on the page, as events: on flash before it has any effect that could not be undone.

use std::sync::atomic::{AtomicU64, Ordering};

use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{self, Report};
use gatehouse_core::time::Mono;
use gatehouse_journal::Journal;
use serde_json::{Value, json};
use tracing::error;

use crate::clock::Clock;
use crate::rules;

/// Somebody who guesses at passwords is told of so often at most; what was not told is counted.
const LOCKED_EVERY_S: u64 = 60;

/// It could not be recorded, so it is not done.
#[derive(Debug)]
pub(super) struct Unrecorded;

/// Where acts are recorded.
pub(super) struct Audit {
    journal: Journal,
    clock: Clock,
    gateway: Id,
    /// When a lock was told last, in seconds since boot, plus one; and the locks since.
    locked: AtomicU64,
    untold: AtomicU64,
}

impl Audit {
    pub(super) fn new(journal: Journal, clock: Clock, gateway: Id) -> Self {
        let (locked, untold) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { journal, clock, gateway, locked, untold }
    }

    /// Somebody logged in.
    pub(super) async fn login(&self, account: &Id, role: &str) -> Result<(), Unrecorded> {
        let what = ("page.login", ("account", account.clone()));
        self.tell(what, Some(account), json!({ "role": role })).await
    }

    /// An account was made, changed or removed.
    pub(super) async fn account(
        &self,
        by: &Id,
        account: &Id,
        change: &str,
        role: &str,
    ) -> Result<(), Unrecorded> {
        let detail = json!({ "change": change, "role": role });
        self.tell(("page.account", ("account", account.clone())), Some(by), detail).await
    }

    /// Somebody is about to see a picture or a clip, or to take it away.
    pub(super) async fn look(
        &self,
        by: &Id,
        camera: &Id,
        file: &str,
        export: bool,
    ) -> Result<(), Unrecorded> {
        let kind = if export { "page.exported" } else { "page.looked" };
        let what = (kind, ("camera", camera.clone()));
        self.tell(what, Some(by), json!({ "file": file })).await
    }

    /// Events were taken away as a file.
    pub(super) async fn events(&self, by: &Id, query: Value) -> Result<(), Unrecorded> {
        let what = ("page.exported", ("gateway", self.gateway.clone()));
        self.tell(what, Some(by), json!({ "file": "events.csv", "query": query })).await
    }

    /// Too many wrong passwords. Whoever guesses may not fill the journal with it.
    pub(super) async fn locked(&self, account: Option<&Id>, now: Mono) {
        let second = now.0 / 1_000_000_000;
        let last = self.locked.load(Ordering::Relaxed);
        if last != 0 && second < last - 1 + LOCKED_EVERY_S {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.locked.store(second + 1, Ordering::Relaxed);
        let times = self.untold.swap(0, Ordering::Relaxed) + 1;
        // A password that was typed into the wrong field must not stand in an event: known names only.
        let detail = json!({ "account": account, "times": times });
        let what = ("page.locked", ("gateway", self.gateway.clone()));
        // Nothing is done that would have to wait for it.
        let _ = self.tell(what, None, detail).await;
    }

    async fn tell(
        &self,
        (kind, source): (&'static str, (&'static str, Id)),
        by: Option<&Id>,
        detail: Value,
    ) -> Result<(), Unrecorded> {
        let report = Report {
            class: Class::System,
            kind,
            qualifier: Qualifier::Status,
            severity: if kind == "page.locked" { 3 } else { 5 },
            source,
            closes: None,
            cause: None,
            detail: Some(detail),
            at: None,
        };
        let mut draft = site::draft(report, self.clock.boot(), &self.clock.now());
        draft.actor = by.map(ToString::to_string);
        match rules::append(&self.journal, vec![draft]).await {
            Ok(_) => Ok(()),
            Err(error) => {
                error!(%error, kind, "an act on the page cannot be recorded, and is not done");
                Err(Unrecorded)
            }
        }
    }
}
