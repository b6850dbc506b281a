//! `gatehouse status`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use gatehouse_core::site::Answer;
use gatehouse_core::time::ClockState;

use super::output::Paint;
use super::{StatusArgs, output};
use crate::board::StoreView;
use crate::control::{Outcome, Report, Wish};
use crate::gauges::{EvidenceLoad, LIFE_YEARS};

/// A daemon that does not answer in this time hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn status(args: &StatusArgs) -> ExitCode {
    // Also with a file that is wrong: the gateway runs on with what it had.
    let socket = gatehouse_config::socket_of(&args.config.config);
    let line = match ask(&socket, "status") {
        Ok(line) => line,
        Err(error) => {
            unreachable(&socket, &error);
            return ExitCode::FAILURE;
        }
    };
    if args.json {
        output::print(&line);
        return ExitCode::SUCCESS;
    }
    match serde_json::from_str::<Report>(&line) {
        Ok(report) => {
            let paint = Paint(output::coloured(args.config.color, &std::io::stdout()));
            output::print(&table(&report, paint));
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::eprint(&format!("error: the gateway's answer cannot be read: {error}\n"));
            ExitCode::from(super::EX_SOFTWARE)
        }
    }
}

/// What the running gateway tells when it is asked, as facts.
pub(super) fn facts(socket: &Path, wish: &Wish) -> std::io::Result<serde_json::Value> {
    let line = serde_json::to_string(wish).expect("a wish has only string keys");
    match serde_json::from_str(&ask(socket, &line)?) {
        Ok(Outcome::Answer(Answer::Told { facts })) => Ok(facts),
        Ok(Outcome::Error(why)) => Err(std::io::Error::other(why)),
        _ => Err(std::io::Error::other("its answer cannot be read")),
    }
}

pub(super) fn unreachable(socket: &Path, error: &std::io::Error) {
    output::eprint(&format!(
        "error: no gateway answers at {}: {error}\nhint: is it running? systemctl status \
         gatehouse; journalctl -u gatehouse\n",
        socket.display()
    ));
}

/// Asks the running gateway one line, and reads one.
pub(super) fn ask(socket: &Path, request: &str) -> std::io::Result<String> {
    ask_for(socket, request, PATIENCE)
}

/// The same with another patience.
pub(super) fn ask_for(socket: &Path, request: &str, patience: Duration) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    if line.is_empty() {
        return Err(std::io::Error::other("it closed the connection without an answer"));
    }
    Ok(line)
}

