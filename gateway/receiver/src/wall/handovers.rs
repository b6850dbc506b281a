//! Incidents to and from other control rooms, from the wall: offer, accept, refuse, act.

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
use super::acts;
use super::guard::{Acting, Signed, refuse};
use super::scope::Scope;
use crate::handover::{HandoverError, Handovers, NotNow, RoomsView};
use crate::operator::Place;

/// What a page sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    /// Of an offer: the other room.
    #[serde(default)]
    to: Option<Id>,
    /// Of a note, and of a refusal.
    #[serde(default)]
    text: Option<String>,
    /// Of a close.
    #[serde(default)]
    reason: Option<CloseReason>,
}

impl Said {
    fn text(&self) -> Option<&str> {
        self.text.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// What an account may see of other rooms: their names, and handovers of its own sites and classes.
pub(crate) fn seen(rooms: &RoomsView, scope: &Scope) -> Value {
    let may = |one: &&crate::handover::HandoverView| {
        scope.site(one.handover.site.as_str()) && scope.class(one.handover.incident.class)
    };
    let handovers: Vec<_> = rooms.handovers.iter().filter(may).collect();
    json!({"name": rooms.name, "peers": rooms.peers, "handovers": handovers})
}

/// `POST /api/handovers/offer/{site}/{gateway}/{incident}`
pub(crate) async fn offer(
    State(shared): State<Shared>,
    acting: Acting,
    Path((site, gateway, incident)): Path<(String, String, String)>,
    Json(said): Json<Said>,
) -> Response {
    let Acting(signed) = acting;
    let ids = (site.parse::<Id>(), gateway.parse::<Id>(), incident.parse::<Id>());
    let (Ok(site), Ok(gateway), Ok(incident)) = ids else {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    };
    let (Some(desk), Some(to)) = (&shared.operator.handovers, &said.to) else {
        return refuse(StatusCode::BAD_REQUEST, "no_peer");
    };
    let place = Place { site: Some(site), gateway };
    if !acts::sees(&shared, &signed, &place, &incident) {
        return refuse(StatusCode::NOT_FOUND, "gone");
    }
    let who = &signed.account.name;
    let done = desk.offer(&place, &incident, to, who).await;
    told(done.map(|id| json!({"id": id})), "offer", who)
}

/// `POST /api/handovers/{id}/{accept,refuse,withdraw,ack,note,escalate,close}`
pub(crate) async fn answer(
    State(shared): State<Shared>,
    acting: Acting,
    Path((id, verb)): Path<(String, String)>,
    Json(said): Json<Said>,
) -> Response {
    let Acting(signed) = acting;
    let (Some(desk), Ok(id)) = (&shared.operator.handovers, id.parse::<Id>()) else {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    };
    if !sees(desk, &signed, &id) {
        return refuse(StatusCode::NOT_FOUND, "gone");
    }
    let who = &signed.account.name;
    let op = match &*verb {
        "accept" => {
            return told(desk.accept(&id, who).await.map(|()| json!({})), "accept", who);
        }
        "refuse" => {
            let Some(why) = said.text() else { return refuse(StatusCode::BAD_REQUEST, "text") };
            return told(desk.refuse(&id, who, why).await.map(|()| json!({})), "refuse", who);
        }
        "withdraw" => {
            return told(desk.withdraw(&id, who).await.map(|()| json!({})), "withdraw", who);
        }
        "ack" => AlarmOp::Ack,
        "note" => AlarmOp::Note,
        "escalate" => AlarmOp::Escalate,
        "close" => AlarmOp::Close,
        _ => return refuse(StatusCode::NOT_FOUND, "unknown"),
    };
    if (op == AlarmOp::Note) != said.text().is_some() {
        return refuse(StatusCode::BAD_REQUEST, "text");
    }
    if said.reason.is_some() && op != AlarmOp::Close {
        return refuse(StatusCode::BAD_REQUEST, "reason");
    }
    let done = desk.act(&id, op, who, said.text(), said.reason).await;
    told(done.map(|act| json!({"act": act})), "act", who)
}

/// What an account may not see is as if it were not there.
fn sees(desk: &Handovers, signed: &Signed, id: &Id) -> bool {
    let scope = &signed.account.scope;
    desk.view().handovers.iter().map(|view| &view.handover).any(|one| {
        one.id == *id && scope.site(one.site.as_str()) && scope.class(one.incident.class)
    })
}

fn told(done: Result<Value, HandoverError>, what: &str, who: &str) -> Response {
    match done {
        Ok(told) => {
            tracing::info!(what, operator = who, %told, "handover: kept");
            Json(told).into_response()
        }
        Err(error) => {
            tracing::warn!(what, operator = who, %error, "handover: not done");
            (StatusCode::CONFLICT, Json(reason(&error))).into_response()
        }
    }
}

/// Why it was not done, as a word with its facts. Databases and files stay in the log.
fn reason(error: &HandoverError) -> Value {
    match error {
        HandoverError::Already { peer, .. } => json!({"error": "already", "by": peer}),
        HandoverError::Incident(error) => acts::reason(error),
        HandoverError::NoPeer(..) | HandoverError::NoRooms => json!({"error": "no_peer"}),
        HandoverError::NotNow(NotNow::NotAccepted(_)) => json!({"error": "not_accepted"}),
        HandoverError::NotNow(NotNow::TooMany(..)) => json!({"error": "busy"}),
        HandoverError::NotNow(_) => json!({"error": "not_now"}),
        HandoverError::NotWhole(_) | HandoverError::Bundle(_) => json!({"error": "not_whole"}),
        HandoverError::TooLarge { .. } => json!({"error": "too_large"}),
        HandoverError::Store(_) => json!({"error": "not_committing"}),
        HandoverError::Ending | HandoverError::Json(_) => json!({"error": "ending"}),
        HandoverError::Unknown(_) => json!({"error": "gone"}),
    }
}
