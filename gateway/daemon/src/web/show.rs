//! What is shown: the state of the site as a page draws it, and the one sentence on top.

use gatehouse_config::Config;
use gatehouse_core::site::{Mode, Phase};
use gatehouse_core::time::ClockState;
use serde::Serialize;
use serde_json::{Value, json};

use crate::control::{Report, ThingReport};

/// How it is, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// `good`, `warn` or `bad`: how loud it is.
    level: &'static str,
    /// Which sentence.
    word: &'static str,
    /// The number in it.
    n: usize,
}

/// The answer to "is this box protecting?". What is worst is said; the lists below say the rest.
pub(super) fn verdict(report: &Report) -> Verdict {
    let say = |level, word, n| Verdict { level, word, n };
    let waiting = report.incidents.iter().filter(|incident| incident.phase != Phase::Acked).count();
    if waiting > 0 {
        return say("bad", "alarm", waiting);
    }
    let watched: Vec<_> = report.things.iter().filter(|thing| watches(thing)).collect();
    if watched.is_empty() {
        return say("bad", "nothing", 0);
    }
    let blind = watched.iter().filter(|thing| is_blind(thing)).count();
    if blind > 0 {
        return say("bad", "blind", blind);
    }
    if !report.degraded.is_empty() {
        return say("bad", "degraded", report.degraded.len());
    }
    if !report.incidents.is_empty() {
        return say("warn", "handled", report.incidents.len());
    }
    // Without either nobody hears an alarm.
    if report.broker.is_none() {
        return say("warn", "apart", 0);
    }
    if report.host_online == Some(false) {
        return say("warn", "unheard", 0);
    }
    let bypassed = watched.iter().filter(|thing| is_out(thing)).count();
    if bypassed > 0 {
        return say("warn", "bypassed", bypassed);
    }
    let armed = report.things.iter().filter(|thing| thing.state.starts_with("armed")).count();
    if armed > 0 { say("good", "armed", armed) } else { say("good", "watching", watched.len()) }
}

/// Whether it is something that sees, and not something that is switched.
fn watches(thing: &ThingReport) -> bool {
    matches!(thing.kind.as_str(), "door" | "zone" | "reader" | "camera")
}

/// Whether nothing would be noticed through it.
fn is_blind(thing: &ThingReport) -> bool {
    let seen: &[&str] = match thing.kind.as_str() {
        "door" => &["closed", "open", "held-open"],
        "zone" => &["normal", "active"],
        "reader" => &["online"],
        // Of a few pictures something is seen.
        "camera" => &["up", "degraded"],
        _ => return false,
    };
    let tampered = ["covered", "blinded", "moved", "trouble", "tamper", "lost", "fault"];
    !seen.contains(&thing.state.as_str())
        || thing.flags.iter().any(|flag| tampered.contains(&&**flag))
}

/// Whether somebody took it out of protection.
fn is_out(thing: &ThingReport) -> bool {
    thing.flags.iter().any(|flag| matches!(flag.as_str(), "bypassed" | "shut-down"))
}

