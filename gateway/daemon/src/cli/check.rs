//! `gatehouse check`.

use std::process::ExitCode;

use super::{CheckArgs, load, load_credentials, output};

pub(super) fn check(args: &CheckArgs) -> ExitCode {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let colour = output::coloured(args.config.color, &std::io::stderr());
    output::eprint(&config.warnings().render(colour));
    let credentials = match load_credentials(&config, args.config.color) {
        Ok(credentials) => credentials,
        Err(code) => return code,
    };
    output::eprint(&credentials.warnings().render(colour));
    if !args.quiet {
        let plural = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        let text = format!(
            "{}: right. Gateway {} with {} and {}; configuration {}.\n",
            args.config.config.display(),
            config.address.gateway,
            plural(config.doors.len(), "door"),
            plural(config.brokers.len(), "broker"),
            config.hash(),
        );
        output::print(&text);
    }
    ExitCode::SUCCESS
}
