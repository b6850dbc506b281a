//! Recorded events: searched, and exported as CSV.
//!
//! What nobody at the site may notice is passed over, and nothing says so: numbers are shown, but they
//! have holes anyway, of what is not searched for.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query as Asked, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use gatehouse_core::event::{Class, Event};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::is_silent_event;
use gatehouse_core::time::UtcMs;
use gatehouse_journal::{Journal, Query, ReadError};
use gatehouse_web::guard::refuse;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::spawn_blocking;
use tracing::error;

use super::Shared;
use super::routes::Signed;

/// Events on one page.
const PAGE: usize = 100;

/// Events that one read brings.
const READ: usize = 1000;

/// Events that one search looks through: the rest is the next search's.
const LOOKED_THROUGH: usize = 20 * READ;

/// Events of one export: a year of a busy site.
const EXPORTED: usize = 200_000;

/// What is searched for.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    class: Option<Class>,
    /// Part of a type, as `opened`.
    kind: Option<String>,
    /// A thing, as `door:lobby`.
    thing: Option<String>,
    /// In ms since 1970.
    from: Option<i64>,
    to: Option<i64>,
    /// The last number of the page before.
    before: Option<u64>,
}

impl Search {
    fn query(&self) -> Option<Query> {
        let source = match self.thing.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => {
                let (kind, id) = text.split_once(':')?;
                Some((kind.to_owned(), id.parse::<Id>().ok()?))
            }
        };
        Some(Query {
            since: self.from.map(UtcMs),
            until: self.to.map(UtcMs),
            class: self.class,
            source,
            after: self.before.map(Seq),
            newest_first: true,
            limit: READ,
        })
    }

    fn wants(&self, event: &Event) -> bool {
        let kind = self.kind.as_deref().is_none_or(|part| event.draft.kind.contains(part));
        kind && !is_silent_event(&event.draft)
    }
}

/// A batch of events, newest first, and from where to go on; none: that was all.
type Batch = (Vec<Event>, Option<Seq>);

/// Reads on until so many are found, or so many were looked through.
fn batch(
    journal: &Journal,
    search: &Search,
    mut query: Query,
    most: usize,
) -> Result<Batch, ReadError> {
    let (mut found, mut looked) = (Vec::new(), 0);
    loop {
        let records = journal.query(&query)?;
        for record in &records {
            query.after = Some(record.seq);
            looked += 1;
            let event = serde_json::from_slice::<Event>(&record.payload).ok();
            found.extend(event.filter(|event| search.wants(event)));
            if found.len() >= most || looked >= LOOKED_THROUGH {
                return Ok((found, query.after));
            }
        }
        if records.len() < query.limit {
            return Ok((found, None));
        }
    }
}

/// A page of events.
pub(super) async fn search(State(shared): State<Shared>, Asked(search): Asked<Search>) -> Response {
    let Some(query) = search.query() else { return refuse(StatusCode::BAD_REQUEST, "thing") };
    let journal = shared.sources.journal.clone();
    match spawn_blocking(move || batch(&journal, &search, query, PAGE)).await {
        Ok(Ok((found, more))) => {
            let of = |event: &Event| {
                let draft = &event.draft;
                json!({ "seq": event.seq.0, "at": draft.time.utc.0, "class": draft.class,
                    "type": draft.kind, "kind": draft.source.kind, "id": draft.source.id,
                    "partition": draft.partition, "actor": draft.actor, "cause": draft.cause,
                    "detail": draft.detail })
            };
            let found: Vec<_> = found.iter().map(of).collect();
            Json(json!({ "events": found, "before": more.map(|seq| seq.0) })).into_response()
        }
        other => {
            error!(?other, "events cannot be read");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "disk")
        }
    }
}

