//! The chip of the box: a gpio-sim bank, built and driven through configfs and sysfs, in the guest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::order::{Edge, Moment};
use crate::wait::monotonic_ns;

const CONFIG: &str = "/sys/kernel/config/gpio-sim/box";

/// A chip and the switches on its lines.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    /// The level each line was last driven to.
    high: Vec<bool>,
    /// The `pull` file of each line, open as long as the chip is plugged: an edge is one write.
    pulls: Vec<fs::File>,
    /// The chip's folder in sysfs while it is plugged.
    folder: Option<PathBuf>,
}

impl Wiring {
    /// Builds the bank and plugs it.
    pub(super) fn wire(&mut self, high: &[bool]) -> anyhow::Result<()> {
        let bank = format!("{CONFIG}/bank0");
        fs::create_dir_all(&bank).with_context(|| format!("create {bank}"))?;
        write(format!("{bank}/num_lines"), &high.len().to_string())?;
        write(format!("{bank}/label"), "doors")?;
        self.plug(high)
    }

    /// Plugs the chip; the levels are on its lines before anybody is told of it.
    pub(super) fn plug(&mut self, high: &[bool]) -> anyhow::Result<()> {
        write(format!("{CONFIG}/live"), "1")?;
        let device = read(format!("{CONFIG}/dev_name"))?;
        let chip = read(format!("{CONFIG}/bank0/chip_name"))?;
        let folder = PathBuf::from(format!("/sys/devices/platform/{device}/{chip}"));
        self.pulls = (0..high.len())
            .map(|line| {
                let path = folder.join(format!("sim_gpio{line}/pull"));
                fs::File::options()
                    .write(true)
                    .open(&path)
                    .with_context(|| format!("open {}", path.display()))
            })
            .collect::<anyhow::Result<_>>()?;
        self.folder = Some(folder);
        self.high = high.to_vec();
        for (line, &high) in (0..).zip(high) {
            self.drive(line, high)?;
        }
        Ok(())
    }

    /// Pulls it out.
    pub(super) fn unplug(&mut self) -> anyhow::Result<()> {
        self.pulls.clear();
        self.folder = None;
        write(format!("{CONFIG}/live"), "0")
    }

    /// Puts a level on a line.
    pub(super) fn drive(&mut self, line: u32, high: bool) -> anyhow::Result<()> {
        use std::os::unix::fs::FileExt as _;

        let index = usize::try_from(line).context("a line number")?;
        let pull = self.pulls.get(index).with_context(|| format!("the chip has no line {line}"))?;
        let word = if high { "pull-up" } else { "pull-down" };
        pull.write_all_at(word.as_bytes(), 0).with_context(|| format!("drive line {line}"))?;
        self.high[index] = high;
        Ok(())
    }

    /// Drives a pattern; each edge comes so long after the one before it, or later.
    ///
    /// Never sooner, also when this was late: a tick must be in between, or edges merge.
    pub(super) fn play(&mut self, edges: &[Edge]) -> anyhow::Result<Vec<Moment>> {
        let mut moments = Vec::with_capacity(edges.len());
        for edge in edges {
            super::agent::sleep_until(monotonic_ns() + edge.after_us * 1_000);
            let before_ns = monotonic_ns();
            self.drive(edge.line, edge.high)?;
            moments.push(Moment { before_ns, after_ns: monotonic_ns() });
        }
        Ok(moments)
    }

    /// The level each line was last driven to.
    pub(super) fn high(&self) -> &[bool] {
        &self.high
    }

    /// The level each line has in the kernel.
    pub(super) fn levels(&self) -> anyhow::Result<Vec<bool>> {
        let folder = self.folder.as_ref().context("the chip is not plugged")?;
        (0..self.high.len())
            .map(|line| Ok(read(folder.join(format!("sim_gpio{line}/value")))? == "1"))
            .collect()
    }
}

fn write(path: impl AsRef<Path>, text: &str) -> anyhow::Result<()> {
    let path = path.as_ref();
    fs::write(path, text).with_context(|| format!("write {text} to {}", path.display()))
}

fn read(path: impl AsRef<Path>) -> anyhow::Result<String> {
    let path = path.as_ref();
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(text.trim_end().to_owned())
}
