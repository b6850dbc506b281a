//! Whom evidence is sealed for: keys in age's form, as text.
//!
//! A [`Recipient`] (`age1…`) is public and may stand in a configuration. The [`Identity`]
//! (`AGE-SECRET-KEY-1…`) that belongs to it opens what is sealed, and stands in a file of its own. Both
//! are the 32 bytes of an X25519 key in Bech32, as <https://age-encryption.org/v1> and BIP 173 have it;
//! `age-keygen` makes them. What is done with them is in `gatehouse-camera`.
//!
//! ```
//! use gatehouse_core::sealed::Recipient;
//! let text = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
//! assert_eq!(text.parse::<Recipient>()?.to_string(), text);
//! # Ok::<(), gatehouse_core::sealed::RecipientError>(())
//! ```

mod bech32;

use std::fmt;
use std::str::FromStr;

use zeroize::{Zeroize as _, Zeroizing};

/// Before the `1` of a recipient.
const RECIPIENT: &str = "age";
/// Before the `1` of an identity, in small letters.
const IDENTITY: &str = "age-secret-key-";

/// A public key: what is sealed for it only its [`Identity`] opens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// The text is no recipient: a letter was lost, or it is the secret part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a recipient is \"age1\" and 58 letters and digits, as age-keygen prints it")]
pub struct RecipientError;

/// A secret key. Overwritten when dropped; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity([u8; 32]);

/// The text holds no identity. What it holds is not said: it may be most of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no line begins with AGE-SECRET-KEY-1 and is a whole key, as age-keygen writes it")]
pub struct IdentityError;

impl Recipient {
    /// Of a point of Curve25519.
    pub const fn new(point: [u8; 32]) -> Self {
        Self(point)
    }

    /// The point.
    pub const fn point(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let point = bech32::decode(text, RECIPIENT).ok_or(RecipientError)?;
        // Known by everybody: whatever is sealed for it anybody opens.
        if *point == [0; 32] { Err(RecipientError) } else { Ok(Self(*point)) }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(RECIPIENT, &self.0))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Identity {
    /// Of 32 random bytes.
    pub const fn new(scalar: [u8; 32]) -> Self {
        Self(scalar)
    }

    /// The secret itself, for the agreement of keys only.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it stands in its file.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = bech32::encode(IDENTITY, &self.0);
        text.make_ascii_uppercase();
        Zeroizing::new(text)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    /// Reads what `age-keygen` writes: lines with `#` are remarks, the first other one is the key.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let scalar = line.and_then(|line| bech32::decode(line, IDENTITY)).ok_or(IdentityError)?;
        Ok(Self(*scalar))
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From age's own documentation, and a pair that age-keygen made.
    const KNOWN: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn a_recipient_is_what_age_prints_and_nothing_that_is_near_it() {
        assert_eq!(KNOWN.parse::<Recipient>().unwrap().to_string(), KNOWN);
        let mut upper = KNOWN.to_owned();
        upper.make_ascii_uppercase();
        assert!(upper.parse::<Recipient>().is_ok());
        let secret = Identity::new([7; 32]).to_text();
        let changed = KNOWN.replace("ql3z", "ql3y");
        let swapped = KNOWN.replace("hjy5", "hj5y");
        let mixed = KNOWN.replace("ql3z", "QL3Z");
        let nothing = Recipient::new([0; 32]).to_string();
        for bad in
            [&secret, "", "age1", &KNOWN[..61], &changed, &swapped, &mixed, &nothing, "äge1ql3z"]
        {
            assert_eq!(bad.parse::<Recipient>(), Err(RecipientError), "{bad}");
        }
    }

    #[test]
    fn an_identity_is_found_among_remarks_and_shows_itself_to_nobody() {
        let identity = Identity::new([9; 32]);
        let file = format!("# created: today\n# public key: {KNOWN}\n{}\n", *identity.to_text());
        assert_eq!(file.parse::<Identity>().unwrap(), identity);
        assert_eq!(format!("{identity:?}"), "Identity(secret)");
        let text = identity.to_text();
        assert_eq!((text.len(), &text[..16]), (74, "AGE-SECRET-KEY-1"));
        for bad in ["", "# only a remark", KNOWN, &text[..70]] {
            assert_eq!(bad.parse::<Identity>(), Err(IdentityError), "{bad}");
        }
    }
}
