//! The wall in a real browser, over the real receiver, a real broker and real gateways: what an
//! operator sees, hears and presses.
//!
//! With `WALL_SCREENSHOTS` set to a folder, pictures of it are left there.

mod act;
mod cameras;
mod figures;
mod handover;
mod honest;
mod look;
mod orders;
mod scene;
mod told;
