//! The folder of pictures and clips: what is there before anybody was told, and how long all is kept.
//!
//! ```text
//! {state-dir}/evidence/clips/{camera}-{event}.mp4
//! {state-dir}/evidence/pictures/{camera}-{event}.jpg
//! {state-dir}/evidence/untold/                         see `untold`
//! {state-dir}/evidence/store/                          see `unit::store`
//!
//! With `.age` behind the name it is sealed: by `recipients` and the box's own key in `[evidence]`. A
//! picture goes to the district from memory, over the line's TLS, so that it can be shown there; one that
//! waits for a dead line waits in memory, and lies nowhere in the open.
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_camera::seal::{self, Sum};
use gatehouse_camera::store::{Class, Policy, Reason, Removal, SweepError, Swept, sweep};
use gatehouse_config::{Config, PasswordSource};
use gatehouse_core::event::{Class as EventClass, Qualifier};
use gatehouse_core::sealed::{Identity, Recipient};
use gatehouse_core::site::{Input, Report};
use gatehouse_core::time::ClockState;
use gatehouse_journal::Journal;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::picture;
use super::untold::{self, Found, Left};
use crate::clock::Clock;
use crate::gauges::{EvidenceLoad, Gauges};
use crate::reload::Running;
use crate::rules::Inputs;
use crate::supervise::Outcome;
use crate::unit::store;
use crate::uplink::commands::Say;

/// Below the folder of evidence.
pub(crate) const CLIPS: &str = "clips";
pub(crate) const PICTURES: &str = "pictures";
/// What is shown of.
pub(crate) const FOLDERS: [&str; 2] = [CLIPS, PICTURES];
/// Notes of pictures and clips that nobody was told of yet.
pub(super) const UNTOLD: &str = "untold";

/// How often it is looked at: so much more than allowed may lie there for so long.
const EVERY: Duration = Duration::from_secs(60);

/// Where evidence lies.
pub(crate) fn root(config: &Config) -> PathBuf {
    config.state_dir.join("evidence")
}

/// Whom evidence is sealed for, by the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealing {
    recipients: Vec<Recipient>,
    /// Of the box itself.
    key: Option<PasswordSource>,
}

impl Sealing {
    pub(super) fn of(config: &Config) -> Self {
        let rules = &config.evidence;
        Self { recipients: rules.recipients.clone(), key: rules.key.clone() }
    }

    /// All recipients: nobody, and evidence lies open.
    ///
    /// # Errors
    /// When the box's own key cannot be read: then nothing may be kept.
    pub(super) fn recipients(&self) -> Result<Vec<Recipient>, String> {
        let mut all = self.recipients.clone();
        if let Some(source) = &self.key {
            let own = seal::recipient(&identity(source)?);
            if !all.contains(&own) {
                all.push(own);
            }
        }
        Ok(all)
    }

    /// What the box opens with, if it can.
    pub(super) fn identity(&self) -> Option<Identity> {
        let read = self.key.as_ref().map(identity).transpose();
        read.inspect_err(|error| warn!(error, "sealed evidence cannot be looked into"))
            .ok()
            .flatten()
    }
}

/// Reads a key that opens evidence.
///
/// # Errors
/// In words, with the file and never what is in it.
pub(crate) fn identity(source: &PasswordSource) -> Result<Identity, String> {
    let text = source.read().map_err(|error| format!("the key of evidence: {error}"))?;
    text.expose().parse().map_err(|error| format!("the key of evidence cannot be used: {error}"))
}

/// Makes the folders, readable by nobody else. What fails is logged: a camera is watched without a disk,
/// too, and each picture that cannot be kept is told of.
pub(super) fn folders(root: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    for folder in [CLIPS, PICTURES, UNTOLD] {
        let path = root.join(folder);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        if let Err(error) = made {
            error!(path = %path.display(), %error, "no evidence can be kept");
        }
    }
}

