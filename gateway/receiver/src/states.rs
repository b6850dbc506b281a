//! What one gateway says of its things and of its open incidents: the retained states as they came.
//!
//! Whether a state is to be believed is asked each time it is shown. An incident is never dropped
//! because its gateway is silent: only the gateway itself ends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_core::contract::{AlarmState, RetainedState};
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;

use crate::snapshot::{IncidentView, ThingView};

/// The most things of one kind kept per gateway; the contract's boxes have 64 wires.
const MAX_THINGS: usize = 256;

/// The most open incidents kept per gateway; a box keeps 64, and as many silent ones.
const MAX_INCIDENTS: usize = 256;

/// The kinds of things that have a retained state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Door,
    Zone,
    Partition,
    Reader,
    Output,
    Camera,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Door, Self::Zone, Self::Partition, Self::Reader, Self::Output, Self::Camera];

    /// The word in topics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Door => "door",
            Self::Zone => "zone",
            Self::Partition => "partition",
            Self::Reader => "reader",
            Self::Output => "output",
            Self::Camera => "camera",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct States {
    /// By [`Kind`].
    things: [Arc<BTreeMap<String, ThingView>>; Kind::ALL.len()],
    incidents: Arc<BTreeMap<String, IncidentView>>,
    /// The shortest validity among the things' states.
    valid_s: Option<u32>,
}

impl States {
    /// A state has come; none: the thing is no more.
    pub(crate) fn thing(
        &mut self,
        gateway: &Address,
        kind: Kind,
        id: &str,
        state: Option<RetainedState>,
        received: UtcMs,
    ) {
        let things = Arc::make_mut(&mut self.things[kind as usize]);
        match state {
            None => {
                things.remove(id);
            }
            Some(state) if things.contains_key(id) || things.len() < MAX_THINGS => {
                let view = ThingView { state, shown: String::new(), received };
                things.insert(id.to_owned(), view);
            }
            Some(_) => {
                tracing::warn!(%gateway, kind = kind.as_str(), id,
                    "more than {MAX_THINGS} of one kind; this one is not kept");
            }
        }
        let all = self.things.iter().flat_map(|things| things.values());
        self.valid_s = all.map(|thing| thing.state.valid_s).min();
    }

    /// An incident was told; none: it is closed.
    pub(crate) fn incident(
        &mut self,
        gateway: &Address,
        id: &str,
        state: Option<AlarmState>,
        received: UtcMs,
    ) {
        let incidents = Arc::make_mut(&mut self.incidents);
        let first = incidents.get(id).map(|view| view.received);
        match state {
            None => {
                incidents.remove(id);
            }
            Some(state) if first.is_some() || incidents.len() < MAX_INCIDENTS => {
                let received = first.unwrap_or(received);
                let view = IncidentView { state, shown: String::new(), received };
                incidents.insert(id.to_owned(), view);
            }
            Some(_) => {
                tracing::error!(%gateway, incident = id,
                    "more than {MAX_INCIDENTS} open incidents; this one is not kept");
            }
        }
    }

    /// A start of the gateway has told every open incident: what it did not tell is closed.
    pub(crate) fn forget_incidents_before(&mut self, session: u64) {
        let old = |view: &IncidentView| view.state.session < session;
        if self.incidents.values().any(old) {
            Arc::make_mut(&mut self.incidents).retain(|_, view| !old(view));
        }
    }

    /// The gateway's flash was wiped, and its starts are numbered anew: nobody will ever end what
    /// it had open before.
    pub(crate) fn forget_incidents_after(&mut self, session: u64) {
        Arc::make_mut(&mut self.incidents).retain(|_, view| view.state.session <= session);
    }

    /// The shortest validity, in seconds.
    pub(crate) const fn valid_s(&self) -> Option<u32> {
        self.valid_s
    }

    /// All things by kind, each with what is to be shown of it.
    pub(crate) fn things<'s>(
        &'s self,
        believed: impl Fn(&'s RetainedState) -> &'s str,
    ) -> [Arc<BTreeMap<String, ThingView>>; Kind::ALL.len()] {
        self.things.each_ref().map(|things| {
            let stale = |thing: &'s ThingView| thing.shown != believed(&thing.state);
            let mut shown = Arc::clone(things);
            if things.values().any(stale) {
                let shown = Arc::make_mut(&mut shown);
                for (view, told) in shown.values_mut().zip(things.values()) {
                    believed(&told.state).clone_into(&mut view.shown);
                }
            }
            shown
        })
    }