fn table(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    let uptime = duration(report.uptime_s);
    let _ = writeln!(
        text,
        "{} {}  up {uptime}, start {}, version {}, configuration {}",
        paint.bold("gateway"),
        report.gateway,
        report.session,
        report.version,
        report.config_hash
    );
    let _ = match (&report.broker, &report.trouble) {
        (Some(broker), _) => writeln!(
            text,
            "{}  {} to {broker} since {}",
            paint.bold("uplink"),
            paint.good("connected"),
            report.uplink_since
        ),
        (None, trouble) => writeln!(
            text,
            "{}  {} since {}: {}",
            paint.bold("uplink"),
            paint.bad("not connected"),
            report.uplink_since,
            trouble.as_deref().unwrap_or("first attempt")
        ),
    };
    let _ = match report.host_online {
        Some(true) => writeln!(text, "        the control room is {}", paint.good("there")),
        Some(false) => writeln!(text, "        the control room is {}", paint.bad("away")),
        None => writeln!(text, "        the control room has not said anything yet"),
    };
    paths(&mut text, report, paint);
    let waiting = report.head.0.saturating_sub(report.host_upto.0);
    let _ = writeln!(
        text,
        "{}  {} recorded, {} received by the control room{}",
        paint.bold("events"),
        report.head,
        report.host_upto,
        if waiting == 0 {
            format!(", {}", paint.good("nothing waits"))
        } else {
            let age = duration(report.oldest_unreceived_s);
            format!(", {}", paint.warn(&format!("{waiting} wait, the oldest for {age}")))
        }
    );
    if report.set_aside > 0 {
        let aside = format!("{} set aside: the broker refuses them", report.set_aside);
        let _ = writeln!(text, "        {}", paint.bad(&aside));
    }
    let _ = match report.clock {
        (ClockState::Synced, err) => {
            writeln!(text, "{}   synced, within {} ms", paint.bold("clock"), err.unwrap_or(0))
        }
        (ClockState::Holdover, err) => writeln!(
            text,
            "{}   {}",
            paint.bold("clock"),
            paint.warn(&format!("holdover, within {} ms", err.unwrap_or(0)))
        ),
        (ClockState::Never, _) => writeln!(
            text,
            "{}   {}",
            paint.bold("clock"),
            paint.bad("not set since this boot; times may be wrong")
        ),
    };
    flash(&mut text, report, paint);
    if let Some(page) = &report.page {
        let _ = match &page.fingerprint {
            Some(_) if page.accounts == 0 => writeln!(
                text,
                "{}    https on {}, {}",
                paint.bold("page"),
                page.listen,
                paint.warn("nobody has an account: `gatehouse page` shows the code")
            ),
            Some(fingerprint) => writeln!(
                text,
                "{}    https on {}, accounts: {}, {}",
                paint.bold("page"),
                page.listen,
                page.accounts,
                paint.dim(&format!("sha256 {fingerprint}"))
            ),
            None => {
                writeln!(
                    text,
                    "{}    {}",
                    paint.bold("page"),
                    paint.bad("it is not served; see the log")
                )
            }
        };
    }
    if let Some(view) = &report.store {
        store(&mut text, view, paint);
    }
    if let Some(sandbox) = &report.sandbox {
        let told = sandbox.to_string();
        let told = if sandbox.is_whole() { paint.good(&told) } else { paint.warn(&told) };
        let _ = writeln!(text, "{} {told}", paint.bold("sandbox"));
    }
    if let Some(one) = &report.unconfirmed {
        let told =
            format!("{} is put back in {} s: gatehouse config confirm", one.after, one.left_s);
        let _ = writeln!(text, "{}  {}", paint.bold("config"), paint.warn(&told));
    }
    for unit in &report.degraded {
        let _ = writeln!(text, "{}   {unit}", paint.bad("fault"));
    }
    for (kind, title) in [
        ("partition", "partitions"),
        ("door", "doors"),
        ("zone", "zones"),
        ("reader", "readers"),
        ("camera", "cameras"),
        ("output", "outputs"),
    ] {
        let mut things = report.things.iter().filter(|thing| thing.kind == kind).peekable();
        if things.peek().is_some() {
            let _ = writeln!(text, "{}", paint.bold(title));
        }
        for thing in things {
            let state = format!("{:<12}", thing.state);
            let state = match thing.state.as_str() {
                "closed" | "normal" | "disarmed" | "online" | "off" | "up" => paint.good(&state),
                "open" | "active" | "arming" | "pending" | "on" | "degraded" => paint.warn(&state),
                state_ if state_.starts_with("armed") => paint.bold(&state),
                _ => paint.bad(&state),
            };
            let flags = match thing.flags.join(", ") {
                flags if flags.is_empty() => flags,
                flags => paint.warn(&format!(" {flags}")),
            };
            let name = thing.name.as_deref().unwrap_or("");
            let since = paint.dim(&format!("since {}", thing.since));
            let _ = writeln!(text, "  {:<20} {state} {since}{flags}  {name}", thing.id.as_str());
            if let Some(says) = &thing.says {
                let _ = writeln!(text, "  {:<20} {}", "", paint.dim(&format!("says: {says}")));
            }
        }
    }
    for incident in &report.incidents {
        let (danger, phase) = (incident.danger.as_str(), incident.phase.as_str());
        let title = paint.bad(&format!("incident {}", incident.id));
        let sources = incident.sources.join(", ");
        let since = paint.dim(&format!("since {}", incident.since));
        let _ = writeln!(text, "{title}  {danger}, {phase} {since}  {sources}");
    }
    text
}

