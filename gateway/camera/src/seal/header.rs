//! The header: a key for the content, wrapped for each recipient.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use gatehouse_core::sealed::{Identity, Recipient};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{hkdf, hmac};
use thiserror::Error;
use zeroize::Zeroizing;

use super::TAG;
use super::open::OpenError;

const VERSION: &str = "age-encryption.org/v1";
/// Says what the wrapping key is derived for.
const WRAPS: &[u8] = b"age-encryption.org/v1/X25519";
/// Of the key that all others are derived from.
const FILE_KEY: usize = 16;
/// Behind the header: makes the content's key differ from every other.
pub(super) const SALT: usize = 16;
/// No header is longer: a recipient takes 120 bytes, and no line more than 64 letters and some.
const LONGEST: usize = 16 << 10;
/// A recipient's own part may have so many words and so many lines, also those of other kinds.
const LINE: usize = 64;

/// Why nothing can be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The kernel gives no randomness; nothing is sealed with less.
    #[error("the kernel gives no randomness")]
    Random,
    /// A point of small order: whatever is sealed for it anybody opens. No program makes one.
    #[error("the recipient is no key that anything can be sealed for")]
    Recipient,
}

impl From<SealError> for std::io::Error {
    fn from(error: SealError) -> Self {
        Self::other(error)
    }
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, SealError> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(&mut bytes[..]).map_err(|_| SealError::Random)?;
    Ok(bytes)
}

/// A key of `secret`, for a purpose.
fn derived(secret: &[u8], salt: &[u8], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let mut key = Zeroizing::new([0; 32]);
    extracted
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut key[..]))
        .expect("32 bytes of SHA-256 are always given");
    key
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key of 32 bytes"))
}

/// The key of the content, and of the header's own seal.
struct FileKey(Zeroizing<[u8; FILE_KEY]>);

impl FileKey {
    fn content(&self, salt: &[u8; SALT]) -> LessSafeKey {
        cipher(&derived(&self.0[..], salt, b"payload"))
    }

    fn seal_of(&self, header: &[u8]) -> [u8; 32] {
        let key = derived(&self.0[..], b"", b"header");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key[..]), header);
        let mut seal = [0; 32];
        seal.copy_from_slice(tag.as_ref());
        seal
    }
}

/// The header of a new file with what follows it, and what its content is sealed with.
pub(super) fn begin(recipients: &[Recipient]) -> Result<(Vec<u8>, LessSafeKey), SealError> {
    let key = FileKey(random()?);
    let mut text = format!("{VERSION}\n");
    for recipient in recipients {
        let secret = random::<32>()?;
        let share = x25519_dalek::x25519(*secret, x25519_dalek::X25519_BASEPOINT_BYTES);
        let shared = Zeroizing::new(x25519_dalek::x25519(*secret, *recipient.point()));
        let wraps = wrapping(&shared, &share, recipient).ok_or(SealError::Recipient)?;
        let mut wrapped = key.0.to_vec();
        // This key wraps one thing only, so its nonce may be what the form says.
        wraps
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key([0; 12]),
                Aad::empty(),
                &mut wrapped,
            )
            .expect("16 bytes can be sealed");
        let (share, wrapped) = (STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(wrapped));
        // A String takes everything.
        let _ = write!(text, "-> X25519 {share}\n{wrapped}\n");
    }
    text.push_str("---");
    let seal = STANDARD_NO_PAD.encode(key.seal_of(text.as_bytes()));
    let _ = writeln!(text, " {seal}");
    let salt = random::<SALT>()?;
    let content = key.content(&salt);
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&salt[..]);
    Ok((bytes, content))
}

/// What a file's key is wrapped with. `None`: nothing was agreed on, the point is of small order.
fn wrapping(shared: &[u8; 32], share: &[u8; 32], recipient: &Recipient) -> Option<LessSafeKey> {
    if *shared == [0; 32] {
        return None;
    }
    let salt = [&share[..], &recipient.point()[..]].concat();
    Some(cipher(&derived(shared, &salt, WRAPS)))
}

