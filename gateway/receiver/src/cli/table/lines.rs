//! The lines of the table, each as plain text.

use std::fmt::Write as _;
use std::time::Duration;

use gatehouse_core::contract::PathState;
use gatehouse_core::event::Event;
use gatehouse_core::site::{Incident, is_silent_event};
use gatehouse_core::time::Now;

use super::{NAME, Paint};
use crate::control::Listed;
use crate::protection;
use crate::snapshot::{Committed, GatewayView, ThingView};
use crate::storms::StormView;

/// One line of `incidents`.
pub(in crate::cli) fn listed(one: &Listed) -> String {
    let name = format!("{}, {}", one.gateway, one.site);
    let age = Duration::from_secs(one.age_s);
    let line = incident_line(&name, &one.shown, age, one.silent, &one.incident);
    cut(&line, usize::MAX)
}

pub(super) fn incident_line(
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
        short(age),
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
fn short(age: Duration) -> String {
    match age.as_secs() {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m{:02}", s / 60, s % 60),
        s @ 3600..86_400 => format!("{}h{:02}", s / 3600, s / 60 % 60),
        s => format!("{}d{:02}", s / 86_400, s / 3600 % 24),
    }
}

pub(super) fn gateway_line(name: &str, view: &GatewayView, now: Now) -> String {
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
pub(super) fn protection_lines(view: &GatewayView) -> Vec<(Paint, String)> {
    let mut lines = Vec::new();
    if !view.partitions.is_empty() {
        let alarm = |thing: &ThingView| matches!(&*thing.shown, "triggered" | "pending");
        let of = |(id, thing): (&String, &ThingView)| format!("{id} {}", thing.shown);
        let all: Vec<_> = view.partitions.iter().map(of).collect();
        let alarm = view.partitions.values().any(alarm);
        let paint = if alarm { Paint::Bad } else { Paint::Plain };
        lines.push((paint, format!("  partitions: {}", all.join(", "))));
    }
    lines.extend(paths_line(view));
    let blind: Vec<_> = not_protecting(view);
    if !blind.is_empty() {
        lines.push((Paint::Warn, format!("  not protecting: {}", blind.join(", "))));
    }
    lines
}

/// The paths with their measures, as the last heartbeat has them: what is in use first said so.
fn paths_line(view: &GatewayView) -> Option<(Paint, String)> {
    let (_, beat) = view.heartbeat.as_ref()?;
    if beat.paths.is_empty() {
        return None;
    }
    let of = |path: &PathState| {
        let mut text = path.id.to_string();
        match (path.active, path.works) {
            (true, _) => {}
            (false, Some(true)) => text.push_str(" standby"),
            (false, Some(false)) => text.push_str(" FAILED"),
            (false, None) => text.push_str(" not looked at"),
        }
        if let Some(ppm) = path.available_ppm {
            let _ = write!(text, " {}.{:02} %", ppm / 10_000, ppm / 100 % 100);
        }
        if let (Some(mean), Some(p95)) = (path.mean_ms, path.p95_ms) {
            let _ = write!(text, " {mean}/{p95} ms");
        }
        text
    };
    let failed = beat.paths.iter().any(|path| path.works == Some(false));
    let paint = if failed { Paint::Warn } else { Paint::Plain };
    let all: Vec<_> = beat.paths.iter().map(of).collect();
    Some((paint, format!("  paths: {}", all.join(", "))))
}

/// Each thing that does not do its work at present, and why.
fn not_protecting(view: &GatewayView) -> Vec<String> {
    let all = protection::things(view).into_iter().filter(|one| one.kind != "door");
    all.map(|one| match one.kind {
        "zone" => format!("{} {}", one.id, one.why),
        kind => format!("{kind} {} {}", one.id, one.why),
    })
    .collect()
}

pub(super) fn event_line(event: &Committed) -> String {
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
pub(super) fn cut(text: &str, columns: usize) -> String {
    let clean = |c: char| if c.is_control() { '·' } else { c };
    if text.chars().count() <= columns {
        return text.chars().map(clean).collect();
    }
    let mut cut: String = text.chars().take(columns.saturating_sub(1)).map(clean).collect();
    cut.push('…');
    cut
}

/// Faults of many gateways that are one matter.
pub(super) fn storm_line(storm: &StormView) -> String {
    let StormView { kind, began, gateways, open, .. } = storm;
    format!("STORM {kind} at {gateways} gateways since {began}, not ended at {open}")
}
