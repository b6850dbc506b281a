//! Logging in and out.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gatehouse_core::id::Id;
use gatehouse_web::listen::Peer;
use gatehouse_web::{guard, secret};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::guard::{Signed, refuse};

/// What a page sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    name: String,
    password: String,
}

/// Opens a session, sets its cookie and says who it is.
pub(crate) async fn login(
    State(shared): State<Shared>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Json(login): Json<Login>,
) -> Response {
    let Login { name, password } = login;
    let address = peer.ip();
    let plausible = name.chars().count() <= 64 && password.len() <= secret::LONGEST;
    if let Some(wait) = shared.lockout().wait(&name, address, shared.mono()) {
        return locked(wait);
    }
    // One at a time: each takes 19 MiB and a core for a moment.
    let Ok(_turn) = shared.hashing.acquire().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    // Again: those before may have been wrong ones of the same name.
    if let Some(wait) = shared.lockout().wait(&name, address, shared.mono()) {
        return locked(wait);
    }
    let account = shared.accounts().get(&name).cloned().filter(|_| plausible);
    let hash = account.as_ref().map(|account| account.password.clone());
    let verify = move || secret::verify(&password, hash.as_deref());
    let right = tokio::task::spawn_blocking(verify).await.unwrap_or(false);
    let (true, Some(account)) = (right, account) else {
        return wrong(&shared, &name, address);
    };
    let (Ok(token), Ok(csrf)) = (secret::token(), secret::token()) else {
        tracing::error!("the system gives no randomness; nobody can log in");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    shared.lockout().right(&name, address);
    let of = (account.name.as_str(), account.password.as_str());
    shared.sessions().open(of, (&token, &csrf), shared.mono());
    tracing::info!(account = name, %address, "logged in at the wall");
    let cookie = shared.set_cookie(&token, shared.session.as_secs());
    let body = Json(who(&Signed { account, token, csrf }));
    (StatusCode::OK, [(header::SET_COOKIE, cookie)], body).into_response()
}

fn wrong(shared: &Shared, name: &str, address: IpAddr) -> Response {
    let known = shared.accounts().get(name).is_some();
    // A password typed into the wrong field must not get into the log.
    let name_told = if known { name } else { "(no such account)" };
    tracing::warn!(account = name_told, %address, "a wrong password at the wall");
    match shared.lockout().wrong(name, address, shared.mono()) {
        Some(wait) => locked(wait),
        None => refuse(StatusCode::UNAUTHORIZED, "wrong"),
    }
}

fn locked(wait: std::time::Duration) -> Response {
    // The next whole second: at that one it may be tried again.
    let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    let body = Json(json!({"error": "locked", "wait_s": seconds}));
    let after = [(header::RETRY_AFTER, HeaderValue::from(seconds))];
    (StatusCode::TOO_MANY_REQUESTS, after, body).into_response()
}

/// Ends the session.
pub(crate) async fn logout(
    State(shared): State<Shared>,
    signed: Signed,
    headers: HeaderMap,
) -> Response {
    if !guard::has_csrf(&headers, &signed.csrf) {
        return refuse(StatusCode::FORBIDDEN, "csrf");
    }
    shared.sessions().close(&signed.token);
    let gone = shared.set_cookie("", 0);
    (StatusCode::OK, [(header::SET_COOKIE, gone)], Json(json!({}))).into_response()
}

/// Who is logged in.
pub(crate) async fn session(signed: Signed) -> Json<Value> {
    Json(who(&signed))
}

fn who(signed: &Signed) -> Value {
    let scope = &signed.account.scope;
    let sites = scope.sites.as_ref();
    let sites = sites.map(|all| all.iter().map(Id::as_str).collect::<Vec<_>>());
    let classes = scope.classes.as_ref();
    let classes = classes.map(|all| all.iter().map(|class| class.as_str()).collect::<Vec<_>>());
    json!({
        "account": signed.account.name,
        "role": signed.account.role,
        "sites": sites,
        "classes": classes,
        "commands": signed.account.commands,
        "csrf": signed.csrf,
        "version": env!("CARGO_PKG_VERSION"),
    })
}
