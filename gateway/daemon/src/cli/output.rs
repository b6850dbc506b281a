//! What is printed, and in which colours.

use std::io::{IsTerminal, Write};

use super::Colour;

/// Whether to colour what goes to this stream.
pub(super) fn coloured(wish: Colour, stream: &impl IsTerminal) -> bool {
    match wish {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            // https://no-color.org: set and not empty means no colours.
            let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            stream.is_terminal() && !no_color
        }
    }
}

/// Prints to stdout; false when nobody reads any more (`gatehouse events | head`).
pub(super) fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Prints to stderr.
pub(super) fn eprint(text: &str) {
    // Without stderr there is nobody to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Colours of a terminal, or none.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("31;1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
}
