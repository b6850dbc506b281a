//! Pictures as evidence: in a bundle, against what the gateway's events say of them.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use common::postgres::Home;
use common::{Broker, Gateway, Journal, jpeg, program, receiver, sha256, until};
use gatehouse_core::event::{self, Class};
use gatehouse_core::id::Seq;
use gatehouse_receiver::bundle::{self, Extent, Manifest, Pictures, Report};
use gatehouse_receiver::{Place, SigningKey};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

fn taken(of: Value, picture: &[u8]) -> Value {
    json!({"of": of, "bytes": picture.len(), "width": 16, "height": 9, "sha256": sha256(picture),
        "masked": true})
}

/// An alarm (1) and what cameras took of it: a picture (2), one that never came (3), a clip (4), a
/// picture of something else (5), one that names the incident (6); and who took it (7).
async fn filled(home: &Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let named = |mut detail: Value| {
        detail["incident"] = json!("a1");
        detail
    };
    let events = [
        (
            Class::Alarm,
            journal.detailed(Class::Alarm, "zone.alarm", Some(json!({"incident": "a1"}))),
        ),
        (Class::Camera, journal.shot("gate", false, taken(json!(1), &jpeg(1, 3000)))),
        (Class::Camera, journal.shot("gate", false, taken(json!(1), &jpeg(2, 3000)))),
        (Class::Camera, journal.clip("gate", &[1])),
        (Class::Camera, journal.shot("gate", false, taken(Value::Null, &jpeg(3, 3000)))),
        (Class::Camera, journal.shot("hall", false, named(taken(json!(1), &jpeg(4, 3000))))),
        (Class::Arm, journal.handled("a1", "incident.acked", "op-7")),
    ];
    for (class, event) in &events {
        gateway.send(*class, event).await;
    }
    for (camera, number) in [("gate", 1), ("gate", 3), ("hall", 4)] {
        gateway.picture(camera, &jpeg(number, 3000), None).await;
    }
    gateway.receipt("all", |receipt| receipt.upto == Seq(7)).await;
    until(&handle, "pictures", |snapshot| snapshot.gateways[&gateway.address].pictures == 3).await;
    handle.stop().await;
}

fn key(home: &Home) -> SigningKey {
    SigningKey::make(&home.path().join("own.key"), "receiver".parse().unwrap()).unwrap()
}

fn made(home: &Home, extent: Extent, pictures: Pictures, key: &SigningKey) -> Vec<u8> {
    let place: Place = "s-1/g-1".parse().unwrap();
    bundle::make(&home.store(), &place, &"a1".parse().unwrap(), extent, pictures, key).unwrap()
}

fn checked(bytes: &[u8]) -> Report {
    bundle::check(bytes, None, None).unwrap()
}

/// Where these bytes stand.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

on_both!(
    a_bundle_holds_the_pictures_of_its_incident_and_names_those_that_it_does_not,
    a_bundle_for_a_message_holds_none_and_says_so,
);

async fn a_bundle_holds_the_pictures_of_its_incident_and_names_those_that_it_does_not(home: Home) {
    filled(&home).await;
    let bytes = made(&home, Extent::Own, Pictures::Here, &key(&home));
    let report = checked(&bytes);
    assert!(report.is_good(), "{report:?}");
    let own: Vec<_> = report.manifest.events.iter().map(|own| own.seq.0).collect();
    assert_eq!(own, [1, 2, 3, 4, 6, 7], "what cameras took of it is its own, and nothing else");
    let here: Vec<_> = report.manifest.pictures.iter().map(|one| (one.seq.0, one.here)).collect();
    assert_eq!(here, [(2, true), (3, false), (6, true)]);
    assert_eq!(report.pictures, (2, 1));
    assert!(
        report.proven.iter().any(|what| what.starts_with("2 pictures in it are byte for byte"))
    );
    assert!(report.unproven.iter().any(|what| what.starts_with("what 1 pictures show")));
    assert!(find(&bytes, &jpeg(1, 3000)).is_some() && find(&bytes, &jpeg(3, 3000)).is_none());
    // By the program, with what every machine has.
    let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let mut args = ["bundle", "g-1", "a1", "--sign"].map(str::to_owned).to_vec();
    args.extend([file("own.key"), "--out".into(), file("a1.tar")]);
    args.extend(home.words());
    let (code, _, err) = program(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{err}");
    let listed = std::process::Command::new("tar").args(["tf", &file("a1.tar")]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&format!("pictures/{}.jpg\n", sha256(&jpeg(1, 3000)))), "{listed}");
    assert_eq!(listed.lines().count(), 6);
    let (code, out, err) = program(&["verify", "--bundle", &file("a1.tar")]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("\"pictures\":[2,1]"), "{out}");
    assert!(
        err.contains("picture of camera gate, event 3") && err.contains(", not in it"),
        "{err}"
    );
}

