//! The nonces of heartbeats: what tells a gateway without a clock that a command is fresh.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Mono;

/// So many of the latest are good: the command may have crossed a heartbeat or two.
const LATEST: usize = 3;

/// For so long each is good, however seldom a heartbeat comes.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// What is known of a command's nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fresh {
    /// It has none.
    #[default]
    Unknown,
    /// It is one of the latest.
    Yes,
    /// It is not.
    No,
}

/// The nonces that were told, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Nonces(VecDeque<(String, Mono)>);

impl Nonces {
    /// A heartbeat tells this one.
    pub fn told(&mut self, nonce: String, at: Mono) {
        if self.0.len() >= LATEST {
            self.0.pop_front();
        }
        self.0.push_back((nonce, at));
    }

    /// What a command with this nonce is, at this moment.
    pub fn look_at(&self, nonce: Option<&str>, now: Mono) -> Fresh {
        let Some(nonce) = nonce else { return Fresh::Unknown };
        let good = |(known, at): &(String, Mono)| known == nonce && now.since(*at) <= GOOD_FOR;
        if self.0.iter().any(good) { Fresh::Yes } else { Fresh::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_few_of_the_latest_nonces_are_good_for_a_few_minutes() {
        let mut nonces = Nonces::default();
        assert_eq!(nonces.look_at(Some("a"), Mono(0)), Fresh::No);
        for (place, nonce) in (0..).zip(["a", "b", "c", "d"]) {
            nonces.told(nonce.to_owned(), Mono(30 * place * S));
        }
        let at = |nonce, s: u64| nonces.look_at(nonce, Mono(s * S));
        assert_eq!(at(None, 91), Fresh::Unknown);
        assert_eq!(at(Some("a"), 91), Fresh::No, "three were told since");
        assert_eq!([at(Some("b"), 91), at(Some("d"), 91)], [Fresh::Yes; 2]);
        assert_eq!(at(Some("d"), 390), Fresh::Yes);
        assert_eq!(at(Some("d"), 391), Fresh::No, "the heartbeat may come once an hour");
    }
}
