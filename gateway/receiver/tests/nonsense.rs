//! Malformed payloads under every kind of topic: the receiver lives, keeps what it must, and the
//! other gateways do not notice.

mod common;

use common::{Broker, Gateway, Journal, receiver, until};
use gatehouse_core::event::{Class, MAX_PAYLOAD};
use gatehouse_core::id::Seq;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

/// Every topic that a receiver hears of a gateway, and some that it should not.
const TOPICS: [&str; 26] = [
    "ev/panic",
    "ev/alarm",
    "ev/tamper",
    "ev/fault",
    "ev/access",
    "ev/arm",
    "ev/camera",
    "ev/door",
    "ev/system",
    "ev/test",
    "ev/nothing",
    "ev/é",
    "status",
    "hb",
    "desc",
    "door/d1",
    "zone/z1",
    "partition/p1",
    "reader/r1",
    "output/o1",
    "alarm/a1",
    "alarm/A B",
    "door/-",
    "zone/é",
    "snap/c1",
    "cmd/1/res",
];

/// What each case sends; bounded, so that the suite has an end.
const CASES: usize = 1500;

/// A payload: whole messages, cut, with a byte changed, with a value exchanged, or mere bytes.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop::sample::select(vec![
        r#"{"v":1,"gw":"liar","session":1,"seq":7,"prev":"00","id":"x","class":"door","type":"door.opened","qualifier":"new","severity":4,"source":{"kind":"door","id":"d"},"time":{"utc":"2026-09-30T11:02:03.412Z","boot":"b","mono_ns":1,"err_ms":1,"clock":"synced"},"test":false}"#,
        r#"{"v":1,"gw":"liar","session":1,"seq":18446744073709551615,"prev":"","id":"","class":"alarm","type":"a"}"#,
        r#"{"v":1,"gw":"liar","session":2,"seq":9,"prev":"00","id":"y","class":"system","type":"system.gap","detail":{"from":1,"to":18446744073709551615}}"#,
        r#"{"state":"online","session":1,"boot_id":"b","since":"2026-09-30T11:02:03.412Z","version":"0","config_hash":"0"}"#,
        r#"{"session":1,"utc":"2026-09-30T11:02:03.412Z","uptime_s":1,"head":3,"host_upto":99999999999,"backlog":{"alarm":0,"normal":0},"oldest_unreceived_s":0,"clock":"synced","err_ms":1,"rss_kib":1,"disk_free":1,"journal_written":1,"degraded":[],"digest":""}"#,
        r#"{"state":"open","since":"2026-09-30T11:02:03.412Z","seq":1,"valid_s":4294967295,"session":18446744073709551615}"#,
        r#"{"id":"a1","phase":"active","danger":"burglary","class":"alarm","severity":1,"since":"2026-09-30T11:02:03.412Z","sources":[],"open":{},"escalated":false,"seq":1,"session":1}"#,
    ]);
    let words = prop::sample::select(vec![
        "null",
        "-1",
        "1e999",
        "18446744073709551616",
        "\"\"",
        "[]",
        "{}",
        "\"\\ud800\"",
        "true",
        "\"9999999-99-99T99:99:99Z\"",
        "0",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (whole.clone(), any::<prop::sample::Index>())
            .prop_map(|(text, cut)| text.as_bytes()[..cut.index(text.len())].to_vec()),
        (whole.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        (whole.clone(), any::<prop::sample::Index>(), words).prop_map(|(text, at, word)| {
            let values: Vec<_> = text.match_indices(':').map(|(place, _)| place + 1).collect();
            let from = values[at.index(values.len())];
            let rest = text[from..].find([',', '}']).expect("a value ends");
            format!("{}{word}{}", &text[..from], &text[from + rest..]).into_bytes()
        }),
        (100usize..20_000).prop_map(|depth| b"[".repeat(depth)),
        whole.prop_map(|text| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(MAX_PAYLOAD + 1, b' ');
            bytes
        }),
    ]
}

#[tokio::test]
async fn nonsense_of_one_gateway_harms_neither_the_receiver_nor_the_others() {
    let (broker, folder) = (Broker::start_volatile().await, TempDir::new().unwrap());
    let handle = receiver(&broker, folder.path().join("r.db")).await;
    let mut honest = Gateway::connect(broker.address(), "g-1").await;
    let mut liar = Gateway::connect(broker.address(), "liar").await;
    let mut journal = Journal::new(&honest);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for case in 1..=CASES {
        let topic = TOPICS[case % TOPICS.len()];
        let payload = payload().new_tree(&mut runner).unwrap().current();
        liar.raw(topic, payload, case % 3 == 0).await;
        if case % 50 == 0 {
            liar.acked(50).await;
            honest.send(Class::Door, &journal.door()).await;
            // Its receipt comes, whatever came before it.
            let upto = Seq(case as u64 / 50);
            honest.receipt("the honest one's receipt", |receipt| receipt.upto == upto).await;
        }
    }
    let honest_events = (CASES / 50) as u64;
    let snapshot = until(&handle, "the end", |snapshot| {
        snapshot.gateways.iter().any(|(address, view)| {
            address.gateway.as_str() == "g-1" && view.upto == Seq(honest_events)
        })
    })
    .await;
    assert_eq!(snapshot.failing, None);
    let of = |name: &str| {
        snapshot.gateways.iter().find(|(address, _)| address.gateway.as_str() == name).unwrap().1
    };
    assert_eq!((of("g-1").head, of("g-1").holes.len()), (Seq(honest_events), 0));
    assert!(
        of("g-1").zones.is_empty() && of("g-1").incidents.is_empty(),
        "the liar has put something under another's name"
    );
    handle.stop().await;

    let db = folder.path().join("r.db");
    let arguments = ["verify", "--gateway", "g-1", "--db", db.to_str().unwrap()];
    let (code, out, err) = common::program(&arguments);
    assert_eq!(code, Some(0), "{out}{err}");
    let store = gatehouse_receiver::Store::open_to_read(&db).unwrap();
    let audit = store.audit(None, &mut |_| {}).unwrap();
    assert!(audit.quarantined > 0, "nothing of it was kept aside: {audit:?}");
}
