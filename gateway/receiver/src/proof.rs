//! Proves a gateway's log complete from its checkpoints, and says exactly what is not proven.
//!
//! The events go in by their numbers, as canonical bytes; nothing else is needed, neither the gateway
//! nor the receiver that took them. What comes out of it:
//!
//! * *proven*: an unbroken chain leads from the event to one whose hash the device has signed. It is
//!   byte for byte what the gateway stored, and so is everything between.
//! * *unsigned*: chained, but no signature covers it: what came behind the newest checkpoint, or stood
//!   before a hole with none between. Its own links still hold.
//! * *missing*: numbers of which there is no event. Accounted for where a `system.gap` event names
//!   them: then the gateway says that it had lost them, and nobody can tell what they were.
//!
//! A key is believed if it is the one that was given, or else if it is the only one: then the log is
//! proven to be of one device, and which one is for who compares the key with the gateway's `desc`.

use std::collections::{BTreeMap, VecDeque};

use gatehouse_core::checkpoint::{self, Checkpoint};
use gatehouse_core::event::{self, Event};
use gatehouse_core::id::{Id, Seq};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Serialize;

use crate::retention::Stump;

/// Hashes of so many events are remembered for the checkpoint that signs one of them: it comes a few
/// events later, a storm's worth at most.
const REMEMBERED: usize = 16_384;

/// The most complaints that are named; all are counted.
const NAMED: usize = 100;

/// A range of numbers, first and last, with what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The first.
    pub from: Seq,
    /// The last.
    pub to: Seq,
    /// Why it is not proven.
    pub why: String,
}

/// What is proven of one gateway's log, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The gateway.
    pub gateway: String,
    /// Events that were looked at.
    pub events: u64,
    /// The first and the last of them.
    pub range: (Seq, Seq),
    /// Of these: emptied since they have had their time. Their place is proven as any other's, and
    /// what stood there is not known.
    pub emptied: u64,
    /// Events that are proven.
    pub proven: u64,
    /// Checkpoints whose signature and hash hold.
    pub checkpoints: u64,
    /// The keys that signed them: id, public key, and the first checkpoint of each.
    pub keys: Vec<(String, String, Seq)>,
    /// Chained, but not signed for.
    pub unsigned: Vec<Part>,
    /// Missing, and accounted for by the gateway itself.
    pub accounted: Vec<Part>,
    /// Missing, and nobody says why.
    pub missing: Vec<Part>,
    /// What is wrong: a link that does not hold, a signature that does not, another key.
    pub wrong: Vec<String>,
    /// How many that are; the first hundred are named.
    pub wrong_count: u64,
}

impl Proof {
    /// Whether nothing is wrong and every number is there or accounted for. What is only unsigned is
    /// no fault: the newest events always are.
    pub const fn is_good(&self) -> bool {
        self.wrong_count == 0 && self.missing.is_empty() && self.checkpoints > 0
    }
}

/// An unbroken piece of the chain.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: Seq,
    to: Seq,
    /// Up to here it is proven.
    signed: Option<Seq>,
}

/// Takes the events of one gateway in the order of their numbers.
pub struct Prover {
    gateway: Id,
    trusted: Option<[u8; 32]>,
    proof: Proof,
    /// The number that is expected first.
    first: Seq,
    pieces: Vec<Piece>,
    before: Option<(Seq, [u8; 32])>,
    recent: VecDeque<(Seq, [u8; 32])>,
    /// What `system.gap` events account for, by the first number.
    gaps: BTreeMap<Seq, Vec<(Seq, String)>>,
}

impl Prover {
    /// Of the log of this gateway, signed by this key; without one, by whichever signed first.
    pub fn new(gateway: Id, trusted: Option<[u8; 32]>) -> Self {
        Self::of_part(gateway, trusted, Seq(1))
    }

    /// Of a part of a log that begins with this number.
    pub fn of_part(gateway: Id, trusted: Option<[u8; 32]>, first: Seq) -> Self {
        let proof = Proof { gateway: gateway.to_string(), ..Proof::default() };
        let (pieces, recent) = (Vec::new(), VecDeque::new());
        Self { gateway, trusted, proof, first, pieces, before: None, recent, gaps: BTreeMap::new() }
    }

    /// Accounts for numbers that are known not to be here.
    pub fn account(&mut self, from: Seq, to: Seq, why: String) {
        self.gaps.entry(from).or_default().push((to, why));
    }

    /// The next event: canonical bytes.
    pub fn take(&mut self, body: &[u8]) {
        if let Some(stump) = Stump::read(body) {
            if self.place(stump.seq, &stump.prev, stump.hash()) {
                self.proof.emptied += 1;
            }
            return;
        }
        let hash = event::chain_hash(body);
        let event: Event = match serde_json::from_slice(body) {
            Ok(event) => event,
            Err(error) => return self.wrong(format!("a line is no event: {error}")),
        };
        let seq = event.seq;
        if event.gw != self.gateway {
            return self.wrong(format!("event {seq} is of {}, not of this gateway", event.gw));
        }
        if !self.place(seq, &event.prev, hash) {
            return;
        }
        match &*event.draft.kind {
            "system.gap" => self.gap(&event),
            checkpoint::EVENT => self.checkpoint(&event),
            _ => {}
        }
    }

    /// Puts the next one into the chain; false if it cannot stand there.
    fn place(&mut self, seq: Seq, prev: &str, hash: [u8; 32]) -> bool {
        if self.before.is_some_and(|(before, _)| before >= seq) {
            self.wrong(format!("event {seq} stands behind one of a higher number"));
            return false;
        }
        self.proof.events += 1;
        self.chain(seq, prev);
        self.before = Some((seq, hash));
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((seq, hash));
        true
    }

