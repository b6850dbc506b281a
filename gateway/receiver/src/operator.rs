//! The operators' desk: an act on an incident goes to its gateway, and is done when the gateway's
//! event of it is committed here. Nothing less is called done: neither that the broker took it, nor
//! that the incident's state has changed.
//!
//! An act has 10 s. After that the broker drops it and nothing is said again, so an
//! operator who was told that it failed is not surprised later. (Where a gateway had it already and
//! only its event is late, the incident shows the act as soon as the gateway is heard again.)

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatehouse_core::contract::{AlarmAct, AlarmOp};
use gatehouse_core::event::Class;
use gatehouse_core::id::{Id, IdError, Seq};
use gatehouse_core::site::{CloseReason, Incident};
use gatehouse_core::time::{Now, UtcMs};
use gatehouse_core::topic::Address;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::command::Answered;
use crate::desk;
use crate::handover::{Asked, Handovers, RoomsView, Side, State, foreign, is_takers};
use crate::life::Life;
use crate::outbox::{Outbox, Saying, Taken};
use crate::snapshot::{Committed, GatewayView, Link, Snapshot};

/// How long an act may take from the operator's key to the commit of the gateway's event. It takes
/// tens of milliseconds; ten seconds are for a path that is just changing.
pub(crate) const ACT_WITHIN: Duration = Duration::from_secs(10);

/// The longest operator's id, as the gateway keeps it.
const MAX_OPERATOR: usize = 64;

/// How many ids an error names.
const NAMED: usize = 8;

/// A gateway as an operator names it: `g-7f3a`, or `s-204/g-7f3a` where two sites have one of the
/// same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The community, if it is named.
    pub site: Option<Id>,
    /// The gateway.
    pub gateway: Id,
}

impl FromStr for Place {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Ok(match text.split_once('/') {
            Some((site, gateway)) => Self { site: Some(site.parse()?), gateway: gateway.parse()? },
            None => Self { site: None, gateway: text.parse()? },
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.site {
            Some(site) => write!(f, "{site}/{}", self.gateway),
            None => self.gateway.fmt(f),
        }
    }
}

/// Why an act was not done, or is not known to be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// Somebody was faster.
    #[error("{incident} is acknowledged already{}", whose(by.as_deref(), Some(*at)))]
    Acknowledged {
        /// Which.
        incident: Id,
        /// Who.
        by: Option<String>,
        /// When.
        at: UtcMs,
    },
    /// Somebody was faster.
    #[error("{incident} is closed already{}", whose(by.as_deref(), None))]
    Closed {
        /// Which.
        incident: Id,
        /// Who; nobody: the gateway itself.
        by: Option<String>,
    },
    /// It was escalated by somebody, or since nobody acknowledged it in time.
    #[error("{0} is escalated already")]
    Escalated(Id),
    /// Another control room has taken it.
    #[error("{0} is handed over to {1}: that room acts; from here a note can be added")]
    HandedOver(Id, Id),
    /// More than one site has a gateway of this id.
    #[error("{0} is the id of more than one gateway; name its site too: {1}")]
    Ambiguous(Place, String),
    /// Nobody hears the gateway.
    #[error(
        "the gateway {0} is {life}: it cannot be told anything, and its incidents are unknown",
        life = .1.as_str()
    )]
    Away(Place, Life),
    /// The receiver has no broker.
    #[error("the receiver is not connected to its broker: {0}")]
    NoBroker(String),
    /// Nothing would be believed done.
    #[error("the receiver commits nothing at present: {0}")]
    NotCommitting(String),
    /// The id is wrong, or the gateway has never been heard of.
    #[error("no gateway {0} is known here; known are {1}")]
    NoGateway(Place, String),
    /// The id is wrong, or the incident is closed.
    #[error("{0} has no open incident {1}; open are {2}")]
    NoIncident(Place, Id, String),
    /// The gateway holds no subscription: an older version, or the broker has forgotten it.
    #[error("{0} does not listen for acts at the broker; it will once it has connected again")]
    NobodyListens(Place),
    /// The ACL of the broker.
    #[error("the broker refuses it: {0}; the receiver's user must be allowed to write alarm/+/op")]
    Refused(String),
    /// Too many acts at once.
    #[error("too many acts are on their way; try again")]
    Busy,
    /// An operator's id is wrong.
    #[error("{0:?} is no operator's id: 1 to {MAX_OPERATOR} visible characters without spaces")]
    Operator(String),
    /// It was sent, and the gateway's event of it did not come.
    #[error(
        "sent, but {0} has not confirmed it within {within} s: it is not known to be done; look at \
         it again", within = ACT_WITHIN.as_secs()
    )]
    NoAnswer(Place),
    /// The receiver ends.
    #[error("the receiver is ending; it is not known to be done")]
    Ending,
}

