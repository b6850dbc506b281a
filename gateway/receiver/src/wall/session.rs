//! Who is logged in. Kept in memory: with the receiver's end everybody is out.

use std::collections::HashMap;
use std::time::Duration;

use gatehouse_core::time::Mono;

use super::accounts::Account;

/// Sessions at once; the one that ends first makes room.
const MOST: usize = 1024;

/// One login.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Whose.
    pub(crate) name: String,
    /// The account's hash when it began: with another password it is over.
    hash: String,
    /// What every act must carry beside the cookie.
    pub(crate) csrf: String,
    /// When it ends, on the receiver's boot-time clock.
    pub(crate) ends: Mono,
}

impl Session {
    /// Whether it still is of this account.
    pub(crate) fn is_of(&self, account: &Account) -> bool {
        self.name == account.name && self.hash == account.password
    }
}

/// See the module's page. Looked up by the cookie's token: 256 random bits, of which a comparison's
/// time tells nothing that could be used.
#[derive(Debug)]
pub(crate) struct Sessions {
    open: HashMap<String, Session>,
    lasts: Duration,
}

impl Sessions {
    pub(crate) fn new(lasts: Duration) -> Self {
        Self { open: HashMap::new(), lasts }
    }

    /// Opens one.
    pub(crate) fn open(&mut self, account: &Account, token: String, csrf: String, now: Mono) {
        self.open.retain(|_, session| session.ends > now);
        if self.open.len() >= MOST {
            let first = self.open.iter().min_by_key(|(_, session)| session.ends);
            if let Some(first) = first.map(|(token, _)| token.clone()) {
                self.open.remove(&first);
            }
        }
        let (name, hash) = (account.name.clone(), account.password.clone());
        self.open.insert(token, Session { name, hash, csrf, ends: now.plus(self.lasts) });
    }

    /// The session of this token, if it has not ended.
    pub(crate) fn get(&self, token: &str, now: Mono) -> Option<&Session> {
        self.open.get(token).filter(|session| session.ends > now)
    }

    /// Ends one.
    pub(crate) fn close(&mut self, token: &str) {
        self.open.remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wall::accounts::Role;
    use crate::wall::scope::Scope;

    #[test]
    fn a_session_ends_by_time_by_word_and_with_another_password() {
        let s = |seconds: u64| Mono(seconds * 1_000_000_000);
        let account = Account {
            name: "op-7".into(),
            role: Role::Viewer,
            scope: Scope::default(),
            commands: std::collections::BTreeSet::new(),
            password: "hash".into(),
        };
        let mut sessions = Sessions::new(Duration::from_secs(100));
        sessions.open(&account, "token".into(), "csrf".into(), s(0));
        assert!(sessions.get("token", s(99)).unwrap().is_of(&account));
        let renewed = Account { password: "other".into(), ..account.clone() };
        assert!(!sessions.get("token", s(99)).unwrap().is_of(&renewed));
        assert!(sessions.get("token", s(100)).is_none() && sessions.get("toke", s(1)).is_none());
        sessions.close("token");
        assert!(sessions.get("token", s(1)).is_none());
        (0..MOST as u64 + 9).for_each(|n| {
            sessions.open(&account, n.to_string(), "csrf".into(), Mono(n));
        });
        assert_eq!(sessions.open.len(), MOST);
        assert!(sessions.get("0", Mono(9)).is_none(), "the first to end made room");
    }
}
