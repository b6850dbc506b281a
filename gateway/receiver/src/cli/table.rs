//! The live table: open incidents on top, then gateways with what does not protect, then events.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use gatehouse_core::event::{Class, Event, Lane};
use gatehouse_core::site::{Incident, is_silent_event};
use gatehouse_core::time::Now;

use super::screen::Size;
use crate::control::Listed;
use crate::life::Life;
use crate::snapshot::{Committed, GatewayView, IncidentView, Link, Snapshot, ThingView};

/// The narrowest table; below, lines are cut.
const WIDTH: usize = 80;

/// Width of the column with gateway and site.
const NAME: usize = 24;

/// A style of the terminal.
#[derive(Clone, Copy)]
enum Paint {
    Plain,
    Dim,
    Bold,
    Good,
    Warn,
    Bad,
}

impl Paint {
    fn of(self, text: &str, colours: bool) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            _ if !colours => return text.to_owned(),
            Self::Dim => 2,
            Self::Bold => 1,
            Self::Good => 32,
            Self::Warn => 33,
            Self::Bad => 31,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The whole picture, no wider and no higher than `size`.
pub(super) fn table(
    title: &str,
    snapshot: &Snapshot,
    log: &[String],
    now: Now,
    size: Option<Size>,
    colours: bool,
) -> Vec<String> {
    let Size { rows, columns } = size.unwrap_or(Size { rows: 60, columns: WIDTH });
    let mut lines = Vec::new();
    let mut put = |paint: Paint, text: &str| lines.push(paint.of(&cut(text, columns), colours));
    put(Paint::Bold, &format!("Gatehouse receiver  {title}"));
    match (&snapshot.failing, &snapshot.link) {
        (Some(reason), _) => put(Paint::Bad, &format!("NOT COMMITTING: {reason}")),
        (None, Link::Up) => put(Paint::Good, "connected"),
        (None, Link::Connecting) => put(Paint::Warn, "connecting …"),
        (None, Link::Down(reason)) => put(Paint::Bad, &format!("NO BROKER: {reason}")),
    }
    let odd = snapshot.conflicts + snapshot.quarantined + snapshot.breaks;
    let paint = if odd > 0 { Paint::Bad } else { Paint::Plain };
    put(
        paint,
        &format!(
            "committed {}  missing {}  duplicates {}  conflicts {}  unreadable {}  breaks {}",
            snapshot.received,
            snapshot.holes(),
            snapshot.duplicates,
            snapshot.conflicts,
            snapshot.quarantined,
            snapshot.breaks
        ),
    );
    put(Paint::Plain, "");
    let left = rows.saturating_sub(7 + log.len() + 1);

    // Whatever else there is: what somebody must handle is on the screen. Half of the room at most.
    let open = snapshot.open_incidents();
    let mut used = 0;
    if !open.is_empty() {
        let unanswered = open.iter().filter(|(_, _, view)| view.is_unanswered()).count();
        let heading = format!("OPEN INCIDENTS {}, not acknowledged {unanswered}", open.len());
        put(if unanswered > 0 { Paint::Bad } else { Paint::Warn }, &heading);
        let room = open.len().min((left / 2).max(1));
        for (address, gateway, view) in open.iter().take(room) {
            let name = format!("{}, {}", address.gateway, address.site);
            let age = gateway.age(view, now.utc);
            let line = incident_line(&name, &view.shown, age, view.is_silent(), incident(view));
            let paint = if view.is_unanswered() { Paint::Bad } else { Paint::Warn };
            put(paint, &line);
        }
        if open.len() > room {
            put(Paint::Bad, &format!("… and {} more open incidents", open.len() - room));
        }
        put(Paint::Plain, "");
        used = room + 2 + usize::from(open.len() > room);
    }
    let header = format!(
        "{:<NAME$} {:<8} {:>9} {:>8} {:>6}  {:<}",
        "GATEWAY, SITE", "STATE", "UPTO", "MISSING", "HB", "DOORS"
    );
    put(Paint::Dim, &header);
    // Half of what is left for gateways, the troubled first; the rest for events.
    let left = left.saturating_sub(used);
    let mut gateways: Vec<_> = snapshot.gateways.iter().collect();
    gateways.sort_by_key(|(_, view)| trouble(view));
    let (mut shown, mut taken) = (0, 0);
    for (address, view) in &gateways {
        let protection = protection_lines(view);
        if shown > 0 && taken + 1 + protection.len() > (left / 2).max(1) {
            break;
        }
        // The gateway first: when the name is cut, it still tells which one.
        let name = format!("{}, {}", address.gateway, address.site);
        put(paint_of(view), &gateway_line(&name, view, now));
        for (paint, line) in &protection {
            put(*paint, line);
        }
        shown += 1;
        taken += 1 + protection.len();
    }
    if gateways.len() > shown {
        put(Paint::Dim, &format!("… and {} more gateways", gateways.len() - shown));
    }
    put(Paint::Plain, "");
    put(Paint::Dim, "LATEST EVENTS");
    let room = left.saturating_sub(taken + 1);
    for event in snapshot.latest.iter().rev().take(room) {
        let paint = match event.class {
            class if class.lane() == Lane::Alarm => Paint::Bad,
            Class::Fault => Paint::Warn,
            _ => Paint::Plain,
        };
        put(paint, &event_line(event));
    }
    // What the log says stays, even on a screen that is too small for the rest.
    lines.truncate(rows.saturating_sub(log.len()));
    lines.extend(log.iter().map(|line| Paint::Dim.of(&cut(line, columns), colours)));
    lines.truncate(rows);
    lines
}

fn incident(view: &IncidentView) -> &Incident {
    &view.state.incident
}

/// One line of `incidents`.
pub(super) fn listed(one: &Listed) -> String {
    let name = format!("{}, {}", one.gateway, one.site);
    let age = Duration::from_secs(one.age_s);
    let line = incident_line(&name, &one.shown, age, one.silent, &one.incident);
    cut(&line, usize::MAX)
}

fn incident_line(
    name: &str,
    shown: &str,
    age: Duration,
    silent: bool,
    incident: &Incident,
) -> String {
    // What an operator must not miss comes before what may be cut.
    let mut line = format!(
        "{} {:>6} {:<8} {:<NAME$} {:<5} ",
        incident.severity,
        self::age(age),
        shown,
        cut(name, NAME),
        incident.id.as_str()
    );
    if silent {
        line.push_str("SILENT ");
    }
    if incident.escalated && incident.acked.is_none() {
        line.push_str("ESCALATED ");
    }
    line.push_str(incident.danger.as_str());
    if let Some(partition) = &incident.partition {
        let _ = write!(line, " in {partition}");
    }
    let _ = write!(line, ": {}", incident.sources.join(", "));
    if let Some((by, _)) = &incident.acked {
        let _ = write!(line, "; acknowledged by {}", by.as_deref().unwrap_or("nobody named"));
    }
    line
}

/// Short enough for a column: the two largest units.
fn age(age: Duration) -> String {
    match age.as_secs() {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m{:02}", s / 60, s % 60),
        s @ 3600..86_400 => format!("{}h{:02}", s / 3600, s / 60 % 60),
        s => format!("{}d{:02}", s / 86_400, s / 3600 % 24),
    }
}

/// Lower is more troubled, and stands higher.
fn trouble(view: &GatewayView) -> u8 {
    match view.life {
        _ if view.conflicts + view.breaks + view.quarantined > 0 => 0,
        Life::Lost => 1,
        Life::Suspect => 2,
        _ if view.missing > 0 => 3,
        Life::Unknown | Life::Starting | Life::Stopping | Life::Updating => 4,
        Life::Online => 5,
    }
}

fn paint_of(view: &GatewayView) -> Paint {
    match trouble(view) {
        0 | 1 => Paint::Bad,
        2 | 3 => Paint::Warn,
        4 => Paint::Dim,
        _ => Paint::Plain,
    }
}

fn gateway_line(name: &str, view: &GatewayView, now: Now) -> String {
    let heartbeat = match &view.heartbeat {
        Some((at, _)) => format!("{}s", now.mono.since(*at).as_secs()),
        None => "-".to_owned(),
    };
    let mut line = format!(
        "{:<NAME$} {:<8} {:>9} {:>8} {:>6}  ",
        cut(name, NAME),
        view.life.as_str(),
        view.upto.0,
        view.missing,
        heartbeat
    );
    // Doors that ask for a look come first.
    let mut doors: Vec<_> = view.doors.iter().collect();
    doors.sort_by_key(|(_, door)| door.shown == "closed");
    for (n, (id, door)) in doors.iter().enumerate() {
        let _ = write!(line, "{}{id} {}", if n > 0 { ", " } else { "" }, door.shown);
    }
    line
}

/// How the partitions stand, and what does not protect: nothing where there is nothing to say.
fn protection_lines(view: &GatewayView) -> Vec<(Paint, String)> {
    let mut lines = Vec::new();
    if !view.partitions.is_empty() {
        let alarm = |thing: &ThingView| matches!(&*thing.shown, "triggered" | "pending");
        let of = |(id, thing): (&String, &ThingView)| format!("{id} {}", thing.shown);
        let all: Vec<_> = view.partitions.iter().map(of).collect();
        let alarm = view.partitions.values().any(alarm);
        let paint = if alarm { Paint::Bad } else { Paint::Plain };
        lines.push((paint, format!("  partitions: {}", all.join(", "))));
    }
    let blind: Vec<_> = not_protecting(view);
    if !blind.is_empty() {
        lines.push((Paint::Warn, format!("  not protecting: {}", blind.join(", "))));
    }
    lines
}

/// Each thing that does not do its work at present, and why.
fn not_protecting(view: &GatewayView) -> Vec<String> {
    let flagged = |thing: &ThingView, flags: &[&str]| {
        let found = thing.flags().iter().find(|flag| flags.contains(&flag.as_str()));
        found.cloned()
    };
    let zone = |thing: &ThingView| match &*thing.shown {
        "normal" | "active" => flagged(thing, &["bypassed", "shut-down", "soak", "trouble"]),
        why => Some(why.to_owned()),
    };
    let reader = |thing: &ThingView| match &*thing.shown {
        "online" => flagged(thing, &["tamper", "power", "insecure", "locked-out"]),
        why => Some(why.to_owned()),
    };
    let output = |thing: &ThingView| match &*thing.shown {
        why @ ("unknown" | "fault") => Some(why.to_owned()),
        _ => flagged(thing, &["fault", "tamper"]),
    };
    let mut blind = Vec::new();
    let mut look = |kind: &str,
                    things: &BTreeMap<String, ThingView>,
                    why: &dyn Fn(&ThingView) -> Option<String>| {
        for (id, thing) in things {
            if let Some(why) = why(thing) {
                blind.push(format!("{kind}{id} {why}"));
            }
        }
    };
    look("", &view.zones, &zone);
    look("reader ", &view.readers, &reader);
    look("output ", &view.outputs, &output);
    blind
}

fn event_line(event: &Committed) -> String {
    let at = event.received.utc.to_string();
    // The time of day: the date is the operator's own.
    let time = at.get(11..19).unwrap_or(&at).to_owned();
    let gateway = format!("{}, {}", event.address.gateway, event.address.site);
    let (what, source) = match event.event() {
        Ok(Event { draft, .. }) => {
            // Before anything that may be cut: who rings back there would tell.
            let silent = if is_silent_event(&draft) { "SILENT " } else { "" };
            let what = format!("{silent}{}", draft.kind);
            (what, format!("{} {}", draft.source.kind, draft.source.id))
        }
        Err(_) => (event.class.as_str().to_owned(), String::new()),
    };
    let late = if event.replayed { " (late)" } else { "" };
    format!("{time} {:<NAME$} {:>8} {what} {source}{late}", cut(&gateway, NAME), event.seq.0)
}

/// At most so many characters; what is cut is shown to be cut. Control characters do not reach the
/// terminal: log lines, notes and ids come from outside.
fn cut(text: &str, columns: usize) -> String {
    let clean = |c: char| if c.is_control() { '·' } else { c };
    if text.chars().count() <= columns {
        return text.chars().map(clean).collect();
    }
    let mut cut: String = text.chars().take(columns.saturating_sub(1)).map(clean).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gatehouse_core::contract::{AlarmState, RetainedState};
    use gatehouse_core::id::Seq;
    use gatehouse_core::site::{Danger, Phase};
    use gatehouse_core::time::UtcMs;
    use gatehouse_core::topic::Address;

    use super::*;

    fn address(gateway: &str) -> Address {
        Address {
            district: "d".parse().unwrap(),
            site: "a-very-long-site-name-indeed".parse().unwrap(),
            gateway: gateway.parse().unwrap(),
        }
    }

    fn snapshot(gateways: u64) -> Snapshot {
        let mut snapshot = Snapshot { link: Link::Up, ..Snapshot::default() };
        for n in 0..gateways {
            let missing = u64::from(n == gateways - 1);
            let life = Life::Online;
            let view = GatewayView { life, upto: Seq(n), missing, ..GatewayView::default() };
            snapshot.gateways.insert(address(&format!("g-{n:03}")), view);
        }
        snapshot
    }

    fn thing(state: &'static str, flags: &[&str]) -> ThingView {
        let state = RetainedState {
            state: state.into(),
            since: UtcMs(0),
            seq: Seq(1),
            valid_s: 90,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            session: 1,
        };
        ThingView { shown: state.state.clone().into_owned(), state, received: UtcMs(0) }
    }

    fn incident_of(id: &str, danger: Danger, since: i64, acked: Option<&str>) -> IncidentView {
        let incident = Incident {
            id: id.parse().unwrap(),
            phase: if acked.is_some() { Phase::Acked } else { Phase::Active },
            danger,
            class: Class::Alarm,
            severity: 1,
            partition: Some("lobby".parse().unwrap()),
            since: UtcMs(since),
            sources: vec!["zone/hall".into(), "zone/stair".into()],
            open: BTreeSet::new(),
            acked: acked.map(|by| (Some(by.to_owned()), UtcMs(since))),
            escalated: false,
            notes: vec![],
        };
        let shown = incident.phase.as_str().to_owned();
        let state = AlarmState { incident, seq: Seq(1), session: 1 };
        IncidentView { state, shown, received: UtcMs(since) }
    }

    fn at(utc: i64) -> Now {
        Now { utc: UtcMs(utc), ..Now::default() }
    }

    #[test]
    fn the_table_fits_the_terminal_and_shows_the_troubled_first() {
        for (rows, columns) in [(24, 80), (10, 40), (60, 200)] {
            let size = Some(Size { rows, columns });
            let log = ["a\x1b[2Jlog line".to_owned()];
            let lines = table("t", &snapshot(50), &log, at(0), size, false);
            assert!(lines.len() <= rows);
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:#?}");
            assert!(lines.iter().all(|line| !line.contains('\x1b')));
            assert!(lines.last().unwrap().contains("log line"));
        }
        let lines = table("t", &snapshot(50), &[], at(0), None, false);
        assert!(lines[5].starts_with("g-049, a-very-long-site…"), "{}", lines[5]);
    }

    #[test]
    fn colours_come_only_when_they_are_asked_for() {
        let coloured = table("t", &snapshot(2), &[], at(0), None, true).join("");
        assert!(coloured.contains("\x1b[1m"));
        let plain = table("t", &snapshot(2), &[], at(0), None, false).join("");
        assert!(!plain.contains('\x1b'));
    }

    #[test]
    fn open_incidents_stand_on_top_the_unanswered_first_and_silent_ones_say_so() {
        let mut district = snapshot(30);
        let incidents = [
            incident_of("a1", Danger::Burglary, 1_000, Some("op-7")),
            incident_of("a2", Danger::Fire, 50_000, None),
            incident_of("s1", Danger::SilentPanic, 40_000, None),
        ];
        let of = |view: IncidentView| (view.state.incident.id.to_string(), view);
        let view = district.gateways.get_mut(&address("g-004")).unwrap();
        view.incidents = std::sync::Arc::new(incidents.into_iter().map(of).collect());
        let size = Some(Size { rows: 24, columns: 132 });
        let lines = table("t", &district, &[], at(70_000), size, false);
        assert_eq!(lines[4], "OPEN INCIDENTS 3, not acknowledged 2");
        let name = "g-004, a-very-long-site…";
        let line = |of: &str| format!("{of}: zone/hall, zone/stair");
        let silent = format!("1    30s active   {name} s1    SILENT silent-panic in lobby");
        assert_eq!(lines[5], line(&silent));
        assert_eq!(lines[6], line(&format!("1    20s active   {name} a2    fire in lobby")));
        let acked = line(&format!("1   1m09 acked    {name} a1    burglary in lobby"));
        assert_eq!(lines[7], format!("{acked}; acknowledged by op-7"));

        // Many of them leave room for the rest of the district.
        let many = (0..99).map(|n| of(incident_of(&format!("a{n}"), Danger::Gas, n, None)));
        district.gateways.get_mut(&address("g-004")).unwrap().incidents =
            std::sync::Arc::new(many.collect());
        let lines = table("t", &district, &[], at(70_000), size, false);
        assert!(lines.len() <= 24, "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("g-029")), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("more open incidents")), "{lines:#?}");
    }

    #[test]
    fn what_does_not_protect_stands_below_its_gateway() {
        let mut view = GatewayView { life: Life::Online, ..GatewayView::default() };
        let of = |things: &[(&str, ThingView)]| {
            let owned = things.iter().map(|(id, thing)| ((*id).to_owned(), thing.clone()));
            std::sync::Arc::new(owned.collect::<BTreeMap<_, _>>())
        };
        assert!(protection_lines(&view).is_empty());
        view.partitions =
            of(&[("garage", thing("disarmed", &[])), ("lobby", thing("armed_away", &[]))]);
        view.zones = of(&[
            ("door", thing("normal", &[])),
            ("gate", thing("unknown", &["bypassed"])),
            ("hall", thing("normal", &["bypassed"])),
            ("lid", thing("tamper", &["tamper"])),
            ("stair", thing("active", &["alarm"])),
        ]);
        view.readers = of(&[("north", thing("offline", &[])), ("south", thing("online", &[]))]);
        view.outputs = of(&[("siren", thing("on", &[])), ("strobe", thing("unknown", &[]))]);
        let lines: Vec<_> = protection_lines(&view).into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            lines,
            [
                "  partitions: garage disarmed, lobby armed_away",
                "  not protecting: gate unknown, hall bypassed, lid tamper, reader north offline, \
                 output strobe unknown",
            ]
        );
    }
}
