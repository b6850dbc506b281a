//! An incident as a file that proves itself: from either kind of database, changed in any way.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::fs;
use std::process::Command;

use common::postgres::Home;
use common::{Broker, Gateway, Journal, program, receiver};
use gatehouse_core::checkpoint::{self, Checkpoint, to_hex};
use gatehouse_core::event::{self, Class};
use gatehouse_core::id::Seq;
use gatehouse_receiver::bundle::{self, Extent, MakeError, Pictures, Report};
use gatehouse_receiver::{Place, SigningKey};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

fn device() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn public(pair: &Ed25519KeyPair) -> [u8; 32] {
    pair.public_key().as_ref().try_into().unwrap()
}

/// The ten events of a story: an alarm (2) among other matters, its end (4), what was done about it
/// (5, 7, 8), and the gateway's checkpoint (10) over 9.
fn story(gateway: &Gateway) -> Vec<(Class, Vec<u8>)> {
    let mut journal = Journal::new(gateway);
    let mut events = vec![
        (Class::Door, journal.door()),
        (
            Class::Alarm,
            journal.detailed(Class::Alarm, "zone.alarm", Some(json!({"incident": "a1"}))),
        ),
        (Class::Door, journal.door()),
        (Class::Alarm, journal.ended(Class::Alarm, "zone.restored", Seq(2))),
        (Class::Arm, journal.handled("a1", "incident.acked", "op-7")),
        (Class::Arm, journal.handled("a2", "incident.acked", "op-9")),
        (Class::Arm, journal.handled("a1", "incident.noted", "op-8")),
        (Class::Arm, journal.handled("a1", "incident.closed", "op-7")),
        (Class::Door, journal.door()),
    ];
    let hash = event::chain_hash(&events[8].1);
    let stated = checkpoint::statement(&gateway.address.gateway, Seq(9), &hash);
    let told = Checkpoint {
        upto: Seq(9),
        hash: event::hex(&hash),
        key: checkpoint::key_id(&public(&device())),
        public: to_hex(&public(&device())),
        sig: to_hex(device().sign(&stated).as_ref()),
    };
    let told = serde_json::to_value(told).unwrap();
    events.push((Class::System, journal.detailed(Class::System, checkpoint::EVENT, Some(told))));
    events
}

/// A database with the first so many events of the story.
async fn filled(home: &Home, count: usize) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    for (class, body) in story(&gateway).iter().take(count) {
        gateway.send(*class, body).await;
    }
    gateway.receipt("confirmed", |receipt| receipt.upto == Seq(count as u64)).await;
    handle.stop().await;
}

fn key(home: &Home) -> SigningKey {
    let id = "receiver".parse().unwrap();
    let path = home.path().join("own.key");
    SigningKey::make(&path, id).unwrap()
}

fn made(home: &Home, extent: Extent, key: &SigningKey) -> Result<Vec<u8>, MakeError> {
    let place: Place = "s-1/g-1".parse().unwrap();
    bundle::make(&home.store(), &place, &"a1".parse().unwrap(), extent, Pictures::Here, key)
}

fn checked(bytes: &[u8]) -> Report {
    bundle::check(bytes, None, None).unwrap()
}

