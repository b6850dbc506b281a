//! The files of a journal's folder, besides what SQLite does in its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use gatehouse_core::id::Seq;
use rustix::fs::{FallocateFlags, FlockOperation};

/// Numbers are declared as used this many at a time, so that the mark costs two flushes per
/// million events, and a lost journal skips at most two million of 2^63 numbers.
pub(crate) const MARK_BLOCK: u64 = 1_000_000;

/// The reserve is given back to a full disk in slices of this size: some 60 alarms each.
const RESERVE_SLICE: u64 = 64 << 10;

/// Quarantined files that are kept: enough to look at the last mishap and the one before.
const KEPT_QUARANTINES: usize = 2;

/// The names in a journal's folder.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub dir: PathBuf,
    pub database: PathBuf,
    pub mark: PathBuf,
    pub reserve: PathBuf,
    pub lock: PathBuf,
}

impl Paths {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            database: dir.join("journal.db"),
            mark: dir.join("seq.mark"),
            reserve: dir.join("journal.reserve"),
            lock: dir.join("journal.lock"),
        }
    }

    /// Moves the database and its WAL aside as `journal.corrupt-N.db`, and returns that path.
    pub(crate) fn set_aside(&self) -> io::Result<PathBuf> {
        let mut kept = self.quarantines();
        let number = kept.last().map_or(1, |(number, _)| number + 1);
        let target = self.dir.join(format!("journal.corrupt-{number}.db"));
        // The WAL first: without its database it does no harm, while a database that is found
        // without its WAL would look sound and shorter than it was.
        rename_if_exists(&with_suffix(&self.database, "-wal"), &with_suffix(&target, "-wal"))?;
        rename_if_exists(&self.database, &target)?;
        remove_if_exists(&with_suffix(&self.database, "-shm"))?;
        sync_dir(&self.dir)?;
        kept.push((number, target.clone()));
        for (_, old) in kept.iter().rev().skip(KEPT_QUARANTINES) {
            remove_database(old)?;
        }
        Ok(target)
    }

    /// Files set aside earlier, oldest first.
    pub(crate) fn quarantines(&self) -> Vec<(u64, PathBuf)> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let mut found: Vec<(u64, PathBuf)> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?;
                let number = name.strip_prefix("journal.corrupt-")?.strip_suffix(".db")?;
                Some((number.parse().ok()?, path.clone()))
            })
            .collect();
        found.sort();
        found
    }
}

/// Removes a database with its WAL and shared memory.
pub(crate) fn remove_database(path: &Path) -> io::Result<()> {
    remove_if_exists(path)?;
    remove_wal(path)
}

/// Removes the WAL and shared memory of a database that was copied whole into it.
pub(crate) fn remove_wal(path: &Path) -> io::Result<()> {
    remove_if_exists(&with_suffix(path, "-wal"))?;
    remove_if_exists(&with_suffix(path, "-shm"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn rename_if_exists(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Takes the folder for this process; `None` when another one has it.
pub(crate) fn lock(paths: &Paths) -> io::Result<Option<File>> {
    let file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&paths.lock)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives the folder free. Closing the file alone would not, while a child process that is just
/// being started still has it.
pub(crate) fn unlock(lock: &File) {
    if let Err(error) = rustix::fs::flock(lock, FlockOperation::Unlock) {
        tracing::warn!(%error, "the journal's lock goes with its file");
    }
}

/// What may have been used before this start, kept outside the database so that it outlives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeqMark {
    /// Event numbers up to here may have been used.
    pub seq: Seq,
    /// Sessions up to here may have been used.
    pub session: u64,
}

impl SeqMark {
    fn line(self) -> String {
        let facts = format!("gatehouse-seq-mark 1 {} {}", self.seq, self.session);
        let check = blake3::hash(facts.as_bytes()).to_hex();
        format!("{facts} {}\n", &check[..16])
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace().skip(2);
        let mark =
            Self { seq: Seq(words.next()?.parse().ok()?), session: words.next()?.parse().ok()? };
        (mark.line() == text).then_some(mark)
    }

    /// The mark of this folder; `None` when there is none or it does not parse.
    pub(crate) fn load(paths: &Paths) -> io::Result<Option<Self>> {
        let mut text = String::new();
        match File::open(&paths.mark) {
            Ok(file) => {
                // The line is short; whatever else stands there is not ours and must not fill memory.
                match file.take(256).read_to_string(&mut text) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
                    other => other?,
                };
                Ok(Self::parse(&text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the mark: the new one is on the disk, whole, when this returns.
    pub(crate) fn save(self, paths: &Paths) -> io::Result<()> {
        let fresh = paths.dir.join("seq.mark.new");
        let mut file = File::create(&fresh)?;
        file.write_all(self.line().as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &paths.mark)?;
        sync_dir(&paths.dir)
    }
}

/// The space set aside for alarms.
pub(crate) struct Reserve;

impl Reserve {
    /// Makes the file have its size on the disk. Fails with the disk full, leaving nothing.
    pub(crate) fn create(paths: &Paths, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        if fs::metadata(&paths.reserve).is_ok_and(|meta| meta.len() == bytes) {
            return Ok(());
        }
        let made = Self::fill(&paths.reserve, bytes);
        if made.is_err() {
            remove_if_exists(&paths.reserve)?;
        }
        made
    }

    fn fill(path: &Path, bytes: u64) -> io::Result<()> {
        let mut file = File::create(path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            // A file system without fallocate: written zeros are allocated too.
            Err(rustix::io::Errno::OPNOTSUPP) => {
                let zeros = vec![0; 64 * 1024];
                let mut left = bytes;
                while left > 0 {
                    let part = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
                    file.write_all(&zeros[..part])?;
                    left -= part as u64;
                }
            }
            Err(error) => return Err(error.into()),
        }
        file.sync_all()
    }

    /// How much of it is left.
    pub(crate) fn left(paths: &Paths) -> u64 {
        fs::metadata(&paths.reserve).map_or(0, |meta| meta.len())
    }

    /// Gives one slice back to the disk; `false` when there is none left. A slice at a time, used
    /// at once: of space given back whole, whatever filled the disk would take its share.
    pub(crate) fn shrink(paths: &Paths) -> io::Result<bool> {
        let left = Self::left(paths);
        if left == 0 {
            return Ok(false);
        }
        if left <= RESERVE_SLICE {
            remove_if_exists(&paths.reserve)?;
        } else {
            let file = OpenOptions::new().write(true).open(&paths.reserve)?;
            file.set_len(left - RESERVE_SLICE)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_a_damaged_one_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        assert_eq!(SeqMark::load(&paths).unwrap(), None);
        let mark = SeqMark { seq: Seq(2_000_000), session: 7 };
        mark.save(&paths).unwrap();
        assert_eq!(SeqMark::load(&paths).unwrap(), Some(mark));
        let text = fs::read_to_string(&paths.mark).unwrap();
        fs::write(&paths.mark, text.replace("2000000", "1000000")).unwrap();
        assert_eq!(SeqMark::load(&paths).unwrap(), None);
        fs::write(&paths.mark, [0xff; 900]).unwrap();
        assert_eq!(SeqMark::load(&paths).unwrap(), None);
    }

    #[test]
    fn only_the_two_newest_quarantined_files_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        for _ in 0..4 {
            fs::write(&paths.database, "x").unwrap();
            paths.set_aside().unwrap();
        }
        let left: Vec<u64> = paths.quarantines().into_iter().map(|(number, _)| number).collect();
        assert_eq!(left, [3, 4]);
    }
}
