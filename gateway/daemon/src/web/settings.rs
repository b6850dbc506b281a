//! The configuration on the page: names, schedules, holidays, brokers; looked at before it is applied,
//! kept or put back after it.
//!
//! The page sends steps ([`Edit`]) and never a file. Which step needs which right stands in one table
//! ([`STEPS`]); a step that is not there is nobody's on the page. Everything else is the transaction's
//! ([`transaction`](crate::transaction)), with the account as who wants it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_config::change::Edit;
use gatehouse_web::guard::refuse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Shared;
use super::accounts::Right;
use super::routes::Signed;
use crate::transaction::{Applied, Draft, Guard, Refusal, Who};

/// Steps of one change: every door, zone and camera of the largest box is named anew.
const MOST_STEPS: usize = 256;

/// The tables that the page shows, and what of each: what is not named here does not leave the box.
const SHOWN: [(&str, &[&str]); 9] = [
    ("partition", &["id", "name"]),
    ("door", &["id", "name"]),
    ("zone", &["id", "name"]),
    ("help-point", &["id", "name"]),
    ("camera", &["id", "name"]),
    ("reader", &["id", "name"]),
    ("schedule", SCHEDULE),
    ("holiday", &["id", "from", "until", "as"]),
    ("broker", &["id", "host", "port"]),
];

/// Their names.
const TABLES: [&str; 9] = {
    let mut names = [""; 9];
    let mut n = 0;
    while n < 9 {
        names[n] = SHOWN[n].0;
        n += 1;
    }
    names
};

const SCHEDULE: &[&str] = &[
    "id",
    "partition",
    "days",
    "arm-at",
    "disarm-at",
    "armed-by",
    "mode",
    "warning-min",
    "retry-min",
    "force",
    "postpone-min",
    "holidays",
];

/// What a step is made at: table, keys of its entries that may be changed, whether entries may be added
/// and taken out, and the right that it needs.
const STEPS: [(&str, &[&str], bool, Right); 9] = [
    ("partition", &["name"], false, Right::Settings),
    ("door", &["name"], false, Right::Settings),
    ("zone", &["name"], false, Right::Settings),
    ("help-point", &["name"], false, Right::Settings),
    ("camera", &["name"], false, Right::Settings),
    ("reader", &["name"], false, Right::Settings),
    ("schedule", SCHEDULE, true, Right::Settings),
    ("holiday", &["id", "from", "until", "as"], true, Right::Settings),
    ("broker", &["host", "port"], false, Right::Network),
];

