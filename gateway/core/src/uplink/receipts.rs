//! What the control room confirmed, and what to do when it does not.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::contract::Receipt;
use crate::event::{Class, Qualifier};
use crate::id::{Id, Seq};
use crate::site::Report;
use crate::time::Mono;

/// How many refused numbers and told gaps are remembered, so that each is told once.
const REMEMBERED: usize = 256;

/// A control room that comes online has so long to confirm what the broker kept for it, before it
/// is sent again.
const ARRIVAL: Duration = Duration::from_secs(5);

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Answers,
    SentAgain,
    Unresponsive,
}

/// What is to be done about a control room that confirms nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stalled {
    /// Send the window again.
    SendAgain,
    /// Raise the fault and try another way.
    Unresponsive,
}

#[derive(Debug)]
pub(super) struct HostWatch {
    upto: Seq,
    progress: Mono,
    stage: Stage,
    told: BTreeSet<Seq>,
    ahead_told: bool,
}

impl HostWatch {
    pub(super) const fn new(upto: Seq) -> Self {
        Self {
            upto,
            progress: Mono(0),
            stage: Stage::Answers,
            told: BTreeSet::new(),
            ahead_told: false,
        }
    }

    pub(super) const fn upto(&self) -> Seq {
        self.upto
    }

    pub(super) fn connected(&mut self, now: Mono) {
        self.progress = now;
        if self.stage == Stage::SentAgain {
            self.stage = Stage::Answers;
        }
    }

    pub(super) fn deadline(&self, due: bool, timeout: Duration) -> Option<Mono> {
        due.then(|| self.progress.plus(timeout))
    }

    /// `due`: the broker has acknowledged something that the control room has not confirmed.
    pub(super) fn check(&mut self, due: bool, timeout: Duration, now: Mono) -> Option<Stalled> {
        if !due {
            self.progress = now;
            return None;
        }
        if now.since(self.progress) < timeout {
            return None;
        }
        self.progress = now;
        match self.stage {
            Stage::Answers => {
                self.stage = Stage::SentAgain;
                Some(Stalled::SendAgain)
            }
            Stage::SentAgain => {
                self.stage = Stage::Unresponsive;
                Some(Stalled::Unresponsive)
            }
            Stage::Unresponsive => Some(Stalled::SendAgain),
        }
    }

    /// The control room has just come online: if it owes a receipt it shall give it soon.
    pub(super) fn arrived(&mut self, timeout: Duration, now: Mono) {
        if self.stage != Stage::Unresponsive {
            let soon = timeout.saturating_sub(ARRIVAL);
            let shifted = Mono(now.0.saturating_sub(nanos(soon)));
            self.progress = self.progress.min(shifted);
        }
    }

    /// Takes a receipt; `head` is the newest stored event. With what is to be told, and whether
    /// the broker has lost what it had acknowledged: only sending again brought progress.
    pub(super) fn receipt(
        &mut self,
        receipt: &Receipt,
        head: Seq,
        gateway: &Id,
        now: Mono,
    ) -> (Vec<Report>, bool) {
        let mut reports = Vec::new();
        let mut lost = false;
        if receipt.upto > head {
            // It confirms what this journal has never stored: the flash was replaced by an older
            // one, or another box has the same id. Believing it would skip real events.
            if !std::mem::replace(&mut self.ahead_told, true) {
                reports.push(ahead(gateway, receipt.upto, head));
            }
            return (reports, false);
        }
        if receipt.upto > self.upto {
            self.upto = receipt.upto;
            self.progress = now;
            if self.stage == Stage::Unresponsive {
                reports.push(unresponsive(gateway, Qualifier::Restore));
            }
            lost = self.stage != Stage::Answers;
            self.stage = Stage::Answers;
        } else if !receipt.missing.is_empty() {
            self.progress = now;
        }
        for nak in &receipt.nak {
            if self.tell(nak.seq) {
                reports.push(Report {
                    class: Class::Fault,
                    kind: "uplink.refused_by_host",
                    qualifier: Qualifier::New,
                    severity: 2,
                    source: ("gateway", gateway.clone()),
                    closes: None,
                    cause: Some(nak.code.chars().take(64).collect()),
                    detail: Some(serde_json::json!({ "seq": nak.seq })),
                    at: None,
                });
            }
        }
        (reports, lost)
    }

    /// True the first time that something is told of this number.
    pub(super) fn tell(&mut self, seq: Seq) -> bool {
        if self.told.len() >= REMEMBERED {
            self.told.pop_first();
        }
        self.told.insert(seq)
    }
}

/// `system.gap`: these numbers can never be sent, and this says so.
pub(super) fn gap(gateway: &Id, from: Seq, to: Seq) -> Report {
    Report {
        class: Class::System,
        kind: "system.gap",
        qualifier: Qualifier::Status,
        severity: 2,
        source: ("gateway", gateway.clone()),
        closes: None,
        cause: Some("no longer in the journal".to_owned()),
        detail: Some(serde_json::json!({ "from": from, "to": to, "reason": "retention" })),
        at: None,
    }
}

/// The fault `host_unresponsive`, or its restore.
pub(super) fn unresponsive(gateway: &Id, qualifier: Qualifier) -> Report {
    let restore = qualifier == Qualifier::Restore;
    Report {
        class: Class::Fault,
        kind: if restore { "host_responsive" } else { "host_unresponsive" },
        qualifier,
        severity: 2,
        source: ("gateway", gateway.clone()),
        closes: restore.then_some("host_unresponsive"),
        cause: (!restore).then(|| "no receipt although the broker takes events".to_owned()),
        detail: None,
        at: None,
    }
}

fn ahead(gateway: &Id, upto: Seq, head: Seq) -> Report {
    Report {
        class: Class::Fault,
        kind: "uplink.receipt_ahead",
        qualifier: Qualifier::New,
        severity: 1,
        source: ("gateway", gateway.clone()),
        closes: None,
        cause: Some(
            "the control room confirms events that this journal never stored: an older flash was \
             put in, the flash was wiped, or two boxes have the same id"
                .to_owned(),
        ),
        detail: Some(serde_json::json!({ "upto": upto, "head": head })),
        at: None,
    }
}
