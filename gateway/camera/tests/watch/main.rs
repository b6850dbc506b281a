//! The watching of cameras, from compressed frames to findings.

#![expect(clippy::unwrap_used, reason = "tests only")]

mod behaviour;
#[path = "../clip/mod.rs"]
mod clip;
mod labelled;
mod labels;

/// Makes clips that are missing; all without names.
pub(crate) fn make(names: &[&str]) {
    let make = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clips/make");
    let status = std::process::Command::new(make).arg(clip::folder()).args(names).status().unwrap();
    assert!(status.success(), "{make}");
}
