//! Configurations that held, with when, by whom and what: `{state-dir}/config-history/`.
//!
//! An entry is two files: `000017.toml`, the file that held, byte by byte, and `000017.json`, what is
//! known of it. The second is written last, so that half an entry is none. A text that an accident put a
//! secret into is here too, for the gateway's user alone.
//!
//! Bounds: [`MOST`] entries and [`BYTES`]; the oldest go, the newest two never.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use gatehouse_config::config_hash;
use gatehouse_core::time::UtcMs;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::files;
use super::who::Who;

/// Entries that are kept.
pub(super) const MOST: usize = 100;

/// Bytes that they take together: a hundred commented files of some 40 kB, or a few of the largest.
pub(super) const BYTES: u64 = 8 * 1024 * 1024;

/// Changed places that an entry names; the rest is counted.
const NAMED: usize = 16;

/// One configuration that held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, never given twice.
    pub n: u32,
    /// Since when it held, by the clock of the box.
    pub at: UtcMs,
    /// Its hash.
    pub hash: String,
    /// The hash of the one before, if that is known.
    pub parent: Option<String>,
    /// Who made it hold.
    pub who: Who,
    /// What it changed, as `door.lobby.name`.
    pub changed: Vec<String>,
    /// How many places it changed.
    pub changed_count: usize,
    /// Why, of one that was put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a new entry is told.
#[derive(Debug)]
pub struct Held<'a> {
    /// The file.
    pub text: &'a str,
    /// Since when.
    pub at: UtcMs,
    /// Who made it hold.
    pub who: &'a Who,
    /// Why, of one that was put back.
    pub why: Option<&'a str>,
}

/// The history of one box.
#[derive(Clone, Debug)]
pub struct History(PathBuf);

impl History {
    /// In this state folder.
    pub fn of(state_dir: &Path) -> Self {
        Self(state_dir.join("config-history"))
    }

    /// Notes that this holds now; one that held already is not noted again.
    ///
    /// # Errors
    /// The disk. What was there is there still.
    pub fn note(&self, held: &Held<'_>) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let all = self.entries()?;
        let newest = all.last();
        let hash = config_hash(held.text.as_bytes());
        if newest.is_some_and(|newest| newest.hash == hash) {
            return Ok(());
        }
        let before = newest.and_then(|newest| self.text(newest.n).ok());
        let changed =
            before.and_then(|before| gatehouse_config::change::changed_places(&before, held.text));
        let mut changed = changed.unwrap_or_default();
        let changed_count = changed.len();
        changed.truncate(NAMED);
        let entry = Entry {
            // Also above what a cut left without its second half.
            n: self.highest()? + 1,
            at: held.at,
            hash,
            parent: newest.map(|newest| newest.hash.clone()),
            who: held.who.clone(),
            changed,
            changed_count,
            why: held.why.map(str::to_owned),
        };
        let json = serde_json::to_vec_pretty(&entry).map_err(io::Error::other)?;
        files::replace(&self.path(entry.n, "toml"), held.text.as_bytes(), None)?;
        files::replace(&self.path(entry.n, "json"), &json, None)?;
        self.sweep()
    }

