//! The peers' file: which other control rooms are known, and what each may hand to this one.
//!
//! ```toml
//! [[peer]]
//! name = "south"                   # as it calls itself: its --room
//! district = "d-2"                 # whose _dc/handover it reads
//! key = "3d4017c3…"                # the public half of its --room-key, as `keygen` prints it
//! may-offer = ["panic", "alarm"]   # classes of incident it may hand to us; absent: every class
//! ```
//!
//! Parsed whole or refused with every mistake, each with line and column. Read once, at the start.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatehouse_core::checkpoint::from_hex;
use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use serde::Deserialize;
use toml::Spanned;

use crate::classes;
use crate::signing::{KeyError, SigningKey};

/// Control rooms that one is in touch with, at most: a city has fewer districts.
const MOST: usize = 256;

/// Who this control room is to others, and where it is said who they are.
#[derive(Clone, Debug)]
pub struct RoomConfig {
    /// Its name.
    pub name: Id,
    /// Its key, as `keygen` makes it.
    pub key: PathBuf,
    /// The peers' file.
    pub peers: PathBuf,
}

/// Another control room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: Id,
    /// Its district.
    pub district: Id,
    /// What its messages and bundles are signed with.
    pub key: [u8; 32],
    /// The classes of incident that it may hand to us; none: every class.
    pub may_offer: Option<BTreeSet<Class>>,
}

/// Why a control room cannot be in touch with others.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// Its own key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Missing, or not readable by this user, or not text.
    #[error("the peers' file {}: {source}; without --peers nothing is handed over", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is in it is no list of peers: every mistake with line and column.
    #[error("the peers' file {}:{mistakes}", path.display())]
    Mistakes {
        /// Which.
        path: PathBuf,
        /// Each on a line of its own.
        mistakes: String,
    },
    /// What is owed to other rooms must outlive this process.
    #[error("--peers needs a database that lasts: --db FILE or --db postgres://HOST/DATABASE")]
    NoDatabase,
}

/// This control room among the others, checked.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(crate) name: Id,
    pub(crate) district: Id,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) peers: Vec<Peer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    peer: Vec<RawPeer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawPeer {
    name: Spanned<String>,
    district: Spanned<String>,
    key: Spanned<String>,
    may_offer: Option<Vec<Spanned<String>>>,
}

impl Rooms {
    /// Reads key and peers.
    ///
    /// # Errors
    /// [`RoomError`]; a file that cannot be read is never taken for one without peers.
    pub(crate) fn read(config: &RoomConfig, district: &Id) -> Result<Self, RoomError> {
        let RoomConfig { name, key, peers } = config;
        let key = Arc::new(SigningKey::read(key, name.clone())?);
        let peers = read(peers, name)?;
        Ok(Self { name: name.clone(), district: district.clone(), key, peers })
    }

    /// The peer of this name.
    pub(crate) fn peer(&self, name: &Id) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.name == *name)
    }
}

fn read(path: &Path, own: &Id) -> Result<Vec<Peer>, RoomError> {
    let unreadable = |source| RoomError::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mistakes = |mistakes| RoomError::Mistakes { path: path.to_owned(), mistakes };
    parse(&text, own).map_err(mistakes)
}

/// Line and column of a place, both from 1.
fn place(text: &str, at: &Range<usize>) -> (usize, usize) {
    let before = text.get(..at.start).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (1 + before.matches('\n').count(), 1 + line.chars().count())
}

fn parse(text: &str, own: &Id) -> Result<Vec<Peer>, String> {
    let raw: RawFile = toml::from_str(text).map_err(|error| format!("\n{error}"))?;
    let (mut mistakes, mut peers) = (String::new(), Vec::<Peer>::new());
    let mut mistake = |at: &Range<usize>, what: String| {
        let (line, column) = place(text, at);
        // A String takes everything.
        let _ = write!(mistakes, "\n  line {line}, column {column}: {what}");
    };
    if raw.peer.len() > MOST {
        mistake(&(0..0), format!("{} peers; allowed are {MOST}", raw.peer.len()));
    }
    for raw in raw.peer {
        let mut id = |what: &str, text: &Spanned<String>| match text.get_ref().parse::<Id>() {
            Ok(id) => Some(id),
            Err(error) => {
                mistake(&text.span(), format!("{what} {:?}: {error}", text.get_ref()));
                None
            }
        };
        let (name, district) = (id("name", &raw.name), id("district", &raw.district));
        if name.as_ref() == Some(own) {
            mistake(&raw.name.span(), format!("name {own} is this room's own (--room)"));
        }
        if peers.iter().any(|peer| Some(&peer.name) == name.as_ref()) {
            mistake(&raw.name.span(), format!("a second peer {:?}", raw.name.get_ref()));
        }
        let key = from_hex::<32>(raw.key.get_ref());
        if key.is_none() {
            let what = "key is no public key; allowed are 64 hexadecimal digits, as the other room's \
                        `gatehouse-receiver keygen` printed them";
            mistake(&raw.key.span(), what.to_owned());
        }
        let may_offer = raw.may_offer.map(|all| classes::listed(&all, &mut mistake));
        if let (Some(name), Some(district), Some(key)) = (name, district, key) {
            peers.push(Peer { name, district, key, may_offer });
        }
    }
    if mistakes.is_empty() { Ok(peers) } else { Err(mistakes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_with_line_and_column_and_none_of_the_file_is_used() {
        let own: Id = "north".parse().unwrap();
        let key = "9c".repeat(32);
        let good = format!("[[peer]]\nname = \"south\"\ndistrict = \"d-2\"\nkey = \"{key}\"\n");
        let peers = parse(&good, &own).unwrap();
        assert_eq!(
            (peers[0].name.as_str(), peers[0].key[0], &peers[0].may_offer),
            ("south", 0x9c, &None)
        );
        let none = parse(&format!("{good}may-offer = []\n"), &own).unwrap();
        assert_eq!(none[0].may_offer, Some(BTreeSet::new()), "nothing is not everything");
        let bad = format!(
            "{good}\n[[peer]]\nname = \"south\"\ndistrict = \"D 2\"\nkey = \"12\"\n\
             may-offer = [\"allarm\"]\n[[peer]]\nname = \"north\"\ndistrict = \"d\"\nkey = \"{key}\"\n"
        );
        let mistakes = parse(&bad, &own).unwrap_err();
        for wanted in [
            "line 7, column 8: a second peer \"south\"",
            "line 8, column 12: district \"D 2\": an id is made of",
            "line 9, column 7: key is no public key",
            "line 10, column 14: class \"allarm\"; allowed are panic, alarm",
            "line 12, column 8: name north is this room's own",
        ] {
            assert!(mistakes.contains(wanted), "{wanted}: {mistakes}");
        }
        let unknown = parse(&format!("{good}may_offer = []\n"), &own).unwrap_err();
        assert!(unknown.contains("line 5, column 1") && unknown.contains("may_offer"), "{unknown}");
        let absent = read(Path::new("/nowhere/peers.toml"), &own).unwrap_err();
        assert!(matches!(absent, RoomError::Unreadable { .. }), "{absent}");
    }
}
