//! The same on the simulated kernel: real GPIO lines, whose edges the kernel stamps.

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::Size;
use crate::rows::{Row, Rows, say};

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    let Some(program) = std::env::var_os("GATEHOUSE_KERNEL_RUN") else {
        say("kernel: no simulated kernel is built; `tests/kernel/build` makes one");
        return Ok(());
    };
    for (rate, edges) in [(10, size.pick(60, 400)), (100, size.pick(600, 4000))] {
        say(&format!("kernel: {edges} edges at {rate}/s"));
        let mut command = tokio::process::Command::new(&program);
        command.args(["latency", "--rate", &rate.to_string(), "--edges", &edges.to_string()]);
        let output = command.kill_on_drop(true).output().await?;
        ensure!(
            output.status.success(),
            "tests/kernel/run latency ended with {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout)?;
        let line = text.lines().last().context("tests/kernel/run latency said nothing")?;
        let result: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        for percentile in ["p50", "p99"] {
            let value = result["edge_to_publish_ms"][percentile].as_f64();
            let value = value.with_context(|| format!("no {percentile} in {line}"))? * 1e3;
            rows.push(Row::new(
                format!("kernel_edge_to_publish_{percentile}_at_{rate}"),
                value,
                "us",
            ));
        }
    }
    Ok(())
}
