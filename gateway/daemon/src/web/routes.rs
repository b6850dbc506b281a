//! Every route of the page, and what it needs: the one place where both stand.
//!
//! [`check`] runs before every handler. It finds the route in [`ROUTES`]; one that is not there answers
//! nobody, so a handler cannot be forgotten here, only be out of reach.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use gatehouse_web::guard::{cookie, has_csrf, refuse};

use super::accounts::{Account, Right};
use super::{
    COOKIE, Shared, acts, credentials, enrol, events, evidence, live, login, page, people, settings,
};

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is how one gets in.
    Nobody,
    /// Somebody who is logged in.
    Anybody,
    /// An account with this right.
    Right(Right),
}

/// One route. What changes or reveals something is a POST, and so carries the session's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// As axum matches it.
    pub path: &'static str,
    /// Who may.
    pub need: Need,
}

const fn route(method: &'static str, path: &'static str, need: Need) -> Route {
    Route { method, path, need }
}

/// See the module's page.
pub const ROUTES: &[Route] = &[
    route("GET", "/api/hello", Need::Nobody),
    route("POST", "/api/pair", Need::Nobody),
    route("POST", "/api/login", Need::Nobody),
    route("GET", "/api/session", Need::Anybody),
    route("POST", "/api/logout", Need::Anybody),
    route("POST", "/api/password", Need::Anybody),
    route("GET", "/api/live", Need::Right(Right::Watch)),
    route("POST", "/api/partitions/{id}/arm", Need::Right(Right::Arm)),
    route("POST", "/api/partitions/{id}/disarm", Need::Right(Right::Arm)),
    route("POST", "/api/incidents/{id}/acknowledge", Need::Right(Right::Incidents)),
    route("GET", "/api/cameras/{id}/evidence", Need::Right(Right::Look)),
    route("POST", "/api/cameras/{id}/picture", Need::Right(Right::Look)),
    route("POST", "/api/evidence/{seq}/look", Need::Right(Right::Look)),
    route("POST", "/api/evidence/{seq}/export", Need::Right(Right::Export)),
    route("GET", "/api/media/{look}", Need::Right(Right::Look)),
    route("GET", "/api/events", Need::Right(Right::Events)),
    route("POST", "/api/events/export", Need::Right(Right::Events)),
    route("GET", "/api/settings", Need::Right(Right::Settings)),
    route("POST", "/api/settings/shapes", Need::Right(Right::Masks)),
    route("POST", "/api/settings/draft", Need::Right(Right::Settings)),
    route("POST", "/api/settings/apply", Need::Right(Right::Settings)),
    route("POST", "/api/settings/confirm", Need::Right(Right::Settings)),
    route("POST", "/api/settings/undo", Need::Right(Right::Settings)),
    route("GET", "/api/settings/history", Need::Right(Right::Settings)),
    route("POST", "/api/settings/history/{n}/draft", Need::Right(Right::Settings)),
    route("POST", "/api/settings/history/{n}/return", Need::Right(Right::Settings)),
    route("GET", "/api/credentials", Need::Right(Right::Credentials)),
    route("POST", "/api/credentials", Need::Right(Right::Credentials)),
    route("POST", "/api/credentials/{hash}/change", Need::Right(Right::Credentials)),
    route("POST", "/api/credentials/{hash}/block", Need::Right(Right::Credentials)),
    route("POST", "/api/credentials/{hash}/unblock", Need::Right(Right::Credentials)),
    route("POST", "/api/credentials/{hash}/remove", Need::Right(Right::Credentials)),
    route("POST", "/api/readers/{id}/enrol", Need::Right(Right::Credentials)),
    route("POST", "/api/readers/{id}/enrol/end", Need::Right(Right::Credentials)),
    route("GET", "/api/accounts", Need::Right(Right::Accounts)),
    route("POST", "/api/accounts", Need::Right(Right::Accounts)),
    route("POST", "/api/accounts/{name}/password", Need::Right(Right::Accounts)),
    route("POST", "/api/accounts/{name}/remove", Need::Right(Right::Accounts)),
];

/// Somebody who is logged in, may do what the route is for, and whose own page asks.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) account: Arc<Account>,
    pub(super) token: String,
    pub(super) csrf: String,
}

/// The largest thing that most of a page sends is a search.
const BODY: usize = 8 * 1024;

/// Steps of a configuration: every mask and area of a camera with all its corners has 30 KiB.
const STEPS: usize = 64 * 1024;

