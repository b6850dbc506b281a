//! The computer itself: clock, disk, flash, memory, heat, supply and watchdog.

use std::fs;
use std::path::{Path, PathBuf};

use gatehouse_config::Config;
use gatehouse_core::time::{ClockState, Now};

use super::Finding;
use crate::clock::Clock;
use crate::health;
use crate::unit::box_health;

/// Where the kernel shows the machine.
pub(super) struct Places {
    sys: PathBuf,
    /// systemd's own configuration, for its watchdog.
    systemd: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { sys: "/sys".into(), systemd: "/etc/systemd".into() }
    }
}

const MIB: u64 = 1024 * 1024;

/// A box with less has to swap or to kill while an alarm is recorded.
const LEAST_MEMORY: u64 = 64 * MIB;

pub(super) fn look(config: &Config, places: &Places) -> Vec<Finding> {
    let mut findings = clock(&Clock::system().now(), &places.sys);
    findings.extend(disk(config));
    findings.extend(flash(&places.sys));
    let free = health::memory_free_kib() * 1024;
    findings.push(if free < LEAST_MEMORY {
        let found = format!("{} MiB can be given to a program", free / MIB);
        Finding::wrong("memory", found, "end what else runs on this box")
    } else {
        Finding::good("memory", format!("{} MiB free", free / MIB))
    });
    findings.extend(heat(&places.sys));
    findings.extend(supply(&places.sys));
    findings.push(watchdog(&places.sys, &places.systemd));
    findings
}

fn clock(now: &Now, sys: &Path) -> Vec<Finding> {
    let advice = "is there a time server to reach? timedatectl set-ntp true; timedatectl \
                  timesync-status";
    let mut findings = vec![match now.clock {
        ClockState::Synced => {
            Finding::good("clock", format!("synchronised, within {} ms", now.err_ms.unwrap_or(0)))
        }
        ClockState::Holdover => {
            let within = now.err_ms.unwrap_or(0);
            let found = format!("no time server since a while, within {within} ms by its drift");
            Finding::advice("clock", found, advice)
        }
        ClockState::Never => {
            let found = "not set since this boot: events say so, schedules wait";
            Finding::wrong("clock", found, advice)
        }
    }];
    let rtc = fs::read_dir(sys.join("class/rtc")).is_ok_and(|mut entries| entries.next().is_some());
    findings.push(if rtc {
        Finding::good("clock with battery", "there is one")
    } else {
        Finding::advice(
            "clock with battery",
            "there is none: after a power cut without network the box does not know the time",
            "wire a DS3231, and load its driver (on a Raspberry Pi dtoverlay=i2c-rtc,ds3231)",
        )
    });
    findings
}

fn disk(config: &Config) -> Vec<Finding> {
    let folder = &config.state_dir;
    let shown = folder.display();
    let stat = match rustix::fs::statvfs(folder) {
        Ok(stat) => stat,
        Err(error) => {
            let advice = "start the gateway once, as root: systemctl start gatehouse";
            return vec![Finding::wrong("disk", format!("{shown}: {error}"), advice)];
        }
    };
    let mut findings = Vec::new();
    if stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        let advice = "mount it writable, or name another state-dir: nothing can be recorded";
        findings.push(Finding::wrong("disk", format!("{shown} is read-only"), advice));
    }
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let total = stat.f_blocks.saturating_mul(stat.f_frsize).max(1);
    let found = format!("{shown} has {} of {} MiB free", free / MIB, total / MIB);
    let needs = config.journal.reserve_bytes.max(config.journal.max_bytes / 4);
    findings.push(if free < config.journal.reserve_bytes {
        Finding::wrong("disk", found, "make room: alarms are written from the reserve only")
    } else if free < needs {
        let advice = "make room, or give journal and evidence less: [journal] max-mib, [evidence]";
        Finding::advice("disk", found, advice)
    } else {
        Finding::good("disk", found)
    });
    if stat.f_files > 0 && stat.f_ffree < 1000 {
        let found = format!("{shown}: {} more files can be made", stat.f_ffree);
        findings.push(Finding::wrong("disk", found, "remove small files from this file system"));
    }
    findings
}

fn flash(sys: &Path) -> Option<Finding> {
    let used = u32::from(box_health::wear(sys)?) * 10;
    let found = format!("{used} % of its life used, by its own estimate");
    Some(match used {
        0..=70 => Finding::good("flash", found),
        71..=90 => Finding::advice("flash", found, "plan to replace it"),
        _ => Finding::wrong("flash", found, "replace it now: it may become read-only"),
    })
}

fn heat(sys: &Path) -> Option<Finding> {
    let degrees = box_health::heat(sys)? / 1000;
    let found = format!("the processor has {degrees} °C");
    Some(match degrees {
        ..70 => Finding::good("heat", found),
        70..80 => Finding::advice("heat", found, "give the cabinet air"),
        _ => Finding::wrong("heat", found, "it slows itself down: give the cabinet air, or shade"),
    })
}

