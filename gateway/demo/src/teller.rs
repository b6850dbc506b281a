//! Says on the terminal what the demo is doing.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Where the story goes: standard output, or standard error when the output is for machines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Teller {
    to_stderr: bool,
    colour: bool,
}

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What goes on.
    Plain,
    /// Something was broken, on purpose or not.
    Broken,
    /// Something is well again.
    Well,
    /// By the way.
    Faint,
}

impl Teller {
    pub(crate) fn new(to_stderr: bool) -> Self {
        let terminal = if to_stderr {
            std::io::stderr().is_terminal()
        } else {
            std::io::stdout().is_terminal()
        };
        // https://no-color.org: any value that is not empty.
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { to_stderr, colour: terminal && !refused }
    }

    /// One line.
    pub(crate) fn say(self, tone: Tone, line: impl Display) {
        let code = match tone {
            _ if !self.colour => None,
            Tone::Plain => None,
            Tone::Broken => Some("33"),
            Tone::Well => Some("32"),
            Tone::Faint => Some("2"),
        };
        let text = match code {
            Some(code) => format!("\x1b[{code}m{line}\x1b[0m\n"),
            None => format!("{line}\n"),
        };
        // A reader that went away is no reason to stop counting.
        let _ = if self.to_stderr {
            std::io::stderr().lock().write_all(text.as_bytes())
        } else {
            std::io::stdout().lock().write_all(text.as_bytes())
        };
    }
}