    /// All open incidents, each with its phase or `unknown`. `current` says whether what a start
    /// of this number said is to be believed.
    pub(crate) fn incidents(
        &self,
        current: impl Fn(u64) -> bool,
    ) -> Arc<BTreeMap<String, IncidentView>> {
        let mut shown = Arc::clone(&self.incidents);
        if !shown.is_empty() {
            for view in Arc::make_mut(&mut shown).values_mut() {
                let phase = view.state.incident.phase.as_str();
                let word = if current(view.state.session) { phase } else { "unknown" };
                word.clone_into(&mut view.shown);
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gatehouse_core::event::Class;
    use gatehouse_core::id::Seq;
    use gatehouse_core::site::{Danger, Incident, Phase};

    use super::*;

    fn gateway() -> Address {
        let id = |text: &str| text.parse().unwrap();
        Address { district: id("d"), site: id("s"), gateway: id("g") }
    }

    fn alarm(id: &str, session: u64) -> AlarmState {
        let incident = Incident {
            id: id.parse().unwrap(),
            phase: Phase::Active,
            danger: Danger::Burglary,
            class: Class::Alarm,
            severity: 1,
            partition: None,
            since: UtcMs(5),
            sources: vec!["zone/hall".into()],
            open: BTreeSet::new(),
            acked: None,
            escalated: false,
            notes: vec![],
        };
        AlarmState { incident, seq: Seq(9), session }
    }

    #[test]
    fn an_incident_stays_until_the_gateway_ends_it_and_is_unknown_while_nobody_hears_of_it() {
        let mut states = States::default();
        states.incident(&gateway(), "a1", Some(alarm("a1", 3)), UtcMs(10));
        states.incident(&gateway(), "a1", Some(alarm("a1", 3)), UtcMs(20));
        let shown = states.incidents(|_| true);
        assert_eq!((shown["a1"].shown.as_str(), shown["a1"].received), ("active", UtcMs(10)));
        assert_eq!(states.incidents(|_| false)["a1"].shown, "unknown");
        states.incident(&gateway(), "a1", None, UtcMs(30));
        assert!(states.incidents(|_| true).is_empty());
    }

    #[test]
    fn what_a_new_start_did_not_tell_again_is_closed() {
        let mut states = States::default();
        states.incident(&gateway(), "a1", Some(alarm("a1", 3)), UtcMs(10));
        states.incident(&gateway(), "a2", Some(alarm("a2", 3)), UtcMs(10));
        states.incident(&gateway(), "a2", Some(alarm("a2", 4)), UtcMs(11));
        states.forget_incidents_before(4);
        assert_eq!(states.incidents(|_| true).keys().collect::<Vec<_>>(), ["a2"]);
        // The flash was wiped: starts count from 1 again.
        states.forget_incidents_after(1);
        assert!(states.incidents(|_| true).is_empty());
    }

    #[test]
    fn each_kind_has_its_own_things_and_the_shortest_validity_counts() {
        let mut states = States::default();
        let state = |word: &'static str, valid_s| RetainedState {
            state: word.into(),
            since: UtcMs(0),
            seq: Seq(1),
            valid_s,
            flags: vec![],
            session: 1,
        };
        states.thing(&gateway(), Kind::Door, "x", Some(state("open", 90)), UtcMs(1));
        states.thing(&gateway(), Kind::Zone, "x", Some(state("active", 30)), UtcMs(1));
        assert_eq!(states.valid_s(), Some(30));
        let [doors, zones, ..] = states.things(|state| &state.state);
        assert_eq!((doors["x"].shown.as_str(), zones["x"].shown.as_str()), ("open", "active"));
        states.thing(&gateway(), Kind::Zone, "x", None, UtcMs(1));
        assert_eq!(states.valid_s(), Some(90));
        let [doors, zones, ..] = states.things(|_| "unknown");
        assert_eq!((doors["x"].shown.as_str(), zones.len()), ("unknown", 0));
    }
}