/// Everything that a page shows, without addresses and causes: these stay in the log.
pub(super) fn picture(report: &Report, config: &Config) -> Value {
    let things = report.things.iter().map(|thing| {
        let mut shown = json!({
            "kind": thing.kind, "id": thing.id, "name": thing.name, "state": thing.state,
            "flags": thing.flags, "since": thing.since.0, "blind": watches(thing) && is_blind(thing),
        });
        let partition = config.partitions.iter().find(|known| known.rules.id == thing.id);
        if let Some(partition) = partition.filter(|_| thing.kind == "partition") {
            let modes = Mode::ARMED.into_iter().filter(|mode| partition.rules.mode(*mode).is_some());
            // A common area follows its users: nobody arms it by itself.
            let own = partition.rules.common_to.is_empty();
            let modes: Vec<_> = modes.filter(|_| own).map(Mode::as_str).collect();
            shown["modes"] = json!(modes);
        }
        shown
    });
    let incidents = report.incidents.iter().map(|incident| {
        json!({
            "id": incident.id, "phase": incident.phase.as_str(), "danger": incident.danger.as_str(),
            "severity": incident.severity, "partition": incident.partition,
            "since": incident.since.0, "sources": incident.sources, "escalated": incident.escalated,
            "acked": incident.acked.as_ref().map(|(who, at)| json!({ "who": who, "at": at.0 })),
        })
    });
    json!({
        "gateway": report.gateway,
        "version": report.version,
        "clock": report.clock.0 != ClockState::Never,
        "verdict": verdict(report),
        "things": things.collect::<Vec<_>>(),
        "incidents": incidents.collect::<Vec<_>>(),
        "degraded": report.degraded,
        "unconfirmed": report.unconfirmed.as_ref().map(|one| json!({
            "after": one.after, "who": one.who, "touches": one.touches, "ends": one.ends.0,
        })),
        "path": {
            "connected": report.broker.is_some(),
            "since": report.uplink_since.0,
            "room": report.host_online,
            "head": report.head.0,
            "received": report.host_upto.0,
            "oldest_s": report.oldest_unreceived_s,
        },
    })
}

#[cfg(test)]
mod tests {
    use gatehouse_core::contract::Backlog;
    use gatehouse_core::id::Seq;
    use gatehouse_core::time::UtcMs;

    use super::*;

    fn thing(kind: &str, state: &str, flags: &[&str]) -> ThingReport {
        ThingReport {
            kind: kind.to_owned(),
            id: "t".parse().unwrap(),
            name: None,
            state: state.to_owned(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            since: UtcMs(0),
            says: None,
        }
    }

    fn report(things: Vec<ThingReport>) -> Report {
        Report {
            gateway: "g".parse().unwrap(),
            version: String::new(),
            session: 1,
            uptime_s: 1,
            config_hash: String::new(),
            clock: (ClockState::Synced, None),
            head: Seq(9),
            host_upto: Seq(9),
            backlog: Backlog::default(),
            oldest_unreceived_s: 0,
            set_aside: 0,
            broker: Some("b".parse().unwrap()),
            trouble: None,
            uplink_since: UtcMs(0),
            host_online: Some(true),
            paths: Vec::new(),
            reporting_s: 90,
            things,
            incidents: Vec::new(),
            degraded: Vec::new(),
            rss_kib: 0,
            stored: 0,
            commits: 0,
            journal_written: 0,
            flash_used_percent: None,
            evidence: None,
            unconfirmed: None,
            page: None,
            store: None,
            sandbox: None,
        }
    }

    #[test]
    fn the_sentence_on_top_says_what_is_worst() {
        let of = |report: &Report| {
            let Verdict { level, word, n } = verdict(report);
            (level, word, n)
        };
        let door = || thing("door", "closed", &[]);
        assert_eq!(of(&report(vec![])), ("bad", "nothing", 0));
        assert_eq!(of(&report(vec![door()])), ("good", "watching", 1));
        let armed = thing("partition", "armed-night", &[]);
        let mut all = report(vec![door(), armed, thing("zone", "normal", &["bypassed"])]);
        assert_eq!(of(&all), ("warn", "bypassed", 1));
        all.things.pop();
        assert_eq!(of(&all), ("good", "armed", 1));
        all.host_online = Some(false);
        assert_eq!(of(&all), ("warn", "unheard", 0));
        all.broker = None;
        assert_eq!(of(&all), ("warn", "apart", 0));
        all.degraded.push("camera(gate)".to_owned());
        assert_eq!(of(&all), ("bad", "degraded", 1));
        for blind in [
            thing("door", "unknown", &[]),
            thing("zone", "lost", &[]),
            thing("camera", "up", &["covered"]),
            thing("camera", "silent", &[]),
            thing("reader", "lost", &[]),
        ] {
            all.things.push(blind);
        }
        assert_eq!(of(&all), ("bad", "blind", 5));
    }
}
