//! The gateway's own page: the real daemon, a real camera, HTTPS as anybody sends it, and a browser.

mod cards;
mod client;
mod draw;
mod evidence;
#[path = "../../../gateway/camera/tests/harness/mod.rs"]
mod harness;
mod refused;
mod scene;
mod settings;
mod story;
