//! The district: it commits what a gateway says, answers it, and its book can be checked.

use std::time::Duration;

use gatehouse_core::contract::Receipt;
use gatehouse_core::event::{Class, Draft, GENESIS, Qualifier, Source, Stamp, chain_hash, render};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use gatehouse_tests::receiver::District;
use gatehouse_tests::wait::SOON;
use gatehouse_tests::{Broker, BrokerOptions, Client, ClientOptions};

fn draft() -> Draft {
    Draft {
        class: Class::Door,
        kind: "door.opened".into(),
        qualifier: Qualifier::Status,
        severity: 5,
        partition: None,
        source: Source { kind: "door".into(), id: "door-0".parse().expect("an id"), driver: None },
        time: Time {
            utc: UtcMs(1_790_000_000_000),
            boot: "b".into(),
            mono_ns: Mono(1),
            err_ms: None,
            clock: ClockState::Never,
        },
        state: None,
        arming: None,
        actor: None,
        cause: None,
        opens: None,
        detail: None,
        closes: None,
        test: false,
        flags: Vec::new(),
    }
}

#[tokio::test]
async fn what_a_gateway_sends_is_committed_receipted_and_a_hole_is_seen() -> anyhow::Result<()> {
    let broker = Broker::start(BrokerOptions::default()).await?;
    let mut district = District::start(broker.address()).await?;
    let mut gateway = Client::connect(broker.address(), ClientOptions::new("g-1")).await?;
    gateway.subscribe("gatehouse/v1/d-1/s-1/g-1/receipt").await?;

    let id: Id = "g-1".parse()?;
    let mut prev = GENESIS;
    let mut events = Vec::new();
    for seq in 1..=4 {
        let stamp = Stamp { gateway: &id, session: 1, seq: Seq(seq), prev };
        let bytes = render(&stamp, &draft())?;
        prev = chain_hash(&bytes);
        events.push(bytes);
    }
    let topic = "gatehouse/v1/d-1/s-1/g-1/ev/door";
    for index in [0, 1, 3, 0] {
        assert_eq!(gateway.publish(topic, &events[index]).await?, 0);
    }
    district.has_all("g-1", Seq(2), SOON).await?;
    let hasty = district.has_all("g-1", Seq(4), Duration::from_millis(50)).await.unwrap_err();
    assert!(hasty.to_string().contains("has up to 2, newest 4"), "{hasty}");

    gateway.publish(topic, &events[2]).await?;
    district.has_all("g-1", Seq(4), SOON).await?;
    let last = |all: &[&gatehouse_tests::mqtt::Publish]| {
        let receipt =
            all.last().and_then(|p| serde_json::from_slice::<Receipt>(&p.payload).ok())?;
        (receipt.upto == Seq(4)).then_some(receipt)
    };
    assert!(gateway.messages("a receipt for all", SOON, last).await?.missing.is_empty());
    let delivered = district
        .committed()
        .read(|all| all.iter().map(|event| (event.seq.0, event.duplicate)).collect::<Vec<_>>());
    assert_eq!(delivered, [(1, false), (2, false), (4, false), (1, true), (3, false)]);
    assert_eq!(district.events("g-1")?.len(), 4);
    let (audit, findings) = district.audit()?;
    assert!(audit.is_clean(), "{findings:?}");

    district.stop().await?;
    district.launch().await?;
    district.has_all("g-1", Seq(4), SOON).await?;
    Ok(())
}
