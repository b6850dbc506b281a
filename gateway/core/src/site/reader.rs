//! One reader: its case, supply, link and secure channel, each with its restore, and its lockout.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::{CredentialHash, Denial};
use super::enrol::Wanted;
use super::out::{Head, Out};
use super::reconfigure::GONE;
use super::timer::KeptTimer;
use super::zone::FIRST_READING;
use super::{Lockout, ReaderConfig, ReaderPart, Thing};
use crate::event::{Class, Draft, Qualifier};
use crate::id::Id;
use crate::time::{Mono, Now};

impl ReaderPart {
    const ALL: [Self; 4] = [Self::Case, Self::Power, Self::Link, Self::Channel];

    /// The types of what is told when it is not good, and when it is again.
    const fn kinds(self) -> (&'static str, &'static str) {
        match self {
            Self::Case => ("reader.tamper", "reader.tamper_restored"),
            Self::Power => ("reader.power_lost", "reader.power_lost_restored"),
            Self::Link => ("reader.lost", "reader.lost_restored"),
            Self::Channel => ("reader.insecure", "reader.insecure_restored"),
        }
    }

    const fn class(self) -> Class {
        match self {
            Self::Case | Self::Channel => Class::Tamper,
            Self::Power | Self::Link => Class::Fault,
        }
    }

    const fn flag(self) -> &'static str {
        match self {
            Self::Case => "tamper",
            Self::Power => "power",
            Self::Link => "lost",
            Self::Channel => "insecure",
        }
    }
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptReader {
    /// What stands told, by the place in [`ReaderPart::ALL`].
    stands: [bool; 4],
    /// The end of the lockout.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<KeptTimer>,
    /// When each wrong attempt stops counting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wrong: Vec<KeptTimer>,
}

/// What a part of a reader says.
pub(super) struct Said {
    pub(super) good: bool,
    /// It cannot say anything else: its bus is lost.
    pub(super) excused: bool,
    pub(super) cause: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) config: ReaderConfig,
    /// The id of the partition of its door, or of its own.
    partition: Option<Id>,
    /// What each part said last.
    good: [Option<bool>; 4],
    /// What was told and has not ended.
    stands: [bool; 4],
    /// When what is not good is told.
    due: [Option<Mono>; 4],
    /// Why it is not.
    why: [Option<String>; 4],
    /// When each wrong attempt stops counting.
    wrong: Vec<Mono>,
    /// Until when it is locked.
    locked: Option<Mono>,
    /// Refused while it is locked.
    refused: u32,
    /// Who was shown last, and when.
    shown: Option<(CredentialHash, Mono)>,
    /// Its next unknown card is wanted.
    pub(super) wanted: Option<Wanted>,
    changed: bool,
}

impl Reader {
    pub(super) const fn new(config: ReaderConfig, partition: Option<Id>) -> Self {
        Self {
            config,
            partition,
            good: [None; 4],
            stands: [false; 4],
            due: [None; 4],
            why: [const { None }; 4],
            wrong: Vec::new(),
            locked: None,
            refused: 0,
            shown: None,
            wanted: None,
            changed: false,
        }
    }

    pub(super) const fn partition(&self) -> Option<&Id> {
        self.partition.as_ref()
    }

    pub(super) const fn is_locked(&self) -> bool {
        self.locked.is_some()
    }

    /// Whether its cards may be believed.
    pub(super) fn is_trusted(&self) -> bool {
        !self.config.secure || self.good[ReaderPart::Channel as usize] == Some(true)
    }