/// Every event of a search as a table, newest first.
pub(super) async fn export(
    State(shared): State<Shared>,
    signed: Signed,
    Json(search): Json<Search>,
) -> Response {
    let Some(query) = search.query() else { return refuse(StatusCode::BAD_REQUEST, "thing") };
    let asked = serde_json::to_value(&search).unwrap_or_default();
    if shared.audit.events(&signed.account.name, asked).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "unrecorded");
    }
    let (journal, search) = (shared.sources.journal.clone(), Arc::new(search));
    let next = Some((query, 0));
    let rows = unfold((next, true), move |(next, first)| {
        let (journal, search) = (journal.clone(), Arc::clone(&search));
        async move {
            let (query, done) = next?;
            let read = spawn_blocking(move || {
                batch(&journal, &search, query.clone(), READ)
                    .map(|(found, more)| (found, more, query))
            });
            let (found, more, query) = match read.await {
                Ok(Ok(read)) => read,
                other => {
                    error!(?other, "an export is cut off");
                    let cut = std::io::Error::other("the journal cannot be read");
                    return Some((Err(cut), (None, false)));
                }
            };
            // The mark makes a spreadsheet read it as UTF-8.
            let mut text = if first { format!("\u{feff}{HEAD}") } else { String::new() };
            for event in &found {
                row(event, &mut text);
            }
            let done = done + found.len();
            let more = more.filter(|_| done < EXPORTED);
            let next = more.map(|after| (Query { after: Some(after), ..query }, done));
            Some((Ok(text), (next, false)))
        }
    });
    let mut response = Body::from_stream(rows).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let how = HeaderValue::from_static("attachment; filename=\"events.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, how);
    response
}

const HEAD: &str = "seq,time,class,type,kind,id,partition,actor,cause,detail\r\n";

/// One line of RFC 4180.
fn row(event: &Event, text: &mut String) {
    let draft = &event.draft;
    let detail = draft.detail.as_ref().map(ToString::to_string).unwrap_or_default();
    // A String takes everything.
    let _ = write!(text, "{},{},{},", event.seq, draft.time.utc, draft.class.as_str());
    let rest = [
        &*draft.kind,
        &draft.source.kind,
        draft.source.id.as_str(),
        draft.partition.as_ref().map_or("", Id::as_str),
        draft.actor.as_deref().unwrap_or_default(),
        draft.cause.as_deref().unwrap_or_default(),
        &detail,
    ];
    for (number, cell) in rest.into_iter().enumerate() {
        // A spreadsheet would take it for a formula.
        let mark = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        let comma = if number > 0 { "," } else { "" };
        if cell.contains(['"', ',', '\n', '\r']) || !mark.is_empty() {
            let _ = write!(text, "{comma}\"{mark}{}\"", cell.replace('"', "\"\""));
        } else {
            let _ = write!(text, "{comma}{cell}");
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let body = r#"{"v":1,"gw":"g","session":1,"seq":7,"id":"x","class":"arm",
            "type":"incident.noted","qualifier":"status","severity":5,
            "source":{"kind":"incident","id":"a1","driver":"d"},
            "time":{"utc":"2026-01-01T00:00:00.000Z","boot":"b","mono_ns":1,"err_ms":null,
            "clock":"synced"},"actor":"=cmd()","cause":"he said \"so\", twice","test":false,
            "prev":""}"#;
        let Ok(event) = serde_json::from_str::<Event>(body) else {
            panic!("{:?}", serde_json::from_str::<Event>(body).unwrap_err())
        };
        let mut text = String::new();
        row(&event, &mut text);
        let wanted = "7,2026-01-01T00:00:00.000Z,arm,incident.noted,incident,a1,,\"'=cmd()\",\
                      \"he said \"\"so\"\", twice\",\r\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn what_is_searched_for_is_read_or_refused() {
        let of = |thing: &str| Search { thing: Some(thing.to_owned()), ..Search::default() };
        assert_eq!(of("").query().unwrap().source, None);
        let source = of("door:lobby").query().unwrap().source;
        assert_eq!(source, Some(("door".to_owned(), "lobby".parse().unwrap())));
        assert!(of("lobby").query().is_none() && of("door:The Lobby").query().is_none());
    }
}
