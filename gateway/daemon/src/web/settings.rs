//! The configuration on the page: names, schedules, holidays, masks and motion areas of cameras, brokers;
//! looked at before it is applied, kept or put back after it.
//!
//! The page sends steps ([`Edit`]) and never a file. Which step needs which right stands in one table
//! ([`STEPS`]); a step that is not there is nobody's on the page. Everything else is the transaction's
//! ([`transaction`](crate::transaction)), with the account as who wants it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_config::Shape;
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

/// Shapes that are judged at once: all masks and areas of one camera.
const MOST_SHAPES: usize = 32;

/// The tables that the page shows, and what of each: what is not named here does not leave the box.
const SHOWN: [(&str, &[&str]); 10] = [
    ("partition", &["id", "name"]),
    ("door", &["id", "name"]),
    ("zone", &["id", "name"]),
    ("help-point", &["id", "name"]),
    ("camera", &["id", "name", "masks"]),
    ("camera.area", AREA),
    ("reader", &["id", "name"]),
    ("schedule", SCHEDULE),
    ("holiday", &["id", "from", "until", "as"]),
    ("broker", &["id", "host", "port"]),
];

/// Those of them that stand in no other.
const TABLES: [&str; 9] = [
    "partition",
    "door",
    "zone",
    "help-point",
    "camera",
    "reader",
    "schedule",
    "holiday",
    "broker",
];

const AREA: &[&str] = &["id", "name", "shape", "sensitivity", "ignore"];

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
const STEPS: [(&str, &[&str], bool, Right); 11] = [
    ("partition", &["name"], false, Right::Settings),
    ("door", &["name"], false, Right::Settings),
    ("zone", &["name"], false, Right::Settings),
    ("help-point", &["name"], false, Right::Settings),
    ("camera", &["name"], false, Right::Settings),
    // What nobody may see is not everybody's to say.
    ("camera", &["masks"], false, Right::Masks),
    ("camera.area", AREA, true, Right::Masks),
    ("reader", &["name"], false, Right::Settings),
    ("schedule", SCHEDULE, true, Right::Settings),
    ("holiday", &["id", "from", "until", "as"], true, Right::Settings),
    ("broker", &["host", "port"], false, Right::Network),
];

/// The right that a key of a table needs; none: it is nobody's on the page.
fn of_key(table: &str, key: &str) -> Option<Right> {
    let row = STEPS.iter().find(|(name, keys, ..)| *name == table && keys.contains(&key));
    row.map(|(.., right)| *right)
}

/// The keys that a new entry of a table may have, and the right that it needs; none: nobody adds one here
/// or takes one out.
fn of_entry(table: &str) -> Option<(&'static [&'static str], Right)> {
    let row = STEPS.iter().find(|(name, _, whole, _)| *name == table && *whole);
    row.map(|(_, keys, _, right)| (*keys, *right))
}

/// The name of the table that a place is in, as `camera.area`: every other part is an id.
fn table_of<'a>(place: impl IntoIterator<Item = &'a str>) -> String {
    place.into_iter().step_by(2).collect::<Vec<_>>().join(".")
}