    /// Why it lets nobody in or watches nothing, the gravest reason; `None`: it works.
    pub(super) fn why_out(&self) -> Option<&'static str> {
        let not = |part: ReaderPart| self.good[part as usize] != Some(true);
        let link = ReaderPart::Link as usize;
        if self.good[link] != Some(true) {
            return Some("lost");
        }
        let bad = |part: ReaderPart| self.good[part as usize] == Some(false);
        if self.config.secure && not(ReaderPart::Channel) {
            Some("insecure")
        } else if bad(ReaderPart::Case) {
            Some("tamper")
        } else if bad(ReaderPart::Power) {
            Some("power")
        } else {
            self.is_locked().then_some("locked out")
        }
    }

    pub(super) fn restore(&mut self, kept: &KeptReader, boot: &str, now: &Now) {
        self.stands = kept.stands;
        let Lockout { lasts, window, .. } = self.config.lockout;
        // A power cut must not shorten it: what cannot be known lasts whole.
        self.locked = kept.locked.as_ref().map(|until| until.on_or_whole(boot, now, lasts));
        let wrong = kept.wrong.iter();
        self.wrong = wrong.map(|until| until.on_or_whole(boot, now, window)).collect();
    }

    /// Goes on from what the same reader was under another configuration.
    pub(super) fn take_over(&mut self, index: usize, old: Self, at: Mono, out: &mut Out<'_>) {
        let Self {
            config,
            partition: _,
            good,
            stands,
            due,
            why,
            wrong,
            locked,
            refused,
            shown,
            wanted,
            changed,
        } = old;
        self.wanted = wanted;
        (self.stands, self.wrong, self.locked) = (stands, wrong, locked);
        (self.refused, self.shown, self.changed) = (refused, shown, changed);
        if config.driver == self.config.driver {
            (self.good, self.due, self.why) = (good, due, why);
        } else {
            // Another one on the wall: what it is, it has to say.
            self.await_link(at);
            self.show(index, at, out);
        }
    }

    /// Ends what stands open of it: it is gone.
    pub(super) fn finish(&mut self, at: Mono, out: &mut Out<'_>) {
        if let Some(wanted) = self.wanted.take() {
            wanted.give_up(out);
        }
        let stood = std::mem::take(&mut self.stands);
        let parts = { ReaderPart::ALL }.into_iter().filter(|part| stood[*part as usize]);
        let parts = parts.map(|part| (part.kinds(), part.class()));
        let locked = self.locked.take();
        let lockout = (("access.lockout", "access.lockout_restored"), Class::Tamper);
        for ((began, ended), class) in parts.chain(locked.map(|_| lockout)) {
            self.event(at, ended, Qualifier::Restore, class, out, |draft| {
                draft.closes = Some(began);
                draft.cause = Some(GONE.to_owned());
            });
        }
    }

    /// The start, or its bus is back: it has a while to answer.
    pub(super) fn await_link(&mut self, at: Mono) {
        let link = ReaderPart::Link as usize;
        if self.good[link] != Some(true) && !self.stands[link] {
            self.due[link] = Some(at.plus(self.config.hold_off.max(FIRST_READING)));
        }
    }

    /// Its bus is lost: nothing is expected of it.
    pub(super) const fn excuse(&mut self) {
        self.due[ReaderPart::Link as usize] = None;
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let wanted = self.wanted.as_ref().map(|wanted| wanted.until);
        self.due.into_iter().flatten().chain(self.locked).chain(wanted).min()
    }

    /// The earliest deadline has come.
    pub(super) fn expire(&mut self, index: usize, out: &mut Out<'_>) {
        let Some(at) = self.deadline() else { return };
        if let Some(part) =
            { ReaderPart::ALL }.into_iter().find(|p| self.due[*p as usize] == Some(at))
        {
            self.tell(index, part, at, out);
        } else if let Some(wanted) = self.wanted.take_if(|wanted| wanted.until == at) {
            wanted.give_up(out);
        } else {
            self.unlock(index, at, out);
        }
    }

    /// What a part of it says.
    pub(super) fn says(
        &mut self,
        index: usize,
        part: ReaderPart,
        Said { good, excused, cause }: Said,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let place = part as usize;
        self.why[place] = cause.filter(|_| !good);
        if self.good[place].replace(good) == Some(good) {
            return;
        }
        if good {
            self.due[place] = None;
            if std::mem::take(&mut self.stands[place]) {
                self.changed = true;
                let (began, ended) = part.kinds();
                self.event(at, ended, Qualifier::Restore, part.class(), out, |draft| {
                    draft.closes = Some(began);
                });
            }
        } else if !self.stands[place] {
            match part {
                // A blip of a line or a supply wakes nobody.
                ReaderPart::Link if excused => {}
                ReaderPart::Link | ReaderPart::Power => {
                    self.due[place] = Some(at.plus(self.config.hold_off));
                }
                // Without a need of it there is none to lose.
                ReaderPart::Channel if !self.config.secure => {}
                ReaderPart::Channel | ReaderPart::Case => return self.tell(index, part, at, out),
            }
        }
        self.show(index, at, out);
    }

    fn tell(&mut self, index: usize, part: ReaderPart, at: Mono, out: &mut Out<'_>) {
        self.due[part as usize] = None;
        self.stands[part as usize] = true;
        self.changed = true;
        let why = self.why[part as usize].clone();
        self.event(at, part.kinds().0, Qualifier::New, part.class(), out, |draft| {
            draft.cause = why;
        });
        self.show(index, at, out);
    }

    /// Somebody is refused. Says how many have been since it was locked; 0: it is not.
    pub(super) const fn refuse(&mut self, denial: Denial) -> u32 {
        if matches!(denial, Denial::LockedOut) {
            self.refused = self.refused.saturating_add(1);
        }
        self.refused
    }

    /// Somebody may be trying: too often, and the reader is locked.
    pub(super) fn wrong_attempt(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        let lockout = self.config.lockout;
        if lockout.attempts == 0 {
            return;
        }
        self.wrong.retain(|counts_until| *counts_until > at);
        self.wrong.push(at.plus(lockout.window));
        self.changed = true;
        if self.wrong.len() < usize::from(lockout.attempts) {
            return;
        }
        self.wrong.clear();
        // It began when it was noticed: what is late does not shorten it.
        self.locked = Some(out.now.mono.plus(lockout.lasts));
        self.event(at, "access.lockout", Qualifier::New, Class::Tamper, out, |draft| {
            draft.cause = Some("too many wrong attempts".to_owned());
            draft.detail =
                Some(json!({ "attempts": lockout.attempts, "locked_s": lockout.lasts.as_secs() }));
        });
        self.show(index, at, out);
    }

    fn unlock(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        self.locked = None;
        self.changed = true;
        let refused = std::mem::take(&mut self.refused);
        self.event(
            at,
            "access.lockout_restored",
            Qualifier::Restore,
            Class::Tamper,
            out,
            |draft| {
                draft.closes = Some("access.lockout");
                draft.detail = Some(json!({ "refused": refused }));
            },
        );
        self.show(index, at, out);
    }

    /// A credential is shown. Says when the same one was shown before, if it was the last.
    pub(super) fn shown_before(&mut self, credential: CredentialHash, at: Mono) -> Option<Mono> {
        let before = self.shown.replace((credential, at));
        before.filter(|(shown, _)| *shown == credential).map(|(_, at)| at)
    }

    pub(super) const fn forget_shown(&mut self) {
        self.shown = None;
    }

    pub(super) fn word(&self) -> &'static str {
        match self.good[ReaderPart::Link as usize] {
            None => "unknown",
            Some(true) => "online",
            Some(false) => "offline",
        }
    }

    pub(super) fn show(&self, index: usize, at: Mono, out: &mut Out<'_>) {
        let stands = { ReaderPart::ALL }.into_iter().filter(|part| self.stands[*part as usize]);
        let locked = self.locked.map(|_| "locked-out");
        let flags = stands.map(ReaderPart::flag).chain(locked).collect();
        out.state(Thing::Reader(index), self.word(), flags, at);
    }

    /// Hands out what changed of that which outlives a restart.
    pub(super) fn keep(&mut self, out: &mut Out<'_>) {
        if std::mem::take(&mut self.changed) {
            let timer = |at| KeptTimer::new(at, out.boot, out.now);
            let kept = KeptReader {
                stands: self.stands,
                locked: self.locked.map(timer),
                wrong: self.wrong.iter().map(|at| timer(*at)).collect(),
            };
            out.keep(format!("reader/{}", self.config.id), &kept);
        }
    }

    pub(super) fn event(
        &self,
        at: Mono,
        kind: &'static str,
        qualifier: Qualifier,
        class: Class,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("reader", &self.config.id);
        let severity = if qualifier == Qualifier::New { 2 } else { 4 };
        let head = Head { class, kind, qualifier, severity, source };
        out.record(at, head, |draft| {
            draft.source.driver = Some(self.config.driver.clone());
            draft.partition.clone_from(&self.partition);
            fill(draft);
        });
    }
}
