//! The ids of commands that came, over restarts.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Outcome, Reason, Verb};
use crate::contract::CommandStatus;
use crate::id::Id;
use crate::site::KeptTimer;
use crate::time::{Mono, Now, UtcMs};

/// An id is remembered for so long, and no command may live longer.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// So many ids are remembered: a command every minute and a half, day and night. When one more
/// comes, the oldest goes if its command could not be carried out any more; else the one more is
/// refused.
pub const MAX_REMEMBERED: usize = 1024;

/// The kind of thing in the keys of what is kept.
pub(crate) const KIND: &str = "command";

/// A command that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) id: Id,
    pub(crate) verb: Verb,
    pub(crate) operator: String,
    pub(crate) args: Value,
    pub(crate) expires: UtcMs,
    /// When it is forgotten.
    pub(crate) until: Mono,
    pub(crate) outcome: Outcome,
}

/// What is kept of it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    verb: Verb,
    operator: String,
    expires: UtcMs,
    until: KeptTimer,
    status: CommandStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The oldest first.
    all: VecDeque<Taken>,
    /// What has changed since it was kept: the new value, or none.
    changed: Vec<(Id, Option<String>)>,
}

impl Memory {
    pub(crate) fn find(&self, id: &Id) -> Option<&Taken> {
        self.all.iter().find(|taken| taken.id == *id)
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets what is over, and makes room. False: there is none.
    pub(crate) fn has_room(&mut self, now: &Now, trusted: bool) -> bool {
        while self.all.front().is_some_and(|taken| taken.until <= now.mono) {
            self.forget_first();
        }
        if self.all.len() < MAX_REMEMBERED {
            return true;
        }
        // Without a clock nobody knows; what must not be late needs a nonce then.
        let over = |taken: &Taken| !trusted || taken.expires <= now.utc;
        if self.all.front().is_some_and(over) {
            self.forget_first();
        }
        self.all.len() < MAX_REMEMBERED
    }

    fn forget_first(&mut self) {
        if let Some(taken) = self.all.pop_front() {
            self.changed.push((taken.id, None));
        }
    }

    pub(crate) fn take(&mut self, taken: Taken, boot: &str, now: &Now) {
        self.changed.push((taken.id.clone(), Some(value(&taken, boot, now))));
        self.all.push_back(taken);
    }

    /// What came of one. `None`: it is not known, or was over before.
    pub(crate) fn over(
        &mut self,
        id: &Id,
        outcome: &Outcome,
        boot: &str,
        now: &Now,
    ) -> Option<Taken> {
        let taken = self.all.iter_mut().find(|taken| taken.id == *id)?;
        if taken.outcome.status.is_final() {
            return None;
        }
        taken.outcome = Outcome { detail: None, ..outcome.clone() };
        let taken = taken.clone();
        self.changed.push((id.clone(), Some(value(&taken, boot, now))));
        Some(taken)
    }

    /// Gives back what was kept.
    pub(crate) fn restore(
        &mut self,
        id: &str,
        value: &str,
        boot: &str,
        now: &Now,
    ) -> serde_json::Result<bool> {
        let Ok(id) = id.parse::<Id>() else { return Ok(false) };
        let kept: Kept = serde_json::from_str(value)?;
        let taken = Taken {
            id,
            verb: kept.verb,
            operator: kept.operator,
            args: Value::Null,
            expires: kept.expires,
            // Of what cannot be known, it is remembered whole.
            until: kept.until.on_or_whole(boot, now, REMEMBERED),
            outcome: Outcome { status: kept.status, reason: kept.reason, detail: None },
        };
        // Keys come in the order of their text.
        let place = self.all.partition_point(|known| known.until <= taken.until);
        self.all.insert(place, taken);
        Ok(true)
    }

    /// Those that a restart has cut off.
    pub(crate) fn unfinished(&self) -> Vec<Id> {
        let all = self.all.iter().filter(|taken| !taken.outcome.status.is_final());
        all.map(|taken| taken.id.clone()).collect()
    }

    /// What has changed since it was asked last: keys, and what is to be kept under them.
    pub(crate) fn changes(&mut self) -> impl Iterator<Item = (String, Option<String>)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|(id, value)| (format!("{KIND}/{id}"), value))
    }
}

fn value(taken: &Taken, boot: &str, now: &Now) -> String {
    let kept = Kept {
        verb: taken.verb,
        operator: taken.operator.clone(),
        expires: taken.expires,
        until: KeptTimer::new(taken.until, boot, now),
        status: taken.outcome.status,
        reason: taken.outcome.reason,
    };
    serde_json::to_string(&kept).expect("what is kept has only string keys")
}
