//! Evidence that a stolen box does not show: not while it is made, not after a kill, not after the next
//! start. And who may see it, sees it, which is recorded.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use gatehouse_camera::clip::mp4::scan::scan;
use gatehouse_camera::seal::{Opened, generate, recipient};
use gatehouse_core::sealed::Identity;
use gatehouse_tests::wait::until;
use serde_json::json;

use crate::harness::Auth;
use crate::harness::probe::probe;
use crate::site::{PATIENCE, Site, Wanted, sha256};
use crate::untold::under_way;

/// Noise, so that a clip soon has more than a chunk.
const NOISY: &str = "testsrc2=size=640x360:rate=10,noise=alls=30:allf=t";

fn config(urls: &[String], post_s: u32, evidence: &str) -> String {
    format!(
        "[[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n\
         [[zone]]\nid = \"till\"\nkind = \"silent-panic\"\ninput = \"sim:6\"\ndebounce-ms = 0\n\
         [[camera]]\nid = \"vault\"\nstream = \"{}\"\nzones = [\"safe\", \"till\"]\npre-s = 2\n\
         post-s = {post_s}\n[evidence]\n{evidence}\n",
        urls[0]
    )
}

/// The files below the folder that show something: these pieces, or the marks of a clip or picture.
fn showing(folder: &Path, pieces: &[Vec<u8>]) -> anyhow::Result<Vec<String>> {
    let marks: [&[u8]; 5] = [b"ftypi", b"moof", b"moov", b"JFIF", b"\xff\xd8\xff\xe0"];
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A journal's file may go while it is looked at.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let all: Vec<_> = pieces.iter().map(Vec::as_slice).chain(marks).collect();
            // By the first byte before the rest: a minute otherwise, unoptimised.
            let shows = bytes.iter().enumerate().any(|(at, first)| {
                all.iter().any(|piece| piece[0] == *first && bytes[at..].starts_with(piece))
            });
            if shows {
                found.push(path.display().to_string());
            }
        }
    }
    Ok(found)
}

/// Some pieces of what nobody may find.
fn pieces(content: &[u8]) -> Vec<Vec<u8>> {
    let step = content.len() / 8;
    (1..8).map(|n| content[n * step..][..32].to_vec()).collect()
}

/// What Debian's `age` makes of a file: whether it is whole, and its content.
pub(crate) fn age(identity: &Identity, file: &Path) -> anyhow::Result<(bool, Vec<u8>)> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("key");
    std::fs::write(&key, identity.to_text().as_bytes())?;
    let opened = Command::new("age").arg("-d").arg("-i").arg(key).arg(file).output()?;
    Ok((opened.status.success(), opened.stdout))
}

/// How many pictures of a clip that is being made could be played if the power went now.
fn playable(identity: &Identity, partial: &Path) -> anyhow::Result<u64> {
    let mut content = Vec::new();
    // The last chunk is on its way.
    let _ = Opened::new(File::open(partial)?, identity)?.read_to_end(&mut content);
    Ok(scan(&mut &content[..])?.frames)
}

