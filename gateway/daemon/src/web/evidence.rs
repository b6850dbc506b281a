//! Pictures and clips: which there are, and looking at them.
//!
//! What there is comes from recorded events, without those that nobody at the site may notice. A look
//! is wanted first (a POST, recorded); then its file is had under a number of its own, by whoever
//! wanted it and nobody else, for half an hour. No name of a file ever comes from a page.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use gatehouse_config::Config;
use gatehouse_core::event::Event;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::is_silent_event;
use gatehouse_core::time::Mono;
use gatehouse_journal::{Journal, Query, ReadError};
use gatehouse_web::guard::refuse;
use gatehouse_web::secret;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use super::Shared;
use super::accounts::Right;
use super::routes::Signed;
use super::stored::{self, Kind, Stored};
use crate::eyes::{What, Wish};

/// Events of a camera that are looked through for its newest evidence.
const LOOKED_THROUGH: usize = 2000;

/// Pictures and clips in one list.
const LISTED: usize = 200;

/// How long a look lasts.
const LASTS: Duration = Duration::from_secs(30 * 60);

/// Looks at once; the one that ends first makes room.
const LOOKS: usize = 256;

/// Bytes that are read at a time: so much of memory does a download take.
const PIECE: u64 = 64 * 1024;

/// A picture that takes longer is none: the camera is gone, or the box has too much to do.
const TAKEN_WITHIN: Duration = Duration::from_secs(8);

/// A picture or clip, as its event names it.
#[derive(Clone, Debug)]
struct Found {
    seq: Seq,
    at: i64,
    camera: Id,
    kind: Kind,
    name: String,
    path: PathBuf,
    of: Vec<u64>,
    masked: bool,
}

/// What an event says of a file; none: it says nothing of one, or nobody here may know.
fn found(event: &Event, config: &Config) -> Option<Found> {
    let draft = &event.draft;
    if is_silent_event(draft) || draft.source.kind != "camera" {
        return None;
    }
    let detail = draft.detail.as_ref()?;
    let (kind, facts) = match &*draft.kind {
        "camera.clip" => (Kind::Clip, &detail["clip"]),
        "camera.snapshot" => (Kind::Picture, detail),
        _ => return None,
    };
    let name = facts["ref"].as_str()?;
    let root = crate::unit::camera::evidence::root(config);
    let path = stored::path(&root, kind, &draft.source.id, name)?;
    let of = match &detail["of"] {
        serde_json::Value::Array(all) => all.iter().filter_map(serde_json::Value::as_u64).collect(),
        one => one.as_u64().into_iter().collect(),
    };
    Some(Found {
        seq: event.seq,
        at: draft.time.utc.0,
        camera: draft.source.id.clone(),
        kind,
        name: name.to_owned(),
        path,
        of,
        masked: facts["masked"] == true,
    })
}

/// The newest evidence of a camera, newest first; with whether each file is still there.
fn newest(
    journal: &Journal,
    config: &Config,
    camera: &Id,
) -> Result<Vec<(Found, bool)>, ReadError> {
    let query = Query {
        source: Some(("camera".to_owned(), camera.clone())),
        newest_first: true,
        limit: LOOKED_THROUGH,
        ..Query::default()
    };
    let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
    for record in journal.query(&query)? {
        let event = serde_json::from_slice::<Event>(&record.payload).ok();
        let Some(found) = event.and_then(|event| found(&event, config)) else { continue };
        // Of one clip several events may tell.
        if seen.insert(found.name.clone()) {
            let here = found.path.is_file();
            all.push((found, here));
        }
        if all.len() >= LISTED {
            break;
        }
    }
    Ok(all)
}

/// What there is of a camera.
pub(super) async fn list(State(shared): State<Shared>, Path(camera): Path<Id>) -> Response {
    let config = Arc::clone(&shared.sources.running.borrow().config);
    let journal = shared.sources.journal.clone();
    let opens = config.evidence.key.is_some();
    match spawn_blocking(move || newest(&journal, &config, &camera)).await {
        Ok(Ok(all)) => {
            let of = |(one, here): &(Found, bool)| {
                json!({ "seq": one.seq.0, "at": one.at, "what": one.kind.as_str(), "of": one.of,
                    "masked": one.masked, "here": here,
                    "opens": opens || !stored::is_sealed(&one.name) })
            };
            let all: Vec<_> = all.iter().map(of).collect();
            Json(json!({ "evidence": all })).into_response()
        }
        other => {
            error!(?other, "evidence cannot be listed");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "disk")
        }
    }
}

