//! Arming, disarming and acknowledging: wishes, as from the command line, with the account as who
//! wants it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Answer, Danger, Mode, Via};
use gatehouse_web::guard::refuse;
use serde::Deserialize;
use serde_json::json;
use tracing::error;

use super::Shared;
use super::routes::Signed;
use crate::control::{self, Outcome, Wish};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arm {
    mode: Mode,
    /// Pass over what may be passed over.
    #[serde(default)]
    force: bool,
}

/// Arms a partition, with its exit delay.
pub(super) async fn arm(
    State(shared): State<Shared>,
    signed: Signed,
    Path(partition): Path<Id>,
    Json(Arm { mode, force }): Json<Arm>,
) -> Response {
    let wish = Wish::Arm { partition, mode, force, at_once: false };
    ask(&shared, &signed, wish).await
}

/// Disarms a partition.
pub(super) async fn disarm(
    State(shared): State<Shared>,
    signed: Signed,
    Path(partition): Path<Id>,
) -> Response {
    ask(&shared, &signed, Wish::Disarm { partition }).await
}

/// Acknowledges an incident that is shown.
pub(super) async fn acknowledge(
    State(shared): State<Shared>,
    signed: Signed,
    Path(incident): Path<Id>,
) -> Response {
    // A silent one answers as one that does not exist: nobody here may find out.
    let shown = {
        let view = shared.sources.board.view();
        let known = view.incidents.get(&incident).and_then(|view| view.incident.as_ref());
        known.is_some_and(|incident| incident.danger != Danger::SilentPanic)
    };
    if !shown {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    }
    ask(&shared, &signed, Wish::Acknowledge { incident }).await
}

async fn ask(shared: &Shared, signed: &Signed, wish: Wish) -> Response {
    let actor = Some(signed.account.name.to_string());
    match control::ask(wish, (Via::Web, actor), &shared.sources).await {
        Outcome::Answer(Answer::Done) => Json(json!({ "answer": "done" })).into_response(),
        Outcome::Answer(Answer::Already) => Json(json!({ "answer": "already" })).into_response(),
        Outcome::Answer(Answer::Refused { reason, blockers }) => {
            let body = json!({ "error": "refused", "reason": reason, "blockers": blockers });
            (StatusCode::CONFLICT, Json(body)).into_response()
        }
        // Another kind of question.
        Outcome::Answer(_) | Outcome::Hash(_) => {
            error!("a wish of the page has an answer that is none: our bug");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal")
        }
        Outcome::Error(_) => refuse(StatusCode::NOT_FOUND, "unknown"),
    }
}