/// What is written to the flash, against what it bears.
fn flash(text: &mut String, report: &Report, paint: Paint) {
    if let Some(percent) = report.flash_used_percent {
        let used = format!("{percent} % of its life used, as it says itself");
        let used = if percent >= WORN_PERCENT { paint.bad(&used) } else { used };
        let _ = writeln!(text, "{}   {used}", paint.bold("flash"));
    }
    let Some(load) = &report.evidence else { return };
    let EvidenceLoad { files, bytes, most, a_day, budget, days } = *load;
    let title = paint.bold("evidence");
    let _ = writeln!(text, "{title} {files} files, {} of {}", size(bytes), size(most));
    let Some(a_day) = a_day else { return };
    let share = u128::from(a_day) * 100 / u128::from(budget.max(1));
    let rate = format!(
        "{} written a day, {} of the {} a day that the flash bears for {LIFE_YEARS} years",
        size(a_day),
        if share == 0 && a_day > 0 { "less than 1 %".to_owned() } else { format!("{share} %") },
        size(budget)
    );
    let _ = writeln!(text, "         {}", if share > 100 { paint.bad(&rate) } else { rate });
    if let Some(lasts) = load.lasts_days().filter(|lasts| *lasts < u64::from(days)) {
        let short =
            format!("at this rate it is kept for {lasts} of {days} days: `max-mb` is too small");
        let _ = writeln!(text, "         {}", paint.warn(&short));
    }
}

/// From here on a medium is in the last tenth of its life.
const WORN_PERCENT: u8 = 100;

/// Bytes in the unit that a person reads.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut of, mut unit) = (1_u64 << 10, 0);
    while unit + 1 < UNITS.len() && bytes / of >= 1024 {
        (of, unit) = (of << 10, unit + 1);
    }
    let (whole, tenth) = (bytes / of, bytes % of * 10 / of);
    match whole {
        0..10 => format!("{whole}.{tenth} {}", UNITS[unit]),
        _ => format!("{whole} {}", UNITS[unit]),
    }
}

/// The store for pictures and clips: what waits, what it took last, and what is wrong with it.
fn store(text: &mut String, store: &StoreView, paint: Paint) {
    let place = format!("{}/{}", store.endpoint, store.bucket);
    let state = match (&store.trouble, store.works) {
        (Some(_), _) => paint.bad("takes nothing"),
        (None, true) => paint.good("works"),
        (None, false) => paint.warn("not tried yet"),
    };
    let since = paint.dim(&format!("since {}", store.since));
    let _ = writeln!(text, "{}   {place} {state} {since}", paint.bold("store"));
    if let Some(trouble) = &store.trouble {
        let _ = writeln!(text, "        {}", paint.bad(trouble));
    }
    let waits = if store.pending == 0 {
        paint.good("nothing waits")
    } else {
        let mib = store.pending_bytes.div_ceil(1 << 20);
        paint.warn(&format!("{} wait, {mib} MiB", store.pending))
    };
    let refused = match store.refused {
        0 => String::new(),
        refused => paint.bad(&format!(", of which it refuses {refused}")),
    };
    let gives_way = if store.gives_way { ", alarms go first" } else { "" };
    let last = store.last.as_ref().map_or_else(String::new, |(at, file)| {
        format!("; {} stored since the start, the last {file} at {at}", store.stored)
    });
    let _ = writeln!(text, "        {waits}{refused}{gives_way}{last}");
}

/// Each path with its measures: over a week, and over the last events.
fn paths(text: &mut String, report: &Report, paint: Paint) {
    let _ = writeln!(
        text,
        "{}   a failure is known within {}",
        paint.bold("paths"),
        duration(report.reporting_s)
    );
    for path in &report.paths {
        let works = match (path.active, path.works) {
            (true, _) => paint.good("in use "),
            (false, Some(true)) => paint.good("standby"),
            (false, Some(false)) => paint.bad("failed "),
            (false, None) => paint.warn("unknown"),
        };
        let available = path.available_ppm.map_or_else(String::new, |ppm| {
            let days = duration(path.observed_s.into());
            let share = format!("{} %", hundredths(ppm));
            let share = if ppm < LEAST_PPM { paint.bad(&share) } else { share };
            format!("  available {share} of {days}")
        });
        let took = path.mean_ms.zip(path.p95_ms).map_or_else(String::new, |(mean, p95)| {
            format!("  to receipt {mean} ms, 95 % within {p95} ms ({} events)", path.events)
        });
        let _ = writeln!(text, "  {:<20} {works}{available}{took}", path.id.as_str());
    }
}

