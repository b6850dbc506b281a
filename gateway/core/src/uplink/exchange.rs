//! What goes into the machine and what comes out.

use std::time::Duration;

use crate::contract::{Receipt, Replay};
use crate::event::Lane;
use crate::id::Seq;
use crate::site::Report;
use crate::time::Mono;

/// A stored event on its way out.
pub trait Outgoing {
    /// Its number.
    fn seq(&self) -> Seq;
    /// Its lane.
    fn lane(&self) -> Lane;
    /// When it was stored, on this boot's clock; zero if before this boot.
    fn stored(&self) -> Mono;
}

/// How delivery is to behave.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most publishes without PUBACK; the broker's receive maximum may lower it.
    pub in_flight: u16,
    /// The pace of what is late, until the control room sets another.
    pub replay: Replay,
    /// Without progress of receipts for so long while connected, the window is sent again.
    pub host_timeout: Duration,
    /// Whether there is more than one broker to try.
    pub several_brokers: bool,
}

/// What a publish was acknowledged with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// A reason code below 0x80 (or MQTT 3.1.1, which has none).
    Taken,
    /// Reason 0x10, no matching subscribers: taken and thrown away, since nobody listens.
    Unheard,
    /// An error: the broker has not taken it.
    Refused(u8),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// The network is to blame, or we ended it: says nothing about what was being sent.
    Network,
    /// The peer ended it, or its bytes made no sense: perhaps because of what was being sent.
    Peer,
}

/// Something that happened to the delivery.
#[derive(Debug)]
pub enum Input<'a, R, C> {
    /// A connection is up and its subscriptions are made.
    Connected {
        /// The broker remembers our session.
        session_present: bool,
        /// The broker's receive maximum.
        receive_max: u16,
        /// It is another broker than the last.
        other_broker: bool,
        /// Even in `0.0..1.0`.
        random: f64,
    },
    /// The journal's newest events.
    Head {
        /// Of the alarm lane.
        alarm: Seq,
        /// Of the other lane.
        normal: Seq,
    },
    /// The answer to [`Action::Read`]: in order; less than asked means that there are no more.
    Read(Lane, Vec<R>),
    /// The answer to [`Action::Fetch`].
    Fetched {
        /// The first number asked for.
        from: Seq,
        /// The last number asked for.
        to: Seq,
        /// What the journal still has of them, in order.
        records: Vec<R>,
    },
    /// These are wanted again, received or not, as far as the journal has them.
    Resend {
        /// The first.
        from: Seq,
        /// The last; at most the newest stored.
        to: Seq,
    },
    /// Something else is to be published with QoS 1, before any further event.
    Control(C),
    /// An event's PUBACK.
    Acked(Seq, Ack),
    /// The PUBACK of a [`Action::Control`].
    ControlAcked,
    /// The control room's receipt.
    Receipt(&'a Receipt),
    /// The control room's pace for what is late.
    Replay(Replay),
    /// The control room says that it has just come online.
    HostArrived,
    /// The connection ended.
    Down(Down),
    /// A deadline may have passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<R, C> {
    /// Read up to `limit` records of a lane after a seq.
    Read {
        /// The lane.
        lane: Lane,
        /// Only records after this one.
        after: Seq,
        /// At most so many.
        limit: usize,
    },
    /// Read exactly these, of whatever lane.
    Fetch {
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// Publish an event with QoS 1.
    Publish {
        /// The event.
        record: R,
        /// With the flag `replayed`.
        replayed: bool,
    },
    /// Publish something else with QoS 1.
    Control(C),
    /// These cursors may be noted, lazily.
    Mark {
        /// Every event up to this one is received.
        host_upto: Seq,
        /// Every event of the alarm lane up to this one has its PUBACK.
        alarm: Seq,
        /// Every event of the other lane up to this one has its PUBACK.
        normal: Seq,
    },
    /// Make an event of this.
    Report(Report),
    /// End this connection. With `next_broker` the next one in order is tried.
    Disconnect {
        /// For the log.
        why: &'static str,
        /// Whether to prefer another broker.
        next_broker: bool,
    },
}

/// Where delivery stands, for heartbeat and status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The control room has everything up to this one.
    pub host_upto: Seq,
    /// The broker has everything of the alarm lane up to this one.
    pub alarm_acked: Seq,
    /// The broker has everything of the other lane up to this one.
    pub normal_acked: Seq,
    /// Publishes without PUBACK.
    pub in_flight: u32,
    /// Events that the broker refused and that wait aside.
    pub set_aside: u32,
}
