//! What the receivers beside this one have committed: shown here as well, and known before the next
//! receipt.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_core::topic::Address;

use super::{Desk, Work};
use crate::snapshot::{Committed, LATEST_EVENTS};
use crate::store::postgres::Reader;
use crate::store::{Stored, Writer};
use crate::wire;

/// Events that wait for the desk, at most. Above, the oldest are not shown to who watches; they are
/// in the database all the same.
const MAX_WAITING: usize = 8192;

/// What waits for the desk.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    waiting: Mutex<VecDeque<Stored>>,
    /// Something was not heard: every gateway is to be read anew.
    missed: AtomicBool,
    /// The desk has been told to look.
    told: AtomicBool,
}

/// Takes the news, and wakes the desk.
pub(crate) struct Bell {
    pub(crate) elsewhere: Arc<Elsewhere>,
    pub(crate) work: SyncSender<Work>,
}

impl Bell {
    fn ring(&self) {
        if !self.elsewhere.told.swap(true, Ordering::AcqRel) {
            // There is room for it beside the messages; without a desk nobody is to be told.
            let _ = self.work.try_send(Work::Look);
        }
    }
}

impl Reader for Bell {
    fn committed(&self, events: Vec<Stored>) {
        let mut waiting = self.elsewhere.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(events);
        let over = waiting.len().saturating_sub(MAX_WAITING);
        waiting.drain(..over);
        drop(waiting);
        self.ring();
    }

    fn missed(&self) {
        self.elsewhere.missed.store(true, Ordering::Release);
        self.ring();
    }
}

impl Desk {
    /// Takes over what others have committed.
    pub(super) fn look(&mut self, writer: &mut dyn Writer) {
        let elsewhere = Arc::clone(&self.parts.elsewhere);
        elsewhere.told.store(false, Ordering::Release);
        let waiting =
            std::mem::take(&mut *elsewhere.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let now = self.parts.clock.now();
        let mut shown = Vec::with_capacity(waiting.len());
        for stored in waiting {
            let Stored { district, site, gateway, seq, class, recv, when, replayed, body, .. } =
                stored;
            let (Ok(district), Ok(site), Ok(gateway)) =
                (district.parse(), site.parse(), gateway.parse())
            else {
                // It has begun anew since.
                continue;
            };
            let address = Address { district, site, gateway };
            let Some(at) = self.gateway(&address.to_string()) else { continue };
            self.touched.insert(at);
            let gateway = &mut self.gateways[at];
            if let Some(session) = wire::session(&body) {
                gateway.event(session);
            }
            self.stormy |= self.storms.event(&gateway.address, seq, class, when.utc, &body);
            let mut received = now;
            received.utc = recv;
            shown.push(Committed {
                address: Arc::clone(&gateway.address),
                seq,
                class,
                body: body.into(),
                duplicate: false,
                replayed,
                received,
                committed: now.mono,
            });
        }
        if elsewhere.missed.swap(false, Ordering::AcqRel) {
            self.touched.extend(0..self.gateways.len());
        }
        let touched: Vec<_> = self.touched.iter().copied().collect();
        // If it cannot be read, a receipt or a commit reads it later.
        let _ = self.reread(writer, &touched);
        self.settle(now, |board| {
            board.latest.extend(shown.iter().cloned());
            let over = board.latest.len().saturating_sub(LATEST_EVENTS);
            board.latest.drain(..over);
        });
        for event in shown {
            // An error means that nobody watches.
            let _ = self.parts.watchers.send(Arc::new(event));
        }
    }
}
