//! An alarm's pictures and clip, from a real camera to a store that is not ours.

use anyhow::{Context as _, ensure};
use gatehouse_camera::seal::{generate, recipient};
use gatehouse_tests::store::ObjectStore;

use crate::harness::Auth;
use crate::sealed::age;
use crate::site::{Site, Wanted, sha256};

const MOVING: &str = "testsrc2=size=640x360:rate=10";

#[tokio::test]
async fn an_alarms_pictures_and_clip_are_in_the_store_with_the_hashes_of_their_events()
-> anyhow::Result<()> {
    let store = ObjectStore::start(None).await?;
    let table = store.table(store.address(), "prefix = \"d-1/north\"\n");
    let config = |urls: &[String]| {
        format!(
            "[[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n\
             [[camera]]\nid = \"vault\"\nstream = \"{}\"\nzones = [\"safe\"]\npre-s = 2\n\
             post-s = 1\n{table}",
            urls[0]
        )
    };
    let site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let alarm = site.event("zone.24h_alarm", 1).await?;
    let mut hashes = Vec::new();
    for count in 1..=2 {
        let taken = site.event("camera.snapshot", count).await?.draft.detail.context("facts")?;
        hashes.push((taken["ref"].clone(), taken["sha256"].clone()));
    }
    let clip = site.event("camera.clip", 1).await?.draft.detail.context("facts")?;
    hashes.push((clip["clip"]["ref"].clone(), clip["clip"]["sha256"].clone()));
    for count in 1..=3 {
        let stored = site.event("camera.stored", count).await?.draft.detail.context("facts")?;
        assert_eq!(stored["of"], serde_json::json!([alarm.seq]), "{stored}");
        let wanted = hashes.iter().find(|(file, _)| *file == stored["ref"]);
        let (_, hash) = wanted.context("a file of an event")?;
        let key = stored["key"].as_str().context("its key")?;
        ensure!(key.starts_with("d-1/north/g-1/vault/20"), "{key}");
        assert_eq!(*hash, sha256(&store.object(key)?), "{key}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_sealed_on_the_flash_is_sealed_in_the_store_and_opens_with_the_districts_key()
-> anyhow::Result<()> {
    let district = generate()?;
    let store = ObjectStore::start(None).await?;
    let table = store.table(store.address(), "");
    let config = |urls: &[String]| {
        format!(
            "[[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n\
             [[camera]]\nid = \"vault\"\nstream = \"{}\"\nzones = [\"safe\"]\npre-s = 2\n\
             post-s = 1\n[evidence]\nrecipients = [\"{}\"]\n{table}",
            urls[0],
            recipient(&district)
        )
    };
    let site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let picture = site.event("camera.snapshot", 1).await?.draft.detail.context("facts")?;
    let clip = site.event("camera.clip", 1).await?.draft.detail.context("facts")?;
    let folder = tempfile::tempdir()?;
    let mut seen = 0;
    for count in 1..=3 {
        let stored = site.event("camera.stored", count).await?.draft.detail.context("facts")?;
        let object = store.object(stored["key"].as_str().context("its key")?)?;
        // What its event says of the sealed bytes is what the store has; and of the others, what is in them.
        let facts =
            [&picture, &clip["clip"]].into_iter().find(|facts| facts["ref"] == stored["ref"]);
        let Some(facts) = facts else { continue };
        assert_eq!(stored["as_told"], true, "{stored}");
        assert_eq!(facts["sealed"]["sha256"], sha256(&object), "{stored}");
        let file = folder.path().join("sealed.age");
        std::fs::write(&file, &object)?;
        let (whole, content) = age(&district, &file)?;
        ensure!(whole, "{stored} does not open");
        if facts["sha256"].is_string() {
            assert_eq!(facts["sha256"], sha256(&content), "{stored}");
        }
        ensure!(content.starts_with(b"\xff\xd8\xff") || content[4..].starts_with(b"ftyp"));
        seen += 1;
    }
    assert_eq!(seen, 2, "the picture and the clip");
    Ok(())
}
