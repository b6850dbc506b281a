//! Checks a bundle with nothing but its bytes, and says what is proven and what is not.

use std::fmt::Write as _;

use gatehouse_core::archive;
use gatehouse_core::checkpoint::{from_hex, key_id, to_hex};
use gatehouse_core::event::{self, Event};
use gatehouse_core::id::{Id, Seq};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Serialize;

use super::make::told;
use super::members::Members;
use super::{
    Act, CHAIN, EVENTS, Extent, FORMAT, MANIFEST, MODE, Manifest, PICTURED, Part, Pictured,
    SIGNATURE, pictures,
};
use crate::proof::{Proof, Prover};
use crate::retention::Stump;

/// The bytes are no bundle: damaged, changed where that shows at once, or something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no whole bundle: {0}; allowed is what `gatehouse-receiver bundle` writes, unchanged"
)]
pub struct NotABundle(String);

/// What is proven of a bundle, and what is not.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it says of itself.
    #[serde(skip)]
    pub manifest: Manifest,
    /// The district.
    pub district: Id,
    /// The community.
    pub site: Id,
    /// The gateway.
    pub gateway: Id,
    /// The incident.
    pub incident: Id,
    /// The incident's own events.
    pub events: usize,
    /// Acts on it.
    pub acts: usize,
    /// Its pictures that are here, and those of which only the SHA-256 is.
    pub pictures: (usize, usize),
    /// The receiver's key, and whether it is the one that was given.
    pub signer: (String, bool),
    /// The gateway's key, if a checkpoint tells one, and whether it is the one that was given.
    pub device: (Option<String>, bool),
    /// What is proven.
    pub proven: Vec<String>,
    /// What is not.
    pub unproven: Vec<String>,
    /// Numbers that should be here and are not.
    pub missing: Vec<(Seq, Seq)>,
    /// What is wrong.
    pub wrong: Vec<String>,
    /// The chain, as the gateway's own signatures prove it.
    pub proof: Proof,
}

impl Report {
    /// Whether nothing is wrong or missing. What is only not proven is no fault.
    pub const fn is_good(&self) -> bool {
        self.wrong.is_empty() && self.missing.is_empty()
    }
}

/// Checks a bundle. `signer` is the public key of the receiver that is believed, `device` the
/// gateway's; without one, whichever it names is taken, and said not to be compared.
///
/// # Errors
/// [`NotABundle`]. What can be read and is wrong stands in the report.
pub fn check(
    bytes: &[u8],
    signer: Option<[u8; 32]>,
    device: Option<[u8; 32]>,
) -> Result<Report, NotABundle> {
    let members = archive::read(bytes, MODE).map_err(NotABundle)?;
    let [
        (MANIFEST, json),
        (SIGNATURE, signature),
        (EVENTS, events),
        (CHAIN, chain),
        ref jpegs @ ..,
    ] = *members
    else {
        let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
        return Err(NotABundle(format!("it holds {}", names.join(", "))));
    };
    let manifest: Manifest = serde_json::from_slice(json)
        .map_err(|error| NotABundle(format!("{MANIFEST} cannot be read: {error}")))?;
    let known = match &*manifest.format {
        FORMAT => manifest.pictures.is_empty(),
        PICTURED => true,
        _ => false,
    };
    if !known {
        let what = format!("its form is {:?}, not {FORMAT:?} or {PICTURED:?}", manifest.format);
        return Err(NotABundle(what));
    }
    let mut wrong = Vec::new();
    if let Err(why) = signed(&manifest, json, signature, signer) {
        wrong.push(why);
    }
    let own = [(EVENTS, events), (CHAIN, chain)];
    let parts: Vec<_> =
        own.iter().chain(jpegs).map(|(name, bytes)| Part::of(name, bytes)).collect();
    for part in &parts {
        if !manifest.parts.contains(part) {
            wrong.push(format!(
                "{}: its BLAKE3 is {}, the manifest names another: it was changed",
                part.name, part.blake3
            ));
        }
    }
    if manifest.parts.len() != parts.len() {
        let (named, there) = (manifest.parts.len(), parts.len());
        wrong.push(format!("{MANIFEST} names {named} parts, there are {there}"));
    }
    let here = pictures::here(&manifest.pictures);
    if !here.iter().map(|one| one.name()).eq(jpegs.iter().map(|(name, _)| (*name).to_owned())) {
        wrong.push(format!("{MANIFEST} names other pictures than there are"));
    }
    for (one, (_, jpeg)) in here.iter().zip(jpegs) {
        wrong.extend(one.complaint(jpeg));
    }
    let own_key = manifest.device.as_deref().and_then(from_hex::<32>);
    let proof = chained(&manifest, events, chain, device.or(own_key), &mut wrong);
    wrong.extend(proof.wrong.iter().cloned());
    let missing: Vec<_> = proof.missing.iter().map(|part| (part.from, part.to)).collect();
    let told = proof.keys.first().map(|(_, public, _)| public.clone());
    let compared = |given: Option<[u8; 32]>, named: Option<&String>| {
        given.is_some_and(|given| named.is_some_and(|named| *named == to_hex(&given)))
    };
    let mut report = Report {
        district: manifest.district.clone(),
        site: manifest.site.clone(),
        gateway: manifest.gateway.clone(),
        incident: manifest.incident.clone(),
        events: manifest.events.len(),
        acts: manifest.acts.len(),
        pictures: {
            let here = manifest.pictures.iter().filter(|one| one.here).count();
            (here, manifest.pictures.len() - here)
        },
        signer: (manifest.signer.clone(), compared(signer, Some(&manifest.signer))),
        device: (told.clone(), compared(device, told.as_ref())),
        proven: Vec::new(),
        unproven: Vec::new(),
        missing,
        wrong,
        proof,
        manifest,
    };
    report.weigh();
    Ok(report)
}

