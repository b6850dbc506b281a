//! The box's side: takes orders on the console and moves switches, programs and clocks.
//!
//! Runs as the first process of the guest, after `init.sh`. It is not part of the product and does
//! not touch it: it only does what people, installers and systemd do to a box.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::order::{Answer, Edge, Noise, Order, PLAYED, read_edges, write_line};
use super::wiring::Wiring;
use crate::wait::{boottime, monotonic_ns};

/// How often a program's end or readiness is looked for.
const STEP_NS: u64 = 2_000_000;

struct Program {
    child: Child,
    /// Where it speaks to its service manager.
    notices: UnixDatagram,
}

struct Agent {
    folder: PathBuf,
    wiring: Arc<Mutex<Wiring>>,
    programs: BTreeMap<String, Program>,
    noise: Option<(Arc<AtomicBool>, JoinHandle<anyhow::Result<u64>>)>,
}

/// Serves orders from standard input until [`Order::Off`]. Standard input and output are a console.
pub fn serve() -> anyhow::Result<()> {
    // A console echoes and edits lines; this one carries a protocol.
    let mut mode = rustix::termios::tcgetattr(std::io::stdin()).context("is this a console?")?;
    mode.make_raw();
    let now = rustix::termios::OptionalActions::Now;
    rustix::termios::tcsetattr(std::io::stdin(), now, &mode).context("set the console raw")?;

    let folder = std::env::var_os("BOX_DIR").context("BOX_DIR is not set: is this the guest?")?;
    let mut agent = Agent {
        folder: folder.into(),
        wiring: Arc::default(),
        programs: BTreeMap::new(),
        noise: None,
    };
    let mut out = std::io::stdout();
    write_line(&mut out, &Answer::Ready)?;
    for line in std::io::stdin().lock().lines() {
        let line = line.context("read an order")?;
        let answer = serde_json::from_str(&line)
            .with_context(|| format!("not an order: {line:?}"))
            .and_then(|order| agent.obey(order))
            .unwrap_or_else(|error| Answer::Failed { reason: format!("{error:#}") });
        write_line(&mut out, &answer)?;
    }
    bail!("the console is closed")
}

impl Agent {
    fn obey(&mut self, order: Order) -> anyhow::Result<Answer> {
        match order {
            Order::Wire { high } => self.wiring().wire(&high).map(|()| Answer::Done),
            Order::Unplug => self.wiring().unplug().map(|()| Answer::Done),
            Order::Plug { high } => self.wiring().plug(&high).map(|()| Answer::Done),
            Order::Play { file } => {
                let edges = read_edges(&self.folder.join(&file))?;
                let mut wiring = self.wiring();
                let moments = wiring.play(&edges)?;
                let path = self.folder.join(format!("{file}{PLAYED}"));
                std::fs::write(&path, serde_json::to_vec(&moments)?)
                    .with_context(|| format!("write {}", path.display()))?;
                Ok(Answer::Driven { edges: edges.len() as u64, high: wiring.high().to_vec() })
            }
            Order::Noise(noise) => self.begin(noise).map(|()| Answer::Done),
            Order::Quiet => {
                let (stop, thread) = self.noise.take().context("there is no noise")?;
                stop.store(true, Ordering::Relaxed);
                let edges = thread.join().ok().context("the noise panicked")??;
                Ok(Answer::Driven { edges, high: self.wiring().high().to_vec() })
            }
            Order::Start { name, argv, ready_ms } => {
                let limit = ready_ms.map(Duration::from_millis);
                self.start(&name, &argv, limit).map(|()| Answer::Done)
            }
            Order::Signal { name, signal } => {
                let program = self.programs.get(&name).with_context(|| format!("no {name}"))?;
                let pid = i32::try_from(program.child.id()).ok().and_then(Pid::from_raw);
                let signal = Signal::from_named_raw(signal).context("not a signal")?;
                kill_process(pid.context("a process id")?, signal)?;
                Ok(Answer::Done)
            }
            Order::Wait { name, limit_ms } => {
                let code = self.wait(&name, Duration::from_millis(limit_ms))?;
                Ok(Answer::Ended { code })
            }
            Order::Ended { name, limit_ms } => {
                match self.wait(&name, Duration::from_millis(limit_ms))? {
                    Some(0) => Ok(Answer::Done),
                    code => bail!("{name} ended with {code:?}"),
                }
            }
            Order::SetClock { real_ms } => set_clock(real_ms).map(|()| Answer::Done),
            Order::Until { real_ms } => {
                let left = real_ms - wall_ms();
                if left < -1_000 {
                    bail!("it is {} ms too late for {real_ms}", -left);
                }
                let left = u64::try_from(left).unwrap_or(0);
                sleep_until(monotonic_ns() + left * 1_000_000);
                Ok(Answer::Done)
            }
            Order::Row { orders } => {
                for order in orders {
                    let what = format!("{order:?}");
                    self.obey(order).context(what)?;
                }
                Ok(Answer::Done)
            }
            Order::Levels => Ok(Answer::Levels { high: self.wiring().levels()? }),
            Order::Clock => {
                let real = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
                let real_ns = real.tv_sec * 1_000_000_000 + real.tv_nsec;
                Ok(Answer::Clock { boot_ns: boottime().0, real_ns })
            }
            Order::Off => {
                // Nobody may have the flash open.
                let status = Command::new("/dev/umount").arg("/run/flash").status()?;
                if !status.success() {
                    bail!("cannot unmount the flash: does a program still run?");
                }
                std::fs::write("/proc/sysrq-trigger", "o").context("power off")?;
                Ok(Answer::Done)
            }
        }
    }

