//! One round: when it is due, how far it has come, and how it ended.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::openings::next_after;
use crate::event::{Class, Draft, Qualifier};
use crate::id::Id;
use crate::site::out::{Head, Out};
use crate::site::reconfigure::CHANGED;
use crate::site::timer::KeptTimer;
use crate::site::{Order, RoundConfig};
use crate::time::{Mono, Now, UtcMs};

/// Of a time that nobody watched, so many missed rounds are told one by one; those before them in
/// one event, with their number.
const MAX_TOLD: usize = 16;

/// Further back nothing is counted: a clock that was wrong by years would make thousands of them.
const FAR_MS: i64 = 32 * 86_400_000;

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptRound {
    last: Option<UtcMs>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<KeptRun>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptRun {
    facts: Facts,
    until: KeptTimer,
    /// The ids of what was visited, in its order.
    visited: Vec<Id>,
}

/// What is told of one time that it was due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    due: UtcMs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<UtcMs>,
    #[serde(default)]
    overdue: bool,
    /// It was overdue at some time.
    #[serde(default)]
    late: bool,
    #[serde(default)]
    too_fast: u32,
    #[serde(default)]
    out_of_order: u32,
}

/// One time that it is due.
#[derive(Clone, Debug)]
struct Run {
    facts: Facts,
    /// It must begin, reach the next checkpoint, or is given up then.
    until: Mono,
    /// What was visited, by the places in the list of its checkpoints.
    visited: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) config: RoundConfig,
    /// The opening of the newest window that was counted.
    last: Option<UtcMs>,
    /// The next window.
    next: Option<(UtcMs, UtcMs)>,
    run: Option<Run>,
    /// When the next window opens, as far as the wall clock is known.
    wake: Option<Mono>,
    changed: bool,
}

impl Round {
    pub(super) const fn new(config: RoundConfig) -> Self {
        Self { config, last: None, next: None, run: None, wake: None, changed: false }
    }

    pub(super) fn restore(
        &mut self,
        kept: KeptRound,
        place: impl Fn(&Id) -> Option<usize>,
        boot: &str,
        now: &Now,
    ) {
        self.last = kept.last;
        self.run = kept.run.map(|run| {
            // What cannot be known lasts whole: what is told later is told, and nobody is blamed
            // for a clock.
            let until = run.until.on_or_whole(boot, now, self.longest());
            let here = |id: &Id| {
                let checkpoint = place(id)?;
                self.config.checkpoints.iter().position(|known| *known == checkpoint)
            };
            let visited = run.visited.iter().filter_map(here).collect();
            Run { facts: run.facts, until, visited }
        });
    }

    /// Goes on from what it was under another configuration.
    ///
    /// `same_way`: it passes the same checkpoints; `same_zone`: clocks on the wall show the same.
    pub(super) fn take_over(
        &mut self,
        mut old: Self,
        same_way: bool,
        same_zone: bool,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        if !same_way || self.config.order != old.config.order {
            old.missed(CHANGED, at, out);
        }
        // Windows that were not its own until now did not pass.
        let same_windows = same_zone && self.config.starts == old.config.starts;
        self.last = old.last.filter(|_| same_windows);
        self.changed = old.changed || !same_windows;
        self.run = old.run;
    }

    fn longest(&self) -> Duration {
        // A window lasts a day at most.
        let start = Duration::from_secs(86_400) + self.config.tolerance;
        start.max(self.leg()).max(self.config.give_up)
    }

    /// The way to a checkpoint, with what is still in time.
    fn leg(&self) -> Duration {
        self.config.leg_max + self.config.tolerance
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let until = self.run.as_ref().map(|run| run.until);
        until.into_iter().chain(self.wake).min()
    }

