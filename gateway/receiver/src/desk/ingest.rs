//! What one message means: inside the transaction for events, after it for everything else.

use std::sync::Arc;

use gatehouse_core::contract::{AlarmState, CommandResult, Heartbeat, RetainedState, Status};
use gatehouse_core::event;
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Now, UtcMs};
use gatehouse_core::topic::{Address, HandoverTopic};
use rumqttc::v5::mqttbytes::v5::Publish;
use serde::de::DeserializeOwned;

use super::{Desk, Fate, Inbound, MAX_GATEWAYS};
use crate::command::Answered;
use crate::correspondent::Correspondent;
use crate::gaps::{MAX_SEQ, Seen};
use crate::responders::{self, Word};
use crate::retention::{self, same};
use crate::snapshot::LATEST_EVENTS;
use crate::states::Kind;
use crate::store::{Basis, NewCall, NewEvent, Progress, StoreError, Wanted, When, Writer};
use crate::wire::{self, Bad, Head};

/// One message, before the database is asked.
enum Arrived<'a> {
    Event { at: usize, head: Head<'a>, body: &'a [u8], replayed: bool, inbound: &'a Inbound },
    Bad { at: usize, topic: &'a str, bad: Bad, inbound: &'a Inbound },
    Deferred,
    Other,
}

/// An event that is just being taken.
struct Taken<'a> {
    at: usize,
    head: &'a Head<'a>,
    body: &'a [u8],
    replayed: bool,
    /// Whether anybody will look at its bytes again.
    keep: bool,
    inbound: &'a Inbound,
}

impl Desk {
    /// Writes every event of a batch and commits. On an error nothing of it is in the database,
    /// and the touched gateways are to be read anew.
    pub(super) fn transaction(
        &mut self,
        writer: &mut dyn Writer,
        batch: &[&Inbound],
    ) -> Result<Vec<Fate>, StoreError> {
        let canonical: Vec<_> =
            batch.iter().map(|inbound| event::canonical(&inbound.publish.payload)).collect();
        let mut arrived = Vec::with_capacity(batch.len());
        for (inbound, (canonical, replayed)) in batch.iter().zip(&canonical) {
            arrived.push(self.look_at(inbound, canonical, *replayed));
        }
        if !self.touched.is_empty() {
            self.begin(writer)?;
            writer.prefetch(&self.bodies_wanted(&arrived))?;
        }
        let mut brought = vec![(0, 0); self.gateways.len()];
        let mut fates = Vec::with_capacity(batch.len());
        let mut calls = false;
        for (left, arrived) in (0..batch.len()).rev().zip(&arrived) {
            // Nobody looks at the others' bytes again.
            let keep = left < LATEST_EVENTS || self.parts.watchers.receiver_count() > 0;
            let fate = self.take(writer, arrived, keep)?;
            if let Fate::Event { at, duplicate, when, .. } = &fate {
                let (at, duplicate) = (*at, *duplicate);
                if let (Arrived::Event { head, body, .. }, Some(when)) = (arrived, when) {
                    self.shot(writer, at, head, body)?;
                    let gateway = &self.gateways[at].address;
                    self.stormy |= self.storms.event(gateway, head.seq, head.class, when.utc, body);
                    if self.parts.calling.is_some() {
                        calls |= self.call(writer, at, arrived, *when)?;
                    }
                }
                let (events, duplicates) = &mut brought[at];
                *(if duplicate { duplicates } else { events }) += 1;
            }
            fates.push(fate);
        }
        if self.touched.is_empty() {
            return Ok(fates);
        }
        for at in &self.touched {
            let gateway = &mut self.gateways[*at];
            let (events, duplicates) = brought[*at];
            gateway.counts.received += events;
            gateway.counts.duplicates += duplicates;
            if let Some((row, _)) = gateway.known {
                let (tracker, counts) = (&gateway.tracker, gateway.counts);
                let progress = Progress { row, tracker, events, duplicates, counts };
                gateway.known = Some((row, writer.progress(&progress)?));
            }
        }
        writer.commit()?;
        if let Some(calling) = self.parts.calling.as_ref().filter(|_| calls) {
            calling.notify_one();
        }
        Ok(fates)
    }

