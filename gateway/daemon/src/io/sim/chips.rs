//! The chips of a simulated bus, and the world that turns their wires.
//!
//! The chips are the drivers' own simulations, register by register: the thread of the bus does
//! with them all that it does with real ones. Before a world is `ready`, and after it has gone,
//! nobody answers at any address. With a script instead of a world the chips are there and at rest.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::digital::PinState;
use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};
use gatehouse_config::{BusChip, ChipKind, LoopSupply, Measures};
use gatehouse_drivers::adc::AdsAddress;
use gatehouse_drivers::sim::{
    Plug, SimAds, SimAmg8833, SimArduChip, SimChip, SimDs3231, SimI2c, SimIna219, SimIna226,
    SimMcp, SimMcp23017, SimPca9555, SimPcf8574, SimSht3x, SimTmp102,
};
use gatehouse_drivers::{CentiCelsius, Clock};
use tokio::net::UnixStream;
use tokio::time::sleep;
use tracing::{info, warn};

use super::eye::Eye;
use super::protocol::{ChipAct, MAX_LINE, Message};
use super::{GREETING, INBOX, Left, RETRY_FIRST};
use crate::io::gpiochip::RETRY_CAP;
use crate::io::{KernelClock, LineClock};

/// The supply of a box that is well: a lead battery that is being charged.
const SUPPLY_MV: u16 = 13_800;

/// An office.
const ROOM: CentiCelsius = CentiCelsius(2_150);

/// A clock that was set: 12:00:00 on a Thursday, 26 November 2026, in BCD.
const NOON: [u8; 7] = [0x00, 0x00, 0x12, 0x05, 0x26, 0x11, 0x26];

/// What a warm person adds to the room in the middle of the picture, in quarters of a degree.
const PERSON: i16 = 24;

/// The clock that simulated chips convert by.
#[derive(Clone, Debug)]
struct ChipClock(KernelClock);

impl Clock for ChipClock {
    fn now_ns(&self) -> u64 {
        self.0.monotonic_ns()
    }
}

/// The resistances at the inputs of a converter; infinite is open.
#[derive(Debug)]
struct Loops {
    ohms: [f64; 8],
    pull_up: [f64; 8],
}

impl Loops {
    fn part(&self, input: u8) -> f64 {
        let input = usize::from(input % 8);
        let (ohms, pull_up) = (self.ohms[input], self.pull_up[input]);
        if ohms.is_finite() { ohms / (ohms + pull_up) } else { 1.0 }
    }
}

type Volts = Box<dyn FnMut(u8, u64) -> f64 + Send>;

/// A simulated chip on SPI, which can be pulled out.
pub(crate) struct SimSpi {
    chip: OnSpi,
    there: Arc<AtomicBool>,
}

enum OnSpi {
    Mcp(SimMcp<ChipClock, Volts>),
    Camera(SimArduChip),
}

impl ErrorType for SimSpi {
    type Error = ErrorKind;
}

impl SpiDevice for SimSpi {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        if self.there.load(Ordering::Relaxed) {
            return match &mut self.chip {
                OnSpi::Mcp(chip) => chip.transaction(operations).map_err(|never| match never {}),
                OnSpi::Camera(chip) => chip.transaction(operations),
            };
        }
        // Nobody drives the data line: it floats high.
        for operation in operations {
            match operation {
                Operation::Read(bytes)
                | Operation::Transfer(bytes, _)
                | Operation::TransferInPlace(bytes) => bytes.fill(0xff),
                Operation::Write(_) | Operation::DelayNs(_) => {}
            }
        }
        Ok(())
    }
}

/// A chip in the world's hand.
enum Hand {
    Mcp23017(Plug<SimMcp23017>),
    Pca9555(Plug<SimPca9555>),
    Pcf8574(Plug<SimPcf8574>),
    Ads(Plug<SimAds<ChipClock, Volts>>),
    Mcp(Arc<AtomicBool>),
    Camera(Eye),
    Ina219(Plug<SimIna219>),
    Ina226(Plug<SimIna226>),
    Tmp102(Plug<SimTmp102>),
    Sht3x(Plug<SimSht3x>),
    Ds3231(Plug<SimDs3231>),
    Amg8833(Plug<SimAmg8833>),
}

/// A chip with its wires.
struct Seat {
    hand: Hand,
    /// The lines of an expander that are pulled to ground.
    low: u16,
    loops: Arc<Mutex<Loops>>,
    /// Pulled out by the world, whether or not it is ready.
    gone: bool,
    /// The clock's battery is empty.
    stopped: bool,
}

/// A simulated bus with its chips. Clones are the same bus.
#[derive(Clone)]
pub(crate) struct SimBoard {
    bus: SimI2c,
    id: String,
    seats: Arc<Mutex<BTreeMap<String, Seat>>>,
    spi: Option<SpiPlan>,
}

