//! What is on its way to the broker, and what it was.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use gatehouse_core::contract::Receipt;
use gatehouse_core::topic::Address;

use crate::outbox::Saying;

/// What was handed to rumqttc and is not acknowledged by the broker.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// In the order of handing over; rumqttc numbers them in that order.
    pub(super) handed: VecDeque<Handed>,
    pub(super) numbered: HashMap<u16, Handed>,
}

#[derive(Debug)]
pub(super) enum Handed {
    State,
    Receipt(Arc<Address>, Receipt),
    Act(Saying),
}

impl Flight {
    pub(super) fn len(&self) -> usize {
        self.handed.len() + self.numbered.len()
    }
}
