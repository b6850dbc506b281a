//! An incident's pictures in its bundle.

use gatehouse_core::event::Event;

use super::Pictured;
use crate::pictures::{is_jpeg, sha256};
use crate::store::pictures::Told;

/// The most bytes of pictures; the rest of a bundle is the events'.
pub(super) const MAX_BYTES: usize = 24 * 1024 * 1024;

/// The most pictures that are here.
pub(super) const MOST: usize = 200;

impl Pictured {
    /// What an event says of a picture, if it does; the picture is not here.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let Told { camera, sha256, of, bytes, .. } = Told::of(event)?;
        Some(Self { seq: event.seq, of, camera, sha256, bytes, here: false })
    }

    /// Where it stands in the container.
    pub(super) fn name(&self) -> String {
        format!("pictures/{}.jpg", self.sha256)
    }

    /// What is wrong with these bytes in its place.
    pub(super) fn complaint(&self, jpeg: &[u8]) -> Option<String> {
        let is = sha256(jpeg);
        let what = if is != self.sha256 {
            format!("its SHA-256 is {is}, event {} names another: it is not that picture", self.seq)
        } else if jpeg.len() as u64 != self.bytes {
            format!("it has {} bytes, event {} says {}", jpeg.len(), self.seq, self.bytes)
        } else if !is_jpeg(jpeg) {
            "it is no JPEG".to_owned()
        } else {
            return None;
        };
        Some(format!("{}: {what}", self.name()))
    }
}

/// The pictures that are here, each once.
pub(super) fn here(all: &[Pictured]) -> Vec<&Pictured> {
    let mut found: Vec<&Pictured> = Vec::new();
    for one in all.iter().filter(|one| one.here) {
        if !found.iter().any(|known| known.sha256 == one.sha256) {
            found.push(one);
        }
    }
    found
}