fn whose(by: Option<&str>, at: Option<UtcMs>) -> String {
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    at.map_or_else(|| by.clone(), |at| format!("{by} at {at}"))
}

/// See the module's page. Cheap to clone; all clones are the same desk.
#[derive(Clone)]
pub struct Operator {
    pub(crate) outbox: Arc<Outbox>,
    board: Arc<Mutex<Snapshot>>,
    watchers: broadcast::WeakSender<Arc<Committed>>,
    pub(crate) results: broadcast::WeakSender<Arc<Answered>>,
    clock: Arc<dyn Clock>,
    /// To other control rooms, if this one is in touch with any.
    pub(crate) handovers: Option<Handovers>,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}

/// What is to be done about an incident.
struct Act<'a> {
    op: AlarmOp,
    text: Option<&'a str>,
    reason: Option<CloseReason>,
    /// Of another control room's act: as it names it, so that it is done once.
    relayed: Option<String>,
}

/// What is to come of an act.
struct Expected<'a> {
    address: &'a Address,
    incident: &'a Id,
    op: AlarmOp,
    operator: &'a str,
    nonce: &'a str,
    /// The class of the incident's own alarms.
    class: Class,
}

impl Operator {
    pub(crate) fn new(
        outbox: &Arc<Outbox>,
        board: &Arc<Mutex<Snapshot>>,
        watchers: &broadcast::Sender<Arc<Committed>>,
        results: &broadcast::Sender<Arc<Answered>>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            outbox: Arc::clone(outbox),
            board: Arc::clone(board),
            watchers: watchers.downgrade(),
            results: results.downgrade(),
            clock: Arc::clone(clock),
            handovers: None,
        }
    }

    /// Counts and states at this moment.
    pub fn snapshot(&self) -> Snapshot {
        desk::lock(&self.board).summed()
    }

    /// The receiver's wall clock.
    pub fn now(&self) -> UtcMs {
        self.clock.now().utc
    }

    /// Both of the receiver's clocks.
    pub(crate) fn time(&self) -> Now {
        self.clock.now()
    }

    /// Every event from now on whose commit has returned; none: the receiver has ended.
    pub(crate) fn events(&self) -> Option<broadcast::Receiver<Arc<Committed>>> {
        self.watchers.upgrade().map(|watchers| watchers.subscribe())
    }

    /// Does something about an incident, and waits until the gateway's event of it is committed
    /// here; returns its number. `operator` is the control room's id of whoever does it, never a
    /// name; `text` is what a note says. When dropped before, the act is withdrawn if it has not
    /// gone out yet.
    ///
    /// # Errors
    /// [`ActError`]; only with [`ActError::NoAnswer`] and [`ActError::Ending`] the gateway may
    /// have done it all the same.
    pub async fn act(
        &self,
        place: &Place,
        incident: &Id,
        op: AlarmOp,
        operator: &str,
        text: Option<&str>,
    ) -> Result<Seq, ActError> {
        let act = Act { op, text, reason: None, relayed: None };
        self.say(place, incident, operator, act).await
    }

    /// Closes an incident, and says what it was; a gateway of an older version closes it without
    /// the reason.
    ///
    /// # Errors
    /// See [`Operator::act`].
    pub async fn close(
        &self,
        place: &Place,
        incident: &Id,
        operator: &str,
        reason: CloseReason,
    ) -> Result<Seq, ActError> {
        let act = Act { op: AlarmOp::Close, text: None, reason: Some(reason), relayed: None };
        self.say(place, incident, operator, act).await
    }

    /// Hands the act of a control room that has taken the incident over to its gateway.
    ///
    /// # Errors
    /// See [`Operator::act`].
    pub(crate) async fn relay(
        &self,
        place: &Place,
        incident: &Id,
        operator: &str,
        asked: &Asked,
        nonce: String,
    ) -> Result<Seq, ActError> {
        let (op, text, reason) = (asked.op, asked.text.as_deref(), asked.reason);
        self.say(place, incident, operator, Act { op, text, reason, relayed: Some(nonce) }).await
    }

    async fn say(
        &self,
        place: &Place,
        incident: &Id,
        operator: &str,
        Act { op, text, reason, relayed }: Act<'_>,
    ) -> Result<Seq, ActError> {
        checked(operator)?;
        let snapshot = self.snapshot();
        let (address, class) = check(&snapshot, place, incident, op)?;
        let operator = match &relayed {
            Some(_) => operator.to_owned(),
            None => by_rooms(&snapshot.rooms, &address, incident, op, operator)?,
        };
        let operator = checked(&operator)?;
        // Before it goes out: the answer may be here before this function goes on.
        let mut events = match self.watchers.upgrade() {
            Some(watchers) => watchers.subscribe(),
            None => return Err(ActError::Ending),
        };
        let (told, taken) = oneshot::channel();
        let act = AlarmAct {
            op,
            operator: operator.to_owned(),
            time: self.now(),
            nonce: relayed.unwrap_or_else(|| format!("{:032x}", fastrand::u128(..))),
            text: text.map(str::to_owned),
            reason,
        };
        let nonce = act.nonce.clone();
        let Ok(payload) = serde_json::to_vec(&act) else { return Err(ActError::Busy) };
        let (topic, expiry) = (address.alarm_act(incident), ACT_WITHIN);
        let saying = Saying { topic, payload, expiry, respond: None, told };
        self.outbox.act(saying).map_err(|_| ActError::Busy)?;
        let expected = Expected { address: &address, incident, op, operator, nonce: &nonce, class };
        let answer = async {
            tokio::pin!(taken);
            let mut waits = true;
            loop {
                tokio::select! {
                    taken = &mut taken, if waits => match taken {
                        Ok(Taken::NobodyListens) => {
                            return Err(ActError::NobodyListens(place.clone()));
                        }
                        Ok(Taken::Refused(reason)) => return Err(ActError::Refused(reason)),
                        Ok(Taken::Held) | Err(_) => waits = false,
                    },
                    event = events.recv() => match event {
                        Ok(event) => if let Some(outcome) = expected.outcome(&event) {
                            return outcome;
                        },
                        // If ours was among them, the time limit tells.
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return Err(ActError::Ending),
                    },
                }
            }
        };
        match timeout(ACT_WITHIN, answer).await {
            Ok(outcome) => outcome,
            // Who was lost meanwhile, or what somebody else did, says more than "no answer".
            Err(_) => Err(check(&self.snapshot(), place, incident, op)
                .err()
                .filter(|error| matches!(error, ActError::Away(..) | ActError::NoBroker(_)))
                .unwrap_or_else(|| ActError::NoAnswer(place.clone()))),
        }
    }
}