pub(super) fn router(shared: &Shared) -> Router {
    let steps = || DefaultBodyLimit::max(STEPS);
    let api = Router::new()
        .route("/api/hello", get(login::hello))
        .route("/api/pair", post(login::pair))
        .route("/api/login", post(login::login))
        .route("/api/session", get(login::session))
        .route("/api/logout", post(login::logout))
        .route("/api/password", post(people::own_password))
        .route("/api/live", get(live::live))
        .route("/api/partitions/{id}/arm", post(acts::arm))
        .route("/api/partitions/{id}/disarm", post(acts::disarm))
        .route("/api/incidents/{id}/acknowledge", post(acts::acknowledge))
        .route("/api/cameras/{id}/evidence", get(evidence::list))
        .route("/api/cameras/{id}/picture", post(evidence::picture))
        .route("/api/evidence/{seq}/look", post(evidence::look))
        .route("/api/evidence/{seq}/export", post(evidence::export))
        .route("/api/media/{look}", get(evidence::media))
        .route("/api/events", get(events::search))
        .route("/api/events/export", post(events::export))
        .route("/api/settings", get(settings::get))
        .route("/api/settings/shapes", post(settings::shapes).layer(steps()))
        .route("/api/settings/draft", post(settings::draft).layer(steps()))
        .route("/api/settings/apply", post(settings::apply).layer(steps()))
        .route("/api/settings/confirm", post(settings::confirm))
        .route("/api/settings/undo", post(settings::undo))
        .route("/api/settings/history", get(settings::history))
        .route("/api/settings/history/{n}/draft", post(settings::draft_of))
        .route("/api/settings/history/{n}/return", post(settings::return_to))
        .route("/api/credentials", get(credentials::list).post(credentials::add))
        .route("/api/credentials/{hash}/change", post(credentials::change))
        .route("/api/credentials/{hash}/block", post(credentials::block))
        .route("/api/credentials/{hash}/unblock", post(credentials::unblock))
        .route("/api/credentials/{hash}/remove", post(credentials::remove))
        .route("/api/readers/{id}/enrol", post(enrol::begin))
        .route("/api/readers/{id}/enrol/end", post(enrol::end))
        .route("/api/accounts", get(people::list).post(people::add))
        .route("/api/accounts/{name}/password", post(people::password))
        .route("/api/accounts/{name}/remove", post(people::remove))
        .route_layer(middleware::from_fn_with_state(shared.clone(), check));
    page::router()
        .merge(api)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared.clone())
}

/// Refuses what does not come from a page of ours, and sets the headers of every answer.
async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if shared.closed.load(Ordering::Relaxed) {
        let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        shared.guard.seal(response.headers_mut());
        return response;
    }
    let mut response = match shared.guard.refusal(request.method(), request.headers()) {
        Some(error) => refuse(StatusCode::FORBIDDEN, error),
        None => next.run(request).await,
    };
    shared.guard.seal(response.headers_mut());
    response
}

/// Who asks, and whether he may.
async fn check(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let method = if *request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let known = ROUTES.iter().find(|route| route.path == path && route.method == method.as_str());
    let need = match known {
        Some(route) => route.need,
        None => return refuse(StatusCode::NOT_FOUND, "unknown"),
    };
    if need == Need::Nobody {
        return next.run(request).await;
    }
    let signed = cookie(request.headers(), COOKIE).and_then(|token| shared.signed(token));
    let Some(signed) = signed else { return refuse(StatusCode::UNAUTHORIZED, "login") };
    if *method != Method::GET && !has_csrf(request.headers(), &signed.csrf) {
        return refuse(StatusCode::FORBIDDEN, "csrf");
    }
    if let Need::Right(right) = need
        && !signed.account.role.may(right)
    {
        return refuse(StatusCode::FORBIDDEN, "role");
    }
    request.extensions_mut().insert(signed);
    next.run(request).await
}

impl<S: Send + Sync> FromRequestParts<S> for Signed {
    type Rejection = Response;

    /// What [`check`] has found. A handler that wants it on a route that lets anybody in gets nobody.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let signed = parts.extensions.get::<Self>().cloned();
        signed.ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "login"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_nobody_is_the_way_in_and_nothing_else() {
        let open = ROUTES.iter().filter(|route| route.need == Need::Nobody);
        let open: Vec<_> = open.map(|route| route.path).collect();
        assert_eq!(open, ["/api/hello", "/api/pair", "/api/login"]);
        for (number, one) in ROUTES.iter().enumerate() {
            let twice = |other: &Route| (other.method, other.path) == (one.method, one.path);
            assert!(!ROUTES[..number].iter().any(twice), "{one:?}");
        }
    }
}
