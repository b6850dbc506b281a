//! The history of events, read from the database while receivers write it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::Shared;
use super::guard::{Signed, refuse};
use super::scope::Scope;
use crate::store::{Cursor, Database, Page, Search, Store, Stored};

/// Readers at a time: a search for a text looks through many events.
const READERS: usize = 2;

/// Events of one page.
const PAGE: u32 = 100;

/// Steps of [`crate::store::SCANNED`] events that one request looks through for a text or a type
/// before it hands over to the next: a second or so.
const STEPS: usize = 10;

/// Reads the history.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) database: Database,
    pub(super) readers: Arc<Semaphore>,
}

impl Desk {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, readers: Arc::new(Semaphore::new(READERS)) }
    }
}

/// What is searched for; everything that is absent may be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    site: Option<String>,
    gateway: Option<String>,
    class: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
    /// Happened at or after, in milliseconds since 1970.
    from: Option<i64>,
    /// Happened before.
    to: Option<i64>,
    /// Where the page before ended.
    after: Option<String>,
}

/// `GET /api/events`: a page of the history, newest first.
pub(crate) async fn events(
    State(shared): State<Shared>,
    signed: Signed,
    Query(asked): Query<Asked>,
) -> Response {
    let search = match search(asked, &signed.account.scope) {
        Ok(Some(search)) => search,
        // Nothing that this account may see.
        Ok(None) => return Json(json!({"events": [], "next": null})).into_response(),
        Err(field) => return refuse(StatusCode::BAD_REQUEST, field),
    };
    let database = shared.history.database.clone();
    if matches!(database, Database::Memory) {
        return refuse(StatusCode::NOT_FOUND, "no_history");
    }
    let Ok(_turn) = Arc::clone(&shared.history.readers).acquire_owned().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    let scope = signed.account.scope.clone();
    let read = tokio::task::spawn_blocking(move || read(database, search, &scope));
    match read.await {
        Ok(Ok(page)) => Json(page).into_response(),
        Ok(Err(error)) => {
            tracing::error!(error, "the history cannot be read");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "history")
        }
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "history"),
    }
}

/// What to search for, within what the account may see; none: nothing of it. The error is the
/// field that is wrong.
fn search(asked: Asked, scope: &Scope) -> Result<Option<Search>, &'static str> {
    let id = |text: Option<String>, field| match text.as_deref().map(str::parse::<Id>) {
        Some(Err(_)) => Err(field),
        id => Ok(id.and_then(Result::ok)),
    };
    let (site, gateway) = (id(asked.site, "site")?, id(asked.gateway, "gateway")?);
    let class = match asked.class.as_deref().map(Class::from_word) {
        Some(None) => return Err("class"),
        class => class.flatten(),
    };
    let after = match asked.after.as_deref().map(str::parse::<Cursor>) {
        Some(Err(_)) => return Err("after"),
        after => after.and_then(Result::ok),
    };
    // An empty list asks for all: so nothing is asked for where nothing may be seen.
    let sites: Vec<Id> = match (site, &scope.sites) {
        (Some(site), _) if !scope.site(site.as_str()) => return Ok(None),
        (Some(site), _) => vec![site],
        (None, Some(own)) if own.is_empty() => return Ok(None),
        (None, own) => own.iter().flatten().cloned().collect(),
    };
    let classes: Vec<Class> = match (class, &scope.classes) {
        (Some(class), _) if !scope.class(class) => return Ok(None),
        (Some(class), _) => vec![class],
        (None, Some(own)) if own.is_empty() => return Ok(None),
        (None, own) => own.iter().flatten().copied().collect(),
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Some(Search {
        sites,
        gateway,
        classes,
        kind: given(asked.kind),
        text: given(asked.text),
        since: asked.from.map(UtcMs),
        until: asked.to.map(UtcMs),
        after,
        limit: PAGE,
        ..Search::default()
    }))
}

fn read(database: Database, mut search: Search, scope: &Scope) -> Result<Value, String> {
    let store = Store::open_to_read(database).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    let mut next = None;
    for _ in 0..STEPS {
        let page: Page = store.page(&search).map_err(|error| error.to_string())?;
        search.limit =
            search.limit.saturating_sub(u32::try_from(page.events.len()).unwrap_or(PAGE));
        let seen = page.events.iter().filter(|event| scope.event(event.class, &event.body));
        found.extend(seen.filter_map(told));
        next = page.next;
        search.after = next;
        if next.is_none() || search.limit == 0 {
            break;
        }
    }
    let next = next.map(|cursor| json!({"after": cursor.to_string()}));
    Ok(json!({"events": found, "next": next}))
}

/// One event as the page shows it: its bytes as they are, and when it happened by what is known now.
fn told(stored: &Stored) -> Option<Value> {
    // What is no JSON was never committed as an event.
    let event: Value = serde_json::from_slice(&stored.body).ok()?;
    Some(json!({
        "site": stored.site,
        "gateway": stored.gateway,
        "recv": stored.recv.0,
        "utc": stored.when.utc.0,
        "replayed": stored.replayed,
        "event": event,
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_search_never_leaves_what_an_account_may_see() {
        let id = |text: &str| -> Id { text.parse().unwrap() };
        let own = Scope {
            sites: Some(BTreeSet::from([id("s-1"), id("s-2")])),
            classes: Some(BTreeSet::from([Class::Alarm])),
        };
        let asked = |site: Option<&str>, class: Option<&str>| Asked {
            site: site.map(str::to_owned),
            class: class.map(str::to_owned),
            ..Asked::default()
        };
        let found = |asked, scope| search(asked, scope).unwrap();
        let of = found(asked(None, None), &own).unwrap();
        assert_eq!((of.sites, of.classes), (vec![id("s-1"), id("s-2")], vec![Class::Alarm]));
        let of = found(asked(Some("s-2"), None), &own).unwrap();
        assert_eq!(of.sites, [id("s-2")]);
        assert!(found(asked(Some("s-3"), None), &own).is_none());
        assert!(found(asked(None, Some("door")), &own).is_none());
        // An empty list would ask for all.
        let nothing = Scope { sites: Some(BTreeSet::new()), classes: None };
        assert!(found(asked(None, None), &nothing).is_none());
        let nothing = Scope { sites: None, classes: Some(BTreeSet::new()) };
        assert!(found(asked(None, None), &nothing).is_none());
        let all = found(asked(None, None), &Scope::default()).unwrap();
        assert!(all.sites.is_empty() && all.classes.is_empty());
        assert!(matches!(search(asked(None, Some("allarm")), &own), Err("class")));
        assert!(matches!(search(asked(Some("S 1"), None), &own), Err("site")));
    }
}