impl Expected<'_> {
    /// What an event says of the act, if it does.
    fn outcome(&self, committed: &Committed) -> Option<Result<Seq, ActError>> {
        let classes = [Class::Arm, self.class];
        let ours = !committed.duplicate
            && *committed.address == *self.address
            && classes.contains(&committed.class);
        if !ours {
            return None;
        }
        let draft = committed.event().ok()?.draft;
        if draft.source.kind != "incident" || draft.source.id != *self.incident {
            return None;
        }
        let kind = match self.op {
            AlarmOp::Ack => "incident.acked",
            AlarmOp::Note => "incident.noted",
            AlarmOp::Close => "incident.closed",
            AlarmOp::Escalate => "alarm.escalated",
        };
        let closed = draft.kind == "incident.closed";
        if draft.kind != kind && !closed {
            return None;
        }
        let detail = |key: &str| draft.detail.as_ref().and_then(|detail| detail.get(key)?.as_str());
        // A gateway of before does not say which act it was.
        let same = detail("nonce").is_none_or(|nonce| nonce == self.nonce);
        if draft.kind == kind
            && detail("via") == Some("district")
            && draft.actor.as_deref() == Some(self.operator)
            && same
        {
            return Some(Ok(committed.seq));
        }
        let (incident, by) = (self.incident.clone(), draft.actor);
        match self.op {
            _ if closed => Some(Err(ActError::Closed { incident, by })),
            AlarmOp::Ack => Some(Err(ActError::Acknowledged { incident, by, at: draft.time.utc })),
            AlarmOp::Escalate => Some(Err(ActError::Escalated(incident))),
            // Another's note is no answer to ours.
            AlarmOp::Note | AlarmOp::Close => None,
        }
    }
}

/// An operator's id, if it is one.
pub(crate) fn checked(operator: &str) -> Result<&str, ActError> {
    let visible = |c: char| !c.is_control() && !c.is_whitespace();
    let fits = (1..=MAX_OPERATOR).contains(&operator.chars().count());
    if fits && operator.chars().all(visible) {
        return Ok(operator);
    }
    Err(ActError::Operator(operator.to_owned()))
}

