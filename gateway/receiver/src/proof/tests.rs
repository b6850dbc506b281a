use gatehouse_core::event::{Class, Draft, Qualifier, Source, Stamp, render};
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

fn gateway() -> Id {
    "g-1".parse().unwrap()
}

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    key.public_key().as_ref().try_into().unwrap()
}

/// A gateway's log as it would come from it.
struct Log {
    bodies: Vec<(Seq, Vec<u8>)>,
    prev: [u8; 32],
    key: Ed25519KeyPair,
}

impl Log {
    fn new(seed: u8) -> Self {
        Self { bodies: Vec::new(), prev: [seed; 32], key: key(seed) }
    }

    fn push(&mut self, kind: &'static str, detail: Option<Value>) {
        let seq = self.bodies.last().map_or(Seq(1), |(seq, _)| seq.next());
        let draft = Draft {
            class: Class::System,
            kind: kind.into(),
            qualifier: Qualifier::Status,
            severity: 5,
            partition: None,
            source: Source { kind: "gateway".into(), id: gateway(), driver: None },
            time: Time {
                utc: UtcMs(0),
                boot: "b".into(),
                mono_ns: Mono(seq.0),
                err_ms: None,
                clock: ClockState::Never,
            },
            state: None,
            arming: None,
            actor: None,
            cause: None,
            opens: None,
            closes: None,
            detail,
            test: false,
            flags: vec![],
        };
        let stamp = Stamp { gateway: &gateway(), session: 1, seq, prev: self.prev };
        let body = render(&stamp, &draft).unwrap();
        self.prev = event::chain_hash(&body);
        self.bodies.push((seq, body));
    }

    fn events(&mut self, count: usize) {
        (0..count).for_each(|_| self.push("door.opened", None));
    }

    /// Signs the newest event.
    fn sign(&mut self) {
        let (upto, _) = *self.bodies.last().unwrap();
        let sig = self.key.sign(&checkpoint::statement(&gateway(), upto, &self.prev));
        let public = public(&self.key);
        let told = Checkpoint {
            upto,
            hash: event::hex(&self.prev),
            key: checkpoint::key_id(&public),
            public: checkpoint::to_hex(&public),
            sig: checkpoint::to_hex(sig.as_ref()),
        };
        self.push(checkpoint::EVENT, Some(serde_json::to_value(told).unwrap()));
    }

    fn remove(&mut self, seqs: std::ops::RangeInclusive<u64>) {
        self.bodies.retain(|(seq, _)| !seqs.contains(&seq.0));
    }

