//! What a wall shows of telling: at each incident who was told, and which ways fail.

use std::collections::BTreeMap;

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;

use super::machine::Outcome;

/// Lines of one incident, at most: the latest.
const LINES: usize = 40;

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The newest attempt that is in it.
    pub(crate) newest: i64,
    /// By site, gateway and incident.
    lines: BTreeMap<(Id, Id, Id), Vec<ToldLine>>,
    /// Ways by which nobody can be told at present.
    pub failing: Vec<Failing>,
}

/// A way by which nobody can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// `webhook`, `email`, `ntfy` or `home-assistant`.
    pub way: String,
    /// When it failed first.
    pub since: UtcMs,
}

/// One attempt to tell somebody of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldLine {
    /// Who; none: nobody could be tried.
    pub member: Option<Id>,
    /// The list.
    pub list: Id,
    /// `webhook`, `email`, `ntfy` or `home-assistant`; empty without a member.
    pub way: String,
    /// When.
    pub at: UtcMs,
    /// Why not, if it failed.
    pub why: Option<String>,
    /// When the same member is tried again.
    pub next: Option<UtcMs>,
}

impl ToldLine {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        Self {
            member: outcome.member.clone(),
            list: outcome.list.clone(),
            way: outcome.way.clone(),
            at: outcome.at,
            why: outcome.result.as_ref().err().cloned(),
            next: outcome.next,
        }
    }
}

impl Shown {
    pub(crate) fn add(&mut self, number: i64, incident: (Id, Id, Id), line: ToldLine) {
        self.newest = self.newest.max(number);
        let lines = self.lines.entry(incident).or_default();
        if lines.len() >= LINES {
            lines.remove(0);
        }
        lines.push(line);
    }

    /// Drops what is older.
    pub(crate) fn forget(&mut self, before: UtcMs) {
        self.lines.retain(|_, lines| lines.last().is_some_and(|line| line.at >= before));
    }

    /// Who was told of an incident, the oldest first.
    pub fn of(&self, site: &Id, gateway: &Id, incident: &Id) -> &[ToldLine] {
        let key = (site.clone(), gateway.clone(), incident.clone());
        self.lines.get(&key).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    #[test]
    fn an_incident_shows_its_latest_lines_and_what_is_old_is_forgotten() {
        let mut shown = Shown::default();
        let line = |at| ToldLine {
            member: Some(id("p-1")),
            list: id("patrol"),
            way: "email".into(),
            at: UtcMs(at),
            why: None,
            next: None,
        };
        for n in 0..50 {
            shown.add(n, (id("s"), id("g"), id("a1")), line(n));
        }
        shown.add(50, (id("s"), id("g"), id("a2")), line(7));
        let lines = shown.of(&id("s"), &id("g"), &id("a1"));
        assert_eq!((lines.len(), lines[0].at, shown.newest), (LINES, UtcMs(10), 50));
        shown.forget(UtcMs(8));
        assert!(shown.of(&id("s"), &id("g"), &id("a2")).is_empty());
        assert_eq!(shown.of(&id("s"), &id("g"), &id("a1")).len(), LINES);
    }
}
