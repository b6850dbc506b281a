//! What an operator does from the wall. Done means what it means everywhere: the gateway's event
//! of it is committed.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::id::Id;
use gatehouse_core::site::CloseReason;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::guard::{Acting, Signed, refuse};
use super::view;
use crate::operator::{ActError, Place};

/// What a page sends with an act.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    #[serde(default)]
    text: Option<String>,
    /// Of a close: what it was.
    #[serde(default)]
    reason: Option<CloseReason>,
}

/// `POST /api/incidents/{site}/{gateway}/{id}/{ack,note,close,escalate}`
pub(crate) async fn incident(
    State(shared): State<Shared>,
    acting: Acting,
    Path((site, gateway, id, verb)): Path<(String, String, String, String)>,
    Json(said): Json<Said>,
) -> Response {
    let Acting(signed) = acting;
    let op = match &*verb {
        "ack" => AlarmOp::Ack,
        "note" => AlarmOp::Note,
        "close" => AlarmOp::Close,
        "escalate" => AlarmOp::Escalate,
        _ => return refuse(StatusCode::NOT_FOUND, "unknown"),
    };
    let ids = (site.parse::<Id>(), gateway.parse::<Id>(), id.parse::<Id>());
    let (Ok(site), Ok(gateway), Ok(id)) = ids else {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    };
    let text = said.text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if (op == AlarmOp::Note) != text.is_some() {
        return refuse(StatusCode::BAD_REQUEST, "text");
    }
    if said.reason.is_some() && op != AlarmOp::Close {
        return refuse(StatusCode::BAD_REQUEST, "reason");
    }
    let place = Place { site: Some(site), gateway };
    if !sees(&shared, &signed, &place, &id) {
        return refuse(StatusCode::NOT_FOUND, "gone");
    }
    let who = &signed.account.name;
    let done = match said.reason {
        Some(reason) => shared.operator.close(&place, &id, who, reason).await,
        None => shared.operator.act(&place, &id, op, who, text.as_deref()).await,
    };
    match done {
        Ok(seq) => {
            tracing::info!(gateway = %place, incident = %id, ?op, operator = who, "done at the wall");
            Json(json!({"seq": seq})).into_response()
        }
        Err(error) => {
            tracing::warn!(gateway = %place, incident = %id, ?op, operator = who, %error,
                "not done at the wall");
            (StatusCode::CONFLICT, Json(reason(&error))).into_response()
        }
    }
}

/// Whether an account may see this open incident: what it may not see is as if it were not there.
pub(super) fn sees(shared: &Shared, signed: &Signed, place: &Place, incident: &Id) -> bool {
    let scope = &signed.account.scope;
    shared.operator.snapshot().gateways.iter().any(|(address, view)| {
        Some(&address.site) == place.site.as_ref()
            && address.gateway == place.gateway
            && scope.site(address.site.as_str())
            && view
                .incidents
                .get(incident.as_str())
                .is_some_and(|one| scope.class(one.state.incident.class))
    })
}

/// Why it was not done, as a word with its facts. Broker and files stay in the log.
pub(super) fn reason(error: &ActError) -> Value {
    match error {
        ActError::Acknowledged { by, at, .. } => {
            json!({"error": "acknowledged", "by": by, "at": at.0})
        }
        ActError::Closed { by, .. } => json!({"error": "closed", "by": by}),
        ActError::HandedOver(_, peer) => json!({"error": "handed_over", "by": peer}),
        ActError::Escalated(_) => json!({"error": "escalated"}),
        ActError::Away(_, life) => json!({"error": "away", "life": life}),
        ActError::NoBroker(_) => json!({"error": "no_broker"}),
        ActError::NotCommitting(_) => json!({"error": "not_committing"}),
        ActError::NoIncident(..) | ActError::NoGateway(..) => json!({"error": "gone"}),
        ActError::NobodyListens(_) => json!({"error": "nobody_listens"}),
        ActError::Refused(_) => json!({"error": "refused"}),
        ActError::Busy => json!({"error": "busy"}),
        ActError::NoAnswer(_) => json!({"error": "no_answer"}),
        ActError::Ending => json!({"error": "ending"}),
        // The place names its site, and an account's name is an operator's id.
        ActError::Ambiguous(..) | ActError::Operator(_) => json!({"error": "unknown"}),
    }
}

/// `GET /api/sites/{site}`: everything that its gateways have.
pub(crate) async fn site(
    State(shared): State<Shared>,
    signed: Signed,
    Path(site): Path<String>,
) -> Response {
    let scope = &signed.account.scope;
    let snapshot = std::sync::Arc::clone(&shared.pictures.borrow().snapshot);
    let known = snapshot.gateways.keys().any(|address| address.site.as_str() == site);
    if !known || !scope.site(&site) {
        return refuse(StatusCode::NOT_FOUND, "gone");
    }
    Json(view::site(&snapshot, &site, scope)).into_response()
}
