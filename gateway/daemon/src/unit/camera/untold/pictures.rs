//! Pictures that are on the flash before anybody was told of them.
//!
//! ```text
//! {state-dir}/evidence/untold/{file}.json     what its event will say
//! {state-dir}/evidence/pictures/{file}        the picture, sealed or not
//! ```
//! The note is on the flash before the picture's first byte, so there is no picture that nobody knows of. A
//! picture that was written whole and not yet put in its place is known by its hash, and put there.

use std::io;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gatehouse_config::Config;
use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::contract::MAX_SNAPSHOT;
use gatehouse_core::event::Class;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::sealed::Identity;
use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};
use gatehouse_journal::Journal;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::super::content::Content;
use super::super::evidence::{self, PICTURES, Sealing};
use super::super::picture::{kind, report};
use super::{Found, known, note_of, read};
use crate::uplink::commands::Picture as Sent;

/// What a picture's event will say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Note {
    camera: Id,
    silent: bool,
    facts: Value,
    /// When its frame had come; `None`: the clock had never been set.
    taken: Option<UtcMs>,
}

impl Note {
    /// Of a picture whose frame had come then.
    pub(in super::super) fn new(
        camera: &Id,
        silent: bool,
        facts: &Value,
        now: Now,
        came: Mono,
    ) -> Self {
        let taken = (now.clock != ClockState::Never).then(|| now.utc_at(came));
        Self { camera: camera.clone(), silent, facts: facts.clone(), taken }
    }

    /// The hash of what lies on the flash.
    fn lies(&self) -> Option<&str> {
        let sealed = self.facts["sealed"]["sha256"].as_str();
        sealed.or_else(|| self.facts["sha256"].as_str())
    }
}

/// Keeps what lies on the flash of a picture, and its note before.
///
/// # Errors
/// When the disk does not take the picture. A note that it does not take is logged: the picture matters
/// more.
pub(in super::super) fn keep(root: &Path, name: &str, note: &Note, bytes: &[u8]) -> io::Result<()> {
    let path = root.join(PICTURES).join(name);
    let beside = note_of(root, &path);
    let written = serde_json::to_vec(note).map_err(io::Error::other);
    if let Err(error) = written.and_then(|bytes| evidence::write(&beside, &bytes)) {
        warn!(path = %beside.display(), %error, "a power cut would leave a picture of unknown origin");
    }
    evidence::write(&path, bytes).inspect_err(|_| {
        // There is nothing that it would be of; if it stays, it goes by its age.
        let _ = std::fs::remove_file(&beside);
    })
}

/// Whether something of this name is a picture.
pub(super) fn is_picture(name: &Path) -> bool {
    let name = name.to_str().unwrap_or_default();
    let name = name.strip_suffix(".age").unwrap_or(name);
    name.strip_suffix(".jpg").is_some_and(|stem| !stem.is_empty())
}

/// What of a picture with a note there was.
pub(super) fn left(root: &Path, name: &Path) -> Option<PathBuf> {
    let path = root.join(PICTURES).join(name);
    (path.exists() || half(&path).exists()).then_some(path)
}

fn half(path: &Path) -> PathBuf {
    path.with_added_extension("partial")
}

/// Adds the event of a picture that was left, and the picture for the district; nothing if the journal
/// has its event. Blocks on the disk.
pub(super) fn tell(config: &Config, journal: &Journal, path: &Path, found: &mut Found) {
    let beside = note_of(&evidence::root(config), path);
    let Some(note) = read::<Note>(&beside) else { return };
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return };
    match known(journal, &note.camera, name) {
        Ok(false) => {}
        Ok(true) => return,
        // Told twice is better than never.
        Err(error) => {
            warn!(%error, picture = name, "the journal cannot say whether it was told of");
        }
    }
    let bytes = match whole(path, &note) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            info!(path = %path.display(), "a picture was cut off; nothing of it is kept");
            let _ = std::fs::remove_file(half(path));
            let _ = std::fs::remove_file(&beside);
            return;
        }
        Err(error) => {
            warn!(path = %path.display(), %error, "a picture cannot be read");
            // Which stays so: told once. Of what is silent nothing is said.
            if error.kind() == io::ErrorKind::InvalidData && std::fs::remove_file(&beside).is_ok() {
                let (kind, facts) = ((Class::Fault, "camera.no_picture"), &note.facts["of"]);
                let cause = Some("its picture was damaged while the gateway was off".to_owned());
                let fault = report(&note.camera, kind, cause, json!({ "of": facts }), None);
                found.told.extend((!note.silent).then_some(fault));
            }
            return;
        }
    };
    info!(path = %path.display(), "a picture that nobody was told of");
    let mut facts = note.facts.clone();
    facts["recovered"] = json!(true);
    facts["taken"] = json!(note.taken);
    let kind = (Class::Camera, kind(note.silent));
    found.told.push(report(&note.camera, kind, None, facts, None));
    found.pictures.extend(sent(&note, bytes, path, Sealing::of(config).identity().as_ref()));
}

/// What lies on the flash of a picture, in its place; `None`: it was cut off.
fn whole(path: &Path, note: &Note) -> io::Result<Option<Vec<u8>>> {
    let is = |bytes: &[u8]| {
        note.lies().is_some_and(|hash| to_hex(digest(&SHA256, bytes).as_ref()) == hash)
    };
    let at = if path.exists() { path.to_owned() } else { half(path) };
    let bytes = match std::fs::read(&at) {
        Ok(bytes) => bytes,
        // It had its time meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if at == path {
        // It was put there only when it was whole; what it holds now is not what its event would say.
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is not what was written");
        return if is(&bytes) { Ok(Some(bytes)) } else { Err(damaged()) };
    }
    if !is(&bytes) {
        return Ok(None);
    }
    evidence::write(path, &bytes)?;
    Ok(Some(bytes))
}

/// The picture as the district takes it; none that cannot be looked into.
fn sent(note: &Note, bytes: Vec<u8>, path: &Path, key: Option<&Identity>) -> Option<Sent> {
    let jpeg = if note.facts["sealed"].is_null() {
        bytes
    } else {
        let file = std::fs::File::open(path).ok()?;
        let content = Content::of(file, Some(key?), 0).ok()?;
        let (mut jpeg, most) = (Vec::new(), MAX_SNAPSHOT as u64);
        content.take(most).read_to_end(&mut jpeg).ok()?;
        jpeg
    };
    let of = note.facts["of"].as_u64().map(Seq);
    let sha256 = note.facts["sha256"].as_str()?.to_owned();
    let same = to_hex(digest(&SHA256, &jpeg).as_ref()) == sha256;
    same.then(|| Sent { camera: note.camera.clone(), of, sha256, jpeg: Bytes::from(jpeg) })
}

#[cfg(test)]
mod tests;
