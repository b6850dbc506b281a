//! The readers on one RS-485 bus, as one thread.
//!
//! The thread owns the port. It lets the readers speak in turn, whoever has waited longest first;
//! what each is to be told, and what its reply means, is [`Peripheral`]'s. OSDP wants a reader
//! asked every 50 ms and answers within 200 ms, which a busy async executor cannot promise.
//!
//! # Limits
//!
//! - At most [`MAX_READERS`] readers. At 9600 bits per second a signed question and its answer take
//!   about 35 ms; eight readers are then each asked three times a second. A reader that is away costs the
//!   others 200 ms each time that it is looked for, at most every 250 ms, soon every 5 s.
//! - Reports go through a bounded channel. When it is full the thread waits, and readers are not
//!   asked: what they then tell is late and says so.
//! - What is to be shown at a reader has one place for each reader: the latest counts.
//! - A port that is gone is looked for after 250 ms, then ever less often up to [`RETRY_CAP`], for
//!   ever.

mod panel;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::credential::SiteKey;
use gatehouse_core::id::Id;
use gatehouse_core::time::Mono;
use gatehouse_drivers::osdp::{
    Deframer, Event, MAX_PACKET, Packet, Peripheral, RESPONSE, RETRY_CAP, Security,
};
use gatehouse_drivers::wiegand::Key;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};
use zeroize::Zeroize;

pub use self::panel::Panel;
use super::reader::{Desk, DownCause, FRESH, ReaderNews, ReaderReport, Unreadable, When};
use crate::io::LineClock;
use crate::io::serial::{self, Serial, SerialConfig};

/// More would each be asked too seldom at the slow speeds.
pub const MAX_READERS: usize = 8;

/// The thread looks at its orders this often, even if no reader is due.
const LOOK: Duration = Duration::from_millis(50);

/// The first wait before the port is opened again. Doubles.
const PORT_RETRY: Duration = Duration::from_millis(250);

/// Bytes before a packet that wake a transceiver up, and are no part of it.
const MARK: [u8; 1] = [0xff];

/// Between a reply and the next command the bus is quiet for two bytes (standard), and for a
/// millisecond at least, that transceivers turn round.
const QUIET: Duration = Duration::from_millis(1);

/// A bus that is never quiet is spoken over after this.
const NOISE_LIMIT: Duration = Duration::from_millis(20);

/// A bus and its readers.
#[derive(Clone, Debug)]
pub struct Rs485Bus {
    /// The port.
    pub port: SerialConfig,
    /// The readers, each address once.
    pub readers: Vec<BusReader>,
    /// What cards are hashed with.
    pub key: Arc<SiteKey>,
}

/// A reader of a bus.
#[derive(Clone, Debug)]
pub struct BusReader {
    /// Its name.
    pub id: Id,
    /// Its address, 0 to 126.
    pub address: u8,
    /// How to speak to it.
    pub security: Security,
    /// Readers with the same place share PINs.
    pub pin_place: Id,
}

/// What the unit tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusReport {
    /// Of a reader.
    Reader(ReaderReport),
    /// The port cannot be used; so none of its readers can.
    Fault {
        /// Why, and what to do, for a person.
        cause: String,
        /// Since when.
        at: Mono,
    },
    /// The port can be used again.
    Restored {
        /// Since when.
        at: Mono,
    },
}

/// Why the unit ended. It does not end for a port or reader that is not there.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// None or too many readers, or two at one address: our mistake, the configuration is checked
    /// before.
    #[error("{port}: a bus has 1 to {MAX_READERS} readers at different addresses of 0 to 126")]
    Readers {
        /// The port.
        port: String,
    },
    /// The system has no thread for it.
    #[error("{port}: no thread: {source}")]
    Thread {
        /// The port.
        port: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// Nobody listens any more, the kernel gives no randomness, or a mistake of ours.
    #[error("{port}: the bus's thread ended: {why}")]
    Ended {
        /// The port.
        port: String,
        /// How.
        why: &'static str,
    },
}

/// Ends the thread when the unit's future is dropped.
struct Life<'p>(&'p Panel);

impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.0.next_life();
    }
}

/// Serves the bus for ever.
///
/// # Errors
///
/// The configuration cannot be carried out, or the thread ended.
pub async fn run<C: LineClock + 'static>(
    config: Rs485Bus,
    clock: C,
    panel: Panel,
    out: mpsc::Sender<BusReport>,
) -> Result<Infallible, BusError> {
    let port = serial::name(&config.port.path);
    let mut seen = std::collections::HashSet::new();
    let different =
        config.readers.iter().all(|reader| reader.address < 127 && seen.insert(reader.address));
    if !different || !(1..=MAX_READERS).contains(&config.readers.len()) {
        return Err(BusError::Readers { port });
    }
    let (tell, ended) = oneshot::channel();
    let life = panel.next_life();
    let _end = Life(&panel);
    let mut bus = Bus::new(config, clock, panel.clone(), life, out);
    std::thread::Builder::new()
        .name(format!("rs485_bus({port})"))
        .spawn(move || {
            let why = bus.serve();
            // If nobody waits any more, the unit was ended.
            let _ = tell.send(why);
        })
        .map_err(|source| BusError::Thread { port: port.clone(), source })?;
    let why = ended.await.unwrap_or("it panicked");
    Err(BusError::Ended { port, why })
}