async fn a_bundle_for_a_message_holds_none_and_says_so(home: Home) {
    filled(&home).await;
    let bytes = made(&home, Extent::Whole, Pictures::Named, &key(&home));
    let report = checked(&bytes);
    assert!(report.is_good() && report.pictures == (0, 3), "{report:?}");
    assert!(find(&bytes, &jpeg(1, 3000)).is_none());
    assert!(find(&bytes, sha256(&jpeg(1, 3000)).as_bytes()).is_some());
    assert!(report.unproven.iter().any(|what| what.starts_with("what 3 pictures show")));
}

#[tokio::test]
async fn a_byte_of_a_picture_that_was_changed_is_found() {
    let home = Home::sqlite();
    filled(&home).await;
    let bytes = made(&home, Extent::Own, Pictures::Here, &key(&home));
    let begin = find(&bytes, &jpeg(1, 3000)).unwrap();
    for place in (begin..begin + 3000).step_by(97) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        let report = checked(&changed);
        let digest = report.wrong.iter().any(|what| what.contains("it is not that picture"));
        assert!(digest && !report.is_good(), "byte {place}: {report:?}");
    }
}

#[tokio::test]
async fn who_signs_another_picture_is_found_by_the_events() {
    let home = Home::sqlite();
    filled(&home).await;
    let bytes = made(&home, Extent::Own, Pictures::Here, &key(&home));
    let liar = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    // Another picture of the same length in its place, every digest of the container mended.
    let mut forged = bytes.clone();
    let (other, begin) = (jpeg(66, 3000), find(&bytes, &jpeg(1, 3000)).unwrap());
    forged[begin..begin + 3000].copy_from_slice(&other);
    let name = format!("pictures/{}.jpg", sha256(&jpeg(1, 3000)));
    resign(&mut forged, &liar, |told| {
        let parts = told["parts"].as_array_mut().unwrap();
        let part = parts.iter_mut().find(|part| part["name"] == name.as_str()).unwrap();
        part["blake3"] = json!(event::hex(&event::chain_hash(&other)));
    });
    let report = checked(&forged);
    assert_eq!(report.wrong.len(), 1, "{:?}", report.wrong);
    assert!(report.wrong[0].contains("event 2 names another: it is not that picture"));
    // One that the manifest does not want to know of.
    let mut hidden = bytes.clone();
    resign(&mut hidden, &liar, |told| told["pictures"][0]["here"] = json!(false));
    let report = checked(&hidden);
    assert!(report.wrong.iter().any(|what| what.contains("names other pictures than there are")));
    let mut less = bytes;
    resign(&mut less, &liar, |told| drop(told["pictures"].as_array_mut().unwrap().remove(1)));
    let report = checked(&less);
    assert!(
        report.wrong.iter().any(|what| what.contains("than the events in events.jsonl tell of"))
    );
}

/// Changes the manifest and signs it anew; it stands first, and may have another length.
fn resign(bytes: &mut Vec<u8>, pair: &Ed25519KeyPair, change: impl FnOnce(&mut Value)) {
    let size = std::str::from_utf8(&bytes[124..135]).unwrap();
    let size = usize::from_str_radix(size, 8).unwrap();
    let mut told: Value = serde_json::from_slice(&bytes[512..512 + size]).unwrap();
    change(&mut told);
    let public: Vec<u8> = pair.public_key().as_ref().to_vec();
    told["signer"] = json!(gatehouse_core::checkpoint::to_hex(&public));
    let told: Manifest = serde_json::from_value(told).unwrap();
    let mut json = serde_json::to_vec_pretty(&told).unwrap();
    json.push(b'\n');
    let rest = bytes.split_off(512 + size.next_multiple_of(512));
    bytes.truncate(512);
    bytes[124..135].copy_from_slice(format!("{:011o}", json.len()).as_bytes());
    bytes[148..156].copy_from_slice(b"        ");
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let signature = pair.sign(&json);
    bytes.extend(&json);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    let at = bytes.len() + 512;
    bytes.extend(rest);
    bytes[at..at + 64].copy_from_slice(signature.as_ref());
}
