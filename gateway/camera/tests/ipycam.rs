//! ONVIF against a camera that others have written: ipycam, in a network of its own, because it listens
//! everywhere. It has no events.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use gatehouse_camera::onvif::discovery::{ProbeSettings, probe};
use gatehouse_camera::onvif::{Client, OnvifError, OnvifSettings};
use gatehouse_camera::source::{Address, Credentials};
use gatehouse_core::time::Mono;
use rustix::time::{ClockId, clock_gettime};

const VERSION: &str = "ipycam==1.3.0";

/// The way out of the network's loopback, for addresses that the camera finds itself at.
const NETWORK: &str = "ip link set lo up && ip route add 10.0.0.0/8 dev lo && \
     ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo && exec \"$@\"";

#[test]
fn a_camera_of_others_is_found_and_understood() -> anyhow::Result<()> {
    let permitted = Command::new("unshare").args(["-n", "true"]).stderr(Stdio::null()).status()?;
    if !permitted.success() {
        println!("skipped: this machine does not permit `unshare -n`");
        return Ok(());
    }
    let python = python()?;
    let inside = Command::new("unshare")
        .args(["-n", "sh", "-c", NETWORK, "sh"])
        .arg(std::env::current_exe()?)
        .args(["--ignored", "--exact", "inside_its_network", "--nocapture"])
        .env("IPYCAM_PYTHON", python)
        .output()?;
    let said = String::from_utf8_lossy(&inside.stdout);
    let errors = String::from_utf8_lossy(&inside.stderr);
    ensure!(inside.status.success() && said.contains("1 passed"), "{said}\n{errors}");
    Ok(())
}

/// A Python that has it.
fn python() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ipycam");
    let python = folder.join("bin/python");
    let run = |command: &mut Command| -> anyhow::Result<()> {
        ensure!(command.status()?.success(), "{command:?}");
        Ok(())
    };
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    // Does nothing where it is installed.
    run(Command::new(&python).args(["-m", "pip", "install", "-q", VERSION]))?;
    Ok(python)
}

fn boottime() -> Mono {
    let now = clock_gettime(ClockId::Boottime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Mono(part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec))
}

#[tokio::test]
#[ignore = "a part of the other test, which runs it in a network of its own"]
async fn inside_its_network() -> anyhow::Result<()> {
    let python = std::env::var_os("IPYCAM_PYTHON").context("run by the other test")?;
    let folder = tempfile::tempdir()?;
    let clip = folder.path().join("clip.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=10"])
        .args(["-t", "2"])
        .arg(&clip)
        .status()?;
    ensure!(made.success(), "a clip");
    std::fs::write(
        folder.path().join("camera.json"),
        r#"{ "username": "guard", "password": "s3cret" }"#,
    )?;
    let _camera = tokio::process::Command::new(python)
        .args(["-m", "ipycam", "--config", "camera.json", "--source", "clip.mp4"])
        .args(["--width", "640", "--height", "360", "--fps", "10", "--hw", "cpu"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let settings = |password: &str| -> anyhow::Result<OnvifSettings> {
        let address = Address::http("http://127.0.0.1:8080/onvif/device_service")?;
        let credentials = Some(Credentials::new("guard", password));
        Ok(OnvifSettings { credentials, ..OnvifSettings::new("cam", address) })
    };
    let mut client = Client::new(settings("s3cret")?, &boottime);
    let up = async {
        let mut tries = tokio::time::interval(Duration::from_millis(200));
        loop {
            tries.tick().await;
            match client.read_clock().await {
                Err(OnvifError::Unreachable { .. }) => {}
                other => return other,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), up).await.context("it listens")??;
    let information = client.information().await?;
    ensure!(!information.manufacturer.is_empty(), "{information:?}");
    let streams = client.streams().await?;
    assert_eq!(streams.main.endpoint(), ("127.0.0.1".to_owned(), 8554), "not what it advertises");
    let profiles = client.profiles().await?;
    assert_eq!(client.snapshot_uri(&profiles[0]).await?.endpoint().0, "127.0.0.1");
    let refused = Client::new(settings("other")?, &boottime).streams().await;
    ensure!(matches!(refused, Err(OnvifError::Unauthorised { .. })), "{refused:?}");
    let found = probe(ProbeSettings { from: Ipv4Addr::LOCALHOST.into(), ..Default::default() });
    let found = found.await?;
    ensure!(found.len() == 1, "{found:?}");
    assert_eq!(found[0].address.endpoint().1, 8080);
    Ok(())
}
