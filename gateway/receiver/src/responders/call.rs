//! A call: what of a committed event somebody may have to be told.
//!
//! An alarm that opens an incident calls, one that joins it does so only if it names another list,
//! and an escalation calls once more. Nothing of a person is in it: no actor, no card, no picture.
//! Events of a test or a walk test never call.

use gatehouse_core::event::{Class, Lane, Qualifier};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use serde::Deserialize;

use crate::store::When;

/// What arrives longer after it happened is told as late.
const LATE_MS: i64 = 60_000;

/// A call as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its number in the database; 0 before it is stored.
    pub(crate) number: i64,
    pub(crate) site: Id,
    pub(crate) gateway: Id,
    pub(crate) seq: Seq,
    /// The event's own id, unique over all gateways and times.
    pub(crate) event: String,
    pub(crate) incident: Id,
    pub(crate) class: Class,
    pub(crate) kind: String,
    /// 1 is the most urgent.
    pub(crate) severity: u8,
    /// Where, as `zone/hall`.
    pub(crate) source: String,
    /// The list that the event names.
    pub(crate) list: Option<Id>,
    /// Nobody acknowledged in time, or somebody asks for more help.
    pub(crate) escalated: bool,
    pub(crate) when: When,
    pub(crate) recv: UtcMs,
    /// Which message it belongs to, once that is decided.
    pub(crate) matter: Option<i64>,
}

impl Call {
    /// Whether it came in long after it happened.
    pub(crate) const fn is_late(&self) -> bool {
        self.recv.0.saturating_sub(self.when.utc.0) > LATE_MS
    }
}

/// What an event means for those who are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Somebody may have to be told.
    Calls(Called),
    /// An operator has taken the incident, or it is over: nobody is told again.
    Over(Id, End),
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Acknowledged,
    Closed,
    /// Everybody was told as often as the list says.
    Told,
    /// It came in too late.
    TooLate,
    /// No list is meant to be told of it.
    NoList,
}

impl End {
    /// The word in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
            Self::Told => "told",
            Self::TooLate => "too-late",
            Self::NoList => "no-list",
        }
    }
}

/// What of the event's bytes a call needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) incident: Id,
    pub(crate) severity: u8,
    pub(crate) source: String,
    pub(crate) list: Option<Id>,
    pub(crate) escalated: bool,
}

#[derive(Deserialize)]
struct Read {
    qualifier: Qualifier,
    severity: u8,
    source: Source,
    #[serde(default)]
    test: bool,
    #[serde(default)]
    detail: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Source {
    kind: String,
    id: Id,
}

/// Reads an event of this class and type; none: it calls nobody.
pub(crate) fn word(class: Class, kind: &str, body: &[u8]) -> Option<Word> {
    let end = match kind {
        "incident.acked" => Some(End::Acknowledged),
        "incident.closed" => Some(End::Closed),
        _ if class.lane() != Lane::Alarm => return None,
        _ => None,
    };
    let read: Read = serde_json::from_slice(body).ok()?;
    if let Some(end) = end {
        return (read.source.kind == "incident").then_some(Word::Over(read.source.id, end));
    }
    if read.test || read.qualifier == Qualifier::Restore {
        return None;
    }
    let fact = |key: &str| read.detail.as_ref()?.get(key)?.as_str()?.parse::<Id>().ok();
    let escalated = kind == "alarm.escalated";
    let incident = if escalated { Some(read.source.id.clone()) } else { fact("incident") };
    Some(Word::Calls(Called {
        // What belongs to no incident nobody could acknowledge.
        incident: incident?,
        severity: read.severity,
        source: format!("{}/{}", read.source.kind, read.source.id),
        list: fact("responders"),
        escalated,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(class: Class, kind: &str, change: &serde_json::Value) -> Option<Word> {
        let mut body = json!({"qualifier": "new", "severity": 2, "test": false,
            "source": {"kind": "zone", "id": "hall"}, "actor": "card-hash",
            "detail": {"incident": "a7", "responders": "patrol", "place": "gate"}});
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        word(class, kind, &serde_json::to_vec(&body).unwrap())
    }

    #[test]
    fn an_alarm_calls_with_its_list_and_a_test_a_restore_or_a_fault_does_not() {
        let id = |text: &str| text.parse().unwrap();
        let called = Called {
            incident: id("a7"),
            severity: 2,
            source: "zone/hall".into(),
            list: Some(id("patrol")),
            escalated: false,
        };
        assert_eq!(of(Class::Panic, "panic.help", &json!({})), Some(Word::Calls(called.clone())));
        assert_eq!(of(Class::Panic, "panic.help", &json!({"test": true})), None);
        assert_eq!(of(Class::Panic, "panic.help_restored", &json!({"qualifier": "restore"})), None);
        assert_eq!(of(Class::Fault, "zone.fault", &json!({})), None);
        assert_eq!(of(Class::Alarm, "zone.alarm", &json!({"detail": {}})), None);
        let unnamed = of(Class::Alarm, "zone.alarm", &json!({"detail": {"incident": "a7"}}));
        assert_eq!(unnamed, Some(Word::Calls(Called { list: None, ..called.clone() })));
        let incident = json!({"qualifier": "status", "source": {"kind": "incident", "id": "a9"}});
        let escalated = of(Class::Alarm, "alarm.escalated", &incident);
        let source = "incident/a9".into();
        let wanted = Called { incident: id("a9"), source, escalated: true, ..called };
        assert_eq!(escalated, Some(Word::Calls(wanted)));
        let acked = of(Class::Arm, "incident.acked", &incident);
        assert_eq!(acked, Some(Word::Over(id("a9"), End::Acknowledged)));
        assert_eq!(of(Class::Arm, "incident.noted", &incident), None);
    }
}
