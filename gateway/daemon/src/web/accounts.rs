//! Who may do what on the page, and the accounts' file.
//!
//! ```toml
//! [[account]]
//! name = "lin"                  # an id: it stands in events, so no person's full name
//! role = "manager"              # installer, manager, guard, auditor
//! password = "$argon2id$v=19$…"
//! ```
//!
//! Read whole or refused with every mistake; replaced as a whole. A file that cannot be read never
//! becomes an empty one: then nobody could tell a fresh box from a damaged one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatehouse_core::id::Id;
use gatehouse_web::secret;
use serde::{Deserialize, Serialize};

use super::files;

/// Accounts of one site, at most: more are not people of one gate house.
pub(super) const MOST: usize = 64;

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Whoever set the box up.
    Installer,
    /// The property manager.
    Manager,
    /// Whoever is on duty at the gate.
    Guard,
    /// Reads what was done, and sees no picture.
    Auditor,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// See what is happening.
    Watch,
    /// Arm and disarm partitions.
    Arm,
    /// Acknowledge incidents.
    Incidents,
    /// Look at pictures and clips, and take a picture.
    Look,
    /// Take pictures and clips away.
    Export,
    /// Read and export recorded events.
    Events,
    /// Change names, schedules and holidays; confirm, undo, go back to what held.
    Settings,
    /// Draw what cameras hide and where they look for motion.
    Masks,
    /// Enrol, change, block and remove cards.
    Credentials,
    /// Change the ways to the box and from it: brokers, the page's address.
    Network,
    /// Add and remove accounts, and change others' passwords.
    Accounts,
}

use Right::{
    Accounts as People, Arm, Credentials, Events, Export, Incidents, Look, Masks, Network,
    Settings, Watch,
};

/// What each role may: the one place where it stands.
pub const RIGHTS: [(Role, &[Right]); 4] = [
    (
        Role::Installer,
        &[Watch, Arm, Incidents, Look, Events, Settings, Masks, Credentials, Network, People],
    ),
    (
        Role::Manager,
        &[Watch, Arm, Incidents, Look, Export, Events, Settings, Masks, Credentials, People],
    ),
    (Role::Guard, &[Watch, Arm, Incidents, Look]),
    (Role::Auditor, &[Watch, Events]),
];

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Installer, Self::Manager, Self::Guard, Self::Auditor];

    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installer => "installer",
            Self::Manager => "manager",
            Self::Guard => "guard",
            Self::Auditor => "auditor",
        }
    }

    /// The role of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// What it may.
    pub fn rights(self) -> &'static [Right] {
        RIGHTS.iter().find(|(role, _)| *role == self).map_or(&[], |(_, rights)| rights)
    }

    /// Whether it may do this.
    pub fn may(self, right: Right) -> bool {
        self.rights().contains(&right)
    }

    /// Whether it may add, change and remove accounts of that role: nobody makes what is above him.
    pub fn may_make(self, other: Self) -> bool {
        self.may(Right::Accounts) && (self == Self::Installer || other != Self::Installer)
    }
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 11] = [
        Watch,
        Arm,
        Incidents,
        Look,
        Export,
        Events,
        Settings,
        Masks,
        Credentials,
        Network,
        People,
    ];

    /// The word that the page knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Arm => "arm",
            Self::Incidents => "incidents",
            Self::Look => "look",
            Self::Export => "export",
            Self::Events => "events",
            Self::Settings => "settings",
            Self::Masks => "masks",
            Self::Credentials => "credentials",
            Self::Network => "network",
            Self::Accounts => "accounts",
        }
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id, as events name it.
    pub name: Id,
    /// What it may.
    pub role: Role,
    /// The PHC string.
    pub(super) password: String,
}

/// All accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accounts(BTreeMap<Id, Arc<Account>>);

/// Why the accounts cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccountsError {
    /// The disk, or the rights of the folder.
    #[error("the page's accounts {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than the gateway may read or change it.
    #[error(
        "the page's accounts {} have mode {mode:03o}; only the gateway may read them: chmod 600, and \
         look whether every account in it is one of yours",
        path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not what the gateway writes.
    #[error(
        "the page's accounts {} cannot be used:{mistakes}\nhint: mend it; or remove it and restart \
         the gateway: then `gatehouse page` shows a code for a new first account",
        path.display()
    )]
    Mistakes {
        /// Which file.
        path: PathBuf,
        /// One line each.
        mistakes: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    account: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    role: String,
    password: String,
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    role: &'a str,
    password: &'a str,
}

