//! What a run costs: processor time and memory of the fleet, the brokers and the receivers.

use std::time::Duration;

use gatehouse_core::time::Mono;
use serde::Serialize;

use super::bed::Bed;
use crate::wait::boottime;

/// What one part has used.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Used {
    /// Of one core.
    pub(super) cpu_percent: f64,
    pub(super) rss_mb: f64,
}

/// The costs of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Bill {
    pub(super) fleet: Used,
    pub(super) brokers: Used,
    pub(super) receivers: Used,
    /// Of the whole machine, everybody's work included.
    pub(super) machine_busy_percent: f64,
    pub(super) load_average: f64,
    /// The fleet's memory over the number of gateways.
    pub(super) kb_per_gateway: f64,
    pub(super) limiting: &'static str,
}

/// The counters at the beginning.
pub(super) struct Costs {
    at: Mono,
    /// Fleet, brokers, receivers: processes come and go, so by process.
    before: [Vec<(u32, f64)>; 3],
    machine: (f64, f64),
}

impl Costs {
    pub(super) fn begin(bed: &Bed) -> Self {
        Self { at: boottime(), before: processes(bed).map(seconds), machine: machine() }
    }

    pub(super) fn end(self, bed: &Bed, gateways: usize) -> Bill {
        let took = boottime().since(self.at).max(Duration::from_millis(1)).as_secs_f64();
        let mut used = [Used::default(); 3];
        for (place, pids) in processes(bed).into_iter().enumerate() {
            let rss: f64 = pids.iter().map(|pid| resident_mb(*pid)).sum();
            let cpu: f64 = seconds(pids)
                .iter()
                .map(|(pid, now)| {
                    let before = self.before[place].iter().find(|(of, _)| of == pid);
                    now - before.map_or(0.0, |(_, then)| *then)
                })
                .sum();
            used[place] = Used { cpu_percent: cpu / took * 100.0, rss_mb: rss };
        }
        let [fleet, brokers, receivers] = used;
        let (busy, all) = machine();
        let busy = (busy - self.machine.0) / (all - self.machine.1).max(0.01) * 100.0;
        let ours = fleet.cpu_percent + brokers.cpu_percent + receivers.cpu_percent;
        let limiting = if busy < 85.0 {
            "none: the machine had idle time"
        } else if ours < 60.0 {
            "the processor, by others' work on this machine"
        } else {
            "the processor, by this run"
        };
        Bill {
            fleet,
            brokers,
            receivers,
            machine_busy_percent: busy,
            load_average: load(),
            kb_per_gateway: fleet.rss_mb * 1000.0 / f64::from(u32::try_from(gateways).unwrap_or(1)),
            limiting,
        }
    }
}

fn processes(bed: &Bed) -> [Vec<u32>; 3] {
    [vec![std::process::id()], bed.broker_processes(), bed.receiver_processes()]
}

fn seconds(pids: Vec<u32>) -> Vec<(u32, f64)> {
    pids.into_iter().map(|pid| (pid, cpu_seconds(pid).unwrap_or(0.0))).collect()
}

fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some(ticks / f64::from(per_second))
}

fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1.024 / 1000.0
}

/// Busy and all time of all cores.
fn machine() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<f64> =
        line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    let all: f64 = fields.iter().sum();
    // The fourth is idle, the fifth waits for a disk.
    let idle: f64 = fields.iter().skip(3).take(2).sum();
    (all - idle, all)
}

fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
