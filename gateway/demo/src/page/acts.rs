//! What the viewer can do, as the page asks for it.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::site::Mode;
use tokio::sync::oneshot;

use super::Shared;
use crate::wish::Refused;

/// Something that the viewer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Opens or closes the door with this id.
    Door {
        /// The door's id.
        id: String,
        /// Opens, or else closes.
        open: bool,
    },
    /// Moves the alarm sensor with this id.
    Sensor {
        /// The sensor's id.
        id: String,
        /// How.
        moves: Move,
    },
    /// Arms a partition.
    Arm {
        /// The partition's id.
        partition: String,
        /// In which mode.
        mode: Mode,
        /// Passes over what is not ready.
        force: bool,
    },
    /// Disarms a partition.
    Disarm {
        /// The partition's id.
        partition: String,
    },
    /// Does something about an incident, at the control room.
    Incident {
        /// The incident's id.
        id: String,
        /// What.
        op: AlarmOp,
    },
    /// Lets somebody break in.
    BreakIn,
    /// Puts something before the lens of the garage's camera, or takes it away.
    Cover {
        /// It is there.
        covered: bool,
    },
    /// Kills the broker.
    CutBroker,
    /// Starts a new broker.
    RestoreBroker,
    /// Kills the box.
    CutPower,
}

/// How a sensor is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Opened, or wet.
    Activate,
    /// Shut, or dry.
    Calm,
    /// Walked past, or pressed: it comes back to rest by itself.
    Pulse,
}

/// An act and where its outcome goes: nothing, or why not.
pub(crate) type Asked = (Act, oneshot::Sender<Result<(), Refused>>);

pub(super) async fn door(
    State(shared): State<Shared>,
    Path((id, verb)): Path<(String, String)>,
) -> Response {
    match verb.as_str() {
        "open" => ask(&shared, Act::Door { id, open: true }).await,
        "close" => ask(&shared, Act::Door { id, open: false }).await,
        _ => unknown("a door can be opened and closed\n"),
    }
}

pub(super) async fn zone(
    State(shared): State<Shared>,
    Path((id, verb)): Path<(String, String)>,
) -> Response {
    let moves = match verb.as_str() {
        "activate" => Move::Activate,
        "calm" => Move::Calm,
        "pulse" => Move::Pulse,
        _ => return unknown("a sensor can activate, calm and pulse\n"),
    };
    ask(&shared, Act::Sensor { id, moves }).await
}

/// With `?force` what is not ready is passed over.
pub(super) async fn partition(
    State(shared): State<Shared>,
    Path((partition, verb)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let mode = match verb.as_str() {
        "away" => Mode::Away,
        "home" => Mode::Home,
        "night" => Mode::Night,
        "disarm" => return ask(&shared, Act::Disarm { partition }).await,
        _ => return unknown("a partition can away, home, night and disarm\n"),
    };
    ask(&shared, Act::Arm { partition, mode, force: query.as_deref() == Some("force") }).await
}

pub(super) async fn incident(
    State(shared): State<Shared>,
    Path((id, verb)): Path<(String, String)>,
) -> Response {
    let op = match verb.as_str() {
        "ack" => AlarmOp::Ack,
        "close" => AlarmOp::Close,
        "escalate" => AlarmOp::Escalate,
        _ => return unknown("an operator can ack, close and escalate\n"),
    };
    ask(&shared, Act::Incident { id, op }).await
}

pub(super) async fn break_in(State(shared): State<Shared>) -> Response {
    ask(&shared, Act::BreakIn).await
}

pub(super) async fn camera(State(shared): State<Shared>, Path(verb): Path<String>) -> Response {
    match verb.as_str() {
        "cover" => ask(&shared, Act::Cover { covered: true }).await,
        "uncover" => ask(&shared, Act::Cover { covered: false }).await,
        _ => unknown("the camera can be covered and uncovered\n"),
    }
}

fn unknown(allowed: &'static str) -> Response {
    (StatusCode::NOT_FOUND, allowed).into_response()
}

pub(super) async fn broker(State(shared): State<Shared>, Path(verb): Path<String>) -> Response {
    match verb.as_str() {
        "cut" => ask(&shared, Act::CutBroker).await,
        "restore" => ask(&shared, Act::RestoreBroker).await,
        _ => unknown("the broker can be cut and restored\n"),
    }
}

pub(super) async fn power(State(shared): State<Shared>) -> Response {
    ask(&shared, Act::CutPower).await
}

/// Has it done, and says how it went.
async fn ask(shared: &Shared, act: Act) -> Response {
    let (answer, outcome) = oneshot::channel();
    if shared.acts.try_send((act, answer)).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many acts at once\n").into_response();
    }
    match outcome.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(refused)) => (StatusCode::CONFLICT, Json(refused)).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the demo is ending\n").into_response(),
    }
}
