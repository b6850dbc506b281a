//! `gatehouse reload`.
//!
//! The running gateway reads its file; this only asks it and says what came of it. So it works with
//! a file that is wrong: the socket is taken from it as far as it can be read.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use super::{ConfigArg, EX_CONFIG, EX_SOFTWARE, output, status};
use crate::reload::Reloaded;

/// A reload waits for units that end in order, and for the disk.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn reload(args: &ConfigArg) -> ExitCode {
    let socket = gatehouse_config::socket_of(&args.config);
    let answer = match status::ask_for(&socket, "reload", PATIENCE) {
        Ok(answer) => answer,
        Err(error) => {
            status::unreachable(&socket, &error);
            return ExitCode::FAILURE;
        }
    };
    match serde_json::from_str(&answer) {
        Ok(Reloaded::Rejected { text, .. }) => {
            output::eprint(&text);
            output::eprint("the gateway runs on with what it had\n");
            ExitCode::from(EX_CONFIG)
        }
        Ok(Reloaded::Failed { why }) => {
            output::eprint(&format!("error: {why}\n"));
            ExitCode::from(EX_SOFTWARE)
        }
        Ok(told) => {
            output::print(&text(&told));
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::eprint(&format!("error: the gateway's answer cannot be read: {error}\n"));
            ExitCode::from(EX_SOFTWARE)
        }
    }
}

fn text(told: &Reloaded) -> String {
    let Reloaded::Applied { before, after, units, added, removed, needs_restart, warnings } = told
    else {
        return match told {
            Reloaded::Unchanged { hash } => {
                format!("nothing to do: configuration {hash} holds already\n")
            }
            _ => String::new(),
        };
    };
    let mut text = format!("applied: configuration {after} in place of {before}\n");
    for (word, things) in [("added", added), ("removed", removed)] {
        if !things.is_empty() {
            let _ = writeln!(text, "  {word}: {}", things.join(", "));
        }
    }
    let counts = [
        (units.kept, "run on"),
        (units.started, "started"),
        (units.restarted, "started anew"),
        (units.stopped, "ended"),
    ];
    let counts: Vec<_> = { counts.into_iter() }
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    if !counts.is_empty() {
        let _ = writeln!(text, "  units: {}", counts.join(", "));
    }
    if !needs_restart.is_empty() {
        let _ = writeln!(text, "  from the next start on: {}", needs_restart.join(", "));
    }
    for warning in warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Counts;

    #[test]
    fn what_came_of_it_is_told_in_a_few_lines() {
        let told = Reloaded::Applied {
            before: "a".into(),
            after: "b".into(),
            units: Counts { kept: 1, started: 2, ..Counts::default() },
            added: vec!["zone/hall".into()],
            removed: vec![],
            needs_restart: vec!["journal".into()],
            warnings: vec![],
        };
        assert_eq!(
            text(&told),
            "applied: configuration b in place of a\n  added: zone/hall\n  units: 1 run on, \
             2 started\n  from the next start on: journal\n"
        );
        let same = Reloaded::Unchanged { hash: "a".into() };
        assert_eq!(text(&same), "nothing to do: configuration a holds already\n");
    }
}
