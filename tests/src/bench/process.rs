//! What the kernel counts for a process.

use anyhow::Context;
use gatehouse_tests::Gateway;

use crate::stats::number;

/// One reading of a process's accounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// User and system time in microseconds.
    pub(crate) cpu_us: f64,
    /// Bytes that it caused to be written to disks: pages made dirty.
    pub(crate) written: f64,
}

/// The gateway's process id.
pub(crate) fn pid(gateway: &Gateway) -> anyhow::Result<u32> {
    gateway.process_id().context("the gateway does not run")
}

/// Reads the accounts of a process.
pub(crate) fn account(pid: u32) -> anyhow::Result<Account> {
    let stat = read(pid, "stat")?;
    // The name, in parentheses, may contain anything.
    let (_, rest) = stat.rsplit_once(')').context("a process name in /proc/PID/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<u64>().context("ticks in /proc/PID/stat");
    // utime and stime: the 14th and 15th field, the third one is the first after the name.
    let ticks = ticks(11)? + ticks(12)?;
    let cpu_us = number(ticks) * 1e6 / number(rustix::param::clock_ticks_per_second());
    Ok(Account { cpu_us, written: number(field(&read(pid, "io")?, "write_bytes:")?) })
}

/// Resident memory and its peak, in MB.
pub(crate) fn resident_mb(pid: u32) -> anyhow::Result<(f64, f64)> {
    let status = read(pid, "status")?;
    let mb = |name| anyhow::Ok(number(field(&status, name)?) * 1024.0 / 1e6);
    Ok((mb("VmRSS:")?, mb("VmHWM:")?))
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

/// The number behind `name`.
fn field(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("no number behind {name}"))
}
