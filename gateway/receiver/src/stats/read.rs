//! Reads what the figures are made of out of a database.

use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;

use super::{Collector, Period, Report, TAIL_MS};
use crate::store::{Search, Store, StoreError};

/// The classes of the events of which the figures are made.
const CLASSES: [Class; 7] = [
    Class::Panic,
    Class::Alarm,
    Class::Tamper,
    Class::Fault,
    Class::Access,
    Class::Arm,
    Class::System,
];

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bound that whoever asked has set.
    #[error("more than {0} events; ask for fewer days or one site")]
    TooMany(u64),
}

/// The figures of these sites, or of all when none is named. `most`: give up when more events would
/// have to be read.
pub(crate) fn read(
    store: &Store,
    sites: Vec<Id>,
    period: Period,
    now: UtcMs,
    most: Option<u64>,
) -> Result<Report, ReadError> {
    let search = Search {
        sites,
        classes: CLASSES.to_vec(),
        since: Some(period.from()),
        until: Some(UtcMs(period.to().0.saturating_add(TAIL_MS))),
        ..Search::default()
    };
    let mut collector = Collector::new(period);
    let (mut count, mut over) = (0, false);
    store.each(&search, |stored| {
        count += 1;
        over = most.is_some_and(|most| count > most);
        if !over {
            collector.take(&stored);
        }
        !over
    })?;
    if over { Err(ReadError::TooMany(count - 1)) } else { Ok(collector.report(now)) }
}
