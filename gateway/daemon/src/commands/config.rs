//! The configuration from afar: read, proposed, and applied when it is confirmed.
//!
//! A proposal is checked whole, as at a start, and kept beside the file; it holds when it is
//! confirmed, by a reload, and when that refuses it the file before is put back. It can change
//! neither who may command what nor the gateway's own ids: these are the site's.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use gatehouse_config::{Config, Credentials, config_hash, without_secrets};
use gatehouse_core::commands::{Outcome, Reason};
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use crate::control::Sources;
use crate::reload::{Reloaded, Request, Running};

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
pub(super) async fn get(path: &Path, running: &watch::Receiver<Running>, at: u32) -> Outcome {
    let hash = running.borrow().config.hash().to_owned();
    let path = path.to_owned();
    let read = spawn_blocking(move || fs::read_to_string(path)).await;
    let text = match read {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return unreadable(&error),
        Err(_) => return Outcome::failed(Reason::Internal, None),
    };
    let file = config_hash(text.as_bytes());
    if file != hash {
        let detail = json!({ "running": hash, "file": file });
        return Outcome::failed(Reason::FileChanged, Some(detail));
    }
    let text = without_secrets(&text);
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

fn unreadable(error: &io::Error) -> Outcome {
    error!(%error, "the configuration cannot be read");
    Outcome::failed(Reason::Internal, None)
}

impl Proposal {
    /// Takes a piece; with the last one the whole is checked and kept beside.
    pub(super) async fn take(
        &mut self,
        path: &Path,
        running: &watch::Receiver<Running>,
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
        let now = running.borrow().config.clone();
        let path = path.to_owned();
        let checked = spawn_blocking(move || propose(&path, &text, &now)).await;
        checked.unwrap_or_else(|_| Outcome::failed(Reason::Internal, None))
    }

    /// Goes on under what was proposed; or under what held before, if that is refused.
    pub(super) async fn confirm(
        &mut self,
        path: &Path,
        sources: &Sources,
        hash: &str,
        operator: &str,
    ) -> Outcome {
        let now = sources.running.borrow().config.clone();
        let (file, wanted) = (path.to_owned(), hash.to_owned());
        let put = spawn_blocking(move || put(&file, &wanted, &now)).await;
        match put {
            Ok(Ok(())) => {}
            Ok(Err(outcome)) => return outcome,
            Err(_) => return Outcome::failed(Reason::Internal, None),
        }
        let (answer, told) = oneshot::channel();
        let operator = Some(operator.to_owned());
        let request = Request { user: None, operator, answer: Some(answer) };
        let reloaded = match sources.reloads.send(request).await {
            Ok(()) => told.await.ok(),
            Err(_) => None,
        };
        let detail = match reloaded {
            Some(Reloaded::Applied { before, after, needs_restart, warnings, .. }) => {
                return Outcome::done(Some(json!({
                    "before": before, "after": after, "needs_restart": needs_restart,
                    "warnings": warnings,
                })));
            }
            Some(Reloaded::Unchanged { hash }) => {
                return Outcome::done(Some(json!({ "already": true, "after": hash })));
            }
            Some(Reloaded::Rejected { mistakes, text }) => {
                json!({ "count": mistakes, "mistakes": few(&text) })
            }
            // The daemon stops; the next start finds the file that held before.
            Some(Reloaded::Failed { .. }) | None => json!({}),
        };
        let file = path.to_owned();
        match spawn_blocking(move || fs::rename(beside(&file, BEFORE), &file)).await {
            Ok(Ok(())) => info!("the configuration before is put back"),
            Ok(Err(error)) => error!(%error, "the configuration before cannot be put back"),
            Err(error) => error!(%error, "the configuration before cannot be put back"),
        }
        Outcome::failed(Reason::RolledBack, Some(detail))
    }
}

const PROPOSED: &str = "proposed";
const BEFORE: &str = "before";

/// `gateway.toml.proposed`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Keeps a text beside the file if it is a configuration that may hold here.
fn propose(path: &Path, text: &str, now: &Config) -> Outcome {
    let proposed = beside(path, PROPOSED);
    if let Err(error) = write(path, &proposed, text) {
        return unwritable(&error);
    }
    let outcome = check(&proposed, now);
    match outcome {
        Ok(config) => {
            let warnings: Vec<_> =
                config.warnings().lines().map(|line| without_path(&line, &proposed)).collect();
            Outcome::done(Some(json!({
                "hash": config.hash(), "of": text.len(), "warnings": warnings,
            })))
        }
        Err(outcome) => {
            if let Err(error) = fs::remove_file(&proposed) {
                warn!(%error, "what was proposed and refused cannot be removed");
            }
            outcome
        }
    }
}

fn check(proposed: &Path, now: &Config) -> Result<Config, Outcome> {
    let loaded = Config::load(proposed)
        .and_then(|config| Credentials::of(&config).map(|_| config))
        .map_err(|mistakes| {
            let text = without_path(&mistakes.render(false), proposed);
            let detail = json!({ "count": mistakes.len(), "mistakes": few(&text) });
            Outcome::failed(Reason::Mistakes, Some(detail))
        })?;
    if loaded.commands != now.commands {
        return Err(Outcome::failed(Reason::ChangesRights, None));
    }
    if loaded.address != now.address {
        return Err(Outcome::failed(Reason::ChangesIdentity, None));
    }
    Ok(loaded)
}

/// Puts the proposal in the file's place, and the file beside.
fn put(path: &Path, hash: &str, now: &Config) -> Result<(), Outcome> {
    let proposed = beside(path, PROPOSED);
    let Ok(text) = fs::read(&proposed) else {
        return Err(Outcome::failed(Reason::NoProposal, None));
    };
    if config_hash(&text) != hash {
        let detail = json!({ "proposed": config_hash(&text) });
        return Err(Outcome::failed(Reason::NoProposal, Some(detail)));
    }
    // What is beside it may have changed since, and so may what holds.
    check(&proposed, now)?;
    let before = fs::read(path).map_err(|error| unreadable(&error))?;
    if config_hash(&before) != now.hash() {
        // Somebody at the site is at it: their work is not to be lost.
        let detail = json!({ "running": now.hash(), "file": config_hash(&before) });
        return Err(Outcome::failed(Reason::FileChanged, Some(detail)));
    }
    let before = String::from_utf8_lossy(&before);
    write(path, &beside(path, BEFORE), &before).map_err(|error| unwritable(&error))?;
    fs::rename(&proposed, path).map_err(|error| unwritable(&error))
}

/// Writes a file whole or not at all, with the rights of another.
fn write(like: &Path, path: &Path, text: &str) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = File::create(&new)?;
    file.set_permissions(fs::metadata(like)?.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn unwritable(error: &io::Error) -> Outcome {
    // Where it is stays in the log.
    error!(%error, "the configuration cannot be written; the gateway's user must be able to");
    Outcome::failed(Reason::ReadOnly, None)
}

/// Where files are stays on the box.
fn without_path(text: &str, proposed: &Path) -> String {
    text.replace(&proposed.display().to_string(), "gateway.toml")
}

fn few(text: &str) -> &str {
    &text[..floor(text, LONGEST_MISTAKES)]
}
