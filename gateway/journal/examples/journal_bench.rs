//! Speed, CPU and flash of the journal on this machine's disk.
//!
//! `cargo run --release -p gatehouse-journal --example journal_bench [DIR [PAGE-SIZE]]`
//!
//! Bytes are the kernel's count for this process (`write_bytes` of `/proc/self/io`), the final
//! checkpoint included; the file system's own journal comes on top. `lone` is one event per second
//! by the journal's clock, with the control room's receipt marked after each.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to say")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatehouse_core::event::{Class, Draft, Qualifier, Source, Transition};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{ClockState, Mono, Now, Time, UtcMs};
use gatehouse_journal::{ClockSource, Journal, Marks, Options};
use rustix::time::{ClockId, clock_gettime};

const BOOT: &str = "5e1c7f3a-0b0a-4b7e-9c53-0123456789ab";

fn main() {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    if first.as_deref() == Some("--fill") {
        fill(Path::new(&args.next().unwrap()), args.next().unwrap().parse().unwrap());
    }
    let base = first.map_or_else(std::env::temp_dir, PathBuf::from);
    let page_size: Option<u32> = args.next().map(|text| text.parse().unwrap());
    println!("case      events/s   us/event   cpu us/event   device bytes/event   payload");
    run(&base, page_size, "lone", 1, 3000);
    run(&base, page_size, "1", 1, 10_000);
    run(&base, page_size, "16", 16, 100_000);
    run(&base, page_size, "256", 256, 400_000);
    run(&base, page_size, "4096", 4096, 400_000);
    if page_size.is_none() {
        open_with_a_million_pending(&base);
    }
}

fn run(base: &Path, page_size: Option<u32>, name: &str, batch: usize, events: usize) {
    let dir = tempfile::tempdir_in(base).unwrap();
    let seconds = Arc::new(AtomicU64::new(100));
    let of_clock = Arc::clone(&seconds);
    let lone = name == "lone";
    let clock = ClockSource::new(move || now(of_clock.load(Ordering::Relaxed)));
    let mut options = Options::new(dir.path(), "g-7f3a".parse().unwrap(), BOOT.to_owned(), clock);
    options.page_size = page_size.unwrap_or(options.page_size);
    options.reserve_bytes = 0;
    let (journal, _) = Journal::open(options).unwrap();
    journal.append_and_wait(vec![draft(0, 100)]).unwrap();
    let (bytes, cpu, wall) = (written(), read(ClockId::ProcessCPUTime), read(ClockId::Monotonic));
    let mut payload = 0;
    let mut made = 0;
    while made < events {
        let at = if lone { seconds.fetch_add(1, Ordering::Relaxed) } else { 100 };
        let drafts: Vec<Draft> = (made..made + batch).map(|n| draft(n, at)).collect();
        made += batch;
        let stored = journal.append_and_wait(drafts).unwrap();
        payload += stored.iter().map(|record| record.payload.len()).sum::<usize>();
        if lone {
            journal.mark(Marks { host_upto: Some(stored[0].seq), acked: None }).unwrap();
        }
    }
    let (wall, cpu) = (since(ClockId::Monotonic, wall), since(ClockId::ProcessCPUTime, cpu));
    journal.close();
    let each = |total: Duration| total.as_secs_f64() * 1e6 / count(made);
    println!(
        "{name:<8} {:>9.0} {:>10.1} {:>14.2} {:>20.0} {:>9.0}",
        count(made) / wall.as_secs_f64(),
        each(wall),
        each(cpu),
        (written() - bytes) / count(made),
        count(payload) / count(made),
    );
}

