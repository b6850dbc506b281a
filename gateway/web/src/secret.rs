//! Passwords and tokens: Argon2id (RFC 9106) with the crate's parameters, which are OWASP's
//! (19 MiB, 2 passes, 1 lane), and 256 bits of the kernel's randomness.

use std::sync::LazyLock;

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// More than the system's allocator ever keeps for itself (glibc: 32 MiB): what is allocated of so many
/// bytes is the system's again as soon as it is dropped. Of 19 MiB each thread would keep its own, and
/// ten logins 190 MiB.
const NEVER_KEPT: usize = 33 << 20;

/// The shortest password: NIST SP 800-63B-4, 3.1.1.2, where it is the only factor: 15; 12 with the
/// lockout of these pages, on a network of the control room's or the box's own.
pub const SHORTEST: usize = 12;

/// The longest, in bytes: hashing it must stay cheap.
pub const LONGEST: usize = 256;

/// Verified against where there is no account of a name, so that the answer takes as long.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash("nobody has this password").unwrap_or_default());

/// The system gave no randomness, or the password is too long to be one.
#[derive(Debug, thiserror::Error)]
#[error("a password cannot be hashed: {0}")]
pub struct SecretError(String);

/// A new hash, as a PHC string (`$argon2id$…`).
///
/// # Errors
/// [`SecretError`].
pub fn hash(password: &str) -> Result<String, SecretError> {
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(failed)?;
    let (params, version) = (Params::default(), Version::default());
    let hash = digest(password, salt.as_salt(), (Algorithm::Argon2id, version, &params))?;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(version.into()),
        params: ParamsString::try_from(&params).map_err(failed)?,
        salt: Some(salt.as_salt()),
        hash: Some(hash),
    };
    Ok(phc.to_string())
}

fn failed(error: impl std::fmt::Display) -> SecretError {
    SecretError(error.to_string())
}

/// Argon2 over memory that goes back to the system.
fn digest(
    password: &str,
    salt: Salt<'_>,
    (algorithm, version, params): (Algorithm, Version, &Params),
) -> Result<Output, SecretError> {
    let mut bytes = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut bytes).map_err(failed)?;
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut memory =
        Vec::<Block>::with_capacity(params.block_count().max(NEVER_KEPT / size_of::<Block>()));
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(algorithm, version, params.clone());
    Output::init_with(length, |out| {
        Ok(argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut memory)?)
    })
    .map_err(failed)
}

/// Whether this text is a hash that [`verify`] could ever match.
pub fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| {
        hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some() && hash.salt.is_some()
    })
}

/// Takes some 50 ms and 19 MiB, whether there is an account (a hash) or not.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    let same = PasswordHash::new(hash.unwrap_or(&NOBODY)).ok().and_then(|known| {
        let algorithm = Algorithm::try_from(known.algorithm).ok()?;
        let version = known.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
        let params = Params::try_from(&known).ok()?;
        let found = digest(password, known.salt?, (algorithm, version, &params)).ok()?;
        // Compared in constant time by `Output` itself.
        Some(found == known.hash?)
    });
    same == Some(true) && hash.is_some()
}

/// A token of 64 hex digits.
///
/// # Errors
/// [`SecretError`].
pub fn token() -> Result<String, SecretError> {
    let bytes = random::<32>()?;
    Ok(gatehouse_core::checkpoint::to_hex(&bytes))
}

/// So many bytes of the kernel's randomness, 256 at most.
///
/// # Errors
/// [`SecretError`]: the kernel gives none.
pub fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    // Up to 256 bytes come whole once the kernel is seeded.
    let count = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| SecretError(error.to_string()))?;
    if count == N { Ok(bytes) } else { Err(SecretError("too little randomness".to_owned())) }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    #[test]
    fn only_the_password_itself_matches_its_hash_and_no_two_hashes_are_alike() {
        let (one, other) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != other, "{one}");
        assert!(verify("correct horse", Some(&one)) && verify("correct horse", Some(&other)));
        assert!(!verify("correct horsf", Some(&one)) && !verify("", Some(&one)));
        assert!(!verify("nobody has this password", None), "nobody is nobody");
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let theirs = Argon2::default().hash_password(b"correct horse", &salt).unwrap().to_string();
        assert!(verify("correct horse", Some(&theirs)) && !verify("correct", Some(&theirs)));
        let ours = PasswordHash::new(&one).unwrap();
        Argon2::default().verify_password(b"correct horse", &ours).unwrap();
        assert!(is_hash(&one) && !is_hash("secret") && !is_hash("$argon2id$v=19$m=1,t=1,p=1"));
        assert_ne!(token().unwrap(), token().unwrap());
        assert_eq!(token().unwrap().len(), 64);
    }
}