/// How long the header is, with its last line's end. `None`: it does not end in what is there.
fn length(bytes: &[u8]) -> Option<usize> {
    let seal = bytes.windows(5).position(|five| five == b"\n--- ")? + 1;
    let end = bytes[seal..].iter().position(|byte| *byte == b'\n')?;
    Some(seal + end + 1)
}

/// Reads the header and the salt behind it: what the content is opened with.
pub(super) fn read(
    from: &mut impl std::io::Read,
    identity: &Identity,
) -> Result<LessSafeKey, OpenError> {
    let bytes = header_of(from)?;
    let mut salt = [0; SALT];
    from.read_exact(&mut salt)?;
    open(&bytes, identity).map(|key| key.content(&salt))
}

/// How many bytes a file's header takes with the salt behind it: content begins there.
pub(super) fn content_begins(from: &mut impl std::io::Read) -> Result<u64, OpenError> {
    Ok((header_of(from)?.len() + SALT) as u64)
}

/// Byte by byte: what follows belongs to the content.
fn header_of(from: &mut impl std::io::Read) -> Result<Vec<u8>, OpenError> {
    let mut bytes = Vec::with_capacity(512);
    while length(&bytes).is_none() {
        let mut byte = [0];
        match from.read(&mut byte)? {
            0 => return Err(OpenError::Form),
            _ => bytes.push(byte[0]),
        }
        let begun = VERSION.as_bytes().get(..bytes.len()).is_none_or(|begin| begin == bytes);
        if bytes.len() > LONGEST || !begun {
            return Err(OpenError::Form);
        }
    }
    Ok(bytes)
}

fn open(header: &[u8], identity: &Identity) -> Result<FileKey, OpenError> {
    let text = std::str::from_utf8(header).map_err(|_| OpenError::Form)?;
    let mut lines = text.lines();
    if lines.next() != Some(VERSION) {
        return Err(OpenError::Form);
    }
    let own = super::recipient(identity);
    let mut found = None;
    let mut line = lines.next();
    while let Some(words) = line.and_then(|line| line.strip_prefix("-> ")) {
        // Lines of 64 letters, and a shorter one that ends them.
        let mut body = String::new();
        loop {
            let part = lines.next().ok_or(OpenError::Form)?;
            body.push_str(part);
            match part.len() {
                LINE => {}
                0..LINE => break,
                _ => return Err(OpenError::Form),
            }
        }
        if let Some(share) = words.strip_prefix("X25519 ") {
            let share: Option<[u8; 32]> =
                STANDARD_NO_PAD.decode(share).ok().and_then(|share| share.try_into().ok());
            let wrapped = STANDARD_NO_PAD.decode(body).map_err(|_| OpenError::Form)?;
            let share = share.ok_or(OpenError::Form)?;
            if wrapped.len() != FILE_KEY + TAG {
                return Err(OpenError::Form);
            }
            found = found.or(unwrap(identity, &own, &share, wrapped));
        }
        line = lines.next();
    }
    let seal = line.and_then(|line| line.strip_prefix("--- ")).ok_or(OpenError::Form)?;
    let key = found.ok_or(OpenError::NotForThis)?;
    let seal = STANDARD_NO_PAD.decode(seal).map_err(|_| OpenError::Form)?;
    let covered = text.len() - (1 + STANDARD_NO_PAD.encode(&seal).len() + 1);
    let header = header.get(..covered).ok_or(OpenError::Form)?;
    // Who can open it could make another; what this finds is damage.
    if seal == key.seal_of(header) { Ok(key) } else { Err(OpenError::Damaged { at: 0 }) }
}

fn unwrap(
    identity: &Identity,
    own: &Recipient,
    share: &[u8; 32],
    mut wrapped: Vec<u8>,
) -> Option<FileKey> {
    let shared = Zeroizing::new(x25519_dalek::x25519(*identity.expose(), *share));
    let wraps = wrapping(&shared, share, own)?;
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let opened = wraps.open_in_place(nonce, Aad::empty(), &mut wrapped).ok()?;
    let mut key = Zeroizing::new([0; FILE_KEY]);
    key.copy_from_slice(opened);
    Some(FileKey(key))
}
