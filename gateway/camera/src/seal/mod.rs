//! Evidence sealed for whoever may see it, so that a stolen box shows nothing.
//!
//! The form is that of age (<https://age-encryption.org/v1>) with X25519 recipients, so the program `age`
//! opens what is written here: a header in which a random key is wrapped for each recipient, then the
//! content in chunks of 64 KiB, each with its own tag (ChaCha20-Poly1305), the last one marked.
//!
//! # Limits
//!
//! - Less than a chunk waits in memory until there is more, or the end. A power cut takes that, at most
//!   64 KiB, and what was not on the medium anyway. What was whole is opened; that it was cut off is seen,
//!   since no chunk is marked as the last ([`Opened::cut_off`]).
//! - Sealed is what pictures show. Names, sizes and times of files are not, nor is the journal.
//! - Who holds the box while it runs can look at what a camera sends: no disk hides that.
//!
//! The crate `age` does the same and much more, with some hundred crates behind it (translations,
//! passphrases, SSH); this is what is needed of it, on ring and one crate for X25519.

mod header;
mod open;
mod write;

pub use header::SealError;
pub(crate) use open::whole_chunks;
pub use open::{OpenError, Opened, content_length};
pub use write::{Sealer, Sum};

use gatehouse_core::sealed::{Identity, Recipient};

/// Content of a chunk, but for the last.
const CHUNK: usize = 64 << 10;
/// Behind each chunk.
const TAG: usize = 16;
/// What sealed files are called behind their own name.
pub const EXTENSION: &str = "age";

/// The recipient of whom this is the identity.
pub fn recipient(identity: &Identity) -> Recipient {
    Recipient::new(x25519_dalek::x25519(*identity.expose(), x25519_dalek::X25519_BASEPOINT_BYTES))
}

/// All of it sealed at once.
///
/// # Errors
/// See [`SealError`].
pub fn seal(content: &[u8], recipients: &[Recipient]) -> std::io::Result<(Vec<u8>, Sum)> {
    let mut sealer = Sealer::new(Vec::new(), recipients)?;
    std::io::Write::write_all(&mut sealer, content)?;
    sealer.finish()
}

/// A key that nobody had before.
///
/// # Errors
/// When the kernel gives no randomness.
pub fn generate() -> Result<Identity, SealError> {
    Ok(Identity::new(*header::random()?))
}

/// The nonce of a chunk.
fn nonce(number: u64, last: bool) -> ring::aead::Nonce {
    let mut bytes = [0; 12];
    // Eleven bytes of number: eight count more than any medium holds.
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(last);
    ring::aead::Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests;
