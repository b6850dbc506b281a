//! The responders' file: who is told what, when, and by which ways.
//!
//! Gateways name a list of the hour; who is on it stands only here. The file is parsed whole or
//! refused with every mistake. A file that cannot be read is never "nobody": a receiver does not
//! start with it, and one that runs keeps the last good one. `deploy/control-room/responders.toml`
//! is the commented example.

mod check;
mod raw;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::site::Weekly;
use gatehouse_core::time::UtcMs;
use jiff::tz::TimeZone;

use super::call::Call;
use crate::password::{self, PasswordError};

pub(crate) use shown::shown;

/// A file without one, for tests.
#[cfg(test)]
pub(crate) fn of_text(text: &str) -> Result<Roster, String> {
    check::roster(text, Path::new(""))
}

/// Lists, members and rules together, at most: each is looked through for a call.
const MOST: usize = 1024;

/// Lists that follow each other by `otherwise`, at most: what has no end is nobody's.
pub(crate) const MOST_OTHERWISE: usize = 8;

/// Trusted for `https` and SMTP where the file names no `ca`: Debian's list of public authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The words of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

/// Who of a list is told first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// Everybody on duty at once.
    #[default]
    All,
    /// The first on duty; the next when all ways of that one have failed.
    InOrder,
}

/// Until somebody acknowledges, it is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub(crate) every: Duration,
    /// How often it is told again.
    pub(crate) most: u32,
}

/// A list of responders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) members: Vec<Id>,
    pub(crate) order: Order,
    pub(crate) repeat: Option<Repeat>,
    /// Told when nobody of this list could be.
    pub(crate) otherwise: Option<Id>,
}

/// Which matters somebody is told of; what is absent is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) classes: Option<Vec<Class>>,
    pub(crate) kinds: Option<Vec<String>>,
    /// 1 is the most urgent.
    pub(crate) severity_at_most: Option<u8>,
}

impl Wants {
    pub(crate) fn covers(&self, call: &Call) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(&call.class))
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&call.kind))
            && self.severity_at_most.is_none_or(|most| call.severity <= most)
    }
}

/// Somebody, or some system, that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// In the order in which they are tried.
    pub(crate) ways: Vec<Way>,
    /// Empty: always.
    pub(crate) on_duty: Vec<Weekly>,
    pub(crate) zone: TimeZone,
    pub(crate) language: Language,
    pub(crate) wants: Wants,
}

impl Member {
    pub(crate) fn is_on_duty(&self, now: UtcMs) -> bool {
        self.on_duty.is_empty() || self.on_duty.iter().any(|open| open.contains(now, &self.zone))
    }
}

/// One way to tell somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// JSON to a program of the responders'; signed, if there is a secret.
    Webhook {
        url: Url,
        secret: Option<PathBuf>,
    },
    Email {
        to: String,
    },
    /// A topic of ntfy, or of a server that is spoken to alike.
    Ntfy {
        url: Url,
        token: Option<PathBuf>,
    },
    /// A webhook of Home Assistant: its id is the secret.
    HomeAssistant {
        url: Url,
    },
}

/// The kinds of ways, as they are counted and shown.
pub(crate) const WAYS: [&str; 4] = ["webhook", "email", "ntfy", "home-assistant"];

impl Way {
    /// One of [`WAYS`].
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => WAYS[0],
            Self::Email { .. } => WAYS[1],
            Self::Ntfy { .. } => WAYS[2],
            Self::HomeAssistant { .. } => WAYS[3],
        }
    }
}

/// Where a message is posted to. Never shown whole: what follows the host may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) tls: bool,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as the header wants them.
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Url {
    /// For people: without its path.
    pub(crate) fn shown(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

/// How the connection to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MailTls {
    /// Plain first, then STARTTLS; a server that does not offer it is told nothing.
    Start,
    /// From the first byte.
    Implicit,
    /// Not at all: only for a server on this machine.
    None,
}

/// The mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Smtp {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: MailTls,
    pub(crate) login: Option<(String, PathBuf)>,
    pub(crate) from: String,
}

