//! What a scripted connection does, as data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::mqtt::Publish;

/// The answer to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectAnswer {
    /// Accepted.
    Accept {
        /// What the broker says of an earlier session, true or not.
        session_present: bool,
        /// The Receive Maximum announced to an MQTT 5 client.
        receive_maximum: Option<u16>,
    },
    /// Refused with this code: 4 and 5 in MQTT 3.1.1, 0x86 (bad user name or password) and 0x87
    /// (not authorized) in MQTT 5.
    Refuse(u8),
    /// No answer at all.
    Silence,
}

/// When a PUBLISH with QoS 1 is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// At once.
    Each,
    /// Never.
    Never,
    /// Each so much later.
    Late(Duration),
    /// The first so many at once, then never.
    First(u64),
    /// So many are collected and acknowledged in one write.
    Bursts(usize),
    /// So many are collected and acknowledged newest first.
    Reversed(usize),
    /// So many are collected, and all but the oldest acknowledged.
    AllButOldest(usize),
    /// When the test calls [`super::AdversarialBroker::release`].
    Held,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutHow {
    /// RST.
    Reset,
    /// FIN.
    Close,
    /// It stays open, and nothing is read any more.
    Stall,
}

/// When and how a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// After so many PUBLISH packets with QoS 1 were read, and answered as [`Acks`] says.
    pub after: u64,
    /// How.
    pub how: CutHow,
}

/// Decides whether a publish is rejected, and with which reason code.
pub trait Judge: Fn(&Publish) -> Option<u8> + Send + Sync {}
impl<F: Fn(&Publish) -> Option<u8> + Send + Sync> Judge for F {}

/// How one connection behaves.
#[derive(Clone)]
pub struct Behaviour {
    /// The answer to CONNECT.
    pub connect: ConnectAnswer,
    /// When publishes are acknowledged.
    pub acks: Acks,
    /// A reason code of 0x80 or more for chosen publishes; asked for each.
    pub reject: Arc<dyn Judge>,
    /// When the connection is cut.
    pub cut: Option<Cut>,
    /// Whether PINGREQ is answered.
    pub pongs: bool,
    /// The reason code for each filter of a SUBSCRIBE: the granted QoS, or 0x80 and more.
    pub subscribe: u8,
}

impl Default for Behaviour {
    /// A correct broker without memory.
    fn default() -> Self {
        Self {
            connect: ConnectAnswer::Accept { session_present: false, receive_maximum: None },
            acks: Acks::Each,
            reject: Arc::new(|_| None),
            cut: None,
            pongs: true,
            subscribe: 1,
        }
    }
}

impl Behaviour {
    /// Refuses the client.
    pub fn refuse(code: u8) -> Self {
        Self { connect: ConnectAnswer::Refuse(code), ..Self::default() }
    }

    /// Claims to hold an earlier session.
    pub fn session_present(mut self) -> Self {
        if let ConnectAnswer::Accept { session_present, .. } = &mut self.connect {
            *session_present = true;
        }
        self
    }

    /// Announces a Receive Maximum.
    pub fn receive_maximum(mut self, maximum: u16) -> Self {
        if let ConnectAnswer::Accept { receive_maximum, .. } = &mut self.connect {
            *receive_maximum = Some(maximum);
        }
        self
    }

    /// Acknowledges like this.
    pub fn acks(self, acks: Acks) -> Self {
        Self { acks, ..self }
    }

    /// Cuts the connection.
    pub fn cut(self, after: u64, how: CutHow) -> Self {
        Self { cut: Some(Cut { after, how }), ..self }
    }

    /// Rejects chosen publishes with a reason code.
    pub fn reject(self, reject: impl Judge + 'static) -> Self {
        Self { reject: Arc::new(reject), ..self }
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("connect", &self.connect)
            .field("acks", &self.acks)
            .field("cut", &self.cut)
            .finish_non_exhaustive()
    }
}
