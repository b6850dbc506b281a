//! From an empty file to a camera that is watched, as an installer goes: who is there, paste, check, reload.

use std::path::Path;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::Auth;
use crate::site::{Site, Wanted};

const MOVING: &str = "testsrc2=size=640x360:rate=10";

/// What the installer adds to the lines that are proposed: name and password.
fn filled_in(proposed: &str, secret: &Path) -> String {
    let line = |line: &str| match line.split_once(" = ").map(|(key, _)| key) {
        Some("#username") => "username = \"guard\"".to_owned(),
        Some("#password-file") => format!("password-file = \"{}\"", secret.display()),
        _ => line.to_owned(),
    };
    proposed.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_camera_that_answers_is_proposed_in_lines_that_make_it_watched() -> anyhow::Result<()> {
    let none = |_: &[String]| String::new();
    let wanted =
        Wanted { auth: Auth::Digest("guard:s3cret"), sources: &[MOVING, MOVING], config: &none };
    let camera = json!({ "auth": "digest", "discovery": 0 });
    let mut site = Site::with_onvif(wanted, camera).await?;
    let camera = site.onvif.as_ref().context("started with it")?;
    let (port, address) = (camera.discovery()?, camera.settings().address.to_string());
    let group = format!("239.255.255.250:{port}");
    let ask = ["discover", "--from", "127.0.0.1", "--for", "1", "--to"];
    let (code, proposed, said) = site.gateway.runs(&[&ask[..], &[&group]].concat()).await?;
    ensure!(code == 0, "{said}");
    let expected = [
        "# 1 camera answered.",
        "#   name      Main gate",
        "#   hardware  SIM-1",
        "#   says      location/north wall",
        "id = \"main-gate\"",
    ];
    for part in expected {
        ensure!(proposed.contains(part), "{part} in {proposed}");
    }
    ensure!(proposed.matches("[[camera]]").count() == 1, "it answers twice: {proposed}");
    // Asked by itself it says the same, and to a program.
    let alone = format!("127.0.0.1:{port}");
    let (_, lines, _) = site.gateway.runs(&[&ask[..], &[&alone, "--json"]].concat()).await?;
    let facts: Value = serde_json::from_str(lines.trim_end())?;
    assert_eq!((&facts["hardware"], &facts["name"]), (&json!("SIM-1"), &json!("Main gate")));
    assert_eq!(facts["onvif"], address);
    ensure!(proposed.contains(&format!("onvif = \"{address}\"")), "{proposed}");

    // Beside the configuration: a daemon that runs opens nothing elsewhere.
    let secret = site.gateway.config().with_file_name("gate.secret");
    std::fs::write(&secret, "s3cret\n")?;
    let mut options = site.gateway.options().clone();
    options.extra = filled_in(&proposed, &secret);
    site.gateway.configure(options)?;
    let (code, _, said) = site.gateway.says(&["check"]).await?;
    ensure!(code == 0, "{said}");
    site.gateway.signal(Signal::HUP)?;
    site.state("main-gate", "up").await?;

    // Where nobody answers that is said, with what to look at.
    let nobody = format!("127.0.0.1:{}", crate::harness::port());
    let (code, out, said) = site.gateway.runs(&[&ask[..], &[&nobody]].concat()).await?;
    ensure!(code == 1 && out.is_empty() && said.contains("hint: "), "{code} {out} {said}");
    Ok(())
}
