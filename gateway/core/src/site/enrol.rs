//! New credentials: a card is presented to be enrolled, and another list is taken.
//!
//! The list itself stands in a file that people keep; the rules say which card was shown, and take the
//! list as a whole. Both are events, so that who could pass when can be told afterwards: another list
//! names what came, went and changed in it.

use std::time::Duration;

use serde_json::json;

use super::arming::By;
use super::command::{Answer, Command, Refusal};
use super::out::{Head, Out};
use super::{Card, Credential, CredentialHash, Denial, Effect, Show, Site};
use crate::event::{Class, Qualifier};
use crate::time::Mono;

/// A person walks to the reader in this time; longer, and a stranger's card might be taken.
pub const LONGEST_ENROL: Duration = Duration::from_secs(60);

/// Credentials that an event of another list names of each kind; the rest is counted. A list of
/// thousands that is put in place of another must not make an event that no broker takes.
const NAMED: usize = 16;

/// Somebody waits for the next unknown card at a reader.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Whom to answer.
    command: u64,
    /// Who it is.
    actor: Option<String>,
    pub(super) until: Mono,
}

/// In what two lists differ.
#[derive(Debug)]
pub(super) struct Differs {
    pub(super) added: Vec<CredentialHash>,
    pub(super) removed: Vec<CredentialHash>,
    /// They may do something else than before: also those that were blocked, or are not any more.
    pub(super) changed: Vec<CredentialHash>,
}

impl Wanted {
    /// Nobody came.
    pub(super) fn give_up(self, out: &mut Out<'_>) {
        let answer = refused(Refusal::TimeOut);
        out.effects.push(Effect::Answer { command: self.command, answer });
    }
}

impl Site {
    /// The next unknown card at this reader is wanted; for no time at all: not any more, if it was the
    /// same one who wanted it. `None`: the answer comes later.
    pub(super) fn enrol(
        &mut self,
        command: &Command,
        index: usize,
        lasts: Duration,
        out: &mut Out<'_>,
    ) -> Option<Answer> {
        let Some(reader) = self.readers.get_mut(index) else {
            return Some(refused(Refusal::Unknown));
        };
        if lasts.is_zero() {
            let own = reader.wanted.take_if(|wanted| wanted.actor == command.actor);
            let Some(wanted) = own else { return Some(Answer::Already) };
            wanted.give_up(out);
            out.effects.push(Effect::Reader { reader: index, show: Show::Denied });
            return Some(Answer::Done);
        }
        if reader.wanted.is_some() {
            return Some(refused(Refusal::Busy));
        }
        reader.wanted = Some(Wanted {
            command: command.id,
            actor: command.actor.clone(),
            until: command.at.plus(lasts.min(LONGEST_ENROL)),
        });
        out.effects.push(Effect::Reader { reader: index, show: Show::Wait });
        None
    }

    /// It was shown. It opens nothing, and it is denied in the record like any other that nobody knows;
    /// but whoever enrols a stack of cards is not locked out for it: it is no wrong attempt.
    pub(super) fn captured(&mut self, card: &Card, out: &mut Out<'_>) {
        let Some(wanted) = self.readers[card.reader].wanted.take() else { return };
        self.access_event(card, "access.denied", 4, out, |draft| {
            draft.cause = Some(Denial::Unknown.as_str().to_owned());
        });
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
        let differs = self.credentials.differs(&before);
        // Where somebody is who is not in the list any more, nobody asks.
        let gone: Vec<_> =
            self.places.keys().filter(|hash| !self.credentials.knows(**hash)).copied().collect();
        for credential in gone {
            self.places.remove(&credential);
            out.effects.push(Effect::Keep { key: format!("place/{credential}"), value: None });
        }
        self.credentials_changed((&before.hash, Some(&differs)), by, at, out);
        Answer::Done
    }

    /// Tells that the list is another one than before, and in what, if both are at hand.
    pub(super) fn credentials_changed(
        &self,
        (before, differs): (&str, Option<&Differs>),
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
            let detail = draft.detail.as_mut().zip(differs);
            if let Some((detail, differs)) = detail {
                let Differs { added, removed, changed } = differs;
                for (what, all) in [("added", added), ("removed", removed), ("changed", changed)] {
                    detail[what] = json!(all.iter().take(NAMED).collect::<Vec<_>>());
                    detail[format!("{what}_count")] = json!(all.len());
                }
            }
        });
    }
}

fn refused(reason: Refusal) -> Answer {
    Answer::Refused { reason, blockers: Vec::new() }
}
