//! `gatehouse credential`: a new card, and what becomes of it.

use std::process::Stdio;

use gatehouse_tests::gateway::program;
use libosdp::OsdpLedColor;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::cards::lamp;
use super::*;

/// Runs `gatehouse credential enrol` with these words and this input, and presents a card when the
/// reader asks for it.
async fn enrol(site: &Site, number: u64, words: &[&str], typed: &str) -> anyhow::Result<String> {
    let mut command = Command::new(program()?);
    command.args(["credential", "enrol", "--reader", "front"]).args(words);
    command.arg("--config").arg(site.gateway.config());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(typed.as_bytes()).await?;
    drop(stdin);
    // The reader asks for it.
    while lamp(site) != OsdpLedColor::Amber {}
    site.show(number);
    let output = tokio::time::timeout(SOON, child.wait_with_output()).await??;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{told}");
    ensure!(typed.is_empty() || !told.contains(typed.trim()), "{told}");
    Ok(String::from_utf8(output.stdout)?)
}

async fn credential(site: &Site, words: &[&str]) -> anyhow::Result<String> {
    let words: Vec<_> = ["credential"].iter().chain(words).chain(&["--config"]).copied().collect();
    site.gateway.command(&words, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_enrolled_by_presenting_it_and_blocked_and_removed_again() -> anyhow::Result<()> {
    let keys = "lockout-attempts = 0";
    let site = Site::with(keys, &everybody(), &Make::with_key(FRONT, KEY)).await?;
    site.known().await?;
    let told = enrol(&site, 7, &["--label", "Flat 7", "--door", "main"], "").await?;
    ensure!(told.trim() == hash(7).to_string(), "{told}");
    let text = std::fs::read_to_string(site.list())?;
    ensure!(text.starts_with(&everybody()), "what people wrote stays:\n{text}");
    ensure!(text.contains("label = \"Flat 7\"\ndoors = [\"main\"]\n"), "{text}");
    let changed = site.told("credentials.changed", 1).await?;
    let detail = changed.draft.detail.context("no detail")?;
    ensure!(detail["credentials"] == 3 && detail["before"] != detail["after"], "{detail}");
    let granted = site.count("access.granted").await?;
    site.show(7);
    is_from(&site.told("access.granted", granted + 1).await?, 7)?;

    let listed = credential(&site, &["list"]).await?;
    ensure!(listed.lines().count() == 3 && listed.contains("Flat 7"), "{listed}");
    ensure!(!listed.contains("duress"), "whoever stands by must not see it:\n{listed}");
    credential(&site, &["block", "Flat 7"]).await?;
    let denied = site.count("access.denied").await?;
    site.show(7);
    ensure!(cause(&site.told("access.denied", denied + 1).await?) == "blocked");
    credential(&site, &["remove", &hash(7).to_string()[..8]]).await?;
    ensure!(std::fs::read_to_string(site.list())?.trim_end() == everybody().trim_end());
    site.show(7);
    ensure!(cause(&site.told("access.denied", denied + 2).await?) == "unknown");
    Ok(())
}

/// Lessons, row 24: the same list again changes nothing; and one with a mistake never takes its place.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_list_is_no_event_and_a_wrong_one_is_refused_while_the_old_one_counts()
-> anyhow::Result<()> {
    let site = Site::ready().await?;
    credential(&site, &["reload"]).await?;
    ensure!(site.count("credentials.changed").await? == 0);
    put(&site.list(), &format!("{}\n[[credential]]\nhash = \"x\"\n", everybody()), 0o640)?;
    let refused = credential(&site, &["reload"]).await.unwrap_err().to_string();
    ensure!(refused.contains("1 mistake"), "{refused}");
    let checked = site.gateway.command(&["check", "--config"], true).await.unwrap_err();
    ensure!(checked.to_string().contains("gatehouse credential enrol"), "{checked}");
    site.show(1);
    site.told("access.granted", 1).await?;
    ensure!(site.count("credentials.changed").await? == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_is_typed_when_enrolling_is_kept_as_its_hash_alone() -> anyhow::Result<()> {
    let keys = "pin = true\nlockout-attempts = 0";
    let site = Site::with(keys, "", &Make::with_key(FRONT, KEY)).await?;
    site.known().await?;
    enrol(&site, 7, &["--pin"], "194857\n").await?;
    let text = std::fs::read_to_string(site.list())?;
    ensure!(!text.contains("194857") && text.contains(&pin(7, &[1, 9, 4, 8, 5, 7]).to_string()));
    let log = site.gateway.log().all().join("\n");
    ensure!(!log.contains("194857"), "{log}");
    let granted = site.count("access.granted").await?;
    site.show(7);
    site.far().keys(FRONT, b"194857#");
    let granted = site.told("access.granted", granted + 1).await?;
    is_from(&granted, 7)?;
    ensure!(granted.draft.detail == Some(json!({ "door": "main", "side": "outside" })));
    Ok(())
}
