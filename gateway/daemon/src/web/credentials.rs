//! Cards on the page: who may pass where and when; added, changed, blocked and removed.
//!
//! The list is the one that `gatehouse credential` changes, by the same code
//! ([`credentials`](crate::credentials)), and the rules take it and record what differs, with the account
//! as who did it. A number that somebody types becomes its hash here; neither it nor a PIN is in an event,
//! a log or an answer. That a card is for duress is neither shown nor changed: whoever stands behind the
//! person at the screen must not see it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_config::{Config, Credentials, EditError, NewCredential, edit};
use gatehouse_core::credential::CredentialHash;
use gatehouse_core::id::Id;
use gatehouse_core::site::{Answer, Credential, Via};
use gatehouse_core::time::{ClockState, Now};
use gatehouse_drivers::wiegand::Format;
use gatehouse_web::guard::refuse;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use tracing::error;

use super::Shared;
use super::routes::Signed;
use crate::control::{self, Digits, Outcome, Wish};
use crate::credentials::{self, ChangeError, HashError, Printed};

/// What the page is told of a credential, as it stands in the file. Hashes of PINs and duress are not in it.
const SHOWN: [&str; 10] =
    ["hash", "label", "blocked", "from", "until", "weekly", "doors", "areas", "arms", "disarms"];

/// Formats that a number may be typed for. A chip's serial number is read and not typed: makers write its
/// bytes in different orders.
const FORMATS: [(&str, Format); 4] = [
    ("h10301", Format::H10301),
    ("h10306", Format::H10306),
    ("h10304", Format::H10304),
    ("h10302", Format::H10302),
];

/// What a credential may do; what is left out is as in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct May {
    label: Option<String>,
    from: Option<String>,
    until: Option<String>,
    #[serde(default)]
    weekly: Vec<String>,
    doors: Option<Vec<String>>,
    areas: Option<Vec<String>>,
    #[serde(default)]
    arms: Vec<String>,
    #[serde(default)]
    disarms: Vec<String>,
}

/// What is printed on a card.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    format: String,
    #[serde(default)]
    facility: u32,
    number: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    /// As a reader has read it.
    credential: Option<String>,
    /// Or as it is printed.
    printed: Option<Typed>,
    may: May,
    pin: Option<Digits>,
}

impl May {
    fn written(self) -> NewCredential {
        let typed = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        NewCredential {
            label: typed(self.label),
            from: typed(self.from),
            until: typed(self.until),
            weekly: self.weekly,
            doors: self.doors,
            areas: self.areas,
            arms: self.arms,
            disarms: self.disarms,
            ..NewCredential::default()
        }
    }
}

/// Everybody who may pass, and what a card may be given.
pub(super) async fn list(State(shared): State<Shared>) -> Response {
    let config = Arc::clone(&shared.sources.running.borrow().config);
    let now = shared.sources.clock.now();
    let read = spawn_blocking(move || {
        let text = credentials::text(&config).map_err(|error| {
            error!(%error, "the list of credentials cannot be read");
            Not::Word(StatusCode::SERVICE_UNAVAILABLE, "disk")
        })?;
        let list = Credentials::parse(&text, "credentials.toml", &config)
            .map_err(|errors| Not::Mistakes(errors.render(false)))?;
        Ok::<_, Not>(json!({ "entries": entries(&text, &list, &now), "may": choices(&config) }))
    });
    match read.await {
        Ok(Ok(said)) => Json(said).into_response(),
        Ok(Err(not)) => not.answer(),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "ending"),
    }
}

/// The entries as they are written, each with what it is at this moment.
fn entries(text: &str, list: &Credentials, now: &Now) -> Vec<Value> {
    let written = gatehouse_config::change::tables(text, &["credential"]).unwrap_or_default();
    let written = written["credential"].as_array().cloned().unwrap_or_default();
    let entry = |(written, known): (Value, &Credential)| {
        let Value::Object(written) = written else { return Value::Null };
        let shown = written.into_iter().filter(|(key, _)| SHOWN.contains(&key.as_str()));
        let mut shown: Map<String, Value> = shown.collect();
        shown.insert("pin".to_owned(), known.pin.is_some().into());
        shown.insert("state".to_owned(), state(known, now).into());
        Value::Object(shown)
    };
    written.into_iter().zip(&list.list).map(entry).collect()
}