    /// Looks at the wall clock: what has become due, and what was passed over.
    ///
    /// Each window counts once: a clock that goes back opens none again, and of those that a clock
    /// passed over, or that went by unwatched, each is told as missed, or still open.
    pub(super) fn look(&mut self, now: &Now, known: bool, zone: &TimeZone, out: &mut Out<'_>) {
        self.wake = None;
        if !known {
            return;
        }
        let last = *self.last.get_or_insert_with(|| {
            self.changed = true;
            now.utc
        });
        if now.utc.0.saturating_sub(last.0) > FAR_MS {
            self.last = Some(UtcMs(now.utc.0 - FAR_MS));
            self.next = None;
            self.changed = true;
            let cause = "nobody watched for long";
            self.unwatched((last, UtcMs(now.utc.0 - FAR_MS)), None, cause, now.mono, out);
        }
        if self.next.is_none() {
            self.next = self.last.and_then(|last| next_after(last, &self.config.starts, zone));
        }
        let mut gone = Vec::new();
        let tolerance = i64::try_from(self.config.tolerance.as_millis()).unwrap_or(i64::MAX);
        while let Some((opens, closes)) = self.next.filter(|(opens, _)| *opens <= now.utc) {
            self.last = Some(opens);
            self.changed = true;
            self.next = next_after(opens, &self.config.starts, zone);
            let left = closes.0.saturating_add(tolerance).saturating_sub(now.utc.0);
            match u64::try_from(left) {
                Ok(left @ 1..) => {
                    self.all_gone(&gone, now.mono, out);
                    gone.clear();
                    self.due(opens, now.mono.plus(Duration::from_millis(left)), now.mono, out);
                }
                _ => gone.push(opens),
            }
        }
        self.all_gone(&gone, now.mono, out);
        self.wake = self.next.map(|(opens, _)| {
            let wait = u64::try_from(opens.0.saturating_sub(now.utc.0)).unwrap_or(0);
            now.mono.plus(Duration::from_millis(wait))
        });
    }

    fn all_gone(&mut self, gone: &[UtcMs], at: Mono, out: &mut Out<'_>) {
        let cause = "nobody watched then";
        let one_by_one = gone.len().saturating_sub(MAX_TOLD);
        if let [first, .., last] = gone[..one_by_one] {
            self.unwatched((first, last), Some(one_by_one), cause, at, out);
        } else if let [only] = gone[..one_by_one] {
            self.missed_unbegun(only, cause, at, out);
        }
        for due in &gone[one_by_one..] {
            self.missed_unbegun(*due, cause, at, out);
        }
    }

    fn missed_unbegun(&self, due: UtcMs, cause: &str, at: Mono, out: &mut Out<'_>) {
        self.event(at, "round.missed", Qualifier::Status, out, |draft| {
            draft.severity = 2;
            draft.cause = Some(cause.to_owned());
            draft.detail = Some(json!({ "due": due }));
        });
    }

    /// Several rounds in one event; `count`: not known.
    fn unwatched(
        &self,
        (from, to): (UtcMs, UtcMs),
        count: Option<usize>,
        cause: &str,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        self.event(at, "round.missed", Qualifier::Status, out, |draft| {
            draft.severity = 2;
            draft.cause = Some(cause.to_owned());
            draft.detail = Some(json!({ "from": from, "to": to, "count": count }));
        });
    }

    fn due(&mut self, due: UtcMs, until: Mono, at: Mono, out: &mut Out<'_>) {
        self.missed("the next one is due", at, out);
        let facts =
            Facts { due, began: None, overdue: false, late: false, too_fast: 0, out_of_order: 0 };
        self.run = Some(Run { facts, until, visited: Vec::new() });
        self.changed = true;
    }

    /// A time has run out, unless it was only that of looking at the wall clock.
    pub(super) fn expire(&mut self, at: Mono, out: &mut Out<'_>) {
        let Some(run) = self.run.as_mut().filter(|run| run.until == at) else { return };
        if run.facts.began.is_none() {
            return self.missed("nobody began it", at, out);
        }
        if run.facts.overdue {
            return self.missed("given up", at, out);
        }
        run.facts.overdue = true;
        run.facts.late = true;
        run.until = at.plus(self.config.give_up);
        self.changed = true;
        let detail = self.facts();
        self.event(at, "round.overdue", Qualifier::Status, out, |draft| {
            // Somebody alone on the way may be in trouble.
            draft.class = Class::Alarm;
            draft.severity = 2;
            draft.detail = detail;
        });
    }

    /// What there is of the present run ends as missed.
    pub(super) fn missed(&mut self, cause: &str, at: Mono, out: &mut Out<'_>) {
        let detail = self.facts();
        let Some(run) = self.run.take() else { return };
        self.changed = true;
        let began = run.facts.began.is_some();
        let qualifier = if began { Qualifier::Restore } else { Qualifier::Status };
        self.event(at, "round.missed", qualifier, out, |draft| {
            draft.severity = 2;
            draft.closes = began.then_some("round.begun");
            draft.cause = Some(cause.to_owned());
            draft.detail = detail;
        });
    }

    /// Whether a visit of this checkpoint is what it waits for.
    pub(super) fn wants(&self, checkpoint: usize) -> bool {
        let Some(run) = &self.run else { return false };
        let Some(place) = self.place(checkpoint) else { return false };
        match self.config.order {
            Order::Strict => place == run.visited.len(),
            Order::Any => !run.visited.contains(&place),
        }
    }

