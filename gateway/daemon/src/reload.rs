//! A new configuration for a box that runs.
//!
//! The file is read as at a start: whole, or it is refused and nothing changes. What is equal is not
//! touched. The order is that of a start and a stop: what is wired otherwise ends, and all that it
//! has read is before the rules; the rules go on under the new configuration
//! ([`Site::reconfigure`](gatehouse_core::site::Site::reconfigure)); what is new begins. Then the
//! others learn of it: control socket, uplink, `desc`.
//!
//! What holds from the next start only is named, and goes on as it was: [`keep_until_restart`]. A file that
//! names places which the daemon closed to itself ([`sandbox`]) is refused, and says so.

use std::path::PathBuf;
use std::sync::Arc;

use gatehouse_config::{Config, ConfigErrors, Credentials};
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Input, LockConfig, Report, Verb, Via};
use gatehouse_journal::Journal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::rules::{Desk, Inputs};
use crate::run::site_of;
use crate::sandbox;
use crate::supervise::{Ended, Supervisor};
use crate::transaction::{Held, History, Who};
use crate::unit::{Counts, Units};

/// Ids in one event at most; the rest is counted.
const NAMED: usize = 16;

/// Wishes for a reload that wait. One that finds no room is told so.
pub const WAITING: usize = 4;

/// What holds at this moment, for all who go on over a reload.
#[derive(Clone, Debug)]
pub struct Running {
    /// The configuration.
    pub config: Arc<Config>,
    /// Counts the configurations of this start, from 1.
    pub revision: u32,
    /// The desk, for who names places of this configuration.
    pub desk: Desk,
}

/// Somebody wants the file read again.
#[derive(Debug)]
pub struct Request {
    /// Who.
    pub who: Who,
    /// Where the answer is waited for.
    pub answer: Option<oneshot::Sender<Reloaded>>,
    /// It must be confirmed within so many seconds.
    pub confirm_within_s: Option<u64>,
    /// Why, of a configuration that is put back.
    pub why: Option<&'static str>,
}

