//! Cards and codes: granted or denied here, by what the box itself knows.
//!
//! A credential under duress is granted or denied like any other: nothing that can be seen at the
//! site differs. Beside it the district gets `access.duress`, which [`is_silent`](super::is_silent).

mod check;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

pub use crate::credential::{CredentialHash, HashError};
pub use check::Denial;
use check::{Pin, check, pin};

use super::door::Pass;
use super::enrol::Differs;
use super::out::{Head, Out};
use super::{
    Answer, Card, Command, Credential, Effect, Mode, Passage, Show, Side, Site, Verb, Via,
};
use crate::event::{Class, Draft, Qualifier};
use crate::time::Mono;

/// Shown again within so long, a card is meant to arm.
const TWICE: Duration = Duration::from_secs(5);

/// Denials at a locked reader that are told one by one; the rest is counted in the end's event.
const TOLD_WHILE_LOCKED: u32 = 16;

/// The credentials, found by their hash.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    all: BTreeMap<CredentialHash, Credential>,
    /// Which list this is.
    pub(super) hash: String,
}

impl Credentials {
    pub(super) fn new(all: Vec<Credential>, hash: String) -> Self {
        // Of several with the same hash the first counts.
        let all = all.into_iter().rev().map(|credential| (credential.hash, credential)).collect();
        Self { all, hash }
    }

    pub(super) fn knows(&self, hash: CredentialHash) -> bool {
        self.all.contains_key(&hash)
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// In what this list differs from the one before.
    pub(super) fn differs(&self, before: &Self) -> Differs {
        let only = |these: &Self, those: &Self| {
            these.all.keys().filter(|hash| !those.all.contains_key(hash)).copied().collect()
        };
        let changed = self
            .all
            .iter()
            .filter(|(hash, now)| before.all.get(hash).is_some_and(|then| then != *now));
        Differs {
            added: only(self, before),
            removed: only(before, self),
            changed: changed.map(|(hash, _)| *hash).collect(),
        }
    }
}

/// In which area each credential is, as far as doors told; `None`: the street.
pub(super) type Places = BTreeMap<CredentialHash, Option<usize>>;

impl Site {
    /// Whether it is somebody's, with its PIN where one is asked for: whatever they may do, and when.
    pub(super) fn is_somebodys(&self, card: &Card) -> bool {
        let known = self.credentials.all.get(&card.credential).zip(self.readers.get(card.reader));
        known.is_some_and(|(known, reader)| {
            !known.blocked && pin(known, &reader.config, card.pin) != Pin::Wrong
        })
    }

    /// A card or a code at a reader.
    pub(super) fn card(&mut self, card: &Card, out: &mut Out<'_>) {
        let (index, at) = (card.reader, card.at);
        let Some(reader) = self.readers.get(index) else { return };
        let known = self.credentials.all.get(&card.credential);
        let given = known.map(|known| pin(known, &reader.config, card.pin));
        let under_duress = known.is_some_and(|known| {
            let said = given == Some(Pin::Duress) || (known.duress && given == Some(Pin::Right));
            said && !known.blocked
        });
        if under_duress {
            // Before what everybody sees, so that no state is shown with its number.
            self.duress(card, out);
        }
        let age = out.now.mono.since(at);
        if card.late || age > self.access.late {
            self.access_event(card, "access.late", 3, out, |draft| {
                draft.cause = Some("late".to_owned());
                draft.detail = Some(json!({ "age_ms": age.as_millis() }));
            });
            return;
        }
        if reader.is_trusted() && (self.card_calls(card, out) || self.card_visits(card, out)) {
            return;
        }
        let reader = &self.readers[index];
        let known = self.credentials.all.get(&card.credential);
        let door = reader.config.door.and_then(|door| self.doors.get(door));
        let verdict = match known.zip(given) {
            _ if reader.is_locked() => Err(Denial::LockedOut),
            _ if !reader.is_trusted() => Err(Denial::Insecure),
            None => Err(Denial::Unknown),
            Some((known, given)) => {
                let door = door.map(super::door::Door::config);
                check(known, given, &reader.config, door, &self.access, &out.now.at(at))
            }
        };
        match verdict {
            Ok(()) => self.granted(card, out),
            Err(Denial::Unknown) if self.readers[index].wanted.is_some() => {
                self.captured(card, out);
            }
            Err(denial) => self.denied(card, denial, out),
        }
    }

