//! What the kernel counts for processes.

use anyhow::Context as _;

/// Memory of this process that is resident, in kB.
pub fn resident_kb() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// Open files of this process.
pub fn files() -> anyhow::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// Seconds of a core that a process has used; to a tick, which is 10 ms.
pub fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may contain anything. Behind it, utime and stime are 12th and 13th.
    let (_, rest) = stat.rsplit_once(')').context("a name")?;
    let ticks = |at: usize| -> anyhow::Result<f64> {
        Ok(rest.split_whitespace().nth(at).context("ticks")?.parse()?)
    };
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second())?;
    Ok((ticks(11)? + ticks(12)?) / f64::from(per_second))
}
