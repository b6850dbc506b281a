//! What is put in for the task of a room: messages of others, and operators' wishes.

use std::fmt;
use std::sync::{Arc, Mutex};

use gatehouse_core::contract::AlarmOp;
use gatehouse_core::id::Id;
use gatehouse_core::site::CloseReason;
use gatehouse_core::topic::HandoverTopic;
use tokio::sync::{mpsc, oneshot};

use crate::desk;
use crate::handover::{Act, HandoverError, Offered, RoomsView};
use crate::operator::Place;
use crate::snapshot::Snapshot;

/// Messages and wishes that wait for the task. What comes above is sent again.
const WAITING: usize = 256;

/// What the task is given.
pub(crate) enum Input {
    /// A message off the wire, and its topic.
    Heard(HandoverTopic, Vec<u8>),
    Offer(Box<Offered>, Told<Id>),
    Accept(Id, String, Told<()>),
    Refuse(Id, String, String, Told<()>),
    Withdraw(Id, String, Told<()>),
    Act(Id, Act, Told<u64>),
    Bundle(Id, Told<Vec<u8>>),
}

type Told<T> = oneshot::Sender<Result<T, HandoverError>>;

/// Where the thread that commits leaves what other rooms say.
#[derive(Clone)]
pub(crate) struct Inbox(mpsc::Sender<Input>);

impl Inbox {
    /// Never waits. What finds no room comes again, since no receipt is sent.
    pub(crate) fn put(&self, topic: HandoverTopic, payload: &[u8]) {
        if self.0.try_send(Input::Heard(topic, payload.to_vec())).is_err() {
            tracing::warn!("more of other control rooms than can be taken in; it comes again");
        }
    }
}

/// The operators' desk for handovers. Cheap to clone; all clones are the same desk.
#[derive(Clone)]
pub struct Handovers {
    inputs: mpsc::Sender<Input>,
    board: Arc<Mutex<Snapshot>>,
}

impl fmt::Debug for Handovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handovers").finish_non_exhaustive()
    }
}

impl Handovers {
    async fn want<T>(&self, input: impl FnOnce(Told<T>) -> Input) -> Result<T, HandoverError> {
        let (told, outcome) = oneshot::channel();
        self.inputs.send(input(told)).await.map_err(|_| HandoverError::Ending)?;
        outcome.await.map_err(|_| HandoverError::Ending)?
    }

    /// What is shown of the other rooms.
    pub fn view(&self) -> Arc<RoomsView> {
        Arc::clone(&desk::lock(&self.board).rooms)
    }

    /// Offers an open incident to another room; the handover's id. It is handed over when the view
    /// says `accepted`, and not before.
    ///
    /// # Errors
    /// [`HandoverError`]: the room or the incident is not known, or it is too large.
    pub async fn offer(
        &self,
        place: &Place,
        incident: &Id,
        peer: &Id,
        operator: &str,
    ) -> Result<Id, HandoverError> {
        let snapshot = desk::lock(&self.board).clone();
        let (address, incident) = crate::operator::open_incident(&snapshot, place, incident)?;
        let operator = crate::operator::checked(operator)?.to_owned();
        let offered = Box::new(Offered { peer: peer.clone(), address, incident, operator });
        self.want(|told| Input::Offer(offered, told)).await
    }

    /// Takes an incident that another room offers; done when it is committed here.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub async fn accept(&self, id: &Id, operator: &str) -> Result<(), HandoverError> {
        let operator = crate::operator::checked(operator)?.to_owned();
        self.want(|told| Input::Accept(id.clone(), operator, told)).await
    }

    /// Does not take it, and says why.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub async fn refuse(&self, id: &Id, operator: &str, why: &str) -> Result<(), HandoverError> {
        let operator = crate::operator::checked(operator)?.to_owned();
        self.want(|told| Input::Refuse(id.clone(), operator, why.to_owned(), told)).await
    }

    /// Takes an offer back that nobody has answered, as one to a room that is away.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub async fn withdraw(&self, id: &Id, operator: &str) -> Result<(), HandoverError> {
        let operator = crate::operator::checked(operator)?.to_owned();
        self.want(|told| Input::Withdraw(id.clone(), operator, told)).await
    }

    /// Acts on an incident that was taken over. Done is what the view says of the act of the number
    /// that is returned; until then it is on its way.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub async fn act(
        &self,
        id: &Id,
        op: AlarmOp,
        operator: &str,
        text: Option<&str>,
        reason: Option<CloseReason>,
    ) -> Result<u64, HandoverError> {
        let operator = crate::operator::checked(operator)?.to_owned();
        let act = Act { op, operator, text: text.map(str::to_owned), reason };
        self.want(|told| Input::Act(id.clone(), act, told)).await
    }

    /// The bundle that came with an offer, as a file that proves itself.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub async fn bundle(&self, id: &Id) -> Result<Vec<u8>, HandoverError> {
        self.want(|told| Input::Bundle(id.clone(), told)).await
    }
}

/// The channel of a room: what is put in, and who takes it out.
pub(crate) fn channel() -> (Inbox, mpsc::Receiver<Input>) {
    let (inputs, taken) = mpsc::channel(WAITING);
    (Inbox(inputs), taken)
}

impl Inbox {
    pub(crate) fn desk(&self, board: &Arc<Mutex<Snapshot>>) -> Handovers {
        Handovers { inputs: self.0.clone(), board: Arc::clone(board) }
    }
}
