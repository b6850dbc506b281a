//! Cameras on the real daemon: gst-rtsp-server and ffmpeg on one side, the broker and the control room
//! on the other.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, wherever it stands")]

mod evidence;
#[path = "../../../gateway/camera/tests/harness/mod.rs"]
mod harness;
mod ladder;
mod site;
mod watched;