    fn granted(&mut self, card: &Card, out: &mut Out<'_>) {
        let (index, at) = (card.reader, card.at);
        let Some(known) = self.credentials.all.get(&card.credential) else { return };
        let config = &self.readers[index].config;
        let partition = config.partition;
        let disarms = partition.filter(|place| config.disarms && known.disarms.contains(place));
        let arms = partition.filter(|place| known.arms.contains(place)).zip(config.arms);
        let door = config.door;
        self.access_event(card, "access.granted", 5, out, |_| {});
        out.effects.push(Effect::Reader { reader: index, show: Show::Granted });
        if let Some(door) = door {
            self.pass(card, door, out);
            self.doors[door].grant(at, out.now.mono);
            self.drive_lock(door, out);
        }
        let before = self.readers[index].shown_before(card.credential, at);
        let twice = before.is_some_and(|before| at.since(before) <= TWICE);
        if let Some(place) = disarms
            && (self.partitions[place].mode() != Mode::Disarmed || self.is_warning(place))
        {
            self.by_card(card, Verb::Disarm { partition: place }, out);
            self.readers[index].forget_shown();
        } else if let Some((place, mode)) = arms.filter(|_| twice) {
            let verb = Verb::Arm { partition: place, mode, force: false, at_once: false };
            if matches!(self.by_card(card, verb, out), Answer::Refused { .. }) {
                out.effects.push(Effect::Reader { reader: index, show: Show::Denied });
            }
            self.readers[index].forget_shown();
        }
    }

    fn by_card(&mut self, card: &Card, verb: Verb, out: &mut Out<'_>) -> Answer {
        let actor = Some(card.credential.to_string());
        let command = Command { id: 0, via: Via::Reader, actor, verb, at: card.at };
        // What a card wants is answered at once.
        self.command(&command, out).unwrap_or(Answer::Already)
    }

    fn denied(&mut self, card: &Card, denial: Denial, out: &mut Out<'_>) {
        let told = self.readers[card.reader].refuse(denial);
        if told <= TOLD_WHILE_LOCKED {
            self.access_event(card, "access.denied", 4, out, |draft| {
                draft.cause = Some(denial.as_str().to_owned());
            });
        }
        out.effects.push(Effect::Reader { reader: card.reader, show: Show::Denied });
        if denial.is_wrong_attempt() {
            self.readers[card.reader].wrong_attempt(card.reader, card.at, out);
        }
    }

    fn duress(&self, card: &Card, out: &mut Out<'_>) {
        self.access_event(card, "access.duress", 1, out, |draft| draft.class = Class::Panic);
    }

    /// Somebody may go through a door: where that leads, and whether they can have been there.
    fn pass(&mut self, card: &Card, door: usize, out: &mut Out<'_>) {
        let Some(Passage { outside, inside }) = self.doors[door].config().passage else { return };
        let (from, to) = match self.readers[card.reader].config.side {
            Side::Outside => (outside, Some(inside)),
            Side::Inside => (Some(inside), outside),
        };
        let asks = |area: Option<usize>| area.is_some_and(|area| self.areas[area].passback);
        let is = self.places.get(&card.credential).copied();
        if let Some(is) = is.filter(|is| *is != from && (asks(from) || asks(to))) {
            let words = [is, to].map(|area| area.map(|area| self.areas[area].id.to_string()));
            self.access_event(card, "access.passback", 3, out, |draft| {
                draft.cause = Some("anti-passback".to_owned());
                draft.detail = Some(json!({ "is_in": words[0], "goes_to": words[1] }));
            });
        }
        let pass = Pass { credential: card.credential, to, until: card.at };
        if let Some(pass) = self.doors[door].pass(pass, out.now.mono) {
            self.moves(&pass, out);
        }
    }

    /// A credential has gone to an area.
    pub(super) fn moves(&mut self, pass: &Pass, out: &mut Out<'_>) {
        if self.places.insert(pass.credential, pass.to) == Some(pass.to) {
            return;
        }
        let area = pass.to.map(|area| self.areas[area].id.as_str()).unwrap_or_default();
        out.keep(format!("place/{}", pass.credential), &area);
    }

    pub(super) fn access_event(
        &self,
        card: &Card,
        kind: &'static str,
        severity: u8,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let reader = &self.readers[card.reader];
        let source = ("reader", &reader.config.id);
        let qualifier = Qualifier::Status;
        let head = Head { class: Class::Access, kind, qualifier, severity, source };
        let door = reader.config.door.map(|door| self.doors[door].config());
        let at: Mono = card.at.min(out.now.mono);
        out.record(at, head, |draft| {
            draft.source.driver = Some(reader.config.driver.clone());
            draft.partition = reader.partition().cloned();
            draft.actor = Some(card.credential.to_string());
            fill(draft);
            if let Some(door) = door {
                let detail = draft.detail.get_or_insert_with(|| json!({}));
                detail["door"] = json!(door.id);
                detail["side"] = json!(match reader.config.side {
                    Side::Outside => "outside",
                    Side::Inside => "inside",
                });
            }
        });
    }
}
