//! What of a file may be shown: everything but secrets that were put where they do not belong.
//!
//! Mistakes are shown with the line they stand in, on terminals and in logs. A secret in that line
//! becomes stars of the same length, so that every place in the text stays where it is. This works
//! on plain text, before anything is understood: a line that is not TOML can hold a secret too.

use std::ops::Range;

use crate::hint::nearest;
use crate::keys::broker::{PASSWORD_CREDENTIAL, PASSWORD_FILE};
use crate::keys::store::SECRET_KEY_FILE;

/// Whether a key of this name is likely to hold a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    // To bypass a zone has nothing to do with a password, nor has passing back through a door.
    let lower = name.to_ascii_lowercase().replace("bypass", "").replace("passback", "");
    ["pass", "secret", "token", "pwd", "psk"].iter().any(|part| lower.contains(part))
        || nearest(name, std::iter::once("password")).is_some()
}

/// The text with stars for what looks like a secret, and nothing in it that a terminal obeys: what
/// shows the lines takes care of all but the C1 controls (U+009B is ESC and `[` in one).
pub fn without_secrets(text: &str) -> String {
    without(text, is_secret)
}

/// The text of a list of credentials: a PIN that stands where its hash belongs is a secret too.
pub(crate) fn without_pins(text: &str) -> String {
    without(text, |name| is_secret(name) || name.to_ascii_lowercase().contains("pin"))
}

/// What of a configuration may leave the box, for somebody who helps from afar: neither what looks like a secret
/// nor logins, nor the names that people gave to things, nor what they wrote beside it. Its lines stay where they
/// are.
pub fn for_others(text: &str) -> String {
    let personal = |name: &str| {
        matches!(name, "name" | "label" | "username" | "access-key") || is_secret(name)
    };
    without(&without_comments(text), personal)
}

/// The text without comments: what people write there is about people as well. A `#` within a string is none.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // What ends the string that is open.
    let mut open: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        // A string of one line ends with it, closed or not.
        open = open.filter(|end| end.len() == 3);
        let (mut at, mut end) = (0, line.len());
        while at < line.len() {
            let rest = &line[at..];
            let marks = ["\"\"\"", "'''", "\"", "'"];
            at += match open {
                Some(mark) if rest.starts_with(mark) => {
                    open = None;
                    mark.len()
                }
                Some("\"" | "\"\"\"") if rest.starts_with('\\') => {
                    1 + rest[1..].chars().next().map_or(0, char::len_utf8)
                }
                None if rest.starts_with('#') => {
                    end = at;
                    break;
                }
                None if marks.iter().any(|mark| rest.starts_with(mark)) => {
                    open = marks.into_iter().find(|mark| rest.starts_with(mark));
                    open.map_or(1, str::len)
                }
                _ => rest.chars().next().map_or(1, char::len_utf8),
            };
        }
        out.push_str(if end < line.len() { line[..end].trim_end() } else { line });
        if end < line.len() && line.ends_with('\n') {
            out.push('\n');
        }
    }
    out
}

fn without(text: &str, telling: fn(&str) -> bool) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut until: Option<&str> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        if let Some(mark) = until {
            // Within a string of several lines, or a private key.
            until = if line.contains(mark) { None } else { until };
            blot(&mut bytes, at..end);
        } else if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") {
            until = (!line.contains("-----END")).then_some("-----END");
            blot(&mut bytes, at..end);
        } else {
            if let Some(secret) = after_telling_key(line, telling) {
                blot(&mut bytes, at + secret..end);
                until = ["\"\"\"", "'''"].into_iter().find(|mark| {
                    // Opened, and not closed in the same line.
                    line[secret..].matches(mark).count() % 2 == 1
                });
            }
            if let Some(login) = login(line) {
                blot(&mut bytes, at + login.start..at + login.end);
            }
        }
        at = end;
    }
    for (place, control) in text.match_indices(|c| matches!(c, '\u{80}'..='\u{9f}')) {
        bytes[place..place + control.len()].fill(b'?');
    }
    stars_are_text(bytes)
}

/// The text with stars for these places too.
pub(crate) fn blotted(text: String, places: &[Range<usize>]) -> String {
    let mut bytes = text.into_bytes();
    for place in places {
        blot(&mut bytes, place.clone());
    }
    stars_are_text(bytes)
}

