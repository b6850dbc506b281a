//! Who asks, and whether he may: what the wall adds to the guard of all our pages
//! ([`gatehouse_web::guard`]).

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use gatehouse_web::guard::{cookie, has_csrf};

pub(crate) use gatehouse_web::guard::refuse;

use super::Shared;
use super::accounts::{Account, Role};

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) account: Arc<Account>,
    pub(crate) token: String,
    pub(crate) csrf: String,
}

/// Somebody who may act: an operator, and it is his own page that asks.
#[derive(Clone, Debug)]
pub(crate) struct Acting(pub(crate) Signed);

/// Refuses what does not come from a page of ours, and sets the headers of every answer.
pub(crate) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = match shared.guard.refusal(request.method(), request.headers()) {
        Some(error) => refuse(StatusCode::FORBIDDEN, error),
        None => next.run(request).await,
    };
    shared.guard.seal(response.headers_mut());
    response
}

impl FromRequestParts<Shared> for Signed {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let signed = cookie(&parts.headers, &shared.cookie).and_then(|token| shared.signed(token));
        signed.ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "login"))
    }
}

impl FromRequestParts<Shared> for Acting {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let signed = Signed::from_request_parts(parts, shared).await?;
        if !has_csrf(&parts.headers, &signed.csrf) {
            return Err(refuse(StatusCode::FORBIDDEN, "csrf"));
        }
        if signed.account.role != Role::Operator {
            return Err(refuse(StatusCode::FORBIDDEN, "viewer"));
        }
        Ok(Self(signed))
    }
}
