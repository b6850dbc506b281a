//! Sealing while it is written.

use std::io::{self, Write};

use gatehouse_core::sealed::Recipient;
use ring::aead::{Aad, LessSafeKey};
use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::{CHUNK, TAG, header, nonce};

/// What some bytes are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// How long, in bytes.
    pub bytes: u64,
    /// SHA-256 of all of it.
    pub sha256: [u8; 32],
}

/// Seals what is written to it. Dropped before [`Sealer::finish`], what it made is cut off.
pub struct Sealer<W> {
    to: W,
    key: LessSafeKey,
    chunks: u64,
    waiting: Zeroizing<Vec<u8>>,
    bytes: u64,
    hash: Context,
    /// A write failed: how much of a chunk is there nobody knows, and no nonce is used twice.
    broken: bool,
}

impl<W: Write> Sealer<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// What `to` gives, or a [`SealError`](super::SealError) as the source.
    pub fn new(to: W, recipients: &[Recipient]) -> io::Result<Self> {
        let (header, key) = header::begin(recipients)?;
        let waiting = Zeroizing::new(Vec::with_capacity(CHUNK + TAG));
        let hash = Context::new(&SHA256);
        let mut sealer = Self { to, key, chunks: 0, waiting, bytes: 0, hash, broken: false };
        sealer.put(&header)?;
        Ok(sealer)
    }

    /// Where it goes.
    pub fn inner(&self) -> &W {
        &self.to
    }

    /// Seals what waits, as the last. Given is what lies there.
    ///
    /// # Errors
    /// What the writer gives.
    pub fn finish(mut self) -> io::Result<(W, Sum)> {
        self.chunk(true)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.finish().as_ref());
        Ok((self.to, Sum { bytes: self.bytes, sha256 }))
    }

    fn chunk(&mut self, last: bool) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write failed"));
        }
        let mut chunk = std::mem::take(&mut *self.waiting);
        self.key
            .seal_in_place_append_tag(nonce(self.chunks, last), Aad::empty(), &mut chunk)
            .map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        self.chunks += 1;
        self.put(&chunk)?;
        chunk.clear();
        *self.waiting = chunk;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.broken = true;
        self.to.write_all(bytes)?;
        self.broken = false;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only once more comes: the last chunk may be full, and may not be empty.
        if self.waiting.len() == CHUNK && !bytes.is_empty() {
            self.chunk(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// What is less than a chunk waits on.
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
