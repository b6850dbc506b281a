//! Pictures and clips of the demo's cameras: the pictures from the control room's database, the clips
//! from the box's flash.

use std::path::{Path, PathBuf};

use axum::extract::{Path as Part, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use tokio::task::spawn_blocking;

use super::Shared;

/// Where they are.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    /// The control room's database.
    pub(crate) database: PathBuf,
    /// The box's folder of clips.
    pub(crate) clips: PathBuf,
}

/// A picture by its SHA-256. Its event may be there before it is.
pub(super) async fn picture(State(shared): State<Shared>, Part(sha256): Part<String>) -> Response {
    let database = shared.evidence.database;
    let found = spawn_blocking(move || read(&database, &sha256)).await;
    match found {
        Ok(Ok(Some(jpeg))) => ([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "there is no such picture yet\n").into_response(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a picture cannot be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn read(database: &Path, sha256: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let room = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut select = room.prepare("SELECT jpeg FROM pictures WHERE sha256 = ?1")?;
    select.query_row([sha256], |row| row.get(0)).optional()
}

/// A clip by its name.
pub(super) async fn clip(State(shared): State<Shared>, Part(name): Part<String>) -> Response {
    // The names that the box gives: nothing leaves the folder.
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = name.strip_suffix(".mp4").is_some_and(|stem| stem.chars().all(known));
    if !good {
        return (StatusCode::NOT_FOUND, "there is no such clip\n").into_response();
    }
    match tokio::fs::read(shared.evidence.clips.join(name)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "video/mp4")], bytes).into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "there is no such clip any more\n").into_response(),
    }
}
