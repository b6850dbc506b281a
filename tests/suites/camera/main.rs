//! Cameras on the real daemon: gst-rtsp-server, ffmpeg and a simulated ONVIF camera on one side, the broker
//! and the control room on the other.

mod chip;
mod discover;
mod evidence;
#[path = "../../../gateway/camera/tests/harness/mod.rs"]
mod harness;
mod ladder;
mod onvif;
mod played;
mod sealed;
#[path = "../../../gateway/camera/tests/harness/onvif/mod.rs"]
#[allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "as the rest of the harness"
)]
mod simulator;
mod site;
mod snapshots;
mod stored;
mod untold;
mod watched;
