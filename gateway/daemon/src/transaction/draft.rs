//! From a text to a change that could be made, or to why not.

use std::io;
use std::path::Path;

use gatehouse_config::change::changed_places;
use gatehouse_config::{Config, Credentials, config_hash};
use tracing::error;

use super::history::History;
use super::{Draft, Refusal, Touch, diff};
use crate::reload::keep_until_restart;
use crate::sandbox;

/// Whose change it is, as far as it is judged by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Of the site.
    Site,
    /// Of the district: neither who may command what nor the gateway's ids are its own.
    District,
}

/// Checks a text as the configuration file at `path`, which `now` is of. `before` is the text of `now`.
pub(super) fn check(
    path: &Path,
    (before, text): (&str, &str),
    now: &Config,
    guard: Guard,
) -> Result<Draft, Refusal> {
    let loaded = Config::check(text, path)
        .and_then(|config| Credentials::of(&config).map(|_| config))
        .map_err(|mistakes| Refusal::Mistakes {
            count: mistakes.len(),
            text: without_path(&mistakes.render(false), path),
        })?;
    let outside = sandbox::outside(&loaded);
    if !outside.is_empty() {
        let text = without_path(&sandbox::refusal(&outside), path);
        return Err(Refusal::Mistakes { count: outside.len(), text });
    }
    if guard == Guard::District {
        if loaded.commands != now.commands {
            return Err(Refusal::ChangesRights);
        }
        if loaded.address != now.address {
            return Err(Refusal::ChangesIdentity);
        }
    }
    let touches = touches(now, &loaded);
    let needs_restart = keep_until_restart(now, &mut loaded.clone());
    let within = now.confirm_within.as_secs();
    Ok(Draft {
        before: now.hash().to_owned(),
        hash: loaded.hash().to_owned(),
        diff: diff::lines(before, text),
        changed: changed_places(before, text).unwrap_or_default(),
        confirm_within_s: (!touches.is_empty()).then_some(within),
        touches,
        needs_restart,
        warnings: new_warnings(now, &loaded, path),
        replay: None,
    })
}

/// What the change brings: what was unwise before is not said again with every change.
fn new_warnings(now: &Config, then: &Config, path: &Path) -> Vec<String> {
    let lines = |config: &Config| -> Vec<String> {
        config.warnings().lines().map(|line| without_path(&line, path)).collect()
    };
    // Without the place: lines move.
    let what = |line: &str| line.split_once(": ").map_or(line, |(_, what)| what).to_owned();
    let known: Vec<_> = lines(now).iter().map(|line| what(line)).collect();
    lines(then).into_iter().filter(|line| !known.contains(&what(line))).collect()
}

/// What a change can cut off.
fn touches(now: &Config, then: &Config) -> Vec<Touch> {
    let broker = (&now.brokers, &now.uplink) != (&then.brokers, &then.uplink);
    let page = now.page != then.page;
    let all = [(broker, Touch::Broker), (page, Touch::Page)];
    all.into_iter().filter(|(touches, _)| *touches).map(|(_, touch)| touch).collect()
}

/// The text of what runs: the file, if it is that; or the history's, if the file is already what is wanted.
/// Otherwise somebody is at it, and their work is not to be lost.
pub(super) fn base(
    path: &Path,
    now: &Config,
    wanted: Option<&str>,
    history: &History,
) -> Result<String, Refusal> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(&error))?;
    let file = config_hash(&bytes);
    if file == now.hash() {
        // It was parsed, so it is UTF-8.
        return String::from_utf8(bytes).map_err(|_| Refusal::Internal);
    }
    let changed = || Refusal::FileChanged { running: now.hash().to_owned(), file };
    if wanted.is_some_and(|wanted| wanted.as_bytes() == bytes) {
        return history.with_hash(now.hash()).ok_or_else(changed);
    }
    Err(changed())
}

pub(super) fn unreadable(error: &io::Error) -> Refusal {
    error!(%error, "the configuration cannot be read");
    Refusal::Internal
}

pub(super) fn unwritable(error: &io::Error) -> Refusal {
    // Where it is stays in the log.
    error!(%error, "the configuration cannot be written; the gateway's user must be able to");
    Refusal::ReadOnly
}

/// Where files are stays on the box.
pub(super) fn without_path(text: &str, path: &Path) -> String {
    let folder = path.parent().map(|folder| format!("{}/", folder.display()));
    let text = text.replace(&path.display().to_string(), "gateway.toml");
    match folder.filter(|folder| folder.len() > 1) {
        Some(folder) => text.replace(&folder, ""),
        None => text,
    }
}
