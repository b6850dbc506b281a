//! The figures of a period, as JSON for the page and as CSV to keep.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use serde::Deserialize;

use super::Shared;
use super::guard::{Signed, refuse};
use super::scope::Scope;
use crate::stats::{self, Period, ReadError, Report};
use crate::store::{Database, Store};

/// The longest period of the page: a quarter. The command line knows no such bound.
const DAYS: usize = 93;

/// Events that one answer may read: some ten seconds on a small machine.
const MOST: u64 = 1_000_000;

/// The classes of which the figures are made: who may not see one of them would see wrong figures.
const NEEDED: [Class; 7] = [
    Class::Panic,
    Class::Alarm,
    Class::Tamper,
    Class::Fault,
    Class::Access,
    Class::Arm,
    Class::System,
];

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The begins of the days and the end of the last, in milliseconds since 1970, with commas
    /// between: only the page knows which clock hangs on its wall.
    days: String,
    site: Option<String>,
    /// `csv`: as a file, a line for each site.
    #[serde(default)]
    form: Option<String>,
}

/// `GET /api/stats`
pub(crate) async fn stats(
    State(shared): State<Shared>,
    signed: Signed,
    Query(asked): Query<Asked>,
) -> Response {
    let (period, sites) = match wanted(&asked, &signed.account.scope) {
        Ok(wanted) => wanted,
        Err((status, error)) => return refuse(status, error),
    };
    let database = shared.history.database.clone();
    if matches!(database, Database::Memory) {
        return refuse(StatusCode::NOT_FOUND, "no_history");
    }
    let Ok(_turn) = Arc::clone(&shared.history.readers).acquire_owned().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    let now = shared.operator.now();
    let read = tokio::task::spawn_blocking(move || read(database, sites, period, now));
    match read.await {
        Ok(Ok(report)) if asked.form.as_deref() == Some("csv") => file(&report),
        Ok(Ok(report)) => Json(stats::json(&report)).into_response(),
        Ok(Err(Failed::TooMany)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, "too_many"),
        Ok(Err(Failed::Unreadable(error))) => {
            tracing::error!(error, "the figures cannot be read");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "history")
        }
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "history"),
    }
}

/// The period, and of which sites: no name is all of them.
fn wanted(asked: &Asked, scope: &Scope) -> Result<(Period, Vec<Id>), (StatusCode, &'static str)> {
    let bounds: Result<Vec<_>, _> = asked.days.split(',').map(str::parse).collect();
    let bounds = bounds.map_err(|_| (StatusCode::BAD_REQUEST, "days"))?;
    let period = Period::new(bounds.into_iter().map(UtcMs).collect());
    let period = period.ok().filter(|period| period.len() <= DAYS);
    let period = period.ok_or((StatusCode::BAD_REQUEST, "days"))?;
    if asked.form.as_deref().is_some_and(|form| form != "csv") {
        return Err((StatusCode::BAD_REQUEST, "form"));
    }
    if !NEEDED.iter().all(|class| scope.class(*class)) {
        return Err((StatusCode::FORBIDDEN, "classes"));
    }
    let site = asked.site.as_deref().filter(|site| !site.is_empty()).map(str::parse::<Id>);
    let site = site.transpose().map_err(|_| (StatusCode::BAD_REQUEST, "site"))?;
    let sites = match (site, &scope.sites) {
        // What an account may not see is as if it were not there.
        (Some(site), _) if !scope.site(site.as_str()) => {
            return Err((StatusCode::NOT_FOUND, "gone"));
        }
        (Some(site), _) => vec![site],
        // An empty list would ask for all.
        (None, Some(own)) if own.is_empty() => return Err((StatusCode::NOT_FOUND, "gone")),
        (None, own) => own.iter().flatten().cloned().collect(),
    };
    Ok((period, sites))
}

enum Failed {
    TooMany,
    Unreadable(String),
}

fn read(database: Database, sites: Vec<Id>, period: Period, now: UtcMs) -> Result<Report, Failed> {
    let store =
        Store::open_to_read(database).map_err(|error| Failed::Unreadable(error.to_string()))?;
    stats::read(&store, sites, period, now, Some(MOST)).map_err(|error| match error {
        ReadError::TooMany(_) => Failed::TooMany,
        ReadError::Store(error) => Failed::Unreadable(error.to_string()),
    })
}

fn file(report: &Report) -> Response {
    // What spreadsheets need to see that it is UTF-8.
    let text = format!("\u{feff}{}", stats::csv(report, false));
    let kind = (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present");
    let name = (header::CONTENT_DISPOSITION, "attachment; filename=\"gatehouse.csv\"");
    ([kind, name], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn asked(days: &str, site: Option<&str>) -> Asked {
        Asked { days: days.to_owned(), site: site.map(str::to_owned), form: None }
    }

    #[test]
    fn figures_never_leave_what_an_account_may_see() {
        let id = |text: &str| -> Id { text.parse().unwrap() };
        let own = Scope { sites: Some(BTreeSet::from([id("s-1"), id("s-2")])), classes: None };
        let of =
            |site, scope: &Scope| wanted(&asked("0,86400000", site), scope).map(|(_, sites)| sites);
        assert_eq!(of(None, &own), Ok(vec![id("s-1"), id("s-2")]));
        assert_eq!(of(Some("s-2"), &own), Ok(vec![id("s-2")]));
        assert_eq!(of(Some("s-3"), &own), Err((StatusCode::NOT_FOUND, "gone")));
        assert_eq!(of(Some(""), &Scope::default()), Ok(vec![]));
        let nothing = Scope { sites: Some(BTreeSet::new()), classes: None };
        assert_eq!(of(None, &nothing), Err((StatusCode::NOT_FOUND, "gone")));
        let half = Scope { sites: None, classes: Some(BTreeSet::from([Class::Panic])) };
        assert_eq!(of(None, &half), Err((StatusCode::FORBIDDEN, "classes")));
    }

    #[test]
    fn days_must_be_in_order_and_few_enough() {
        let of = |days: &str| {
            wanted(&asked(days, None), &Scope::default()).map(|(period, _)| period.len())
        };
        assert_eq!(of("0,86400000,172800000"), Ok(2));
        let long: Vec<_> = (0..200).map(|day| day.to_string()).collect();
        for bad in ["", "0", "5,1", "1,1", "x,2", &long.join(",")] {
            assert_eq!(of(bad), Err((StatusCode::BAD_REQUEST, "days")), "{bad}");
        }
    }
}