/// What a chip on SPI is made of, each time that the bus is opened.
#[derive(Clone)]
struct SpiPlan {
    of: SpiKind,
    there: Arc<AtomicBool>,
}

#[derive(Clone)]
enum SpiKind {
    Loops(ChipKind, Arc<Mutex<Loops>>),
    Camera(SimArduChip),
}

/// What a simulated chip is at rest with: the normal resistances of its loops and their pull-ups.
#[derive(Clone, Debug)]
pub(crate) struct AtRest {
    pub(crate) ohms: [f64; 8],
    pub(crate) pull_up: [f64; 8],
}

impl SimBoard {
    /// The bus `id` with these chips, none of them there yet.
    pub(crate) fn new<'c>(
        id: &str,
        chips: impl IntoIterator<Item = (&'c BusChip, AtRest)>,
    ) -> Self {
        let bus = SimI2c::new();
        let mut seats = BTreeMap::new();
        let mut spi = None;
        for (chip, rest) in chips {
            let loops = Loops { ohms: rest.ohms, pull_up: rest.pull_up };
            let loops = Arc::new(Mutex::new(loops));
            let Some(hand) = hand(&bus, chip, &loops) else { continue };
            let on_spi = match &hand {
                Hand::Mcp(there) => Some((SpiKind::Loops(chip.kind, Arc::clone(&loops)), there)),
                Hand::Camera(eye) => Some((SpiKind::Camera(eye.chip.clone()), &eye.there)),
                _ => None,
            };
            if let Some((of, there)) = on_spi {
                spi = Some(SpiPlan { of, there: Arc::clone(there) });
            }
            let seat = Seat { hand, low: u16::MAX, loops, gone: false, stopped: false };
            seat.at_rest();
            seat.unplug();
            seats.insert(chip.id.to_string(), seat);
        }
        Self { bus, id: id.to_owned(), seats: Arc::new(Mutex::new(seats)), spi }
    }

    /// The bus, for the drivers.
    pub(crate) fn i2c(&self) -> SimI2c {
        self.bus.clone()
    }

    /// The chip on SPI, if there is one.
    pub(crate) fn spi(&self) -> Option<SimSpi> {
        let SpiPlan { of, there } = self.spi.clone()?;
        let chip = match of {
            SpiKind::Camera(chip) => OnSpi::Camera(chip),
            SpiKind::Loops(kind, loops) => {
                let clock = ChipClock(KernelClock::new());
                let part: Volts = Box::new(move |input, _| locked(&loops).part(input));
                OnSpi::Mcp(match kind {
                    ChipKind::Mcp3008 => SimMcp::mcp3008(clock, part),
                    _ => SimMcp::mcp3208(clock, part),
                })
            }
        };
        Some(SimSpi { chip, there })
    }

    /// The chips are there, as far as the world has not pulled them out.
    pub(crate) fn plug_in(&self) {
        locked(&self.seats).values().filter(|seat| !seat.gone).for_each(Seat::plug_in);
    }

    /// There is no world: nobody answers.
    fn unplug(&self) {
        for seat in locked(&self.seats).values_mut() {
            seat.gone = false;
            seat.unplug();
        }
    }

    /// Says which chip pulls its interrupt pin now.
    fn obey(&self, id: &str, act: ChipAct, ready: bool) -> bool {
        if let ChipAct::Held { clocks } = act {
            if id == self.id {
                self.bus.hold_sda(clocks);
            }
            return false;
        }
        // The world may have more chips than are used here.
        locked(&self.seats).get_mut(id).is_some_and(|seat| seat.obey(act, ready))
    }
}

fn hand(bus: &SimI2c, chip: &BusChip, loops: &Arc<Mutex<Loops>>) -> Option<Hand> {
    let at = chip.address;
    // The configuration has no address twice on a bus.
    Some(match chip.kind {
        ChipKind::Mcp23017 => Hand::Mcp23017(bus.attach(at, SimMcp23017::new()).ok()?),
        ChipKind::Pca9555 => Hand::Pca9555(bus.attach(at, SimPca9555::new()).ok()?),
        ChipKind::Pcf8574 => Hand::Pcf8574(bus.attach(at, SimPcf8574::new()).ok()?),
        ChipKind::Ads1115 | ChipKind::Ads1015 => {
            let clock = ChipClock(KernelClock::new());
            let address = ads_address(at);
            let volts = volts(&chip.measures, Arc::clone(loops));
            let sim = match chip.kind {
                ChipKind::Ads1015 => SimAds::ads1015(address, clock, volts),
                _ => SimAds::ads1115(address, clock, volts),
            };
            Hand::Ads(bus.attach(at, sim).ok()?)
        }
        ChipKind::Mcp3208 | ChipKind::Mcp3008 => Hand::Mcp(Arc::default()),
        ChipKind::Ina219 => Hand::Ina219(bus.attach(at, SimIna219::new()).ok()?),
        ChipKind::Ina226 => Hand::Ina226(bus.attach(at, SimIna226::new()).ok()?),
        ChipKind::Tmp102 => Hand::Tmp102(bus.attach(at, SimTmp102::new()).ok()?),
        ChipKind::Sht3x => Hand::Sht3x(bus.attach(at, SimSht3x::new()).ok()?),
        ChipKind::Ds3231 => Hand::Ds3231(bus.attach(at, SimDs3231::new()).ok()?),
        ChipKind::Amg8833 => Hand::Amg8833(bus.attach(at, SimAmg8833::new()).ok()?),
        ChipKind::Ov2640 => Hand::Camera(Eye::new(bus)?),
    })
}

