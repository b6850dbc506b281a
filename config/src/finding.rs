//! What is wrong with a file, where, and how it is shown.

use std::fmt::{self, Write as _};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// How many mistakes are shown, at most. A file with more is not this kind of file, and the page
/// would only hide the first of them.
const MAX_SHOWN: usize = 200;

/// One mistake, or one thing that is allowed but unwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Key, value and what is allowed, in one sentence.
    pub(crate) title: String,
    /// The place, in bytes; `None`: the file as a whole.
    pub(crate) span: Option<Range<usize>>,
    /// What is said beside the place.
    pub(crate) label: String,
    /// A second place that belongs to it.
    pub(crate) also: Option<(Range<usize>, String)>,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// A key or table that is not there. What a syntax error hides may be there after all.
    pub(crate) absent: bool,
}

impl Finding {
    pub(crate) fn new(title: impl Into<String>, span: Range<usize>) -> Self {
        Self {
            title: title.into(),
            span: Some(span),
            label: String::new(),
            also: None,
            hint: None,
            absent: false,
        }
    }

    pub(crate) fn of_file(title: impl Into<String>) -> Self {
        Self { span: None, ..Self::new(title, 0..0) }
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.also = Some((span, label.into()));
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    pub(crate) fn absent(mut self) -> Self {
        self.absent = true;
        self
    }
}

/// Findings of one file, with the text they point into (secrets blotted out).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) list: Vec<Finding>,
}

impl Findings {
    /// In the order of the file; what is nowhere in particular comes first.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
    }

    fn render(&self, level: &Level<'static>, colour: bool, out: &mut String) {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        for finding in self.list.iter().take(MAX_SHOWN) {
            let mut group =
                level.clone().primary_title(&finding.title).element(Origin::path(&self.name));
            if let Some(span) = &finding.span {
                let (text, offset, line) = self.window(finding);
                let shift = |span: &Range<usize>| span.start - offset..span.end - offset;
                let place = AnnotationKind::Primary.span(shift(span)).label(&finding.label);
                let also = finding
                    .also
                    .as_ref()
                    .map(|(span, label)| AnnotationKind::Context.span(shift(span)).label(label));
                group = Group::with_title(level.clone().primary_title(&finding.title)).element(
                    Snippet::source(text)
                        .line_start(line)
                        .path(&self.name)
                        .annotation(place)
                        .annotations(also),
                );
            }
            if let Some(hint) = &finding.hint {
                group = group.element(Level::HELP.with_name("hint").message(hint));
            }
            out.push_str(&renderer.render(&[group]));
            out.push_str("\n\n");
        }
        if let Some(more) = self.list.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
            let _ = write!(out, "… and {more} more of this kind\n\n");
        }
    }

    /// The whole lines around all places of a finding, where they begin, and the first's number:
    /// showing 200 mistakes must not read the file 200 times.
    fn window(&self, finding: &Finding) -> (&str, usize, usize) {
        let spans = finding.span.iter().chain(finding.also.iter().map(|(span, _)| span));
        let (from, to) = spans.fold((self.text.len(), 0), |(from, to), span| {
            (from.min(span.start), to.max(span.end))
        });
        let from = self.text[..from].rfind('\n').map_or(0, |newline| newline + 1);
        let to = self.text[to.max(from)..].find('\n').map_or(self.text.len(), |n| to.max(from) + n);
        let line = self.text[..from].matches('\n').count() + 1;
        (&self.text[from..to], from, line)
    }
}

/// Every mistake of one file. The file is refused.
///
/// Shows itself in plain text; [`ConfigErrors::render`] can use colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Box<Told>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    errors: Findings,
    warnings: Findings,
}

impl ConfigErrors {
    pub(crate) fn new(errors: Findings, warnings: Findings) -> Self {
        debug_assert!(!errors.list.is_empty(), "refused without a reason");
        Self(Box::new(Told { errors, warnings }))
    }

    /// A file that cannot be had at all.
    pub(crate) fn of_file(name: &str, finding: Finding) -> Self {
        let errors = Findings { name: name.into(), text: String::new(), list: vec![finding] };
        Self::new(errors, Findings::default())
    }

    /// How many mistakes there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "errors without an error are not made")]
    pub fn len(&self) -> usize {
        self.0.errors.list.len()
    }

    /// All mistakes, then all warnings, and a last line that counts them.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        self.0.errors.render(&Level::ERROR, colour, &mut out);
        self.0.warnings.render(&Level::WARNING, colour, &mut out);
        let mistakes = count(self.len(), "mistake");
        let name = &self.0.errors.name;
        let _ = writeln!(out, "{name}: {mistakes}; this configuration is not used");
        out
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigErrors {}

/// What is allowed in a file, but unwise.
///
/// Shows itself in plain text; [`Warnings::render`] can use colours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings(pub(crate) Findings);

impl Warnings {
    /// One more, of the file as a whole.
    pub(crate) fn note(&mut self, name: &str, finding: Finding) {
        name.clone_into(&mut self.0.name);
        self.0.list.push(finding);
    }

    /// Whether there is nothing to warn of.
    pub fn is_empty(&self) -> bool {
        self.0.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.list.len()
    }

    /// One line for each, as for a log: what, where, and what to do.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0.list.iter().map(|finding| {
            let line = finding.span.as_ref().map_or(1, |_| self.0.window(finding).2);
            let hint = finding.hint.as_ref().map(|hint| format!("; hint: {hint}"));
            format!("{}:{line}: {}{}", self.0.name, finding.title, hint.unwrap_or_default())
        })
    }

    /// All of them, each with its place in the file.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        self.0.render(&Level::WARNING, colour, &mut out);
        out
    }
}

impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// `1 mistake`, `2 mistakes`.
pub(crate) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
