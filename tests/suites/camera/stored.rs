//! An alarm's pictures and clip, from a real camera to a store that is not ours.

use anyhow::{Context as _, ensure};
use gatehouse_tests::store::ObjectStore;

use crate::harness::Auth;
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
