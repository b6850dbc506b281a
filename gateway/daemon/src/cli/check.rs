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
        let things = [
            (config.partitions.len(), "partition"),
            (config.doors.len(), "door"),
            (config.zones.len(), "zone"),
            (config.help_points.len(), "help point"),
            (config.readers.len(), "reader"),
            (config.cameras.len(), "camera"),
            (credentials.list.len(), "credential"),
            (config.outputs.len(), "output"),
            (config.key_switches.len(), "key-switch contact"),
            (config.schedules.len(), "schedule"),
            (config.rounds.len(), "round"),
            (config.chips.len(), "chip"),
            (config.brokers.len(), "broker"),
        ];
        // A box that watches nothing is told so by its doors.
        let named = things.into_iter().filter(|(n, one)| *n > 0 || *one == "door");
        let named: Vec<_> = named.map(|(n, one)| plural(n, one)).collect();
        let text = format!(
            "{}: right. Gateway {} with {}; configuration {}.\n",
            args.config.config.display(),
            config.address.gateway,
            named.join(", "),
            config.hash(),
        );
        output::print(&text);
    }
    ExitCode::SUCCESS
}
