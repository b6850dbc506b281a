//! What a sample of a supervised loop costs.
//!
//! ```text
//! cargo run --release -p gatehouse-drivers --features sim --example loop_cost
//! ```

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use gatehouse_drivers::eol::{Loop, LoopConfig, Preset};
use gatehouse_drivers::sim::{Converter, Hum, SimLoop};

const SAMPLES: u32 = 10_000_000;

#[expect(clippy::disallowed_methods, reason = "a stopwatch, not the product's clock")]
fn main() -> std::io::Result<()> {
    let converter = Converter { full_scale: 4_096, offset: 0.0, gain: 0.0 };
    let mut out = std::io::stdout();
    for (name, ohms) in [("at rest", 1_000.0), ("in alarm", 2_000.0)] {
        let hum = Hum { hz: 50.0, peak: 0.05, phase: 0.0 };
        let mut wire = SimLoop::new(1_000.0, ohms).hum(hum).noise(0.001, 1);
        // A second of samples, again and again: what is measured is the loop, not the simulation.
        let second = (0..1_000).map(|ms| converter.sample(wire.ratio(ms * 1_000_000)));
        let second = second.collect::<Vec<_>>();
        let mut supervised = Loop::new(LoopConfig::preset(Preset::GalaxyDouble1k));
        let start = Instant::now();
        let mut reports = 0_u32;
        for (i, sample) in (0..SAMPLES).zip(second.iter().cycle()) {
            let report = supervised.feed(black_box(*sample), u64::from(i) * 1_000_000);
            reports += u32::from(report.reading.is_some()) + u32::from(report.notice.is_some());
        }
        let each = start.elapsed() / (SAMPLES / 1_000);
        let ns = each.as_nanos() / 1_000;
        // 64 loops at 1000 samples a second, in parts of a core.
        let share = f64::from(u32::try_from(ns).unwrap_or(u32::MAX)) * 64_000.0 / 1e7;
        writeln!(
            out,
            "{name}: {ns} ns a sample ({reports} reports); 64 loops at 1000/s are {share:.2} % of a core; \
             {} bytes a loop",
            size_of::<Loop>()
        )?;
    }
    Ok(())
}