/// Where the value begins of the first key in a line that is likely to be a secret.
fn after_telling_key(line: &str, telling: fn(&str) -> bool) -> Option<usize> {
    let mut from = 0;
    for (equals, _) in line.match_indices('=') {
        let key = &line[from..equals];
        let word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let name = key.trim_end_matches(|c| !word(c)).rsplit(|c| !word(c)).next();
        from = equals + 1;
        let Some(name) = name.filter(|name| telling(name)) else { continue };
        // These name the place of a secret: a path is no secret.
        let named =
            [PASSWORD_FILE.name, PASSWORD_CREDENTIAL.name, SECRET_KEY_FILE.name].contains(&name);
        let value = line[from..].trim_start();
        if !(named && (value.starts_with("\"/") || value.starts_with("'/"))) {
            return Some(from);
        }
    }
    None
}

/// The `user:password` of an address like `mqtt://user:password@host`.
fn login(line: &str) -> Option<Range<usize>> {
    let start = line.find("://")? + "://".len();
    let end = start + line[start..].rfind('@')?;
    Some(start..end)
}

/// Stars for every byte, so that no place moves; lines stay lines.
fn blot(bytes: &mut [u8], place: Range<usize>) {
    for byte in bytes.get_mut(place).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b'*';
        }
    }
}

fn stars_are_text(bytes: Vec<u8>) -> String {
    // Only whole characters are ever replaced; were it not so, nothing is the safe thing to show.
    String::from_utf8(bytes).unwrap_or_default()
}

/// A piece of a file as it may stand in a sentence: one line, and nothing that a terminal obeys.
pub(crate) fn in_one_line(text: &str, max: usize) -> String {
    let tame = |c: char| {
        let turns = matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c {
            '\n' | '\r' | '\t' => ' ',
            _ if c.is_control() || turns => char::REPLACEMENT_CHARACTER,
            _ => c,
        }
    };
    let mut out: String = text.chars().take(max).map(tame).collect();
    if text.chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_stars_wherever_it_stands_and_everything_else_stays() {
        for (line, shown) in [
            ("password = \"hunter2\"", "password =**********"),
            ("password = hunter2 # mine", "password =***************"),
            ("  Passwort='hunter2'", "  Passwort=*********"),
            ("pasword = \"hunter2\"", "pasword =**********"),
            ("password-file = \"/etc/x\"", "password-file = \"/etc/x\""),
            ("password-file = hunter2", "password-file =********"),
            ("b = { password = \"x\" }", "b = { password =******"),
            ("broker.password = \"门\"", "broker.password =******"),
            ("host = \"mqtt://me:hunter2@h:1\"", "host = \"mqtt://**********@h:1\""),
            ("id = \"lobby\"", "id = \"lobby\""),
            ("# a = b", "# a = b"),
            ("bypassable = true", "bypassable = true"),
            ("bypass-password = 1", "bypass-password =**"),
        ] {
            assert_eq!(without_secrets(line), shown);
        }
    }

    #[test]
    fn for_others_there_are_neither_names_nor_logins_nor_what_people_wrote_beside_it() {
        let text = "id = \"a#b\" # ask Li\n# Wang, 12\nname = \"Flat of Li\"\nusername = 'li'\n\
                    x = \"a\\\"#b\" # no\ny = '''#\n# in it''' # out\nz = \"é\" # é\n[t] # last";
        assert_eq!(
            for_others(text),
            "id = \"a#b\"\n\nname =*************\nusername =*****\nx = \"a\\\"#b\"\ny = '''#\n# in it'''\n\
             z = \"é\"\n[t]"
        );
        assert_eq!(for_others("password = \"x\"\nhost = \"mqtt://u:p@h\"").matches('p').count(), 1);
    }

    #[test]
    fn no_key_of_ours_is_taken_for_a_secret_but_those_that_name_one() {
        fn visit(table: &crate::spec::Table, found: &mut Vec<&'static str>) {
            found.extend(table.names().filter(|name| is_secret(name)));
            table.tables.iter().for_each(|table| visit(table, found));
        }
        let mut found = Vec::new();
        visit(&crate::keys::FILE, &mut found);
        // Of cameras, of the store, then of brokers.
        let names = [PASSWORD_FILE.name, PASSWORD_CREDENTIAL.name];
        let store = ["secret-key-file", "secret-key-credential"];
        assert_eq!(found, [names, store, names].concat());
    }

    #[test]
    fn a_secret_of_several_lines_is_stars_to_its_end() {
        let text = "secret = \"\"\"\nhunter2\nhunter3\"\"\"\nid = 1\n";
        assert_eq!(without_secrets(text), "secret =****\n*******\n**********\nid = 1\n");
        let text =
            "key = \"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\"\nid = 1";
        let shown = without_secrets(text);
        assert!(!shown.contains("hunter") && shown.ends_with("\nid = 1"), "{shown}");
        let open = without_secrets("secret = '''\nhunter2");
        assert!(!open.contains("hunter"), "{open}");
    }
}