struct Bus<C> {
    config: Rs485Bus,
    clock: C,
    panel: Panel,
    life: u64,
    out: mpsc::Sender<BusReport>,
    seats: Vec<Seat>,
    port: Option<Serial>,
    /// Why there is no port, as told.
    fault: Option<String>,
    retry: Duration,
    deframer: Deframer,
}

/// A reader's place on the bus.
struct Seat {
    id: Id,
    peripheral: Peripheral,
    desk: Desk,
}

/// What ends an exchange before its time.
enum Broken {
    Port(io::Error),
    Ended(&'static str),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Port(error)
    }
}

impl<C: LineClock> Bus<C> {
    fn new(
        config: Rs485Bus,
        clock: C,
        panel: Panel,
        life: u64,
        out: mpsc::Sender<BusReport>,
    ) -> Self {
        let seat = |reader: &BusReader| Seat {
            id: reader.id.clone(),
            peripheral: Peripheral::new(reader.address, reader.security.clone()),
            desk: Desk::new(Arc::clone(&config.key), reader.pin_place.clone()),
        };
        let seats = config.readers.iter().map(seat).collect();
        let deframer = Deframer::new();
        Self {
            config,
            clock,
            panel,
            life,
            out,
            seats,
            port: None,
            fault: None,
            retry: PORT_RETRY,
            deframer,
        }
    }

