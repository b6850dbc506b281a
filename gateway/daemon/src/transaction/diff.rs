//! What a change is to a person: its lines, with a few around them, and stars for secrets.

use gatehouse_config::without_secrets;
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

/// Lines around a change, so that one sees where it is.
const AROUND: usize = 3;

/// Lines that are shown at most; more is another file, not a change.
pub(super) const MOST: usize = 2000;

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It stays.
    Same,
    /// It is new.
    New,
    /// It goes.
    Gone,
    /// Lines are left out here.
    Gap,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What happens to it.
    pub mark: Mark,
    /// Its number, from 1: in the new file, of a line that goes in the one before.
    pub n: usize,
    /// Its text, without the end of the line.
    pub text: String,
}

/// The lines in which two configurations differ.
///
/// They are compared as they are and shown with stars for what looks like a secret, so that another
/// secret is seen as a change and not as what it is.
pub(super) fn lines(before: &str, after: &str) -> Vec<Line> {
    let shown = |text: &str| -> Vec<String> {
        without_secrets(text).split_inclusive('\n').map(bare).collect()
    };
    let (old, new) = (shown(before), shown(after));
    let diff = TextDiff::from_lines(before, after);
    let mut all = Vec::new();
    for (number, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if number > 0 {
            all.push(Line { mark: Mark::Gap, n: 0, text: String::new() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (mark, of, index) = match change.tag() {
                ChangeTag::Equal => (Mark::Same, &new, change.new_index()),
                ChangeTag::Insert => (Mark::New, &new, change.new_index()),
                ChangeTag::Delete => (Mark::Gone, &old, change.old_index()),
            };
            let Some(index) = index else { continue };
            let text = of.get(index).cloned().unwrap_or_default();
            all.push(Line { mark, n: index + 1, text });
        }
        if all.len() > MOST {
            all.truncate(MOST);
            all.push(Line { mark: Mark::Gap, n: 0, text: String::new() });
            break;
        }
    }
    all
}

/// Without the end of the line, and without what a terminal or a page would obey.
fn bare(line: &str) -> String {
    let line = line.trim_end_matches(['\n', '\r']);
    let obeyed = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    line.replace(obeyed, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> String {
        let mark = |mark| match mark {
            Mark::Same => ' ',
            Mark::New => '+',
            Mark::Gone => '-',
            Mark::Gap => '~',
        };
        let all = lines(before, after);
        let line = |line: &Line| format!("{}{} {}\n", mark(line.mark), line.n, line.text);
        all.iter().map(line).collect::<Vec<_>>().concat()
    }

    #[test]
    fn changes_are_shown_with_what_is_around_and_secrets_as_stars() {
        let numbers: Vec<_> = (1..=20).map(|n| format!("k{n} = {n}\n")).collect();
        let before = numbers.concat() + "password = \"old\"\n";
        let after = before.replace("k2 = 2\n", "k2 = 3\n").replace("\"old\"", "\"new\"");
        let told = told(&before, &after);
        let wanted = " 1 k1 = 1\n-2 k2 = 2\n+2 k2 = 3\n 3 k3 = 3\n 4 k4 = 4\n 5 k5 = 5\n~0 \n 18 k18 = 18\n \
                      19 k19 = 19\n 20 k20 = 20\n-21 password =******\n+21 password =******\n";
        assert_eq!(told, wanted);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown_and_equal_files_have_no_lines() {
        assert_eq!(told("", "a = \"\u{1b}[2J\u{202e}\"\r\n"), "+1 a = \"\u{fffd}[2J\u{fffd}\"\n");
        assert_eq!(told("a = 1\n", "a = 1\n"), "");
        let long = (0..5000).map(|n| format!("# {n}\n")).collect::<Vec<_>>().concat();
        assert_eq!(lines("", &long).len(), MOST + 1);
    }
}
