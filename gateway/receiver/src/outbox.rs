//! What the database's thread wants said on the wire, until the connection can say it.
//!
//! The thread that commits must never wait for the network, and the network task must never wait
//! for the disk. Both meet here, and what lies here is bounded by what it is: acknowledgements by
//! the receive maximum that the broker was told, receipts by one per gateway, since a newer
//! receipt says all that an older said, operators' acts by [`MAX_ACTS`]: one more is refused.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_core::contract::Receipt;
use gatehouse_core::topic::Address;
use tokio::sync::{Notify, oneshot};

use crate::receipts::MAX_NAKS;

/// Acts of operators that may lie here: a control room has not so many people.
const MAX_ACTS: usize = 64;

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// Which connection the acknowledgements are for.
    epoch: u64,
    acks: VecDeque<u16>,
    receipts: BTreeMap<Arc<Address>, Receipt>,
    /// The order in which they became due; each address once.
    order: VecDeque<Arc<Address>>,
    acts: VecDeque<Saying>,
    /// The database takes no commits at present.
    failing: bool,
    /// Nothing more will come: the database's thread has ended.
    finished: bool,
}

/// Something to say.
#[derive(Debug)]
pub(crate) enum Say {
    Ack(u16),
    Act(Saying),
    Receipt(Arc<Address>, Receipt),
}

/// An operator's act on its way to a gateway.
#[derive(Debug)]
pub(crate) struct Saying {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// Then the broker drops it: it must not be kept for a gateway that comes back after the
    /// operator was told that nothing came of it.
    pub(crate) expiry: Duration,
    /// Where and with what an answer is wanted (MQTT 5: Response Topic, Correlation Data).
    pub(crate) respond: Option<(String, Vec<u8>)>,
    /// Told what the broker makes of it. When nobody listens any more, it is not said again: an
    /// operator who was told that it failed must not be surprised later.
    pub(crate) told: oneshot::Sender<Taken>,
}

/// What a broker makes of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It has it.
    Held,
    /// It has it, and no gateway listens there.
    NobodyListens,
    /// It refuses it, for this reason.
    Refused(String),
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete under its lock, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection has begun: acknowledgements of the one before would be taken for others.
    pub(crate) fn connected(&self, epoch: u64) {
        let mut inner = self.lock();
        inner.epoch = epoch;
        inner.acks.clear();
    }

    /// These are committed. Ignored unless they came in by the present connection.
    pub(crate) fn acks(&self, committed: impl Iterator<Item = (u64, u16)>) {
        let mut inner = self.lock();
        let epoch = inner.epoch;
        inner.acks.extend(committed.filter(|(of, _)| *of == epoch).map(|(_, pkid)| pkid));
        drop(inner);
        self.wake.notify_one();
    }

    /// A receipt is due. One that still lies here is replaced; what it refused or asked for stays.
    pub(crate) fn receipt(&self, address: &Arc<Address>, receipt: Receipt) {
        self.lock().put(address, receipt, true);
        self.wake.notify_one();
    }

    /// A receipt that was handed over to a connection which then ended. A newer one goes before.
    pub(crate) fn give_back(&self, address: &Arc<Address>, old: Receipt) {
        self.lock().put(address, old, false);
    }

    /// An operator's act is to be said.
    ///
    /// # Errors
    /// Given back when there are too many.
    pub(crate) fn act(&self, saying: Saying) -> Result<(), Saying> {
        let mut inner = self.lock();
        inner.acts.retain(|waiting| !waiting.told.is_closed());
        if inner.finished || inner.acts.len() >= MAX_ACTS {
            return Err(saying);
        }
        inner.acts.push_back(saying);
        drop(inner);
        self.wake.notify_one();
        Ok(())
    }

    /// An act that was handed over to a connection which then ended. The gateway does it once,
    /// however often it comes.
    pub(crate) fn give_back_act(&self, saying: Saying) {
        self.lock().acts.push_front(saying);
    }

    /// Whether the database takes commits.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
        self.wake.notify_one();
    }

    pub(crate) fn failing(&self) -> bool {
        self.lock().failing
    }

    /// Nothing more will come.
    pub(crate) fn finish(&self) {
        self.lock().finished = true;
        self.wake.notify_one();
    }

    /// Nothing more will come and nothing lies here.
    pub(crate) fn is_done(&self) -> bool {
        let inner = self.lock();
        inner.finished && inner.acks.is_empty() && inner.order.is_empty()
    }

    /// The next thing to say: acknowledgements first, for the broker sends on only when it has
    /// them; acts and receipts only while `receipts` allows.
    pub(crate) fn next(&self, receipts: bool) -> Option<Say> {
        let mut inner = self.lock();
        if let Some(pkid) = inner.acks.pop_front() {
            return Some(Say::Ack(pkid));
        }
        if !receipts {
            return None;
        }
        while let Some(saying) = inner.acts.pop_front() {
            if !saying.told.is_closed() {
                return Some(Say::Act(saying));
            }
        }
        let address = inner.order.pop_front()?;
        let receipt = inner.receipts.remove(&address)?;
        Some(Say::Receipt(address, receipt))
    }

    /// Waits until something may have changed.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Wakes whoever waits: a receipt was acknowledged and there is room for the next.
    pub(crate) fn nudge(&self) {
        self.wake.notify_one();
    }
}

