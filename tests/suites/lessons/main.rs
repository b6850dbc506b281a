//! What users of other systems complain about, and the test of ours that holds it off.
//!
//! `map.csv` names, for each row of the list of lessons, the tests that tell its story: the row, the
//! story in a few words, the test. This suite holds the map to the sources: a test that is renamed or
//! removed takes its row with it only knowingly, and no row of the alarm core is without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, ensure};

const MAP: &str = include_str!("map.csv");

/// The rows that concern sensors, rules and restarts; `code-` are defects that were read in the sources
/// of other systems.
const ROWS: [&str; 20] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17",
    "code-1", "code-3", "code-4",
];

/// Folders with tests in them, below the root of the repository.
const SOURCES: [&str; 4] = ["config", "drivers", "gateway", "tests"];

fn rows() -> anyhow::Result<BTreeMap<&'static str, Vec<&'static str>>> {
    let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in MAP.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let fields: Vec<_> = line.split(';').collect();
        let [row, story, test] = fields[..] else { anyhow::bail!("not three fields: {line}") };
        ensure!(!story.is_empty(), "no story: {line}");
        rows.entry(row).or_default().push(test);
    }
    Ok(rows)
}

/// The names of all functions that a test runs: `fn name` below a line with `test]`, or within
/// `proptest!`.
fn tests() -> anyhow::Result<BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the root")?;
    let mut found = BTreeSet::new();
    let mut folders: Vec<_> = SOURCES.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                look(&std::fs::read_to_string(&path)?, &mut found);
            }
        }
    }
    Ok(found)
}

fn look(text: &str, found: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("test(");
            continue;
        }
        let of_test = std::mem::take(&mut is_test);
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        let name = name.filter(|_| of_test).and_then(|rest| rest.split(['(', '<']).next());
        found.extend(name.map(str::to_owned));
    }
}

#[test]
fn every_lesson_has_its_test_and_every_test_that_is_named_is_there() -> anyhow::Result<()> {
    let (rows, tests) = (rows()?, tests()?);
    ensure!(tests.len() > 300, "only {} tests were found: the search is wrong", tests.len());
    for row in ROWS {
        ensure!(rows.contains_key(row), "no test tells the story of row {row}");
    }
    for (row, named) in &rows {
        for test in named {
            ensure!(tests.contains(*test), "row {row} names {test}, which is no test");
        }
    }
    Ok(())
}

#[test]
fn a_function_that_no_test_runs_is_not_taken_for_one() {
    let mut found = BTreeSet::new();
    look(
        "#[test]\nfn a() {}\nfn b() {}\n#[tokio::test]\nasync fn c() {}\n#[inline]\nfn d() {}",
        &mut found,
    );
    assert_eq!(found, ["a", "c"].map(str::to_owned).into());
}

/// The table of EN 303 645.
const SECURITY: &str = include_str!("../../../deploy/SECURITY.md");

#[test]
fn every_test_that_the_table_of_security_names_is_there_and_what_is_met_is_answered()
-> anyhow::Result<()> {
    let (tests, mut named) = (tests()?, 0);
    let rows: Vec<_> = SECURITY
        .lines()
        .filter(|line| line.starts_with("| 5.") || line.starts_with("| 6-"))
        .collect();
    ensure!(rows.len() > 30, "only {} provisions were found: the search is wrong", rows.len());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [provision, status, answer] = cells[..] else {
            anyhow::bail!("not three cells: {row}")
        };
        ensure!(
            ["met", "partly", "open", "installer"].contains(&status),
            "{provision}: {status} is no status"
        );
        ensure!(!answer.is_empty(), "{provision}: nothing answers");
        for word in answer.split('`').skip(1).step_by(2) {
            let is_name = word.matches('_').count() > 3
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if is_name {
                ensure!(tests.contains(word), "{provision} names {word}, which is no test");
                named += 1;
            }
        }
    }
    ensure!(named > 25, "only {named} tests are named: the search is wrong");
    Ok(())
}