    pub(super) fn is_begun(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.facts.began.is_some())
    }

    /// Whether this checkpoint is one that it will pass, and has not.
    pub(super) fn passes(&self, checkpoint: usize) -> bool {
        let place = self.place(checkpoint);
        let run = self.run.as_ref().zip(place);
        run.is_some_and(|(run, place)| !run.visited.contains(&place))
    }

    fn place(&self, checkpoint: usize) -> Option<usize> {
        self.config.checkpoints.iter().position(|known| *known == checkpoint)
    }

    /// Somebody is where the round waits for them.
    pub(super) fn visit(
        &mut self,
        checkpoint: usize,
        actor: Option<&str>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let (leg, place) = (self.leg(), self.place(checkpoint));
        let (Some(run), Some(place)) = (&mut self.run, place) else { return };
        let begins = run.facts.began.is_none();
        // Not overdue, `until` says since when they are on the way.
        let since = Mono(run.until.0.saturating_sub(Mono(0).plus(leg).0));
        let fast = !begins && !run.facts.overdue && at.since(since) < self.config.leg_min;
        run.facts.began.get_or_insert(out.now.utc_at(at));
        run.facts.too_fast += u32::from(fast);
        run.facts.overdue = false;
        run.visited.push(place);
        run.until = at.plus(leg);
        self.changed = true;
        let whole = run.visited.len() == self.config.checkpoints.len();
        if begins {
            self.event(at, "round.begun", Qualifier::New, out, |draft| {
                draft.actor = actor.map(str::to_owned);
            });
        }
        if fast {
            let least = self.config.leg_min.as_secs();
            self.event(at, "round.too_fast", Qualifier::Status, out, |draft| {
                draft.severity = 3;
                draft.actor = actor.map(str::to_owned);
                let took = at.since(since).as_secs();
                draft.detail = Some(json!({ "took_s": took, "at_least_s": least }));
            });
        }
        if whole {
            let detail = self.facts();
            let late = self.run.take().is_some_and(|run| run.facts.late);
            let kind = if late { "round.late" } else { "round.done" };
            self.event(at, kind, Qualifier::Restore, out, |draft| {
                draft.severity = if late { 3 } else { 5 };
                draft.closes = Some("round.begun");
                draft.actor = actor.map(str::to_owned);
                draft.detail = detail;
            });
        }
    }

    /// Somebody is elsewhere on it than they should be.
    pub(super) fn strays(&mut self, at_id: &Id, expected: &Id, at: Mono, out: &mut Out<'_>) {
        let Some(run) = &mut self.run else { return };
        run.facts.out_of_order = run.facts.out_of_order.saturating_add(1);
        self.changed = true;
        self.event(at, "round.out_of_order", Qualifier::Status, out, |draft| {
            draft.severity = 3;
            draft.detail = Some(json!({ "at": at_id, "expected": expected }));
        });
    }

    /// The checkpoint that it waits for, in strict order.
    pub(super) fn expected(&self) -> Option<usize> {
        let run = self.run.as_ref()?;
        self.config.checkpoints.get(run.visited.len()).copied()
    }

    fn facts(&self) -> Option<Value> {
        let run = self.run.as_ref()?;
        let mut facts = json!(run.facts);
        facts["visited"] = json!(run.visited.len());
        facts["of"] = json!(self.config.checkpoints.len());
        Some(facts)
    }

    /// What is due or under way, and what comes next.
    pub(super) fn told(&self, id: impl Fn(usize) -> Option<Id>, now: &Now) -> Value {
        let strict = self.config.order == Order::Strict;
        let expected = self.expected().filter(|_| strict).and_then(&id);
        let next = self.next.map(|(opens, closes)| json!({ "opens": opens, "closes": closes }));
        let until = self.run.as_ref().map(|run| now.utc_at(run.until));
        json!({
            "id": self.config.id,
            "now": self.facts(),
            "until": until,
            "expected": expected,
            "next": next,
        })
    }

    /// Hands out what changed of that which outlives a restart.
    pub(super) fn keep(&mut self, id: impl Fn(usize) -> Option<Id>, out: &mut Out<'_>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let run = self.run.as_ref().map(|run| {
            let visited =
                run.visited.iter().filter_map(|place| self.config.checkpoints.get(*place));
            KeptRun {
                facts: run.facts.clone(),
                until: KeptTimer::new(run.until, out.boot, out.now),
                visited: visited.filter_map(|checkpoint| id(*checkpoint)).collect(),
            }
        });
        let kept = KeptRound { last: self.last, run };
        out.keep(format!("round/{}", self.config.id), &kept);
    }

    fn event(
        &self,
        at: Mono,
        kind: &'static str,
        qualifier: Qualifier,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("round", &self.config.id);
        let head = Head { class: Class::Access, kind, qualifier, severity: 5, source };
        out.record(at, head, fill);
    }
}
