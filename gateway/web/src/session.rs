//! Who is logged in. Kept in memory: with the program's end everybody is out.

use std::collections::HashMap;
use std::time::Duration;

use gatehouse_core::time::Mono;

/// One login.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose.
    pub name: String,
    /// The account's hash when it began: with another password it is over.
    hash: String,
    /// What every act must carry beside the cookie.
    pub csrf: String,
    /// When it ends, on the receiver's boot-time clock.
    pub ends: Mono,
}

impl Session {
    /// Whether it still is of the account with this name and this password's hash.
    pub fn is_of(&self, name: &str, hash: &str) -> bool {
        self.name == name && self.hash == hash
    }
}

/// See the module's page. Looked up by the cookie's token: 256 random bits, of which a comparison's
/// time tells nothing that could be used.
#[derive(Debug)]
pub struct Sessions {
    open: HashMap<String, Session>,
    lasts: Duration,
    most: usize,
}

impl Sessions {
    /// None yet. Each lasts so long; of more than `most` at once the one that ends first makes room.
    pub fn new(lasts: Duration, most: usize) -> Self {
        Self { open: HashMap::new(), lasts, most }
    }

    /// Opens one, of an account's name and its password's hash, under a cookie's token and the token
    /// that acts carry.
    pub fn open(&mut self, (name, hash): (&str, &str), (token, csrf): (&str, &str), now: Mono) {
        self.open.retain(|_, session| session.ends > now);
        if self.open.len() >= self.most {
            let first = self.open.iter().min_by_key(|(_, session)| session.ends);
            if let Some(first) = first.map(|(token, _)| token.clone()) {
                self.open.remove(&first);
            }
        }
        let [name, hash, csrf] = [name, hash, csrf].map(str::to_owned);
        let session = Session { name, hash, csrf, ends: now.plus(self.lasts) };
        self.open.insert(token.to_owned(), session);
    }

    /// The session of this token, if it has not ended.
    pub fn get(&self, token: &str, now: Mono) -> Option<&Session> {
        self.open.get(token).filter(|session| session.ends > now)
    }

    /// Ends one.
    pub fn close(&mut self, token: &str) {
        self.open.remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_time_by_word_and_with_another_password() {
        let s = |seconds: u64| Mono(seconds * 1_000_000_000);
        let account = ("op-7", "hash");
        let mut sessions = Sessions::new(Duration::from_secs(100), 8);
        sessions.open(account, ("token", "csrf"), s(0));
        let session = sessions.get("token", s(99)).unwrap();
        assert!(session.is_of("op-7", "hash") && !session.is_of("op-7", "other"));
        assert!(sessions.get("token", s(100)).is_none() && sessions.get("toke", s(1)).is_none());
        sessions.close("token");
        assert!(sessions.get("token", s(1)).is_none());
        (0..17).for_each(|n| sessions.open(account, (&n.to_string(), "csrf"), Mono(n)));
        assert_eq!(sessions.open.len(), 8);
        assert!(sessions.get("0", Mono(9)).is_none(), "the first to end made room");
    }
}