/// The firmware of a Raspberry Pi tells when its 5 V were below 4.63 V since the start (kernel driver
/// `raspberrypi-hwmon`).
fn supply(sys: &Path) -> Option<Finding> {
    let entries = fs::read_dir(sys.join("class/hwmon")).ok()?.flatten().map(|entry| entry.path());
    let word = |path: PathBuf| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let is_pi = |path: &PathBuf| word(path.join("name")).as_deref() == Some("rpi_volt");
    let alarm = entries.filter(is_pi).find_map(|path| word(path.join("in0_lcrit_alarm")))?;
    Some(if alarm == "0" {
        Finding::good("supply", "never too low since the last look")
    } else {
        let advice = "use a supply of 5.1 V and 3 A and a short, thick cable";
        Finding::wrong("supply", "the 5 V are, or were, too low", advice)
    })
}

fn watchdog(sys: &Path, systemd: &Path) -> Finding {
    let advice = "put RuntimeWatchdogSec=15 below [Manager] into \
                  /etc/systemd/system.conf.d/gatehouse.conf, then systemctl daemon-reexec";
    let dogs = fs::read_dir(sys.join("class/watchdog"));
    if !dogs.is_ok_and(|mut entries| entries.next().is_some()) {
        let found = "this machine has none, or its driver is not loaded: a box that hangs stays so";
        let advice = "on a Raspberry Pi add dtparam=watchdog=on to config.txt";
        return Finding::advice("hardware watchdog", found, advice);
    }
    let drops = fs::read_dir(systemd.join("system.conf.d")).into_iter().flatten().flatten();
    let mut files: Vec<_> = drops.map(|entry| entry.path()).collect();
    files.sort();
    files.insert(0, systemd.join("system.conf"));
    let texts = files.iter().filter_map(|path| fs::read_to_string(path).ok());
    let set = texts.filter_map(|text| runtime_watchdog(&text)).next_back();
    match set.as_deref() {
        None | Some("" | "0" | "off" | "infinity") => {
            let found = "there is one, and nobody feeds it: a box that hangs stays so";
            Finding::advice("hardware watchdog", found, advice)
        }
        Some(time) => Finding::good("hardware watchdog", format!("systemd feeds it, every {time}")),
    }
}

/// The last value of `RuntimeWatchdogSec` in a file of systemd's.
fn runtime_watchdog(text: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.trim().strip_prefix("RuntimeWatchdogSec"));
    let values = values.filter_map(|rest| rest.trim_start().strip_prefix('='));
    values.map(|value| value.trim().to_owned()).next_back()
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_watchdog_that_nobody_feeds_is_told() {
        let (sys, systemd) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let look = || watchdog(sys.path(), systemd.path());
        assert!(look().found.contains("has none"));
        put(sys.path(), "class/watchdog/watchdog0/state", "inactive");
        assert!(look().found.contains("nobody feeds it"));
        put(systemd.path(), "system.conf", "[Manager]\n#RuntimeWatchdogSec=10\n");
        assert_eq!(look().verdict, Verdict::Advice, "a comment sets nothing");
        put(systemd.path(), "system.conf.d/a.conf", "[Manager]\nRuntimeWatchdogSec = 15\n");
        assert_eq!(look().verdict, Verdict::Good);
        put(systemd.path(), "system.conf.d/b.conf", "[Manager]\nRuntimeWatchdogSec=off\n");
        assert_eq!(look().verdict, Verdict::Advice, "the last file decides");
    }

    #[test]
    fn heat_flash_and_supply_are_told_where_the_kernel_shows_them() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!((heat(sys.path()), flash(sys.path()), supply(sys.path())), (None, None, None));
        put(sys.path(), "class/thermal/thermal_zone0/type", "cpu-thermal");
        put(sys.path(), "class/thermal/thermal_zone0/temp", "81000");
        put(sys.path(), "block/mmcblk0/device/life_time", "0x08 0x01");
        put(sys.path(), "class/hwmon/hwmon0/name", "rpi_volt");
        put(sys.path(), "class/hwmon/hwmon0/in0_lcrit_alarm", "1");
        let verdict = |finding: Option<Finding>| finding.unwrap().verdict;
        assert_eq!(verdict(heat(sys.path())), Verdict::Wrong);
        assert_eq!(verdict(flash(sys.path())), Verdict::Advice);
        assert_eq!(verdict(supply(sys.path())), Verdict::Wrong);
    }

    #[test]
    fn a_clock_that_was_never_set_is_wrong() {
        let sys = tempfile::tempdir().unwrap();
        let verdicts = |now: &Now| {
            let told = clock(now, sys.path());
            told.iter().map(|finding| finding.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&Now::default()), [Verdict::Wrong, Verdict::Advice]);
        put(sys.path(), "class/rtc/rtc0/name", "rtc-ds1307");
        let synced = Now { clock: ClockState::Synced, ..Now::default() };
        assert_eq!(verdicts(&synced), [Verdict::Good, Verdict::Good]);
    }
}
