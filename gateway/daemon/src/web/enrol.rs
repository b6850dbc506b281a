//! A card that is presented at a reader to be added: wanted here, told by the rules when it is shown.
//!
//! A page waits in one request. What is shown meanwhile is denied and recorded as any card that nobody
//! knows; the page gets its hash, and adding it is another act ([`super::credentials`]). Whoever goes away
//! has not added anything.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Answer, Via};
use gatehouse_web::guard::refuse;
use serde_json::json;
use tracing::error;

use super::Shared;
use super::routes::Signed;
use crate::control::{self, Outcome, Wish};

/// A person with the page in hand stands at the reader: less than the minute after which an idle
/// connection is shut.
const WITHIN_S: u8 = 45;

/// Waits for the next unknown card at a reader.
pub(super) async fn begin(
    State(shared): State<Shared>,
    signed: Signed,
    Path(reader): Path<Id>,
) -> Response {
    // A page that was closed while it waited must not keep its own account from beginning anew.
    let before = wish(&shared, &signed, &reader, 0).await;
    if let Outcome::Error(_) = before {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    }
    answer(&wish(&shared, &signed, &reader, WITHIN_S).await)
}

/// The card is not wanted any more.
pub(super) async fn end(
    State(shared): State<Shared>,
    signed: Signed,
    Path(reader): Path<Id>,
) -> Response {
    answer(&wish(&shared, &signed, &reader, 0).await)
}

async fn wish(shared: &Shared, signed: &Signed, reader: &Id, within_s: u8) -> Outcome {
    let wish = Wish::Enrol { reader: reader.clone(), within_s: Some(within_s) };
    let actor = Some(signed.account.name.to_string());
    control::ask(wish, (Via::Web, actor), &shared.sources).await
}

fn answer(outcome: &Outcome) -> Response {
    match outcome {
        Outcome::Answer(Answer::Shown { credential }) => {
            Json(json!({ "credential": credential })).into_response()
        }
        Outcome::Answer(Answer::Done | Answer::Already) => Json(json!({})).into_response(),
        Outcome::Answer(Answer::Refused { reason, .. }) => {
            let body = json!({ "error": "refused", "reason": reason });
            (StatusCode::CONFLICT, Json(body)).into_response()
        }
        Outcome::Answer(_) | Outcome::Hash(_) => {
            error!("a wish of the page has an answer that is none: our bug");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal")
        }
        Outcome::Error(_) => refuse(StatusCode::NOT_FOUND, "unknown"),
    }
}
