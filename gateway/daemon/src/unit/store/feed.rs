//! A part of a file on its way: read piece by piece, at the pace that is allowed, and giving way.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use gatehouse_core::checkpoint::to_hex;
use hyper::body::Frame;
use ring::digest::{Context, SHA256};
use rustix::fs::OFlags;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;

use super::gate::Gate;
use super::notes::Sums;
use super::pace::Pace;
use crate::clock::Clock;
use crate::s3::{Ended, Payload, S3Error};
use crate::unit::camera::be_nice;

/// Bytes that are read and sent at a time: all the memory that a clip takes.
const PIECE: u64 = 16 << 10;

/// An alarm that takes longer than this has a dead line: the part is given up, before the store does.
const GIVES_WAY_FOR: Duration = Duration::from_secs(10);

/// A part has so many bytes at least where there are too many: S3 takes 10,000.
const MOST_PARTS: u64 = 10_000;

/// How evidence goes out.
#[derive(Clone)]
pub(super) struct Flow {
    pub(super) pace: Arc<Mutex<Pace>>,
    pub(super) gate: Gate,
    pub(super) clock: Clock,
}

/// Opens a file of evidence; no link is followed. Blocks.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nofollow).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// What a file holds, on a thread that lets everything else go first.
///
/// # Errors
/// The disk.
pub(super) async fn sums(file: Arc<File>, part_bytes: u64) -> io::Result<Sums> {
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name("store-sums".to_owned()).spawn(move || {
        be_nice();
        // Who waited may have gone away.
        let _ = tell.send(sum(&file, part_bytes));
    })?;
    told.await.map_err(io::Error::other)?
}

fn sum(file: &File, wanted: u64) -> io::Result<Sums> {
    let length = file.metadata()?.len();
    let part_bytes = wanted.max(length.div_ceil(MOST_PARTS));
    let (mut whole, mut part) = (Context::new(&SHA256), Context::new(&SHA256));
    let mut parts = Vec::new();
    let (mut at, mut within) = (0, 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let room = usize::try_from(part_bytes - within).unwrap_or(usize::MAX).min(buffer.len());
        let count = file.read_at(&mut buffer[..room], at)?;
        if count == 0 {
            break;
        }
        whole.update(&buffer[..count]);
        part.update(&buffer[..count]);
        at += count as u64;
        within += count as u64;
        if within == part_bytes {
            let full = std::mem::replace(&mut part, Context::new(&SHA256));
            parts.push(to_hex(full.finish().as_ref()));
            within = 0;
        }
    }
    if within > 0 {
        parts.push(to_hex(part.finish().as_ref()));
    }
    let sha256 = to_hex(whole.finish().as_ref());
    Ok(Sums { bytes: at, sha256, part_bytes, parts })
}

struct Feed {
    file: Arc<File>,
    at: u64,
    left: u64,
    flow: Flow,
    ended: Ended,
    alive: watch::Sender<u64>,
}

impl Flow {
    /// The bytes of a file from `at` on, as a payload with this hash.
    pub(super) fn payload(
        &self,
        file: &Arc<File>,
        (at, bytes): (u64, u64),
        sha256: String,
    ) -> Payload {
        let (alive, pulse) = watch::channel(0);
        let ended = Ended::default();
        let feed = Feed {
            file: Arc::clone(file),
            at,
            left: bytes,
            flow: self.clone(),
            ended: ended.clone(),
            alive,
        };
        let stream = unfold(Some(feed), |feed| async move {
            let mut feed = feed.filter(|feed| feed.left > 0)?;
            match feed.next().await {
                Ok(piece) => Some((Ok(Frame::data(piece)), Some(feed))),
                Err(why) => {
                    feed.ended.put(why);
                    Some((Err(io::Error::other("it broke off")), None))
                }
            }
        });
        Payload::stream(Box::pin(stream), (bytes, sha256), pulse, ended)
    }
}

impl Feed {
    async fn next(&mut self) -> Result<Bytes, S3Error> {
        self.beat();
        if !self.flow.gate.is_open() && !self.flow.gate.opens_within(GIVES_WAY_FOR).await {
            return Err(S3Error::GaveWay);
        }
        let piece = self.left.min(PIECE);
        let wait = {
            let mut pace = self.flow.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.take(piece, self.flow.clock.mono())
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let (file, at) = (Arc::clone(&self.file), self.at);
        let read = spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(piece).unwrap_or_default()];
            file.read_exact_at(&mut bytes, at).map(|()| bytes)
        });
        let bytes = read.await.map_err(|error| S3Error::Source(io::Error::other(error)))?;
        let bytes = bytes.map_err(S3Error::Source)?;
        self.at += piece;
        self.left -= piece;
        self.beat();
        Ok(bytes.into())
    }

    /// Somebody takes what is sent.
    fn beat(&self) {
        self.alive.send_modify(|n| *n = n.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use ring::digest::digest;

    use super::*;

    #[test]
    fn a_file_is_summed_as_a_whole_and_in_parts_of_one_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip");
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &content).unwrap();
        let hash = |bytes: &[u8]| to_hex(digest(&SHA256, bytes).as_ref());
        let sums = sum(&open(&path).unwrap(), 500_000).unwrap();
        assert_eq!((sums.bytes, &sums.sha256), (1_200_000, &hash(&content)));
        let parts: Vec<_> = content.chunks(500_000).map(hash).collect();
        assert_eq!(sums.parts, parts);
        // A part that ends with the file is the last.
        assert_eq!(sum(&open(&path).unwrap(), 600_000).unwrap().parts.len(), 2);
        // No more than 10,000 parts, whatever is wanted.
        let sums = sum(&open(&path).unwrap(), 1).unwrap();
        assert_eq!((sums.part_bytes, sums.parts.len()), (120, 10_000));
        std::fs::write(&path, b"").unwrap();
        assert!(sum(&open(&path).unwrap(), 5).unwrap().parts.is_empty());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open(&link).is_err() && open(folder.path()).is_err());
    }
}
