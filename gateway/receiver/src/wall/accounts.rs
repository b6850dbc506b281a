//! Who may look at the wall: the accounts' file.
//!
//! ```toml
//! [[account]]
//! name = "op-7"                 # the control room's id of the operator, never a name
//! role = "operator"             # or "viewer"
//! sites = ["s-204"]             # absent: every site
//! classes = ["panic", "alarm"]  # absent: every class
//! commands = ["arm", "output"]  # what it may want of gateways; absent: nothing
//! password = "$argon2id$v=19$…" # made by `gatehouse-receiver account add`
//! ```
//!
//! Parsed whole or refused with every mistake. While the wall runs the file is read again when it
//! has changed; a bad one is told in the log and the last good one holds. Whoever is taken out of
//! it, or gets another password, is out at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatehouse_core::commands::Verb;
use gatehouse_core::id::Id;
use gatehouse_web::secret;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::commands::OFFERED;
use super::scope::Scope;
use crate::classes;

/// Accounts of one control room, at most: each is looked through at a login.
const MOST: usize = 1024;

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks only.
    Viewer,
    /// Handles incidents.
    Operator,
}

impl Role {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }

    /// The role of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator].into_iter().find(|role| role.as_str() == word)
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The operator's id, as gateways keep it with what was done.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What it may see.
    pub scope: Scope,
    /// What it may want of gateways, where their sites let the control room do it.
    pub commands: BTreeSet<Verb>,
    /// The PHC string.
    pub(crate) password: String,
}

impl Account {
    pub(crate) fn new(
        name: String,
        role: Role,
        scope: Scope,
        commands: BTreeSet<Verb>,
        password: String,
    ) -> Self {
        Self { name, role, scope, commands, password }
    }
}

/// All accounts, checked.
#[derive(Clone, Debug, Default)]
pub struct Accounts(BTreeMap<String, Arc<Account>>);

/// Why the accounts' file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Missing, or not readable by this user, or not text.
    #[error("the accounts' file {}: {source}; hint: gatehouse-receiver account add op-1 --role \
             operator --accounts {}", path.display(), path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Anybody on this machine could make himself an account.
    #[error("the accounts' file {} may be changed by everybody (mode {mode:o}); chmod 600 it",
            path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// What is in it is no list of accounts: every mistake with its line.
    #[error("the accounts' file {}:{mistakes}", path.display())]
    Mistakes {
        /// Which.
        path: PathBuf,
        /// Each on a line of its own.
        mistakes: String,
    },
    /// The file cannot be replaced: the folder's permissions, or a full disk.
    #[error("cannot write the accounts' file {}: {source}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    account: Vec<RawAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccount {
    name: Spanned<String>,
    role: Spanned<String>,
    password: Spanned<String>,
    sites: Option<Vec<Spanned<String>>>,
    classes: Option<Vec<Spanned<String>>>,
    commands: Option<Vec<Spanned<String>>>,
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    sites: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<&'static str>,
    password: &'a str,
}

/// Whether this can be an account's name: it goes to gateways as the operator's id.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.chars().count())
        && text.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

/// The command of this word, if the wall offers it.
///
/// # Errors
/// Which are allowed.
pub(crate) fn command(word: &str) -> Result<Verb, String> {
    let verb = Verb::from_word(word).filter(|verb| OFFERED.contains(verb));
    verb.ok_or_else(|| format!("allowed are {}", OFFERED.map(Verb::as_str).join(", ")))
}

