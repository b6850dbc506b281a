//! The readers of the configuration: their units, and the way of what they tell to the rules.
//!
//! A reader's unit tells hashes ([`super::reader`]); here they become inputs. At a reader that asks for
//! a PIN a card waits for its PIN, and comes to the rules with it, or without once nobody typed one.
//!
//! # Limits
//!
//! - One card waits at each reader. Rule: the next one replaces it, and it is told as one without PIN.
//! - What was read and is no card is told at once, and then at most once in [`UNREADABLE_EVERY`] for
//!   each reader, with the count: a bad cable makes no flood.
//! - Without the site's key, or that of its bus, a unit does not start: its readers are lost, with the
//!   reason, until the file is good.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use embedded_hal::digital::PinState;
use gatehouse_config::{Bias, CardReader, Config, Direction, PasswordSource, ReaderWires};
use gatehouse_core::credential::{CredentialHash, SiteKey};
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Card, Input, ReaderPart, Report};
use gatehouse_core::time::Mono;
use gatehouse_drivers::osdp::{Key, Security};
use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::REPORTS;
use super::gpio_lines::LineSource;
use super::plan::source;
use super::reader::{
    CARD_THEN_PIN, Credential, Down, DownCause, Indication, ReaderNews, ReaderReport,
};
use super::rs485_bus::{self, BusReader, BusReport, Panel, Rs485Bus};
use super::wiegand::{self, WiegandReader};
use crate::hands::Hands;
use crate::io::serial::{self, SerialConfig};
use crate::io::{KernelClock, LineClock};
use crate::rules::Inputs;
use crate::supervise::{Outcome, Supervisor};

/// How often something that is no card is told of one reader.
const UNREADABLE_EVERY: Duration = Duration::from_secs(60);

/// The longest reason in an event, in characters.
const LONGEST_CAUSE: usize = 200;

/// Readers at which the next unknown card is wanted: there a card does not wait for its PIN. A clone is
/// the same set.
#[derive(Clone, Debug, Default)]
pub struct Enrolling(Arc<Mutex<BTreeMap<Id, usize>>>);

/// While it is held, the next card at its reader is wanted.
#[derive(Debug)]
pub struct Wanted {
    enrolling: Enrolling,
    reader: Id,
}

impl Enrolling {
    /// The next card at this reader is wanted, as long as the answer is held.
    pub fn want(&self, reader: Id) -> Wanted {
        // Counted: who is told that another waits already takes nothing from that one.
        self.set(|all| *all.entry(reader.clone()).or_default() += 1);
        Wanted { enrolling: self.clone(), reader }
    }

    fn is_wanted(&self, reader: &Id) -> bool {
        self.set(|all| all.contains_key(reader))
    }

    fn set<T>(&self, act: impl FnOnce(&mut BTreeMap<Id, usize>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.enrolling.set(|all| {
            let others = all.get(&self.reader).copied().unwrap_or_default().saturating_sub(1);
            match others {
                0 => all.remove(&self.reader),
                others => all.insert(self.reader.clone(), others),
            }
        });
    }
}

/// The file of the site's key.
pub fn site_key_file(config: &Config) -> PathBuf {
    config.state_dir.join("site.key")
}

/// What a unit of readers is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// One reader on two lines.
    Lines(OnLines),
    /// The readers of a bus.
    Bus(OnBus),
}

/// What is known of every reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    id: Id,
    /// Where its PINs are typed.
    pin_place: Id,
    /// It asks for a PIN.
    pin: bool,
}

/// A reader on two lines, before the site's key is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnLines {
    reader: Planned,
    chip: LineSource,
    d0: u32,
    d1: u32,
    bias: Bias,
    inverted: bool,
    site_key: PathBuf,
}

/// A bus, before its keys are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnBus {
    id: Id,
    port: SerialConfig,
    /// Each with its address, and whether it is secure.
    readers: Vec<(Planned, u8, bool)>,
    site_key: PathBuf,
    bus_key: Option<PathBuf>,
    install: bool,
}