/// The voltages at an ADS1115: the supply at its own input, the loops at the others.
fn volts(measures: &Measures, loops: Arc<Mutex<Loops>>) -> Volts {
    let (own, supply) = match measures {
        Measures::Loops { supply_input, supply: LoopSupply::V5, .. } => (*supply_input, 5.0),
        Measures::Loops { supply_input, .. } => (*supply_input, 3.3),
        _ => (3, 3.3),
    };
    Box::new(
        move |input, _| {
            if input == own { supply } else { supply * locked(&loops).part(input) }
        },
    )
}

/// The chip's address; the configuration has checked it.
pub(crate) fn ads_address(address: u8) -> AdsAddress {
    match address {
        0x49 => AdsAddress::Vdd,
        0x4a => AdsAddress::Sda,
        0x4b => AdsAddress::Scl,
        _ => AdsAddress::Gnd,
    }
}

/// For each kind of plug alike.
macro_rules! with_plug {
    ($hand:expr, $plug:ident => $do:expr, $there:ident => $spi:expr) => {
        match $hand {
            Hand::Mcp23017($plug) => $do,
            Hand::Pca9555($plug) => $do,
            Hand::Pcf8574($plug) => $do,
            Hand::Ads($plug) => $do,
            Hand::Mcp($there) => $spi,
            Hand::Ina219($plug) => $do,
            Hand::Ina226($plug) => $do,
            Hand::Tmp102($plug) => $do,
            Hand::Sht3x($plug) => $do,
            Hand::Ds3231($plug) => $do,
            Hand::Amg8833($plug) => $do,
            Hand::Camera(eye) => {
                let ($plug, $there) = (&eye.sensor, &eye.there);
                $do;
                $spi
            }
        }
    };
}

impl Seat {
    /// Closed contacts, a supply that is well, an empty room of an office, a clock that runs.
    fn at_rest(&self) {
        self.wires();
        match &self.hand {
            Hand::Ina219(plug) => plug.with(|chip| chip.supply(SUPPLY_MV, 0)),
            Hand::Ina226(plug) => plug.with(|chip| chip.supply(SUPPLY_MV, 0)),
            _ => self.value(if matches!(self.hand, Hand::Tmp102(_) | Hand::Sht3x(_)) {
                ROOM.0
            } else {
                i32::from(matches!(self.hand, Hand::Ds3231(_)))
            }),
        }
    }

    fn unplug(&self) {
        with_plug!(&self.hand, plug => plug.unplug(), there => there.store(false, Ordering::Relaxed));
    }

    fn plug_in(&self) {
        with_plug!(&self.hand, plug => plug.replug(), there => there.store(true, Ordering::Relaxed));
        self.clock_is_set();
    }

    /// A real clock keeps its time by its battery when the board's supply is gone.
    fn clock_is_set(&self) {
        if let (Hand::Ds3231(plug), false) = (&self.hand, self.stopped) {
            plug.with(|chip| chip.set(NOON));
        }
    }

    /// Whether it pulls its interrupt pin afterwards.
    fn obey(&mut self, act: ChipAct, ready: bool) -> bool {
        match act {
            ChipAct::Pin { line, level } => {
                let bit = 1_u16.checked_shl(line.into()).unwrap_or(0);
                match level {
                    PinState::Low => self.low |= bit,
                    PinState::High => self.low &= !bit,
                }
                return self.wires();
            }
            ChipAct::Ohms { input, ohms } => {
                let ohms = ohms.map_or(f64::INFINITY, f64::from);
                if let Some(place) = locked(&self.loops).ohms.get_mut(usize::from(input)) {
                    *place = ohms;
                }
            }
            ChipAct::Value(value) => {
                self.stopped = matches!(self.hand, Hand::Ds3231(_)) && value == 0;
                self.value(value);
            }
            ChipAct::Gone => {
                self.gone = true;
                self.unplug();
            }
            ChipAct::Back => {
                self.gone = false;
                if ready {
                    self.plug_in();
                }
            }
            ChipAct::Dip => {
                with_plug!(&self.hand, plug => plug.brown_out(), _there => ());
                self.clock_is_set();
            }
            ChipAct::Held { .. } => {}
        }
        false
    }

