//! What the daemon takes from itself, seen from outside: the kernel's word for each of its threads, and files that
//! it is asked to read and may not.

use std::os::unix::fs::symlink;

use anyhow::{Context as _, ensure};
use gatehouse_tests::ports::Port;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Certificates, Gateway};
use serde_json::Value;

use super::scene::{GATEWAY, Scene, lasting};

async fn status(gateway: &Gateway) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&gateway.command(&["status", "--json", "--config"], true).await?)?)
}

/// What the kernel says of a thread, by the key of its line.
fn of(status: &str, key: &str) -> Option<String> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.map(|value| value.trim().to_owned())
}

/// Puts a link in the place of the configuration, to the same file that lies elsewhere now.
fn lead_elsewhere(gateway: &Gateway) -> anyhow::Result<tempfile::TempDir> {
    let elsewhere = tempfile::tempdir()?;
    let moved = elsewhere.path().join("gateway.toml");
    std::fs::copy(gateway.config(), &moved)?;
    let link = gateway.config().with_added_extension("link");
    symlink(moved, &link).context("the link")?;
    std::fs::rename(link, gateway.config())?;
    Ok(elsewhere)
}

#[tokio::test]
async fn the_daemon_opens_nothing_outside_and_delivers_and_reloads_all_the_same()
-> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    let process = scene.gateway.process_id().context("it runs")?;
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let told = std::fs::read_to_string(task?.path().join("status"))?;
        ensure!(of(&told, "Seccomp").as_deref() == Some("2"), "{told}");
        ensure!(of(&told, "NoNewPrivs").as_deref() == Some("1"), "{told}");
        threads += 1;
    }
    ensure!(threads > 1, "the journal's writer has one");
    let told = status(&scene.gateway).await?;
    ensure!(told["sandbox"]["calls"]["holds"] == "whole", "{told}");
    // On a kernel from before 6.12 it is `partly`; without landlock this test fails, and should.
    ensure!(
        ["whole", "partly"].map(Value::from).contains(&told["sandbox"]["files"]["holds"]),
        "{told}"
    );
    let said = scene.gateway.command(&["status", "--config"], true).await?;
    ensure!(said.contains("sandbox files bounded"), "{said}");

    // The file is the gateway's own, what it leads to is not: the kernel refuses, whoever the user is.
    let elsewhere = lead_elsewhere(&scene.gateway)?;
    let (code, _, complaint) = scene.gateway.says(&["reload"]).await?;
    ensure!(code == 78 && complaint.contains("Permission denied"), "{code}: {complaint}");
    drop(elsewhere);

    // Another line of the file holds by a reload as ever, a page on a port that nobody named before too.
    let (certificates, port) = (Certificates::new()?, Port::hold()?);
    let mut options = scene.gateway.options().clone();
    options.extra = format!("[page]\nlisten = \"{}\"\n", port.address());
    scene.gateway.configure(options.clone())?;
    let (code, told, complaint) = scene.gateway.says(&["reload"]).await?;
    ensure!(code == 0 && told.contains("applied"), "{code}: {told}{complaint}");
    until("the page to be served", SOON, async || {
        Ok(status(&scene.gateway).await?["page"]["fingerprint"].is_string().then_some(()))
    })
    .await?;

    // Files that lie elsewhere need a restart, which is said; what ran before runs on.
    let identity = certificates.broker()?;
    let hash = status(&scene.gateway).await?["config_hash"].clone();
    options.extra = format!(
        "{}certificate = {:?}\nkey = {:?}\n",
        options.extra, identity.certificate, identity.key
    );
    scene.gateway.configure(options)?;
    let (code, _, complaint) = scene.gateway.says(&["reload"]).await?;
    ensure!(code == 78 && complaint.contains("certificate of [page] names"), "{code}: {complaint}");
    ensure!(complaint.contains("systemctl restart gatehouse"), "{complaint}");
    ensure!(status(&scene.gateway).await?["config_hash"] == hash, "it runs on with what it had");
    scene.store(40).await?;
    scene.settled().await?;

    scene.gateway.restart().await?;
    until("the page with its own certificate", SOON, async || {
        // Its socket is there a moment after it is ready.
        let Ok(told) = status(&scene.gateway).await else { return Ok(None) };
        Ok((told["config_hash"] != hash && told["page"]["fingerprint"].is_string()).then_some(()))
    })
    .await?;
    scene.world.connected(2).await?;
    scene.store(8).await?;
    let events = scene.settled().await?;
    let refused = events.iter().find(|event| event.draft.kind == "config.rejected");
    ensure!(refused.is_some_and(|event| event.draft.source.id.as_str() == GATEWAY));
    ensure!(scene.gateway.stop().await?.success());
    Ok(())
}

#[tokio::test]
async fn switched_off_it_is_said_in_the_log_in_status_and_by_the_doctor() -> anyhow::Result<()> {
    let off = |mut options: gatehouse_tests::GatewayOptions| {
        options.environment.push(("GATEHOUSE_SANDBOX".into(), "off".into()));
        options
    };
    let scene = Scene::with(lasting(), off).await?;
    let process = scene.gateway.process_id().context("it runs")?;
    let told = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    ensure!(of(&told, "Seccomp").as_deref() == Some("0"), "{told}");
    // So it is the sandbox, and nothing else, that refused the same link.
    let _elsewhere = lead_elsewhere(&scene.gateway)?;
    let (code, _, complaint) = scene.gateway.says(&["reload"]).await?;
    ensure!(code == 0, "{code}: {complaint}");

    let line = "files not bounded (GATEHOUSE_SANDBOX=off)";
    let logged = scene
        .gateway
        .log()
        .read(|lines| lines.iter().any(|logged| logged.contains("WARN") && logged.contains(line)));
    ensure!(logged, "the log says nothing");
    let said = scene.gateway.command(&["status", "--config"], true).await?;
    ensure!(said.contains(line), "{said}");
    let (_, said, _) = scene.gateway.says(&["doctor"]).await?;
    ensure!(said.contains(line) && said.contains("systemctl edit gatehouse"), "{said}");
    Ok(())
}
