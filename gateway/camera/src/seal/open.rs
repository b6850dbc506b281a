//! Opening, from the front.

use std::io::{self, Read, Seek, SeekFrom};

use gatehouse_core::sealed::Identity;
use ring::aead::{Aad, LessSafeKey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{CHUNK, TAG, header, nonce};

/// Why something sealed cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It is not sealed, or by a program that does it otherwise.
    #[error("this is not sealed in the form of age, or its header is damaged")]
    Form,
    /// Another key is needed.
    #[error("it is sealed for others, not for this key")]
    NotForThis,
    /// Bytes were changed: a broken medium, or somebody.
    #[error("it is damaged behind byte {at} of its content")]
    Damaged {
        /// So much could be opened.
        at: u64,
    },
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] io::Error),
}

/// Something sealed, opened while it is read. An error of reading has an [`OpenError`] as its source.
pub struct Opened<R> {
    from: R,
    key: LessSafeKey,
    chunks: u64,
    content: Zeroizing<Vec<u8>>,
    given: usize,
    at: u64,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    CutOff,
}

impl<R: Read> Opened<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn new(mut from: R, identity: &Identity) -> Result<Self, OpenError> {
        let key = header::read(&mut from, identity)?;
        let content = Zeroizing::new(Vec::new());
        Ok(Self { from, key, chunks: 0, content, given: 0, at: 0, end: None })
    }

    /// Once all is read: whether it ends without its end, as a power cut leaves it.
    pub fn cut_off(&self) -> bool {
        self.end == Some(End::CutOff)
    }

    /// Opens it from byte `at` of its content on: a player asks for parts. What stands before is not
    /// looked at, so its damage is not seen either.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn from_byte(from: R, identity: &Identity, at: u64) -> Result<Self, OpenError>
    where
        R: Seek,
    {
        let mut opened = Self::new(from, identity)?;
        let (chunk, within) = (at / CHUNK as u64, at % CHUNK as u64);
        let ahead = i64::try_from(chunk * (CHUNK + TAG) as u64).unwrap_or(i64::MAX);
        opened.from.seek(SeekFrom::Current(ahead))?;
        opened.chunks = chunk;
        opened.at = chunk * CHUNK as u64;
        io::copy(&mut (&mut opened).take(within), &mut io::sink())?;
        Ok(opened)
    }

    fn next(&mut self) -> Result<(), OpenError> {
        let mut chunk = Vec::with_capacity(CHUNK + TAG);
        (&mut self.from).take((CHUNK + TAG) as u64).read_to_end(&mut chunk)?;
        self.content.clear();
        self.given = 0;
        if chunk.is_empty() {
            self.end = Some(End::CutOff);
            return Ok(());
        }
        let full = chunk.len() == CHUNK + TAG;
        for last in if full { &[false, true][..] } else { &[true][..] } {
            let mut content = chunk.clone();
            let nonce = nonce(self.chunks, *last);
            let Ok(opened) = self.key.open_in_place(nonce, Aad::empty(), &mut content) else {
                continue;
            };
            let length = opened.len();
            content.truncate(length);
            self.at += length as u64;
            self.chunks += 1;
            self.content = Zeroizing::new(content);
            if *last {
                self.end = Some(End::Whole);
                let mut more = [0];
                if self.from.read(&mut more)? > 0 || (length == 0 && self.chunks > 1) {
                    return Err(OpenError::Damaged { at: self.at });
                }
            }
            return Ok(());
        }
        Err(OpenError::Damaged { at: self.at })
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.content.len() && self.end.is_none() {
            if let Err(error) = self.next() {
                return Err(match error {
                    OpenError::Read(error) => error,
                    other => io::Error::new(io::ErrorKind::InvalidData, other),
                });
            }
        }
        let waiting = &self.content[self.given..];
        let count = waiting.len().min(buffer.len());
        buffer[..count].copy_from_slice(&waiting[..count]);
        self.given += count;
        Ok(count)
    }
}

/// How many bytes of content something sealed of `length` bytes holds. The key is not needed.
///
/// # Errors
/// What reading the file gives; [`OpenError::Form`]: it is not sealed.
pub fn content_length(from: &mut impl Read, length: u64) -> Result<u64, OpenError> {
    let sealed = length.saturating_sub(header::content_begins(from)?);
    let chunks = sealed.div_ceil((CHUNK + TAG) as u64);
    Ok(sealed.saturating_sub(chunks * TAG as u64))
}

/// How much of a file that was cut off is whole: the header, and chunks up to the last full one. 0: not
/// one of them. The key is not needed. What is whole may all the same be damaged.
///
/// # Errors
/// What reading the file gives.
pub(crate) fn whole_chunks(from: &mut impl Read, length: u64) -> io::Result<u64> {
    let begins = match header::content_begins(from) {
        Ok(begins) => begins,
        Err(OpenError::Read(error)) => return Err(error),
        Err(_) => return Ok(0),
    };
    let chunk = (CHUNK + TAG) as u64;
    let chunks = length.saturating_sub(begins) / chunk;
    Ok(if chunks == 0 { 0 } else { begins + chunks * chunk })
}