/// The right that a step needs; none: it is nobody's on the page.
fn needs(edit: &Edit) -> Option<Right> {
    let of = |table: &str| STEPS.iter().find(|(name, ..)| *name == table);
    match edit {
        Edit::Set { at, .. } | Edit::Unset { at } => {
            // An id is what events name: it is given once.
            let [table, _, key] = at.as_slice() else { return None };
            let (_, keys, _, right) = of(table)?;
            (key != "id" && keys.contains(&key.as_str())).then_some(*right)
        }
        Edit::Add { at, entry } => {
            let [table] = at.as_slice() else { return None };
            let (_, keys, whole, right) = of(table)?;
            (*whole && entry.keys().all(|key| keys.contains(&key.as_str()))).then_some(*right)
        }
        Edit::Remove { at } => {
            let [table, _] = at.as_slice() else { return None };
            let (_, _, whole, right) = of(table)?;
            whole.then_some(*right)
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Steps {
    edits: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Apply {
    edits: Vec<Edit>,
    /// The hash of what it was looked at with.
    made_for: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Return {
    made_for: String,
}

/// What may be changed here, as it stands in the file.
pub(super) async fn get(State(shared): State<Shared>, signed: Signed) -> Response {
    let (hash, tables) = match shared.sources.changes.tables(&TABLES).await {
        Ok(read) => read,
        Err(refusal) => return refused(refusal),
    };
    let mut shown = Map::new();
    for (name, keys) in SHOWN {
        let network =
            STEPS.iter().any(|(table, .., right)| *table == name && *right == Right::Network);
        if network && !signed.account.role.may(Right::Network) {
            continue;
        }
        let entries = tables[name].as_array().cloned().unwrap_or_default();
        let entry = |entry: Value| -> Value {
            let Value::Object(entry) = entry else { return json!({}) };
            Value::Object(entry.into_iter().filter(|(key, _)| keys.contains(&&**key)).collect())
        };
        shown.insert(name.to_owned(), entries.into_iter().map(entry).collect());
    }
    Json(json!({ "hash": hash, "tables": shown })).into_response()
}

/// What steps would change.
pub(super) async fn draft(
    State(shared): State<Shared>,
    signed: Signed,
    Json(Steps { edits }): Json<Steps>,
) -> Response {
    match look(&shared, &signed, edits, true).await {
        Ok((_, draft)) => Json(draft).into_response(),
        Err(answer) => answer,
    }
}

/// Makes steps.
pub(super) async fn apply(
    State(shared): State<Shared>,
    signed: Signed,
    Json(Apply { edits, made_for }): Json<Apply>,
) -> Response {
    let text = match look(&shared, &signed, edits, false).await {
        Ok((text, _)) => text,
        Err(answer) => return answer,
    };
    let by = (Who::account(&signed.account.name), Guard::Site);
    made(shared.sources.changes.apply(text, Some(made_for), by, None).await)
}

/// The text that steps make, and what it would change.
async fn look(
    shared: &Shared,
    signed: &Signed,
    edits: Vec<Edit>,
    with_replay: bool,
) -> Result<(String, Draft), Response> {
    if edits.len() > MOST_STEPS {
        return Err(refuse(StatusCode::BAD_REQUEST, "step"));
    }
    let may = |edit: &Edit| needs(edit).is_some_and(|right| signed.account.role.may(right));
    if !edits.iter().all(may) {
        return Err(refuse(StatusCode::FORBIDDEN, "role"));
    }
    let changes = &shared.sources.changes;
    let text = changes.changed(edits).await.map_err(refused)?;
    let draft = changes.draft(text.clone(), Guard::Site, with_replay).await.map_err(refused)?;
    Ok((text, draft))
}

/// Lets stay what is unconfirmed.
pub(super) async fn confirm(State(shared): State<Shared>, signed: Signed) -> Response {
    made(shared.sources.changes.confirm(Who::account(&signed.account.name), None).await)
}

/// Puts back what held before it.
pub(super) async fn undo(State(shared): State<Shared>, signed: Signed) -> Response {
    made(shared.sources.changes.undo(Who::account(&signed.account.name)).await)
}

/// What held, the newest first.
pub(super) async fn history(State(shared): State<Shared>) -> Response {
    match shared.sources.changes.history().await {
        Ok(mut entries) => {
            entries.reverse();
            Json(json!({ "entries": entries })).into_response()
        }
        Err(refusal) => refused(refusal),
    }
}

/// What going back to an entry would change.
pub(super) async fn draft_of(
    State(shared): State<Shared>,
    signed: Signed,
    Path(n): Path<u32>,
) -> Response {
    match look_back(&shared, &signed, n, true).await {
        Ok((_, draft)) => Json(draft).into_response(),
        Err(answer) => answer,
    }
}

/// Goes back to an entry.
pub(super) async fn return_to(
    State(shared): State<Shared>,
    signed: Signed,
    Path(n): Path<u32>,
    Json(Return { made_for }): Json<Return>,
) -> Response {
    let text = match look_back(&shared, &signed, n, false).await {
        Ok((text, _)) => text,
        Err(answer) => return answer,
    };
    let by = (Who::account(&signed.account.name), Guard::Site);
    made(shared.sources.changes.apply(text, Some(made_for), by, None).await)
}

/// The text of an entry, and what it would change. What touches more than this account may change by
/// steps is for whoever may change everything.
async fn look_back(
    shared: &Shared,
    signed: &Signed,
    n: u32,
    with_replay: bool,
) -> Result<(String, Draft), Response> {
    let changes = &shared.sources.changes;
    let text = changes.entry(n).await.map_err(refused)?;
    let draft = changes.draft(text.clone(), Guard::Site, with_replay).await.map_err(refused)?;
    let role = signed.account.role;
    if !role.may(Right::Network) && !draft.changed.iter().all(|place| is_settings(place)) {
        return Err(refuse(StatusCode::FORBIDDEN, "role"));
    }
    Ok((text, draft))
}

/// Whether a changed place is one that the right `settings` is for.
fn is_settings(place: &str) -> bool {
    let mut parts = place.split('.');
    let table = parts.next().unwrap_or_default();
    let Some((_, keys, whole, right)) = STEPS.iter().find(|(name, ..)| *name == table) else {
        return false;
    };
    let (_id, key) = (parts.next(), parts.next());
    let key = key.map_or(*whole, |key| keys.contains(&key));
    *right == Right::Settings && key && parts.next().is_none()
}

fn made(made: Result<Applied, Refusal>) -> Response {
    match made {
        Ok(applied) => Json(applied).into_response(),
        Err(refusal) => refused(refusal),
    }
}

/// Why not, as a word for the page, with what a person can do something about.
fn refused(refusal: Refusal) -> Response {
    let (status, word) = match &refusal {
        Refusal::Mistakes { .. } => (StatusCode::CONFLICT, "mistakes"),
        Refusal::Step { .. } => (StatusCode::CONFLICT, "step"),
        Refusal::FileChanged { .. } => (StatusCode::CONFLICT, "file_changed"),
        Refusal::Moved { .. } => (StatusCode::CONFLICT, "moved"),
        Refusal::Unconfirmed { .. } => (StatusCode::CONFLICT, "unconfirmed"),
        Refusal::NothingUnconfirmed => (StatusCode::CONFLICT, "confirmed"),
        Refusal::NoEntry { .. } => (StatusCode::NOT_FOUND, "unknown"),
        Refusal::ReadOnly => (StatusCode::CONFLICT, "read_only"),
        Refusal::RolledBack { .. } => (StatusCode::CONFLICT, "rolled_back"),
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Refusal::ChangesRights | Refusal::ChangesIdentity | Refusal::NotAllowed => {
            (StatusCode::FORBIDDEN, "role")
        }
        Refusal::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    let text = match refusal {
        Refusal::Mistakes { text, .. } | Refusal::Step { text } | Refusal::RolledBack { text } => {
            Some(text)
        }
        _ => None,
    };
    (status, Json(json!({ "error": word, "text": text }))).into_response()
}

#[cfg(test)]
mod tests {
    use gatehouse_config::change::Plain;

    use super::*;

    #[test]
    fn a_step_is_only_what_its_table_lets_it_be() {
        let at = |place: &str| place.split('.').map(str::to_owned).collect::<Vec<_>>();
        let set = |place: &str| needs(&Edit::Set { at: at(place), value: Plain::from("x") });
        assert_eq!(set("door.lobby.name"), Some(Right::Settings));
        assert_eq!(set("schedule.night.arm-at"), Some(Right::Settings));
        assert_eq!(set("broker.main.host"), Some(Right::Network));
        for nobody in [
            "door.lobby.id",
            "door.lobby.input",
            "schedule.night.id",
            "broker.main.password-file",
            "broker.main.tls.ca",
            "gateway.id",
            "commands.allow",
            "page.key",
            "camera.gate.area.yard.name",
            "camera.gate.masks",
            "evidence.key-file",
        ] {
            assert_eq!(set(nobody), None, "{nobody}");
        }
        let remove = |place: &str| needs(&Edit::Remove { at: at(place) });
        assert_eq!(remove("schedule.night"), Some(Right::Settings));
        assert_eq!(remove("door.lobby"), None);
        let add = |table: &str, key: &str| {
            needs(&Edit::Add { at: at(table), entry: [(key.to_owned(), Plain::from("x"))].into() })
        };
        assert_eq!(add("holiday", "from"), Some(Right::Settings));
        assert_eq!(add("schedule", "input"), None);
        assert_eq!(add("command-key", "id"), None);
    }

    #[test]
    fn going_back_needs_the_right_that_the_changes_need() {
        for place in ["door.lobby.name", "schedule.night", "schedule.night.days", "holiday.h"] {
            assert!(is_settings(place), "{place}");
        }
        for place in
            ["door.lobby", "door.lobby.input", "broker.b.host", "gateway.id", "schedule", "log"]
        {
            assert_eq!(is_settings(place), place == "schedule", "{place}");
        }
    }
}
