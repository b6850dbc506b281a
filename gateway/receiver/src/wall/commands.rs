//! Commands from the wall: what an operator wants of a gateway, and what came of it.
//!
//! Three must agree: the account ([`Account::commands`]), which is nobody's by default; what the
//! account may see; and the gateway, by the rights of its site. The answer is the gateway's own:
//! nothing is called done here on less.
//!
//! With a key the receiver signs them ([`WallConfig`](super::WallConfig)). The key stands for the
//! control room, not for the operator, whose id the command carries; who wants signatures by each
//! operator's own key uses `gatehouse-receiver command`.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::commands::{Verb, Wanted as Read};
use gatehouse_core::contract::{CommandResult, CommandStatus};
use gatehouse_core::id::Id;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Shared;
use super::acts;
use super::guard::{Acting, refuse};
use super::scope::Scope;
use crate::command::{CommandError, Wanted};
use crate::operator::Place;

/// What can be wanted from the wall. Configurations, pictures and events sent again are for the
/// command line, which writes files.
pub(crate) const OFFERED: [Verb; 8] = [
    Verb::Arm,
    Verb::Disarm,
    Verb::Bypass,
    Verb::Unbypass,
    Verb::Silence,
    Verb::WalkTest,
    Verb::Challenge,
    Verb::Output,
];

/// An operator waits before the screen: after this the gateway must not do it any more.
const EXPIRES: Duration = Duration::from_secs(15);

/// What a page sends with a command.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    #[serde(default)]
    args: Map<String, Value>,
}

/// `POST /api/commands/{site}/{gateway}/{verb}`: answered when the gateway has said what came of
/// it for good, which takes a minute for a challenge.
///
/// 200 with `{status, seq, reason, detail}`; else an `error`: `unknown`, `not_yours`, `args` (with
/// `why`), `gone`, `unfinished`, or as of an act.
pub(crate) async fn command(
    State(shared): State<Shared>,
    acting: Acting,
    Path((site, gateway, verb)): Path<(String, String, String)>,
    Json(Said { mut args }): Json<Said>,
) -> Response {
    let Acting(signed) = acting;
    let ids = (site.parse::<Id>(), gateway.parse::<Id>());
    let verb = Verb::from_word(&verb).filter(|verb| OFFERED.contains(verb));
    let (Ok(site), Ok(gateway), Some(verb)) = (ids.0, ids.1, verb) else {
        return refuse(StatusCode::NOT_FOUND, "unknown");
    };
    if !signed.account.commands.contains(&verb) {
        return refuse(StatusCode::FORBIDDEN, "not_yours");
    }
    if verb == Verb::Challenge {
        args.insert("nonce".to_owned(), format!("{:016x}", fastrand::u64(..)).into());
    }
    let read = match Read::of(verb, &args) {
        Ok(read) => read,
        Err(why) => {
            let body = Json(json!({"error": "args", "why": why}));
            return (StatusCode::BAD_REQUEST, body).into_response();
        }
    };
    // What an account may not see is as if it were not there.
    let scope = &signed.account.scope;
    if !scope.site(site.as_str()) || !sees(scope, &read) {
        return refuse(StatusCode::NOT_FOUND, "gone");
    }
    let place = Place { site: Some(site), gateway };
    let who = signed.account.name.clone();
    let wanted = Wanted {
        verb: verb.as_str().to_owned(),
        args,
        operator: who.clone(),
        role: None,
        expires: EXPIRES,
    };
    let result = shared.operator.command(&place, wanted, shared.signing.as_deref()).await;
    match result {
        Ok(result) => {
            let status = result.status.as_str();
            tracing::info!(gateway = %place, verb = verb.as_str(), operator = who, status,
                "a command of the wall is answered");
            Json(told(&result)).into_response()
        }
        Err(error) => {
            tracing::warn!(gateway = %place, verb = verb.as_str(), operator = who, %error,
                "a command of the wall is not answered");
            (StatusCode::CONFLICT, Json(reason(&error))).into_response()
        }
    }
}

/// Whether an account may see what this would change.
fn sees(scope: &Scope, wanted: &Read) -> bool {
    match wanted {
        Read::Arm { .. } | Read::Disarm { .. } | Read::WalkTest { .. } | Read::Silence { .. } => {
            scope.kind("partition")
        }
        Read::Bypass { .. } | Read::Unbypass { .. } => scope.kind("zone"),
        Read::Output { door: Some(_), .. } => scope.kind("door"),
        Read::Output { .. } | Read::Challenge { .. } => scope.kind("output"),
        _ => false,
    }
}

fn told(result: &CommandResult) -> Value {
    json!({
        "ok": result.status == CommandStatus::Done,
        "status": result.status,
        "reason": result.reason,
        "seq": result.seq,
        "detail": result.detail,
    })
}

/// Why there is no answer, as a word with its facts.
fn reason(error: &CommandError) -> Value {
    match error {
        CommandError::NotSent(error) => acts::reason(error),
        CommandError::NoAnswer(_) | CommandError::Expiry => json!({"error": "no_answer"}),
        CommandError::Unfinished(_) => json!({"error": "unfinished"}),
        CommandError::Ending => json!({"error": "ending"}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gatehouse_core::event::Class;

    use super::*;

    #[test]
    fn what_may_not_be_seen_may_not_be_changed() {
        let scope = |class| Scope { sites: None, classes: Some(BTreeSet::from([class])) };
        let of = |verb, args: Value| Read::of(verb, args.as_object().unwrap()).unwrap();
        let cases = [
            (Verb::Arm, json!({"partition": "flat"}), Class::Arm),
            (Verb::Disarm, json!({"partition": "flat"}), Class::Arm),
            (Verb::WalkTest, json!({"partition": "flat", "minutes": 5}), Class::Arm),
            (Verb::Silence, json!({}), Class::Arm),
            (Verb::Bypass, json!({"zone": "z"}), Class::Alarm),
            (Verb::Unbypass, json!({"zone": "z"}), Class::Alarm),
            (Verb::Output, json!({"door": "d"}), Class::Door),
            (Verb::Output, json!({"output": "o", "seconds": 3}), Class::System),
            (Verb::Challenge, json!({"nonce": "1"}), Class::System),
        ];
        for (verb, args, class) in &cases {
            let wanted = of(*verb, args.clone());
            assert!(sees(&scope(*class), &wanted), "{verb:?} {args}");
            assert!(!sees(&scope(Class::Test), &wanted), "{verb:?} {args}");
        }
        assert!(OFFERED.iter().all(|verb| cases.iter().any(|(of, ..)| of == verb)));
        assert!(!sees(&Scope::default(), &of(Verb::ConfigGet, json!({}))), "not from the wall");
    }
}
