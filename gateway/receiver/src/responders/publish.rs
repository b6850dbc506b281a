//! Deliveries and failures are messages too: `gatehouse/v1/{district}/_dc/told`. What the broker
//! has not taken yet stays marked in the database.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::contract::Told as Payload;
use gatehouse_core::id::Id;
use gatehouse_core::topic;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::books::Books;
use crate::outbox::{Outbox, Saying, Taken as Answer};
use crate::store::calls::{Told, Wanted};

/// How often it is looked for what the broker has not got.
const LOOK: Duration = Duration::from_secs(1);

/// Messages of one look.
const SOME: i64 = 32;

/// The broker drops it after so long for who is not there.
const EXPIRY: Duration = Duration::from_secs(3600);

/// Publishes for as long as it is polled. Two receivers may both publish one; it has its number.
pub(super) async fn publish(district: Id, books: Books, outbox: Arc<Outbox>) {
    let topic = topic::district_told(&district);
    loop {
        sleep(LOOK).await;
        let of = district.to_string();
        let wanted = Wanted { unpublished: true, most: SOME, ..Wanted::default() };
        let told =
            books
                .ask(move |ledger| {
                    if ledger.lead(&of)? { ledger.told(Some(&of), &wanted) } else { Ok(Vec::new()) }
                })
                .await;
        // That the database does not answer says the telling task.
        let Ok(told) = told else { continue };
        let mut done = Vec::new();
        for one in told {
            if say(&outbox, &topic, &one).await {
                done.push(one.number);
            }
        }
        if !done.is_empty() && books.ask(move |ledger| ledger.published(&done)).await.is_err() {
            tracing::debug!("what was published is published again");
        }
    }
}

/// Whether it needs not be said again.
async fn say(outbox: &Outbox, topic: &str, one: &Told) -> bool {
    let outcome = &one.outcome;
    let payload = Payload {
        number: u64::try_from(one.number).unwrap_or_default(),
        site: one.site.clone(),
        gateway: one.gateway.clone(),
        incident: one.incident.clone(),
        kind: one.kind.clone(),
        incidents: u32::try_from(one.calls).unwrap_or(u32::MAX),
        list: outcome.list.clone(),
        member: outcome.member.clone(),
        way: (!outcome.way.is_empty()).then(|| outcome.way.clone()),
        round: outcome.round,
        time: outcome.at,
        told: outcome.result.is_ok(),
        why: outcome.result.as_ref().err().cloned(),
        next: outcome.next,
    };
    let Ok(payload) = serde_json::to_vec(&payload) else { return true };
    let (told, taken) = oneshot::channel();
    let topic = topic.to_owned();
    let saying = Saying { topic, payload, expiry: EXPIRY, respond: None, told };
    if outbox.act(saying).is_err() {
        return false;
    }
    match taken.await {
        Ok(Answer::Held | Answer::NobodyListens) => true,
        Ok(Answer::Refused(reason)) => {
            tracing::warn!(
                reason,
                "the broker refuses _dc/told; its ACL must let the receiver \
                write it"
            );
            true
        }
        Err(_) => false,
    }
}
