//! Since when the store fails, and whether that was told: a fault is what lasts.

use std::time::Duration;

use gatehouse_core::backoff::Backoff;
use gatehouse_core::time::Mono;

use crate::s3::Fault;

/// What is known of the store's state.
#[derive(Debug)]
pub(super) struct Trouble {
    hold_off: Duration,
    /// What is wrong, and since when.
    stands: Option<(Fault, String, Mono)>,
    told: bool,
    /// It has worked in this life: until then nobody knows what was told in the one before.
    worked: bool,
    backoff: Backoff,
    again: Mono,
}

impl Trouble {
    pub(super) const fn new(hold_off: Duration) -> Self {
        let backoff = Backoff::UNREACHABLE;
        Self { hold_off, stands: None, told: false, worked: false, backoff, again: Mono(0) }
    }

    /// An attempt failed; `random` is even in `0.0..1.0`.
    pub(super) fn failed(&mut self, fault: Fault, cause: String, now: Mono, random: f64) {
        let (was_refusal, since) = match &self.stands {
            Some((before, _, since)) => (Some(before.is_refusal()), *since),
            None => (None, now),
        };
        if was_refusal != Some(fault.is_refusal()) {
            self.backoff = if fault.is_refusal() { Backoff::REFUSED } else { Backoff::UNREACHABLE };
        }
        self.stands = Some((fault, cause, since));
        self.again = now.plus(self.backoff.next(random));
    }

    /// It works. True: that is to be told, if anything was.
    pub(super) fn works(&mut self) -> bool {
        let news = self.stands.take().is_some() || !self.worked;
        (self.told, self.worked, self.again) = (false, true, Mono(0));
        self.backoff.reset();
        news
    }

    /// What may have mended it has happened: it is tried at once.
    pub(super) fn try_now(&mut self) {
        self.again = Mono(0);
        self.backoff.reset();
    }

    /// When it is to be tried again; past, if nothing is wrong.
    pub(super) const fn again(&self) -> Mono {
        self.again
    }

    pub(super) const fn stands(&self) -> Option<&(Fault, String, Mono)> {
        self.stands.as_ref()
    }

    /// When a fault is to be told; `None`: never, as it is now.
    pub(super) fn due(&self) -> Option<Mono> {
        let (_, _, since) = self.stands.as_ref().filter(|_| !self.told)?;
        Some(since.plus(self.hold_off))
    }

    /// The fault, once it has lasted.
    pub(super) fn tell(&mut self, now: Mono) -> Option<(Fault, String)> {
        if self.due()? > now {
            return None;
        }
        self.told = true;
        self.stands.as_ref().map(|(fault, cause, _)| (*fault, cause.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn only_what_lasts_is_told_once_and_ends_once() {
        let mut trouble = Trouble::new(Duration::from_secs(60));
        // The first time nobody knows whether a fault stands from the life before.
        assert!(trouble.works() && !trouble.works());
        trouble.failed(Fault::Unreachable, "gone".to_owned(), at(100), 0.5);
        assert_eq!((trouble.due(), trouble.tell(at(159))), (Some(at(160)), None));
        // It may be another reason by then; it lasts since the first.
        trouble.failed(Fault::Denied, "no".to_owned(), at(150), 0.5);
        assert_eq!(trouble.tell(at(160)), Some((Fault::Denied, "no".to_owned())));
        assert_eq!((trouble.due(), trouble.tell(at(900))), (None, None));
        trouble.failed(Fault::Denied, "no".to_owned(), at(170), 0.5);
        assert_eq!(trouble.tell(at(900)), None);
        assert!(trouble.works() && !trouble.works());
        // A short one is nothing.
        trouble.failed(Fault::Busy, "later".to_owned(), at(1000), 0.5);
        assert!(trouble.works());
        assert_eq!((trouble.due(), trouble.tell(at(2000))), (None, None));
    }

    #[test]
    fn who_refuses_is_asked_seldom_and_who_is_away_soon() {
        let mut trouble = Trouble::new(Duration::from_secs(60));
        trouble.failed(Fault::Unreachable, String::new(), at(10), 1.0);
        assert!(trouble.again() <= at(11), "{:?}", trouble.again());
        trouble.failed(Fault::Denied, String::new(), at(20), 1.0);
        assert!(trouble.again() >= at(25), "{:?}", trouble.again());
        for n in 0..20 {
            trouble.failed(Fault::Denied, String::new(), at(30 + n), 1.0);
        }
        let wait = trouble.again().since(at(49));
        assert!((Duration::from_secs(600)..=Duration::from_secs(900)).contains(&wait), "{wait:?}");
        trouble.try_now();
        assert_eq!(trouble.again(), Mono(0));
        assert!(trouble.stands().is_some());
    }
}
