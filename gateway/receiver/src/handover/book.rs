//! What a room does about handovers, each in one transaction of its ledger: no network, no waiting.

use std::sync::Arc;

use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::event::{Event, chain_hash};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::{Address, HandoverTopic};

use super::matter::{Entry, Handover, Outcome, Side, State};
use super::message::{self, Act, MAX_BUNDLE, Message, Offer, Said};
use super::peers::{Peer, Rooms};
use super::{HandoverError, Offered};
use crate::bundle::{self, Extent, MakeError, Members, Pictures, Report};
use crate::clock::Clock;
use crate::operator::Place;
use crate::store::{Change, Filter, Kept, Ledger, Spoken, Store, StoreError};

/// Offers of one peer that nobody has answered, at most: one more is refused, so that a room gone mad
/// does not bury another.
const MAX_OFFERS: usize = 64;

/// See the module's page.
pub(crate) struct Book {
    pub(crate) voice: Voice,
    pub(crate) ledger: Box<dyn Ledger>,
    /// The events, to read.
    pub(crate) store: Store,
}

/// How this room speaks.
#[derive(Clone)]
pub(crate) struct Voice {
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What is to be sent at once after a message was taken in.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) topic: HandoverTopic,
    pub(crate) payload: Vec<u8>,
}

impl Voice {
    fn now(&self) -> UtcMs {
        self.clock.now().utc
    }

    /// Where this peer hears of this handover; none: the file does not name it any more.
    pub(crate) fn topic(&self, peer: &Id, id: &Id) -> Option<HandoverTopic> {
        let peer = self.rooms.peer(peer)?;
        let (district, to) = (peer.district.clone(), peer.name.clone());
        Some(HandoverTopic { district, to, from: self.rooms.name.clone(), id: id.clone() })
    }

    /// Numbers and seals what is said of a matter.
    fn say(&self, matter: &mut Handover, all: Vec<Said>) -> Result<Vec<Spoken>, HandoverError> {
        let no_peer = || HandoverError::NoPeer(matter.peer.clone(), self.known());
        let (topic, at) = (self.topic(&matter.peer, &matter.id).ok_or_else(no_peer)?, self.now());
        let mut spoken = Vec::with_capacity(all.len());
        for said in all {
            matter.said += 1;
            let (number, kind) = (matter.said, said.kind().to_owned());
            let payload = message::seal(&Message { number, at, said }, &topic, &self.rooms.key)?;
            spoken.push(Spoken { number, kind, at, payload });
        }
        Ok(spoken)
    }

