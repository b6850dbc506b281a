//! The configuration from afar: read, proposed, and applied when it is confirmed.
//!
//! A proposal is checked whole, as at a start, and kept beside the file; it holds when it is
//! confirmed, by the same transaction as any other change ([`Changes`]). What could have cut off the
//! district must be confirmed once more, by the same hash and over the way that it brought: otherwise the
//! one before is put back. It can change neither who may command what nor the gateway's own ids: these are
//! the site's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gatehouse_config::config_hash;
use gatehouse_core::commands::{Outcome, Reason};
use serde_json::json;
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use crate::transaction::{Changes, Guard, Refusal, Who, replace};

/// A piece of the configuration in one answer, in bytes.
const PIECE: usize = 32 * 1024;

/// Mistakes in an answer, in bytes: as many as a person reads at once.
const LONGEST_MISTAKES: usize = 16 * 1024;

/// What was proposed so far.
#[derive(Debug, Default)]
pub(super) struct Proposal {
    text: String,
}

/// The running configuration from byte `at` on. What looks like a secret is stars.
pub(super) async fn get(changes: &Changes, at: u32) -> Outcome {
    let (hash, text) = match changes.shown().await {
        Ok(shown) => shown,
        Err(refusal) => return refused(refusal),
    };
    let from = floor(&text, usize::try_from(at).unwrap_or(usize::MAX));
    let to = floor(&text, from.saturating_add(PIECE));
    Outcome::done(Some(json!({
        "hash": hash, "at": from, "of": text.len(), "text": &text[from..to],
    })))
}

/// The nearest place at or before `at` that is no part of a character.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Proposal {
    /// Takes a piece; with the last one the whole is checked and kept beside.
    pub(super) async fn take(
        &mut self,
        path: &Path,
        changes: &Changes,
        (text, at, of): (String, u32, Option<u32>),
    ) -> Outcome {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if at == 0 {
            self.text.clear();
        }
        if at != self.text.len() {
            let detail = json!({ "have": self.text.len() });
            return Outcome::failed(Reason::Pieces, Some(detail));
        }
        self.text.push_str(&text);
        let of = of.map_or(self.text.len(), |of| usize::try_from(of).unwrap_or(usize::MAX));
        if self.text.len() < of {
            return Outcome::done(Some(json!({ "have": self.text.len(), "of": of })));
        }
        let text = std::mem::take(&mut self.text);
        let draft = match changes.draft(text.clone(), Guard::District, false).await {
            Ok(draft) => draft,
            Err(refusal) => return refused(refusal),
        };
        let (path, bytes) = (path.to_owned(), text.len());
        let keep = move || replace(&proposed(&path), text.as_bytes(), Some(&path));
        match spawn_blocking(keep).await {
            Ok(Ok(())) => Outcome::done(Some(json!({
                "hash": draft.hash, "of": bytes, "warnings": draft.warnings,
                "changed": draft.changed, "needs_restart": draft.needs_restart,
                "confirm_within_s": draft.confirm_within_s,
            }))),
            Ok(Err(error)) => unwritable(&error),
            Err(_) => Outcome::failed(Reason::Internal, None),
        }
    }

    /// Lets hold what was proposed; or lets stay what holds unconfirmed, if it is that.
    pub(super) async fn confirm(
        &mut self,
        path: &Path,
        changes: &Changes,
        hash: &str,
        operator: &str,
    ) -> Outcome {
        let who = Who::operator(operator);
        if changes.unconfirmed().is_some_and(|one| one.after == hash) {
            return match changes.confirm(who, Some(hash.to_owned())).await {
                Ok(kept) => Outcome::done(Some(json!({
                    "before": kept.before, "after": kept.after, "confirmed": true,
                }))),
                Err(refusal) => refused(refusal),
            };
        }
        let file = proposed(path);
        let read = spawn_blocking(move || fs::read_to_string(file)).await;
        let Ok(Ok(text)) = read else { return Outcome::failed(Reason::NoProposal, None) };
        if config_hash(text.as_bytes()) != hash {
            let detail = json!({ "proposed": config_hash(text.as_bytes()) });
            return Outcome::failed(Reason::NoProposal, Some(detail));
        }
        let applied = match changes.apply(text, None, (who, Guard::District), None).await {
            Ok(applied) => applied,
            Err(refusal) => return refused(refusal),
        };
        if let Err(error) = fs::remove_file(proposed(path)) {
            warn!(%error, "what was proposed and holds cannot be removed");
        }
        if applied.before == applied.after {
            return Outcome::done(Some(json!({ "already": true, "after": applied.after })));
        }
        Outcome::done(Some(json!({
            "before": applied.before, "after": applied.after,
            "needs_restart": applied.needs_restart, "warnings": applied.warnings,
            "confirm_within_s": applied.confirm_within_s,
        })))
    }
}

/// `gateway.toml.proposed`.
fn proposed(path: &Path) -> PathBuf {
    path.with_added_extension("proposed")
}

fn refused(refusal: Refusal) -> Outcome {
    let (reason, detail) = match refusal {
        Refusal::Mistakes { count, text } => {
            (Reason::Mistakes, Some(json!({ "count": count, "mistakes": few(&text) })))
        }
        Refusal::FileChanged { running, file } => {
            (Reason::FileChanged, Some(json!({ "running": running, "file": file })))
        }
        Refusal::RolledBack { text } => {
            (Reason::RolledBack, Some(json!({ "mistakes": few(&text) })))
        }
        Refusal::Unconfirmed { left_s } => (Reason::Busy, Some(json!({ "left_s": left_s }))),
        Refusal::Busy => (Reason::Busy, None),
        Refusal::ChangesRights => (Reason::ChangesRights, None),
        Refusal::ChangesIdentity => (Reason::ChangesIdentity, None),
        Refusal::ReadOnly => (Reason::ReadOnly, None),
        Refusal::NothingUnconfirmed => (Reason::NoProposal, None),
        Refusal::Step { .. }
        | Refusal::Moved { .. }
        | Refusal::NoEntry { .. }
        | Refusal::NotAllowed
        | Refusal::Internal => (Reason::Internal, None),
    };
    Outcome::failed(reason, detail)
}

fn unwritable(error: &io::Error) -> Outcome {
    // Where it is stays in the log.
    error!(%error, "the configuration cannot be written; the gateway's user must be able to");
    Outcome::failed(Reason::ReadOnly, None)
}

fn few(text: &str) -> &str {
    &text[..floor(text, LONGEST_MISTAKES)]
}
