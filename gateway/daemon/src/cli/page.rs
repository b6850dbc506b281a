//! `gatehouse page`: how somebody gets to the gateway's own page.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::output::{self, Paint};
use super::{ConfigArg, EX_SOFTWARE, status};
use crate::web::PageReport;

#[derive(Clone, Debug, Args)]
pub(super) struct PageArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// A JSON object instead of a text.
    #[arg(long)]
    json: bool,
}

pub(super) fn page(args: &PageArgs) -> ExitCode {
    let socket = gatehouse_config::socket_of(&args.config.config);
    let line = match status::ask(&socket, "page") {
        Ok(line) => line,
        Err(error) => {
            status::unreachable(&socket, &error);
            return ExitCode::FAILURE;
        }
    };
    if args.json {
        output::print(&line);
        return ExitCode::SUCCESS;
    }
    match serde_json::from_str::<Option<PageReport>>(&line) {
        Ok(Some(report)) => {
            let paint = Paint(output::coloured(args.config.color, &std::io::stdout()));
            output::print(&text(&report, paint));
            if report.fingerprint.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(None) => {
            output::eprint(
                "error: this gateway has no page\nhint: gatehouse config set page.listen 0.0.0.0:8443\n",
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            output::eprint(&format!("error: the gateway's answer cannot be read: {error}\n"));
            ExitCode::from(EX_SOFTWARE)
        }
    }
}

/// What is read out at the console.
fn text(report: &PageReport, paint: Paint) -> String {
    let mut text = String::new();
    let (listen, port) = (report.listen, report.listen.port());
    let host = if listen.ip().is_unspecified() {
        format!("https://ADDRESS-OF-THIS-BOX:{port}/")
    } else {
        format!("https://{listen}/")
    };
    let _ = writeln!(text, "{}         {host}", paint.bold("page"));
    let Some(fingerprint) = &report.fingerprint else {
        let _ = writeln!(
            text,
            "{}",
            paint.bad("It is not served: `journalctl -u gatehouse` says why.")
        );
        return text;
    };
    // Two lines: as browsers show it, and as a narrow console can.
    let (first, second) = fingerprint.split_at(fingerprint.len() / 2 + 1);
    let _ = writeln!(text, "{}  {first}", paint.bold("fingerprint"));
    let _ = writeln!(text, "             {second}");
    let _ = writeln!(text, "             The browser warns at the first visit: go on only if its");
    let _ = writeln!(text, "             certificate has this SHA-256 fingerprint.");
    match &report.code {
        Some((code, holds_s)) => {
            let (first, second) = code.split_at(code.len() / 2);
            let code = paint.bold(&format!("{first} {second}"));
            let _ = writeln!(text, "{}         {code}", paint.bold("code"));
            let minutes = holds_s.div_ceil(60);
            let _ = writeln!(
                text,
                "             It makes the first account, once, within {minutes} min."
            );
        }
        None => {
            let _ = writeln!(text, "{}     {}", paint.bold("accounts"), report.accounts);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_told_in_two_groups_and_only_when_there_is_one() {
        let mut report = PageReport {
            listen: "0.0.0.0:8443".parse().unwrap(),
            fingerprint: Some(["AB"; 32].join(":")),
            accounts: 0,
            code: Some(("12345678".to_owned(), 840)),
        };
        let told = text(&report, Paint(false));
        for wanted in ["https://ADDRESS-OF-THIS-BOX:8443/", "1234 5678", "within 14 min"] {
            assert!(told.contains(wanted), "{told}");
        }
        assert!(told.lines().all(|line| line.len() <= 80), "{told}");
        report.code = None;
        report.accounts = 3;
        assert!(text(&report, Paint(false)).contains("accounts     3"));
    }
}
