//! A script that stands for a world, for a machine that has none.
//!
//! ```text
//! # ms   line
//! 0      3    1         # line 3 is high from the start; each line needs such a level at 0
//! 1500   3    0         # an edge
//! 2000   3    lost 2    # two edges of line 3 are lost before its next one
//! 3000   gone           # the chip is unplugged
//! 4000   back           # and plugged back, with the levels that the lines have by then
//! ```
//!
//! Times count from the start of the script and never go back. After the last line all stays as
//! it is. Edges while the chip is gone change levels, and are not told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_hal::digital::PinState;

use super::protocol::pin_state;

/// The largest script, in lines: a day of an edge each second.
const MAX_STEPS: usize = 86_400;

/// Why a script cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Lines that are none, all of them.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// What happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) after: Duration,
    pub(super) act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Level { offset: u32, level: PinState },
    Lose { offset: u32, count: u32 },
    Gone,
    Back,
}

/// Reads a script that has a level at 0 for each of `lines`.
pub(super) fn load(path: &Path, lines: &[u32]) -> Result<Vec<Step>, ScriptError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ScriptError::Read { path: path.to_owned(), source })?;
    parse(&text, lines).map_err(|wrong| {
        let place = |(line, what): (usize, String)| match line {
            0 => format!("{}: {what}", path.display()),
            line => format!("{}:{line}: {what}", path.display()),
        };
        ScriptError::Wrong(wrong.into_iter().map(place).collect())
    })
}

fn parse(text: &str, lines: &[u32]) -> Result<Vec<Step>, Vec<(usize, String)>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<_> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        match step(&words) {
            None => wrong.push((
                number + 1,
                format!(
                    "{:?} is no step; allowed are `<ms> <line> <0|1>`, `<ms> <line> lost <n>`, \
                     `<ms> gone` and `<ms> back`",
                    line.trim()
                ),
            )),
            Some(step) if steps.last().is_some_and(|last| step.after < last.after) => {
                wrong.push((number + 1, "this time is before that of the step above".into()));
            }
            Some(step) => steps.push(step),
        }
    }
    if steps.len() > MAX_STEPS {
        wrong.push((0, format!("{} steps are too many, {MAX_STEPS} are allowed", steps.len())));
    }
    for line in lines {
        let starts = |step: &Step| {
            let Act::Level { offset, .. } = step.act else { return false };
            step.after.is_zero() && offset == *line
        };
        if !steps.iter().any(starts) {
            wrong.push((
                0,
                format!("line {line} has no level at 0; add `0 {line} 0` or `0 {line} 1`"),
            ));
        }
    }
    if wrong.is_empty() { Ok(steps) } else { Err(wrong) }
}

fn step(words: &[&str]) -> Option<Step> {
    let after = Duration::from_millis(words.first()?.parse().ok()?);
    let act = match *words {
        [_, "gone"] => Act::Gone,
        [_, "back"] => Act::Back,
        [_, offset, level] => Act::Level { offset: offset.parse().ok()?, level: pin_state(level)? },
        [_, offset, "lost", count] => {
            Act::Lose { offset: offset.parse().ok()?, count: count.parse().ok()? }
        }
        _ => return None,
    };
    Some(Step { after, act })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_the_page_above_is_one() {
        let script: Vec<_> = include_str!("script.rs")
            .lines()
            .skip_while(|line| !line.ends_with("```text"))
            .skip(1)
            .take_while(|line| !line.ends_with("```"))
            .map(|line| line.trim_start_matches("//!"))
            .collect();
        let script = script.join("\n");
        let steps = parse(&script, &[3]).unwrap();
        let acts: Vec<_> = steps.iter().map(|step| step.act).collect();
        let level = |level| Act::Level { offset: 3, level };
        let expected = [
            level(PinState::High),
            level(PinState::Low),
            Act::Lose { offset: 3, count: 2 },
            Act::Gone,
            Act::Back,
        ];
        assert_eq!(acts, expected);
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("script");
        std::fs::write(&path, "0 3 1\n10 3 2\n\n5 3 0\n4 3 1\n").unwrap();
        let message = load(&path, &[3, 4]).unwrap_err().to_string();
        let path = path.display();
        assert_eq!(
            message,
            format!(
                "{path}:2: \"10 3 2\" is no step; allowed are `<ms> <line> <0|1>`, `<ms> <line> \
                 lost <n>`, `<ms> gone` and `<ms> back`\n\
                 {path}:5: this time is before that of the step above\n\
                 {path}: line 4 has no level at 0; add `0 4 0` or `0 4 1`"
            )
        );
    }
}