    fn start(
        &mut self,
        name: &str,
        argv: &[String],
        ready: Option<Duration>,
    ) -> anyhow::Result<()> {
        if let Some(program) = self.programs.get_mut(name)
            && program.child.try_wait()?.is_none()
        {
            bail!("{name} still runs");
        }
        let (program, arguments) = argv.split_first().context("an empty command")?;
        let open = |ending| -> anyhow::Result<File> {
            let path = self.folder.join(format!("{name}.{ending}"));
            let file = File::options().create(true).append(true).open(&path);
            file.with_context(|| format!("open {}", path.display()))
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(open("out")?).stderr(open("err")?);
        // Always there, as under systemd, whether or not somebody waits for it.
        let address = format!("/run/notify-{name}");
        let _ = std::fs::remove_file(&address);
        let notices = UnixDatagram::bind(&address).with_context(|| format!("bind {address}"))?;
        notices.set_nonblocking(true)?;
        let child = command.env("NOTIFY_SOCKET", &address).spawn();
        let child = child.with_context(|| format!("start {program}"))?;
        self.programs.insert(name.to_owned(), Program { child, notices });
        let Some(limit) = ready else { return Ok(()) };
        self.poll(name, "to be ready", limit, |program| {
            let mut buffer = [0; 4096];
            while let Ok(length) = program.notices.recv(&mut buffer) {
                if buffer[..length].split(|&byte| byte == b'\n').any(|line| line == b"READY=1") {
                    return Ok(Some(()));
                }
            }
            match program.child.try_wait()? {
                None => Ok(None),
                Some(status) => bail!("it ended with {status}"),
            }
        })
    }

    fn wait(&mut self, name: &str, limit: Duration) -> anyhow::Result<Option<i32>> {
        self.poll(name, "to end", limit, |program| {
            Ok(program.child.try_wait()?.map(|status| status.code()))
        })
    }

    fn poll<R>(
        &mut self,
        name: &str,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&mut Program) -> anyhow::Result<Option<R>>,
    ) -> anyhow::Result<R> {
        let program = self.programs.get_mut(name).with_context(|| format!("no {name}"))?;
        let end = boottime().plus(limit);
        loop {
            if let Some(found) = look(program).with_context(|| format!("wait for {name} {what}"))? {
                return Ok(found);
            }
            if boottime() >= end {
                bail!("waited {limit:?} for {name} {what}");
            }
            sleep_until(monotonic_ns() + STEP_NS);
        }
    }

    fn begin(&mut self, noise: Noise) -> anyhow::Result<()> {
        if self.noise.is_some() {
            bail!("there is noise already");
        }
        let path = self.folder.join(&noise.file);
        let record = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let wiring = Arc::clone(&self.wiring);
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || make_noise(&noise, &wiring, record, &stop)
        });
        self.noise = Some((stop, thread));
        Ok(())
    }

    fn wiring(&self) -> std::sync::MutexGuard<'_, Wiring> {
        self.wiring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wall clock, in milliseconds since 1970.
fn wall_ms() -> i64 {
    let real = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    real.tv_sec * 1_000 + real.tv_nsec / 1_000_000
}

/// Sets the wall clock, and leaves the mark by which a time daemon says that it did.
fn set_clock(real_ms: i64) -> anyhow::Result<()> {
    let time = rustix::time::Timespec {
        tv_sec: real_ms.div_euclid(1_000),
        tv_nsec: real_ms.rem_euclid(1_000) * 1_000_000,
    };
    let real = rustix::time::ClockId::Realtime;
    rustix::time::clock_settime(real, time).context("set the wall clock")?;
    let folder = "/run/systemd/timesync";
    std::fs::create_dir_all(folder)?;
    File::create(format!("{folder}/synchronized")).context("leave the time daemon's mark")?;
    Ok(())
}

fn make_noise(
    noise: &Noise,
    wiring: &Mutex<Wiring>,
    mut record: File,
    stop: &AtomicBool,
) -> anyhow::Result<u64> {
    let mut random = Random(noise.seed);
    let mean_us = 1_000_000 / u64::from(noise.per_s.max(1));
    let mut due = monotonic_ns();
    let mut edges = 0;
    while !stop.load(Ordering::Relaxed) {
        // Between nothing and twice the mean: bursts and pauses.
        let after_us = random.below(2 * mean_us + 1);
        due += after_us * 1_000;
        sleep_until(due);
        let line = u32::try_from(random.below(u64::from(noise.lines))).expect("below a u32");
        let mut wiring = wiring.lock().unwrap_or_else(PoisonError::into_inner);
        let high = !wiring.high()[usize::try_from(line).expect("32 bits fit")];
        wiring.drive(line, high)?;
        drop(wiring);
        edges += 1;
        let mut text = serde_json::to_vec(&Edge { line, high, after_us })?;
        text.push(b'\n');
        record.write_all(&text).context("write the record of the noise")?;
    }
    Ok(edges)
}

/// xorshift64*: the same numbers from the same seed, on every machine and for ever.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        // Zero is the one state that it never leaves.
        self.0 = if self.0 == 0 { 0x9e37_79b9_7f4a_7c15 } else { self.0 };
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit.max(1)
    }
}

/// Sleeps until the monotonic clock reads `due`; at once when it already does.
pub(super) fn sleep_until(due: u64) {
    let left = due.saturating_sub(monotonic_ns());
    if left > 0 {
        #[expect(
            clippy::disallowed_methods,
            reason = "the agent plays people, who take their time"
        )]
        std::thread::sleep(Duration::from_nanos(left));
    }
}