/// What a credential is now, in one word.
fn state(known: &Credential, now: &Now) -> &'static str {
    if known.blocked {
        return "blocked";
    }
    // By a clock that is not known nothing is said to be over.
    let knows = now.clock != ClockState::Never;
    if knows && known.until.is_some_and(|until| now.utc >= until) {
        "over"
    } else if knows && known.from.is_some_and(|from| now.utc < from) {
        "early"
    } else {
        "valid"
    }
}

/// What there is: readers to enrol at, and what a card may open, arm and disarm.
fn choices(config: &Config) -> Value {
    let one = |id: &Id, name: &Option<String>| json!({ "id": id, "name": name });
    let readers = config.readers.iter().map(|it| one(&it.rules.id, &it.name));
    let doors = config.doors.iter().map(|it| one(&it.id, &it.name));
    let areas = config.areas.iter().map(|it| one(&it.rules.id, &it.name));
    let partitions = config.partitions.iter().map(|it| one(&it.rules.id, &it.name));
    json!({
        "readers": readers.collect::<Vec<_>>(),
        "doors": doors.collect::<Vec<_>>(),
        "areas": areas.collect::<Vec<_>>(),
        "partitions": partitions.collect::<Vec<_>>(),
    })
}

/// Adds a card that was read, or whose number was typed.
pub(super) async fn add(
    State(shared): State<Shared>,
    signed: Signed,
    Json(New { credential, printed, may, pin }): Json<New>,
) -> Response {
    let config = Arc::clone(&shared.sources.running.borrow().config);
    let made = spawn_blocking(move || {
        let hash = match (credential, printed) {
            (Some(text), None) => text.parse::<CredentialHash>().map_err(|_| no_card())?,
            (None, Some(number)) => hashed(&number, &config)?,
            _ => return Err(no_card()),
        };
        let mut new = may.written();
        if let Some(digits) = pin.filter(|digits| !digits.0.is_empty()) {
            new.pin =
                Some(credentials::pin(hash, &digits.0, &config).map_err(|error| no_hash(&error))?);
        }
        judged(hash, &new, &config)?;
        credentials::change(&config, |text| edit::enrol(text, hash, &new))
            .map_err(|error| refused(error, &config))?;
        Ok::<_, Not>(hash)
    });
    load(&shared, &signed, made.await).await
}

fn hashed(typed: &Typed, config: &Config) -> Result<CredentialHash, Not> {
    let Typed { format, facility, number } = typed;
    let known = FORMATS.iter().find(|(name, _)| name == format);
    let (_, format) = known.ok_or_else(no_card)?;
    let printed = Printed { format: *format, facility: *facility, number: *number };
    credentials::card(&printed, config).map_err(|error| no_hash(&error))
}

/// Gives a card other rights.
pub(super) async fn change(
    State(shared): State<Shared>,
    signed: Signed,
    Path(hash): Path<String>,
    Json(may): Json<May>,
) -> Response {
    let new = may.written();
    rewrite(&shared, &signed, &hash, move |text, hash| edit::alter(text, hash, &new)).await
}

/// Refuses a card everywhere.
pub(super) async fn block(
    State(shared): State<Shared>,
    signed: Signed,
    Path(hash): Path<String>,
) -> Response {
    rewrite(&shared, &signed, &hash, |text, hash| edit::block(text, hash, true)).await
}

/// Lets a blocked card pass again.
pub(super) async fn unblock(
    State(shared): State<Shared>,
    signed: Signed,
    Path(hash): Path<String>,
) -> Response {
    rewrite(&shared, &signed, &hash, |text, hash| edit::block(text, hash, false)).await
}

/// Takes a card out of the list.
pub(super) async fn remove(
    State(shared): State<Shared>,
    signed: Signed,
    Path(hash): Path<String>,
) -> Response {
    rewrite(&shared, &signed, &hash, edit::remove).await
}

async fn rewrite(
    shared: &Shared,
    signed: &Signed,
    hash: &str,
    change: impl FnOnce(&str, CredentialHash) -> Result<String, EditError> + Send + 'static,
) -> Response {
    let Ok(hash) = hash.parse::<CredentialHash>() else {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    };
    let config = Arc::clone(&shared.sources.running.borrow().config);
    let made = spawn_blocking(move || {
        credentials::change(&config, |text| change(text, hash))
            .map_err(|error| refused(error, &config))?;
        Ok::<_, Not>(hash)
    });
    load(shared, signed, made.await).await
}

