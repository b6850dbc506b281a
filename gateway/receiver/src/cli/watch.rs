//! `watch`: receives, and shows a live table.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use gatehouse_core::event::{Class, Event, Lane};
use gatehouse_core::time::Mono;
use tokio::time::{MissedTickBehavior, interval};

use super::screen::{Log, Screen, Size};
use super::{Failed, Receive, run};
use crate::clock::{Clock, SystemClock};
use crate::life::Life;
use crate::snapshot::{Committed, GatewayView, Link, Snapshot};

/// How often the terminal is redrawn: fast enough to feel live, slow enough to be read.
const REDRAW: Duration = Duration::from_millis(250);

/// How often the table is printed where there is no terminal, if it has changed.
const REPRINT: Duration = Duration::from_secs(2);

/// The narrowest table; below, lines are cut.
const WIDTH: usize = 80;

pub(super) fn watch(receive: Receive) -> Result<ExitCode, Failed> {
    let log = Log::default();
    let config = receive.config()?;
    let title = format!("district {}  {}", config.district, config.broker);
    run::runtime()?.block_on(async {
        let mut signals = run::Signals::new()?;
        let for_log = log.clone();
        // The foot of the table is narrow, and shows the last lines only.
        run::log_to(move || for_log.clone(), false, false);
        let mut handle = run::start(config).await?;
        let screen = Screen::take()?;
        let mut ticks = interval(if screen.is_some() { REDRAW } else { REPRINT });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut printed = Vec::new();
        let failed = loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let size = screen.as_ref().map(|_| Screen::size());
                    let colours = screen.as_ref().is_some_and(Screen::colours);
                    let now = SystemClock.now().mono;
                    let snapshot = handle.snapshot();
                    let lines = table(&title, &snapshot, &log.last(3), now, size, colours);
                    match &screen {
                        Some(screen) => screen.draw(&lines)?,
                        None if lines != printed => {
                            let mut out = io::stdout().lock();
                            writeln!(out, "{}\n", lines.join("\n"))?;
                            printed = lines;
                        }
                        None => {}
                    }
                }
                ended = handle.ended() => break Some(Failed::new(70, ended)),
                () = signals.next() => break None,
            }
        };
        // Given back before the last words, so that they stay to be read.
        drop(screen);
        run::stop(handle, &mut signals, failed).await
    })
}

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
fn table(
    title: &str,
    snapshot: &Snapshot,
    log: &[String],
    now: Mono,
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
    let header = format!(
        "{:<24} {:<8} {:>9} {:>8} {:>6}  {:<}",
        "GATEWAY, SITE", "STATE", "UPTO", "MISSING", "HB", "DOORS"
    );
    put(Paint::Dim, &header);
    // Half of what is left for gateways, the troubled first; the rest for events.
    let left = rows.saturating_sub(7 + log.len() + 1);
    let shown = snapshot.gateways.len().min((left / 2).max(1));
    let mut gateways: Vec<_> = snapshot.gateways.iter().collect();
    gateways.sort_by_key(|(_, view)| trouble(view));
    for (address, view) in gateways.iter().take(shown) {
        // The gateway first: when the name is cut, it still tells which one.
        let name = format!("{}, {}", address.gateway, address.site);
        put(paint_of(view), &gateway_line(&name, view, now));
    }
    if gateways.len() > shown {
        put(Paint::Dim, &format!("… and {} more gateways", gateways.len() - shown));
    }
    put(Paint::Plain, "");
    put(Paint::Dim, "LATEST EVENTS");
    let room = left.saturating_sub(shown + 1);
    for event in snapshot.latest.iter().rev().take(room) {
        let paint = match event.class {
            class if class.lane() == Lane::Alarm => Paint::Bad,
            Class::Fault => Paint::Warn,
            _ => Paint::Plain,
        };
        put(paint, &event_line(event));
    }
    for line in log {
        put(Paint::Dim, line);
    }
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

fn gateway_line(name: &str, view: &GatewayView, now: Mono) -> String {
    let heartbeat = match &view.heartbeat {
        Some((at, _)) => format!("{}s", now.since(*at).as_secs()),
        None => "-".to_owned(),
    };
    let mut line = format!(
        "{:<24} {:<8} {:>9} {:>8} {:>6}  ",
        cut(name, 24),
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

fn event_line(event: &Committed) -> String {
    let at = event.received.utc.to_string();
    // The time of day: the date is the operator's own.
    let time = at.get(11..19).unwrap_or(&at).to_owned();
    let gateway = format!("{}, {}", event.address.gateway, event.address.site);
    let (what, source) = match event.event() {
        Ok(Event { draft, .. }) => {
            (draft.kind.into_owned(), format!("{} {}", draft.source.kind, draft.source.id))
        }
        Err(_) => (event.class.as_str().to_owned(), String::new()),
    };
    let late = if event.replayed { " (late)" } else { "" };
    format!("{time} {:<24} {:>8} {what} {source}{late}", cut(&gateway, 24), event.seq.0)
}

/// At most so many characters; what is cut is shown to be cut. Control characters do not reach the
/// terminal: log lines and ids come from outside.
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
    use gatehouse_core::id::Seq;
    use gatehouse_core::topic::Address;

    use super::*;

    fn snapshot(gateways: u64) -> Snapshot {
        let mut snapshot = Snapshot { link: Link::Up, ..Snapshot::default() };
        for n in 0..gateways {
            let address = Address {
                district: "d".parse().unwrap(),
                site: "a-very-long-site-name-indeed".parse().unwrap(),
                gateway: format!("g-{n:03}").parse().unwrap(),
            };
            let missing = u64::from(n == gateways - 1);
            let life = Life::Online;
            let view = GatewayView { life, upto: Seq(n), missing, ..GatewayView::default() };
            snapshot.gateways.insert(address, view);
        }
        snapshot
    }

    #[test]
    fn the_table_fits_the_terminal_and_shows_the_troubled_first() {
        for (rows, columns) in [(24, 80), (10, 40), (60, 200)] {
            let size = Some(Size { rows, columns });
            let log = ["a\x1b[2Jlog line".to_owned()];
            let lines = table("t", &snapshot(50), &log, Mono(0), size, false);
            assert!(lines.len() <= rows);
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:#?}");
            assert!(lines.iter().all(|line| !line.contains('\x1b')));
        }
        let lines = table("t", &snapshot(50), &[], Mono(0), None, false);
        assert!(lines[5].starts_with("g-049, a-very-long-site…"), "{}", lines[5]);
    }

    #[test]
    fn colours_come_only_when_they_are_asked_for() {
        let coloured = table("t", &snapshot(2), &[], Mono(0), None, true).join("");
        assert!(coloured.contains("\x1b[1m"));
        let plain = table("t", &snapshot(2), &[], Mono(0), None, false).join("");
        assert!(!plain.contains('\x1b'));
    }
}