    /// Until the unit ends, or cannot go on.
    fn serve(&mut self) -> &'static str {
        let mut wait = Duration::ZERO;
        loop {
            let Some(orders) = self.panel.wait(self.life, wait) else { return "it was ended" };
            for (index, indication) in orders {
                self.seats[index].peripheral.indicate(indication);
            }
            match self.turn() {
                Ok(next) => wait = next,
                Err(Broken::Port(error)) => match self.lost_port(&error.to_string()) {
                    Ok(next) => wait = next,
                    Err(why) => return why,
                },
                Err(Broken::Ended(why)) => return why,
            }
        }
    }

    /// Serves whoever is due, and says how long nobody is.
    fn turn(&mut self) -> Result<Duration, Broken> {
        if self.port.is_none() {
            match Serial::open(&self.config.port) {
                Ok(port) => self.found_port(port)?,
                Err(error) => return self.lost_port(&error.to_string()).map_err(Broken::Ended),
            }
        }
        let now_ns = self.clock.monotonic_ns();
        for index in 0..self.seats.len() {
            if let Some(news) = self.seats[index].desk.expire(now_ns) {
                self.tell(index, now_ns, news)?;
            }
        }
        let due = |seat: &(usize, &Seat)| seat.1.peripheral.due();
        let Some((index, seat)) = self.seats.iter().enumerate().min_by_key(due) else {
            return Ok(LOOK);
        };
        let due_ns = seat.peripheral.due();
        if due_ns > now_ns {
            return Ok(Duration::from_nanos(due_ns - now_ns).min(LOOK));
        }
        self.exchange(index)?;
        Ok(Duration::ZERO)
    }

    /// One command and its reply.
    fn exchange(&mut self, index: usize) -> Result<(), Broken> {
        self.quiet()?;
        let mut challenge = [0; 8];
        random(&mut challenge)?;
        let Self { port: Some(port), seats, .. } = self else { return Ok(()) };
        let Some(packet) = seats[index].peripheral.request(self.clock.monotonic_ns(), || challenge)
        else {
            return Ok(());
        };
        let sent = MARK.len() + packet.bytes().len();
        port.send(&MARK)?;
        port.send(packet.bytes())?;
        let mut wait = RESPONSE + port.time_of(sent);
        // A long reply may still be under way when the time for its first byte is over.
        let limit_ns = self.clock.monotonic_ns()
            + u64::try_from((wait + port.time_of(MAX_PACKET)).as_nanos()).unwrap_or(u64::MAX / 2);
        let mut buffer = [0; 64];
        let event = loop {
            let count = match &mut self.port {
                Some(port) => port.receive(&mut buffer, wait)?,
                None => 0,
            };
            let now_ns = self.clock.monotonic_ns();
            let reply = buffer[..count].iter().find_map(|byte| {
                let packet: Packet = self.deframer.push(*byte)?;
                self.seats[index].peripheral.reply(&packet, now_ns).ok()
            });
            if let Some(event) = reply {
                break event;
            }
            if count == 0 || now_ns >= limit_ns {
                let noise = self.deframer.clear();
                break self.seats[index].peripheral.timeout(now_ns, noise);
            }
            wait = RESPONSE;
        };
        buffer.zeroize();
        self.deframer.clear();
        match event {
            Some(event) => self.hear(index, event),
            None => Ok(()),
        }
    }

    /// Waits until nobody speaks, and drops what was said to nobody.
    fn quiet(&mut self) -> Result<(), Broken> {
        let Some(port) = &mut self.port else { return Ok(()) };
        let pause = QUIET.max(port.time_of(2));
        let started_ns = self.clock.monotonic_ns();
        let mut buffer = [0; 64];
        while port.receive(&mut buffer, pause)? > 0 {
            let waited = Duration::from_nanos(self.clock.monotonic_ns() - started_ns);
            if waited > NOISE_LIMIT {
                break;
            }
        }
        buffer.zeroize();
        self.deframer.clear();
        Ok(())
    }

    fn hear(&mut self, index: usize, event: Event) -> Result<(), Broken> {
        let now_ns = self.clock.monotonic_ns();
        let reader = self.seats[index].id.clone();
        let news = match event {
            Event::Up { identity, secure } => {
                info!(%reader, secure, "the reader is there");
                ReaderNews::Up { secure, identity: Some(identity) }
            }
            Event::Down(why) => {
                warn!(%reader, %why, "the reader cannot be used");
                self.seats[index].desk.forget();
                ReaderNews::Down(DownCause::Osdp(why))
            }
            Event::SecureLost(why) => {
                warn!(%reader, %why, "the secure channel to the reader is lost");
                self.seats[index].desk.forget();
                ReaderNews::SecureLost(why)
            }
            Event::KeyInstalled => {
                info!(%reader, "the reader took its key");
                ReaderNews::KeyInstalled
            }
            Event::Card { reading, wiegand, shown } => {
                let when = self.when(shown);
                let desk = &mut self.seats[index].desk;
                desk.card(reading.bits(), reading.data(), wiegand, when)
            }
            Event::Keys { reading, shown } => {
                let when = self.when(shown);
                for code in reading.data() {
                    let desk = &mut self.seats[index].desk;
                    let news = match Key::from_ascii(*code) {
                        Some(key) => desk.key(key, when),
                        None => [Some(desk.unreadable(Unreadable::Key)), None],
                    };
                    for news in news.into_iter().flatten() {
                        self.tell(index, now_ns, news)?;
                    }
                }
                return Ok(());
            }
            Event::Status(status) => {
                self.tell(index, now_ns, ReaderNews::Tamper { active: status.tamper })?;
                ReaderNews::Power { lost: status.power_lost }
            }
            Event::Refused { command, code } => {
                warn!(%reader, command, code, "the reader refuses a command");
                ReaderNews::Refused { command, code }
            }
            Event::Unknown { reply } => self.seats[index].desk.unreadable(Unreadable::Reply(reply)),
        };
        self.tell(index, now_ns, news)
    }

    fn when(&self, shown: gatehouse_drivers::osdp::Shown) -> When {
        let not_before = shown.after_ns.map(|after_ns| self.clock.boot(after_ns));
        When { at_ns: shown.until_ns, fresh: shown.within(FRESH), not_before }
    }

    fn tell(&self, index: usize, at_ns: u64, news: ReaderNews) -> Result<(), Broken> {
        let (reader, at) = (self.seats[index].id.clone(), self.clock.boot(at_ns));
        self.report(BusReport::Reader(ReaderReport { reader, at, news })).map_err(Broken::Ended)
    }

    fn report(&self, report: BusReport) -> Result<(), &'static str> {
        self.out.blocking_send(report).map_err(|_| "nobody takes its reports")
    }

    fn found_port(&mut self, port: Serial) -> Result<(), Broken> {
        self.port = Some(port);
        self.retry = PORT_RETRY;
        if self.fault.take().is_some() {
            info!(port = %self.config.port.path.display(), "the port is back");
            let at = self.clock.boot(self.clock.monotonic_ns());
            self.report(BusReport::Restored { at }).map_err(Broken::Ended)?;
        }
        Ok(())
    }

    /// Tells it if it is news, and says when to look for the port again.
    fn lost_port(&mut self, cause: &str) -> Result<Duration, &'static str> {
        self.port = None;
        let now_ns = self.clock.monotonic_ns();
        if self.fault.as_deref() != Some(cause) {
            warn!(port = %self.config.port.path.display(), cause, "the port cannot be used");
            if self.fault.replace(cause.to_owned()).is_none() {
                let at = self.clock.boot(now_ns);
                self.report(BusReport::Fault { cause: cause.to_owned(), at })?;
            }
        }
        for index in 0..self.seats.len() {
            if let Some(event) = self.seats[index].peripheral.bus_down(now_ns)
                && let Err(Broken::Ended(why)) = self.hear(index, event)
            {
                return Err(why);
            }
        }
        let wait = self.retry;
        self.retry = (self.retry * 2).min(RETRY_CAP);
        Ok(wait)
    }
}

/// Session keys are made of this: only the kernel's own randomness will do.
fn random(bytes: &mut [u8; 8]) -> Result<(), Broken> {
    match rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty()) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) | Err(_) => Err(Broken::Ended("the kernel gives no randomness")),
    }
}