/// What evidence is kept with.
#[derive(Clone)]
pub(in super::super) struct Keeper {
    /// The configuration that holds.
    pub(in super::super) running: watch::Receiver<Running>,
    pub(in super::super) journal: Journal,
    pub(in super::super) clock: Clock,
    pub(in super::super) inputs: Inputs,
    /// Where pictures go to the district.
    pub(in super::super) say: mpsc::Sender<Say>,
    /// Where it is shown how much is written.
    pub(in super::super) gauges: Gauges,
    /// What was there before any recorder ran.
    pub(in super::super) left: Arc<Left>,
}

/// Tells of pictures and clips that nobody was told of, then keeps evidence within its bounds, for ever.
/// Other bounds hold as soon as the configuration says so.
pub(in super::super) async fn keep(mut keeper: Keeper) -> Outcome {
    let config = Arc::clone(&keeper.running.borrow().config);
    let root = root(&config);
    let (left, journal) = (keeper.left.clone(), keeper.journal.clone());
    let found = spawn_blocking(move || left.tell(&config, &journal)).await;
    let found: Found = found.map_err(|error| error.to_string())?;
    if !keeper.send(found.told).await {
        return Ok(());
    }
    for picture in found.pictures {
        picture::send(&keeper.say, picture);
    }
    let mut look = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            changed = keeper.running.changed() => if changed.is_err() { return Ok(()) },
        }
        let config = Arc::clone(&keeper.running.borrow_and_update().config);
        let rules = config.evidence.clone();
        let policy = policy(&rules);
        let now = keeper.clock.now();
        let (root, journal) = (root.clone(), keeper.journal.clone());
        let swept = spawn_blocking(move || {
            untold::settle(&root, &journal);
            if !root.is_dir() {
                return Ok(None);
            }
            let owed = store::notes::names(&root);
            let swept = sweep(&root, &policy, &now)?;
            for (path, error) in &swept.failed {
                warn!(path = %path.display(), %error, "evidence that has had its time stays");
            }
            let told = told(&swept.removed, &config, &owed);
            Ok(Some((swept, told)))
        });
        // By a clock that was never set nobody knows which files are of the last week.
        let knows_time = now.clock != ClockState::Never;
        let swept: Result<Result<_, SweepError>, _> = swept.await;
        match swept {
            Ok(Ok(None)) => {}
            Ok(Ok(Some((swept, told)))) => {
                keeper.gauges.set_evidence(load(&swept, &rules, knows_time));
                if !keeper.send(told.into_iter().map(Input::Report).collect()).await {
                    return Ok(());
                }
            }
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
}

impl Keeper {
    /// False: the rules have ended.
    async fn send(&self, all: Vec<Input>) -> bool {
        for input in all {
            if self.inputs.send(input).await.is_err() {
                return false;
            }
        }
        true
    }
}

fn policy(rules: &gatehouse_config::Evidence) -> Policy {
    let days = u32::try_from(rules.keep.as_secs() / 86_400).ok();
    // A picture is small and says most: a tenth of the space holds many times as many.
    let pictures = rules.max_bytes / 10;
    let class = |folder: &str, bytes: u64, worth| Class {
        folder: folder.to_owned(),
        days,
        bytes: Some(bytes),
        worth,
    };
    Policy {
        classes: vec![class(CLIPS, rules.max_bytes - pictures, 0), class(PICTURES, pictures, 1)],
        reserve: rules.reserve_bytes,
    }
}

/// How much is written, and what it may be.
fn load(swept: &Swept, rules: &gatehouse_config::Evidence, knows_time: bool) -> EvidenceLoad {
    EvidenceLoad {
        files: swept.kept,
        bytes: swept.kept_bytes,
        most: rules.max_bytes,
        a_day: knows_time.then(|| swept.loads.iter().map(|load| load.a_day).sum()),
        budget: EvidenceLoad::budget_of(swept.medium),
        days: u32::try_from(rules.keep.as_secs() / 86_400).unwrap_or(u32::MAX),
    }
}

