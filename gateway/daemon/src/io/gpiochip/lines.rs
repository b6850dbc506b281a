//! What is known of the lines of an open chip: the state that edges and readings change.

use embedded_hal::digital::PinState;
use gatehouse_drivers::Edge;
use gpiocdev::Request;
use gpiocdev::line::{EdgeEvent, EdgeKind};
use rustix::io::Errno;

use super::LostChip;
use crate::io::Signal;
use crate::io::sequence::{LineSequence, RequestSequence};

/// How many edges one system call reads.
const EDGES_PER_READ: usize = 64;

/// How many system calls one turn makes: together the whole queue of the kernel.
const READS_PER_TURN: usize = 16;

/// One edge event of uAPI v2 is 48 bytes, 6 words.
const MAX_EVENT_WORDS: usize = 8;

/// What is known of the lines, kept apart from the file that it is read from.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) watched: Vec<Watched>,
    request: RequestSequence,
    /// Something is missing or was lost, the levels must be compared.
    pub(super) doubtful: bool,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub(super) offset: u32,
    /// After the last edge, or as read.
    pub(super) level: PinState,
    sequence: LineSequence,
    /// Differed from the wire at the last comparison, and no edge has come since.
    suspect: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    All,
    More,
}

impl Lines {
    /// Lines with these numbers and levels, of a request that was just made.
    pub(super) fn new(levels: Vec<(u32, PinState)>, event_size: usize) -> Self {
        let watch = |(offset, level)| Watched {
            offset,
            level,
            sequence: LineSequence::default(),
            suspect: false,
        };
        Self {
            watched: levels.into_iter().map(watch).collect(),
            request: RequestSequence::default(),
            doubtful: false,
            buffer: vec![0; EDGES_PER_READ * event_size],
        }
    }

    /// Takes what the kernel has queued.
    pub(super) fn drain(
        &mut self,
        request: &Request,
        signals: &mut Vec<Signal>,
    ) -> Result<Drained, LostChip> {
        for _ in 0..READS_PER_TURN {
            let read = match rustix::io::read(request, &mut self.buffer) {
                Ok(read) => read,
                Err(Errno::AGAIN) => return Ok(Drained::All),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(LostChip::Edges(errno.into())),
            };
            let mut words = [0; MAX_EVENT_WORDS];
            for event in self.buffer[..read].chunks_exact(request.edge_event_size()) {
                let mut filled = 0;
                for (word, bytes) in words.iter_mut().zip(event.as_chunks().0) {
                    *word = u64::from_ne_bytes(*bytes);
                    filled += 1;
                }
                let event = request.edge_event_from_slice(&words[..filled])?;
                take(&mut self.watched, &mut self.request, &mut self.doubtful, &event, signals);
            }
            if read < self.buffer.len() {
                return Ok(Drained::All);
            }
        }
        Ok(Drained::More)
    }

    /// Compares what the edges said with the wire. A difference becomes a suspicion; at the verdict
    /// what was suspect before and still is becomes an edge.
    pub(super) fn compare(
        &mut self,
        wire: &[(u32, PinState)],
        verdict_ns: Option<u64>,
        signals: &mut Vec<Signal>,
    ) {
        if verdict_ns.is_some() {
            let lost = self.request.give_up();
            if lost > 0 {
                signals.push(Signal::Lost { line: None, count: lost, why: "the queue overflowed" });
            }
        }
        for (line, (watched, &(_, level))) in self.watched.iter_mut().zip(wire).enumerate() {
            let differs = watched.level != level;
            if let Some(at_ns) = verdict_ns.filter(|_| differs && watched.suspect) {
                watched.level = level;
                watched.suspect = false;
                let why = "the line changed without an edge";
                signals.push(Signal::Lost { line: Some(line), count: 1, why });
                let edge = Edge { level, at_ns, line_seqno: None, lost_before: 1 };
                signals.push(Signal::Edge { line, edge });
                continue;
            }
            // A difference that is new at the verdict needs a comparison and a verdict of its own.
            self.doubtful |= differs && verdict_ns.is_some();
            watched.suspect = differs;
        }
        self.doubtful |= self.request.missing() > 0 && verdict_ns.is_some();
    }
}

fn take(
    lines: &mut [Watched],
    request: &mut RequestSequence,
    doubtful: &mut bool,
    event: &EdgeEvent,
    signals: &mut Vec<Signal>,
) {
    // The kernel tells only of lines that were asked for.
    let Some(line) = lines.iter().position(|watched| watched.offset == event.offset) else {
        return;
    };
    let watched = &mut lines[line];
    let lost_before = watched.sequence.take(event.line_seqno);
    // A loss that was reported before, without its line, is not reported again; but the edge is
    // marked all the same.
    let count = request.take(event.seqno, lost_before);
    if count > 0 {
        signals.push(Signal::Lost { line: Some(line), count, why: "the queue overflowed" });
    }
    *doubtful |= count > 0 || request.missing() > 0;
    let level = match event.kind {
        EdgeKind::Rising => PinState::High,
        EdgeKind::Falling => PinState::Low,
    };
    watched.level = level;
    watched.suspect = false;
    let line_seqno = Some(event.line_seqno);
    let edge = Edge { level, at_ns: event.timestamp_ns, line_seqno, lost_before };
    signals.push(Signal::Edge { line, edge });
}

