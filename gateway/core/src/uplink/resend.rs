//! Sending again what the control room has had: it wants it by a command, for its database is gone.
//!
//! Read in pieces, paced like everything that is late, and behind everything else: what is new goes
//! first. What the journal no longer has is told as a gap.

use std::collections::VecDeque;

use super::Outgoing;
use crate::id::Seq;

/// Ranges that wait, at most.
pub const MAX_RANGES: usize = 8;

#[derive(Debug)]
pub(super) struct Resend<R> {
    /// Each with the next number to read, and the last.
    ranges: VecDeque<(Seq, Seq)>,
    fetching: Option<(Seq, Seq)>,
    queue: VecDeque<R>,
}

impl<R: Outgoing> Resend<R> {
    pub(super) const fn new() -> Self {
        Self { ranges: VecDeque::new(), fetching: None, queue: VecDeque::new() }
    }

    /// One more range; one too many is passed over.
    pub(super) fn ask(&mut self, from: Seq, to: Seq) {
        if from <= to && self.ranges.len() < MAX_RANGES {
            self.ranges.push_back((from, to));
        }
    }

    /// The ranges of which something is still to be handed over.
    pub(super) fn left(&self) -> usize {
        self.ranges.len()
    }

    pub(super) fn clear(&mut self) {
        self.ranges.clear();
        self.queue.clear();
        self.fetching = None;
    }

    /// What is to be read next, at most so many.
    pub(super) fn want(&mut self, ahead: usize) -> Option<(Seq, Seq)> {
        if self.fetching.is_some() || !self.queue.is_empty() {
            return None;
        }
        // Its last piece was handed over.
        while self.ranges.front().is_some_and(|(next, to)| next > to) {
            self.ranges.pop_front();
        }
        let (next, to) = self.ranges.front_mut()?;
        let piece = (*next, Seq(to.0.min(next.0.saturating_add(ahead as u64 - 1))));
        *next = piece.1.next();
        self.fetching = Some(piece);
        self.fetching
    }

    pub(super) fn is_fetching(&self, from: Seq, to: Seq) -> bool {
        self.fetching == Some((from, to))
    }

    /// What was read; gives the numbers that are not there any more.
    pub(super) fn filled(&mut self, from: Seq, to: Seq, records: Vec<R>) -> Vec<(Seq, Seq)> {
        self.fetching = None;
        let mut gone = Vec::new();
        let mut expected = from;
        for record in records {
            if record.seq() > expected {
                gone.push((expected, Seq(record.seq().0 - 1)));
            }
            expected = record.seq().next();
            self.queue.push_back(record);
        }
        if expected <= to {
            gone.push((expected, to));
        }
        gone
    }

    pub(super) fn front(&self) -> Option<&R> {
        self.queue.front()
    }

    pub(super) fn pop(&mut self) -> Option<R> {
        self.queue.pop_front()
    }
}
