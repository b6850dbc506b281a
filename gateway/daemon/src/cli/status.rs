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
use crate::control::{Outcome, Report, Wish};

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
    use super::{duration, hundredths};

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
