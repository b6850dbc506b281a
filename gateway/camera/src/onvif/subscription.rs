//! A subscription as the camera names it.

use std::time::Duration;

use gatehouse_core::time::{Mono, UtcMs};
use roxmltree::Node;

use super::xml::{self, escape};
use super::{OnvifError, place, time};
use crate::source::Address;

/// Some cameras tell their subscriptions apart by address, some by parameters that come back in each
/// call's header (WS-Addressing 1.0 Core, 3.1).
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Where it is dialled.
    pub(super) address: Address,
    /// What the camera called that, however wrong: it may compare.
    pub(super) to: String,
    pub(super) parameters: Vec<Parameter>,
    /// How long it lives.
    pub granted: Granted,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// From when.
    pub at: Mono,
    /// For so long.
    pub lives: Duration,
}

/// A parameter without parts of its own, as all of them that are known.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    namespace: String,
    name: String,
    value: String,
}

impl Parameter {
    pub(super) fn as_header(&self, number: usize) -> String {
        let Self { namespace, name, value } = self;
        let (namespace, value) = (escape(namespace), escape(value));
        format!(
            r#"<p{number}:{name} xmlns:p{number}="{namespace}" a:IsReferenceParameter="true">{value}</p{number}:{name}>"#
        )
    }
}

/// No camera has more than two.
const MOST_PARAMETERS: usize = 8;

impl Subscription {
    /// From the answer to `CreatePullPointSubscription`.
    pub(super) fn read(
        answer: Node<'_, '_>,
        dialled: &Address,
        asked: Duration,
        at: Mono,
    ) -> Result<Self, OnvifError> {
        let missing = || OnvifError::Protocol { detail: "a subscription without address".into() };
        let reference = xml::find(answer, "SubscriptionReference").ok_or_else(missing)?;
        let to = xml::text_at(reference, &["Address"]).ok_or_else(missing)?;
        let address = place::http(&to, dialled).ok_or_else(missing)?;
        let parameters = xml::at(reference, &["ReferenceParameters"]).into_iter();
        let parameters = parameters.flat_map(|node| node.children().filter(Node::is_element));
        let parameters = parameters.filter_map(|node| {
            let name = node.tag_name();
            Some(Parameter {
                namespace: name.namespace().filter(|text| text.len() <= xml::LONGEST)?.to_owned(),
                name: Some(name.name()).filter(|text| text.len() <= xml::LONGEST)?.to_owned(),
                value: xml::text(node).unwrap_or_default(),
            })
        });
        let parameters = parameters.take(MOST_PARAMETERS).collect();
        Ok(Self { address, to, parameters, granted: Granted::read(answer, asked, at) })
    }
}

impl Granted {
    /// As [`Granted::said`], or as asked for where that is missing or nonsense.
    pub(super) fn read(answer: Node<'_, '_>, asked: Duration, at: Mono) -> Self {
        // More is of no use: the next renewal asks again.
        let lives = Self::said(answer).map_or(asked, |lives| lives.min(asked));
        Self { at, lives }
    }

    /// By the camera's own clock, of which only the difference counts.
    pub(super) fn said(answer: Node<'_, '_>) -> Option<Duration> {
        let date = |name| -> Option<UtcMs> {
            time::instant(&xml::find(answer, name).and_then(xml::text)?)
        };
        let ms = date("TerminationTime")?.0.checked_sub(date("CurrentTime")?.0)?;
        u64::try_from(ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
    }

    /// When it ends.
    pub(super) fn end(self) -> Mono {
        self.at.plus(self.lives)
    }
}
