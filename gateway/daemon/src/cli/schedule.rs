//! `gatehouse schedule`.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::{ConfigArg, EX_SOFTWARE, load, output, status};
use crate::clock::Clock;
use crate::control::{ScheduleReport, of_config};

#[derive(Clone, Debug, Args)]
pub(super) struct ScheduleArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// From the configuration file alone, whether or not a gateway runs: nothing that was put off.
    #[arg(long)]
    offline: bool,
    /// A JSON list instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn schedule(args: &ScheduleArgs) -> ExitCode {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let reports = if args.offline {
        of_config(&config, Clock::system().now().utc)
    } else {
        let line = match status::ask(&config.socket, "schedule") {
            Ok(line) => line,
            Err(error) => {
                status::unreachable(&config.socket, &error);
                output::eprint("hint: --offline reads the configuration file alone\n");
                return ExitCode::FAILURE;
            }
        };
        match serde_json::from_str(&line) {
            Ok(reports) => reports,
            Err(error) => {
                output::eprint(&format!("error: the gateway's answer cannot be read: {error}\n"));
                return ExitCode::from(EX_SOFTWARE);
            }
        }
    };
    if args.json {
        let json = serde_json::to_string(&reports).expect("reports have only string keys");
        output::print(&(json + "\n"));
    } else {
        output::print(&table(&reports));
    }
    ExitCode::SUCCESS
}

fn table(reports: &[ScheduleReport]) -> String {
    if reports.is_empty() {
        return "there is no schedule\n".to_owned();
    }
    let mut text = String::new();
    for report in reports {
        let trying = if report.trying { ", arming as soon as it may" } else { "" };
        let _ = writeln!(text, "{} of {}{trying}", report.id, report.partition);
        if report.next.is_empty() {
            text.push_str("  nothing: it has no such day, or the time is not known\n");
        }
        for moment in &report.next {
            let what = match &*moment.act {
                "arm" => format!("arm {}", report.mode.as_str()),
                "armed-by" => "to be armed".to_owned(),
                act => act.to_owned(),
            };
            let put_off = match moment.postponed_s {
                0 => String::new(),
                s => format!(", put off by {} min", s / 60),
            };
            let _ = writeln!(text, "  {}  {what}{put_off}", moment.local);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::UtcMs;

    use super::*;

    const CONFIG: &str = r#"
[gateway]
id = "g"
district = "d"
site = "s"
time-zone = "Europe/Berlin"
[[broker]]
id = "b"
host = "localhost"
[[partition]]
id = "shop"
[[zone]]
id = "window"
kind = "instant"
input = "gpiochip0:1"
partition = "shop"
[[schedule]]
id = "nights"
partition = "shop"
days = ["saturday", "sunday"]
arm-at = "20:00"
disarm-at = "02:30"
"#;

    #[test]
    fn what_comes_is_told_in_the_time_of_the_wall_over_the_change_of_clocks() {
        let config = gatehouse_config::Config::parse(CONFIG, "x").unwrap();
        // 2026-03-28 22:00 in Berlin.
        let told = table(&of_config(&config, UtcMs(1_774_731_600_000)));
        let expected = "nights of shop\n  Sun 2026-03-29 03:00 CEST  disarm\n  \
                        Sun 2026-03-29 20:00 CEST  arm away\n";
        assert_eq!(told, expected);
        assert_eq!(table(&[]), "there is no schedule\n");
    }
}