impl Accounts {
    /// Reads the file.
    ///
    /// # Errors
    /// [`AccountsError`]; with every mistake in it.
    pub fn read(path: &Path) -> Result<Self, AccountsError> {
        let unreadable = |source| AccountsError::Unreadable { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(unreadable)?.mode();
        if mode & 0o002 != 0 {
            return Err(AccountsError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mistakes = |mistakes| AccountsError::Mistakes { path: path.to_owned(), mistakes };
        Self::parse(&text).map_err(mistakes)
    }

    /// The account of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Account>> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.values().map(Arc::as_ref)
    }

    /// Whether nobody could log in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one, or replaces the one of the same name.
    pub(crate) fn put(&mut self, account: Account) {
        self.0.insert(account.name.clone(), Arc::new(account));
    }

    /// Takes one out; false if there was none.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let raw: RawFile = toml::from_str(text).map_err(|error| format!("\n{error}"))?;
        let line = |at: &std::ops::Range<usize>| {
            1 + text.get(..at.start).unwrap_or(text).matches('\n').count()
        };
        let (mut mistakes, mut accounts) = (String::new(), Self::default());
        let mut mistake = |at: &std::ops::Range<usize>, what: String| {
            // A String takes everything.
            let _ = write!(mistakes, "\n  line {}: {what}", line(at));
        };
        if raw.account.len() > MOST {
            mistake(&(0..0), format!("{} accounts; allowed are {MOST}", raw.account.len()));
        }
        for raw in raw.account {
            let name = raw.name.get_ref();
            if !is_name(name) {
                let what = "is no operator's id; allowed are 1 to 64 visible characters without \
                            spaces";
                mistake(&raw.name.span(), format!("name {name:?} {what}"));
            }
            if accounts.get(name).is_some() {
                mistake(&raw.name.span(), format!("a second account {name:?}"));
            }
            let role = Role::from_word(raw.role.get_ref());
            if role.is_none() {
                let what =
                    format!("role {:?}; allowed are viewer and operator", raw.role.get_ref());
                mistake(&raw.role.span(), what);
            }
            // What stands there may be a password: it is not repeated.
            if !secret::is_hash(raw.password.get_ref()) {
                let what = "password is no Argon2 hash; hint: gatehouse-receiver account password \
                            NAME makes one";
                mistake(&raw.password.span(), what.to_owned());
            }
            let sites = raw.sites.map(|all| {
                let of = |site: &Spanned<String>| match site.get_ref().parse::<Id>() {
                    Ok(id) => Some(id),
                    Err(error) => {
                        mistake(&site.span(), format!("site {:?}: {error}", site.get_ref()));
                        None
                    }
                };
                all.iter().filter_map(of).collect::<BTreeSet<_>>()
            });
            let classes = raw.classes.map(|all| classes::listed(&all, &mut mistake));
            let of = |word: &Spanned<String>| match command(word.get_ref()) {
                Ok(verb) => Some(verb),
                Err(allowed) => {
                    mistake(&word.span(), format!("command {:?}; {allowed}", word.get_ref()));
                    None
                }
            };
            let words = raw.commands.unwrap_or_default();
            let commands: BTreeSet<_> = words.iter().filter_map(of).collect();
            if let (Some(Role::Viewer), Some(first)) = (role, words.first()) {
                mistake(
                    &first.span(),
                    "a viewer commands nothing; role \"operator\" may".to_owned(),
                );
            }
            let scope = Scope { sites, classes };
            let (name, password) = (raw.name.into_inner(), raw.password.into_inner());
            let role = role.unwrap_or(Role::Viewer);
            accounts.put(Account { name, role, scope, commands, password });
        }
        if mistakes.is_empty() { Ok(accounts) } else { Err(mistakes) }
    }

    /// Replaces the file as a whole, readable for its owner only.
    ///
    /// # Errors
    /// [`AccountsError::Unwritable`].
    pub(crate) fn write(&self, path: &Path) -> Result<(), AccountsError> {
        let unwritable = |source| AccountsError::Unwritable { path: path.to_owned(), source };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let write = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(self.render().as_bytes())?;
            file.sync_all()?;
            // Whoever owned the file reads it, not only who changed it now.
            if let Ok(old) = fs::metadata(path) {
                let of = |id| Some(id);
                let (uid, gid) = (of(old.uid()), of(old.gid()));
                std::os::unix::fs::chown(&beside, uid, gid)?;
            }
            fs::rename(&beside, path)
        };
        write().map_err(unwritable)
    }

