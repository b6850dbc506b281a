//! The district's commands at this end of the wire: in by `cmd/{id}`, out by `cmd/{id}/res`.
//!
//! What came of a command is kept until a broker has taken it, over connections, not over restarts:
//! then the same command is answered `duplicate`, with what came of it. Whether one is carried out is
//! decided elsewhere ([`crate::commands`]).

use std::collections::VecDeque;

use bytes::Bytes;
use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::commands::{Nonces, Reason};
use gatehouse_core::contract::{CommandResult, CommandStatus};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::Mono;
use gatehouse_core::uplink::{Ack, MAX_RESENDS};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use super::link::{Message, Wants};

/// Commands that wait to be looked at. One more is answered `busy`.
const WAITING: usize = 64;

/// Results that no broker has taken, at most; then the oldest goes. Its event is in the journal.
const UNSENT: usize = 64;

/// Pictures that no broker has taken, at most; then the oldest goes. It is on the box's flash, and its
/// event says so.
const PICTURES: usize = 32;

/// A picture for the district.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Of which camera.
    pub camera: Id,
    /// Of which event; none: somebody asked for it.
    pub of: Option<Seq>,
    /// Of the bytes, in hex.
    pub sha256: String,
    /// A JPEG of at most [`MAX_SNAPSHOT`](gatehouse_core::contract::MAX_SNAPSHOT) bytes, masked.
    pub jpeg: Bytes,
}

/// A command as it came.
#[derive(Debug)]
pub struct Arrival {
    /// What stands for its id in the topic.
    pub name: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// Kept by the broker, or to be kept.
    pub retained: bool,
    /// Where an answer is wanted.
    pub wants: Wants,
    /// The nonces that were good then.
    pub nonces: Nonces,
    /// When.
    pub at: Mono,
}

impl Arrival {
    pub(super) fn new(
        name: String,
        payload: Vec<u8>,
        wants: Wants,
        retained: bool,
        at: Mono,
    ) -> Self {
        Self { name, payload, retained, wants, nonces: Nonces::default(), at }
    }

    /// The answer to it, for the gateway with this prefix.
    pub fn answer(&self, prefix: &str, result: &CommandResult) -> Answered {
        let usual = format!("{prefix}/cmd/{}/res", self.name);
        // Nobody can make a gateway write where others listen.
        let ours = |topic: &&String| {
            topic.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("/cmd/"))
                && !topic.contains(['+', '#', '\0'])
        };
        let topic = self.wants.topic.as_ref().filter(ours).cloned().unwrap_or(usual);
        // Its types have only string keys: it is never empty.
        let payload = serde_json::to_vec(result).unwrap_or_default().into();
        Answered { number: 0, topic, correlation: self.wants.correlation.clone(), payload }
    }
}

/// What came of a command, ready for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub(super) number: u64,
    topic: String,
    correlation: Option<Bytes>,
    payload: Bytes,
}

impl Answered {
    pub(super) fn message(&self) -> Message {
        Message {
            topic: self.topic.clone().into(),
            payload: self.payload.clone(),
            retain: false,
            expiry_s: None,
            properties: vec![("schema".to_owned(), "1".to_owned())],
            correlation: self.correlation.clone(),
        }
    }
}

/// What commands want of the uplink.
#[derive(Debug)]
pub enum Say {
    /// Say what came of one.
    Result(Answered),
    /// Send these again. Told when they were handed over whole: `false`, the connection ended
    /// before.
    Resend {
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
        /// Where that is waited for.
        told: oneshot::Sender<bool>,
    },
    /// Publish a picture, behind the alarms.
    Picture(Picture),
    /// Publish every state again. Told: how many there are.
    State {
        /// Where that is waited for.
        told: oneshot::Sender<usize>,
    },
}

/// The uplink's ends of the ways to and from those who judge commands.
#[derive(Debug)]
pub struct Ends {
    to: mpsc::Sender<Arrival>,
    says: mpsc::Receiver<Say>,
}