    fn known(&self) -> String {
        let names: Vec<_> = self.rooms.peers.iter().map(|peer| peer.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl Book {
    fn now(&self) -> UtcMs {
        self.voice.now()
    }

    /// What a room is to look after, and to show.
    pub(crate) fn list(&mut self) -> Result<Vec<Kept>, StoreError> {
        let now = self.now();
        self.ledger.list(now)
    }

    /// Changes one matter, and keeps what is to be said of it.
    fn change<T>(
        &mut self,
        id: &Id,
        work: impl FnOnce(&mut Handover) -> Result<(T, Vec<Said>), HandoverError>,
    ) -> Result<T, HandoverError> {
        let Self { voice, ledger, .. } = self;
        let mut work = Some(work);
        let mut done = Err(HandoverError::Unknown(id.clone()));
        ledger.change(id, &mut |known| {
            let (mut matter, work) = known.zip(work.take())?;
            let wanted = work(&mut matter);
            let said = wanted.and_then(|(value, said)| Ok((value, voice.say(&mut matter, said)?)));
            let (value, said) = said.map_err(|error| done = Err(error)).ok()?;
            done = Ok(value);
            Some(Change { matter, said, heard: None, upto: None })
        })?;
        done
    }

    /// Offers an incident of a gateway of ours to a peer. Returns the handover's id once the offer
    /// is kept; it is on its way from then on.
    pub(crate) fn offer(&mut self, offered: Offered) -> Result<Id, HandoverError> {
        let Offered { peer, address, incident, operator } = offered;
        if self.voice.rooms.peer(&peer).is_none() {
            return Err(HandoverError::NoPeer(peer, self.voice.known()));
        }
        let same = |matter: &Handover| {
            (&matter.site, &matter.gateway, &matter.incident.id)
                == (&address.site, &address.gateway, &incident.id)
        };
        let all = self.list()?;
        if let Some(before) = all.iter().map(|kept| &kept.matter).find(|m| m.is_open() && same(m)) {
            let (state, peer) = (before.state, before.peer.clone());
            return Err(HandoverError::Already { incident: incident.id, state, peer });
        }
        let (bundle, report) = self.bundle(&address, &incident.id)?;
        let Address { district, site, gateway } = address;
        let offer = Offer { district, site, gateway, incident, operator, bundle };
        let id = format!("h-{:012x}", fastrand::u64(..) & 0xffff_ffff_ffff);
        let id: Id = id.parse().unwrap_or_else(|_| unreachable!("h- and hex digits are an id"));
        let history = entries(&report);
        let now = self.now();
        let mut matter = Handover::giving(id.clone(), peer, &offer, now);
        (matter.from, matter.told) = (report.manifest.from, last(&report));
        matter.remember(history);
        let said = self.voice.say(&mut matter, vec![Said::Offer(Box::new(offer))])?;
        let change = Change { matter, said, heard: None, upto: None };
        let mut change = Some(change);
        self.ledger.change(&id, &mut |_| change.take())?;
        Ok(id)
    }

    /// The bundle of an incident: the whole, or if that is too large the incident's own events.
    fn bundle(&self, at: &Address, incident: &Id) -> Result<(Vec<u8>, Report), HandoverError> {
        let place = Place { site: Some(at.site.clone()), gateway: at.gateway.clone() };
        let mut size = 0;
        for extent in [Extent::Whole, Extent::Own] {
            let bytes =
                // A message holds no picture: their SHA-256 go in the events.
                match bundle::make(
                    &self.store,
                    &place,
                    incident,
                    extent,
                    Pictures::Named,
                    &self.voice.rooms.key,
                ) {
                    Err(MakeError::TooLarge { .. }) => continue,
                    made => made?,
                };
            size = bytes.len();
            if size > MAX_BUNDLE {
                continue;
            }
            if let Ok(report) = bundle::check(&bytes, None, None)
                && report.is_good()
            {
                return Ok((bytes, report));
            }
        }
        if size > MAX_BUNDLE {
            return Err(HandoverError::TooLarge { incident: incident.clone(), bytes: size });
        }
        Err(HandoverError::NotWhole(incident.clone()))
    }

    /// An operator of ours takes an offer.
    pub(crate) fn accept(&mut self, id: &Id, operator: &str) -> Result<(), HandoverError> {
        let now = self.now();
        self.change(id, |matter| Ok(((), vec![matter.accept(operator, now)?])))
    }

    /// An operator of ours does not.
    pub(crate) fn refuse(&mut self, id: &Id, by: &str, why: &str) -> Result<(), HandoverError> {
        let now = self.now();
        self.change(id, |matter| Ok(((), vec![matter.refuse(Some(by), why, now)?])))
    }

    /// An operator of ours takes an offer back.
    pub(crate) fn withdraw(&mut self, id: &Id, by: &str) -> Result<(), HandoverError> {
        let now = self.now();
        self.change(id, |matter| Ok(((), vec![matter.withdraw(by, now)?])))
    }

    /// An operator of ours acts on what was taken over; the number of the act.
    pub(crate) fn ask(&mut self, id: &Id, act: Act) -> Result<u64, HandoverError> {
        let now = self.now();
        self.change(id, |matter| {
            let said = matter.ask(act, now)?;
            Ok((matter.said + 1, vec![said]))
        })
    }

    /// What came of a taker's act at the gateway.
    pub(crate) fn outcome(
        &mut self,
        id: &Id,
        act: u64,
        outcome: Outcome,
    ) -> Result<(), HandoverError> {
        self.change(id, |matter| Ok(((), matter.outcome(act, outcome).into_iter().collect())))
    }

    /// Tells the taker what the gateway has recorded of the incident since. Looks into the database,
    /// so nothing is missed that was committed while this room was away.
    pub(crate) fn follow(&mut self, matter: &Handover) -> Result<(), HandoverError> {
        let fresh: Vec<_> =
            self.events(matter)?.into_iter().filter(|(event, _)| event.seq > matter.told).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let own = self.voice.rooms.name.clone();
        self.change(&matter.id, |matter| {
            let mut said = Vec::new();
            for (event, body) in &fresh {
                // Another receiver of this room may have been faster.
                if event.seq > matter.told {
                    matter.happened(event, &own);
                    said.push(Said::Event { body: body.clone() });
                }
            }
            Ok(((), said))
        })
    }

    /// The incident's events, with their bytes.
    fn events(&self, matter: &Handover) -> Result<Vec<(Event, String)>, StoreError> {
        let mut members = Members::new(&matter.incident.id);
        let mut found = Vec::new();
        let filter = Filter {
            gateway: Some(matter.gateway.clone()),
            from: Some(matter.from),
            ..Filter::default()
        };
        self.store.query(&filter, |stored| {
            let ours =
                stored.site == matter.site.as_str() && stored.district == matter.district.as_str();
            if ours
                && let Some(event) = members.look(&stored.body)
                && let Ok(body) = String::from_utf8(stored.body)
            {
                found.push((event, body));
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(found)
    }

    /// The gateway's event of an act, if it has done it: a room that was killed meanwhile must not
    /// take it for failed.
    pub(crate) fn done_already(
        &self,
        matter: &Handover,
        nonce: &str,
    ) -> Result<Option<Seq>, StoreError> {
        let of = |(event, _): &(Event, String)| {
            let detail = event.draft.detail.as_ref()?;
            (detail.get("nonce")?.as_str()? == nonce).then_some(event.seq)
        };
        Ok(self.events(matter)?.iter().find_map(of))
    }

    /// The bundle of an offer that has come.
    pub(crate) fn taken_bundle(&mut self, id: &Id) -> Result<Vec<u8>, HandoverError> {
        let kept = self.list()?.into_iter().find(|kept| kept.matter.id == *id);
        let unknown = || HandoverError::Unknown(id.clone());
        let matter =
            kept.filter(|kept| kept.matter.side == Side::Taken).ok_or_else(unknown)?.matter;
        let payload = self.ledger.heard(id, 1)?.ok_or_else(unknown)?;
        let peer = self.voice.rooms.peer(&matter.peer).ok_or_else(unknown)?;
        match message::open(&payload, &self.own_topic(peer, id), &peer.key) {
            Ok(Message { said: Said::Offer(offer), .. }) => Ok(offer.bundle),
            _ => Err(unknown()),
        }
    }

    fn own_topic(&self, peer: &Peer, id: &Id) -> HandoverTopic {
        let Rooms { name, district, .. } = &*self.voice.rooms;
        let (district, to) = (district.clone(), name.clone());
        HandoverTopic { district, to, from: peer.name.clone(), id: id.clone() }
    }

    /// Takes in what came under a topic. Returns the receipt once it is kept, or was kept before;
    /// nothing if it is to be passed over, which the log explains.
    pub(crate) fn hear(
        &mut self,
        topic: &HandoverTopic,
        payload: &[u8],
    ) -> Result<Option<Reply>, StoreError> {
        let pass = |why: &dyn std::fmt::Display| {
            tracing::warn!(%topic, why = %why, "a message of a control room is passed over");
            Ok(None)
        };
        let rooms = Arc::clone(&self.voice.rooms);
        if (&topic.district, &topic.to) != (&rooms.district, &rooms.name) {
            return pass(&"it is for another room");
        }
        let Some(peer) = rooms.peer(&topic.from) else {
            return pass(&"the peers' file does not name who sent it");
        };
        let message = match message::open(payload, topic, &peer.key) {
            Ok(message) => message,
            Err(error) => return pass(&error),
        };
        let (number, sent, now) = (message.number, message.at, self.now());
        let kind = message.said.kind().to_owned();
        let weighed = match &message.said {
            Said::Offer(offer) => Some(self.weigh(peer, offer)?),
            _ => None,
        };
        let heard = Spoken { number, kind, at: now, payload: payload.to_vec() };
        let (mut said, mut heard) = (Some(message.said), Some(heard));
        let mut before = None;
        let Self { voice, ledger, .. } = self;
        let wrote = ledger.change(&topic.id, &mut |known| {
            let said = said.take()?;
            let mut matter = match (known, &said) {
                (Some(matter), _) if matter.peer != peer.name => {
                    tracing::warn!(%topic, "the handover is another peer's; passed over");
                    return None;
                }
                (Some(matter), Said::Receipt { upto }) => {
                    let (said, upto) = (Vec::new(), Some((*upto).min(matter.said)));
                    return Some(Change { matter, said, heard: None, upto });
                }
                (Some(matter), _) if number <= matter.heard => {
                    before = Some(matter.heard);
                    return None;
                }
                (Some(matter), _) if number != matter.heard + 1 => {
                    tracing::debug!(%topic, number, "it is not its turn; it comes again");
                    return None;
                }
                (Some(matter), _) => matter,
                (None, Said::Offer(offer)) if number == 1 => {
                    let mut matter =
                        Handover::taking(topic.id.clone(), peer.name.clone(), offer, now);
                    matter.heard = 1;
                    let answer = match weighed.as_ref()? {
                        Ok((history, told)) => {
                            let named = |mut entry: Entry| {
                                entry.by = entry.by.map(|by| matter.named(&by, &rooms.name));
                                entry
                            };
                            let history = history.iter().cloned().map(named).collect();
                            matter.told = *told;
                            matter.remember(history);
                            Vec::new()
                        }
                        Err(why) => vec![matter.refuse(None, why, now).ok()?],
                    };
                    let said = voice.say(&mut matter, answer).ok()?;
                    return Some(Change { matter, said, heard: heard.take(), upto: None });
                }
                (None, _) => {
                    tracing::debug!(%topic, number, "of a handover that is not known here");
                    return None;
                }
            };
            let answers = matter.hear(said, sent, &rooms.name, now);
            let said = voice.say(&mut matter, answers).ok()?;
            Some(Change { matter, said, heard: heard.take(), upto: None })
        });
        let upto = match (wrote?, before) {
            _ if number == 0 => return Ok(None),
            (true, _) => number,
            // A replay, or our receipt was lost: it is said again, and nothing is done again.
            (false, Some(upto)) => {
                if self.ledger.heard(&topic.id, number)?.is_some_and(|known| known != payload) {
                    return pass(&"another message came under its number before");
                }
                upto
            }
            (false, None) => return Ok(None),
        };
        let Some(topic) = self.voice.topic(&peer.name, &topic.id) else { return Ok(None) };
        let receipt = Message { number: 0, at: now, said: Said::Receipt { upto } };
        let payload = message::seal(&receipt, &topic, &rooms.key).ok();
        Ok(payload.map(|payload| Reply { topic, payload }))
    }

    /// Whether an offer may be shown to an operator: the history that it tells and the last event of
    /// it, or a word why not.
    fn weigh(
        &mut self,
        peer: &Peer,
        offer: &Offer,
    ) -> Result<Result<(Vec<Entry>, Seq), String>, StoreError> {
        let may = peer.may_offer.as_ref();
        if may.is_some_and(|classes| !classes.contains(&offer.incident.class)) {
            return Ok(Err("class".to_owned()));
        }
        let open = |kept: &Kept| {
            let Handover { peer: of, side, state, .. } = &kept.matter;
            (of, *side, *state) == (&peer.name, Side::Taken, State::Offered)
        };
        if self.list()?.iter().filter(|kept| open(kept)).count() >= MAX_OFFERS {
            return Ok(Err("too_many".to_owned()));
        }
        let report = match bundle::check(&offer.bundle, Some(peer.key), None) {
            Ok(report) if report.is_good() => report,
            Ok(report) => {
                tracing::warn!(peer = %peer.name, wrong = ?report.wrong, missing = ?report.missing,
                    "an offer's bundle does not hold");
                return Ok(Err("bundle".to_owned()));
            }
            Err(error) => {
                tracing::warn!(peer = %peer.name, %error, "an offer's bundle does not hold");
                return Ok(Err("bundle".to_owned()));
            }
        };
        let told = (&report.district, &report.site, &report.gateway, &report.incident);
        let same = told == (&offer.district, &offer.site, &offer.gateway, &offer.incident.id);
        if !same || offer.district != peer.district {
            return Ok(Err("bundle".to_owned()));
        }
        Ok(Ok((entries(&report), last(&report))))
    }
}

/// The last of the incident's own events.
fn last(report: &Report) -> Seq {
    report.manifest.events.last().map_or(Seq::ZERO, |own| own.seq)
}

/// The history that a bundle tells: the gateway's names, as they are.
fn entries(report: &Report) -> Vec<Entry> {
    let acts = &report.manifest.acts;
    let of = |own: &bundle::Own| {
        let act = acts.iter().find(|act| act.seq == own.seq);
        Entry {
            seq: own.seq,
            kind: own.kind.clone(),
            by: act.and_then(|act| act.by.clone()),
            at: own.utc,
            text: act.and_then(|act| act.text.clone()),
        }
    };
    report.manifest.events.iter().map(of).collect()
}

/// The nonce under which a gateway does a taker's act, once however often it is handed over.
pub(crate) fn nonce(peer: &Id, id: &Id, act: u64) -> String {
    to_hex(&chain_hash(format!("{peer} {id} {act}").as_bytes())[..16])
}

/// Whether an act of the operator desk is one that the taker alone does.
pub(crate) fn is_takers(op: AlarmOp) -> bool {
    op != AlarmOp::Note
}
