//! The unit: systemd understands it, and its sandbox is tight.

use std::process::Command;

use anyhow::{Context, ensure};

use super::deploy;

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    ensure!(output.status.success(), "{command:?}: {text}");
    Ok(text)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for (unit, installed, starts) in [
        ("systemd/gatehouse.service", "/usr/bin/gatehouse ", 4),
        ("control-room/gatehouse-receiver.service", "/usr/bin/gatehouse-receiver ", 1),
        ("control-room/gatehouse-receiver@.service", "/usr/bin/gatehouse-receiver ", 1),
    ] {
        let text = std::fs::read_to_string(deploy(unit))?;
        // The binary is elsewhere before it is installed; everything else is checked as it is.
        ensure!(text.matches(installed).count() == starts, "the commands of {unit}");
        let name = deploy(unit).file_name().context("a name")?.to_string_lossy().into_owned();
        // A template is checked as one of its instances.
        let copy = folder.path().join(name.replace("@.", "@one."));
        std::fs::write(&copy, text.replace(installed, "/bin/true "))?;
        let said = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy))?;
        assert_eq!(said, "", "systemd-analyze verify {unit}");
    }
    Ok(())
}

#[test]
fn the_exposure_of_each_unit_is_below_two() -> anyhow::Result<()> {
    for unit in [
        "systemd/gatehouse.service",
        "control-room/gatehouse-receiver.service",
        "control-room/gatehouse-receiver@.service",
    ] {
        let said = run(Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=20"])
            .arg(deploy(unit)))?;
        let overall = said.lines().find(|line| line.contains("Overall exposure level"));
        println!("{}", overall.context("no overall level")?);
    }
    Ok(())
}

#[test]
fn every_file_that_the_unit_speaks_of_is_shipped() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(deploy("systemd/gatehouse.service"))?;
    ensure!(deploy("man/credentials.toml.5").is_file());
    for page in ["man/gatehouse.8", "man/gateway.toml.5"] {
        let (_, name) = page.split_once('/').context("a page")?;
        let (name, section) = name.rsplit_once('.').context("a section")?;
        ensure!(text.contains(&format!("man:{name}({section})")), "{page} is not named");
        ensure!(deploy(page).is_file(), "{page} is not there");
    }
    let users = std::fs::read_to_string(deploy("systemd/gatehouse.sysusers"))?;
    ensure!(users.contains("\nu gatehouse ") && text.contains("\nUser=gatehouse\n"));
    let rules = std::fs::read_to_string(deploy("udev/60-gatehouse.rules"))?;
    ensure!(rules.contains("GROUP=\"gpio\"") && text.contains("\nSupplementaryGroups=gpio\n"));
    ensure!(text.contains("\nSupplementaryGroups=i2c spi\n"));
    ensure!(text.contains("\nSupplementaryGroups=dialout\n"));
    ensure!(users.contains("\ng dialout -\n"), "nobody makes the group dialout");
    ensure!(text.contains("\nSupplementaryGroups=video\n"));
    ensure!(users.contains("\ng video -\n"), "nobody makes the group video");
    for group in ["i2c", "spi"] {
        ensure!(rules.contains(&format!("GROUP=\"{group}\"")), "udev does not know {group}");
        ensure!(users.contains(&format!("\ng {group} -\n")), "nobody makes the group {group}");
        ensure!(text.contains(&format!("\nDeviceAllow=char-{group} rw\n")), "{group} is closed");
    }
    Ok(())
}

#[test]
fn the_filter_of_the_unit_lets_the_daemon_bound_itself() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(deploy("systemd/gatehouse.service"))?;
    let listed = run(Command::new("systemd-analyze").args(["syscall-filter", "@system-service"]))?;
    let (mut allowed, mut refused) = (listed, String::new());
    for filter in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        match filter.strip_prefix('~') {
            Some(filter) => refused.push_str(filter),
            None => allowed.push_str(filter),
        }
        allowed.push('\n');
    }
    for call in
        ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"]
    {
        let word = |text: &str| text.split_whitespace().any(|word| word == call);
        ensure!(word(&allowed) && !word(&refused), "{call} is refused around the daemon");
    }
    Ok(())
}
