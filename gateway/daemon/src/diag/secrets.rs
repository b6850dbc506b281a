//! The values of the configured passwords and keys, and stars in their place wherever they stand.
//!
//! The second net: what the first one lets through by mistake, as a password that somebody wrote into a name, or
//! a message that repeats it, does not leave the box all the same.

use std::path::Path;

use gatehouse_config::Config;

use crate::secret::passwords;

/// Shorter values are not looked for: three letters stand in many words, which would all be stars.
const SHORTEST: usize = 4;

/// A line of a key file that is shorter holds no key.
const KEY_LINE: usize = 16;

/// The largest key file that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Values, the longest first: a part of one may be another.
#[derive(Default)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} not shown)", self.0.len())
    }
}

impl Secrets {
    /// Reads all that a configuration names. What cannot be read or is too short to be looked for is returned, in
    /// words for the manifest: its value cannot be recognised, and nothing of it was read.
    pub(super) fn learn(&mut self, config: &Config) -> Vec<String> {
        let mut unknown = Vec::new();
        for (what, of, source) in passwords(config) {
            match source.read() {
                Ok(secret) if secret.expose().len() >= SHORTEST => self.add(secret.expose()),
                Ok(_) => unknown.push(format!("the {what} of {of} is too short to be looked for")),
                Err(_) => unknown
                    .push(format!("the {what} of {of} cannot be read, so it was not looked for")),
            }
        }
        let mut files: Vec<(String, &Path)> = Vec::new();
        for broker in &config.brokers {
            let client = broker.tls.as_ref().and_then(|tls| tls.client.as_ref());
            files.extend(client.map(|it| (format!("the key of broker {}", broker.id), &*it.key)));
        }
        for bus in &config.rs485 {
            files.extend(bus.key_file.iter().map(|it| (format!("the key of {}", bus.id), &**it)));
        }
        let page = config.page.as_ref().and_then(|page| page.own.as_ref());
        files.extend(page.map(|(_, key)| ("the key of [page]".to_owned(), &**key)));
        for (of, path) in files {
            match key_file(path) {
                Some(text) => self.add_key(&text),
                None => unknown.push(format!("{of} cannot be read, so it was not looked for")),
            }
        }
        // Keys of the box itself.
        for name in ["site.key", "device.key", "page/identity.pem", "page/accounts.toml"] {
            if let Some(text) = key_file(&config.state_dir.join(name)) {
                self.add_key(&text);
            }
        }
        unknown
    }

    fn add(&mut self, value: &str) {
        let quoted = serde_json::Value::from(value).to_string();
        let in_json = quoted.trim_matches('"').as_bytes().to_vec();
        for value in [value.as_bytes().to_vec(), in_json] {
            if !self.0.contains(&value) {
                self.0.push(value);
            }
        }
        self.0.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// Each line that can be a part of a key; and what is quoted in it.
    fn add_key(&mut self, text: &str) {
        let lines = text.lines().filter(|line| !line.starts_with("-----"));
        let words = lines.flat_map(|line| line.split(['"', ' ', '\'']));
        words.map(str::trim).filter(|word| word.len() >= KEY_LINE).for_each(|word| self.add(word));
    }

    /// Stars for every byte of every value; how many values there were.
    pub(super) fn blot(&self, bytes: &mut [u8]) -> usize {
        let mut count = 0;
        for value in &self.0 {
            let mut at = 0;
            while let Some(found) = bytes[at..].windows(value.len()).position(|part| part == value)
            {
                bytes[at + found..at + found + value.len()].fill(b'*');
                at += found + value.len();
                count += 1;
            }
        }
        count
    }
}

fn key_file(path: &Path) -> Option<String> {
    let facts = std::fs::metadata(path).ok()?;
    if !facts.is_file() || facts.len() > LARGEST {
        return None;
    }
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blotted(secrets: &Secrets, text: &str) -> (usize, String) {
        let mut bytes = text.as_bytes().to_vec();
        let count = secrets.blot(&mut bytes);
        (count, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_value_is_stars_wherever_it_stands_also_in_json() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        secrets.add("hunter2hunter2");
        secrets.add("a\"b\\c");
        assert_eq!(blotted(&secrets, "xhunter2 hunter"), (1, "x******* hunter".into()));
        assert_eq!(blotted(&secrets, "hunter2hunter2"), (1, "*".repeat(14)));
        let json = serde_json::json!({ "why": "a\"b\\c" }).to_string();
        assert_eq!(blotted(&secrets, &json).1, "{\"why\":\"*******\"}");
        assert_eq!(blotted(&secrets, "nothing of it"), (0, "nothing of it".into()));
        assert!(!format!("{secrets:?}").contains("hunter"));
    }

    #[test]
    fn each_line_of_a_key_is_one() {
        let mut secrets = Secrets::default();
        secrets.add_key("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nshort\n-----END KEY-----\n");
        assert_eq!(blotted(&secrets, "MIIEvQIBADANBgkqhkiG short").1, "******************** short");
        assert_eq!(blotted(&secrets, "-----BEGIN KEY-----").0, 0);
    }
}
