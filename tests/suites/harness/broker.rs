//! The real broker: what it forgets, and what it does not.

use std::time::Duration;

use gatehouse_tests::broker::Persistence;
use gatehouse_tests::client::Received;
use gatehouse_tests::wait::SOON;
use gatehouse_tests::{Broker, BrokerOptions, Client, ClientOptions, Subscriber};

/// A success: taken, but nobody listens.
const NO_SUBSCRIBER: u8 = 0x10;

fn persistent(id: &str) -> ClientOptions {
    ClientOptions::new(id).persistent()
}

#[tokio::test]
async fn a_killed_broker_comes_back_on_its_port_without_its_sessions() -> anyhow::Result<()> {
    let mut broker = Broker::start(BrokerOptions::default()).await?;
    let address = broker.address();
    let first = Client::connect(address, persistent("c")).await?;
    assert!(!first.session_present());
    drop(first);
    let again = Client::connect(address, persistent("c")).await?;
    assert!(again.session_present(), "it lives, so it remembers");

    broker.kill().await?;
    again
        .received()
        .wait_for("the end", SOON, |all| {
            all.iter().any(|entry| matches!(entry, Received::Ended)).then_some(())
        })
        .await?;
    assert!(Client::connect(address, persistent("c")).await.is_err(), "nobody listens");
    broker.restart().await?;
    assert_eq!(broker.address(), address);
    assert!(!Client::connect(address, persistent("c")).await?.session_present());
    Ok(())
}

#[tokio::test]
async fn a_stopped_broker_keeps_its_sessions_until_they_are_wiped() -> anyhow::Result<()> {
    let options = BrokerOptions { persistence: Persistence::Stock, ..BrokerOptions::default() };
    let mut broker = Broker::start(options).await?;
    Client::connect(broker.address(), persistent("c")).await?.disconnect().await?;
    assert!(broker.wipe().is_err(), "a running broker would write its memory back");
    assert!(broker.stop().await?.success());
    broker.restart().await?;
    let client = Client::connect(broker.address(), persistent("c")).await?;
    assert!(client.session_present());
    client.disconnect().await?;

    broker.stop().await?;
    broker.wipe()?;
    broker.restart().await?;
    assert!(!Client::connect(broker.address(), persistent("c")).await?.session_present());
    Ok(())
}

#[tokio::test]
async fn a_frozen_broker_answers_when_it_is_thawed() -> anyhow::Result<()> {
    let broker = Broker::start(BrokerOptions::default()).await?;
    let mut client = Client::connect(broker.address(), ClientOptions::new("c")).await?;
    broker.freeze()?;
    let pid = client.hand_over("a", b"1", false).await?;
    let early = tokio::time::timeout(Duration::from_millis(200), client.acknowledged(pid)).await;
    assert!(early.is_err(), "a frozen broker has answered");
    broker.thaw()?;
    assert_eq!(client.acknowledged(pid).await?, NO_SUBSCRIBER);
    Ok(())
}

#[tokio::test]
async fn limits_and_denials_of_the_broker_are_seen_as_reason_codes() -> anyhow::Result<()> {
    let broker = Broker::start(BrokerOptions {
        acl: Some("topic readwrite open/#\n".into()),
        max_inflight: Some(7),
        message_size_limit: Some(100),
        ..BrokerOptions::default()
    })
    .await?;
    let mut client = Client::connect(broker.address(), ClientOptions::new("c")).await?;
    assert_eq!(client.receive_maximum(), Some(7));
    assert_eq!(client.subscribe("open/#").await?, 1);
    assert_eq!(client.publish("open/a", b"x").await?, 0);
    assert_eq!(client.publish("closed/a", b"x").await?, 0x87, "not authorized");
    assert_eq!(client.publish("open/a", &[0; 101]).await?, 0x95, "packet too large");

    // MQTT 3.1.1 has no way to say so: the message is acknowledged, and dropped.
    let mut old = Client::connect(broker.address(), ClientOptions::new("old").v3()).await?;
    assert_eq!(old.publish("closed/a", b"x").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_subscriber_gets_what_came_while_the_broker_was_away() -> anyhow::Result<()> {
    let options = BrokerOptions { persistence: Persistence::Stock, ..BrokerOptions::default() };
    let mut broker = Broker::start(options).await?;
    let subscriber =
        Subscriber::start(broker.address(), ClientOptions::new("s"), &["a/#", "b"]).await?;
    let mut client = Client::connect(broker.address(), ClientOptions::new("c")).await?;
    client.publish("a/1", b"before").await?;
    broker.stop().await?;
    broker.restart().await?;
    let mut client = Client::connect(broker.address(), ClientOptions::new("c")).await?;
    client.publish("b", b"after").await?;
    client.publish("c", b"not subscribed").await?;
    client.publish("a/2", b"last").await?;
    let mut payloads = subscriber
        .messages()
        .wait_for("the last message", SOON, |all| {
            let payloads: Vec<_> = all.iter().map(|m| m.publish.payload.clone()).collect();
            payloads.contains(&b"last".to_vec()).then_some(payloads)
        })
        .await?;
    // The broker may stop before it has read the subscriber's acknowledgement.
    payloads.dedup();
    assert_eq!(payloads, [b"before".to_vec(), b"after".to_vec(), b"last".to_vec()]);
    let times = subscriber.messages().read(|all| all.iter().map(|m| m.at).collect::<Vec<_>>());
    assert!(times.is_sorted() && times[0].0 > 0);
    Ok(())
}
