//! Pairing, logging in and out.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gatehouse_core::id::Id;
use gatehouse_web::guard::refuse;
use gatehouse_web::listen::Peer;
use gatehouse_web::secret;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::accounts::{Account, Right, Role};
use super::routes::Signed;
use super::{COOKIE, SESSION, Shared};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    name: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    code: String,
    name: String,
    password: String,
}

/// What is told to anybody: whether the first account is still to be made.
pub(super) async fn hello(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "paired": !shared.accounts().is_empty() }))
}

/// Under this name wrong codes are counted: no account can have it.
const PAIRING: &str = "(pairing)";

/// Makes the first account, if the code is right.
pub(super) async fn pair(
    State(shared): State<Shared>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Json(Pair { code, name, password }): Json<Pair>,
) -> Response {
    let address = peer.ip();
    if let Some(wait) = shared.lockout().wait(PAIRING, address, shared.mono()) {
        return locked(wait);
    }
    let _changing = shared.kept.changing().await;
    if !shared.accounts().is_empty() {
        return refuse(StatusCode::CONFLICT, "paired");
    }
    // Before the code is used up.
    let name = match good(&name, &password) {
        Ok(name) => name,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    if !shared.reception.take(&code, shared.mono()) {
        warn!(%address, "a wrong pairing code at the page");
        let wait = shared.lockout().wrong(PAIRING, address, shared.mono());
        if wait.is_some() {
            shared.audit.locked(None, shared.mono()).await;
        }
        return wait.map_or_else(|| refuse(StatusCode::UNAUTHORIZED, "code"), locked);
    }
    let Some(password) = hashed(&shared, password).await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    let account = Account { name, role: Role::Installer, password };
    let role = account.role.as_str();
    if shared.audit.account(&account.name, &account.name, "first", role).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "unrecorded");
    }
    let mut accounts = (*shared.accounts()).clone();
    accounts.put(account.clone());
    if let Err(error) = shared.keep(accounts) {
        error!(%error, "the first account cannot be kept");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "disk");
    }
    info!(account = %account.name, %address, "the page has its first account");
    enter(&shared, Arc::new(account), address).await
}

/// Opens a session, sets its cookie and says who it is.
pub(super) async fn login(
    State(shared): State<Shared>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Json(Login { name, password }): Json<Login>,
) -> Response {
    let address = peer.ip();
    let plausible = name.len() <= 64 && password.len() <= secret::LONGEST;
    if let Some(wait) = shared.lockout().wait(&name, address, shared.mono()) {
        return locked(wait);
    }
    // One at a time: each takes 19 MiB and a core for a moment.
    let Ok(turn) = shared.hashing.acquire().await else {
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
    drop(turn);
    match account {
        Some(account) if right => {
            shared.lockout().right(&name, address);
            enter(&shared, account, address).await
        }
        account => {
            let known = account.as_ref().map(|account| account.name.clone());
            wrong(&shared, &name, known.as_ref(), address).await
        }
    }
}

async fn enter(shared: &Shared, account: Arc<Account>, address: IpAddr) -> Response {
    let (Ok(token), Ok(csrf)) = (secret::token(), secret::token()) else {
        error!("the system gives no randomness; nobody can log in");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    if shared.audit.login(&account.name, account.role.as_str()).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "unrecorded");
    }
    let of = (account.name.as_str(), account.password.as_str());
    shared.sessions().open(of, (&token, &csrf), shared.mono());
    info!(account = %account.name, %address, "logged in at the page");
    let cookie = shared.guard.set_cookie(COOKIE, &token, SESSION.as_secs());
    let body = Json(who(&Signed { account, token, csrf }));
    (StatusCode::OK, [(header::SET_COOKIE, cookie)], body).into_response()
}

async fn wrong(shared: &Shared, name: &str, known: Option<&Id>, address: IpAddr) -> Response {
    // A password typed into the wrong field must not get into the log.
    let told = known.map_or("(no such account)", Id::as_str);
    warn!(account = told, %address, "a wrong password at the page");
    let wait = shared.lockout().wrong(name, address, shared.mono());
    match wait {
        Some(wait) => {
            shared.audit.locked(known, shared.mono()).await;
            locked(wait)
        }
        None => refuse(StatusCode::UNAUTHORIZED, "wrong"),
    }
}

fn locked(wait: std::time::Duration) -> Response {
    // The next whole second: at that one it may be tried again.
    let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    let body = Json(json!({ "error": "locked", "wait_s": seconds }));
    let after = [(header::RETRY_AFTER, HeaderValue::from(seconds))];
    (StatusCode::TOO_MANY_REQUESTS, after, body).into_response()
}

/// Ends the session.
pub(super) async fn logout(State(shared): State<Shared>, signed: Signed) -> Response {
    shared.sessions().close(&signed.token);
    let gone = shared.guard.set_cookie(COOKIE, "", 0);
    (StatusCode::OK, [(header::SET_COOKIE, gone)], Json(json!({}))).into_response()
}

/// Who is logged in.
pub(super) async fn session(signed: Signed) -> Json<Value> {
    Json(who(&signed))
}

fn who(signed: &Signed) -> Value {
    let Signed { account, csrf, .. } = signed;
    let rights = account.role.rights().iter().map(|right| right.as_str()).collect::<Vec<_>>();
    let makes = Role::ALL.into_iter().filter(|role| account.role.may_make(*role));
    let makes = makes.map(Role::as_str).collect::<Vec<_>>();
    debug_assert!(account.role.may(Right::Watch), "whoever logs in may see something");
    json!({
        "account": account.name,
        "role": account.role,
        "rights": rights,
        "makes": makes,
        "csrf": csrf,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// The name of a new account, if it is one and the password is good enough.
pub(super) fn good(name: &str, password: &str) -> Result<Id, &'static str> {
    let name = name.parse::<Id>().map_err(|_| "name")?;
    good_password(name.as_str(), password)?;
    Ok(name)
}

/// Long enough, not too long to be hashed, and not the name over and over.
pub(super) fn good_password(name: &str, password: &str) -> Result<(), &'static str> {
    let length = password.chars().count();
    let first = password.chars().next();
    let monotone = password.chars().all(|letter| Some(letter) == first);
    let of_name = password.replace(name, "").len() < secret::SHORTEST / 2;
    if length < secret::SHORTEST || monotone || of_name {
        return Err("short");
    }
    if password.len() > secret::LONGEST { Err("long") } else { Ok(()) }
}

/// The hash of a new password; none: the system gives no randomness, or we end.
pub(super) async fn hashed(shared: &Shared, password: String) -> Option<String> {
    let _turn = shared.hashing.acquire().await.ok()?;
    let hash = tokio::task::spawn_blocking(move || secret::hash(&password)).await.ok()?;
    hash.map_err(|error| error!(%error, "no password can be set")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_not_only_the_name() {
        assert_eq!(good("lin", "a good long one"), Ok("lin".parse().unwrap()));
        assert_eq!(good("lin", "a good long"), Err("short"));
        assert_eq!(good("manager-1", "manager-1manager-1"), Err("short"));
        assert_eq!(good("lin", &"a".repeat(40)), Err("short"));
        assert_eq!(good("lin", &"ab".repeat(200)), Err("long"));
        assert_eq!(good("林", "a good long one"), Err("name"));
        assert!(good("lin", "密码密码密码密码密码密码").is_ok(), "twelve characters of any script");
    }
}
