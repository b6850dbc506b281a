//! The package: built by the script that builds the real one, installed on a copy of this machine.

use std::process::Command;

use anyhow::{Context, ensure};

use super::deploy;

#[test]
fn the_package_installs_checks_upgrades_and_leaves_nothing() -> anyhow::Result<()> {
    let output = Command::new(deploy("build-deb")).args(["--profile", "dev"]).output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let package = said.lines().last().context("build-deb names the package")?;
    let package = deploy("..").join(package);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/deploy/clean-machine.sh");
    let output = Command::new(script).arg(&package).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    ensure!(said.ends_with("== clean\n"));
    Ok(())
}