impl Request {
    /// Somebody edited the file.
    pub fn by(who: Who, answer: Option<oneshot::Sender<Reloaded>>) -> Self {
        Self { who, answer, confirm_within_s: None, why: None }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reload")]
pub enum Reloaded {
    /// It holds, and that is stored.
    Applied {
        /// The hash of the one before.
        before: String,
        /// Its own.
        after: String,
        /// What it made of the units.
        units: Counts,
        /// Things that are new, as `zone/hall`.
        added: Vec<String>,
        /// Things that are gone.
        removed: Vec<String>,
        /// Keys that hold from the next start only.
        needs_restart: Vec<String>,
        /// What is allowed but unwise.
        warnings: Vec<String>,
    },
    /// The file is as it was.
    Unchanged {
        /// Its hash.
        hash: String,
    },
    /// The file is not used; what ran before runs on.
    Rejected {
        /// How many mistakes it has.
        mistakes: usize,
        /// All of them.
        text: String,
    },
    /// It could not be carried out: the daemon stops.
    Failed {
        /// Why.
        why: String,
    },
}

/// Carries out what is wanted.
pub(crate) struct Reloader {
    pub(crate) path: PathBuf,
    pub(crate) units: Units,
    pub(crate) inputs: Inputs,
    pub(crate) journal: Journal,
    pub(crate) running: watch::Sender<Running>,
    pub(crate) history: History,
    pub(crate) clock: Clock,
}

impl Reloader {
    /// Reads the file and carries out what has changed. Says whether an essential unit has ended
    /// meanwhile.
    pub(crate) async fn reload(
        &mut self,
        supervisor: &mut Supervisor,
        request: Request,
    ) -> Option<Ended> {
        let path = self.path.clone();
        let loaded = tokio::task::spawn_blocking(move || both(&path)).await;
        let before = self.running.borrow().clone();
        let (told, ended) = match loaded {
            Err(failed) => (Reloaded::Failed { why: failed.to_string() }, None),
            Ok(Err(mistakes)) => {
                let text = mistakes.render(false);
                error!("the new configuration is not used:\n{text}");
                let cause = "the file has mistakes; what ran before runs on";
                self.reject(&before.config, mistakes.len(), cause, &request).await;
                (Reloaded::Rejected { mistakes: mistakes.len(), text }, None)
            }
            Ok(Ok((config, _, credentials))) if config.hash() == before.config.hash() => {
                self.who_may_pass(&before, credentials, &request).await;
                info!(hash = config.hash(), "the configuration is as it was");
                (Reloaded::Unchanged { hash: config.hash().to_owned() }, None)
            }
            Ok(Ok(all)) => match sandbox::outside(&all.0) {
                outside if outside.is_empty() => {
                    self.apply(supervisor, &before, all, &request).await
                }
                // Applied it would be a broker without its authority, or a bus without its device.
                outside => {
                    let text = sandbox::refusal(&outside);
                    error!("the new configuration is not used:\n{text}");
                    let cause =
                        "the file names places that only a restart opens; what ran before runs on";
                    self.reject(&before.config, outside.len(), cause, &request).await;
                    (Reloaded::Rejected { mistakes: outside.len(), text }, None)
                }
            },
        };
        if let Some(answer) = request.answer {
            // Who asked may have gone away.
            let _ = answer.send(told);
        }
        ended
    }

    /// The configuration is as it was; the list of credentials may be another one.
    async fn who_may_pass(&self, running: &Running, list: Credentials, request: &Request) {
        let actor = request.who.name.clone();
        let hash = list.hash().to_owned();
        let verb = Verb::Credentials { list: list.list, hash };
        if running.desk.ask(Via::Cli, actor, verb).await.is_err() {
            warn!("the list of credentials could not be taken");
        }
    }

    async fn reject(&self, running: &Config, mistakes: usize, cause: &str, request: &Request) {
        let report = Report {
            severity: 3,
            cause: Some(cause.to_owned()),
            ..report("config.rejected", running, request, json!({ "mistakes": mistakes }))
        };
        if self.inputs.send(Input::Report(report)).await.is_err() {
            warn!("the refused configuration could not be recorded");
        }
    }

    async fn apply(
        &mut self,
        supervisor: &mut Supervisor,
        before: &Running,
        (mut config, text, credentials): (Config, String, Credentials),
        request: &Request,
    ) -> (Reloaded, Option<Ended>) {
        let needs_restart = keep_until_restart(&before.config, &mut config);
        let warnings: Vec<_> = config.warnings().lines().collect();
        for warning in &warnings {
            warn!("{warning}");
        }
        if !needs_restart.is_empty() {
            warn!(keys = ?needs_restart, "these hold from the next start on");
        }
        let (added, removed) = difference(&before.config, &config);
        let changed = self.changed(before.config.hash(), text.clone()).await;
        let (pending, ended) = self.units.end(supervisor, &config, &self.inputs).await;
        let units = pending.counts();
        let detail = json!({
            "before": before.config.hash(), "after": config.hash(),
            "doors": config.doors.len(), "zones": config.zones.len(),
            "partitions": config.partitions.len(),
            "added": few(&added), "added_count": added.len(),
            "removed": few(&removed), "removed_count": removed.len(),
            "units": units, "needs_restart": needs_restart,
            "changed": few(&changed), "changed_count": changed.len(),
            "confirm_within_s": request.confirm_within_s,
        });
        let report = report("config.applied", &before.config, request, detail);
        let handed =
            self.inputs.reconfigure(site_of(&config, credentials), Input::Report(report)).await;
        let Ok((inputs, stored)) = handed else {
            return (Reloaded::Failed { why: "the rules have ended".to_owned() }, ended);
        };
        self.recall(&before.config, &config, &inputs).await;
        self.units.begin(supervisor, pending, &config, &inputs);
        self.inputs = inputs.clone();
        let hash = config.hash().to_owned();
        // Whoever is told that it holds finds it in the record, and its things on the board.
        let stored = stored.await;
        self.running.send_modify(|running| {
            running.config = Arc::new(config);
            running.revision += 1;
            running.desk = running.desk.of(inputs);
        });
        if stored.is_err() {
            return (Reloaded::Failed { why: "the rules have ended".to_owned() }, ended);
        }
        self.note(text, request).await;
        info!(before = before.config.hash(), after = hash, ?units, "the configuration is applied");
        let applied = Reloaded::Applied {
            before: before.config.hash().to_owned(),
            after: hash,
            units,
            added,
            removed,
            needs_restart,
            warnings,
        };
        (applied, ended)
    }

    /// The places in which a text differs from what held, as far as the history knows that.
    async fn changed(&self, before: &str, text: String) -> Vec<String> {
        let (history, before) = (self.history.clone(), before.to_owned());
        let compare = move || {
            let before = history.with_hash(&before)?;
            gatehouse_config::change::changed_places(&before, &text)
        };
        tokio::task::spawn_blocking(compare).await.ok().flatten().unwrap_or_default()
    }

    /// Notes in the history what holds now. Where that fails the configuration holds all the same.
    async fn note(&self, text: String, request: &Request) {
        let (history, at) = (self.history.clone(), self.clock.now().utc);
        let (who, why) = (request.who.clone(), request.why);
        let note = move || history.note(&Held { text: &text, at, who: &who, why });
        match tokio::task::spawn_blocking(note).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(%error, "the history of configurations has no entry of this one");
            }
            Err(error) => warn!(%error, "the history of configurations has no entry of this one"),
        }
    }

