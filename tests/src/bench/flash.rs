//! Bytes to flash for a lone event, as nearly all events of a real door are.

use gatehouse_tests::Gateway;
use gatehouse_tests::wait::monotonic_ns;

use crate::disk::device_written;
use crate::process::{account, pid};
use crate::rows::{Goal, Row, Rows, say};
use crate::sink::Sink;
use crate::stats::number;
use crate::wires::Wires;
use crate::{Size, bed, pace};

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    let count = size.pick(20, 300);
    say(&format!("flash: {count} events at 1/s, after as many seconds of none"));
    let broker = bed::broker().await?;
    let _sink = Sink::start(broker.address())?;
    let wires = Wires::start(4)?;
    let gateway = Gateway::start(bed::options(&wires, 4, broker.address())).await?;
    bed::settle(&gateway, &wires, 1).await?;
    let pid = pid(&gateway)?;
    let device = || device_written(&gateway.state()).unwrap_or(0.0);
    // What others write to the same disk, and what the daemon writes without events.
    let (own, all) = (account(pid)?.written, device());
    let idle_s = size.pick(6, 60);
    pace::until(monotonic_ns() + idle_s * 1_000_000_000);
    let idle = (account(pid)?.written - own) / number(idle_s);
    let others = (device() - all) / number(idle_s);

    let (own, all) = (account(pid)?.written, device());
    let start = monotonic_ns();
    for n in 0..count {
        pace::until(start + n * 1_000_000_000);
        wires.turn([usize::try_from(n % 4)?])?;
    }
    pace::until(start + count * 1_000_000_000);
    let own = (account(pid)?.written - own) / number(count);
    let all = (device() - all) / number(count) - others;
    let row = Row::new("bytes_per_event_at_1", own, "B").goal(Goal::AtMost(22_000.0));
    rows.push(row.reference(4096.0, "one 4 KiB block"));
    rows.push(
        Row::new("device_bytes_per_event_at_1", all, "B")
            .reference(others, "others' bytes per second"),
    );
    rows.push(Row::new("bytes_per_second_idle", idle, "B/s"));
    Ok(())
}
