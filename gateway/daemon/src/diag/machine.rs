//! What the computer is, in lines of text. No addresses and no serial numbers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::unit::box_health;

/// Lines of `/proc/cpuinfo` and `/proc/meminfo` that say something.
const CPU: [&str; 4] = ["model name", "Model", "Hardware", "Features"];
const MEMORY: [&str; 5] = ["MemTotal", "MemFree", "MemAvailable", "SwapTotal", "SwapFree"];

pub(super) fn facts(state_dir: Option<&Path>) -> String {
    let mut text = String::new();
    let mut say = |key: &str, value: Option<String>| {
        let value = value.unwrap_or_else(|| "not told".to_owned());
        let _ = writeln!(text, "{key}: {}", value.trim_matches(['\0', '\n', ' ']));
    };
    say("gatehouse", Some(format!("{} for {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)));
    say("kernel", read("/proc/version"));
    say("system", lines("/etc/os-release", &["PRETTY_NAME"]));
    say("board", read("/proc/device-tree/model").or_else(|| read("/sys/class/dmi/id/board_name")));
    say("processors", Some(processors().to_string()));
    say("processor", lines("/proc/cpuinfo", &CPU));
    say("load", read("/proc/loadavg"));
    say("uptime (s)", read("/proc/uptime"));
    say("memory", lines("/proc/meminfo", &MEMORY));
    say("security modules", read("/sys/kernel/security/lsm"));
    say("boot", read("/proc/sys/kernel/random/boot_id"));
    let sys = Path::new("/sys");
    say("heat (m°C)", box_health::heat(sys).map(|milli| milli.to_string()));
    say("flash (tenths of its life)", box_health::wear(sys).map(|tenths| tenths.to_string()));
    say("disks", Some(disks()));
    say("network", Some(interfaces()));
    say("devices", Some(devices()));
    if let Some(folder) = state_dir {
        say("state", Some(space(folder)));
        say("journal", Some(files(&folder.join("journal"))));
        say("evidence", Some(counted(&folder.join("evidence"))));
    }
    text
}

fn read(path: &str) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// The first line that begins with each of these, in one.
fn lines(path: &str, wanted: &[&str]) -> Option<String> {
    let text = read(path)?;
    let find = |key: &&str| text.lines().find(|line| line.starts_with(*key));
    let found: Vec<_> = wanted.iter().filter_map(find).collect();
    let words = |line: &&str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(found.iter().map(words).collect::<Vec<_>>().join("; "))
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Each disk with its size and its make.
fn disks() -> String {
    let real = |name: &String| !["loop", "ram", "zram"].iter().any(|kind| name.starts_with(kind));
    let told = |name: String| {
        let of = |file: &str| read(&format!("/sys/block/{name}/{file}")).unwrap_or_default();
        let mib = of("size").parse::<u64>().unwrap_or(0) / 2048;
        let made = [of("device/name"), of("device/model")].concat();
        format!("{name} {mib} MiB {}", made.trim())
    };
    names("/sys/block").into_iter().filter(real).map(told).collect::<Vec<_>>().join("; ")
}

/// Each interface with its state, without its address.
fn interfaces() -> String {
    let told = |name: String| {
        let state = read(&format!("/sys/class/net/{name}/operstate")).unwrap_or_default();
        format!("{name} {state}")
    };
    names("/sys/class/net").into_iter().map(told).collect::<Vec<_>>().join("; ")
}

/// What a gateway can drive.
fn devices() -> String {
    let kinds = ["gpiochip", "i2c-", "spidev", "video", "ttyUSB", "ttyACM", "ttyAMA", "watchdog"];
    let driven = |name: &String| kinds.iter().any(|kind| name.starts_with(kind));
    names("/dev").into_iter().filter(driven).collect::<Vec<_>>().join(" ")
}

/// Room and kind of the file system of a folder.
fn space(folder: &Path) -> String {
    let stat = match rustix::fs::statvfs(folder) {
        Ok(stat) => stat,
        Err(error) => return format!("{error}"),
    };
    let mib = |blocks: u64| blocks.saturating_mul(stat.f_frsize) >> 20;
    let mounts = read("/proc/self/mounts").unwrap_or_default();
    let on = |line: &&str| line.split(' ').nth(1).is_some_and(|mount| folder.starts_with(mount));
    let deepest = mounts.lines().filter(on).max_by_key(|line| line.split(' ').nth(1).map(str::len));
    let kind: Vec<_> =
        deepest.into_iter().flat_map(|line| line.split(' ').skip(2).take(2)).collect();
    format!(
        "{} of {} MiB free, {} of {} files can be made, {}",
        mib(stat.f_bavail),
        mib(stat.f_blocks),
        stat.f_ffree,
        stat.f_files,
        kind.join(" ")
    )
}

/// Each file of a folder with its size.
fn files(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let told = |entry: fs::DirEntry| {
        let size = entry.metadata().map_or(0, |facts| facts.len());
        format!("{} {size}", entry.file_name().to_string_lossy())
    };
    let mut all: Vec<_> = entries.map(told).collect();
    all.sort();
    all.join("; ")
}

/// How many there are, and their bytes: their names say whom they show.
fn counted(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes: Vec<_> = entries.map(|entry| entry.metadata().map_or(0, |it| it.len())).collect();
    format!("{} files, {} bytes", sizes.len(), sizes.iter().sum::<u64>())
}
