//! MQTT 3.1.1 and several nodes: the same guarantees with less said.

mod common;

use common::{Broker, Gateway, Journal, Proxy, config, started, until};
use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use gatehouse_receiver::{Link, Protocol, ReceiverConfig};
use tempfile::TempDir;

fn older(url: &str, folder: &TempDir) -> ReceiverConfig {
    let mut config = config(url, folder.path().join("r.db"));
    config.protocol = Protocol::V311;
    config
}

#[tokio::test]
async fn what_was_not_committed_is_not_acknowledged_and_comes_again() {
    let (broker, folder) = (Broker::start().await, TempDir::new().unwrap());
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let proxy = Proxy::start(broker.address()).await;
    let handle = started(older(&proxy.url(), &folder)).await;
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("the first", |receipt| receipt.upto == Seq(1)).await;

    // Committed, but neither PUBACK nor receipt gets through; then the connection breaks.
    proxy.mute(true);
    for _ in 0..3 {
        gateway.send(Class::Alarm, &journal.event(Class::Alarm, "zone.alarm")).await;
    }
    until(&handle, "three more", |snapshot| snapshot.received == 4).await;
    proxy.cut();
    proxy.mute(false);
    // The broker has kept the session: it sends them again, and the receiver knows them.
    until(&handle, "three duplicates", |snapshot| snapshot.duplicates == 3).await;
    gateway.receipt("all of them", |receipt| receipt.upto == Seq(4)).await;
    handle.stop().await;

    // A receiver that is away misses nothing: its session stays at the broker.
    for _ in 0..5 {
        gateway.send(Class::Door, &journal.door()).await;
    }
    gateway.acked(9).await;
    let handle = started(older(&broker.url(), &folder)).await;
    let receipt = gateway.receipt("what waited", |receipt| receipt.upto == Seq(9)).await;
    assert_eq!((receipt.missing, receipt.nak), (vec![], vec![]));
    assert_eq!(handle.snapshot().received, 9);
    handle.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_killed_with_the_session_s_memory_loses_nothing() {
    let (mut broker, folder) = (Broker::start().await, TempDir::new().unwrap());
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let handle = started(older(&broker.url(), &folder)).await;
    for _ in 0..100 {
        gateway.send(Class::Door, &journal.door()).await;
    }
    gateway.receipt("a hundred", |receipt| receipt.upto == Seq(100)).await;
    broker.kill();
    broker.forget();
    // It would subscribe to nothing: rumqttc believes in its session.
    drop(gateway);
    until(&handle, "the end", |snapshot| snapshot.link != Link::Up).await;
    broker.restart().await;
    until(&handle, "the new session", |snapshot| snapshot.link == Link::Up).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("one more", |receipt| receipt.upto == Seq(101)).await;
    handle.stop().await;
}

#[tokio::test]
async fn the_next_node_is_tried_at_once_when_one_is_away() {
    let (first, second) = (Broker::start().await, Broker::start().await);
    let folder = TempDir::new().unwrap();
    let proxy = Proxy::start(first.address()).await;
    let mut config = older(&proxy.url(), &folder);
    config.further_brokers.push(second.url().parse().unwrap());
    let handle = started(config).await;
    let mut at_second = Gateway::connect(second.address(), "g-2").await;
    let mut journal = Journal::new(&at_second);
    drop(first);
    proxy.cut();
    at_second.state("it is at the second", |state| state.online).await;
    at_second.send(Class::Door, &journal.door()).await;
    at_second.receipt("a receipt", |receipt| receipt.upto == Seq(1)).await;
    handle.stop().await;
}
