//! Chips, buses, ports and cameras of the box: whether they are there, and may be opened.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use gatehouse_config::{CameraSource, Chip, Config, Device, Sim};

use super::Finding;
use crate::io::gpiochip;
use crate::unit::lines_of;

/// `dev` is where device files are; `runs`: the gateway itself says what its chips do.
pub(super) fn look(config: &Config, dev: &Path, runs: bool) -> Vec<Finding> {
    let mut findings = lines(config);
    let mut file = |of: String, path: &Path, hint: &str| findings.push(device(of, path, hint));
    for bus in &config.buses {
        let of = format!("bus {}", bus.id);
        match &bus.device {
            Device::I2c(path) => file(of, path, &listed(dev, "i2c-", "I2C adapter", I2C)),
            Device::Spi(path) => file(of, path, &listed(dev, "spidev", "SPI device", SPI)),
            Device::Sim => {}
        }
    }
    for bus in &config.rs485 {
        let present = listed(dev, "tty", "serial port", "is the adapter plugged in?");
        file(format!("RS-485 {}", bus.id), &bus.device, &present);
    }
    for camera in &config.cameras {
        if let CameraSource::Device { path, .. } = &camera.source {
            let present = listed(dev, "video", "camera", "is it plugged in?");
            file(format!("camera {}", camera.rules.id), path, &present);
        }
    }
    if !findings.is_empty() && !runs {
        let advice =
            "gatehouse status tells more once the gateway runs: each chip, reader and loop";
        findings.push(Finding::advice("what hangs on them", "not asked", advice));
    }
    findings
}

const I2C: &str = "switch I2C on: on a Raspberry Pi raspi-config nonint do_i2c 0, then restart";
const SPI: &str = "switch SPI on: on a Raspberry Pi raspi-config nonint do_spi 0, then restart";

/// Each GPIO chip with the lines that are used of it.
fn lines(config: &Config) -> Vec<Finding> {
    let mut chips: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut simulated = 0;
    for line in lines_of(config) {
        match &line.chip {
            // A line of a chip on a bus is its bus's matter.
            Chip::Gpio(_) if config.chip(line).is_some() => {}
            Chip::Gpio(name) => chips.entry(name).or_default().push(line.offset),
            Chip::Sim => simulated += 1,
        }
    }
    let mut findings: Vec<_> = chips.iter().map(|(name, lines)| chip(name, lines)).collect();
    if let Some(sim) = &config.sim {
        let place = match sim {
            Sim::Socket(path) => {
                format!("{simulated} lines of the simulated wiring {}", path.display())
            }
            Sim::Script(path) => format!("{simulated} lines of the script {}", path.display()),
        };
        let advice = "for a real box: name real lines, and remove [sim]";
        findings.push(Finding::advice("simulation", place, advice));
    }
    findings
}

fn chip(name: &str, lines: &[u32]) -> Finding {
    let of = format!("GPIO {name}");
    match gpiochip::examine(name, lines) {
        Ok(label) => {
            Finding::good(of, format!("{label}, {} lines, nobody else has one", lines.len()))
        }
        Err(error) => Finding::of_message(of, &error.to_string(), "see gpioinfo"),
    }
}

fn device(of: String, path: &Path, hint: &str) -> Finding {
    let shown = path.display();
    match File::options().read(true).write(true).open(path) {
        // A port or camera that the gateway has is there.
        Ok(_) => Finding::good(of, format!("{shown} is there")),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {
            Finding::good(of, format!("{shown} is there and in use"))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::advice(
            of,
            format!("{shown} is there, and this user may not open it"),
            "run this as root; whether the gateway may is in its status",
        ),
        Err(error) => Finding::wrong(of, format!("{shown}: {error}"), hint),
    }
}

/// Which there are of a kind; or what to do when there are none.
fn listed(dev: &Path, prefix: &str, kind: &str, none: &str) -> String {
    let entries = std::fs::read_dir(dev).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is = |name: &String| {
        let rest = name.strip_prefix(prefix);
        // tty, tty0 to tty63 are consoles: ports have letters behind.
        rest.is_some_and(|rest| {
            prefix != "tty" || rest.starts_with(|c: char| c.is_ascii_uppercase())
        })
    };
    let mut names: Vec<_> = names.filter(is).collect();
    names.sort();
    if names.is_empty() {
        return format!("there is no {kind}: {none}");
    }
    let paths: Vec<_> = names.iter().map(|name| dev.join(name).display().to_string()).collect();
    format!("there is {}: name the right one", paths.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_what_there_is() {
        let dev = tempfile::tempdir().unwrap();
        let path = |name: &str| dev.path().join(name);
        for name in ["ttyUSB0", "tty1", "null"] {
            std::fs::write(path(name), "").unwrap();
        }
        let advice = listed(dev.path(), "tty", "serial port", "plug it in");
        assert_eq!(advice, format!("there is {}: name the right one", path("ttyUSB0").display()));
        assert_eq!(listed(dev.path(), "i2c-", "I2C adapter", "x"), "there is no I2C adapter: x");
        let found = device("bus a".into(), &path("ttyUSB0"), "");
        assert_eq!(found.verdict, Verdict::Good);
        let found = device("bus a".into(), &path("ttyUSB1"), &advice);
        assert_eq!((found.verdict, found.advice), (Verdict::Wrong, Some(advice)));
    }
}
