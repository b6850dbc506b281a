//! The terminal: its size, its colours, and giving it back as it was.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Log lines kept for the foot of the table.
const KEPT_LINES: usize = 8;

/// A terminal taken over for drawing. Given back when dropped, also by a panic.
#[derive(Debug)]
pub(super) struct Screen {
    colours: bool,
}

/// Rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Screen {
    /// The terminal on stdout; none if it is something else.
    pub(super) fn take() -> io::Result<Option<Self>> {
        let mut out = io::stdout();
        if !out.is_terminal() {
            return Ok(None);
        }
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if dumb {
            return Ok(None);
        }
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        // The other screen, no cursor.
        out.write_all(b"\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J")?;
        out.flush()?;
        Ok(Some(Self { colours }))
    }

    pub(super) const fn colours(&self) -> bool {
        self.colours
    }

    pub(super) fn size() -> Size {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        match size {
            Some(size) if size.ws_row > 0 && size.ws_col > 0 => {
                Size { rows: size.ws_row.into(), columns: size.ws_col.into() }
            }
            _ => Size { rows: 24, columns: 80 },
        }
    }

    /// Draws over what stands there, without a blank in between.
    #[expect(clippy::unused_self, reason = "only a terminal that was taken over is drawn on")]
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut frame = String::from("\x1b[H");
        for (n, line) in lines.iter().enumerate() {
            if n > 0 {
                frame.push_str("\r\n");
            }
            frame.push_str(line);
            frame.push_str("\x1b[K");
        }
        frame.push_str("\x1b[J");
        let mut out = io::stdout();
        out.write_all(frame.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout();
        let _ = out.write_all(b"\x1b[?25h\x1b[?1049l");
        let _ = out.flush();
    }
}

/// The last lines of the log, for the foot of the table.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in String::from_utf8_lossy(bytes).lines() {
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(line.to_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
