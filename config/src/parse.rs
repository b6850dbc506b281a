//! From the text of a file to a [`Config`], or to everything that is wrong with it.

use std::ops::Range;

use toml::de::DeTable;

use crate::assemble;
use crate::config::Config;
use crate::files::FileRef;
use crate::finding::{ConfigErrors, Finding, Findings, Warnings};
use crate::keys;
use crate::reader::{Notes, Reader, is_secret};

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
        let text = blotted(self.notes.text, &self.notes.blots);
        let gather = |list: Vec<Finding>| {
            let text = if list.is_empty() { String::new() } else { text.clone() };
            let mut findings = Findings { name: name.to_owned(), text, list };
            findings.sort();
            findings
        };
        let (errors, warnings) = (gather(self.notes.errors), gather(self.notes.warnings));
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
    let (root, syntax) = DeTable::parse_recoverable(text);
    let mut notes = Notes { text, errors: Vec::new(), warnings: Vec::new(), blots: Vec::new() };
    let mut files = Vec::new();
    let config = assemble::config(&Reader::file(&root, &mut notes), &mut notes, &mut files);
    if !syntax.is_empty() {
        // What the parser made of a broken line is a guess, and a key may have gone down with it.
        let broken: Vec<_> = syntax.iter().map(|e| line_of(text, &span(text, e))).collect();
        let guess = |finding: &Finding| {
            let line = finding.span.as_ref().map(|span| line_of(text, span));
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
    Outcome { config, files, notes }
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

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text[..floor(text, span.start)].matches('\n').count()
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

/// The text as it may be shown: secrets are stars of the same length, so every place stays.
fn blotted(text: &str, blots: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for blot in blots {
        blot_out(&mut bytes, blot.clone());
    }
    // A line that is not TOML has no values to go by; what follows a telling key is not shown.
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((key, _)) = line.split_once('=') {
            let name = key.trim().trim_matches(['"', '\'']);
            let name = name.rsplit('.').next().unwrap_or(name).trim();
            let known = [keys::broker::PASSWORD_FILE.name, keys::broker::PASSWORD_CREDENTIAL.name];
            if is_secret(key) && !known.contains(&name) {
                blot_out(&mut bytes, at + key.len() + 1..at + line.len());
            }
        }
        at += line.len();
    }
    // Whole characters were replaced, so this is text still.
    String::from_utf8(bytes).unwrap_or_default()
}

fn blot_out(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b'*';
        }
    }
}