/// One event for each reason. `owed`: what the district's store was to have.
fn told(removed: &[Removal], config: &Config, owed: &BTreeSet<String>) -> Vec<Report> {
    let reasons = [(Reason::Age, "age"), (Reason::Bytes, "bytes"), (Reason::Reserve, "reserve")];
    let report = |(reason, why): (Reason, &str)| {
        let these: Vec<_> = removed.iter().filter(|one| one.reason == reason).collect();
        let oldest = these.iter().map(|one| one.item.written).min()?;
        let newest = these.iter().map(|one| one.item.written).max()?;
        let bytes: u64 = these.iter().map(|one| one.item.bytes).sum();
        let paths = these.iter().map(|one| one.item.path.as_path());
        let unstored = store::unstored(config, owed, paths);
        info!(files = these.len(), bytes, unstored, why, "evidence is removed");
        let mut detail = json!({
            "why": why, "files": these.len(), "bytes": bytes, "oldest": oldest, "newest": newest,
        });
        if let Some(unstored) = unstored {
            detail["unstored"] = json!(unstored);
        }
        Some(Report {
            class: EventClass::System,
            kind: "camera.evidence_removed",
            qualifier: Qualifier::Status,
            severity: 5,
            source: ("gateway", config.address.gateway.clone()),
            closes: None,
            cause: None,
            detail: Some(detail),
            at: None,
        })
    };
    reasons.into_iter().filter_map(report).collect()
}

/// What is to lie on the flash of a picture: itself, or it sealed, and then what that is.
pub(super) fn sealed<'j>(
    jpeg: &'j [u8],
    recipients: &[Recipient],
) -> std::io::Result<(Cow<'j, [u8]>, Option<Sum>)> {
    if recipients.is_empty() {
        return Ok((Cow::Borrowed(jpeg), None));
    }
    let (sealed, sum) = seal::seal(jpeg, recipients)?;
    Ok((Cow::Owned(sealed), Some(sum)))
}

/// Writes a file that is there whole or not at all, and is on the medium when this returns.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let half = path.with_added_extension("partial");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&half)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(&half, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use gatehouse_camera::store::Item;
    use gatehouse_core::time::UtcMs;

    use super::*;

    #[test]
    fn what_is_removed_is_told_once_for_each_reason() {
        let removal = |day: i64, reason| Removal {
            item: Item {
                written: UtcMs(day * 86_400_000),
                path: format!("/e/{day}").into(),
                bytes: 1000,
                class: 0,
            },
            reason,
        };
        let removed =
            [removal(3, Reason::Age), removal(1, Reason::Age), removal(2, Reason::Reserve)];
        let config = |store: &str| {
            let text = format!(
                "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                 [[broker]]\nid = \"b\"\nhost = \"localhost\"\n{store}"
            );
            Config::parse(&text, "test").unwrap()
        };
        let told_of = |store: &str| told(&removed, &config(store), &["2".to_owned()].into());
        let told = told_of("");
        let facts: Vec<_> = told.iter().map(|report| report.detail.clone().unwrap()).collect();
        assert_eq!(facts.len(), 2);
        assert_eq!((&facts[0]["why"], &facts[0]["files"]), (&json!("age"), &json!(2)));
        assert_eq!(facts[0]["oldest"], json!(UtcMs(86_400_000)));
        assert_eq!(facts[1]["why"], "reserve");
        assert!(facts[1]["unstored"].is_null());
        // With a store it is told how many it never had.
        let told = told_of(
            "[evidence.store]\nendpoint = \"https://s3.example\"\nbucket = \"evidence\"\n\
             access-key = \"a\"\nsecret-key-file = \"/s\"\n",
        );
        let unstored = |n: usize| told[n].detail.as_ref().unwrap()["unstored"].clone();
        assert_eq!((unstored(0), unstored(1)), (json!(0), json!(1)));
    }
}