impl Inner {
    /// An address stands in `order` exactly when it has an entry in `receipts`.
    fn put(&mut self, address: &Arc<Address>, receipt: Receipt, newest: bool) {
        match self.receipts.entry(Arc::clone(address)) {
            Entry::Vacant(entry) => {
                entry.insert(receipt);
                self.order.push_back(Arc::clone(address));
            }
            Entry::Occupied(mut entry) if newest => {
                let older = entry.insert(receipt);
                merge(entry.get_mut(), older);
            }
            Entry::Occupied(mut entry) => merge(entry.get_mut(), receipt),
        }
    }
}

/// Keeps what an older receipt refused or asked for, where the newer says nothing of it.
fn merge(newer: &mut Receipt, older: Receipt) {
    for nak in older.nak {
        if newer.nak.len() < MAX_NAKS && !newer.nak.contains(&nak) {
            newer.nak.push(nak);
        }
    }
    if newer.missing.is_empty() {
        newer.missing = older.missing;
        let upto = newer.upto;
        newer.missing.retain(|(from, _)| *from > upto);
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::contract::Nak;
    use gatehouse_core::id::Seq;
    use gatehouse_core::time::UtcMs;

    use super::*;

    fn address(gateway: &str) -> Arc<Address> {
        Arc::new(Address {
            district: "d".parse().unwrap(),
            site: "s".parse().unwrap(),
            gateway: gateway.parse().unwrap(),
        })
    }

    fn receipt(upto: u64, missing: &[(u64, u64)], nak: &[u64]) -> Receipt {
        Receipt {
            upto: Seq(upto),
            missing: missing.iter().map(|(from, to)| (Seq(*from), Seq(*to))).collect(),
            nak: nak.iter().map(|seq| Nak { seq: Seq(*seq), code: "conflict".into() }).collect(),
            host: "h".into(),
            recv_ts: UtcMs(0),
        }
    }

    fn said(outbox: &Outbox) -> Vec<(String, Receipt)> {
        std::iter::from_fn(|| match outbox.next(true)? {
            Say::Receipt(address, receipt) => Some((address.gateway.to_string(), receipt)),
            other => panic!("{other:?}"),
        })
        .collect()
    }

    #[test]
    fn a_newer_receipt_replaces_an_older_one_but_not_its_refusals_and_questions() {
        let (outbox, g) = (Outbox::default(), address("g"));
        outbox.receipt(&g, receipt(5, &[(6, 7), (9, 9)], &[3]));
        outbox.receipt(&address("h"), receipt(1, &[], &[]));
        outbox.receipt(&g, receipt(8, &[], &[4]));
        assert_eq!(
            said(&outbox),
            [("g".into(), receipt(8, &[(9, 9)], &[4, 3])), ("h".into(), receipt(1, &[], &[]))]
        );
    }

    #[test]
    fn a_receipt_that_was_given_back_never_takes_the_place_of_a_newer_one() {
        let (outbox, g) = (Outbox::default(), address("g"));
        outbox.receipt(&g, receipt(9, &[], &[]));
        outbox.give_back(&g, receipt(5, &[], &[2]));
        assert_eq!(said(&outbox), [("g".into(), receipt(9, &[], &[2]))]);
        outbox.give_back(&g, receipt(5, &[], &[]));
        assert_eq!(said(&outbox), [("g".into(), receipt(5, &[], &[]))]);
    }

    #[test]
    fn an_act_that_nobody_waits_for_any_more_is_not_said() {
        let outbox = Outbox::default();
        let (told, waits) = oneshot::channel();
        let saying = |told| Saying {
            topic: "t".into(),
            payload: vec![],
            expiry: Duration::from_secs(10),
            respond: None,
            told,
        };
        outbox.act(saying(told)).unwrap();
        outbox.receipt(&address("g"), receipt(1, &[], &[]));
        let Some(Say::Act(first)) = outbox.next(true) else { panic!("acts go before receipts") };
        outbox.give_back_act(first);
        drop(waits);
        assert!(matches!(outbox.next(true), Some(Say::Receipt(..))));
        let full = || (0..=MAX_ACTS).map(|_| oneshot::channel());
        let (told, _waits): (Vec<_>, Vec<_>) = full().unzip();
        let taken = told.into_iter().map(|told| outbox.act(saying(told)).is_ok());
        assert_eq!(taken.filter(|taken| *taken).count(), MAX_ACTS);
    }

    #[test]
    fn an_acknowledgement_is_only_for_the_connection_that_brought_the_event() {
        let outbox = Outbox::default();
        outbox.connected(1);
        outbox.acks([(1, 11), (1, 12)].into_iter());
        outbox.connected(2);
        outbox.acks([(1, 13), (2, 14)].into_iter());
        assert!(matches!(outbox.next(false), Some(Say::Ack(14))));
        assert!(outbox.next(false).is_none());
    }
}
