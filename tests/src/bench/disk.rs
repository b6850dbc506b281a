//! The limit of everything durable: a bare flush to the same disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Context;
use gatehouse_tests::wait::monotonic_ns;

use crate::stats::number;

/// The block that is written before each flush.
const BLOCK: usize = 4096;

/// The file is written over and over, as a WAL is: neither its size nor its blocks change, so a
/// flush is as cheap as this disk has it.
const BLOCKS: u64 = 1024;

/// Writes 4 KiB and flushes, at each call.
#[derive(Debug)]
pub(crate) struct Flusher {
    file: File,
    next: u64,
    /// Microseconds of each.
    pub(crate) took_us: Vec<f64>,
    /// CPU time of all, in microseconds.
    pub(crate) cpu_us: f64,
}

impl Flusher {
    /// A file of its own in this folder.
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("flush.reference");
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        for block in 0..BLOCKS {
            file.write_all_at(&[0; BLOCK], block * BLOCK as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, next: 0, took_us: Vec::new(), cpu_us: 0.0 })
    }

    /// One write and its fdatasync.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        let block = [u8::try_from(self.next % 251).unwrap_or(0); BLOCK];
        let (before, cpu) = (monotonic_ns(), thread_cpu_us());
        self.file.write_all_at(&block, self.next % BLOCKS * BLOCK as u64)?;
        self.file.sync_data()?;
        self.took_us.push(number(monotonic_ns() - before) / 1e3);
        self.cpu_us += thread_cpu_us() - cpu;
        self.next += 1;
        Ok(())
    }
}

/// User and system time of this thread.
fn thread_cpu_us() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("it starts at zero");
    number(seconds) * 1e6 + number(u64::try_from(time.tv_nsec).expect("it starts at zero")) / 1e3
}

/// Bytes written to the disk that `folder` is on, by everybody. `None` where it is not one that
/// the kernel counts.
pub(crate) fn device_written(folder: &Path) -> Option<f64> {
    let device = rustix::fs::stat(folder).ok()?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let table = std::fs::read_to_string("/proc/diskstats").ok()?;
    let sectors = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let here = fields[0].parse() == Ok(major) && fields[1].parse() == Ok(minor);
        here.then(|| fields[9].parse::<u64>().ok())?
    })?;
    Some(number(sectors) * 512.0)
}
