//! Clips and pictures that lie on the flash before anybody was told: after a kill, after a stop, and of a
//! camera that came with a reload.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::wait::until;
use rustix::process::Signal;

use crate::evidence::{picture, text};
use crate::harness::Auth;
use crate::harness::probe::probe;
use crate::site::{PATIENCE, Site, Wanted, sha256};

const MOVING: &str = "testsrc2=size=640x360:rate=10";

/// A clip of half a minute: it is under way until the test ends it.
fn config(urls: &[String]) -> String {
    format!(
        "[[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n\
         [[camera]]\nid = \"vault\"\nstream = \"{}\"\nzones = [\"safe\"]\npre-s = 2\npost-s = 30\n",
        urls[0]
    )
}

fn clips(site: &Site) -> PathBuf {
    site.gateway.state().join("evidence/clips")
}

/// Waits until a clip has so many bytes on flash, and is not whole yet.
pub(crate) async fn under_way(site: &Site, least: u64) -> anyhow::Result<PathBuf> {
    until("a clip that is being made", PATIENCE, async || {
        let found = std::fs::read_dir(clips(site))?.filter_map(Result::ok).find(|entry| {
            let long = entry.metadata().is_ok_and(|facts| facts.len() > least);
            long && entry.path().extension().is_some_and(|it| it == "partial")
        });
        Ok(found.map(|entry| entry.path()))
    })
    .await
}

/// The clip of an event, which is what the event says.
fn clip(site: &Site, event: &Event) -> anyhow::Result<serde_json::Value> {
    let facts = event.draft.detail.clone().context("its facts")?;
    let name = facts["clip"]["ref"].as_str().context("its name")?;
    let path = clips(site).join(name);
    let bytes = std::fs::read(&path)?;
    ensure!(facts["clip"]["sha256"] == sha256(&bytes), "{facts}");
    let probed = probe(&path)?;
    ensure!(facts["clip"]["frames"] == probed.frames, "{facts} {probed:?}");
    Ok(facts)
}

#[tokio::test]
async fn a_clip_that_a_kill_cuts_off_is_told_of_at_the_next_start_and_never_again()
-> anyhow::Result<()> {
    let mut site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let alarm = site.event("zone.24h_alarm", 1).await?;
    under_way(&site, 200_000).await?;
    site.gateway.kill().await?;
    site.gateway.launch().await?;
    let told = site.event("camera.clip", 1).await?;
    let facts = clip(&site, &told)?;
    assert_eq!(
        (&facts["of"], &facts["clip"]["recovered"]),
        (&vec![alarm.seq.0].into(), &true.into())
    );
    assert_eq!((&facts["clip"]["masked"], &facts["clip"]["pre_s"]), (&false.into(), &2.into()));
    // Where it begins and ends is where its pictures do.
    let at = |key: &str| -> anyhow::Result<gatehouse_core::time::UtcMs> {
        Ok(serde_json::from_value(facts["clip"][key].clone())?)
    };
    let (from, to) = (at("from")?.0, at("to")?.0);
    let alarmed = alarm.draft.time.utc.0;
    ensure!((alarmed - 12_000..=alarmed).contains(&from), "{facts} for {alarmed}");
    ensure!(to > from && to <= told.draft.time.utc.0, "{facts}");
    // Neither another kill nor an orderly stop tells of it once more.
    site.gateway.restart().await?;
    site.gateway.stop().await?;
    site.gateway.launch().await?;
    site.state("vault", "up").await?;
    let tells = site.gateway.events().await?;
    let of_clips = tells.iter().filter(|event| event.draft.kind == "camera.clip").count();
    assert_eq!(of_clips, 1);
    Ok(())
}