/// The units that a configuration needs: one for each bus with readers, one for each Wiegand reader.
pub(super) fn plan(config: &Config) -> impl Iterator<Item = (String, Plan)> {
    let planned = |reader: &CardReader| Planned {
        id: reader.rules.id.clone(),
        pin_place: reader.pin_place.clone(),
        pin: reader.rules.pin,
    };
    let lines = config.readers.iter().filter_map(move |reader| {
        let ReaderWires::Wiegand { d0, d1, bias, inverted } = &reader.wires else { return None };
        let plan = OnLines {
            reader: planned(reader),
            chip: source(&d0.chip, config.sim.as_ref())?,
            d0: d0.offset,
            d1: d1.offset,
            bias: *bias,
            inverted: *inverted,
            site_key: site_key_file(config),
        };
        Some((format!("wiegand({})", reader.rules.id), Plan::Lines(plan)))
    });
    let buses = config.rs485.iter().enumerate().filter_map(move |(place, bus)| {
        let on_it = config.readers.iter().filter_map(|reader| match reader.wires {
            ReaderWires::Bus { bus, address, secure } if bus == place => {
                Some((planned(reader), address, secure))
            }
            _ => None,
        });
        let readers: Vec<_> = on_it.collect();
        let direction = match bus.direction {
            Direction::Adapter => serial::Direction::Adapter,
            Direction::Rts => serial::Direction::Rts,
        };
        let plan = OnBus {
            id: bus.id.clone(),
            port: SerialConfig { path: bus.device.clone(), baud: bus.baud, direction },
            site_key: site_key_file(config),
            bus_key: bus.key_file.clone(),
            install: bus.install_key,
            readers,
        };
        let name = format!("rs485_bus({})", serial::name(&bus.device));
        (!plan.readers.is_empty()).then_some((name, Plan::Bus(plan)))
    });
    lines.chain(buses)
}

/// Where a unit's reports go, and what it shares with others.
pub(super) struct Ways {
    pub(super) inputs: Inputs,
    pub(super) own: (Hands, Enrolling),
    /// Says that it is to end.
    pub(super) end: watch::Sender<bool>,
}

/// Starts one unit; its places are those of `config`.
pub(super) fn start(
    supervisor: &mut Supervisor,
    name: String,
    plan: Plan,
    config: &Config,
    ways: Ways,
) {
    let Ways { inputs, own: (hands, enrolling), end } = ways;
    match plan {
        Plan::Lines(plan) => {
            let way = Way::new([&plan.reader], None, config, enrolling, inputs);
            supervisor.unit(name, move || {
                let serve = serve_wiegand(plan.clone().keyed(), way.clone());
                until_ended(serve, end.subscribe())
            });
        }
        Plan::Bus(plan) => {
            let ids: Vec<_> = plan.readers.iter().map(|(one, ..)| one.id.clone()).collect();
            let panel = Panel::of(ids.iter().cloned());
            hands.seat(&ids, &panel);
            let bus = config.rs485.iter().position(|bus| bus.id == plan.id);
            let bus = bus.map(|bus| (bus, panel.clone()));
            let readers = plan.readers.iter().map(|(reader, ..)| reader);
            let way = Way::new(readers, bus, config, enrolling, inputs);
            supervisor.unit(name, move || {
                let serve = serve_bus(plan.clone().keyed(), panel.clone(), way.clone());
                until_ended(serve, end.subscribe())
            });
        }
    }
}

/// A unit, until it is to end. What it has read so far is before the rules.
async fn until_ended(
    unit: impl Future<Output = Outcome>,
    mut end: watch::Receiver<bool>,
) -> Outcome {
    tokio::select! {
        ended = unit => ended,
        _ = end.wait_for(|end| *end) => Ok(()),
    }
}

fn keyed(site_key: &std::path::Path) -> Result<Arc<SiteKey>, String> {
    crate::secret::site_key(site_key).map(Arc::new).map_err(|error| error.to_string())
}

