//! What 64 idle zones on four expanders cost: polled, and with the interrupt line wired.
//!
//! The chips are simulated in the daemon at the level of their registers, and its own time is counted
//! with them. What is not in it is the kernel's I2C driver: on a real bus each reading is two
//! system calls and as many interrupts of the adapter as its FIFO needs, during which the thread
//! sleeps. How long the bus itself is busy is arithmetic, and a row of its own.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Gateway, GatewayOptions, World};

use crate::rows::{Goal, Row, Rows, say};
use crate::stats::number;
use crate::{Size, bed, process};

/// Percent of one core.
const SHARE: Goal = Goal::AtMost(1.0);

/// A reading of an MCP23017 by its driver: address and register, address again and ten registers,
/// each with its acknowledgement, and start, repeated start and stop as long as a bit each.
const BITS_A_READING: f64 = (2.0 + 1.0 + 10.0) * 9.0 + 3.0;

/// Readings a second of each of four chips, polled as if nothing were configured.
const READINGS: f64 = 4.0 * 40.0;

#[derive(Clone, Copy)]
enum Chips {
    None,
    Polled,
    Interrupted,
}

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    let window = Duration::from_secs(size.pick(20, 60));
    say(&format!("chips: {} s each of no chips, polled, interrupted", window.as_secs()));
    let none = share(Chips::None, window).await?;
    let what = "the same daemon without chips";
    for (name, chips) in [
        ("cpu_64_idle_zones_polled", Chips::Polled),
        ("cpu_64_idle_zones_interrupt", Chips::Interrupted),
    ] {
        let row = Row::new(name, share(chips, window).await?, "% core").goal(SHARE);
        rows.push(row.reference(none, what));
    }
    let busy = BITS_A_READING * READINGS / 400_000.0 * 100.0;
    rows.push(Row::new("bus_busy_64_zones_polled_400_khz", busy, "% (calc)"));
    Ok(())
}

/// Percent of one core that an idle daemon takes.
async fn share(chips: Chips, window: Duration) -> anyhow::Result<f64> {
    let broker = bed::broker().await?;
    let world = World::start([])?;
    let mut options = GatewayOptions::new(&world).doors(0).broker(broker.address());
    options.extra = tables(chips);
    let gateway = Gateway::start(options).await?;
    let pid = process::pid(&gateway)?;
    until("every zone to be known", SOON, async || {
        let status = gateway.command(&["status", "--json", "--config"], true).await;
        let Ok(status) = status else { return Ok(None) };
        let zones = status.matches("\"normal\"").count();
        let wanted = if matches!(chips, Chips::None) { 0 } else { 64 };
        Ok((zones >= wanted && !status.contains("\"unknown\"")).then_some(()))
    })
    .await?;
    // What the start and the questions of this bench have left to do is done by then.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = on_cpu_ns(pid)?;
    tokio::time::sleep(window).await;
    let used = on_cpu_ns(pid)? - before;
    Ok(number(used) / number(u64::try_from(window.as_nanos())?) * 100.0)
}

fn tables(chips: Chips) -> String {
    let mut text = String::new();
    if matches!(chips, Chips::None) {
        return text;
    }
    text.push_str("[[bus]]\nid = \"i2c-1\"\ndevice = \"sim\"\n");
    let interrupt = match chips {
        Chips::Interrupted => "interrupt = \"sim:40\"\n",
        Chips::None | Chips::Polled => "",
    };
    for chip in 0..4 {
        let address = 0x20 + chip;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[[chip]]\nid = \"e{chip}\"\nbus = \"i2c-1\"\nkind = \"mcp23017\"\n\
             address = {address}\n{interrupt}"
        );
        for line in 0..16 {
            let _ = write!(
                text,
                "[[zone]]\nid = \"z{chip}-{line}\"\nkind = \"24h\"\ninput = \"e{chip}:{line}\"\n"
            );
        }
    }
    text
}

/// The time that all threads of a process have been on a core. The clock ticks of `stat` are 10 ms:
/// too coarse for a thousandth of a core.
fn on_cpu_ns(pid: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let ns = text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
        sum += ns.with_context(|| format!("no time in {}", path.display()))?;
    }
    Ok(sum)
}
