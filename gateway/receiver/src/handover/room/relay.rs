//! Relaying an act of the taker's operator to the gateway, as that operator's.

use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_core::id::Id;

use crate::handover::Book;
use crate::handover::book::nonce;
use crate::handover::matter::{Asked, Handover, Outcome, foreign};
use crate::operator::{ActError, Operator, Place};

/// What came of relaying an act: of which handover, its number, and the outcome; none: it is tried
/// again.
pub(super) type Relayed = (Id, u64, Option<Outcome>);

/// Hands an act in at the gateway, once: what an earlier attempt brought about is found.
pub(super) async fn relayed(
    book: Arc<Mutex<Book>>,
    operator: Operator,
    matter: Handover,
    asked: Asked,
    settled: bool,
    late: bool,
) -> Relayed {
    let nonce = nonce(&matter.peer, &matter.id, asked.number);
    let done = tokio::task::spawn_blocking({
        let (matter, nonce) = (matter.clone(), nonce.clone());
        move || {
            let book = book.lock().unwrap_or_else(PoisonError::into_inner);
            book.done_already(&matter, &nonce)
        }
    });
    let (id, number) = (matter.id.clone(), asked.number);
    if let Ok(Ok(Some(seq))) = done.await {
        return (id, number, Some(Outcome::Done(seq)));
    }
    if late {
        return (id, number, Some(Outcome::Failed("expired".to_owned())));
    }
    let place = Place { site: Some(matter.site.clone()), gateway: matter.gateway.clone() };
    let by = foreign(&asked.operator, &matter.peer);
    let outcome = match operator.relay(&place, &matter.incident.id, &by, &asked, nonce).await {
        Ok(seq) => Some(Outcome::Done(seq)),
        Err(error) if is_passing(&error, settled) => None,
        Err(error) => Some(Outcome::Failed(word(&error))),
    };
    (id, number, outcome)
}

/// Whether an act was not sent for a reason that goes by itself: then it waits, until it is late.
fn is_passing(error: &ActError, settled: bool) -> bool {
    match error {
        ActError::NoBroker(_) | ActError::NotCommitting(_) | ActError::Busy | ActError::Ending => {
            true
        }
        ActError::NoGateway(..)
        | ActError::NoIncident(..)
        | ActError::NobodyListens(_)
        | ActError::Away(..) => !settled,
        _ => false,
    }
}

/// Why an act was not done, as the taker's wall knows it.
fn word(error: &ActError) -> String {
    match error {
        ActError::Acknowledged { .. } => "acknowledged",
        ActError::Closed { .. } | ActError::NoIncident(..) => "closed",
        ActError::Escalated(_) => "escalated",
        ActError::Away(..) => "away",
        ActError::NoBroker(_) => "no_broker",
        ActError::NotCommitting(_) => "not_committing",
        ActError::NoGateway(..) => "gone",
        ActError::NobodyListens(_) => "nobody_listens",
        ActError::Refused(_) => "refused",
        ActError::Busy => "busy",
        ActError::NoAnswer(_) => "no_answer",
        ActError::Ending => "ending",
        ActError::Ambiguous(..) | ActError::Operator(_) | ActError::HandedOver(..) => "unknown",
    }
    .to_owned()
}