#[cfg(test)]
mod tests {
    use embedded_hal::digital::PinState::{High, Low};

    use super::*;

    fn lines() -> Lines {
        let watch = |offset| Watched {
            offset,
            level: Low,
            sequence: LineSequence::default(),
            suspect: false,
        };
        Lines {
            watched: [3, 17].map(watch).to_vec(),
            request: RequestSequence::default(),
            doubtful: false,
            buffer: Vec::new(),
        }
    }

    /// An edge as the kernel tells it; rising if its number is odd.
    fn event(offset: u32, seqno: u32, line_seqno: u32) -> EdgeEvent {
        let kind = if line_seqno % 2 == 1 { EdgeKind::Rising } else { EdgeKind::Falling };
        EdgeEvent { timestamp_ns: u64::from(seqno) * 10, kind, offset, seqno, line_seqno }
    }

    fn tell(lines: &mut Lines, event: &EdgeEvent) -> Vec<Signal> {
        let mut signals = Vec::new();
        let Lines { watched, request, doubtful, .. } = lines;
        take(watched, request, doubtful, event, &mut signals);
        signals
    }

    fn edge(line: usize, level: PinState, seqno: u32, line_seqno: u32, lost_before: u32) -> Signal {
        let at_ns = u64::from(seqno) * 10;
        Signal::Edge {
            line,
            edge: Edge { level, at_ns, line_seqno: Some(line_seqno), lost_before },
        }
    }

    #[test]
    fn an_edge_keeps_the_time_and_the_number_of_the_kernel() {
        let mut lines = lines();
        assert_eq!(tell(&mut lines, &event(17, 1, 1)), [edge(1, High, 1, 1, 0)]);
        assert_eq!(tell(&mut lines, &event(3, 2, 1)), [edge(0, High, 2, 1, 0)]);
        assert_eq!(tell(&mut lines, &event(17, 3, 2)), [edge(1, Low, 3, 2, 0)]);
        assert!(!lines.doubtful);
        assert_eq!(tell(&mut lines, &event(4, 4, 1)), [], "a line nobody asked for");
    }

    #[test]
    fn a_gap_is_told_before_the_edge_that_shows_it() {
        let mut lines = lines();
        tell(&mut lines, &event(3, 1, 1));
        let why = "the queue overflowed";
        let expected = [Signal::Lost { line: Some(0), count: 3, why }, edge(0, High, 5, 5, 3)];
        assert_eq!(tell(&mut lines, &event(3, 5, 5)), expected);
        assert!(lines.doubtful, "the levels are to be compared");
    }

    #[test]
    fn edges_that_vanished_with_their_line_are_told_at_the_verdict() {
        let mut lines = lines();
        tell(&mut lines, &event(3, 3, 1));
        assert!(lines.doubtful, "edges 1 and 2 are missing");
        let mut signals = Vec::new();
        lines.compare(&[(3, High), (17, High)], None, &mut signals);
        assert_eq!(signals, [], "they may still be on their way");
        lines.compare(&[(3, High), (17, High)], Some(99), &mut signals);
        let healed = Edge { level: High, at_ns: 99, line_seqno: None, lost_before: 1 };
        assert_eq!(
            signals,
            [
                Signal::Lost { line: None, count: 2, why: "the queue overflowed" },
                Signal::Lost { line: Some(1), count: 1, why: "the line changed without an edge" },
                Signal::Edge { line: 1, edge: healed },
            ]
        );
    }

    #[test]
    fn a_loss_that_was_told_without_its_line_is_not_told_again() {
        let mut lines = lines();
        tell(&mut lines, &event(3, 3, 1));
        let mut signals = Vec::new();
        lines.compare(&[(3, High), (17, Low)], Some(99), &mut signals);
        assert_eq!(signals, [Signal::Lost { line: None, count: 2, why: "the queue overflowed" }]);
        lines.doubtful = false;
        assert_eq!(tell(&mut lines, &event(17, 4, 3)), [edge(1, High, 4, 3, 2)]);
        assert!(!lines.doubtful);
    }

    #[test]
    fn a_difference_that_an_edge_explains_is_no_loss() {
        let mut lines = lines();
        let mut signals = Vec::new();
        lines.compare(&[(3, High), (17, Low)], None, &mut signals);
        assert_eq!(tell(&mut lines, &event(3, 1, 1)), [edge(0, High, 1, 1, 0)]);
        lines.compare(&[(3, High), (17, Low)], Some(99), &mut signals);
        assert_eq!(signals, []);
        assert!(!lines.doubtful);
    }

    #[test]
    fn a_difference_seen_first_at_the_verdict_gets_a_verdict_of_its_own() {
        let mut lines = lines();
        let mut signals = Vec::new();
        lines.compare(&[(3, Low), (17, Low)], None, &mut signals);
        lines.compare(&[(3, High), (17, Low)], Some(50), &mut signals);
        assert_eq!(signals, []);
        assert!(lines.doubtful);
        lines.compare(&[(3, High), (17, Low)], Some(99), &mut signals);
        assert_eq!(signals.len(), 2);
    }
}