fn signed(
    manifest: &Manifest,
    json: &[u8],
    signature: &[u8],
    signer: Option<[u8; 32]>,
) -> Result<(), String> {
    let public = from_hex::<32>(&manifest.signer)
        .ok_or_else(|| format!("{MANIFEST}: its signer is no key: 64 hex digits"))?;
    if let Some(wanted) = signer.filter(|wanted| *wanted != public) {
        return Err(format!(
            "signed by the key {}, not by {}, which was asked for",
            key_id(&public),
            key_id(&wanted)
        ));
    }
    UnparsedPublicKey::new(&ED25519, public).verify(json, signature).map_err(|_| {
        format!("{SIGNATURE}: it is no signature of this manifest by {}", key_id(&public))
    })
}

/// Goes through the events as [`Prover`] does, and compares what the manifest says of them.
fn chained(
    manifest: &Manifest,
    events: &[u8],
    chain: &[u8],
    device: Option<[u8; 32]>,
    wrong: &mut Vec<String>,
) -> Proof {
    let mut prover = Prover::of_part(manifest.gateway.clone(), device, manifest.from);
    let mut members = match &*manifest.format {
        FORMAT => Members::without_pictures(&manifest.incident),
        _ => Members::new(&manifest.incident),
    };
    let (mut own, mut acts, mut hashes) = (Vec::new(), Vec::<Act>::new(), String::new());
    let mut pictures = Vec::<Pictured>::new();
    let (mut last, mut covering) = (None, None);
    for body in events.split(|byte| *byte == b'\n').filter(|body| !body.is_empty()) {
        if let Some(stump) = Stump::read(body) {
            // A String takes everything.
            let _ = writeln!(hashes, "{} {}", stump.seq, event::hex(&stump.hash()));
            last = Some(stump.seq);
            prover.take(body);
            continue;
        }
        let Ok(event) = serde_json::from_slice::<Event>(body) else {
            // The prover names it.
            prover.take(body);
            continue;
        };
        if manifest.extent == Extent::Own {
            let before = last.map_or(manifest.from, Seq::next);
            if before < event.seq {
                prover.account(before, Seq(event.seq.0 - 1), LEFT_OUT.to_owned());
            }
        }
        prover.take(body);
        let hash = event::hex(&event::chain_hash(body));
        // A String takes everything.
        let _ = writeln!(hashes, "{} {hash}", event.seq);
        last = Some(event.seq);
        if let Some(event) = members.look(body) {
            acts.extend(members.act(&event));
            pictures.extend(Pictured::of(&event).filter(|_| manifest.format != FORMAT));
            own.push((event.seq, event.draft.kind.to_string()));
        } else if manifest.extent == Extent::Own {
            wrong.push(format!("event {} is none of this incident", event.seq));
        }
        if told(&event).is_some_and(|told| own.last().is_some_and(|(seq, _)| *seq <= told.upto)) {
            covering = Some(event.seq);
        }
    }
    let named: Vec<_> = manifest.events.iter().map(|own| (own.seq, own.kind.clone())).collect();
    if own != named {
        wrong.push(format!(
            "{MANIFEST} names other events of the incident than there are in {EVENTS}: {}",
            difference(&named, &own)
        ));
    }
    if acts != manifest.acts {
        wrong.push(format!("{MANIFEST} names other acts than there are in {EVENTS}"));
    }
    // Whether it is here is the receiver's word, and looked at elsewhere.
    let named = manifest.pictures.iter().map(|one| Pictured { here: false, ..one.clone() });
    if !named.eq(pictures) {
        wrong.push(format!("{MANIFEST} names other pictures than the events in {EVENTS} tell of"));
    }
    if hashes.as_bytes() != chain {
        wrong.push(format!("{CHAIN} is not made of the events in {EVENTS}"));
    }
    if last != Some(manifest.to) {
        wrong.push(format!("{EVENTS} does not end with event {}, as {MANIFEST} says", manifest.to));
    }
    if manifest.checkpoint != covering && manifest.checkpoint.is_some() {
        wrong.push(format!("{MANIFEST} names another checkpoint than there is in {EVENTS}"));
    }
    prover.finish()
}