/// Less than this in a week wants somebody to look: it is where installers' practice has its alert.
const LEAST_PPM: u32 = 950_000;

/// Parts of a million as per cent with two digits, cut off: 99.999 is not 100.
fn hundredths(ppm: u32) -> String {
    format!("{}.{:02}", ppm / 10_000, ppm / 100 % 100)
}

fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Paint, Report, duration, flash, hundredths, size};

    /// A report with this about flash and evidence.
    fn report(more: serde_json::Value) -> Report {
        let mut all = json!({
            "gateway": "g", "version": "", "session": 1, "uptime_s": 1, "config_hash": "",
            "clock": ["synced", 1], "head": 1, "host_upto": 1,
            "backlog": { "alarm": 0, "normal": 0 }, "oldest_unreceived_s": 0, "set_aside": 0,
            "broker": null, "trouble": null, "uplink_since": "2026-11-30T08:00:00.000Z",
            "host_online": null, "things": [], "incidents": [], "degraded": [], "rss_kib": 0,
            "stored": 0, "commits": 0, "journal_written": 0,
        });
        let serde_json::Value::Object(more) = more else { panic!("{more}") };
        all.as_object_mut().unwrap().extend(more);
        serde_json::from_value(all).unwrap()
    }

    fn said(more: serde_json::Value) -> String {
        let mut text = String::new();
        flash(&mut text, &report(more), Paint(false));
        text
    }

    #[test]
    fn what_is_written_to_the_flash_stands_beside_what_it_bears() {
        const MIB: u64 = 1 << 20;
        assert_eq!(said(json!({})), "", "a daemon of before says nothing of it");
        let evidence = |a_day: Option<u64>| {
            let (most, budget) = (2048 * MIB, 8192 * MIB);
            json!({ "evidence": {
                "files": 34, "bytes": 412 * MIB, "most": most, "a_day": a_day, "budget": budget,
                "days": 14,
            } })
        };
        assert_eq!(said(evidence(None)), "evidence 34 files, 412 MiB of 2.0 GiB\n");
        assert_eq!(
            said(evidence(Some(58 * MIB))),
            "evidence 34 files, 412 MiB of 2.0 GiB\n         58 MiB written a day, less than 1 % of the \
             8.0 GiB a day that the flash bears for 10 years\n"
        );
        let much = said(evidence(Some(9000 * MIB)));
        assert!(much.contains("8.7 GiB written a day, 109 % of the 8.0 GiB"), "{much}");
        assert!(much.ends_with("kept for 0 of 14 days: `max-mb` is too small\n"), "{much}");
        let worn = said(json!({ "flash_used_percent": 100 }));
        assert_eq!(worn, "flash   100 % of its life used, as it says itself\n");
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        let told: Vec<_> = [0, 1023, 1 << 20, 10 << 20, 1536 << 20, u64::MAX].map(size).into();
        assert_eq!(told, ["0.0 KiB", "0.9 KiB", "1.0 MiB", "10 MiB", "1.5 GiB", "16777215 TiB"]);
    }

    #[test]
    fn availability_is_never_rounded_up() {
        let told: Vec<_> = [1_000_000, 999_999, 950_000, 7].map(hundredths).into();
        assert_eq!(told, ["100.00", "99.99", "95.00", "0.00"]);
    }

    #[test]
    fn durations_are_told_in_two_units() {
        let told: Vec<_> = [7, 67, 3_600, 90_061].map(duration).into();
        assert_eq!(told, ["7 s", "1 min 7 s", "1 h 0 min", "1 d 1 h"]);
    }
}
