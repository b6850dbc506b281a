//! Who may try a password again, and when. Pure: time comes in.
//!
//! Wrong attempts are counted for a name from one address, for an address, and for a name from
//! everywhere. Past its limit each further one doubles the wait, from half a minute to a quarter
//! of an hour. A right password ends the count of its name and address only: nobody may wash off
//! guesses at others' names by logging in himself. Sessions that are open are not touched, so
//! nobody can drive somebody from a page by guessing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use gatehouse_core::time::Mono;

/// The first wait.
const FIRST: Duration = Duration::from_secs(30);

/// The longest wait: whoever has forgotten it can ask for a new one meanwhile.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Attempts of so long ago do not count any more.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Counts that are kept; the oldest goes first.
const MOST: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Both(Box<str>, IpAddr),
    Address(IpAddr),
    Name(Box<str>),
}

impl Whose {
    /// Wrong attempts that are free: typing errors are everyday, a machine's tries are not.
    const fn free(&self) -> u32 {
        match self {
            Self::Both(..) => 4,
            Self::Address(_) => 20,
            Self::Name(_) => 50,
        }
    }

    fn all(name: &str, address: IpAddr) -> [Self; 3] {
        [Self::Both(name.into(), address), Self::Address(address), Self::Name(name.into())]
    }
}

#[derive(Clone, Copy, Debug)]
struct Count {
    wrong: u32,
    last: Mono,
    until: Mono,
}

/// See the module's page.
#[derive(Debug, Default)]
pub struct Lockout(HashMap<Whose, Count>);

impl Lockout {
    /// How long this name must wait at this address; none: it may try.
    pub fn wait(&self, name: &str, address: IpAddr, now: Mono) -> Option<Duration> {
        let of = |whose: &Whose| self.0.get(whose).map(|count| count.until.since(now));
        let longest = Whose::all(name, address).iter().filter_map(of).max();
        longest.filter(|wait| !wait.is_zero())
    }

    /// A wrong attempt; how long to wait now.
    pub fn wrong(&mut self, name: &str, address: IpAddr, now: Mono) -> Option<Duration> {
        for whose in Whose::all(name, address) {
            let free = whose.free();
            if self.0.len() >= MOST && !self.0.contains_key(&whose) {
                let oldest = self.0.iter().min_by_key(|(_, count)| count.last);
                if let Some(oldest) = oldest.map(|(whose, _)| whose.clone()) {
                    self.0.remove(&oldest);
                }
            }
            let fresh = Count { wrong: 0, last: now, until: Mono(0) };
            let count = self.0.entry(whose).or_insert(fresh);
            if now.since(count.last) >= FORGOTTEN {
                *count = fresh;
            }
            count.wrong = count.wrong.saturating_add(1);
            count.last = now;
            if let Some(over) = count.wrong.checked_sub(free + 1) {
                count.until = now.plus((FIRST * 2_u32.pow(over.min(5))).min(LONGEST));
            }
        }
        self.wait(name, address, now)
    }

    /// The right password.
    pub fn right(&mut self, name: &str, address: IpAddr) {
        self.0.remove(&Whose::Both(name.into(), address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

    fn s(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn the_fifth_wrong_attempt_locks_a_name_at_its_address_and_waits_double() {
        let mut lockout = Lockout::default();
        for _ in 0..4 {
            assert_eq!(lockout.wrong("op-7", HERE, s(1)), None);
        }
        assert_eq!(lockout.wrong("op-7", HERE, s(1)), Some(FIRST));
        assert_eq!(lockout.wait("op-7", HERE, s(11)), Some(Duration::from_secs(20)));
        assert_eq!(lockout.wait("op-7", THERE, s(11)), None, "the operator sits elsewhere");
        assert_eq!(lockout.wait("op-8", HERE, s(11)), None);
        assert_eq!(lockout.wait("op-7", HERE, s(31)), None);
        assert_eq!(lockout.wrong("op-7", HERE, s(31)), Some(FIRST * 2));
        (0..20).for_each(|_| assert!(lockout.wrong("op-7", HERE, s(100)).is_some()));
        assert_eq!(lockout.wait("op-7", HERE, s(100)), Some(LONGEST));
        lockout.right("op-7", HERE);
        assert!(lockout.wait("op-7", HERE, s(100)).is_some(), "the address has guessed 26 times");
        assert_eq!(lockout.wait("op-7", THERE, s(100)), None);
        assert_eq!(lockout.wrong("op-7", THERE, s(100 + 3600)), None, "forgotten after an hour");
    }

    #[test]
    fn an_address_that_tries_many_names_is_locked_and_memory_is_bounded() {
        let mut lockout = Lockout::default();
        let waits: Vec<_> =
            (0..21).map(|n| lockout.wrong(&format!("op-{n}"), HERE, s(5)).is_some()).collect();
        assert!(!waits[19] && waits[20], "{waits:?}");
        (0..MOST as u64 / 2 + 99).for_each(|n| {
            let _ = lockout.wrong(&format!("x-{n}"), HERE, s(n));
        });
        assert_eq!(lockout.0.len(), MOST);
    }
}
