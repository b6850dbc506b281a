//! What is wanted of handovers at the control socket.

use gatehouse_core::contract::AlarmOp;
use gatehouse_core::id::Id;
use gatehouse_core::site::CloseReason;
use serde::{Deserialize, Serialize};

use super::{HandoverError, HandoverView};
use crate::operator::Operator;

/// What is wanted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub(crate) enum HandoverWish {
    /// Every handover that is open, and those of the last week.
    List,
    Offer {
        /// As [`crate::Place`].
        gateway: String,
        incident: Id,
        to: Id,
        operator: String,
    },
    Accept {
        id: Id,
        operator: String,
    },
    Refuse {
        id: Id,
        operator: String,
        why: String,
    },
    Withdraw {
        id: Id,
        operator: String,
    },
    /// On what was taken over.
    Act {
        id: Id,
        op: AlarmOp,
        operator: String,
        text: Option<String>,
        reason: Option<CloseReason>,
    },
    /// The bundle that came with an offer.
    Bundle {
        id: Id,
    },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HandoverOutcome {
    List(Vec<HandoverView>),
    /// Kept: the id of an offer, or of what was answered.
    Kept(Id),
    /// The number of an act.
    Act(u64),
    /// In base64.
    Bundle(String),
}

impl HandoverWish {
    pub(crate) async fn fulfil(self, operator: &Operator) -> Result<HandoverOutcome, String> {
        let done = self.wanted(operator).await;
        match &done {
            Ok(HandoverOutcome::List(_) | HandoverOutcome::Bundle(_)) => {}
            Ok(outcome) => tracing::info!(?outcome, "handover: kept"),
            Err(error) => tracing::warn!(%error, "handover: not done"),
        }
        done.map_err(|error| error.to_string())
    }

    async fn wanted(self, operator: &Operator) -> Result<HandoverOutcome, HandoverError> {
        let desk = operator.handovers.as_ref().ok_or(HandoverError::NoRooms)?;
        Ok(match self {
            Self::List => HandoverOutcome::List(desk.view().handovers.clone()),
            Self::Offer { gateway, incident, to, operator } => {
                let place =
                    gateway.parse().map_err(|_| HandoverError::Unknown(incident.clone()))?;
                HandoverOutcome::Kept(desk.offer(&place, &incident, &to, &operator).await?)
            }
            Self::Accept { id, operator } => {
                desk.accept(&id, &operator).await?;
                HandoverOutcome::Kept(id)
            }
            Self::Refuse { id, operator, why } => {
                desk.refuse(&id, &operator, &why).await?;
                HandoverOutcome::Kept(id)
            }
            Self::Withdraw { id, operator } => {
                desk.withdraw(&id, &operator).await?;
                HandoverOutcome::Kept(id)
            }
            Self::Act { id, op, operator, text, reason } => {
                let number = desk.act(&id, op, &operator, text.as_deref(), reason).await?;
                HandoverOutcome::Act(number)
            }
            Self::Bundle { id } => {
                use base64::Engine as _;
                let bytes = desk.bundle(&id).await?;
                HandoverOutcome::Bundle(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
        })
    }
}
