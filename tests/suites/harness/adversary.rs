//! The scripted broker: wrong exactly as its script says, and right otherwise.

use std::time::Duration;

use gatehouse_tests::adversary::{Acks, Arrival, CutHow, Step};
use gatehouse_tests::client::Received;
use gatehouse_tests::mqtt::Publish;
use gatehouse_tests::wait::{SOON, boottime};
use gatehouse_tests::{AdversarialBroker, Behaviour, Client, ClientOptions};

async fn all_ended(client: &Client) -> anyhow::Result<Vec<u16>> {
    client
        .received()
        .wait_for("the end", SOON, |all| {
            let ended = matches!(all.last(), Some(Received::Ended));
            ended.then(|| acknowledged(all))
        })
        .await
}

fn acknowledged(all: &[Received]) -> Vec<u16> {
    let acks = all.iter().filter_map(|entry| match entry {
        Received::PubAck(pid, _) => Some(*pid),
        _ => None,
    });
    acks.collect()
}

#[tokio::test]
async fn each_connection_plays_its_own_part_in_both_versions() -> anyhow::Result<()> {
    for version in [4, 5] {
        let broker = AdversarialBroker::start(move |connection| match connection {
            1 => Behaviour::refuse(if version == 5 { 0x86 } else { 4 }),
            2 => Behaviour::default().session_present().receive_maximum(20),
            _ => Behaviour::default(),
        })
        .await?;
        let mut options = ClientOptions::new("g-1");
        options.connect.version = version;
        let refused = Client::connect(broker.address(), options.clone()).await.unwrap_err();
        assert!(refused.to_string().contains("refused with code 0x"), "{refused}");
        let second = Client::connect(broker.address(), options.clone()).await?;
        assert!(second.session_present());
        assert_eq!(second.receive_maximum(), (version == 5).then_some(20));
        let mut third = Client::connect(broker.address(), options).await?;
        assert!(!third.session_present());
        assert_eq!(third.subscribe("x/#").await?, 1);
        assert_eq!(third.publish("a", b"p").await?, 0);
        let filters = broker.steps().read(|steps| {
            steps.iter().any(|step| matches!(step, Step::Subscribe(3, f) if f == &["x/#"]))
        });
        assert!(filters);
        let arrivals = broker.arrivals().all();
        assert_eq!(arrivals.len(), 1);
        assert!(arrivals[0].committed() && arrivals[0].connection == 3);
        assert_eq!(arrivals[0].publish.payload, b"p");
    }
    Ok(())
}

#[tokio::test]
async fn acknowledgements_come_late_reversed_in_bursts_or_not_at_all() -> anyhow::Result<()> {
    let late = Duration::from_millis(100);
    let broker = AdversarialBroker::start(move |connection| {
        Behaviour::default().acks(match connection {
            1 => Acks::Late(late),
            2 => Acks::Reversed(3),
            3 => Acks::AllButOldest(3),
            4 => Acks::Bursts(3),
            _ => Acks::Held,
        })
    })
    .await?;
    let connect = || Client::connect(broker.address(), ClientOptions::new("g-1"));
    let wait = async |client: &Client, count: usize| {
        let enough = |all: &[Received]| {
            let acks = acknowledged(all);
            (acks.len() == count).then_some(acks)
        };
        client.received().wait_for("acknowledgements", SOON, enough).await
    };

    let mut client = connect().await?;
    let sent = boottime();
    client.publish("a", b"1").await?;
    assert!(boottime().since(sent) >= late);
    for expected in [vec![3, 2, 1], vec![2, 3], vec![1, 2, 3]] {
        let mut client = connect().await?;
        for _ in 0..3 {
            client.hand_over("a", b"x", false).await?;
        }
        assert_eq!(wait(&client, expected.len()).await?, expected);
    }
    let mut client = connect().await?;
    let pid = client.hand_over("a", b"held", false).await?;
    let held = |all: &[Arrival]| {
        all.iter().any(|arrival| arrival.publish.payload == b"held").then_some(())
    };
    broker.arrivals().wait_for("the held message", SOON, held).await?;
    assert!(acknowledged(&client.received().all()).is_empty());
    broker.release().await;
    assert_eq!(client.acknowledged(pid).await?, 0);
    Ok(())
}

#[tokio::test]
async fn chosen_messages_are_rejected_and_not_committed() -> anyhow::Result<()> {
    for code in [0x80, 0x87, 0x97, 0x99] {
        let broker = AdversarialBroker::start(move |_| {
            Behaviour::default().reject(move |publish| (publish.topic == "bad").then_some(code))
        })
        .await?;
        let mut client = Client::connect(broker.address(), ClientOptions::new("g-1")).await?;
        assert_eq!(client.publish("bad", b"1").await?, code);
        assert_eq!(client.publish("good", b"2").await?, 0);
        let arrivals = broker.arrivals().all();
        let committed: Vec<bool> = arrivals.iter().map(Arrival::committed).collect();
        assert_eq!(committed, [false, true]);
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_is_reset_or_stalled_after_the_chosen_publish() -> anyhow::Result<()> {
    let broker = AdversarialBroker::start(|connection| match connection {
        1 => Behaviour::default().acks(Acks::First(2)).cut(4, CutHow::Reset),
        _ => Behaviour::default().cut(2, CutHow::Stall),
    })
    .await?;
    let mut client = Client::connect(broker.address(), ClientOptions::new("g-1")).await?;
    for _ in 0..4 {
        client.hand_over("a", b"x", false).await?;
    }
    assert_eq!(all_ended(&client).await?, [1, 2]);
    let mut client = Client::connect(broker.address(), ClientOptions::new("g-1")).await?;
    client.publish("a", b"1").await?;
    client.publish("a", b"2").await?;
    let pid = client.hand_over("a", b"never read", false).await?;
    let quiet = tokio::time::timeout(Duration::from_millis(150), client.acknowledged(pid)).await;
    assert!(quiet.is_err());
    assert_eq!(broker.arrivals().len(), 4 + 2);
    Ok(())
}

#[tokio::test]
async fn a_test_speaks_to_the_gateway_as_the_control_room() -> anyhow::Result<()> {
    let broker = AdversarialBroker::start(|_| Behaviour::default()).await?;
    let client = Client::connect(broker.address(), ClientOptions::new("g-1")).await?;
    let receipt = Publish {
        topic: "gatehouse/v1/d/s/g-1/receipt".into(),
        payload: b"{}".to_vec(),
        qos: 1,
        pid: 9,
        ..Publish::default()
    };
    assert_eq!(broker.publish(&receipt).await, 1);
    let seen = client.messages("the receipt", SOON, |all| all.first().map(|&p| p.clone())).await?;
    assert_eq!(seen, receipt);
    broker.reset().await;
    all_ended(&client).await?;
    Ok(())
}