impl Accounts {
    /// Reads the file; none there: nobody has an account yet.
    ///
    /// # Errors
    /// [`AccountsError`], with every mistake.
    pub(super) fn read(path: &Path) -> Result<Self, AccountsError> {
        let io = |source| AccountsError::Io { path: path.to_owned(), source };
        let facts = match std::fs::metadata(path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(io(error)),
        };
        if facts.mode() & 0o077 != 0 {
            return Err(AccountsError::Exposed {
                path: path.to_owned(),
                mode: facts.mode() & 0o777,
            });
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        let wrong = |mistakes| AccountsError::Mistakes { path: path.to_owned(), mistakes };
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let raw: RawFile = toml::from_str(text).map_err(|error| format!("\n{error}"))?;
        let (mut all, mut mistakes) = (Self::default(), String::new());
        let mut mistake = |what: String| {
            mistakes.push_str("\n  ");
            mistakes.push_str(&what);
        };
        if raw.account.len() > MOST {
            mistake(format!("{} accounts; allowed are {MOST}", raw.account.len()));
        }
        for Raw { name, role, password } in raw.account {
            let id = name.parse::<Id>();
            if id.is_err() {
                mistake(format!("name {name:?}; allowed are 1 to 32 of a-z, 0-9 and '-'"));
            }
            let known = Role::from_word(&role);
            if known.is_none() {
                mistake(format!(
                    "role {role:?} of {name:?}; allowed are installer, manager, guard and auditor"
                ));
            }
            // What stands there may be a password: it is not repeated.
            if !secret::is_hash(&password) {
                mistake(format!("the password of {name:?} is no Argon2 hash"));
            }
            if let (Ok(name), Some(role)) = (id, known)
                && !all.put(Account { name: name.clone(), role, password })
            {
                mistake(format!("a second account {name}"));
            }
        }
        if mistakes.is_empty() { Ok(all) } else { Err(mistakes) }
    }

    /// Replaces the file as a whole.
    ///
    /// # Errors
    /// [`AccountsError::Io`]; then the one before is still there.
    pub(super) fn write(&self, path: &Path) -> Result<(), AccountsError> {
        let mut text = "# Accounts of the gateway's page; the page changes them.\n".to_owned();
        for account in self.0.values() {
            let Account { name, role, password } = &**account;
            let written = Written { name: name.as_str(), role: role.as_str(), password };
            // Nothing in it that TOML could not say.
            let table = toml::to_string(&written).unwrap_or_default();
            let _ = write!(text, "\n[[account]]\n{table}");
        }
        files::replace(path, text.as_bytes())
            .map_err(|source| AccountsError::Io { path: path.to_owned(), source })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Account>> {
        self.0.get(name.parse::<Id>().as_ref().ok()?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.values().map(Arc::as_ref)
    }

    /// Adds one or replaces it; whether there was none of this name.
    pub(super) fn put(&mut self, account: Account) -> bool {
        self.0.insert(account.name.clone(), Arc::new(account)).is_none()
    }

    pub(super) fn remove(&mut self, name: &Id) {
        self.0.remove(name);
    }

    /// Whether somebody could still make accounts of every role.
    pub(super) fn has_installer(&self) -> bool {
        self.iter().any(|account| account.role == Role::Installer)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                        6bE7ZUoPvDgk0kNDV3aGZp4zKvAqyEmuvoqcOmBbLTQ";

    #[test]
    fn what_is_written_is_read_again_and_an_exposed_or_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.toml");
        assert!(Accounts::read(&path).unwrap().is_empty(), "a fresh box");
        let mut all = Accounts::default();
        for (name, role) in [("in-1", Role::Installer), ("lin", Role::Manager)] {
            let name = name.parse().unwrap();
            assert!(all.put(Account { name, role, password: HASH.to_owned() }));
        }
        all.write(&path).unwrap();
        assert_eq!(Accounts::read(&path).unwrap(), all);
        let mode = |bits| std::fs::set_permissions(&path, PermissionsExt::from_mode(bits)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        mode(0o640);
        let exposed = Accounts::read(&path).unwrap_err();
        assert!(matches!(exposed, AccountsError::Exposed { mode: 0o640, .. }), "{exposed}");
        mode(0o600);
        std::fs::write(&path, "[[account]]\nname=\"Lin\"\nrole=\"boss\"\npassword=\"hunter2\"\n")
            .unwrap();
        let told = Accounts::read(&path).unwrap_err().to_string();
        for wanted in ["name \"Lin\"; allowed", "role \"boss\" of", "no Argon2 hash", "hint: mend"]
        {
            assert!(told.contains(wanted), "{wanted}: {told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn nobody_makes_what_is_above_him_and_only_two_roles_make_anybody() {
        let may: Vec<_> = Role::ALL
            .into_iter()
            .flat_map(|by| Role::ALL.map(|of| (by, of)))
            .filter(|(by, of)| by.may_make(*of))
            .collect();
        let of = |by: Role, all: &[Role]| all.iter().map(|of| (by, *of)).collect::<Vec<_>>();
        let wanted = [of(Role::Installer, &Role::ALL), of(Role::Manager, &Role::ALL[1..])].concat();
        assert_eq!(may, wanted);
        assert!(!Role::Auditor.may(Right::Look) && !Role::Guard.may(Right::Events));
        for right in [Right::Masks, Right::Credentials] {
            let who: Vec<_> = Role::ALL.into_iter().filter(|role| role.may(right)).collect();
            assert_eq!(who, [Role::Installer, Role::Manager], "{right:?}");
        }
    }
}
