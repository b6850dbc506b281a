//! What the running gateway says of itself.

use std::io;
use std::path::Path;

use gatehouse_config::Config;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::Finding;
use crate::control::Report;
use crate::sandbox::{Held, Sandbox};

/// The longest answer that is read: a thousand things of a hundred bytes each are a tenth of it.
const LONGEST: u64 = 1024 * 1024;

/// An event that waits longer wants somebody to look, in seconds.
const LATE_S: u64 = 60;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Silent {
    /// Nobody listens there.
    Absent(io::Error),
    /// Somebody does, and this user may not ask.
    Forbidden,
    /// It does not answer in time, or in words that are not ours.
    Hangs(String),
}

/// Asks the gateway at this socket.
pub(crate) async fn ask(socket: &Path) -> Result<Report, Silent> {
    let asked = async {
        let mut stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Silent::Forbidden,
            _ => Silent::Absent(error),
        })?;
        let hangs = |error: io::Error| Silent::Hangs(error.to_string());
        stream.write_all(b"status\n").await.map_err(hangs)?;
        let mut line = String::new();
        let mut read = BufReader::new(tokio::io::AsyncReadExt::take(stream, LONGEST));
        read.read_line(&mut line).await.map_err(hangs)?;
        serde_json::from_str(&line).map_err(|error| Silent::Hangs(error.to_string()))
    };
    let patience = std::time::Duration::from_secs(5);
    let silent = || Silent::Hangs("no answer within 5 s".to_owned());
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(silent()))
}

pub(super) fn look(running: Result<&Report, &Silent>, config: &Config) -> Vec<Finding> {
    let report = match running {
        Ok(report) => report,
        Err(silent) => return vec![not_running(silent)],
    };
    let mut findings = vec![version(report)];
    if report.config_hash != config.hash() {
        findings.push(Finding::advice(
            "configuration",
            format!("the file is {}, the gateway runs {}", config.hash(), report.config_hash),
            "gatehouse reload, if the file is meant to hold",
        ));
    }
    for unit in &report.degraded {
        findings.push(Finding::wrong(
            "unit",
            unit.clone(),
            "it is tried on by itself; journalctl -u gatehouse says why it fails",
        ));
    }
    findings.extend(report.sandbox.as_ref().map(sandbox));
    findings.extend(delivery(report));
    findings.extend(things(report));
    findings
}

/// What the daemon took from itself. An older kernel's part of it is no reason to worry: nobody replaces a
/// kernel for it, and the unit's sandbox stands around it.
fn sandbox(sandbox: &Sandbox) -> Finding {
    let told = sandbox.to_string();
    if sandbox.is_off() {
        let advice = "the sandbox is switched off for this service: once the reason is gone, take \
                      GATEHOUSE_SANDBOX out (systemctl edit gatehouse) and restart it";
        return Finding::advice("sandbox", told, advice);
    }
    let none = |held: &Held| matches!(held, Held::Not(_));
    if none(&sandbox.files) || none(&sandbox.calls) {
        let advice = "give the box a kernel with CONFIG_SECURITY_LANDLOCK and CONFIG_SECCOMP_FILTER, and \
                      landlock in its lsm= parameter; the unit's own sandbox holds meanwhile";
        return Finding::advice("sandbox", told, advice);
    }
    Finding::good("sandbox", told)
}

fn not_running(silent: &Silent) -> Finding {
    match silent {
        Silent::Absent(error) => Finding::wrong(
            "gateway",
            format!("it does not run: {error}"),
            "systemctl start gatehouse; if it ends again, systemctl status gatehouse says why",
        ),
        Silent::Forbidden => Finding::advice(
            "gateway",
            "this user may not ask it",
            "run this as root, or as a member of the group gatehouse",
        ),
        Silent::Hangs(why) => Finding::wrong(
            "gateway",
            format!("it does not answer: {why}"),
            "systemd ends and starts a gateway that hangs, within 20 s; if not: systemctl restart \
             gatehouse",
        ),
    }
}

fn version(report: &Report) -> Finding {
    let here = env!("CARGO_PKG_VERSION");
    let found = format!("it runs, version {}, start {}", report.version, report.session);
    if report.version == here {
        return Finding::good("gateway", found);
    }
    let found = format!("{found}; this program is {here}");
    Finding::advice("gateway", found, "systemctl restart gatehouse, so that the new version runs")
}

fn delivery(report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    let waiting = report.head.0.saturating_sub(report.host_upto.0);
    findings.push(match (&report.broker, report.host_online) {
        (None, _) => Finding::wrong(
            "delivery",
            report.trouble.clone().unwrap_or_else(|| "no broker yet".to_owned()),
            "see \"paths\" below; everything is recorded and will be delivered",
        ),
        (Some(broker), Some(false)) => Finding::wrong(
            "delivery",
            format!("connected to {broker}, but the control room is away; {waiting} events wait"),
            "call the control room: its receiver does not run",
        ),
        (Some(broker), _) if waiting > 0 && report.oldest_unreceived_s > LATE_S => Finding::wrong(
            "delivery",
            format!(
                "connected to {broker}; {waiting} events wait for the control room's receipt, the \
                 oldest for {} s",
                report.oldest_unreceived_s
            ),
            "call the control room: events reach the broker and are not confirmed",
        ),
        (Some(broker), None) => Finding::advice(
            "delivery",
            format!("connected to {broker}; the control room has not said anything yet"),
            "if this stays so, does its receiver use this broker, and may it write to this gateway?",
        ),
        (Some(broker), Some(true)) => {
            Finding::good("delivery", format!("connected to {broker}, the control room confirms"))
        }
    });
    if report.set_aside > 0 {
        findings.push(Finding::wrong(
            "delivery",
            format!("the broker refuses {} events", report.set_aside),
            "the broker's access list must let this gateway write below gatehouse/v1/…",
        ));
    }
    findings
}