/// A picture of now. It is masked before anybody sees it, like every other.
pub(super) async fn picture(
    State(shared): State<Shared>,
    signed: Signed,
    Path(camera): Path<Id>,
) -> Response {
    let config = Arc::clone(&shared.sources.running.borrow().config);
    if !config.cameras.iter().any(|known| known.rules.id == camera) {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    }
    let (answer, taken) = oneshot::channel();
    let wish = Wish {
        of: None,
        silent: false,
        command: None,
        what: What::Picture,
        answer: Some(answer),
        at: shared.mono(),
    };
    shared.eyes.want(&camera, wish);
    let facts = match tokio::time::timeout(TAKEN_WITHIN, taken).await {
        Ok(Ok(Ok(facts))) => facts,
        Ok(Ok(Err(why))) => {
            warn!(%camera, why, "no picture for the page");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "no_picture");
        }
        // Its unit was built anew, or it has too much to do.
        Ok(Err(_)) | Err(_) => return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy"),
    };
    let name = facts["ref"].as_str().unwrap_or_default();
    let root = crate::unit::camera::evidence::root(&config);
    let Some(path) = stored::path(&root, Kind::Picture, &camera, name) else {
        error!(%camera, name, "a picture has a name that is none: our bug");
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal");
    };
    give(&shared, &signed, &camera, (Kind::Picture, name, path), false).await
}

/// Looks at a picture or clip.
pub(super) async fn look(
    State(shared): State<Shared>,
    signed: Signed,
    Path(seq): Path<u64>,
) -> Response {
    open(&shared, &signed, seq, false).await
}

/// Takes one away.
pub(super) async fn export(
    State(shared): State<Shared>,
    signed: Signed,
    Path(seq): Path<u64>,
) -> Response {
    open(&shared, &signed, seq, true).await
}

async fn open(shared: &Shared, signed: &Signed, seq: u64, export: bool) -> Response {
    let config = Arc::clone(&shared.sources.running.borrow().config);
    let journal = shared.sources.journal.clone();
    let read = spawn_blocking(move || {
        let records = journal.range(Seq(seq), Seq(seq), 1)?;
        let event =
            records.first().and_then(|one| serde_json::from_slice::<Event>(&one.payload).ok());
        let found = event.and_then(|event| found(&event, &config));
        Ok::<_, ReadError>(found.filter(|found| found.path.is_file()))
    });
    match read.await {
        Ok(Ok(Some(found))) => {
            let what = (found.kind, found.name.as_str(), found.path);
            give(shared, signed, &found.camera, what, export).await
        }
        Ok(Ok(None)) => refuse(StatusCode::NOT_FOUND, "gone"),
        other => {
            error!(?other, "evidence cannot be found");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "disk")
        }
    }
}

/// Records who looks at what, and only then says where it is had.
async fn give(
    shared: &Shared,
    signed: &Signed,
    camera: &Id,
    (kind, name, path): (Kind, &str, PathBuf),
    export: bool,
) -> Response {
    let keyless = shared.sources.running.borrow().config.evidence.key.is_none();
    if stored::is_sealed(name) && keyless && !export {
        return refuse(StatusCode::CONFLICT, "sealed");
    }
    if shared.audit.look(&signed.account.name, camera, name, export).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "unrecorded");
    }
    let Ok(id) = secret::token() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    let now = shared.mono();
    let session = signed.token.clone();
    let name = name.to_owned();
    let look = Look { session, kind, name, path, export, ends: now.plus(LASTS) };
    shared.looks().add(id.clone(), look, now);
    let url = format!("/api/media/{id}");
    Json(json!({ "url": url, "what": kind.as_str() })).into_response()
}

/// A look that was recorded.
#[derive(Clone, Debug)]
struct Look {
    /// Whose session it was wanted in.
    session: String,
    kind: Kind,
    name: String,
    path: PathBuf,
    export: bool,
    ends: Mono,
}

/// Looks that last.
#[derive(Debug, Default)]
pub(super) struct Looks(HashMap<String, Look>);

impl Looks {
    fn add(&mut self, id: String, look: Look, now: Mono) {
        self.0.retain(|_, look| look.ends > now);
        if self.0.len() >= LOOKS {
            let first = self.0.iter().min_by_key(|(_, look)| look.ends).map(|(id, _)| id.clone());
            first.map(|id| self.0.remove(&id));
        }
        self.0.insert(id, look);
    }

    fn get(&self, id: &str, session: &str, now: Mono) -> Option<Look> {
        self.0.get(id).filter(|look| look.ends > now && look.session == session).cloned()
    }
}