    /// Keeps that somebody may have to be told of an event, or needs not any more. Says whether it
    /// is either.
    fn call(
        &self,
        writer: &mut dyn Writer,
        at: usize,
        arrived: &Arrived<'_>,
        when: When,
    ) -> Result<bool, StoreError> {
        let Arrived::Event { head, body, inbound, .. } = arrived else { return Ok(false) };
        let gateway = &self.gateways[at];
        let Some((gw, _)) = gateway.known else { return Ok(false) };
        let (class, kind, recv) = (head.class, &*head.kind, inbound.at.utc);
        match responders::word(class, kind, body) {
            None => return Ok(false),
            Some(Word::Over(incident, end)) => writer.call_over(gw, &incident, end, recv)?,
            Some(Word::Calls(called)) => {
                let (address, event) = (&*gateway.address, &*head.id);
                let (seq, called) = (head.seq, &called);
                writer.call(&NewCall {
                    address,
                    gw,
                    seq,
                    event,
                    class,
                    kind,
                    recv,
                    when,
                    called,
                })?;
            }
        }
        Ok(true)
    }

    /// Whose it is, and whether it can be read: all that needs no database.
    fn look_at<'a>(
        &mut self,
        inbound: &'a Inbound,
        canonical: &'a [u8],
        replayed: bool,
    ) -> Arrived<'a> {
        let Some((topic, prefix, rest)) = split(&inbound.publish) else { return Arrived::Other };
        let Some(class_word) = rest.strip_prefix("ev/") else { return Arrived::Other };
        let Some(at) = self.gateway(prefix) else { return Arrived::Deferred };
        self.touched.insert(at);
        match wire::head(&self.gateways[at].address.gateway, class_word, canonical) {
            Ok(head) => Arrived::Event { at, head, body: canonical, replayed, inbound },
            Err(bad) => Arrived::Bad { at, topic, bad, inbound },
        }
    }

    /// Opens the transaction, and takes over what other receivers have done to its gateways.
    fn begin(&mut self, writer: &mut dyn Writer) -> Result<(), StoreError> {
        let now = self.parts.clock.now().mono;
        let touched: Vec<_> = self.touched.iter().copied().collect();
        let wanted = |at: &usize| {
            let gateway = &self.gateways[*at];
            Wanted { address: &gateway.address, known: gateway.known }
        };
        let wanted: Vec<_> = touched.iter().map(wanted).collect();
        for (index, loaded) in writer.begin(&wanted, now)? {
            self.gateways[touched[index]].restore(loaded);
        }
        Ok(())
    }

    /// The stored bodies that taking these may ask for.
    fn bodies_wanted(&self, arrived: &[Arrived<'_>]) -> Vec<(i64, Seq)> {
        let mut wanted = Vec::new();
        for arrived in arrived {
            let Arrived::Event { at, head, .. } = arrived else { continue };
            let gateway = &self.gateways[*at];
            let Some((row, _)) = gateway.known else { continue };
            let tip = gateway.tip.map(|(seq, _)| seq);
            let around = [Seq(head.seq.0 - 1), head.seq, head.seq.next()];
            let stored = around.into_iter().filter(|seq| gateway.tracker.contains(*seq));
            wanted.extend(
                stored.filter(|seq| Some(*seq) != tip || *seq == head.seq).map(|seq| (row, seq)),
            );
            wanted.extend(gateway.former.iter().map(|row| (*row, head.seq)));
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    fn take(
        &mut self,
        writer: &mut dyn Writer,
        arrived: &Arrived<'_>,
        keep: bool,
    ) -> Result<Fate, StoreError> {
        let (at, inbound) = match *arrived {
            Arrived::Event { at, inbound, .. } | Arrived::Bad { at, inbound, .. } => (at, inbound),
            Arrived::Deferred => return Ok(Fate::Deferred),
            Arrived::Other => return Ok(Fate::Other),
        };
        let gateway = &mut self.gateways[at];
        // Every touched gateway has a row since the transaction has begun.
        let Some((row, _)) = gateway.known else { return Ok(Fate::Deferred) };
        match arrived {
            Arrived::Event { head, body, replayed, .. } => {
                let event = Taken { at, head, body, replayed: *replayed, keep, inbound };
                store_event(writer, gateway, row, &event)
            }
            Arrived::Bad { topic, bad, .. } => {
                bad_payload(writer, gateway, at, row, topic, bad, inbound)
            }
            Arrived::Deferred | Arrived::Other => Ok(Fate::Other),
        }
    }

    /// The gateway with this prefix; none only when there are too many.
    pub(super) fn gateway(&mut self, prefix: &str) -> Option<usize> {
        if let Some(at) = self.by_prefix.get(prefix) {
            return Some(*at);
        }
        let (address, _) = Address::parse(&format!("{prefix}/x"))?;
        if self.gateways.len() >= MAX_GATEWAYS {
            tracing::error!(gateway = %address,
                "more than {MAX_GATEWAYS} gateways in one district; this one is not served");
            return None;
        }
        tracing::info!(gateway = %address, "first message of this gateway");
        let at = self.gateways.len();
        self.gateways.push(Correspondent::new(Arc::new(address)));
        self.by_prefix.insert(prefix.into(), at);
        Some(at)
    }

    /// Takes in a message that is no event: nothing of it is stored, it comes again retained.
    pub(super) fn apply(&mut self, inbound: &Inbound, now: Now) {
        if let Some(inbox) = &self.parts.inbox
            && let Ok(topic) = std::str::from_utf8(&inbound.publish.topic)
            && let Some(topic) = HandoverTopic::parse(topic)
        {
            // Its sender waits for a receipt, not for the broker.
            return inbox.put(topic, &inbound.publish.payload);
        }
        let Some((topic, prefix, rest)) = split(&inbound.publish) else { return };
        let Some(at) = self.gateway(prefix) else { return };
        let gateway = &mut self.gateways[at];
        let payload = &inbound.publish.payload[..];
        match rest.split_once('/') {
            // An empty payload is how a retained message is deleted.
            None if payload.is_empty() => {}
            None if rest == "status" => {
                if let Some(status) = read::<Status>(topic, payload) {
                    gateway.status(&status, now);
                }
            }
            None if rest == "hb" => {
                if let Some(beat) = read::<Heartbeat>(topic, payload) {
                    gateway.heartbeat(beat, now);
                }
            }
            Some(("cmd", rest)) => {
                let id = rest.strip_suffix("/res").and_then(|id| id.parse().ok());
                let result = read::<CommandResult>(topic, payload);
                if let (Some(id), Some(result)) = (id, result) {
                    let address = Arc::clone(&gateway.address);
                    // An error means that nobody waits.
                    let _ = self.parts.results.send(Arc::new(Answered { address, id, result }));
                }
            }
            Some(("alarm", id)) if payload.is_empty() => gateway.incident(id, None, now),
            Some(("alarm", id)) => {
                if let Some(state) = read::<AlarmState>(topic, payload) {
                    gateway.incident(id, Some(state), now);
                }
            }
            Some((word, id)) => {
                let Some(kind) = Kind::from_word(word) else { return };
                if payload.is_empty() {
                    gateway.thing(kind, id, None, now);
                } else if let Some(state) = read::<RetainedState>(topic, payload) {
                    gateway.thing(kind, id, Some(state), now);
                }
            }
            // `desc` says nothing yet that this receiver shows; others are for later versions.
            None => {}
        }
        self.touched.insert(at);
    }
}

/// Topic, the gateway's prefix, and what is below it.
fn split(publish: &Publish) -> Option<(&str, &str, &str)> {
    let topic = std::str::from_utf8(&publish.topic).ok()?;
    let (end, _) = topic.match_indices('/').nth(4)?;
    Some((topic, &topic[..end], &topic[end + 1..]))
}

fn read<T: DeserializeOwned>(topic: &str, payload: &[u8]) -> Option<T> {
    match serde_json::from_slice(payload) {
        Ok(message) => Some(message),
        Err(error) => {
            tracing::warn!(topic, %error, "not what the contract says; passed over");
            None
        }
    }
}

/// The number of an MQTT 5 message whose payload does not tell it.
fn seq_property(publish: &Publish) -> Option<Seq> {
    let properties = publish.properties.as_ref()?;
    let (_, value) = properties.user_properties.iter().find(|(key, _)| key == "seq")?;
    value.parse().ok().filter(|seq| (1..=MAX_SEQ).contains(seq)).map(Seq)
}

fn bad_payload(
    writer: &mut dyn Writer,
    gateway: &mut Correspondent,
    at: usize,
    row: i64,
    topic: &str,
    bad: &Bad,
    inbound: &Inbound,
) -> Result<Fate, StoreError> {
    let Bad { seq, reason } = bad;
    let seq = seq.or_else(|| seq_property(&inbound.publish));
    tracing::error!(topic, ?seq, reason, "not an event; kept in quarantine");
    // A number whose event is stored stays that event's; else the quarantine accounts for it.
    if let Some(seq) = seq
        && gateway.tracker.insert(seq, inbound.at.mono) == Seen::Refused
    {
        return Ok(Fate::Deferred);
    }
    let payload = &inbound.publish.payload;
    writer.quarantine(row, topic, seq, inbound.at.utc, reason, payload)?;
    gateway.counts.quarantined += 1;
    Ok(Fate::Bad { at: Some(at), seq })
}

fn store_event(
    writer: &mut dyn Writer,
    gateway: &mut Correspondent,
    row: i64,
    event: &Taken<'_>,
) -> Result<Fate, StoreError> {
    let Taken { at, head, body, replayed, keep, inbound } = *event;
    let recv = inbound.at.utc;
    // Only who has begun anew may bring again what is stored under its former life.
    let before = if gateway.former.is_empty() { None } else { Some(gateway.tracker.clone()) };
    let seen = gateway.tracker.insert(head.seq, inbound.at.mono);
    if seen == Seen::Refused {
        tracing::warn!(gateway = %gateway.address, seq = head.seq.0,
            "too many holes; left to the gateway until older ones are filled");
        return Ok(Fate::Deferred);
    }
    // A number that is accounted for may still be free: a gap or the quarantine stood for it.
    let stored = if seen == Seen::Known { writer.body(row, head.seq)? } else { None };
    let (mut duplicate, mut time) = (false, None);
    match stored {
        Some(stored) if same(&stored, body) => duplicate = true,
        Some(stored) if began_anew(head, &stored) && !former(writer, gateway, head, body)? => {
            tracing::error!(gateway = %gateway.address, upto = gateway.tracker.upto().0,
                "GATEWAY BEGAN ANEW: its journal was wiped or lost, and it numbers from 1 again. \
                 What it sent before is kept; what it had not sent is lost. If its flash was not \
                 wiped, its id is in use twice");
            let row = writer.begin_anew(row, &gateway.address)?;
            gateway.begin_anew(row, head.session);
            return store_event(writer, gateway, row, event);
        }
        // Left at the broker from before it began anew.
        Some(_) if former(writer, gateway, head, body)? => duplicate = true,
        Some(_) => return conflict(writer, gateway, row, event),
        None if seen == Seen::New && former(writer, gateway, head, body)? => {
            gateway.tracker = before.unwrap_or_default();
            duplicate = true;
        }
        None => {
            let when = when(writer, row, head, body, recv)?;
            time = Some(when);
            let (seq, class) = (head.seq, head.class);
            let new = NewEvent { gw: row, seq, class, recv, replayed, when, body };
            if !writer.event(&new)? {
                // The tracker was wrong about a stored event: never seen, and not worth losing one
                // over.
                match writer.body(row, head.seq)? {
                    Some(stored) if same(&stored, body) => duplicate = true,
                    _ => return conflict(writer, gateway, row, event),
                }
            }
        }
    }
    if !duplicate {
        check_chain(writer, gateway, row, head, body, recv)?;
        if head.is_gap() {
            gap(writer, gateway, row, event)?;
        }
    }
    Ok(Fate::Event {
        at,
        seq: head.seq,
        class: head.class,
        session: head.session,
        duplicate,
        when: time,
        replayed,
        body: keep.then(|| body.into()),
    })
}

/// When an event happened, as well as is known now. An anchor also tells it of the events before.
fn when(
    writer: &mut dyn Writer,
    row: i64,
    head: &Head<'_>,
    body: &[u8],
    recv: UtcMs,
) -> Result<When, StoreError> {
    let unknown = When { utc: recv, basis: Basis::Receipt };
    let Some(stamped) = wire::stamped(body) else { return Ok(unknown) };
    if head.is_anchor()
        && let Some(anchor) = stamped.as_anchor()
    {
        let corrected = writer.set_anchor(row, &stamped.boot, anchor)?;
        tracing::info!(
            row,
            seq = head.seq.0,
            corrected,
            "a time anchor: earlier events get their time"
        );
    }
    if let Some(utc) = stamped.utc() {
        return Ok(When { utc, basis: Basis::Gateway });
    }
    Ok(match writer.anchor(row, &stamped.boot)? {
        Some(anchor) => When { utc: stamped.corrected(anchor), basis: Basis::Anchor },
        None => unknown,
    })
}

/// What a `system.gap` accounts for will not be asked for any more.
fn gap(
    writer: &mut dyn Writer,
    gateway: &mut Correspondent,
    row: i64,
    event: &Taken<'_>,
) -> Result<(), StoreError> {
    match wire::gap(event.head, event.body) {
        Ok(gap) => {
            gateway.tracker.resolve(gap.from, gap.to, event.inbound.at.mono);
            writer.gap(row, gap.from, gap.to, event.head.seq, &gap.reason)?;
            tracing::warn!(gateway = %gateway.address, from = gap.from.0, to = gap.to.0,
                reason = gap.reason, "the gateway cannot send these events any more");
        }
        Err(reason) => {
            tracing::error!(gateway = %gateway.address, seq = event.head.seq.0, reason,
                "a system.gap that accounts for nothing");
        }
    }
    Ok(())
}

/// Whether an event that conflicts with a stored one is the first of another journal: the chain of
/// each begins with a random birth.
fn began_anew(head: &Head<'_>, stored: &[u8]) -> bool {
    head.seq == Seq(1) && wire::prev(stored).is_some_and(|birth| birth != head.prev)
}

/// Whether a gateway that has begun anew sent this event before.
fn former(
    writer: &mut dyn Writer,
    gateway: &Correspondent,
    head: &Head<'_>,
    body: &[u8],
) -> Result<bool, StoreError> {
    for row in &gateway.former {
        if writer.body(*row, head.seq)?.is_some_and(|stored| same(&stored, body)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn conflict(
    writer: &mut dyn Writer,
    gateway: &mut Correspondent,
    row: i64,
    event: &Taken<'_>,
) -> Result<Fate, StoreError> {
    let Taken { at, head, body, inbound, .. } = *event;
    tracing::error!(gateway = %gateway.address, seq = head.seq.0, id = %head.id,
        "CONFLICT: another event is committed under this number; both are kept. \
         Was the gateway's journal wiped or restored, or is its id in use twice?");
    writer.conflict(row, head.seq, inbound.at.utc, body)?;
    gateway.counts.conflicts += 1;
    Ok(Fate::Conflict { at, seq: head.seq })
}

/// Checks the link to the event before and from the event after, where they are there.
fn check_chain(
    writer: &mut dyn Writer,
    gateway: &mut Correspondent,
    row: i64,
    head: &Head<'_>,
    body: &[u8],
    recv: UtcMs,
) -> Result<(), StoreError> {
    let hash = event::chain_hash(body);
    let before = Seq(head.seq.0 - 1);
    let expected = match gateway.tip {
        // Nothing comes before the first: its `prev` is the birth of the gateway's journal.
        _ if before == Seq::ZERO => None,
        Some((seq, hash)) if seq == before => Some(hash),
        _ if gateway.tracker.contains(before) => {
            writer.body(row, before)?.map(|body| retention::chain_hash(&body))
        }
        _ => None,
    };
    if let Some(expected) = expected {
        link(writer, gateway, row, head.seq, &expected, &head.prev, recv)?;
    }
    let after = head.seq.next();
    if gateway.tracker.contains(after)
        && let Some(next) = writer.body(row, after)?
        && let Some(prev) = wire::prev(&next)
    {
        link(writer, gateway, row, after, &hash, &prev, recv)?;
    }
    gateway.tip = Some((head.seq, hash));
    Ok(())
}

/// One link of the chain: recorded and told when it does not hold.
fn link(
    writer: &mut dyn Writer,
    gateway: &mut Correspondent,
    row: i64,
    seq: Seq,
    expected: &[u8; 32],
    found: &str,
    recv: UtcMs,
) -> Result<(), StoreError> {
    let expected = event::hex(expected);
    if expected == found {
        return Ok(());
    }
    tracing::error!(gateway = %gateway.address, seq = seq.0, expected, found,
        "CHAIN BROKEN: prev is not the hash of the event before");
    gateway.counts.breaks += 1;
    writer.chain_break(row, seq, recv, &expected, found)
}