    /// What the record knows of doors that are new here, or that are back.
    async fn recall(&self, before: &Config, config: &Config, inputs: &Inputs) {
        let new = config.doors.iter().enumerate();
        for (door, known) in new.filter(|(_, door)| before.doors.iter().all(|b| b.id != door.id)) {
            let state = crate::run::recalled(&self.journal, &known.id);
            if inputs.send(Input::Recall { door, state }).await.is_err() {
                return;
            }
        }
    }
}

/// The configuration and its list of credentials: mistakes of either refuse both.
fn both(path: &std::path::Path) -> Result<(Config, String, Credentials), ConfigErrors> {
    let (config, text) = Config::load_with_text(path)?;
    let credentials = Credentials::of(&config)?;
    Ok((config, text, credentials))
}

fn report(
    kind: &'static str,
    running: &Config,
    request: &Request,
    mut detail: serde_json::Value,
) -> Report {
    request.who.tell(&mut detail);
    Report {
        class: Class::System,
        kind,
        qualifier: Qualifier::Status,
        severity: 4,
        source: ("gateway", running.address.gateway.clone()),
        closes: None,
        cause: None,
        detail: Some(detail),
        at: None,
    }
}

fn few(all: &[String]) -> &[String] {
    &all[..all.len().min(NAMED)]
}

/// What is new and what is gone, as `zone/hall`.
fn difference(before: &Config, after: &Config) -> (Vec<String>, Vec<String>) {
    let things = |config: &Config| -> Vec<String> {
        let name = |kind: &str, id: &Id| format!("{kind}/{id}");
        let doors = config.doors.iter().map(|door| name("door", &door.id));
        let zones = config.zones.iter().map(|zone| name("zone", &zone.rules.id));
        let partitions = config.partitions.iter().map(|part| name("partition", &part.rules.id));
        let readers = config.readers.iter().map(|reader| name("reader", &reader.rules.id));
        doors.chain(zones).chain(partitions).chain(readers).collect()
    };
    let (before, after) = (things(before), things(after));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|thing| !those.contains(thing)).cloned().collect()
    };
    (only(&after, &before), only(&before, &after))
}

/// Puts back what holds from the next start only, and names the keys that differ: where the journal
/// is and how it is kept, by which name it is chained, where the socket is, what is logged.
pub(crate) fn keep_until_restart(before: &Config, after: &mut Config) -> Vec<String> {
    let mut keys = Vec::new();
    let mut keep = |differs: bool, key: &str| {
        if differs {
            keys.push(key.to_owned());
        }
    };
    keep(before.address.gateway != after.address.gateway, "gateway.id");
    keep(before.address.district != after.address.district, "gateway.district");
    keep(before.address.site != after.address.site, "gateway.site");
    keep(before.state_dir != after.state_dir, "gateway.state-dir");
    keep(before.socket != after.socket, "gateway.socket");
    keep(before.journal != after.journal, "journal");
    keep(before.log != after.log, "log");
    let outputs = |config: &Config| -> Vec<_> {
        let names = |it: &gatehouse_config::Output| -> Vec<_> {
            let ids = it.rules.partitions.iter().filter_map(|place| config.partitions.get(*place));
            ids.map(|partition| partition.rules.id.clone()).collect()
        };
        let bare = |it: &gatehouse_config::Output| {
            let mut bare = it.clone();
            bare.rules.partitions.clear();
            (bare, names(it))
        };
        config.outputs.iter().map(bare).collect()
    };
    let (held, wanted) = (outputs(before), outputs(after));
    keep(held != wanted, "output");
    keep(before.challenge != after.challenge, "challenge");
    keep_outputs(held, &wanted, after);
    after.challenge.clone_from(&before.challenge);
    after.address = before.address.clone();
    after.state_dir.clone_from(&before.state_dir);
    after.socket.clone_from(&before.socket);
    after.journal = before.journal.clone();
    after.log = before.log;
    keys
}

/// Lines that are driven stay with the units that hold them: each output as it was, for the partitions
/// of its present configuration by their ids. A lock that is not among them waits for the start, too.
fn keep_outputs(
    held: Vec<(gatehouse_config::Output, Vec<Id>)>,
    wanted: &[(gatehouse_config::Output, Vec<Id>)],
    after: &mut Config,
) {
    let place = |id: &Id| held.iter().position(|(known, _)| known.rules.id == *id);
    for door in &mut after.doors {
        let lock = door.lock.take();
        door.lock = lock.and_then(|lock| {
            let (output, _) = wanted.get(lock.output)?;
            let output = place(&output.rules.id)?;
            Some(LockConfig { output, ..lock })
        });
    }
    let partitions: Vec<Id> = after.partitions.iter().map(|it| it.rules.id.clone()).collect();
    let outputs = held.into_iter().map(|(mut output, names)| {
        let places = names.iter().filter_map(|id| partitions.iter().position(|it| it == id));
        output.rules.partitions = places.collect();
        output
    });
    after.outputs = outputs.collect();
}