    /// Every entry, the oldest first. One that cannot be read is passed over, and logged.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut all = Vec::new();
        for n in self.numbers("json")? {
            let path = self.path(n, "json");
            let entry = fs::read(&path).and_then(|bytes| {
                serde_json::from_slice::<Entry>(&bytes).map_err(io::Error::other)
            });
            match entry {
                Ok(entry) if entry.n == n => all.push(entry),
                Ok(_) => {
                    warn!(path = %path.display(), "an entry of the history has another number");
                }
                Err(error) => {
                    warn!(path = %path.display(), %error, "an entry of the history cannot be read");
                }
            }
        }
        Ok(all)
    }

    /// The file of an entry.
    ///
    /// # Errors
    /// There is none, or it is not what held then.
    pub fn text(&self, n: u32) -> io::Result<String> {
        fs::read_to_string(self.path(n, "toml"))
    }

    /// The newest file with this hash.
    pub fn with_hash(&self, hash: &str) -> Option<String> {
        let all = self.entries().ok()?;
        let mut found = all.iter().rev().filter(|entry| entry.hash == hash);
        found.find_map(|entry| {
            let text = self.text(entry.n).ok()?;
            (config_hash(text.as_bytes()) == hash).then_some(text)
        })
    }

    fn path(&self, n: u32, kind: &str) -> PathBuf {
        self.0.join(format!("{n:06}.{kind}"))
    }

    /// The numbers of the files of a kind, sorted; no folder: none.
    fn numbers(&self, kind: &str) -> io::Result<Vec<u32>> {
        let folder = match fs::read_dir(&self.0) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for file in folder {
            let name = file?.file_name();
            let number = name.to_str().and_then(|name| name.split_once('.'));
            let number = number.filter(|(_, of)| *of == kind);
            all.extend(number.and_then(|(number, _)| number.parse::<u32>().ok()));
        }
        all.sort_unstable();
        Ok(all)
    }

    fn highest(&self) -> io::Result<u32> {
        let of = |kind| self.numbers(kind).map(|all| all.last().copied().unwrap_or(0));
        Ok(of("toml")?.max(of("json")?))
    }

    /// Removes what is too much, and what a cut left: half an entry that is not the newest.
    fn sweep(&self) -> io::Result<()> {
        let (texts, facts) = (self.numbers("toml")?, self.numbers("json")?);
        for n in texts.iter().filter(|n| facts.binary_search(n).is_err()) {
            fs::remove_file(self.path(*n, "toml"))?;
        }
        let size = |n: u32| fs::metadata(self.path(n, "toml")).map_or(0, |facts| facts.len());
        let (mut count, mut bytes) = (0, 0);
        for n in facts.iter().rev().copied() {
            count += 1;
            bytes += size(n);
            if count > 2 && (count > MOST || bytes > BYTES) {
                // The facts first: a text without them is swept the next time.
                fs::remove_file(self.path(n, "json"))?;
                match fs::remove_file(self.path(n, "toml")) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(history: &History, text: &str) {
        let who = Who::console(Some(0));
        history.note(&Held { text, at: UtcMs(7), who: &who, why: None }).unwrap();
    }

    #[test]
    fn what_held_is_found_again_with_what_it_changed_and_one_that_holds_on_is_noted_once() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::of(folder.path());
        assert_eq!(history.entries().unwrap(), []);
        let first = "[[door]]\nid = \"a\"\n";
        let second = "[[door]]\nid = \"a\"\nname = \"A\" # é\n";
        for text in [first, first, second, first] {
            note(&history, text);
        }
        let all = history.entries().unwrap();
        assert_eq!(all.iter().map(|entry| entry.n).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(all[1].changed, ["door.a.name"]);
        assert_eq!(all[1].parent.as_ref(), Some(&all[0].hash));
        assert_eq!((&all[2].hash, all[2].changed_count), (&all[0].hash, 1));
        assert_eq!(history.text(2).unwrap(), second);
        assert_eq!(history.with_hash(&all[1].hash).as_deref(), Some(second));
        assert_eq!(history.with_hash("0"), None);
    }

    #[test]
    fn it_stays_within_its_bounds_and_numbers_are_never_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::of(folder.path());
        for n in 0..MOST + 5 {
            note(&history, &format!("# {n}\n"));
        }
        let all = history.entries().unwrap();
        assert_eq!((all.len(), all[0].n), (MOST, 6));
        let files = fs::read_dir(folder.path().join("config-history")).unwrap().count();
        assert_eq!(files, 2 * MOST);
        let large = "#".repeat(usize::try_from(BYTES).unwrap() / 3) + "\n";
        for n in 0..4 {
            note(&history, &format!("{large}# {n}\n"));
        }
        let left: Vec<_> = history.entries().unwrap().iter().map(|entry| entry.n).collect();
        assert_eq!(left, [108, 109]);
    }

    #[test]
    fn half_an_entry_is_none_and_a_damaged_one_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::of(folder.path());
        note(&history, "# 1\n");
        note(&history, "# 2\n");
        let path = |name| folder.path().join("config-history").join(name);
        fs::write(path("000003.toml"), "# cut\n").unwrap();
        fs::write(path("000001.json"), "{").unwrap();
        assert_eq!(history.entries().unwrap().len(), 1);
        note(&history, "# 4\n");
        let all = history.entries().unwrap();
        assert_eq!(all.iter().map(|entry| entry.n).collect::<Vec<_>>(), [2, 4]);
        assert!(!path("000003.toml").exists());
    }
}
