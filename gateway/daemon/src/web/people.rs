//! Accounts: made, given another password, removed; each change recorded before it holds.
//!
//! Whoever's password was changed, or whose account is gone, is out at once: a session is of a name and
//! a hash.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::id::Id;
use gatehouse_web::guard::refuse;
use gatehouse_web::secret;
use serde::Deserialize;
use serde_json::json;
use tracing::error;

use super::Shared;
use super::accounts::{Account, Accounts, MOST, Role};
use super::login::{good, good_password, hashed};
use super::routes::Signed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    role: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnPassword {
    before: String,
    password: String,
}

/// All accounts, by name.
pub(super) async fn list(State(shared): State<Shared>) -> Response {
    let accounts = shared.accounts();
    let of = |account: &Account| json!({ "name": account.name, "role": account.role });
    Json(json!({ "accounts": accounts.iter().map(of).collect::<Vec<_>>() })).into_response()
}

/// Makes an account.
pub(super) async fn add(
    State(shared): State<Shared>,
    signed: Signed,
    Json(New { name, role, password }): Json<New>,
) -> Response {
    let Some(role) = Role::from_word(&role) else { return refuse(StatusCode::BAD_REQUEST, "role") };
    if !signed.account.role.may_make(role) {
        return refuse(StatusCode::FORBIDDEN, "role");
    }
    let name = match good(&name, &password) {
        Ok(name) => name,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    let Some(password) = hashed(&shared, password).await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    change(&shared, &signed, (&name, "made"), |accounts| {
        if accounts.get(name.as_str()).is_some() {
            return Err((StatusCode::CONFLICT, "taken"));
        }
        if accounts.len() >= MOST {
            return Err((StatusCode::CONFLICT, "full"));
        }
        accounts.put(Account { name: name.clone(), role, password: password.clone() });
        Ok(role)
    })
    .await
}

/// Gives an account another password.
pub(super) async fn password(
    State(shared): State<Shared>,
    signed: Signed,
    Path(name): Path<String>,
    Json(Password { password }): Json<Password>,
) -> Response {
    set_password(&shared, &signed, &name, password).await
}

/// One's own password; whoever only found the page open does not know the one before.
pub(super) async fn own_password(
    State(shared): State<Shared>,
    signed: Signed,
    Json(OwnPassword { before, password }): Json<OwnPassword>,
) -> Response {
    let name = signed.account.name.to_string();
    let here = std::net::IpAddr::from([0; 16]);
    // Guessing is counted whatever address it comes from: somebody sits at an open page.
    if shared.lockout().wait(&name, here, shared.mono()).is_some() {
        return refuse(StatusCode::TOO_MANY_REQUESTS, "locked");
    }
    let hash = signed.account.password.clone();
    let Ok(turn) = shared.hashing.acquire().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    let verify = move || before.len() <= secret::LONGEST && secret::verify(&before, Some(&hash));
    let right = tokio::task::spawn_blocking(verify).await.unwrap_or(false);
    drop(turn);
    if !right {
        let locked = shared.lockout().wrong(&name, here, shared.mono()).is_some();
        if locked {
            shared.audit.locked(Some(&signed.account.name), shared.mono()).await;
        }
        return refuse(StatusCode::FORBIDDEN, "wrong");
    }
    set_password(&shared, &signed, &name, password).await
}

async fn set_password(shared: &Shared, signed: &Signed, name: &str, password: String) -> Response {
    let Some(account) = shared.accounts().get(name).cloned() else {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    };
    let own = account.name == signed.account.name;
    if !own && !signed.account.role.may_make(account.role) {
        return refuse(StatusCode::FORBIDDEN, "role");
    }
    if let Err(error) = good_password(name, &password) {
        return refuse(StatusCode::BAD_REQUEST, error);
    }
    let Some(password) = hashed(shared, password).await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    change(shared, signed, (&account.name, "password"), |accounts| {
        // It may have been removed meanwhile, or be another's with another role.
        let now = accounts.get(name).filter(|now| now.role == account.role);
        let Some(now) = now.cloned() else { return Err((StatusCode::NOT_FOUND, "unknown")) };
        let role = now.role;
        accounts.put(Account { password: password.clone(), ..(*now).clone() });
        Ok(role)
    })
    .await
}

/// Removes an account; the last installer's stays, or nobody could make another.
pub(super) async fn remove(
    State(shared): State<Shared>,
    signed: Signed,
    Path(name): Path<String>,
) -> Response {
    let Ok(name) = name.parse::<Id>() else { return refuse(StatusCode::NOT_FOUND, "unknown") };
    change(&shared, &signed, (&name, "removed"), |accounts| {
        let Some(account) = accounts.get(name.as_str()).cloned() else {
            return Err((StatusCode::NOT_FOUND, "unknown"));
        };
        if !signed.account.role.may_make(account.role) {
            return Err((StatusCode::FORBIDDEN, "role"));
        }
        accounts.remove(&name);
        if accounts.has_installer() {
            Ok(account.role)
        } else {
            Err((StatusCode::CONFLICT, "last"))
        }
    })
    .await
}

/// Changes the accounts, one change at a time: recorded, kept, and only then in force.
async fn change(
    shared: &Shared,
    signed: &Signed,
    (name, what): (&Id, &str),
    change: impl FnOnce(&mut Accounts) -> Result<Role, (StatusCode, &'static str)>,
) -> Response {
    let _changing = shared.kept.changing().await;
    // Whoever was removed while he waited changes nothing any more.
    let Some(now) = shared.signed(&signed.token) else {
        return refuse(StatusCode::UNAUTHORIZED, "login");
    };
    let mut accounts = (*shared.accounts()).clone();
    let role = match change(&mut accounts) {
        Ok(role) => role,
        Err((status, error)) => return refuse(status, error),
    };
    if shared.audit.account(&now.account.name, name, what, role.as_str()).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "unrecorded");
    }
    match shared.keep(accounts) {
        Ok(()) => Json(json!({})).into_response(),
        Err(error) => {
            error!(%error, "a change of accounts cannot be kept");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "disk")
        }
    }
}