    fn chain(&mut self, seq: Seq, prev: &str) {
        let follows = self.before.is_some_and(|(before, hash)| {
            let next = before.next() == seq;
            if next && event::hex(&hash) != prev {
                self.wrong(format!(
                    "the chain breaks at {seq}: it does not follow the event {before} that is here; \
                     one of the two was changed or exchanged"
                ));
                return false;
            }
            next
        });
        match self.pieces.last_mut().filter(|_| follows) {
            Some(piece) => piece.to = seq,
            None => self.pieces.push(Piece { from: seq, to: seq, signed: None }),
        }
    }

    fn gap(&mut self, event: &Event) {
        let detail = event.draft.detail.as_ref();
        let number = |key: &str| detail.and_then(|detail| detail[key].as_u64()).map(Seq);
        let (Some(from), Some(to)) = (number("from"), number("to")) else { return };
        let reason = detail.and_then(|detail| detail["reason"].as_str()).unwrap_or("no reason");
        let why = format!("the gateway has lost them ({reason}), says its event {}", event.seq);
        self.account(from, to, why);
    }

    fn checkpoint(&mut self, event: &Event) {
        let seq = event.seq;
        if let Err(why) = self.signed(event) {
            self.wrong(format!("checkpoint {seq}: {why}"));
        }
    }

    fn signed(&mut self, event: &Event) -> Result<(), String> {
        let detail = event.draft.detail.clone().unwrap_or_default();
        let told: Checkpoint =
            serde_json::from_value(detail).map_err(|error| format!("not readable: {error}"))?;
        let public = checkpoint::from_hex::<32>(&told.public).ok_or("its key is no key")?;
        let sig = checkpoint::from_hex::<64>(&told.sig).ok_or("its signature is none")?;
        let hash = checkpoint::from_hex::<32>(&told.hash).ok_or("its hash is none")?;
        let stated = checkpoint::statement(&self.gateway, told.upto, &hash);
        UnparsedPublicKey::new(&ED25519, public)
            .verify(&stated, &sig)
            .map_err(|_| "its signature does not hold")?;
        let id = checkpoint::key_id(&public);
        if !self.proof.keys.iter().any(|(known, ..)| *known == id) {
            self.proof.keys.push((id.clone(), checkpoint::to_hex(&public), event.seq));
        }
        let trusted = *self.trusted.get_or_insert(public);
        if trusted != public {
            return Err(format!(
                "signed by the key {id}, not by {}: another box, or its key was made anew",
                checkpoint::key_id(&trusted)
            ));
        }
        let found = self.recent.iter().rev().find(|(seq, _)| *seq == told.upto);
        let Some((upto, found)) = found.copied() else {
            // What it signs is missing here: it proves nothing, and is no fault.
            return Ok(());
        };
        if found != hash {
            return Err(format!("it signs another event {upto} than the one that is here"));
        }
        self.proof.checkpoints += 1;
        let holds = |piece: &&mut Piece| (piece.from..=piece.to).contains(&upto);
        if let Some(piece) = self.pieces.iter_mut().rev().find(holds) {
            piece.signed = piece.signed.max(Some(upto));
        }
        Ok(())
    }

    fn wrong(&mut self, what: String) {
        self.proof.wrong_count += 1;
        if self.proof.wrong.len() < NAMED {
            self.proof.wrong.push(what);
        }
    }

    /// What came of it. Numbers from the first on are expected: from 1, unless it is a part.
    pub fn finish(mut self) -> Proof {
        let first = self.pieces.first().map_or(self.first, |piece| piece.from);
        let last = self.pieces.last().map_or(Seq::ZERO, |piece| piece.to);
        self.proof.range = (first, last);
        let mut expected = self.first;
        for piece in std::mem::take(&mut self.pieces) {
            if piece.from > expected {
                self.hole(expected, Seq(piece.from.0 - 1));
            }
            expected = piece.to.next();
            let proven = piece.signed.map_or(0, |upto| upto.0 - piece.from.0 + 1);
            self.proof.proven += proven;
            let from = piece.signed.map_or(piece.from, Seq::next);
            if from <= piece.to {
                let why = if piece.to == last {
                    "behind the newest checkpoint: chained, not signed yet"
                } else {
                    "no checkpoint between them and the break or hole behind: chained, not signed"
                };
                let why = why.to_owned();
                self.proof.unsigned.push(Part { from, to: piece.to, why });
            }
        }
        if self.proof.checkpoints == 0 && self.proof.events > 0 {
            let from = first;
            let why = "there is no checkpoint that holds: nothing is proven".to_owned();
            self.proof.unsigned = vec![Part { from, to: last, why }];
        }
        self.proof
    }

    /// Splits a hole into what is accounted for and what is not.
    fn hole(&mut self, from: Seq, to: Seq) {
        let mut at = from;
        while at <= to {
            // The gap that reaches farthest of those that hold this number; gaps may overlap.
            let holding = self.gaps.range(..=at).flat_map(|(_, gaps)| gaps);
            let best = holding.filter(|(end, _)| *end >= at).max_by_key(|(end, _)| *end);
            if let Some((end, why)) = best {
                let end = (*end).min(to);
                self.proof.accounted.push(Part { from: at, to: end, why: why.clone() });
                at = end.next();
            } else {
                let next = self.gaps.range(at.next()..).next().map(|(from, _)| *from);
                let end = next.map_or(to, |next| Seq(next.0 - 1).min(to));
                let why = "no event, and nothing accounts for them".to_owned();
                self.proof.missing.push(Part { from: at, to: end, why });
                at = end.next();
            }
        }
    }
}

#[cfg(test)]
mod tests;
