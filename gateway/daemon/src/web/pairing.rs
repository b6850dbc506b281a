//! The code that lets somebody make the first account: whoever reads it stands at the box's console.
//!
//! It is made when `gatehouse page` asks for it while nobody has an account, holds for a quarter of an
//! hour, is good once, and is void after [`WRONG`] wrong ones. It is neither logged nor recorded.

use std::time::Duration;

use gatehouse_core::time::Mono;
use gatehouse_web::secret::{self, SecretError};

/// How long a code holds: long enough to walk from the console to a phone.
const HOLDS: Duration = Duration::from_secs(15 * 60);

/// Wrong codes, from anywhere, that a code survives: of a hundred million nobody guesses it in these.
const WRONG: u8 = 5;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Pairing(Option<Code>);

struct Code {
    digits: String,
    until: Mono,
    wrong: u8,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(secret)")
    }
}

impl Pairing {
    /// The code that holds, or a new one; and how long it does.
    ///
    /// # Errors
    /// The kernel gives no randomness.
    pub(super) fn show(&mut self, now: Mono) -> Result<(String, Duration), SecretError> {
        let code = match self.0.take().filter(|code| code.until > now) {
            Some(code) => code,
            None => Code { digits: digits()?, until: now.plus(HOLDS), wrong: 0 },
        };
        let shown = (code.digits.clone(), code.until.since(now));
        self.0 = Some(code);
        Ok(shown)
    }

    /// Whether this is the code; then it is void, and so it is after too many wrong ones.
    pub(super) fn take(&mut self, given: &str, now: Mono) -> bool {
        let Some(code) = self.0.as_mut().filter(|code| code.until > now) else {
            self.0 = None;
            return false;
        };
        // People write what they read in groups.
        let given: Vec<u8> = given.bytes().filter(|byte| !matches!(byte, b' ' | b'-')).collect();
        let digits = code.digits.as_bytes();
        // Every digit is looked at, whichever is wrong.
        let apart = digits.iter().zip(&given).fold(0, |apart, (a, b)| apart | (a ^ b));
        let right = apart == 0 && given.len() == digits.len();
        code.wrong += 1;
        if right || code.wrong >= WRONG {
            self.0 = None;
        }
        right
    }
}

/// Eight digits, each value as likely as any other.
fn digits() -> Result<String, SecretError> {
    const VALUES: u32 = 100_000_000;
    // What lies above the last whole multiple would make some values likelier.
    const FAIR: u32 = u32::MAX - u32::MAX % VALUES;
    loop {
        let number = u32::from_le_bytes(secret::random()?);
        if number < FAIR {
            return Ok(format!("{:08}", number % VALUES));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn a_code_is_good_once_for_a_quarter_of_an_hour() {
        let mut pairing = Pairing::default();
        assert!(!pairing.take("00000000", s(1)), "nobody has asked for one");
        let (code, holds) = pairing.show(s(1)).unwrap();
        assert_eq!((code.len(), holds), (8, HOLDS));
        assert_eq!(pairing.show(s(61)).unwrap(), (code.clone(), Duration::from_secs(14 * 60)));
        let grouped = format!("{} {}", &code[..4], &code[4..]);
        assert!(pairing.take(&grouped, s(900)));
        assert!(!pairing.take(&code, s(900)), "it was used");
        let (late, _) = pairing.show(s(1000)).unwrap();
        assert_ne!(late, code);
        assert!(!pairing.take(&late, s(1900)), "it has run out");
    }

    #[test]
    fn a_code_does_not_survive_being_guessed_at() {
        let mut pairing = Pairing::default();
        let (code, _) = pairing.show(s(1)).unwrap();
        for wrong in ["", "1", "123456789", &code[1..], "abcdefgh"] {
            assert!(!pairing.take(wrong, s(2)));
        }
        assert!(!pairing.take(&code, s(2)), "void after five");
        assert!(!format!("{pairing:?}").contains(&code));
    }
}