#[tokio::test]
async fn nothing_on_the_flash_shows_what_was_seen_neither_running_nor_killed_nor_started_again()
-> anyhow::Result<()> {
    let district = generate()?;
    let sealed = format!("recipients = [\"{}\"]", recipient(&district));
    let config = |urls: &[String]| config(urls, 60, &sealed);
    let mut site =
        Site::start(Wanted { auth: Auth::None, sources: &[NOISY], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let snapshot = site.event("camera.snapshot", 1).await?;
    let facts = snapshot.draft.detail.clone().context("its facts")?;
    // The control room has a picture that it can show.
    let digest = facts["sha256"].as_str().context("its hash")?;
    let (jpeg, _) = crate::evidence::picture(&site, digest).await?;
    let state = site.gateway.state();
    let partial = under_way(&site, 400_000).await?;
    until("pictures that are whole on the flash", PATIENCE, async || {
        Ok((playable(&district, &partial)? >= 10).then_some(()))
    })
    .await?;
    assert_eq!(showing(&state, &pieces(&jpeg))?, [""; 0], "while it is made");
    site.gateway.kill().await?;
    assert_eq!(showing(&state, &pieces(&jpeg))?, [""; 0], "after the kill");
    site.gateway.launch().await?;
    let clip = site.event("camera.clip", 1).await?.draft.detail.context("its facts")?;
    assert_eq!(showing(&state, &pieces(&jpeg))?, [""; 0], "after the next start");
    let clip = &clip["clip"];
    // The box cannot look into it, and says of it what it knows.
    ensure!(clip["sha256"].is_null() && clip["frames"].is_null(), "{clip}");
    let path = state.join("evidence/clips").join(clip["ref"].as_str().context("its name")?);
    ensure!(path.extension().is_some_and(|extension| extension == "age"), "{clip}");
    assert_eq!(clip["sealed"]["sha256"], sha256(&std::fs::read(&path)?));
    // The district can: all of it but the end, which is missing.
    let (whole, content) = age(&district, &path)?;
    ensure!(!whole && content.len() > 300_000, "{} bytes", content.len());
    let folder = tempfile::tempdir()?;
    let film = folder.path().join("film.mp4");
    // Its last fragment ends where the last whole chunk did: a player stops there, ffprobe complains.
    let whole = scan(&mut &content[..])?;
    std::fs::write(&film, &content[..usize::try_from(whole.bytes)?])?;
    ensure!(probe(&film)?.frames >= 10);
    assert_eq!(showing(&state, &pieces(&content))?, [""; 0], "nothing of the clip itself");
    // The search finds what is there to be found.
    assert_eq!(showing(folder.path(), &pieces(&content))?.len(), 1);
    // And the picture is what its event says, sealed and opened.
    let picture = state.join(format!("evidence/pictures/vault-{}.jpg.age", facts["of"]));
    assert_eq!(facts["sealed"]["sha256"], sha256(&std::fs::read(&picture)?));
    let (whole, content) = age(&district, &picture)?;
    ensure!(whole && content == jpeg);
    Ok(())
}

#[tokio::test]
async fn who_looks_at_evidence_on_the_box_is_recorded_before_anything_is_given_out()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let own = generate()?;
    let key = folder.path().join("evidence.key");
    std::fs::write(&key, own.to_text().as_bytes())?;
    let named = format!("key-file = \"{}\"", key.display());
    let config = |urls: &[String]| config(urls, 1, &named);
    let mut site =
        Site::start(Wanted { auth: Auth::None, sources: &[NOISY], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(6, true);
    site.event("camera.clip_silent", 1).await?;
    site.world.set(5, true);
    let clip = site.event("camera.clip", 1).await?.draft.detail.context("its facts")?;
    let name = clip["clip"]["ref"].as_str().context("its name")?.to_owned();
    site.event("camera.snapshot_silent", 2).await?;
    site.event("camera.snapshot", 2).await?;
    let (code, listed, why) = site.gateway.says(&["evidence", "list", "--json"]).await?;
    ensure!(code == 0, "{why}");
    let names: Vec<_> =
        listed.lines().map(serde_json::from_str::<serde_json::Value>).collect::<Result<_, _>>()?;
    ensure!(names.iter().all(|piece| piece["sealed"] == true), "{listed}");
    // Two pictures and a clip; those of the silent alarm are shown to nobody here.
    assert_eq!(names.len(), 3, "{listed}");
    ensure!(names.iter().any(|piece| piece["name"] == name.as_str()), "{listed}");
    let out = folder.path().join("film.mp4");
    let out_text = out.to_str().context("a name")?;
    let (code, said, why) =
        site.gateway.says(&["evidence", "open", &name, "--out", out_text]).await?;
    ensure!(code == 0, "{why}");
    let content = std::fs::read(&out)?;
    assert_eq!(clip["clip"]["sha256"], sha256(&content));
    ensure!(said.contains(&sha256(&content)), "{said}");
    let looked = site.event("evidence.opened", 1).await?;
    let user = format!("uid-{}", rustix::process::getuid().as_raw());
    let facts = looked.draft.detail.context("who")?;
    assert_eq!(facts, json!({ "file": name, "via": "cli", "user": user }));
    // Another key opens nothing, and nothing is recorded of what was not given out.
    let other = folder.path().join("other.key");
    std::fs::write(&other, generate()?.to_text().as_bytes())?;
    let other = other.to_str().context("a name")?;
    let again = folder.path().join("again.mp4");
    let again_text = again.to_str().context("a name")?;
    let with = ["evidence", "open", &name, "--out", again_text, "--identity", other];
    let (code, _, why) = site.gateway.says(&with).await?;
    ensure!(code == 77 && why.contains("sealed for others") && !again.exists(), "{code} {why}");
    // Where it cannot be recorded nothing is given out.
    site.gateway.stop().await?;
    let (code, _, why) =
        site.gateway.says(&["evidence", "open", &name, "--out", again_text]).await?;
    ensure!(code == 1 && why.contains("nothing was opened") && !again.exists(), "{code} {why}");
    let looks = site.gateway.events().await?;
    assert_eq!(looks.iter().filter(|event| event.draft.kind == "evidence.opened").count(), 1);
    Ok(())
}

#[tokio::test]
async fn without_the_key_that_seals_it_no_evidence_is_kept() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let named = format!("key-file = \"{}\"", folder.path().join("none.key").display());
    let config = |urls: &[String]| config(urls, 1, &named);
    let site = Site::start(Wanted { auth: Auth::None, sources: &[NOISY], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let refused = site.event("camera.no_picture", 1).await?;
    ensure!(refused.draft.cause.as_ref().is_some_and(|why| why.contains("key")), "{refused:?}");
    for kind in ["clips", "pictures"] {
        let path = site.gateway.state().join("evidence").join(kind);
        assert_eq!(std::fs::read_dir(path)?.count(), 0, "{kind}");
    }
    // Once it is there, what happens is kept.
    std::fs::write(folder.path().join("none.key"), generate()?.to_text().as_bytes())?;
    let log = site.gateway.log();
    let there = |lines: &[String]| {
        lines.iter().any(|line| line.contains("the key of evidence is there")).then_some(())
    };
    log.wait_for("the key to be found", PATIENCE, there).await?;
    site.world.set(5, false);
    site.state("vault", "up").await?;
    site.event("zone.24h_alarm_restored", 1).await?;
    site.world.set(5, true);
    let snapshot = site.event("camera.snapshot", 1).await?;
    ensure!(snapshot.draft.detail.context("its facts")?["sealed"].is_object());
    Ok(())
}
