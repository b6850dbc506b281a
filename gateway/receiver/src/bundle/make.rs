//! Makes a bundle from the database.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gatehouse_core::archive;
use gatehouse_core::checkpoint::{self, Checkpoint};
use gatehouse_core::event::{self, Event};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::topic::Address;

use super::members::{Members, holds, is_taken};
use super::{
    Act, CHAIN, EVENTS, Extent, FORMAT, MANIFEST, MAX_BYTES, MODE, Manifest, Own, PICTURED, Part,
    Pictured, Pictures, SIGNATURE, pictures,
};
use crate::operator::Place;
use crate::retention;
use crate::signing::SigningKey;
use crate::store::{Filter, Store, StoreError, Stored};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The database.
    #[error("the database cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The id is wrong, or its events have not come here.
    #[error(
        "no event of an incident {incident} of {place} is in this database; `query` shows what is"
    )]
    NoIncident {
        /// Of which gateway.
        place: Place,
        /// Which.
        incident: Id,
    },
    /// More than one site has a gateway of this id.
    #[error("{place} is the id of more than one gateway; name its site too: {sites}")]
    Ambiguous {
        /// As it was named.
        place: Place,
        /// The sites that have one.
        sites: String,
    },
    /// What stands in the database is no address.
    #[error("the database names a gateway that has no address: {0}")]
    Address(String),
    /// There are too many events between.
    #[error(
        "the events {from} to {to} are larger than a bundle may be ({} MiB); hint: --own leaves out \
         those of other matters", MAX_BYTES / 1024 / 1024
    )]
    TooLarge {
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// Our bug.
    #[error("the manifest cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// What one look through the gateway's log finds.
struct Found {
    members: Members,
    events: Vec<Own>,
    acts: Vec<Act>,
    pictures: Vec<Pictured>,
    /// The first checkpoint that covers all of them, and its number.
    covering: Option<(Seq, Checkpoint)>,
    /// The key of the newest checkpoint.
    device: Option<String>,
}

impl Found {
    fn take(&mut self, stored: &Stored) {
        if holds(&stored.body, checkpoint::EVENT.as_bytes()) {
            self.checkpoint(stored);
        }
        let Some(event) = self.members.look(&stored.body) else { return };
        self.acts.extend(self.members.act(&event));
        self.pictures.extend(Pictured::of(&event));
        self.covering.take_if(|(_, told)| told.upto < stored.seq);
        self.events.push(Own {
            seq: stored.seq,
            kind: event.draft.kind.into_owned(),
            utc: stored.when.utc,
            basis: stored.when.basis.as_str().to_owned(),
            recv: stored.recv,
        });
    }

    fn checkpoint(&mut self, stored: &Stored) {
        let Ok(event) = serde_json::from_slice::<Event>(&stored.body) else { return };
        let Some(told) = told(&event) else { return };
        self.device = Some(told.public.clone());
        if self.covering.is_none() && self.events.last().is_some_and(|own| own.seq <= told.upto) {
            self.covering = Some((stored.seq, told));
        }
    }
}

/// What a checkpoint says, if the event is one.
pub(super) fn told(event: &Event) -> Option<Checkpoint> {
    if event.draft.kind != checkpoint::EVENT {
        return None;
    }
    serde_json::from_value(event.draft.detail.clone()?).ok()
}

/// The bytes of the bundle of this incident, signed.
///
/// Looks through the gateway's whole log once: what belongs to an incident is not in an index.
///
/// # Errors
/// See [`MakeError`].
pub fn make(
    store: &Store,
    place: &Place,
    incident: &Id,
    extent: Extent,
    wanted: Pictures,
    key: &SigningKey,
) -> Result<Vec<u8>, MakeError> {
    let mut found = Found {
        members: Members::new(incident),
        events: Vec::new(),
        acts: Vec::new(),
        pictures: Vec::new(),
        covering: None,
        device: None,
    };
    let ours =
        |stored: &Stored| place.site.as_ref().is_none_or(|site| site.as_str() == stored.site);
    let mut homes = BTreeSet::new();
    let filter = Filter { gateway: Some(place.gateway.clone()), ..Filter::default() };
    store.query(&filter, |stored| {
        if ours(&stored) {
            found.take(&stored);
            homes.insert((stored.district, stored.site));
        }
        Ok::<_, MakeError>(())
    })?;
    if homes.len() > 1 {
        let sites: Vec<_> = homes.iter().map(|(_, site)| site.as_str()).collect();
        return Err(MakeError::Ambiguous { place: place.clone(), sites: sites.join(", ") });
    }
    let (Some(home), Some(first), Some(last)) =
        (homes.pop_first(), found.events.first(), found.events.last())
    else {
        return Err(MakeError::NoIncident { place: place.clone(), incident: incident.clone() });
    };
    let covering = found.covering.filter(|_| extent == Extent::Whole);
    let (from, to) = (first.seq, covering.as_ref().map_or(last.seq, |(seq, _)| *seq));
    let own: BTreeSet<Seq> = found.events.iter().map(|own| own.seq).collect();
    let (mut events, mut chain) = (Vec::new(), String::new());
    let filter = Filter { from: Some(from), to: Some(to), ..filter };
    store.query(&filter, |stored| {
        if !ours(&stored) || (extent == Extent::Own && !own.contains(&stored.seq)) {
            return Ok(());
        }
        if (events.len() + stored.body.len()) as u64 > MAX_BYTES / 2 {
            return Err(MakeError::TooLarge { from, to });
        }
        let hash = event::hex(&retention::chain_hash(&stored.body));
        // A String takes everything.
        let _ = writeln!(chain, "{} {hash}", stored.seq);
        events.extend_from_slice(&stored.body);
        events.push(b'\n');
        Ok(())
    })?;
    let (district, site) = home;
    let id = |text: String| text.parse::<Id>().map_err(|_| MakeError::Address(text));
    let address =
        Address { district: id(district)?, site: id(site)?, gateway: place.gateway.clone() };
    let jpegs = match wanted {
        Pictures::Here => here(store, &address, &mut found.pictures)?,
        Pictures::Named => Vec::new(),
    };
    let mut parts = vec![Part::of(EVENTS, &events), Part::of(CHAIN, chain.as_bytes())];
    parts.extend(jpegs.iter().map(|(name, jpeg)| Part::of(name, jpeg)));
    let pictured = found.events.iter().any(|own| is_taken(&own.kind));
    let Address { district, site, gateway } = address;
    let manifest = Manifest {
        format: if pictured { PICTURED } else { FORMAT }.to_owned(),
        district,
        site,
        gateway,
        incident: incident.clone(),
        extent,
        from,
        to,
        checkpoint: covering.as_ref().map(|(seq, _)| *seq),
        // A key that was made anew later has not signed this.
        device: covering.map(|(_, told)| told.public).or(found.device),
        signer: key.public(),
        events: found.events,
        acts: found.acts,
        pictures: found.pictures,
        parts,
    };
    sealed(&manifest, &events, chain.as_bytes(), &jpegs, key)
}

/// The pictures that are in the database, with their names in the container, as far as there is room.
fn here(
    store: &Store,
    address: &Address,
    all: &mut [Pictured],
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let (mut found, mut bytes) = (Vec::<(String, Vec<u8>)>::new(), 0);
    for one in all {
        let name = one.name();
        if found.iter().any(|(known, _)| *known == name) {
            one.here = true;
            continue;
        }
        let Some(jpeg) = store.jpeg(address, &one.sha256)? else { continue };
        // What the database has is not that picture any more: it is not here.
        let is_it = one.complaint(&jpeg).is_none();
        if is_it && bytes + jpeg.len() <= pictures::MAX_BYTES && found.len() < pictures::MOST {
            one.here = true;
            bytes += jpeg.len();
            found.push((name, jpeg));
        }
    }
    Ok(found)
}

/// The container of a manifest and its parts.
pub(super) fn sealed(
    manifest: &Manifest,
    events: &[u8],
    chain: &[u8],
    jpegs: &[(String, Vec<u8>)],
    key: &SigningKey,
) -> Result<Vec<u8>, MakeError> {
    let mut json = serde_json::to_vec_pretty(manifest)?;
    json.push(b'\n');
    let signature = key.seal(&json);
    let mut members: Vec<archive::Member<'_>> =
        vec![(MANIFEST, &json), (SIGNATURE, &signature), (EVENTS, events), (CHAIN, chain)];
    members.extend(jpegs.iter().map(|(name, jpeg)| (name.as_str(), &jpeg[..])));
    Ok(archive::write(&members, MODE))
}