/// What was typed is judged alone first, so that its mistakes name its own lines and nobody else's.
fn judged(hash: CredentialHash, new: &NewCredential, config: &Config) -> Result<(), Not> {
    let text = edit::enrol("", hash, new).map_err(|error| refused(error.into(), config))?;
    let judged = Credentials::parse(&text, "credentials.toml", config);
    judged.map(drop).map_err(|errors| Not::Mistakes(errors.render(false)))
}

/// The rules take the changed list, and record it with who changed it.
async fn load(
    shared: &Shared,
    signed: &Signed,
    made: Result<Result<CredentialHash, Not>, tokio::task::JoinError>,
) -> Response {
    let hash = match made {
        Ok(Ok(hash)) => hash,
        Ok(Err(not)) => return not.answer(),
        Err(_) => return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending"),
    };
    let actor = Some(signed.account.name.to_string());
    match control::ask(Wish::Credentials {}, (Via::Web, actor), &shared.sources).await {
        // Already: somebody else's change took this one along.
        Outcome::Answer(Answer::Done | Answer::Already) => {
            Json(json!({ "credential": hash })).into_response()
        }
        other => {
            error!(?other, "a changed list of credentials is not taken");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "ending")
        }
    }
}

/// Why nothing was done, as the page is told.
#[derive(Debug)]
enum Not {
    /// A word that the page has a sentence for.
    Word(StatusCode, &'static str),
    /// What is wrong, in the words of the configuration.
    Mistakes(String),
}

impl Not {
    fn answer(self) -> Response {
        match self {
            Self::Word(status, word) => refuse(status, word),
            Self::Mistakes(text) => {
                let body = json!({ "error": "mistakes", "text": text });
                (StatusCode::CONFLICT, Json(body)).into_response()
            }
        }
    }
}

fn no_card() -> Not {
    Not::Word(StatusCode::BAD_REQUEST, "card")
}

fn no_hash(error: &HashError) -> Not {
    match error {
        HashError::Card(_) => no_card(),
        HashError::Pin => Not::Word(StatusCode::BAD_REQUEST, "pin"),
        HashError::Key(error) => {
            error!(%error, "no card can be added");
            Not::Word(StatusCode::SERVICE_UNAVAILABLE, "disk")
        }
    }
}

fn refused(error: ChangeError, config: &Config) -> Not {
    match error {
        ChangeError::Edit(EditError::There) => Not::Word(StatusCode::CONFLICT, "there"),
        ChangeError::Edit(EditError::NotThere) => Not::Word(StatusCode::NOT_FOUND, "unknown"),
        ChangeError::Edit(EditError::OtherForm | EditError::Unreadable) => {
            Not::Word(StatusCode::CONFLICT, "by_hand")
        }
        ChangeError::Mistakes(errors) => {
            // Where the file is stays on the box.
            let path = config.access.credentials.display().to_string();
            Not::Mistakes(errors.render(false).replace(&path, "credentials.toml"))
        }
        ChangeError::Busy => Not::Word(StatusCode::SERVICE_UNAVAILABLE, "busy"),
        ChangeError::Io { .. } => {
            // Where it is stays in the log.
            error!(%error, "the list of credentials cannot be changed");
            Not::Word(StatusCode::CONFLICT, "read_only")
        }
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::credential::SiteKey;
    use gatehouse_core::time::UtcMs;

    use super::*;

    #[test]
    fn what_a_card_is_now_is_one_word_and_none_is_over_by_an_unknown_clock() {
        let hash = SiteKey::new([7; 32]).card(8, &[1]);
        let now = |clock| Now { utc: UtcMs(100), clock, ..Now::default() };
        let known = now(ClockState::Synced);
        let of = |from: Option<i64>, until: Option<i64>| Credential {
            from: from.map(UtcMs),
            until: until.map(UtcMs),
            ..Credential::new(hash)
        };
        assert_eq!(state(&of(None, None), &known), "valid");
        assert_eq!(state(&of(Some(101), None), &known), "early");
        assert_eq!(state(&of(Some(1), Some(100)), &known), "over");
        assert_eq!(state(&of(Some(1), Some(100)), &now(ClockState::Never)), "valid");
        let blocked = Credential { blocked: true, ..of(None, Some(1)) };
        assert_eq!(state(&blocked, &known), "blocked");
    }
}
