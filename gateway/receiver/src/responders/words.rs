//! What somebody is told, in English or Chinese: site, place, type, time and incident. The words of
//! types and places are the wall's own, so that a message and the wall say the same.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use gatehouse_core::time::UtcMs;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::call::Call;
use super::file::{Language, Member};
use super::machine::Send;

type Words = HashMap<String, String>;

static EN: LazyLock<Words> = LazyLock::new(|| read(include_str!("../wall/page/words/en.json")));
static ZH: LazyLock<Words> = LazyLock::new(|| read(include_str!("../wall/page/words/zh.json")));

fn read(text: &str) -> Words {
    serde_json::from_str(text).expect("the wall's words are checked by its tests")
}

/// Sites that a storm names.
const NAMED: usize = 8;

/// A message ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// A line.
    pub(crate) title: String,
    pub(crate) text: String,
    /// 1 is the most urgent.
    pub(crate) severity: u8,
    pub(crate) key: String,
    /// For programs.
    pub(crate) json: Value,
}

struct Phrases {
    test: &'static str,
    again: &'static str,
    late: &'static str,
    storm: &'static str,
    site: &'static str,
    place: &'static str,
    time: &'static str,
    unsure: &'static str,
    incident: &'static str,
    sites: &'static str,
    look: &'static str,
    nothing: &'static str,
}

const PHRASES: [Phrases; 2] = [
    Phrases {
        test: "TEST",
        again: "AGAIN, nobody has acknowledged",
        late: "LATE",
        storm: "at {n} gateways",
        site: "Site",
        place: "Place",
        time: "Time",
        unsure: "when it was received; the gateway had no time",
        incident: "Incident",
        sites: "Sites",
        look: "and more; the wall shows all of them",
        nothing: "This is a test of the control room. Nothing has happened, and nothing is to be done.",
    },
    Phrases {
        test: "测试",
        again: "再次通知，尚无人处理",
        late: "迟到",
        storm: "涉及 {n} 台网关",
        site: "小区",
        place: "位置",
        time: "时间",
        unsure: "收到的时间，网关当时没有时间",
        incident: "警情",
        sites: "涉及小区",
        look: "等，详见监控大屏",
        nothing: "这是监控中心的通知测试，没有发生任何警情，无需处理。",
    },
];

/// What a language's words are.
struct Says {
    words: &'static Words,
    phrases: &'static Phrases,
}

impl Says {
    fn of(language: Language) -> Self {
        match language {
            Language::En => Self { words: &EN, phrases: &PHRASES[0] },
            Language::Zh => Self { words: &ZH, phrases: &PHRASES[1] },
        }
    }

    /// A word of the wall, or what a newer gateway says.
    fn word<'a>(&'a self, kind: &str, value: &'a str) -> &'a str {
        self.words.get(&format!("{kind}.{value}")).map_or(value, String::as_str)
    }

    fn place(&self, source: &str) -> String {
        match source.split_once('/') {
            Some((kind, id)) => format!("{} {id}", self.word("kind", kind)),
            None => source.to_owned(),
        }
    }
}

/// The message for a member.
pub(crate) fn message(send: &Send, member: &Member) -> Message {
    let says = Says::of(member.language);
    let phrases = says.phrases;
    let Some(first) = send.calls.first() else { return test(&send.key, member) };
    let storm = send.gateways > 1;
    let what = says.word("event", &first.kind);
    let mut title = String::new();
    if send.round > 0 {
        let _ = write!(title, "[{}] ", phrases.again);
    }
    if first.is_late() {
        let _ = write!(title, "[{}] ", phrases.late);
    }
    if storm {
        let n = phrases.storm.replace("{n}", &send.gateways.to_string());
        let _ = write!(title, "{what}: {n}");
    } else {
        let _ = write!(title, "{what}: {} · {}", first.site, says.place(&first.source));
    }
    let mut text = format!("{title}\n\n");
    let time = time(first, &member.zone, phrases);
    if storm {
        let mut sites: Vec<_> = send.calls.iter().map(|call| call.site.as_str()).collect();
        sites.sort_unstable();
        sites.dedup();
        let more = sites.len() > NAMED;
        sites.truncate(NAMED);
        let _ = write!(text, "{}: {}", phrases.sites, sites.join(", "));
        let _ = if more { writeln!(text, " {}", phrases.look) } else { writeln!(text) };
        let _ = writeln!(text, "{}: {time}", phrases.time);
    } else {
        let _ = writeln!(text, "{}: {}", phrases.site, first.site);
        let _ = writeln!(text, "{}: {}", phrases.place, says.place(&first.source));
        let _ = writeln!(text, "{}: {time}", phrases.time);
        let _ = writeln!(text, "{}: {} ({})", phrases.incident, first.incident, first.gateway);
    }
    let silent = first.kind.contains("silent");
    if silent {
        // Whoever rings back there would tell on whoever called.
        let _ = writeln!(text, "{}", says.words.get("silent").map_or("SILENT", String::as_str));
    }
    let calls = send.calls.iter().take(NAMED).map(|call| {
        json!({
            "site": call.site.as_str(),
            "gateway": call.gateway.as_str(),
            "incident": call.incident.as_str(),
            "seq": call.seq.0,
        })
    });
    let json = json!({
        "v": 1,
        "key": send.key,
        "test": false,
        "list": send.list.as_str(),
        "member": send.member.as_str(),
        "round": send.round,
        "late": first.is_late(),
        "class": first.class.as_str(),
        "type": first.kind,
        "severity": first.severity,
        "escalated": first.escalated,
        "silent": silent,
        "site": first.site.as_str(),
        "gateway": first.gateway.as_str(),
        "source": first.source,
        "incident": first.incident.as_str(),
        "time": first.when.utc,
        "time_basis": first.when.basis.as_str(),
        "gateways": send.gateways,
        "calls": calls.collect::<Vec<_>>(),
        "title": title,
        "text": text,
    });
    Message { title, text, severity: first.severity, key: send.key.clone(), json }
}