#[tokio::test]
async fn a_picture_whose_event_a_kill_prevents_is_told_of_and_sent_at_the_next_start_and_never_again()
-> anyhow::Result<()> {
    let mut site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let alarm = site.event("zone.24h_alarm", 1).await?;
    site.event("camera.snapshot", 1).await?;
    // From here on nothing can be recorded: the second picture comes onto the flash and its event does not.
    let journal = rusqlite::Connection::open(site.gateway.state().join("journal/journal.db"))?;
    journal.busy_timeout(PATIENCE)?;
    journal.execute_batch("BEGIN IMMEDIATE")?;
    let name = format!("vault-{}-2.jpg", alarm.seq);
    let path = site.gateway.state().join("evidence/pictures").join(&name);
    until("the second picture", PATIENCE, async || Ok(path.exists().then_some(()))).await?;
    site.gateway.kill().await?;
    drop(journal);
    let recorded = site.gateway.events().await?;
    let name_of = name.clone();
    let known = |events: &[Event]| {
        events
            .iter()
            .filter(|event| text(event, "ref") == name_of)
            .map(|it| it.seq)
            .collect::<Vec<_>>()
    };
    ensure!(known(&recorded).is_empty(), "its event was recorded after all");
    site.gateway.launch().await?;
    // The first one may come again: what a kill kept from being confirmed is sent anew.
    let mut count = 1;
    let told = loop {
        count += 1;
        let told = site.event("camera.snapshot", count).await?;
        if text(&told, "ref") == name {
            break told;
        }
    };
    let facts = told.draft.detail.clone().context("its facts")?;
    assert_eq!((&facts["ref"], &facts["of"]), (&name.into(), &alarm.seq.0.into()));
    assert_eq!(facts["recovered"], true);
    let kept = std::fs::read(&path)?;
    assert_eq!(facts["sha256"], sha256(&kept));
    let (sent, properties) = picture(&site, text(&told, "sha256")).await?;
    ensure!(sent == kept && properties.contains(&("seq".to_owned(), alarm.seq.to_string())));
    // Neither another kill nor an orderly stop tells of it once more.
    site.gateway.restart().await?;
    site.gateway.stop().await?;
    site.gateway.launch().await?;
    site.state("vault", "up").await?;
    assert_eq!(known(&site.gateway.events().await?), [told.seq]);
    Ok(())
}

#[tokio::test]
async fn a_clip_that_a_stop_ends_is_told_of_before_the_stop() -> anyhow::Result<()> {
    let mut site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    under_way(&site, 200_000).await?;
    site.gateway.stop().await?;
    let events = site.gateway.events().await?;
    let place = |kind: &str| events.iter().rposition(|event| event.draft.kind == kind);
    let (told, stopping) = (place("camera.clip"), place("system.stopping"));
    ensure!(told.context("the clip")? < stopping.context("the stop")?);
    let facts = clip(&site, &events[told.context("the clip")?])?;
    ensure!(facts["clip"]["recovered"].is_null() && facts["clip"]["from"].is_string(), "{facts}");
    site.gateway.launch().await?;
    site.state("vault", "up").await?;
    let tells = site.gateway.events().await?;
    assert_eq!(tells.iter().filter(|event| event.draft.kind == "camera.clip").count(), 1);
    Ok(())
}

#[tokio::test]
async fn the_first_camera_of_a_box_takes_pictures_without_a_restart_and_other_bounds_hold_at_once()
-> anyhow::Result<()> {
    let none = |_: &[String]| {
        "[[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n".to_owned()
    };
    let mut site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &none }).await?;
    let url = site.server.address("/cam-0").to_string();
    let mut options = site.gateway.options().clone();
    options.extra = config(&[url]).replace("post-s = 30", "post-s = 1");
    site.gateway.configure(options.clone())?;
    site.gateway.signal(Signal::HUP)?;
    site.event("config.applied", 1).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    site.event("camera.snapshot", 1).await?;
    site.event("camera.clip", 1).await?;
    // More than the disk has is to stay free: everything goes.
    options.extra.push_str("[evidence]\nreserve-mb = 1000000\n");
    site.gateway.configure(options)?;
    site.gateway.signal(Signal::HUP)?;
    let removed = site.event("camera.evidence_removed", 1).await?;
    assert_eq!(removed.draft.detail.context("why")?["why"], "reserve");
    until("an empty folder", PATIENCE, async || {
        Ok((std::fs::read_dir(clips(&site))?.count() == 0).then_some(()))
    })
    .await
}