/// Which list is told where a gateway names none; the first that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) sites: Option<Vec<Id>>,
    pub(crate) wants: Wants,
    pub(crate) list: Id,
}

/// The whole file, checked.
#[derive(Clone, Debug)]
pub struct Roster {
    pub(crate) lists: BTreeMap<Id, List>,
    pub(crate) members: BTreeMap<Id, Member>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) smtp: Option<Smtp>,
    /// The authorities that are trusted, in PEM.
    pub(crate) ca: PathBuf,
    /// What happened longer ago when it comes in is not told.
    pub(crate) not_after: Duration,
    files: Vec<PathBuf>,
}

/// Why the responders' file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// Anybody on this machine could put himself on a list, or read what is told.
    #[error("the responders' file {} may be changed by everybody (mode {mode:o}); chmod 600 it",
            path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// What is in it is not what it should be: every mistake with its place.
    #[error("the responders' file {}:{mistakes}", path.display())]
    Mistakes {
        /// Which.
        path: PathBuf,
        /// Each on a line of its own.
        mistakes: String,
    },
    /// A file that it names.
    #[error("the responders' file {} names a secret: {source}", path.display())]
    Secret {
        /// Which.
        path: PathBuf,
        /// What is wrong with the secret's file.
        source: PasswordError,
    },
    /// Missing, or not readable by this user, or not text.
    #[error(
        "the responders' file {}: {source}; nobody would be told, so it must be there and readable \
         (deploy/control-room/responders.toml is an example)", path.display()
    )]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl RosterError {
    /// Whether the system keeps a file from us, as opposed to what is in it.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(
            self,
            Self::Unreadable { .. } | Self::Secret { source: PasswordError::Unreadable { .. }, .. }
        )
    }
}

impl Roster {
    /// Reads the file, and looks at the secrets that it names. Their paths are relative to it.
    ///
    /// # Errors
    /// [`RosterError`]; with every mistake in it.
    pub fn read(path: &Path) -> Result<Self, RosterError> {
        let unreadable = |source| RosterError::Unreadable { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(unreadable)?.mode();
        if mode & 0o002 != 0 {
            return Err(RosterError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let roster = check::roster(&text, folder)
            .map_err(|mistakes| RosterError::Mistakes { path: path.to_owned(), mistakes })?;
        for secret in &roster.files {
            password::read(secret)
                .map_err(|source| RosterError::Secret { path: path.to_owned(), source })?;
            if password::is_readable_by_all(secret) {
                tracing::warn!("{} may be read by everybody; chmod 600 it", secret.display());
            }
        }
        Ok(roster)
    }

    /// The list that a call is for: the one that its event names, or by the first rule that fits.
    pub(crate) fn list_of(&self, call: &Call) -> Option<&Id> {
        let named = call.list.as_ref().and_then(|name| self.lists.get_key_value(name));
        if let Some((name, _)) = named {
            return Some(name);
        }
        let fits = |rule: &&Rule| {
            rule.sites.as_ref().is_none_or(|sites| sites.contains(&call.site))
                && rule.wants.covers(call)
        };
        self.rules.iter().find(fits).map(|rule| &rule.list)
    }

    /// Who of a list is to be told of a call at this hour, in the list's order.
    pub(crate) fn on_duty(&self, list: &Id, call: &Call, now: UtcMs) -> Vec<Id> {
        let Some(list) = self.lists.get(list) else { return Vec::new() };
        let told = |name: &&Id| {
            self.members.get(*name).is_some_and(|one| one.is_on_duty(now) && one.wants.covers(call))
        };
        list.members.iter().filter(told).cloned().collect()
    }

    /// The member of this name.
    pub(crate) fn member(&self, name: &Id) -> Option<&Member> {
        self.members.get(name)
    }
}