    /// Changes one event as who can write the database, but has no key.
    fn forge(&mut self, seq: u64, from: &str, to: &str) {
        let (_, body) = self.bodies.iter_mut().find(|(known, _)| known.0 == seq).unwrap();
        let text = String::from_utf8(body.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        *body = text.replace(from, to).into_bytes();
    }

    /// Makes the chain whole again from there on, as a patient forger does.
    fn rechain(&mut self, from: u64) {
        let place = self.bodies.iter().position(|(seq, _)| seq.0 == from).unwrap();
        for n in place + 1..self.bodies.len() {
            let hash = event::hex(&event::chain_hash(&self.bodies[n - 1].1));
            let mut event: Value = serde_json::from_slice(&self.bodies[n].1).unwrap();
            let old = event["prev"].as_str().unwrap().to_owned();
            event["prev"] = json!(hash);
            let text = String::from_utf8(self.bodies[n].1.clone()).unwrap();
            self.bodies[n].1 = text.replacen(&old, &hash, 1).into_bytes();
        }
    }

    fn proof(&self, trusted: Option<[u8; 32]>) -> Proof {
        let mut prover = Prover::new(gateway(), trusted);
        self.bodies.iter().for_each(|(_, body)| prover.take(body));
        prover.finish()
    }
}

fn ranges(parts: &[Part]) -> Vec<(u64, u64)> {
    parts.iter().map(|part| (part.from.0, part.to.0)).collect()
}

#[test]
fn what_the_device_has_signed_for_is_proven_and_the_rest_is_named() {
    let mut log = Log::new(1);
    log.events(10);
    log.sign();
    log.events(3);
    let proof = log.proof(None);
    assert!(proof.is_good(), "{proof:?}");
    assert_eq!((proof.events, proof.proven, proof.checkpoints), (14, 10, 1));
    assert_eq!((proof.range, ranges(&proof.unsigned)), ((Seq(1), Seq(14)), vec![(11, 14)]));
    assert_eq!(proof.keys.len(), 1);
    assert!(log.proof(Some(public(&log.key))).is_good());
}

#[test]
fn an_event_that_was_changed_is_found_also_by_who_mends_the_chain() {
    let mut log = Log::new(1);
    log.events(10);
    log.sign();
    log.events(2);
    log.forge(4, "door.opened", "door.closed");
    let proof = log.proof(None);
    assert_eq!((proof.wrong_count, proof.is_good()), (1, false), "{proof:?}");
    assert!(proof.wrong[0].contains("breaks at 5"), "{:?}", proof.wrong);
    assert_eq!((proof.proven, ranges(&proof.unsigned)), (6, vec![(1, 4), (11, 13)]));
    log.rechain(4);
    let proof = log.proof(None);
    assert_eq!((proof.wrong_count, proof.proven), (1, 0), "{proof:?}");
    assert!(proof.wrong[0].contains("it signs another event 10"), "{:?}", proof.wrong);
}

#[test]
fn a_whole_log_of_another_key_is_not_the_devices() {
    let mut forged = Log::new(2);
    forged.events(10);
    forged.sign();
    let proof = forged.proof(Some(public(&key(1))));
    assert!(!proof.is_good() && proof.proven == 0, "{proof:?}");
    assert!(proof.wrong[0].contains("not by"), "{:?}", proof.wrong);
    // Nobody knows the key: one device's it is, and the key is named for who can compare it.
    let proof = forged.proof(None);
    assert!(proof.is_good());
    assert_eq!(proof.keys[0].1, checkpoint::to_hex(&public(&forged.key)));
    // The key changes in the middle.
    forged.key = key(3);
    forged.events(5);
    forged.sign();
    let proof = forged.proof(None);
    assert_eq!((proof.proven, proof.wrong_count, proof.keys.len()), (10, 1, 2));
}

#[test]
fn a_signature_of_another_gateway_or_number_or_of_nothing_is_none() {
    for (from, to) in [
        ("\"sig\":\"", "\"sig\":\"00"),
        ("\"upto\":5", "\"upto\":4"),
        ("\"public\":\"", "\"public\":\"zz"),
        ("\"hash\"", "\"hush\""),
    ] {
        let mut log = Log::new(1);
        log.events(5);
        log.sign();
        log.forge(6, from, to);
        let proof = log.proof(None);
        assert_eq!((proof.wrong_count, proof.proven), (1, 0), "{from}: {proof:?}");
    }
}

#[test]
fn what_is_missing_is_accounted_for_or_not_and_what_stands_before_it_is_not_proven_by_what_follows()
{
    let mut log = Log::new(1);
    log.events(10);
    log.sign(); // 11 signs 10
    log.events(9); // 12 to 20
    log.push("system.gap", Some(json!({ "from": 15, "to": 17, "reason": "retention" })));
    log.sign(); // 22 signs 21
    log.remove(15..=18);
    let proof = log.proof(None);
    assert!(!proof.is_good(), "18 is nowhere");
    assert_eq!(ranges(&proof.accounted), [(15, 17)]);
    assert!(proof.accounted[0].why.contains("retention"), "{:?}", proof.accounted);
    assert_eq!(ranges(&proof.missing), [(18, 18)]);
    assert_eq!(ranges(&proof.unsigned), [(11, 14), (22, 22)]);
    assert_eq!(proof.proven, 10 + 3);
    // And one that begins late.
    log.remove(1..=3);
    assert_eq!(ranges(&log.proof(None).missing), [(1, 3), (18, 18)]);
}

#[test]
fn overlapping_gaps_are_taken_together() {
    let mut log = Log::new(1);
    log.events(40);
    for (from, to) in [(10, 14), (12, 20), (25, 26)] {
        log.push("system.gap", Some(json!({ "from": from, "to": to, "reason": "retention" })));
    }
    log.sign();
    log.remove(10..=30);
    let proof = log.proof(None);
    assert_eq!(ranges(&proof.accounted), [(10, 14), (15, 20), (25, 26)]);
    assert_eq!(ranges(&proof.missing), [(21, 24), (27, 30)]);
}

#[test]
fn a_log_without_checkpoints_proves_nothing() {
    let mut log = Log::new(1);
    log.events(3);
    let proof = log.proof(None);
    assert_eq!((proof.is_good(), proof.proven, ranges(&proof.unsigned)), (false, 0, vec![(1, 3)]));
    assert!(!Log::new(1).proof(None).is_good(), "nothing is nothing");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whoever changes, removes or exchanges anything of what is signed for, without the key: either
    /// it is noticed, or what is still called proven is untouched.
    #[test]
    fn nothing_that_was_touched_is_called_proven(
        pieces in prop::collection::vec(1usize..12, 1..6),
        touched in 0usize..60, how in 0u8..4, mend in any::<bool>(),
    ) {
        let mut log = Log::new(7);
        for count in pieces {
            log.events(count);
            log.sign();
        }
        let whole = log.bodies.clone();
        let place = touched % whole.len();
        let seq = whole[place].0.0;
        match how {
            0 => log.forge(seq, "\"severity\":5", "\"severity\":1"),
            1 => log.remove(seq..=seq),
            2 => log.bodies[place].1 = whole[(place + 1) % whole.len()].1.clone(),
            _ => log.forge(seq, "\"mono_ns\":", "\"mono_ns\":1"),
        }
        if mend && matches!(how, 0 | 3) {
            log.rechain(seq);
        }
        let proof = log.proof(Some(public(&key(7))));
        let (_, last) = proof.range;
        let unproven = |seq: u64| {
            let all = proof.unsigned.iter().chain(&proof.missing).chain(&proof.accounted);
            let mut all = all.map(|part| (part.from.0..=part.to.0).contains(&seq));
            all.any(|is| is) || seq > last.0
        };
        prop_assert!(unproven(seq) || !proof.is_good(), "{proof:?}");
        // Counted from the other side: what is proven is as it was.
        let there = log.bodies.iter().filter(|body| whole.contains(body)).count() as u64;
        prop_assert!(proof.proven <= there, "{proof:?}");
    }
}
