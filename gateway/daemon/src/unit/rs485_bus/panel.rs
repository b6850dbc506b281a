//! From any task to the bus's thread: what to show, and that a life of the unit has ended.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_drivers::osdp::Indication;

use super::Rs485Bus;

/// Shows things at the readers of a bus, from any task, without waiting. Outlives the unit.
#[derive(Clone, Debug)]
pub struct Panel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    orders: Mutex<Orders>,
    news: Condvar,
}

#[derive(Debug)]
struct Orders {
    show: Vec<(Id, Option<Indication>)>,
    /// Counts the lives of the unit: the thread of an older one ends.
    life: u64,
}

impl Panel {
    /// A panel for the readers of a bus.
    pub fn new(bus: &Rs485Bus) -> Self {
        Self::of(bus.readers.iter().map(|reader| reader.id.clone()))
    }

    /// A panel for these readers, in the order of their bus.
    pub fn of(readers: impl IntoIterator<Item = Id>) -> Self {
        let show = readers.into_iter().map(|reader| (reader, None)).collect();
        let orders = Mutex::new(Orders { show, life: 0 });
        Self(Arc::new(Shared { orders, news: Condvar::new() }))
    }

    /// Shows something at a reader. What waits to be shown there is replaced. Whether the reader
    /// is on this bus is told; whether it is there, [`ReaderNews`](super::ReaderNews) tells.
    pub fn show(&self, reader: &Id, indication: Indication) -> bool {
        let mut orders = self.orders();
        let place = orders.show.iter_mut().find(|(id, _)| id == reader);
        let known = place.map(|(_, place)| *place = Some(indication)).is_some();
        drop(orders);
        self.0.news.notify_all();
        known
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the thread of the life before, if it still runs.
    pub(super) fn next_life(&self) -> u64 {
        let mut orders = self.orders();
        orders.life += 1;
        let life = orders.life;
        drop(orders);
        self.0.news.notify_all();
        life
    }

    /// Waits up to `wait` for orders. `None`: the unit has ended.
    pub(super) fn wait(&self, life: u64, wait: Duration) -> Option<Vec<(usize, Indication)>> {
        let orders = self.orders();
        let idle = |orders: &mut Orders| {
            orders.life == life && orders.show.iter().all(|(_, place)| place.is_none())
        };
        let (mut orders, _) = self
            .0
            .news
            .wait_timeout_while(orders, wait, idle)
            .unwrap_or_else(PoisonError::into_inner);
        (orders.life == life).then(|| {
            let places = orders.show.iter_mut().enumerate();
            places.filter_map(|(index, (_, place))| Some((index, place.take()?))).collect()
        })
    }
}
