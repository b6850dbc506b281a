//! The package: built by the script that builds the real one, installed on a copy of this machine.

use std::process::Command;

use anyhow::{Context, ensure};

use super::deploy;

#[test]
fn the_package_installs_checks_upgrades_and_leaves_nothing() -> anyhow::Result<()> {
    let mut build = Command::new(deploy("build-deb"));
    // What cargo says of this test's own package: ring's build script runs anew when it is another, and
    // everything above ring would be compiled anew here, and once more by whoever builds next.
    for (name, _) in std::env::vars_os() {
        let of_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(of_package) {
            build.env_remove(name);
        }
    }
    let output = build.args(["--profile", "dev"]).output()?;
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