impl Ends {
    /// Both ways, with their other ends.
    pub fn new() -> (Self, mpsc::Receiver<Arrival>, mpsc::Sender<Say>) {
        let (to, arrivals) = mpsc::channel(WAITING);
        let (say, says) = mpsc::channel(WAITING);
        (Self { to, says }, arrivals, say)
    }
}

/// Commands and results on their ways.
#[derive(Debug)]
pub(super) struct Post {
    to: mpsc::Sender<Arrival>,
    pub(super) says: mpsc::Receiver<Say>,
    nonces: Nonces,
    numbered: u64,
    unsent: VecDeque<Answered>,
    /// The first of them may be on its way.
    pictures: VecDeque<Picture>,
    picture_on_its_way: bool,
    /// Who waits for what is sent again, in order.
    resends: VecDeque<oneshot::Sender<bool>>,
}

impl Post {
    pub(super) fn new(ends: Ends) -> Self {
        let Ends { to, says } = ends;
        let (unsent, resends) = (VecDeque::new(), VecDeque::new());
        let pictures = VecDeque::new();
        Self {
            to,
            says,
            nonces: Nonces::default(),
            numbered: 0,
            unsent,
            pictures,
            picture_on_its_way: false,
            resends,
        }
    }

    /// The nonce of the next heartbeat; none if the kernel gives no randomness.
    pub(super) fn next_nonce(&mut self, now: Mono) -> Option<String> {
        let mut bytes = [0; 16];
        if getrandom(&mut bytes[..], GetRandomFlags::empty()) != Ok(bytes.len()) {
            error!("the kernel gives no randomness; the heartbeat has no nonce");
            return None;
        }
        let nonce = to_hex(&bytes);
        self.nonces.told(nonce.clone(), now);
        Some(nonce)
    }

    /// A command has come. What is given back is to be said at once.
    pub(super) fn arrived(&mut self, arrival: Arrival, prefix: &str) -> Option<Answered> {
        let arrival = Arrival { nonces: self.nonces.clone(), ..arrival };
        let Err(error) = self.to.try_send(arrival) else { return None };
        let arrival = error.into_inner();
        warn!(command = arrival.name.escape_debug().to_string(), "too many commands at once");
        if arrival.retained {
            return None;
        }
        let (status, reason) = (CommandStatus::Refused, Some(Reason::Busy.as_str().into()));
        let result = CommandResult { status, reason, seq: Seq::ZERO, detail: None };
        let answered = arrival.answer(prefix, &result);
        Some(self.keep(answered))
    }

    /// Keeps a result until a broker has taken it.
    pub(super) fn keep(&mut self, mut answered: Answered) -> Answered {
        self.numbered += 1;
        answered.number = self.numbered;
        if self.unsent.len() >= UNSENT {
            self.unsent.pop_front();
            warn!("a result of a command was not taken by any broker; its event is recorded");
        }
        self.unsent.push_back(answered.clone());
        answered
    }

    /// What no broker has taken.
    pub(super) fn unsent(&self) -> Vec<Answered> {
        self.unsent.iter().cloned().collect()
    }

    /// A broker has a result, or does not want it: then it would not want it again.
    pub(super) fn acked(&mut self, number: u64, ack: Ack) {
        if let Ack::Refused(code) = ack {
            warn!(code, "the broker refuses the result of a command; check its ACL for cmd/+/res");
        }
        self.unsent.retain(|answered| answered.number != number);
    }

    /// Keeps a picture until a broker has taken it.
    pub(super) fn keep_picture(&mut self, picture: Picture) {
        if self.pictures.len() >= PICTURES {
            // Not the one that is on its way: its acknowledgement would be another's.
            let place = usize::from(self.picture_on_its_way);
            self.pictures.remove(place);
            warn!(camera = %picture.camera, "a picture was not taken by any broker; it is on the flash");
        }
        self.pictures.push_back(picture);
    }

    /// The next picture, if none is on its way.
    pub(super) fn next_picture(&mut self) -> Option<Picture> {
        if self.picture_on_its_way {
            return None;
        }
        let picture = self.pictures.front().cloned();
        self.picture_on_its_way = picture.is_some();
        picture
    }

