//! Cameras on the real daemon: gst-rtsp-server and ffmpeg on one side, the broker and the control room
//! on the other.

mod chip;
mod evidence;
#[path = "../../../gateway/camera/tests/harness/mod.rs"]
mod harness;
mod ladder;
mod played;
mod site;
mod snapshots;
mod watched;
