//! Passwords and tokens: Argon2id (RFC 9106) with the crate's parameters, which are OWASP's
//! (19 MiB, 2 passes, 1 lane), and 256 bits of the kernel's randomness.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};

/// The shortest password: NIST SP 800-63B-4, 3.1.1.2, where it is the only factor: 15; 12 with the
/// lockout of this page, on a network of the control room's own.
pub(crate) const SHORTEST: usize = 12;

/// The longest, in bytes: hashing it must stay cheap.
pub(crate) const LONGEST: usize = 256;

/// Verified against where there is no account of a name, so that the answer takes as long.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash("nobody has this password").unwrap_or_default());

/// The system gave no randomness, or the password is too long to be one.
#[derive(Debug, thiserror::Error)]
#[error("a password cannot be hashed: {0}")]
pub struct SecretError(String);

/// A new hash, as a PHC string (`$argon2id$…`).
pub(crate) fn hash(password: &str) -> Result<String, SecretError> {
    let salt =
        SaltString::encode_b64(&random::<16>()?).map_err(|error| SecretError(error.to_string()))?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| SecretError(error.to_string()))?.to_string())
}

/// Whether this text is a hash that [`verify`] could ever match.
pub(crate) fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| {
        hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some() && hash.salt.is_some()
    })
}

/// Takes some 50 ms and 19 MiB, whether there is an account (a hash) or not.
pub(crate) fn verify(password: &str, hash: Option<&str>) -> bool {
    let Ok(known) = PasswordHash::new(hash.unwrap_or(&NOBODY)) else { return false };
    let same = Argon2::default().verify_password(password.as_bytes(), &known).is_ok();
    same && hash.is_some()
}

/// A token of 64 hex digits.
pub(crate) fn token() -> Result<String, SecretError> {
    let bytes = random::<32>()?;
    Ok(gatehouse_core::checkpoint::to_hex(&bytes))
}

fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    // Up to 256 bytes come whole once the kernel is seeded.
    let count = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| SecretError(error.to_string()))?;
    if count == N { Ok(bytes) } else { Err(SecretError("too little randomness".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_matches_its_hash_and_no_two_hashes_are_alike() {
        let (one, other) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != other, "{one}");
        assert!(verify("correct horse", Some(&one)) && verify("correct horse", Some(&other)));
        assert!(!verify("correct horsf", Some(&one)) && !verify("", Some(&one)));
        assert!(!verify("nobody has this password", None), "nobody is nobody");
        assert!(is_hash(&one) && !is_hash("secret") && !is_hash("$argon2id$v=19$m=1,t=1,p=1"));
        assert_ne!(token().unwrap(), token().unwrap());
        assert_eq!(token().unwrap().len(), 64);
    }
}