/// The right that a step needs; none: it is nobody's on the page.
fn needs(edit: &Edit) -> Option<Right> {
    let table = |at: &[String]| table_of(at.iter().map(String::as_str));
    match edit {
        Edit::Set { at, .. } | Edit::Unset { at } => {
            let (key, entry) = at.split_last()?;
            // An id is what events name: it is given once.
            let named = !entry.is_empty() && entry.len().is_multiple_of(2) && key != "id";
            named.then(|| of_key(&table(entry), key)).flatten()
        }
        Edit::Add { at, entry } => {
            let (keys, right) = of_entry(&table(at)).filter(|_| !at.len().is_multiple_of(2))?;
            entry.keys().all(|key| keys.contains(&key.as_str())).then_some(right)
        }
        Edit::Remove { at } => {
            let (_, right) = of_entry(&table(at)).filter(|_| at.len().is_multiple_of(2))?;
            Some(right)
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
pub(super) struct Shapes {
    shapes: Vec<String>,
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
    let mut all = Map::new();
    for name in TABLES {
        let network =
            STEPS.iter().any(|(table, .., right)| *table == name && *right == Right::Network);
        if network && !signed.account.role.may(Right::Network) {
            continue;
        }
        let entries = tables[name].as_array().cloned().unwrap_or_default();
        all.insert(name.to_owned(), entries.into_iter().map(|one| shown(name, one)).collect());
    }
    Json(json!({ "hash": hash, "tables": all })).into_response()
}

/// An entry of a table, as far as it is shown.
fn shown(table: &str, entry: Value) -> Value {
    let keys = |table: &str| SHOWN.iter().find(|(name, _)| *name == table).map(|(_, keys)| *keys);
    let Value::Object(entry) = entry else { return json!({}) };
    let part = |(key, value): (String, Value)| {
        if keys(table).is_some_and(|keys| keys.contains(&key.as_str())) {
            return Some((key, value));
        }
        let within = format!("{table}.{key}");
        let Value::Array(entries) = value else { return None };
        keys(&within)?;
        Some((key, entries.into_iter().map(|one| shown(&within, one)).collect()))
    };
    Value::Object(entry.into_iter().filter_map(part).collect())
}

/// What the configuration would say of shapes, while they are drawn: a word for each that is wrong.
pub(super) async fn shapes(Json(Shapes { shapes }): Json<Shapes>) -> Response {
    if shapes.len() > MOST_SHAPES {
        return refuse(StatusCode::BAD_REQUEST, "step");
    }
    let wrong =
        |shape: &String| Shape::parse(shape).err().map(gatehouse_config::ShapeError::as_str);
    let wrong: Vec<_> = shapes.iter().map(wrong).collect();
    Json(json!({ "wrong": wrong })).into_response()
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
    let may = |place: &String| right_of(place).is_some_and(|right| role.may(right));
    if !role.may(Right::Network) && !draft.changed.iter().all(may) {
        return Err(refuse(StatusCode::FORBIDDEN, "role"));
    }
    Ok((text, draft))
}

/// The right that a changed place needs, if it is one that steps can change.
fn right_of(place: &str) -> Option<Right> {
    let parts: Vec<_> = place.split('.').collect();
    let entry = || of_entry(&table_of(parts.iter().copied())).map(|(_, right)| right);
    match parts.split_last() {
        Some((key, entry_of)) if entry_of.len() >= 2 && entry_of.len().is_multiple_of(2) => {
            of_key(&table_of(entry_of.iter().copied()), key).or_else(entry)
        }
        _ => entry(),
    }
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
        assert_eq!(set("camera.gate.name"), Some(Right::Settings));
        assert_eq!(set("camera.gate.masks"), Some(Right::Masks));
        assert_eq!(set("camera.gate.area.yard.shape"), Some(Right::Masks));
        for nobody in [
            "door.lobby.id",
            "door.lobby.input",
            "schedule.night.id",
            "broker.main.password-file",
            "broker.main.tls.ca",
            "gateway.id",
            "commands.allow",
            "page.key",
            "camera.gate.area.yard.id",
            "camera.gate.area.yard.tells",
            "camera.gate.mask-required",
            "camera.gate.stream",
            "camera.masks",
            "camera.area.yard.shape",
            "camera.gate.area",
            "evidence.key-file",
        ] {
            assert_eq!(set(nobody), None, "{nobody}");
        }
        let remove = |place: &str| needs(&Edit::Remove { at: at(place) });
        assert_eq!(remove("schedule.night"), Some(Right::Settings));
        assert_eq!(remove("door.lobby"), None);
        assert_eq!(remove("camera.gate"), None);
        assert_eq!(remove("camera.gate.area"), None);
        assert_eq!(remove("camera.gate.area.yard"), Some(Right::Masks));
        let add = |table: &str, key: &str| {
            needs(&Edit::Add { at: at(table), entry: [(key.to_owned(), Plain::from("x"))].into() })
        };
        assert_eq!(add("camera.gate.area", "shape"), Some(Right::Masks));
        assert_eq!(add("camera.gate.area", "tells"), None);
        assert_eq!(add("camera.gate", "id"), None);
        assert_eq!(add("camera", "id"), None);
        assert_eq!(add("holiday", "from"), Some(Right::Settings));
        assert_eq!(add("schedule", "input"), None);
        assert_eq!(add("command-key", "id"), None);
    }

    #[test]
    fn going_back_needs_the_right_that_the_changes_need() {
        for place in
            ["door.lobby.name", "schedule.night", "schedule.night.days", "holiday.h", "schedule"]
        {
            assert_eq!(right_of(place), Some(Right::Settings), "{place}");
        }
        for place in [
            "camera.gate.masks",
            "camera.gate.area.yard",
            "camera.gate.area.yard.shape",
            "camera.gate.area",
        ] {
            assert_eq!(right_of(place), Some(Right::Masks), "{place}");
        }
        assert_eq!(right_of("broker.b.host"), Some(Right::Network));
        for place in
            ["door.lobby", "door.lobby.input", "camera.gate", "gateway.id", "log", "camera"]
        {
            assert_eq!(right_of(place), None, "{place}");
        }
    }

    #[test]
    fn of_a_camera_only_what_is_drawn_is_shown() {
        let entry = json!({
            "id": "gate", "stream": "rtsp://10.0.0.7/1", "username": "x", "masks": ["0,0 1,0 1,1"],
            "area": [{ "id": "yard", "shape": "0,0 1,0 1,1", "ignore": true, "rules": ["a"] }],
        });
        let wanted = json!({
            "id": "gate", "masks": ["0,0 1,0 1,1"],
            "area": [{ "id": "yard", "shape": "0,0 1,0 1,1", "ignore": true }],
        });
        assert_eq!(shown("camera", entry), wanted);
        for (name, _) in SHOWN {
            assert!(name.contains('.') || TABLES.contains(&name), "{name}");
        }
    }
}