    /// A broker has the picture that was on its way, or does not want it.
    pub(super) fn picture_acked(&mut self, ack: Ack) {
        if let Ack::Refused(code) = ack {
            warn!(
                code,
                "the broker refuses a picture; check its ACL for snap/+ and its packet size"
            );
        }
        if std::mem::take(&mut self.picture_on_its_way) {
            self.pictures.pop_front();
        }
    }

    /// Somebody waits for what is sent again. False: too many do.
    pub(super) fn resends(&mut self, told: oneshot::Sender<bool>) -> bool {
        let room = self.resends.len() < MAX_RESENDS;
        if room {
            self.resends.push_back(told);
        }
        room
    }

    /// So many ranges are still to be handed over.
    pub(super) fn handed_over(&mut self, left: usize) {
        while self.resends.len() > left {
            let Some(told) = self.resends.pop_front() else { return };
            // Who asked may have gone away.
            let _ = told.send(true);
        }
    }

    /// The connection has ended.
    pub(super) fn down(&mut self) {
        self.picture_on_its_way = false;
        for told in self.resends.drain(..) {
            let _ = told.send(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(wanted: Option<&str>) -> Message {
        let wants =
            Wants { topic: wanted.map(str::to_owned), correlation: Some(Bytes::from_static(b"c")) };
        let arrival = Arrival::new("c-1".into(), Vec::new(), wants, false, Mono(0));
        let (status, seq) = (CommandStatus::Done, Seq(7));
        let result = CommandResult { status, reason: None, seq, detail: None };
        arrival.answer("gatehouse/v1/d/s/g", &result).message()
    }

    #[test]
    fn an_answer_goes_only_where_the_gateway_may_write_commands_results() {
        let usual = "gatehouse/v1/d/s/g/cmd/c-1/res";
        for (wanted, topic) in [
            (None, usual),
            (
                Some("gatehouse/v1/d/s/g/cmd/c-1/res/room-2"),
                "gatehouse/v1/d/s/g/cmd/c-1/res/room-2",
            ),
            (Some("gatehouse/v1/d/s/g-2/cmd/c-1/res"), usual),
            (Some("gatehouse/v1/d/s/g/ev/alarm"), usual),
            (Some("gatehouse/v1/d/s/g/status"), usual),
            (Some("gatehouse/v1/d/s/g/cmd/+"), usual),
        ] {
            let message = answered(wanted);
            assert_eq!(message.topic, topic, "{wanted:?}");
            assert!(!message.retain && message.correlation == Some(Bytes::from_static(b"c")));
        }
    }

    #[test]
    fn a_result_is_kept_until_a_broker_has_it_and_a_flood_is_answered_busy() {
        let (ends, mut arrivals, _say) = Ends::new();
        let mut post = Post::new(ends);
        let nonce = post.next_nonce(Mono(0)).unwrap();
        let arrive = |post: &mut Post| {
            let arrival = Arrival::new("c".into(), Vec::new(), Wants::default(), false, Mono(1));
            post.arrived(arrival, "gatehouse/v1/d/s/g")
        };
        assert!((0..WAITING).all(|_| arrive(&mut post).is_none()));
        let busy = arrive(&mut post).unwrap();
        let text = String::from_utf8(busy.payload.to_vec()).unwrap();
        assert_eq!(text, r#"{"status":"refused","reason":"busy","seq":0}"#);
        let first = arrivals.try_recv().unwrap();
        let fresh = first.nonces.look_at(Some(&nonce), Mono(1));
        assert_eq!(fresh, gatehouse_core::commands::Fresh::Yes);
        assert_eq!(post.unsent(), std::slice::from_ref(&busy));
        post.acked(busy.number, Ack::Taken);
        assert!(post.unsent().is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_a_resend_is_told_when_it_is_handed_over_or_cut_off() {
        let (ends, _arrivals, _say) = Ends::new();
        let mut post = Post::new(ends);
        let (told, first) = oneshot::channel();
        assert!(post.resends(told));
        let (told, second) = oneshot::channel();
        assert!(post.resends(told));
        post.handed_over(2);
        post.handed_over(1);
        assert_eq!(first.await, Ok(true));
        post.down();
        assert_eq!(second.await, Ok(false));
    }
}