/// A message that says that it is none.
pub(crate) fn test(key: &str, member: &Member) -> Message {
    let phrases = Says::of(member.language).phrases;
    let title = format!("[{}] Gatehouse", phrases.test);
    let text = format!("{title}\n\n{}\n", phrases.nothing);
    let json = json!({"v": 1, "key": key, "test": true, "title": title, "text": text});
    Message { title, text, severity: 5, key: key.to_owned(), json }
}

fn time(call: &Call, zone: &TimeZone, phrases: &Phrases) -> String {
    let UtcMs(ms) = call.when.utc;
    let local = call.when.utc.local(zone);
    let seconds = ms.div_euclid(1000).rem_euclid(60);
    let sure = call.when.basis != crate::store::Basis::Receipt;
    let remark = if sure { String::new() } else { format!(" ({})", phrases.unsure) };
    format!("{local}:{seconds:02}{remark}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::responders::machine::fixture::{call, send};

    fn member(language: Language) -> Member {
        Member {
            ways: Vec::new(),
            on_duty: Vec::new(),
            zone: TimeZone::posix("CST-8").unwrap(),
            language,
            wants: super::super::file::Wants::default(),
        }
    }

    #[test]
    fn a_message_says_site_place_time_and_incident_in_the_members_words() {
        let send = send(vec![call(1, "s-204", "g-1", "panic.help", 1_795_478_400_000)]);
        let en = message(&send, &member(Language::En));
        assert_eq!(en.title, "HELP POINT: s-204 · Zone hall");
        assert_eq!(
            en.text,
            "HELP POINT: s-204 · Zone hall\n\nSite: s-204\nPlace: Zone hall\n\
             Time: 2026-11-24 08:00:00\nIncident: a1 (g-1)\n"
        );
        let zh = message(&send, &member(Language::Zh));
        assert_eq!(zh.title, "求助点呼叫: s-204 · 探测器 hall");
        assert!(zh.text.contains("时间: 2026-11-24 08:00:00\n警情: a1 (g-1)"), "{}", zh.text);
        assert_eq!(
            (zh.json["type"].as_str(), zh.json["site"].as_str()),
            (Some("panic.help"), Some("s-204"))
        );
        assert_eq!(zh.json["time"], "2026-11-24T00:00:00.000Z");
        let silent = self::send(vec![call(1, "s-204", "g-1", "panic.silent", 1_795_478_400_000)]);
        let silent = message(&silent, &member(Language::En));
        assert!(silent.text.contains("Do not ring back there."), "{}", silent.text);
        let keys: Vec<_> = zh.json.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(!keys.contains(&"actor") && !keys.contains(&"snap"), "{keys:?}");
    }

    #[test]
    fn a_late_one_a_repeat_and_a_storm_say_so() {
        let mut late = call(1, "s-1", "g-1", "zone.alarm", 1_795_478_400_000);
        late.recv = UtcMs(late.when.utc.0 + 600_000);
        let mut told = send(vec![late]);
        told.round = 2;
        let en = message(&told, &member(Language::En));
        assert!(en.title.starts_with("[AGAIN, nobody has acknowledged] [LATE] "), "{}", en.title);
        let calls = (1..=12)
            .map(|n| call(n, &format!("s-{n:02}"), "g", "zone.alarm", 1_795_478_400_000))
            .collect();
        let mut storm = send(calls);
        storm.gateways = 12;
        let zh = message(&storm, &member(Language::Zh));
        assert_eq!(zh.title, "入侵报警: 涉及 12 台网关");
        assert!(
            zh.text.contains("s-01, s-02, s-03, s-04, s-05, s-06, s-07, s-08 等"),
            "{}",
            zh.text
        );
        assert_eq!(zh.json["calls"].as_array().unwrap().len(), NAMED);
    }
}
