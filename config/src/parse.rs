//! From the text of a file to a [`Config`], or to everything that is wrong with it.

use std::collections::HashSet;
use std::ops::Range;

use toml::de::DeTable;

use crate::assemble;
use crate::config::Config;
use crate::files::FileRef;
use crate::finding::{ConfigErrors, Finding, Findings, Warnings};
use crate::keys::FILE;
use crate::reader::{Notes, Reader};
use crate::shown::{blotted, without_secrets};
use crate::spec::Table;

/// What one reading of a file gives, good or bad.
pub(crate) struct Outcome<'t> {
    /// The configuration, if nothing it needs is missing. It is used only if there are no errors.
    config: Option<Config>,
    /// The files that it names.
    pub(crate) files: Vec<FileRef>,
    pub(crate) notes: Notes<'t>,
}

impl Config {
    /// Checks a configuration's text. `name` is what mistakes call the file.
    ///
    /// Looks at nothing but the text: whether the files it names exist is seen by
    /// [`Config::load`].
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigErrors> {
        read(text).finish(name)
    }
}

impl Outcome<'_> {
    /// The configuration with its warnings, or everything that is wrong.
    pub(crate) fn finish(self, name: &str) -> Result<Config, ConfigErrors> {
        let (errors, warnings) = findings(self.notes, name);
        match self.config {
            Some(config) if errors.list.is_empty() => {
                Ok(Config { warnings: Warnings(warnings), ..config })
            }
            _ => Err(ConfigErrors::new(errors, warnings)),
        }
    }
}

/// Reads a file's text.
pub(crate) fn read(text: &str) -> Outcome<'_> {
    let mut files = Vec::new();
    let (config, notes) = tables(text, without_secrets(text), &FILE, |file, notes| {
        assemble::config(file, notes, &mut files)
    });
    Outcome { config, files, notes }
}

/// Reads the tables of any file of ours. `shown` is its text as it may be shown.
pub(crate) fn tables<'t, T>(
    text: &'t str,
    shown: String,
    whole: &'static Table,
    assemble: impl FnOnce(&Reader<'_, '_>, &mut Notes<'_>) -> T,
) -> (T, Notes<'t>) {
    let (root, syntax) = DeTable::parse_recoverable(text);
    let mut notes = Notes::new(text, shown);
    let told = assemble(&Reader::file(&root, whole, &mut notes), &mut notes);
    if !syntax.is_empty() {
        // What the parser made of a broken line is a guess, and a key may have gone down with it.
        let newlines: Vec<_> = text.match_indices('\n').map(|(at, _)| at).collect();
        let line = |span: &Range<usize>| newlines.partition_point(|newline| *newline < span.start);
        let broken: HashSet<_> = syntax.iter().map(|error| line(&span(text, error))).collect();
        let guess = |finding: &Finding| {
            let line = finding.span.as_ref().map(line);
            finding.absent || line.is_some_and(|line| broken.contains(&line))
        };
        notes.errors.retain(|finding| !guess(finding));
        notes.warnings.retain(|finding| !guess(finding));
        for error in &syntax {
            let finding = Finding::new(format!("not TOML: {}", error.message()), span(text, error));
            let hint = syntax_hint(error.message()).map(str::to_owned);
            notes.error(finding.label("here").maybe_hint(hint));
        }
    }
    (told, notes)
}

/// What was found, sorted, with the text that may be shown: mistakes, then warnings.
pub(crate) fn findings(notes: Notes<'_>, name: &str) -> (Findings, Findings) {
    let text = blotted(notes.shown, &notes.blots);
    let gather = |list: Vec<Finding>| {
        let text = if list.is_empty() { String::new() } else { text.clone() };
        let mut findings = Findings { name: name.to_owned(), text, list };
        findings.sort();
        findings
    };
    (gather(notes.errors), gather(notes.warnings))
}

fn span(text: &str, error: &toml::de::Error) -> Range<usize> {
    let span = error.span().unwrap_or(0..0);
    let start = floor(text, span.start);
    start..floor(text, span.end).max(start)
}

/// The nearest place at or before `at` that is no part of a character.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// What to do about the parser's own words.
fn syntax_hint(message: &str) -> Option<&'static str> {
    if message.contains("duplicate key") {
        Some("each key stands once in its table; leave one of them out")
    } else if message.contains("string values must be quoted") {
        Some("words and paths stand in quotes: \"…\"")
    } else {
        None
    }
}
