//! A gateway that lies, with its own identity at the broker: what it can do to others is nothing.

use std::time::Duration;

use gatehouse_core::event::Qualifier;
use gatehouse_core::id::Seq;
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;

use super::Plan;
use super::bed::Bed;
use super::book::{Book, Happening};
use crate::client::{Client, ClientOptions};
use crate::wait::boottime;

/// The id of the gateway that lies.
pub(super) const LIAR: &str = "liar";

/// Every lie once and many times: under a wrong number, changed, replayed, and in another's name.
pub(super) async fn lie(bed: &Bed, plan: &Plan, victim: &Address) -> anyhow::Result<()> {
    let liar = Address { gateway: LIAR.parse()?, ..victim.clone() };
    let mut options = ClientOptions::new(LIAR);
    options.connect.version = plan.protocol;
    options.connect.username = Some(LIAR.to_owned());
    options.connect.password = Some(LIAR.as_bytes().to_vec());
    let mut client = Client::connect(bed.addresses()[0], options).await?;
    let mut book = Book::new(liar.gateway.clone());
    for _ in 0..20 {
        book.store(1, Happening::Alarm(Qualifier::New), boottime(), UtcMs(0));
    }
    let events = book.fetch(Seq(1), Seq(20));
    for event in &events[..10] {
        client.publish(&liar.events(event.class), &event.payload).await?;
    }
    // Old events again; the same numbers with other contents; a number far ahead.
    for event in &events[..10] {
        client.publish(&liar.events(event.class), &event.payload).await?;
        let changed = String::from_utf8_lossy(&event.payload).replace("zone.alarm", "zone.quiet");
        client.publish(&liar.events(event.class), changed.as_bytes()).await?;
    }
    let ahead = String::from_utf8_lossy(&events[19].payload).replace("\"seq\":20", "\"seq\":20000");
    client.publish(&liar.events(events[19].class), ahead.as_bytes()).await?;
    // In the victim's name: under its prefix the broker lets nobody but it; under the liar's own the
    // receiver sees that topic and event disagree.
    let mut forged = Book::new(victim.gateway.clone());
    forged.store(1, Happening::Alarm(Qualifier::New), boottime(), UtcMs(0));
    for event in forged.fetch(Seq(1), Seq(1)) {
        // The broker may answer with a refusal, or take it and throw it away.
        client.publish(&victim.events(event.class), &event.payload).await?;
        client.publish_retained(&victim.status(), b"{\"state\":\"lost\"}").await?;
        client.publish(&liar.events(event.class), &event.payload).await?;
    }
    client.ping().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.disconnect().await
}
