//! A box whose flash was lost, made the same again from its backup.

use anyhow::{Context, ensure};

use crate::scene::Scene;

#[tokio::test]
async fn a_box_is_the_same_again_after_its_configuration_was_lost() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    scene.known().await?;
    let hash = scene.hash().await?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, key) = (path("box.age"), path("box.key"));
    let told = scene.says(&["backup", "--output", &file, "--new-key", &key]).await?;
    ensure!(told.contains("Keep it apart") && told.contains("gateway.toml"), "{told}");
    // What is there is not overwritten, neither backup nor key.
    let (code, _, why) =
        scene.gateway.says(&["backup", "--output", &file, "--new-key", &path("other")]).await?;
    ensure!(code == 77 && why.contains("box.age") && why.contains("not there yet"), "{code} {why}");
    let listed = scene.says(&["restore", &file, "--key", &key]).await?;
    ensure!(listed.contains("as it is") && listed.contains("Nothing was written"), "{listed}");
    let restore = ["restore", &file, "--key", &key, "--yes"];
    let (code, _, why) = scene.gateway.says(&restore).await?;
    ensure!(code == 1 && why.contains("a gateway runs"), "{code} {why}");
    let (code, _, why) =
        scene.gateway.says(&["restore", &file, "--key", &path("other"), "--yes"]).await?;
    ensure!(code == 78 && why.contains("sealed for others"), "{code} {why}");

    scene.gateway.stop().await?;
    let config = scene.gateway.config();
    let before = std::fs::read(&config)?;
    std::fs::write(&config, "[gateway]\nid = \"lost")?;
    let told = scene.says(&restore).await?;
    ensure!(told.contains("replaced") && told.contains("Restored"), "{told}");
    ensure!(std::fs::read(&config)? == before);
    let beside = config.with_added_extension("before-restore");
    ensure!(std::fs::read_to_string(&beside).context("what was there")?.ends_with("lost"));
    scene.gateway.launch().await?;
    scene.known().await?;
    ensure!(scene.hash().await? == hash);
    scene.world.set(0, true);
    scene.event("door.opened", "door-0").await?;
    Ok(())
}