const LEFT_OUT: &str = "left out: other matters";

fn difference(named: &[(Seq, String)], found: &[(Seq, String)]) -> String {
    let seq =
        |of: Option<&(Seq, String)>| of.map_or_else(|| "none".to_owned(), |(s, _)| s.to_string());
    let place = named.iter().zip(found).take_while(|(one, other)| one == other).count();
    format!("{} is named, {} is there", seq(named.get(place)), seq(found.get(place)))
}

impl Report {
    /// Says in words what follows from what was found.
    fn weigh(&mut self) {
        let Self { manifest, proof, proven, unproven, .. } = self;
        let signer = from_hex(&manifest.signer).map_or_else(String::new, |key| key_id(&key));
        if self.wrong.is_empty() {
            proven.push(format!(
                "nothing in it has changed since the receiver's key {signer} signed it"
            ));
        }
        if !self.signer.1 {
            unproven.push(format!(
                "whose key {signer} is: compare it with what the other side's `keygen` printed, or \
                 give that as --signer"
            ));
        }
        let own_last = manifest.events.last().map_or(Seq::ZERO, |own| own.seq);
        let (from, last) = (manifest.from, own_last);
        let intact = proof.wrong.is_empty() && proof.missing.is_empty();
        match (manifest.extent, manifest.checkpoint) {
            (Extent::Whole, Some(checkpoint)) if intact && proof.checkpoints > 0 => {
                let device = self.device.0.as_deref().and_then(from_hex).map(|key| key_id(&key));
                let device = device.unwrap_or_default();
                proven.push(format!(
                    "the events {from} to {last} are byte for byte what the gateway stored, in this \
                     order, with none between them left out: its key {device} has signed for them in \
                     event {checkpoint}"
                ));
                if !self.device.1 {
                    unproven.push(format!(
                        "whose key {device} is: compare it with the gateway's `desc`, or give that \
                         as --key"
                    ));
                }
            }
            (Extent::Whole, None) if intact => unproven.push(format!(
                "no checkpoint yet after event {last}: by the chain the order from {from} is proven, \
                 and that none between is left out; the end is not, nor that it is this gateway's"
            )),
            (Extent::Own, _) => unproven.push(format!(
                "only the incident's own events are in it: that none of {from} to {last} is left \
                 out, and that the gateway stored them so, is the receiver's word"
            )),
            _ => {}
        }
        let (here, named) = self.pictures;
        if here > 0 && self.wrong.is_empty() {
            proven.push(format!(
                "{here} pictures in it are byte for byte those whose SHA-256 the gateway's events name"
            ));
        }
        if named > 0 {
            unproven.push(format!(
                "what {named} pictures show: they are not in it, left out or lost; the gateway's events \
                 name their SHA-256, by which each can be known"
            ));
        }
        unproven.push(
            "when events came to the receiver, and what it knows better of their time: its word"
                .to_owned(),
        );
    }
}
