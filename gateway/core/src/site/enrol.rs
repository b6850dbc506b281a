//! New credentials: a card is presented to be enrolled, and another list is taken.
//!
//! The list itself stands in a file that people keep; the rules say which card was shown, and take the
//! list as a whole. Both are events, so that who could pass when can be told afterwards.

use std::time::Duration;

use serde_json::json;

use super::arming::By;
use super::command::{Answer, Command, Refusal};
use super::out::{Head, Out};
use super::{Card, Credential, Effect, Show, Site};
use crate::event::{Class, Qualifier};
use crate::time::Mono;

/// A person walks to the reader in this time; longer, and a stranger's card might be taken.
pub const LONGEST_ENROL: Duration = Duration::from_secs(60);

/// Somebody waits for the next unknown card at a reader.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Whom to answer.
    command: u64,
    /// Who it is.
    actor: Option<String>,
    pub(super) until: Mono,
}

impl Wanted {
    /// Nobody came.
    pub(super) fn give_up(self, out: &mut Out<'_>) {
        let answer = Answer::Refused { reason: Refusal::TimeOut, blockers: Vec::new() };
        out.effects.push(Effect::Answer { command: self.command, answer });
    }
}

impl Site {
    /// The next unknown card at this reader is wanted.
    pub(super) fn enrol(
        &mut self,
        command: &Command,
        index: usize,
        lasts: Duration,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let reader = self.readers.get_mut(index).ok_or(Refusal::Unknown)?;
        if reader.wanted.is_some() {
            return Err(Refusal::Busy);
        }
        reader.wanted = Some(Wanted {
            command: command.id,
            actor: command.actor.clone(),
            until: command.at.plus(lasts.min(LONGEST_ENROL)),
        });
        out.effects.push(Effect::Reader { reader: index, show: Show::Wait });
        Ok(())
    }

    /// It was shown. It opens nothing, and it is no wrong attempt.
    pub(super) fn captured(&mut self, card: &Card, out: &mut Out<'_>) {
        let Some(wanted) = self.readers[card.reader].wanted.take() else { return };
        self.access_event(card, "credential.captured", 5, out, |draft| {
            draft.detail = Some(json!({ "by": wanted.actor }));
        });
        out.effects.push(Effect::Reader { reader: card.reader, show: Show::Granted });
        let answer = Answer::Shown { credential: card.credential };
        out.effects.push(Effect::Answer { command: wanted.command, answer });
    }

    /// Another list. The same one changes nothing, and is no event.
    pub(super) fn load_credentials(
        &mut self,
        list: &[Credential],
        hash: &str,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        if self.credentials.hash == hash {
            return Answer::Already;
        }
        let new = super::access::Credentials::new(list.to_vec(), hash.to_owned());
        let before = std::mem::replace(&mut self.credentials, new);
        // Where somebody is who is not in the list any more, nobody asks.
        let gone: Vec<_> =
            self.places.keys().filter(|hash| !self.credentials.knows(**hash)).copied().collect();
        for credential in gone {
            self.places.remove(&credential);
            out.effects.push(Effect::Keep { key: format!("place/{credential}"), value: None });
        }
        self.credentials_changed(&before.hash, by, at, out);
        Answer::Done
    }

    /// Tells that the list is another one than before.
    pub(super) fn credentials_changed(
        &self,
        before: &str,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let Some(gateway) = self.gateway.as_ref().filter(|_| self.credentials.hash != before)
        else {
            return;
        };
        let head = Head {
            class: Class::System,
            kind: "credentials.changed",
            qualifier: Qualifier::Status,
            severity: 5,
            source: ("gateway", gateway),
        };
        out.record(at, head, |draft| {
            draft.actor = by.actor.map(str::to_owned);
            draft.detail = Some(json!({
                "via": by.via.as_str(),
                "before": before,
                "after": self.credentials.hash,
                "credentials": self.credentials.count(),
            }));
        });
    }
}