impl OnLines {
    fn keyed(self) -> Result<WiegandReader, String> {
        let key = keyed(&self.site_key)?;
        let pulse = if self.inverted { PinState::High } else { PinState::Low };
        let Self { reader, chip, d0, d1, bias, .. } = self;
        Ok(WiegandReader {
            id: reader.id,
            chip,
            d0,
            d1,
            bias,
            pulse,
            pin_place: reader.pin_place,
            key,
        })
    }
}

impl OnBus {
    fn keyed(self) -> Result<Rs485Bus, String> {
        let key = keyed(&self.site_key)?;
        let security = match self.bus_key {
            Some(path) if self.install => Security::Install(bus_key(path)?),
            Some(path) => Security::Required(bus_key(path)?),
            None => Security::Clear,
        };
        let readers = self.readers.into_iter().map(|(reader, address, secure)| {
            let security = if secure { security.clone() } else { Security::Clear };
            BusReader { id: reader.id, address, security, pin_place: reader.pin_place }
        });
        Ok(Rs485Bus { port: self.port, readers: readers.collect(), key })
    }
}

/// The key of a bus's readers. Neither it nor what stands in its place is repeated.
fn bus_key(path: PathBuf) -> Result<Key, String> {
    let shown = path.display().to_string();
    let secret = PasswordSource::File(path).read().map_err(|error| error.to_string())?;
    let digits = secret.expose().trim();
    let mut bytes = [0; 16];
    let pairs = digits.as_bytes().as_chunks::<2>().0;
    let good = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if good {
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let text = std::str::from_utf8(pair).unwrap_or_default();
            *byte = u8::from_str_radix(text, 16).unwrap_or_default();
        }
    }
    let key = Key::new(bytes).filter(|_| good);
    zeroize::Zeroize::zeroize(&mut bytes);
    key.ok_or_else(|| {
        format!(
            "the readers' key {shown} is not 32 hexadecimal digits, or the default that everybody \
             knows; openssl rand -hex 16 makes one"
        )
    })
}