    fn render(&self) -> String {
        let mut text =
            "# Accounts of the wall; changed by `gatehouse-receiver account`, or by hand.\n"
                .to_owned();
        for account in self.iter() {
            let sites = account.scope.sites.as_ref();
            let classes = account.scope.classes.as_ref();
            let written = Written {
                name: &account.name,
                role: account.role,
                sites: sites.map(|all| all.iter().map(Id::as_str).collect()),
                classes: classes.map(|all| all.iter().map(|class| class.as_str()).collect()),
                commands: account.commands.iter().map(|verb| verb.as_str()).collect(),
                password: &account.password,
            };
            // Nothing in it that TOML could not say.
            let table = toml::to_string(&written).unwrap_or_default();
            let _ = write!(text, "\n[[account]]\n{table}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::event::Class;

    use super::*;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                        6bE7ZUoPvDgk0kNDV3aGZp4zKvAqyEmuvoqcOmBbLTQ";

    #[test]
    fn what_is_written_is_read_again_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.toml");
        let mut accounts = Accounts::default();
        let scope = Scope {
            sites: Some(BTreeSet::from(["s-1".parse().unwrap()])),
            classes: Some(BTreeSet::from([Class::Alarm])),
        };
        let account = Account {
            name: "op-7".to_owned(),
            role: Role::Operator,
            scope,
            commands: BTreeSet::from([Verb::Arm, Verb::Output]),
            password: HASH.to_owned(),
        };
        accounts.put(account.clone());
        accounts.put(Account { name: "wall".into(), scope: Scope::default(), ..account.clone() });
        accounts.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let read = Accounts::read(&path).unwrap();
        assert_eq!(read.get("op-7").map(|one| &**one), Some(&account));
        assert_eq!(read.get("wall").unwrap().scope, Scope::default());
        assert_eq!(read.iter().count(), 2);
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_no_password_is_repeated() {
        let text = "[[account]]\nname = \"op 7\"\nrole = \"boss\"\npassword = \"hunter2\"\n\
                    sites = [\"Tower 1\"]\nclasses = [\"allarm\"]\n\
                    commands = [\"open\", \"config.get\"]\n";
        let mistakes = Accounts::parse(text).unwrap_err();
        let wanted = [
            "line 2: name \"op 7\" is no operator's id",
            "line 3: role \"boss\"; allowed are viewer and operator",
            "line 4: password is no Argon2 hash",
            "line 5: site \"Tower 1\"",
            "line 6: class \"allarm\"; allowed are panic, alarm",
            "line 7: command \"open\"; allowed are arm, disarm, bypass",
            "line 7: command \"config.get\"; allowed are arm",
        ];
        for wanted in wanted {
            assert!(mistakes.contains(wanted), "{wanted}: {mistakes}");
        }
        assert!(!mistakes.contains("hunter2"));
        let one = format!("[[account]]\nname=\"a\"\nrole=\"viewer\"\npassword=\"{HASH}\"\n");
        assert!(Accounts::parse(&one).is_ok());
        let eye = Accounts::parse(&format!("{one}commands = [\"arm\"]\n")).unwrap_err();
        assert!(eye.contains("line 5: a viewer commands nothing"), "{eye}");
        let twice = Accounts::parse(&one.repeat(2)).unwrap_err();
        assert!(twice.contains("line 6: a second account \"a\""), "{twice}");
        let unknown = Accounts::parse(&format!("{one}site = \"s-1\"\n")).unwrap_err();
        assert!(unknown.contains("unknown field `site`"), "{unknown}");
    }

    #[test]
    fn a_file_that_everybody_may_change_is_refused_and_an_absent_one_is_no_empty_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.toml");
        let absent = Accounts::read(&path).unwrap_err().to_string();
        assert!(absent.contains("account add"), "{absent}");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(Accounts::read(&path), Err(AccountsError::Exposed { mode: 0o666, .. })));
    }
}
