//! The live table: open incidents on top, then gateways with what does not protect, then events.

mod lines;
#[cfg(test)]
mod tests;

use gatehouse_core::event::{Class, Lane};
use gatehouse_core::time::Now;

use super::screen::Size;
use crate::life::Life;
use crate::snapshot::{GatewayView, Link, Snapshot};
use lines::{cut, event_line, gateway_line, incident_line, protection_lines, storm_line};

pub(super) use lines::listed;

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
            let line =
                incident_line(&name, &view.shown, age, view.is_silent(), &view.state.incident);
            let paint = if view.is_unanswered() { Paint::Bad } else { Paint::Warn };
            put(paint, &line);
        }
        if open.len() > room {
            put(Paint::Bad, &format!("… and {} more open incidents", open.len() - room));
        }
        put(Paint::Plain, "");
        used = room + 2 + usize::from(open.len() > room);
    }
    for storm in snapshot.storms.iter().take(3) {
        put(Paint::Warn, &storm_line(storm));
        used += 1;
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