    fn wires(&self) -> bool {
        let low = self.low;
        match &self.hand {
            Hand::Mcp23017(plug) => plug.with(|chip| {
                chip.pull_low(low);
                chip.interrupt_is_low()
            }),
            Hand::Pca9555(plug) => plug.with(|chip| {
                chip.pull_low(low);
                chip.interrupt_is_low()
            }),
            Hand::Pcf8574(plug) => plug.with(|chip| {
                chip.pull_low(low);
                chip.interrupt_is_low()
            }),
            _ => false,
        }
    }

    fn value(&self, value: i32) {
        match &self.hand {
            Hand::Ina219(plug) => plug.with(|chip| chip.supply(millivolts(value), 0)),
            Hand::Ina226(plug) => plug.with(|chip| chip.supply(millivolts(value), 0)),
            Hand::Tmp102(plug) => plug.with(|chip| chip.temperature(CentiCelsius(value))),
            Hand::Sht3x(plug) => {
                // Section 4.13: from -45 °C in 175 / 65535.
                let raw = (i64::from(value) + 4_500) * 65_535 / 17_500;
                let raw = u16::try_from(raw.clamp(0, 65_535)).unwrap_or(u16::MAX);
                plug.with(|chip| chip.climate(raw, 0x8000));
            }
            // A battery that was empty: the clock has stopped.
            Hand::Ds3231(plug) if value == 0 => plug.with(SimChip::power_on),
            Hand::Ds3231(_) => self.clock_is_set(),
            Hand::Amg8833(plug) if value == 0 => plug.with(SimAmg8833::empty),
            Hand::Amg8833(plug) => plug.with(|chip| chip.warm(3, 3, PERSON)),
            Hand::Camera(eye) => eye.sees(value),
            Hand::Mcp23017(_)
            | Hand::Pca9555(_)
            | Hand::Pcf8574(_)
            | Hand::Ads(_)
            | Hand::Mcp(_) => {}
        }
    }
}

fn millivolts(value: i32) -> u16 {
    u16::try_from(value.max(0)).unwrap_or(u16::MAX)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain values, whole at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what the world says, for ever. `interrupt` is told the id of a chip that pulls its pin.
pub(crate) async fn follow(board: SimBoard, world: &Path, interrupt: impl Fn(&str)) -> Infallible {
    let mut retry = RETRY_FIRST;
    let mut told = false;
    loop {
        let left = match UnixStream::connect(world).await {
            Ok(stream) => {
                let (left, was_ready) = listen(&board, &stream, &interrupt).await;
                if was_ready {
                    (retry, told) = (RETRY_FIRST, false);
                }
                left
            }
            Err(error) => error.into(),
        };
        board.unplug();
        if !std::mem::replace(&mut told, true) {
            warn!(world = %world.display(), %left, "nobody moves the simulated chips");
        }
        sleep(retry).await;
        retry = (retry * 2).min(RETRY_CAP);
    }
}

/// Until the world is left. Says whether it was `ready` once.
async fn listen(board: &SimBoard, stream: &UnixStream, interrupt: &impl Fn(&str)) -> (Left, bool) {
    let mut inbox = Vec::with_capacity(INBOX);
    let mut ready = false;
    loop {
        let patience = if ready { Duration::MAX } else { GREETING };
        match tokio::time::timeout(patience, stream.readable()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return (error.into(), ready),
            Err(_) => return (Left::Silent, ready),
        }
        let mut chunk = [0; INBOX];
        match stream.try_read(&mut chunk) {
            Ok(0) => return (Left::Closed, ready),
            Ok(read) => inbox.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return (error.into(), ready),
        }
        let mut rest = inbox.as_slice();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            match Message::parse(&rest[..end]) {
                Ok(Message::Ready) => {
                    info!(bus = %board.id, "a world moves the simulated chips");
                    ready = true;
                    board.plug_in();
                }
                Ok(Message::Chip { id, act }) => {
                    if board.obey(&id, act, ready) {
                        interrupt(&id);
                    }
                }
                // Lines are for the connection of the lines.
                Ok(Message::Level { .. } | Message::Edge { .. }) => {}
                Err(foreign) => return (foreign.into(), ready),
            }
            rest = &rest[end + 1..];
        }
        if rest.len() > MAX_LINE {
            return (Left::Endless, ready);
        }
        let heard = inbox.len() - rest.len();
        inbox.drain(..heard);
    }
}