/// What does not protect at this moment, each with what to look at.
fn things(report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut good = 0;
    for thing in &report.things {
        let name = thing.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        let of = format!("{} {}{name}", thing.kind, thing.id);
        match advice(&thing.kind, &thing.state) {
            Some(advice) => {
                let found = format!("{} since {}", thing.state, thing.since);
                findings.push(Finding::wrong(of.clone(), found, advice));
            }
            None => good += 1,
        }
        if let Some(flag) = thing.flags.iter().find(|flag| *flag == "bypassed") {
            let advice = format!("gatehouse unbypass {}, when it is mended", thing.id);
            findings.push(Finding::advice(of, flag.clone(), advice));
        }
    }
    if good > 0 {
        findings.push(Finding::good("doors, zones and the rest", format!("{good} answer")));
    }
    findings
}

fn advice(kind: &str, state: &str) -> Option<&'static str> {
    Some(match (kind, state) {
        ("door" | "zone", "unknown") => {
            "its state is not known: is its chip or bus there? See \"wiring\""
        }
        ("zone", "tamper") => "its loop is cut or shorted, or a cover is open: measure the loop",
        ("zone", "fault") => "its detector or loop reports a fault: measure the loop",
        ("zone", "masked") => "something covers the detector",
        ("reader", "offline" | "unknown") => {
            "it does not answer: address, A/B swapped, termination, supply; see its bus"
        }
        ("camera", "unauthorised") => "name or password is wrong: check username and password",
        ("camera", "unreachable") => "no way to it: is it powered, is its address right?",
        ("camera", "silent") => "it answers and sends no pictures: restart the camera",
        ("camera", "degraded") => "few or broken pictures: check its network and its bit rate",
        ("output", "fault" | "unknown") => "it is not as it was set: check its wiring",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Advice, Good, Wrong};
    use super::*;

    fn report() -> Report {
        serde_json::from_value(serde_json::json!({
            "gateway": "g-1", "version": env!("CARGO_PKG_VERSION"), "session": 3, "uptime_s": 9,
            "config_hash": "x", "clock": ["never", null], "head": 10, "host_upto": 10,
            "backlog": { "alarm": 0, "normal": 0 }, "oldest_unreceived_s": 0, "set_aside": 0,
            "broker": "main", "trouble": null, "uplink_since": "2026-01-01T00:00:00.000Z",
            "host_online": true, "incidents": [], "degraded": [], "rss_kib": 1, "stored": 1,
            "commits": 1, "journal_written": 1,
            "things": [
                { "kind": "door", "id": "lobby", "name": "Lobby", "state": "closed",
                  "since": "2026-01-01T00:00:00.000Z" },
                { "kind": "zone", "id": "pir", "name": null, "state": "tamper",
                  "since": "2026-01-01T00:00:00.000Z", "flags": ["bypassed"] },
            ],
        }))
        .unwrap()
    }

    #[test]
    fn what_does_not_protect_has_its_advice() {
        let findings = things(&report());
        let told: Vec<_> =
            findings.iter().map(|finding| (finding.of.as_str(), finding.verdict)).collect();
        assert_eq!(
            told,
            [("zone pir", Wrong), ("zone pir", Advice), ("doors, zones and the rest", Good)]
        );
    }

    #[test]
    fn delivery_is_good_only_with_the_control_rooms_word() {
        let of = |change: &dyn Fn(&mut Report)| {
            let mut report = report();
            change(&mut report);
            delivery(&report)[0].verdict
        };
        assert_eq!(of(&|_| {}), Good);
        assert_eq!(of(&|report| report.host_online = None), Advice);
        assert_eq!(of(&|report| report.host_online = Some(false)), Wrong);
        assert_eq!(of(&|report| report.broker = None), Wrong);
        let late = |report: &mut Report| {
            report.head.0 = 11;
            report.oldest_unreceived_s = 61;
        };
        assert_eq!(of(&late), Wrong);
    }

    #[test]
    fn a_sandbox_that_does_not_hold_is_told_with_what_to_do() {
        let of = |files: Held, calls: Held| sandbox(&Sandbox { files, calls });
        let older = || Held::Partly("version 2".into());
        assert_eq!(of(Held::Whole, Held::Whole).verdict, Good);
        assert_eq!(of(older(), Held::Whole).verdict, Good);
        let none = of(Held::Not("this kernel has no landlock".into()), Held::Whole);
        assert_eq!(none.verdict, Advice);
        assert!(none.found.contains("no landlock") && none.advice.unwrap().contains("lsm="));
        let off = || Held::Not("GATEHOUSE_SANDBOX=off".into());
        assert!(of(off(), off()).advice.unwrap().contains("systemctl edit"));
    }

    #[tokio::test]
    async fn a_socket_without_a_gateway_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let silent = ask(&folder.path().join("none.sock")).await.unwrap_err();
        assert!(not_running(&silent).found.contains("does not run"));
    }
}
