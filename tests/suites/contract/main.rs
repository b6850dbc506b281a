//! The published contract, read by somebody else: a client in another language that was given nothing
//! but `deploy/contract/asyncapi.yaml` checks every message of a run.

mod client;
mod story;

use anyhow::ensure;
use client::Independent;
use gatehouse_tests::{Broker, BrokerOptions, Client, ClientOptions};

/// A message that is not what the document promises, and what is to be said of it.
struct Wrong {
    topic: &'static str,
    payload: &'static str,
    retained: bool,
    told: &'static str,
}

const fn wrong(topic: &'static str, payload: &'static str, told: &'static str) -> Wrong {
    Wrong { topic, payload, retained: false, told }
}

const RECEIPT: &str = r#"{"upto":3,"host":"r","recv_ts":"2026-11-24T12:00:00Z"}"#;

#[tokio::test]
async fn the_independent_client_finds_what_is_not_as_it_was_promised() -> anyhow::Result<()> {
    let broker = Broker::start(BrokerOptions::default()).await?;
    let mut client = Independent::start(broker.address(), &["heartbeat", "receipt"]).await?;
    let mut room = Client::connect(broker.address(), ClientOptions::new("liar")).await?;
    let cases = [
        wrong("d/s/g/receipt", RECEIPT, ""),
        wrong("d/s/g/rumour", "{}", "no operation of the document has this topic"),
        wrong("d/s/g/ev/gossip", "{}", "no operation of the document has this topic"),
        wrong("d/s/g/receipt", r#"{"upto":"3"}"#, "upto: '3' is not of type 'integer'"),
        wrong("d/s/g/receipt", "{", "no JSON"),
        Wrong {
            retained: true,
            ..wrong("d/s/g/receipt", RECEIPT, "retain is True, must be False")
        },
        wrong("d/_dc/state", r#"{"online":true}"#, "retain is False, must be True"),
        wrong("d/s/g/hb", "{}", "QoS 1, must be 0"),
        wrong("d/s/g/status", r#"{"state":"asleep"}"#, "'asleep' is not"),
        wrong("d/s/g/zone/z", r#"{"state":"ajar"}"#, "'ajar' is not one of"),
        wrong(
            "d/s/g/ev/alarm",
            r#"{"class":"alarm","type":"bus.lost","qualifier":"new","source":{"kind":"bus","id":"b"}}"#,
            "'alarm' is not one of ['fault']",
        ),
        wrong(
            "d/s/g/ev/door",
            r#"{"v":1,"gw":"g","session":1,"seq":1,"prev":"00","id":"1","class":"door","type":"x.y",
               "qualifier":"new","severity":4,"source":{"kind":"door","id":"d"},"time":{
               "utc":"2026-11-24T12:00:00Z","boot":"b","mono_ns":1,"err_ms":null,"clock":"never"},
               "test":false}"#,
            "content type None, must be 'application/json'",
        ),
    ];
    for case in &cases {
        let topic = format!("gatehouse/v1/{}", case.topic);
        let payload = case.payload.as_bytes();
        if case.retained {
            room.publish_retained(&topic, payload).await?;
        } else {
            room.publish(&topic, payload).await?;
        }
    }
    let (good, said) = client.end(&mut room).await?;
    ensure!(!good, "{said}");
    for case in cases.iter().filter(|case| !case.told.is_empty()) {
        let line = said.lines().any(|line| line.contains(case.topic) && line.contains(case.told));
        ensure!(line, "{} {}: not {:?} in\n{said}", case.topic, case.payload, case.told);
    }
    ensure!(said.contains("FAILED heartbeat was never seen"), "{said}");
    ensure!(!said.contains("FAILED receipt was never seen"), "{said}");
    Ok(())
}