async fn serve_wiegand(reader: Result<WiegandReader, String>, mut way: Way) -> Outcome {
    let reader = match reader {
        Ok(reader) => reader,
        Err(why) => return way.cannot_start(why).await,
    };
    let (tell, mut reports) = mpsc::channel(REPORTS);
    let forward = async {
        while let Some(next) = way.next(&mut reports).await {
            match next {
                Next::Told(report) => way.hear(report).await?,
                Next::NoPin => way.no_pin().await?,
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = wiegand::run(reader, KernelClock::new(), tell) => match ended {
            Ok(never) => match never {},
            Err(error) => Err(error.to_string()),
        },
        forwarded = forward => forwarded,
    }
}

async fn serve_bus(bus: Result<Rs485Bus, String>, panel: Panel, mut way: Way) -> Outcome {
    let bus = match bus {
        Ok(bus) => bus,
        Err(why) => return way.cannot_start(why).await,
    };
    let (tell, mut reports) = mpsc::channel(REPORTS);
    let forward = async {
        while let Some(next) = way.next(&mut reports).await {
            match next {
                Next::Told(BusReport::Reader(report)) => way.hear(report).await?,
                Next::Told(BusReport::Fault { cause, at }) => way.bus(Some(cause), at).await?,
                Next::Told(BusReport::Restored { at }) => way.bus(None, at).await?,
                Next::NoPin => way.no_pin().await?,
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = rs485_bus::run(bus, KernelClock::new(), panel, tell) => match ended {
            Ok(never) => match never {},
            Err(error) => Err(error.to_string()),
        },
        forwarded = forward => forwarded,
    }
}

/// What a unit tells, or what time does.
enum Next<T> {
    Told(T),
    /// Nobody typed the PIN of a card.
    NoPin,
}

/// The way of one unit's reports to the rules.
#[derive(Clone)]
struct Way {
    seats: BTreeMap<Id, Seat>,
    /// The bus, by its place, and where its readers show things.
    bus: Option<(usize, Panel)>,
    enrolling: Enrolling,
    inputs: Inputs,
}

#[derive(Clone)]
struct Seat {
    place: usize,
    /// It asks for a PIN.
    pin: bool,
    /// A card that waits for its PIN, and until when.
    waits: Option<(CredentialHash, Mono)>,
    /// When something that is no card was told last, and what came since.
    unreadable: Option<Mono>,
}

impl Way {
    fn new<'p>(
        readers: impl IntoIterator<Item = &'p Planned>,
        bus: Option<(usize, Panel)>,
        config: &Config,
        enrolling: Enrolling,
        inputs: Inputs,
    ) -> Self {
        let seat = |reader: &Planned| {
            let place = config.readers.iter().position(|one| one.rules.id == reader.id)?;
            let seat = Seat { place, pin: reader.pin, waits: None, unreadable: None };
            Some((reader.id.clone(), seat))
        };
        Self { seats: readers.into_iter().filter_map(seat).collect(), bus, enrolling, inputs }
    }

    async fn send(&self, input: Input) -> Outcome {
        self.inputs.send(input).await.map_err(|error| error.to_string())
    }

    /// What a unit tells next, or that a card has waited for long enough. `None`: the unit has ended.
    async fn next<T>(&self, reports: &mut mpsc::Receiver<T>) -> Option<Next<T>> {
        let until = self.seats.values().filter_map(|seat| Some(seat.waits?.1)).min();
        let patience = until.map(|until| until.since(now()));
        tokio::select! {
            biased;
            report = reports.recv() => report.map(Next::Told),
            () = tokio::time::sleep(patience.unwrap_or_default()), if patience.is_some() => {
                Some(Next::NoPin)
            }
        }
    }

    /// The unit cannot begin: its readers are lost, and that says why.
    async fn cannot_start(&self, why: String) -> Outcome {
        for seat in self.seats.values() {
            self.status(seat.place, ReaderPart::Link, Some(&why), now()).await?;
        }
        Err(why)
    }

    async fn bus(&self, lost: Option<String>, at: Mono) -> Outcome {
        let Some((bus, _)) = self.bus else { return Ok(()) };
        self.send(Input::Bus { bus, lost: lost.map(|why| short(&why)), at }).await
    }

    /// A part of a reader: not good for this reason, or good.
    async fn status(&self, place: usize, part: ReaderPart, why: Option<&str>, at: Mono) -> Outcome {
        let (good, cause) = (why.is_none(), why.map(short));
        self.send(Input::ReaderStatus { reader: place, part, good, cause, at }).await
    }

    async fn card(&self, card: Card) -> Outcome {
        self.send(Input::Card(card)).await
    }

    /// Cards whose PIN nobody typed in time.
    async fn no_pin(&mut self) -> Outcome {
        let at = now();
        let over: Vec<_> = { self.seats.values_mut() }
            .filter_map(|seat| {
                let (card, _) = seat.waits.take_if(|(_, until)| *until <= at)?;
                Some((seat.place, card))
            })
            .collect();
        for (reader, credential) in over {
            self.card(Card { reader, credential, pin: None, at, late: false }).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, report: ReaderReport) -> Outcome {
        let ReaderReport { reader: id, at, news } = report;
        let Some(seat) = self.seats.get_mut(&id) else { return Ok(()) };
        let place = seat.place;
        match news {
            ReaderNews::Presented(credential) => self.presented(&id, credential, at).await,
            ReaderNews::Late { credential, .. } => {
                let credential = match credential {
                    Credential::Card { card, .. } => card,
                    Credential::Pin { alone, .. } => alone,
                };
                self.card(Card { reader: place, credential, pin: None, at, late: true }).await
            }
            ReaderNews::Unreadable { cause, count } => {
                let told = seat.unreadable.is_some_and(|told| at.since(told) < UNREADABLE_EVERY);
                if told {
                    return Ok(());
                }
                seat.unreadable = Some(at);
                let detail = serde_json::json!({ "count": count });
                self.tell("reader.unreadable", id, Some(cause.to_string()), Some(detail), at).await
            }
            ReaderNews::KeyInstalled => self.tell("reader.key_installed", id, None, None, at).await,
            ReaderNews::PinAbandoned { keys } => {
                debug!(reader = %id, keys, "an entry of keys was abandoned");
                Ok(())
            }
            // Told in the log where it was met; a reader without a lamp is used all the same.
            ReaderNews::Refused { .. } => Ok(()),
            ReaderNews::Tamper { active } => {
                let why = active.then_some("its tamper contact is open");
                self.status(place, ReaderPart::Case, why, at).await
            }
            ReaderNews::Power { lost } => {
                let why = lost.then_some("it says that its supply fails");
                self.status(place, ReaderPart::Power, why, at).await
            }
            ReaderNews::Up { secure, .. } => {
                let why = (!secure).then_some("it speaks in the clear");
                self.status(place, ReaderPart::Channel, why, at).await?;
                self.status(place, ReaderPart::Link, None, at).await
            }
            ReaderNews::Down(why) => {
                self.forget(&id, at).await?;
                let text = why.to_string();
                // Somebody else's reader, or ours no more: that is no mere fault.
                let foreign = DownCause::Osdp(Down::WrongKey) == why
                    || DownCause::Osdp(Down::NotSecure) == why;
                if foreign {
                    self.status(place, ReaderPart::Channel, Some(&text), at).await?;
                }
                self.status(place, ReaderPart::Link, Some(&text), at).await
            }
            ReaderNews::SecureLost(why) => {
                self.forget(&id, at).await?;
                self.status(place, ReaderPart::Channel, Some(&why.to_string()), at).await
            }
        }
    }

    async fn presented(&mut self, id: &Id, credential: Credential, at: Mono) -> Outcome {
        let Some(seat) = self.seats.get_mut(id) else { return Ok(()) };
        let reader = seat.place;
        let plain = |credential| Card { reader, credential, pin: None, at, late: false };
        let waited = seat.waits.take().map(|(card, _)| card);
        match credential {
            Credential::Card { card, .. } if seat.pin && !self.enrolling.is_wanted(id) => {
                seat.waits = Some((card, at.plus(CARD_THEN_PIN)));
                if let Some((_, panel)) = &self.bus {
                    panel.show(id, Indication::Wait);
                }
                match waited.filter(|waited| *waited != card) {
                    Some(other) => self.card(plain(other)).await,
                    None => Ok(()),
                }
            }
            Credential::Card { card, .. } => self.card(plain(card)).await,
            Credential::Pin { after: Some((card, pin)), .. } if seat.pin => {
                self.card(Card { pin: Some(pin), ..plain(card) }).await
            }
            // A code of its own.
            Credential::Pin { alone, .. } => self.card(plain(alone)).await,
        }
    }

    /// The reader is gone: whoever stood there with a card must begin anew.
    async fn forget(&mut self, id: &Id, at: Mono) -> Outcome {
        let Some(seat) = self.seats.get_mut(id) else { return Ok(()) };
        let reader = seat.place;
        match seat.waits.take() {
            Some((credential, _)) => {
                self.card(Card { reader, credential, pin: None, at, late: true }).await
            }
            None => Ok(()),
        }
    }

    async fn tell(
        &self,
        kind: &'static str,
        reader: Id,
        cause: Option<String>,
        detail: Option<serde_json::Value>,
        at: Mono,
    ) -> Outcome {
        self.send(Input::Report(Report {
            class: Class::Access,
            kind,
            qualifier: Qualifier::Status,
            severity: 4,
            source: ("reader", reader),
            closes: None,
            cause,
            detail,
            at: Some(at),
        }))
        .await
    }
}

fn now() -> Mono {
    let clock = KernelClock::new();
    clock.boot(clock.monotonic_ns())
}

fn short(why: &str) -> String {
    why.chars().take(LONGEST_CAUSE).collect()
}
