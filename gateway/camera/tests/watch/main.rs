//! The watching of cameras, from compressed frames to findings.

#![expect(clippy::unwrap_used, reason = "tests only")]

use std::path::{Path, PathBuf};
use std::process::Command;

mod behaviour;
#[path = "../clip/mod.rs"]
mod clip;
mod labelled;
mod labels;

/// Makes clips that are missing; all without names.
pub(crate) fn make(names: &[&str]) {
    draw(&clip::folder(), "640x360", names);
}

/// The same at 1920x1080, in a folder of their own.
pub(crate) fn make_large(names: &[&str]) -> PathBuf {
    let folder = clip::folder().join("1080p");
    draw(&folder, "1920x1080", names);
    folder
}

fn draw(folder: &Path, size: &str, names: &[&str]) {
    let make = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clips/make");
    let status = Command::new(make).env("SIZE", size).arg(folder).args(names).status().unwrap();
    assert!(status.success(), "{make}");
}
