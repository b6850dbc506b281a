//! The newest events in memory, so that a live uplink never reads the disk.

use std::collections::VecDeque;

use gatehouse_core::event::Lane;
use gatehouse_core::id::Seq;

use crate::options::Cursors;
use crate::record::Record;

/// Bytes of payload per place in the ring: storms of the largest events must not take 16 MiB.
const BYTES_PER_PLACE: usize = 1024;

/// A window on the end of the journal, in order of seq.
#[derive(Debug)]
pub(crate) struct Ring {
    records: VecDeque<Record>,
    places: usize,
    bytes: usize,
    /// The newest event of each lane that is *not* here: an answer from the ring is complete for
    /// every cursor at or past it. Per lane, since a quiet alarm lane would otherwise be asked for
    /// on the disk with each commit of the other.
    floor: Cursors,
}

impl Ring {
    /// An empty ring over a journal whose lanes end at `heads`.
    pub(crate) fn new(places: usize, heads: Cursors) -> Self {
        Self { records: VecDeque::new(), places: places.max(1), bytes: 0, floor: heads }
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.bytes += record.payload.len();
        self.records.push_back(record);
        while self.records.len() > self.places || self.bytes > self.places * BYTES_PER_PLACE {
            let Some(gone) = self.records.pop_front() else { break };
            self.bytes -= gone.payload.len();
            *self.floor.of_mut(gone.lane()) = gone.seq;
        }
    }

    /// Events after `after`, if the ring has all of them.
    pub(crate) fn read(
        &self,
        lane: Option<Lane>,
        after: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Option<Vec<Record>> {
        let floor = match lane {
            Some(lane) => self.floor.of(lane),
            None => self.floor.alarm.max(self.floor.normal),
        };
        if after < floor {
            return None;
        }
        let start = self.records.partition_point(|record| record.seq <= after);
        let mut found = Vec::new();
        let mut bytes = 0;
        for record in self.records.range(start..) {
            if lane.is_some_and(|lane| lane != record.lane()) {
                continue;
            }
            bytes += record.payload.len();
            // The first always fits: a limit below one event's size must not stop the lane.
            if found.len() >= limit || (bytes > max_bytes && !found.is_empty()) {
                break;
            }
            found.push(record.clone());
        }
        Some(found)
    }

    /// Forgets events that retention dropped. `gone` is ascending.
    pub(crate) fn drop_all(&mut self, gone: &[Seq]) {
        let bytes = &mut self.bytes;
        self.records.retain(|record| {
            let keep = gone.binary_search(&record.seq).is_err();
            if !keep {
                *bytes -= record.payload.len();
            }
            keep
        });
    }

    /// All that is here, oldest first.
    pub(crate) fn snapshot(&self) -> Vec<Record> {
        self.records.iter().cloned().collect()
    }
}
