//! A box whose flash holds evidence before any store was configured: real files, and their events in a real
//! journal.

use std::path::Path;

use anyhow::Context as _;
use gatehouse_core::event::{Class, Event, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{self, Report};
use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};
use gatehouse_journal::{ClockSource, Journal, Options, Query, Reader};
use gatehouse_tests::wait::{boottime, until};
use gatehouse_tests::{Gateway, GatewayOptions, World};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::PATIENCE;

/// A clip of three parts of 5 MiB, the last one short.
pub(crate) const LARGE: usize = (11 << 20) + 12_345;

/// What lies on the flash, in the order of its events: what somebody did at a door, what an alarm shows,
/// and what nobody at the site may know of.
pub(crate) struct Filled {
    pub(crate) pieces: Vec<Piece>,
    /// When it happened.
    pub(crate) day: String,
}

pub(crate) struct Piece {
    pub(crate) file: &'static str,
    pub(crate) content: Vec<u8>,
    /// Of the event that tells of it.
    pub(crate) id: String,
}

impl Filled {
    /// Where a piece stands in the store.
    pub(crate) fn key(&self, piece: &Piece) -> String {
        format!("g-1/gate/{}/{}-{}", self.day, piece.id, piece.file)
    }
}

fn now(mono: Mono) -> Now {
    // Of this year, by a clock that is right: nothing is old.
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let utc = UtcMs(i64::try_from(since.as_millis()).unwrap_or_default());
    Now { mono, utc, err_ms: Some(20), clock: ClockState::Synced }
}

fn report(class: Class, kind: &'static str, source: &'static str, detail: Value) -> Report {
    let source: (&'static str, Id) = (source, "gate".parse().expect("an id"));
    Report {
        class,
        kind,
        qualifier: Qualifier::Status,
        severity: 3,
        source,
        closes: None,
        cause: None,
        detail: Some(detail),
        at: None,
    }
}

/// Fills a state folder that no gateway has used.
pub(crate) fn fill(state: &Path) -> anyhow::Result<Filled> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    let clock = ClockSource::new(|| now(boottime()));
    let options = Options::new(state.join("journal"), "g-1".parse()?, boot.clone(), clock);
    let (journal, _) = Journal::open(options)?;
    let store = |report: Report| -> anyhow::Result<Event> {
        let draft = site::draft(report, &boot, &now(boottime()));
        let record = journal.append_and_wait(vec![draft])?.pop().context("a record")?;
        Ok(serde_json::from_slice(&record.payload)?)
    };
    let opened = store(report(Class::Door, "door.opened", "door", json!({})))?.seq;
    let alarm = store(report(Class::Alarm, "zone.alarm", "zone", json!({})))?.seq;
    let panic = store(report(Class::Panic, "panic.silent", "zone", json!({})))?.seq;
    let mut random = fastrand::Rng::with_seed(42);
    let mut pieces = Vec::new();
    let mut day = String::new();
    for (file, kind, of, size) in [
        ("gate-1.jpg", "camera.snapshot", opened, 40_000),
        ("gate-2.jpg", "camera.snapshot", alarm, 60_000),
        ("gate-2.mp4", "camera.clip", alarm, LARGE),
        ("gate-3-s.mp4", "camera.clip_silent", panic, 300_000),
    ] {
        let mut content = vec![0; size];
        random.fill(&mut content);
        let clip = kind.starts_with("camera.clip");
        let folder = state.join("evidence").join(if clip { "clips" } else { "pictures" });
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(file), &content)?;
        let facts = json!({
            "ref": file, "sha256": sha256(&content), "bytes": size, "camera": "gate",
            "masked": false, "width": 640, "height": 360,
        });
        let detail = if clip {
            json!({ "of": [of], "clip": facts })
        } else {
            let mut detail = facts;
            detail["of"] = json!(of);
            detail
        };
        let event = store(report(Class::Camera, kind, "camera", detail))?;
        day = event.draft.time.utc.to_string().chars().take(10).collect();
        pieces.push(Piece { file, content, id: event.id });
    }
    journal.close();
    Ok(Filled { pieces, day })
}

/// Such a box, which is not started.
pub(crate) fn filled_box(
    world: &World,
    change: impl FnOnce(GatewayOptions) -> GatewayOptions,
) -> anyhow::Result<(Gateway, Filled)> {
    let gateway = Gateway::prepare(change(GatewayOptions::new(world)))?;
    let filled = fill(&gateway.state())?;
    Ok((gateway, filled))
}

/// Every event of a box, the silent ones too, oldest first.
pub(crate) fn events(gateway: &Gateway) -> anyhow::Result<Vec<Event>> {
    let reader = Reader::open(&gateway.state().join("journal"), "any");
    let records = reader.query(&Query { limit: 10_000, ..Query::default() })?;
    records.iter().map(|record| Ok(serde_json::from_slice(&record.payload)?)).collect()
}

/// Waits until so many events of these types are recorded; gives them.
pub(crate) async fn recorded(
    gateway: &Gateway,
    kinds: &[&str],
    count: usize,
) -> anyhow::Result<Vec<Event>> {
    let what = format!("{count} × {kinds:?}");
    let found = until(&what, PATIENCE, async || {
        let mut all = events(gateway)?;
        all.retain(|event| kinds.contains(&&*event.draft.kind));
        Ok((all.len() >= count).then_some(all))
    });
    found.await.with_context(|| format!("{:#?}", gateway.log().all()))
}

/// What `gatehouse status` says of the store; null while it answers nothing.
pub(crate) async fn status(gateway: &Gateway) -> anyhow::Result<Value> {
    let (code, said, why) = gateway.says(&["status", "--json"]).await?;
    if code != 0 {
        return Ok(Value::Null);
    }
    let status: Value = serde_json::from_str(&said).with_context(|| format!("{said}{why}"))?;
    Ok(status["store"].clone())
}

/// The SHA-256 of some bytes, as events have it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    gatehouse_core::checkpoint::to_hex(digest(&SHA256, bytes).as_ref())
}