/// Whether this room acts on an incident that is between rooms, and as whom: what another has taken
/// is that one's, and who has taken one of its own district signs for its room.
fn by_rooms(
    rooms: &RoomsView,
    address: &Address,
    incident: &Id,
    op: AlarmOp,
    operator: &str,
) -> Result<String, ActError> {
    match (rooms.of(address, incident), &rooms.name) {
        (Some(theirs), _) if theirs.is_theirs() && is_takers(op) => {
            Err(ActError::HandedOver(incident.clone(), theirs.peer.clone()))
        }
        (Some(ours), Some(own)) if (ours.side, ours.state) == (Side::Taken, State::Accepted) => {
            Ok(foreign(operator, own))
        }
        _ => Ok(operator.to_owned()),
    }
}

/// An incident that is open, with its gateway's address.
pub(crate) fn open_incident(
    snapshot: &Snapshot,
    place: &Place,
    incident: &Id,
) -> Result<(Address, Incident), ActError> {
    let (address, view) = find(snapshot, place)?;
    let Some(known) = view.incidents.get(incident.as_str()) else {
        let open = listed(view.incidents.keys().map(String::as_str));
        return Err(ActError::NoIncident(place.clone(), incident.clone(), open));
    };
    Ok((address.clone(), known.state.incident.clone()))
}

/// Whether an act makes sense by what is known now, and where it goes.
fn check(
    snapshot: &Snapshot,
    place: &Place,
    incident: &Id,
    op: AlarmOp,
) -> Result<(Address, Class), ActError> {
    if let (Link::Up, Some(why)) = (&snapshot.link, &snapshot.failing) {
        return Err(ActError::NotCommitting(why.clone()));
    }
    let (address, view) = reach(snapshot, place)?;
    let Some(known) = view.incidents.get(incident.as_str()) else {
        let open = listed(view.incidents.keys().map(String::as_str));
        return Err(ActError::NoIncident(place.clone(), incident.clone(), open));
    };
    let state = &known.state.incident;
    match (op, &state.acked) {
        (AlarmOp::Ack, Some((by, at))) => {
            let (incident, by) = (incident.clone(), by.clone());
            Err(ActError::Acknowledged { incident, by, at: *at })
        }
        (AlarmOp::Escalate, _) if state.escalated => Err(ActError::Escalated(incident.clone())),
        _ => Ok((address.clone(), state.class)),
    }
}

/// The gateway that is meant, if it can be told anything now.
pub(crate) fn reach<'s>(
    snapshot: &'s Snapshot,
    place: &Place,
) -> Result<(&'s Address, &'s GatewayView), ActError> {
    match &snapshot.link {
        Link::Connecting => return Err(ActError::NoBroker("connecting".to_owned())),
        Link::Down(why) => return Err(ActError::NoBroker(why.clone())),
        Link::Up => {}
    }
    let (address, view) = find(snapshot, place)?;
    if !matches!(view.life, Life::Online | Life::Suspect) {
        return Err(ActError::Away(place.clone(), view.life));
    }
    Ok((address, view))
}

fn find<'s>(
    snapshot: &'s Snapshot,
    place: &Place,
) -> Result<(&'s Address, &'s GatewayView), ActError> {
    let meant = |address: &Address| {
        address.gateway == place.gateway
            && place.site.as_ref().is_none_or(|site| *site == address.site)
    };
    let mut found = snapshot.gateways.iter().filter(|(address, _)| meant(address));
    let Some(first) = found.next() else {
        let known = listed(snapshot.gateways.keys().map(|address| address.gateway.as_str()));
        return Err(ActError::NoGateway(place.clone(), known));
    };
    if found.next().is_some() {
        let all = snapshot.gateways.keys().filter(|address| meant(address));
        let all: Vec<_> = all.map(|at| format!("{}/{}", at.site, at.gateway)).collect();
        return Err(ActError::Ambiguous(place.clone(), listed(all.iter().map(String::as_str))));
    }
    Ok(first)
}

/// The first few of these, or `none`.
fn listed<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> String {
    let all = ids.len();
    let mut named: Vec<_> = ids.take(NAMED).map(str::to_owned).collect();
    if all > NAMED {
        named.push(format!("{} more", all - NAMED));
    }
    if named.is_empty() { "none".to_owned() } else { named.join(", ") }
}
