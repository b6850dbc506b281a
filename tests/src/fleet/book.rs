//! What one virtual gateway has stored and nobody has confirmed: its journal, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use gatehouse_core::event::{self, Class, Draft, Lane, Qualifier, Source, Stamp, Transition};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use gatehouse_core::uplink::Outgoing;

/// A stored event. Its bytes go when the control room has confirmed it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    pub(super) class: Class,
    pub(super) stored: Mono,
    pub(super) payload: Arc<[u8]>,
}

impl Outgoing for Entry {
    fn seq(&self) -> Seq {
        self.seq
    }

    fn lane(&self) -> Lane {
        self.class.lane()
    }

    fn stored(&self) -> Mono {
        self.stored
    }
}

/// The journal: a number without holes, the chain, and what is not confirmed.
#[derive(Debug)]
pub(super) struct Book {
    gateway: Id,
    entries: VecDeque<Entry>,
    /// The newest of each lane.
    alarm: Seq,
    normal: Seq,
    head: Seq,
    prev: [u8; 32],
}

/// What happens at a virtual gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// A door moves.
    Door,
    /// A protected zone is entered; and its end.
    Alarm(Qualifier),
    /// The box runs again after its power was cut.
    Started,
    /// The district's power was cut; told once it is back, for the box went with it.
    MainsLost,
}

impl Book {
    pub(super) fn new(gateway: Id) -> Self {
        Self {
            gateway,
            entries: VecDeque::new(),
            alarm: Seq::ZERO,
            normal: Seq::ZERO,
            head: Seq::ZERO,
            prev: event::GENESIS,
        }
    }

    /// The newest event of the alarm lane and of the other.
    pub(super) fn heads(&self) -> (Seq, Seq) {
        (self.alarm, self.normal)
    }

    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// What the next event will carry as `prev`.
    pub(super) fn prev(&self) -> [u8; 32] {
        self.prev
    }

    /// Stores one more event.
    pub(super) fn store(&mut self, session: u64, what: Happening, stored: Mono, utc: UtcMs) {
        let seq = self.head.next();
        let draft = draft(what, stored, utc, seq.0.is_multiple_of(2));
        let stamp = Stamp { gateway: &self.gateway, session, seq, prev: self.prev };
        let payload: Arc<[u8]> =
            event::render(&stamp, &draft).expect("a few hundred bytes of plain text").into();
        self.prev = event::chain_hash(&payload);
        self.head = seq;
        match draft.class.lane() {
            Lane::Alarm => self.alarm = seq,
            Lane::Normal => self.normal = seq,
        }
        self.entries.push_back(Entry { seq, class: draft.class, stored, payload });
    }

    /// Up to `limit` events of a lane after a number.
    pub(super) fn read(&self, lane: Lane, after: Seq, limit: usize) -> Vec<Entry> {
        let later = self.from(after.next()).filter(|entry| entry.lane() == lane);
        later.take(limit).cloned().collect()
    }

    /// What there still is of these numbers.
    pub(super) fn fetch(&self, from: Seq, to: Seq) -> Vec<Entry> {
        self.from(from).take_while(|entry| entry.seq <= to).cloned().collect()
    }

    /// Everything up to this number is confirmed: told to `each`, and forgotten.
    pub(super) fn confirmed(&mut self, upto: Seq, mut each: impl FnMut(&Entry)) {
        while let Some(entry) = self.entries.front().filter(|entry| entry.seq <= upto) {
            each(entry);
            self.entries.pop_front();
        }
    }

    /// How much is not confirmed.
    pub(super) fn waiting(&self) -> usize {
        self.entries.len()
    }

    fn from(&self, seq: Seq) -> impl Iterator<Item = &Entry> {
        let first = self.entries.front().map_or(seq, |entry| entry.seq);
        let skip = usize::try_from(seq.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip)
    }
}

fn draft(what: Happening, stored: Mono, utc: UtcMs, even: bool) -> Draft {
    let (class, kind, qualifier, severity, source, state) = match what {
        Happening::Door => {
            let (kind, from, to) = if even {
                ("door.closed", "open", "closed")
            } else {
                ("door.opened", "closed", "open")
            };
            let state = Transition { from: from.into(), to: to.into() };
            (Class::Door, kind, Qualifier::Status, 5, ("door", "entrance"), Some(state))
        }
        Happening::Alarm(qualifier) => {
            let kind = if qualifier == Qualifier::New { "zone.alarm" } else { "zone.restored" };
            (Class::Alarm, kind, qualifier, 1, ("zone", "hall"), None)
        }
        Happening::Started => {
            (Class::System, "system.started", Qualifier::Status, 4, ("gateway", "box"), None)
        }
        Happening::MainsLost => {
            (Class::Fault, "power.mains_lost", Qualifier::New, 3, ("gateway", "box"), None)
        }
    };
    Draft {
        class,
        kind: kind.into(),
        qualifier,
        severity,
        partition: Some("lobby".parse().expect("an id")),
        source: Source {
            kind: source.0.into(),
            id: source.1.parse().expect("an id"),
            driver: Some("gpiochip0:17".to_owned()),
        },
        time: Time {
            utc,
            boot: "5e1c2f3a-0000-4000-8000-000000000000".to_owned(),
            mono_ns: stored,
            err_ms: Some(12),
            clock: ClockState::Synced,
        },
        state,
        arming: Some("away".into()),
        actor: None,
        cause: None,
        opens: None,
        closes: None,
        detail: None,
        test: false,
        flags: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_reads_by_lane_and_forgets_what_is_confirmed() {
        let mut book = Book::new("g-1".parse().unwrap());
        for what in [Happening::Door, Happening::Alarm(Qualifier::New), Happening::Door] {
            book.store(1, what, Mono(1), UtcMs(0));
        }
        let seqs = |entries: Vec<Entry>| entries.iter().map(|e| e.seq.0).collect::<Vec<_>>();
        assert_eq!(book.heads(), (Seq(2), Seq(3)));
        assert_eq!(seqs(book.read(Lane::Normal, Seq(0), 9)), [1, 3]);
        assert_eq!(seqs(book.read(Lane::Alarm, Seq(0), 9)), [2]);
        let mut told = Vec::new();
        book.confirmed(Seq(2), |entry| told.push(entry.seq.0));
        assert_eq!(told, [1, 2]);
        assert_eq!(seqs(book.fetch(Seq(1), Seq(3))), [3]);
        assert_eq!(seqs(book.read(Lane::Normal, Seq(3), 9)), Vec::<u64>::new());
        let event: event::Event =
            serde_json::from_slice(&book.fetch(Seq(3), Seq(3))[0].payload).unwrap();
        assert_eq!((event.seq, book.waiting()), (Seq(3), 1));
    }
}
