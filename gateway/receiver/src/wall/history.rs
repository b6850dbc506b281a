//! The history of events, read from the database while the receiver writes it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::event::{Class, Event};
use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::Shared;
use super::guard::{Signed, refuse};
use super::scope::Scope;
use crate::store::{Database, Filter, Store, Stored};

/// Readers at a time: a search may read a whole database.
const READERS: usize = 2;

/// Events of one page.
const PAGE: usize = 100;

/// How many of the newest are looked through.
const LOOKED: u32 = 20_000;

/// Reads the history.
#[derive(Debug)]
pub(crate) struct Desk {
    database: Database,
    readers: Arc<Semaphore>,
}

impl Desk {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, readers: Arc::new(Semaphore::new(READERS)) }
    }
}

/// What is searched for; everything that is absent may be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    site: Option<String>,
    gateway: Option<String>,
    class: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
    /// Received at or after, in milliseconds since 1970.
    from: Option<i64>,
    /// Received before.
    to: Option<i64>,
    /// How many pages were seen already.
    #[serde(default)]
    page: usize,
}

/// `GET /api/events`: a page of the history, newest first.
pub(crate) async fn events(
    State(shared): State<Shared>,
    signed: Signed,
    Query(search): Query<Search>,
) -> Response {
    let class = match search.class.as_deref().map(Class::from_word) {
        Some(None) => return refuse(StatusCode::BAD_REQUEST, "class"),
        class => class.flatten(),
    };
    let gateway = match search.gateway.as_deref().map(str::parse::<Id>) {
        Some(Err(_)) => return refuse(StatusCode::BAD_REQUEST, "gateway"),
        gateway => gateway.and_then(Result::ok),
    };
    let Database::File(file) = shared.history.database.clone() else {
        return refuse(StatusCode::NOT_FOUND, "no_history");
    };
    let Ok(_turn) = Arc::clone(&shared.history.readers).acquire_owned().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    let filter = Filter { gateway, class, newest: Some(LOOKED), ..Filter::default() };
    let scope = signed.account.scope.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        let store = Store::open_to_read(&file).map_err(|error| error.to_string())?;
        store
            .query(&filter, |stored| {
                if let Some(event) = wanted(&search, &scope, &stored) {
                    found.push((stored.recv, event));
                }
                Ok::<_, rusqlite::Error>(())
            })
            .map_err(|error| error.to_string())?;
        found.sort_by_key(|(recv, _)| std::cmp::Reverse(*recv));
        let more = found.len() > (search.page + 1) * PAGE;
        let next = more.then(|| json!({"page": search.page + 1}));
        let page = found.into_iter().skip(search.page * PAGE).take(PAGE);
        let page: Vec<_> = page.map(|(_, event)| event).collect();
        Ok::<_, String>(json!({"events": page, "next": next}))
    });
    match read.await {
        Ok(Ok(page)) => Json(page).into_response(),
        Ok(Err(error)) => {
            tracing::error!(error, "the history cannot be read");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "history")
        }
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "history"),
    }
}

fn wanted(search: &Search, scope: &Scope, stored: &Stored) -> Option<Value> {
    let time = |at: UtcMs| {
        search.from.is_none_or(|from| at.0 >= from) && search.to.is_none_or(|to| at.0 < to)
    };
    let site = search.site.as_ref().is_none_or(|site| *site == stored.site);
    if !scope.site(&stored.site) || !site || !time(stored.recv) {
        return None;
    }
    let event: Event = serde_json::from_slice(&stored.body).ok()?;
    let kind = search.kind.as_ref().is_none_or(|kind| event.draft.kind.starts_with(&**kind));
    let text = search.text.as_ref().is_none_or(|text| {
        let text = text.to_lowercase();
        String::from_utf8_lossy(&stored.body).to_lowercase().contains(&text)
    });
    if !scope.class(event.draft.class) || !kind || !text {
        return None;
    }
    Some(json!({
        "site": stored.site,
        "gateway": stored.gateway,
        "recv": stored.recv.0,
        "replayed": stored.replayed,
        "event": event,
    }))
}