/// Name and content of each member, read by other code than ours.
fn members(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (mut at, mut found) = (0, Vec::new());
    while bytes[at] != 0 {
        let name = bytes[at..at + 100].split(|byte| *byte == 0).next().unwrap();
        let size = std::str::from_utf8(&bytes[at + 124..at + 135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        found.push((
            String::from_utf8(name.to_vec()).unwrap(),
            bytes[at + 512..at + 512 + size].to_vec(),
        ));
        at += 512 + size.next_multiple_of(512);
    }
    found
}

fn packed(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in members {
        let mut header = vec![0_u8; 512];
        let size = format!("{:011o}\0", content.len());
        for (at, text) in [
            (0, name.as_str()),
            (100, "0000644\0"),
            (108, "0000000\0"),
            (116, "0000000\0"),
            (124, &size),
            (136, "00000000000\0"),
            (148, "        "),
            (156, "0"),
            (257, "ustar\x0000"),
        ] {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// A text of these lines, each with its end.
fn lines(all: impl Iterator<Item = String>) -> String {
    all.fold(String::new(), |text, line| text + &line + "\n")
}

/// The bundle as somebody with a key signs it who has changed it and mended every digest.
fn forged(
    bytes: &[u8],
    pair: &Ed25519KeyPair,
    events: impl Fn(String) -> String,
    manifest: impl Fn(&mut Value),
) -> Vec<u8> {
    let mut all = members(bytes);
    let text = events(String::from_utf8(all[2].1.clone()).unwrap());
    let hashed = |line: &str| {
        let seq = serde_json::from_str::<Value>(line).unwrap()["seq"].clone();
        format!("{seq} {}", event::hex(&event::chain_hash(line.as_bytes())))
    };
    let chain = lines(text.lines().map(hashed));
    let mut told: Value = serde_json::from_slice(&all[0].1).unwrap();
    manifest(&mut told);
    told["signer"] = json!(to_hex(&public(pair)));
    for (place, part) in [&text, &chain].into_iter().enumerate() {
        told["parts"][place]["bytes"] = json!(part.len());
        let digest = event::hex(&event::chain_hash(part.as_bytes()));
        told["parts"][place]["blake3"] = json!(digest);
    }
    // As the manifest's own fields stand, not by their names' order.
    let told: bundle::Manifest = serde_json::from_value(told).unwrap();
    all[0].1 = serde_json::to_vec_pretty(&told).unwrap();
    all[1].1 = pair.sign(&all[0].1).as_ref().to_vec();
    (all[2].1, all[3].1) = (text.into_bytes(), chain.into_bytes());
    packed(&all)
}

on_both!(
    an_incident_is_written_and_proven_on_another_machine,
    what_has_no_checkpoint_yet_has_no_proven_end,
    an_event_that_is_missing_in_the_database_is_named,
);

async fn an_incident_is_written_and_proven_on_another_machine(home: Home) {
    filled(&home, 10).await;
    let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (own_key, first, second) = (file("own.key"), file("a1.tar"), file("again.tar"));
    let (code, printed, _) = program(&["keygen", &own_key, "--id", "receiver"]);
    let signer = printed.lines().last().unwrap().split('"').nth(1).unwrap().to_owned();
    assert_eq!((code, signer.len()), (Some(0), 64));
    let words = home.words();
    let bundle = |incident: &str, out: &str| {
        let mut args = vec!["bundle", "g-1", incident, "--sign", &own_key, "--out", out];
        args.extend(words.iter().map(String::as_str));
        program(&args)
    };
    let (code, _, err) = bundle("a1", &first);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("d-1/s-1/g-1 a1: 5 events, 3 acts; numbers 2 to 10"), "{err}");
    assert_eq!(bundle("a1", &second).0, Some(0));
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap(), "the same makes the same");
    let (code, _, err) = bundle("a1", &first);
    assert!(code == Some(77) && err.contains("a1.tar: File exists"), "{err}");
    // Each that was given out is known, and by whom; the third was recorded, and then its name was taken.
    let mut args = vec!["looks", "--json"];
    args.extend(words.iter().map(String::as_str));
    let (code, looks, err) = program(&args);
    assert_eq!(code, Some(0), "{err}");
    let digest = common::sha256(&fs::read(&first).unwrap());
    let looks: Vec<Value> = looks.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(looks.len(), 3);
    let who = json!(format!("uid-{}", rustix::process::getuid().as_raw()));
    for look in &looks {
        assert_eq!(
            (&look["who"], &look["via"], &look["incident"]),
            (&who, &json!("bundle"), &json!("a1"))
        );
        assert_eq!((&look["sha256"], &look["site"]), (&json!(digest), &json!("s-1")));
    }
    let (code, _, err) = bundle("a7", &file("a7.tar"));
    assert!(code == Some(64) && err.contains("no event of an incident a7 of g-1"), "{err}");

    // What every machine has can look into it.
    let listed = Command::new("tar").args(["tf", &first]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed, "manifest.json\nmanifest.sig\nevents.jsonl\nchain.txt\n");

    let device = to_hex(&public(&device()));
    let (code, out, err) =
        program(&["verify", "--bundle", &first, "--signer", &signer, "--key", &device]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("proven: the events 2 to 8 are byte for byte"), "{err}");
    assert!(err.contains("has signed for them in event 10"), "{err}");
    assert!(err.contains("incident.acked by op-7, event 5"), "{err}");
    assert!(!err.contains("whose key"), "both were compared: {err}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&summary["signer"][1], &summary["device"][1]), (&json!(true), &json!(true)));
    let (code, _, err) = program(&["verify", "--bundle", &first]);
    assert!(code == Some(0) && err.matches("not proven: whose key").count() == 2, "{err}");
    let other = "0".repeat(64);
    let (code, _, err) = program(&["verify", "--bundle", &first, "--signer", &other]);
    assert!(code == Some(1) && err.contains("which was asked for"), "{err}");
    let (code, _, err) = program(&["verify", "--bundle", &first, "--key", &other]);
    assert!(code == Some(1) && err.contains("WRONG: checkpoint 10: signed by the key"), "{err}");
}

async fn what_has_no_checkpoint_yet_has_no_proven_end(home: Home) {
    filled(&home, 7).await;
    let report = checked(&made(&home, Extent::Whole, &key(&home)).unwrap());
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.manifest.from, report.manifest.to), (Seq(2), Seq(7)));
    let end =
        report.unproven.iter().find(|what| what.starts_with("no checkpoint yet after event 7"));
    assert!(end.is_some(), "{:?}", report.unproven);
    assert!(!report.proven.iter().any(|what| what.contains("byte for byte")));
}

async fn an_event_that_is_missing_in_the_database_is_named(home: Home) {
    filled(&home, 10).await;
    if let Some(server) = &home.postgres {
        server.sql("DELETE FROM gatehouse.events WHERE seq = 6").await.unwrap();
    } else {
        let file = rusqlite::Connection::open(home.path().join("r.db")).unwrap();
        file.execute("DELETE FROM events WHERE seq = 6", []).unwrap();
    }
    let report = checked(&made(&home, Extent::Whole, &key(&home)).unwrap());
    assert_eq!((report.is_good(), report.missing), (false, vec![(Seq(6), Seq(6))]));
    assert!(!report.proven.iter().any(|what| what.contains("byte for byte")));
}

#[tokio::test]
async fn a_byte_that_was_changed_anywhere_is_found() {
    let home = Home::sqlite();
    filled(&home, 10).await;
    let bytes = made(&home, Extent::Whole, &key(&home)).unwrap();
    assert!(checked(&bytes).is_good());
    for place in (0..bytes.len()).step_by(5) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        let noticed = bundle::check(&changed, None, None).map_or(true, |report| !report.is_good());
        assert!(noticed, "byte {place} of {}", bytes.len());
    }
    for length in [0, 1, 511, 512, bytes.len() - 1024, bytes.len() - 1] {
        assert!(bundle::check(&bytes[..length], None, None).is_err(), "cut to {length}");
    }
    let longer = [bytes, vec![0; 512]].concat();
    assert!(bundle::check(&longer, None, None).is_err(), "more than there was");
}

#[tokio::test]
async fn who_has_a_key_and_mends_every_digest_is_found_all_the_same() {
    let home = Home::sqlite();
    filled(&home, 10).await;
    let own = key(&home);
    let bytes = made(&home, Extent::Whole, &own).unwrap();
    let liar = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let same = |text: String| text;
    let nothing = |_: &mut Value| {};
    let by_another = forged(&bytes, &liar, same, nothing);
    assert!(checked(&by_another).is_good(), "it is whole, by somebody");
    let wanted = gatehouse_core::checkpoint::from_hex(&own.public());
    let report = bundle::check(&by_another, wanted, None).unwrap();
    assert!(report.wrong[0].contains("which was asked for"), "{report:?}");

    let without = |seq: u64| {
        move |text: String| {
            let start = format!("\"seq\":{seq},");
            let kept = text.lines().filter(|line| !line.contains(&start));
            lines(kept.map(str::to_owned))
        }
    };
    let report = checked(&forged(&bytes, &liar, without(3), nothing));
    assert_eq!((report.is_good(), report.missing), (false, vec![(Seq(3), Seq(3))]));
    let report = checked(&forged(&bytes, &liar, without(4), nothing));
    assert!(report.wrong[0].contains("4 is named, 5 is there"), "{:?}", report.wrong);
    let report = checked(&forged(&bytes, &liar, without(10), nothing));
    assert!(report.wrong.iter().any(|what| what.contains("does not end with event 10")));
    let changed = |text: String| text.replacen("op-8", "op-6", 1);
    let report = checked(&forged(&bytes, &liar, changed, nothing));
    assert!(report.wrong.iter().any(|what| what.contains("chain breaks at 8")), "{report:?}");
    let report = checked(&forged(&bytes, &liar, same, |told| {
        told["acts"].as_array_mut().unwrap().remove(1);
    }));
    assert!(report.wrong[0].contains("names other acts"), "{:?}", report.wrong);
    let report = checked(&forged(&bytes, &liar, same, |told| told["checkpoint"] = Value::Null));
    assert!(!report.proven.iter().any(|what| what.contains("byte for byte")), "{report:?}");
}

#[tokio::test]
async fn what_holds_only_the_incidents_own_events_shows_nothing_else_and_says_what_that_costs() {
    let home = Home::sqlite();
    filled(&home, 10).await;
    let bytes = made(&home, Extent::Own, &key(&home)).unwrap();
    let report = checked(&bytes);
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.events, report.acts, report.proof.events), (5, 3, 5));
    assert!(report.unproven.iter().any(|what| what.contains("only the incident's own events")));
    let text = String::from_utf8(members(&bytes)[2].1.clone()).unwrap();
    assert!(!text.contains("op-9") && !text.contains("door.opened"), "{text}");
    // One of them that is left out is found, since the manifest names it.
    let liar = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let less = |text: String| lines(text.lines().skip(1).map(str::to_owned));
    assert!(!checked(&forged(&bytes, &liar, less, |_| {})).is_good());
}