/// The bytes of a look, or the part of them that is asked for.
pub(super) async fn media(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(look) = shared.looks().get(&id, &signed.token, shared.mono()) else {
        return refuse(StatusCode::NOT_FOUND, "gone");
    };
    // A right that was taken away meanwhile is gone.
    if look.export && !signed.account.role.may(Right::Export) {
        return refuse(StatusCode::FORBIDDEN, "role");
    }
    let path = look.path.clone();
    let source = shared.sources.running.borrow().config.evidence.key.clone();
    let source = source.filter(|_| stored::is_sealed(&look.name));
    let name = if source.is_some() { stored::opened_name(&look.name) } else { &look.name };
    let open = move || {
        let key = source.as_ref().map(crate::unit::camera::evidence::identity).transpose();
        let key = key.map_err(std::io::Error::other)?;
        Stored::open(&path, key)
    };
    let stored = match spawn_blocking(open).await {
        Ok(Ok(stored)) => stored,
        other => {
            warn!(?other, "evidence cannot be opened");
            return refuse(StatusCode::NOT_FOUND, "gone");
        }
    };
    let (status, from, to) = match part(&headers, stored.bytes) {
        Part::All => (StatusCode::OK, 0, stored.bytes),
        Part::Some(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Part::None => {
            let all = format!("bytes */{}", stored.bytes);
            let headers = [(header::CONTENT_RANGE, all)];
            return (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response();
        }
    };
    let bytes = stored.bytes;
    let content = match spawn_blocking(move || stored.part(from, to)).await {
        Ok(Ok(content)) => content,
        Ok(Err(error)) => {
            warn!(%error, "evidence cannot be opened");
            return refuse(StatusCode::NOT_FOUND, "gone");
        }
        Err(_) => return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending"),
    };
    let pieces = unfold(Some(content), move |content| async move {
        let mut content = content.filter(|content| content.left > 0)?;
        let read = move || content.next(PIECE).map(|piece| (piece, content));
        let read = spawn_blocking(read).await.map_err(std::io::Error::other).flatten();
        // After an error the stream is over: the browser sees that bytes are missing.
        Some(match read {
            Ok((piece, content)) => (Ok(piece), Some(content)),
            Err(error) => (Err(error), None),
        })
    });
    let mut response = (status, Body::from_stream(pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(look.kind.content()));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{bytes}", to.saturating_sub(1));
        headers.extend(HeaderValue::try_from(range).ok().map(|it| (header::CONTENT_RANGE, it)));
    }
    if look.export {
        // Of letters that were looked at: see `stored::path`.
        let how = format!("attachment; filename=\"{name}\"");
        headers.extend(HeaderValue::try_from(how).ok().map(|it| (header::CONTENT_DISPOSITION, it)));
    }
    response
}

/// What is asked for of a file.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    All,
    /// From this byte until before that one.
    Some(u64, u64),
    /// Behind its end.
    None,
}

/// One range of RFC 9110, 14.1.2. What is none, or are several, is as if it were not there: then all is
/// sent.
fn part(headers: &HeaderMap, bytes: u64) -> Part {
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Part::All;
    };
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|it| it.trim().split_once('-'))
    else {
        return Part::All;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    match (number(first), number(last), first.is_empty(), last.is_empty()) {
        (Some(from), _, _, true) if from < bytes => Part::Some(from, bytes),
        (Some(from), Some(last), ..) if from <= last && from < bytes => {
            Part::Some(from, last.saturating_add(1).min(bytes))
        }
        (None, Some(count), true, _) if count > 0 && bytes > 0 => {
            Part::Some(bytes.saturating_sub(count), bytes)
        }
        (Some(from), Some(last), ..) if from > last => Part::All,
        (Some(_), _, _, true) | (Some(_), Some(_), ..) | (None, Some(_), true, _) => Part::None,
        _ => Part::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let of = |range: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static(range));
            part(&headers, 1000)
        };
        assert_eq!(part(&HeaderMap::new(), 1000), Part::All);
        assert_eq!(of("bytes=0-"), Part::Some(0, 1000));
        assert_eq!(of("bytes=0-1"), Part::Some(0, 2));
        assert_eq!(of("bytes=990-5000"), Part::Some(990, 1000));
        assert_eq!(of("bytes=-10"), Part::Some(990, 1000));
        assert_eq!(of("bytes=-5000"), Part::Some(0, 1000));
        assert_eq!(of("bytes=1000-"), Part::None);
        assert_eq!(of("bytes=99999999999999999999999-"), Part::None);
        assert_eq!(of("bytes=-0"), Part::None);
        for other in
            ["bytes=9-1", "bytes=a-b", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=+1-2"]
        {
            assert_eq!(of(other), Part::All, "{other}");
        }
    }

    #[test]
    fn a_look_is_of_one_session_and_ends() {
        let look = |ends| Look {
            session: "mine".to_owned(),
            kind: Kind::Clip,
            name: String::new(),
            path: PathBuf::new(),
            export: false,
            ends: Mono(ends),
        };
        let mut looks = Looks::default();
        looks.add("a".to_owned(), look(10), Mono(0));
        assert!(looks.get("a", "mine", Mono(9)).is_some());
        assert!(looks.get("a", "yours", Mono(9)).is_none());
        assert!(looks.get("a", "mine", Mono(10)).is_none());
        (0..LOOKS as u64 + 5).for_each(|n| looks.add(n.to_string(), look(100 + n), Mono(0)));
        assert_eq!(looks.0.len(), LOOKS);
    }
}
