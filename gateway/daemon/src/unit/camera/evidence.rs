//! The folder of pictures and clips: what a power cut left half written, and how long all is kept.
//!
//! ```text
//! {state-dir}/evidence/clips/{camera}-{event}.mp4
//! {state-dir}/evidence/pictures/{camera}-{event}.jpg
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_camera::clip::{Recovered, recover};
use gatehouse_camera::store::{Class, Policy, Reason, Removal, sweep};
use gatehouse_config::Config;
use gatehouse_core::event::{Class as EventClass, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Input, Report};
use serde_json::json;
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::rules::Inputs;
use crate::supervise::Outcome;

/// Below the folder of evidence.
pub(crate) const CLIPS: &str = "clips";
pub(crate) const PICTURES: &str = "pictures";

/// How often it is looked at: so much more than allowed may lie there for so long.
const EVERY: Duration = Duration::from_secs(60);

/// Where evidence lies.
pub(in super::super) fn root(config: &Config) -> PathBuf {
    config.state_dir.join("evidence")
}

/// Makes the folders, readable by nobody else, and what was half written whole. Before any recorder
/// runs. What fails is logged: a camera is watched without a disk, too.
pub(in super::super) fn prepare(config: &Config) {
    if config.cameras.is_empty() {
        return;
    }
    let root = root(config);
    for folder in [CLIPS, PICTURES] {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = root.join(folder);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        if let Err(error) = made {
            error!(path = %path.display(), %error, "no evidence can be kept");
        }
    }
    match recover(&root.join(CLIPS)) {
        Ok(found) => found.iter().for_each(|one| match one {
            Recovered::Kept(file) => {
                info!(path = %file.path.display(), "a clip was cut off and is whole");
            }
            Recovered::Removed { path } => {
                info!(path = %path.display(), "a clip had no picture yet");
            }
            Recovered::Failed { path, error } => {
                warn!(path = %path.display(), %error, "a half-written clip stays");
            }
        }),
        Err(error) => error!(%error, "half-written clips stay"),
    }
}

/// Keeps evidence within its bounds, for ever.
pub(in super::super) async fn keep(
    root: PathBuf,
    rules: gatehouse_config::Evidence,
    gateway: Id,
    clock: Clock,
    inputs: Inputs,
) -> Outcome {
    let mut look = tokio::time::interval(EVERY);
    loop {
        look.tick().await;
        let policy = policy(&rules);
        let (root, now) = (root.clone(), clock.now());
        let swept = spawn_blocking(move || {
            if root.is_dir() { sweep(&root, &policy, &now).map(Some) } else { Ok(None) }
        });
        match swept.await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(swept))) => {
                for (path, error) in &swept.failed {
                    warn!(path = %path.display(), %error, "evidence that has had its time stays");
                }
                for report in told(&swept.removed, &gateway) {
                    if inputs.send(Input::Report(report)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
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

/// One event for each reason.
fn told(removed: &[Removal], gateway: &Id) -> Vec<Report> {
    let reasons = [(Reason::Age, "age"), (Reason::Bytes, "bytes"), (Reason::Reserve, "reserve")];
    let report = |(reason, why): (Reason, &str)| {
        let these: Vec<_> = removed.iter().filter(|one| one.reason == reason).collect();
        let oldest = these.iter().map(|one| one.item.written).min()?;
        let newest = these.iter().map(|one| one.item.written).max()?;
        let bytes: u64 = these.iter().map(|one| one.item.bytes).sum();
        info!(files = these.len(), bytes, why, "evidence is removed");
        Some(Report {
            class: EventClass::System,
            kind: "camera.evidence_removed",
            qualifier: Qualifier::Status,
            severity: 5,
            source: ("gateway", gateway.clone()),
            closes: None,
            cause: None,
            detail: Some(json!({
                "why": why, "files": these.len(), "bytes": bytes,
                "oldest": oldest, "newest": newest,
            })),
            at: None,
        })
    };
    reasons.into_iter().filter_map(report).collect()
}

/// Writes a file that is there whole or not at all, and is on the medium when this returns.
pub(super) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
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
        let told = told(&removed, &"g".parse().unwrap());
        let facts: Vec<_> = told.iter().map(|report| report.detail.clone().unwrap()).collect();
        assert_eq!(facts.len(), 2);
        assert_eq!((&facts[0]["why"], &facts[0]["files"]), (&json!("age"), &json!(2)));
        assert_eq!(facts[0]["oldest"], json!(UtcMs(86_400_000)));
        assert_eq!(facts[1]["why"], "reserve");
    }
}