/// A million pending events are left by a process that dies; this one opens them.
fn open_with_a_million_pending(base: &Path) {
    let dir = tempfile::tempdir_in(base).unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--fill".as_ref(), dir.path().as_os_str(), "1000000".as_ref()])
        .status()
        .unwrap();
    assert!(!status.success(), "the filling process dies on purpose");
    let before = rss();
    let start = read(ClockId::Monotonic);
    let clock = ClockSource::new(|| now(5000));
    let options = Options::new(dir.path(), "g-7f3a".parse().unwrap(), BOOT.to_owned(), clock);
    let (journal, opened) = Journal::open(options).unwrap();
    let open = since(ClockId::Monotonic, start);
    let start = read(ClockId::Monotonic);
    let backlog = journal.backlog().unwrap();
    let counted = since(ClockId::Monotonic, start);
    let start = read(ClockId::Monotonic);
    let found = journal.read(None, Seq::ZERO, 256, usize::MAX).unwrap();
    let first = since(ClockId::Monotonic, start);
    assert_eq!(
        (opened.head, backlog.normal.pending, found.len()),
        (Seq(1_000_000), 1_000_000, 256)
    );
    println!(
        "1,000,000 pending after a kill: open {open:.1?}, backlog {counted:.1?}, first 256 \
         {first:.1?}, RSS {} KiB (+{} KiB)",
        rss(),
        rss() - before
    );
    let start = read(ClockId::Monotonic);
    let mut after = Seq::ZERO;
    while let Some(last) = journal.read(None, after, 256, usize::MAX).unwrap().last() {
        after = last.seq;
    }
    let all = since(ClockId::Monotonic, start);
    println!("reading them: {:.2} us/event, RSS {} KiB", all.as_secs_f64(), rss());
    let start = read(ClockId::Monotonic);
    let found = journal.verify(Seq(1)).unwrap();
    let all = since(ClockId::Monotonic, start);
    assert_eq!(found.linked, 1_000_000);
    println!("verifying them: {:.2} us/event", all.as_secs_f64());
}

fn fill(dir: &Path, events: usize) -> ! {
    let clock = ClockSource::new(|| now(100));
    let mut options = Options::new(dir, "g-7f3a".parse().unwrap(), BOOT.to_owned(), clock);
    options.max_bytes = 4 << 30;
    let (journal, _) = Journal::open(options).unwrap();
    let mut made = 0;
    while made < events {
        let drafts = (made..events.min(made + 4096)).map(|n| draft(n, 100)).collect();
        made += journal.append_and_wait(drafts).unwrap().len();
    }
    std::process::abort()
}

fn draft(n: usize, seconds: u64) -> Draft {
    let now = now(seconds);
    let (kind, from, to) = if n.is_multiple_of(2) {
        ("door.opened", "closed", "open")
    } else {
        ("door.closed", "open", "closed")
    };
    Draft {
        class: Class::Door,
        kind: kind.into(),
        qualifier: Qualifier::New,
        severity: 4,
        partition: None,
        source: Source {
            kind: "door".into(),
            id: ["lobby-main", "lobby-side", "garage", "roof"][n / 2 % 4].parse().unwrap(),
            driver: Some("gpiochip0:17".into()),
        },
        time: Time {
            utc: now.utc,
            boot: BOOT.to_owned(),
            mono_ns: now.mono,
            err_ms: now.err_ms,
            clock: now.clock,
        },
        state: Some(Transition { from: from.into(), to: to.into() }),
        arming: None,
        actor: None,
        cause: None,
        opens: None,
        detail: None,
        closes: (!n.is_multiple_of(2)).then_some("door.opened"),
        test: false,
        flags: Vec::new(),
    }
}

fn now(seconds: u64) -> Now {
    Now {
        mono: Mono(seconds * 1_000_000_000 + 123_456_789),
        utc: UtcMs(1_790_766_000_000 + i64::try_from(seconds).unwrap() * 1000),
        err_ms: Some(12),
        clock: ClockState::Synced,
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn since(clock: ClockId, start: Duration) -> Duration {
    read(clock).saturating_sub(start)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn proc(file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

fn written() -> f64 {
    count(usize::try_from(proc("/proc/self/io", "write_bytes:") / 512).unwrap()) * 512.0
}

fn rss() -> u64 {
    proc("/proc/self/status", "VmRSS:")
}
