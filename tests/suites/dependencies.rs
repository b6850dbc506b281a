//! The direction of dependencies, held by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

/// Who may depend on whom. A crate that is not here is a question for the architecture page.
const ALLOWED: &[(&str, &[&str])] = &[
    ("gatehouse-core", &[]),
    ("gatehouse-drivers", &[]),
    ("gatehouse-config", &["gatehouse-core"]),
    ("gatehouse-journal", &["gatehouse-core"]),
    ("gatehouse-link", &[]),
    ("gatehouse-camera", &["gatehouse-core"]),
    ("gatehouse-web", &["gatehouse-core", "gatehouse-link"]),
    ("gatehouse-receiver", &["gatehouse-core", "gatehouse-link", "gatehouse-web"]),
    (
        "gatehouse",
        &[
            "gatehouse-camera",
            "gatehouse-core",
            "gatehouse-config",
            "gatehouse-drivers",
            "gatehouse-journal",
            "gatehouse-link",
            "gatehouse-web",
        ],
    ),
    ("gatehouse-demo", &EVERYTHING),
    ("gatehouse-tests", &EVERYTHING),
];

const EVERYTHING: [&str; 9] = [
    "gatehouse",
    "gatehouse-camera",
    "gatehouse-config",
    "gatehouse-core",
    "gatehouse-drivers",
    "gatehouse-journal",
    "gatehouse-link",
    "gatehouse-receiver",
    "gatehouse-web",
];

/// The edges between our own crates, of whatever kind.
fn edges(metadata: &Value) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let packages = metadata["packages"].as_array().context("packages")?;
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let of = |package: &Value| {
        let name = package["name"].as_str().context("a package without a name")?;
        let dependencies = package["dependencies"].as_array().context("dependencies")?;
        let names = dependencies.iter().filter_map(|d| d["name"].as_str());
        let edges = names.filter(|name| ours.contains(name)).map(str::to_owned).collect();
        Ok((name.to_owned(), edges))
    };
    packages.iter().map(of).collect()
}

fn complaints(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (from, tos) in edges {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == from) else {
            complaints.push(format!("{from} is not in the list of crates"));
            continue;
        };
        for to in tos.iter().filter(|to| !allowed.contains(&to.as_str())) {
            complaints.push(format!("{from} must not depend on {to}"));
        }
    }
    complaints
}

#[test]
fn every_dependency_between_our_crates_points_the_way_of_the_architecture() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let edges = edges(&serde_json::from_slice(&output.stdout)?)?;
    assert!(edges["gatehouse"].contains("gatehouse-core"), "the reading of the metadata is blind");
    assert_eq!(complaints(&edges), Vec::<String>::new());
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let real: BTreeSet<&str> = edges.keys().map(String::as_str).collect();
    assert_eq!(known, real, "the list of crates is not the workspace");
    Ok(())
}

#[test]
fn a_wrong_edge_and_an_unknown_crate_are_named() {
    let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let edges = BTreeMap::from([
        ("gatehouse-core".to_owned(), set(&["gatehouse-journal"])),
        ("gatehouse".to_owned(), set(&["gatehouse-receiver", "gatehouse-core"])),
        ("gatehouse-new".to_owned(), set(&[])),
    ]);
    assert_eq!(
        complaints(&edges),
        [
            "gatehouse must not depend on gatehouse-receiver",
            "gatehouse-core must not depend on gatehouse-journal",
            "gatehouse-new is not in the list of crates",
        ]
    );
}

/// Each package with its features, as these kinds of dependencies want them. A package that build
/// scripts want otherwise is there twice.
fn chosen(kinds: &str) -> anyhow::Result<BTreeSet<(String, String)>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["tree", "--workspace", "--locked", "--offline", "--prefix", "none"];
    let output = Command::new(cargo)
        .args(words)
        .args(["--edges", kinds, "--format", "{p}\t{f}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context("start cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('\t'));
    Ok(lines.map(|(package, features)| (package.to_owned(), features.to_owned())).collect())
}

#[test]
fn building_the_workspace_and_testing_it_choose_the_same_features() -> anyhow::Result<()> {
    let (built, tested) = (chosen("normal,build")?, chosen("normal,build,dev")?);
    ensure!(built.len() > 200, "only {} packages: the search is wrong", built.len());
    for one @ (package, features) in &built {
        ensure!(
            tested.contains(one),
            "{package} is compiled twice, with [{features}] and otherwise for tests: what \
             dev-dependencies want of it, tests/Cargo.toml must want in [dependencies]"
        );
    }
    Ok(())
}
