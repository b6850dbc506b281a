//! One output: its line, the limits of its driver, and what its load really does.
//!
//! Orders come from [`Hands`](crate::hands), bear their time, and are carried out at once. The driver
//! ([`Siren`], [`DoorRelease`] or [`Output`]) holds the limits: whatever the rules want, a siren ends and
//! a door is locked again. The line is set to its safe state when the unit starts, and when it ends,
//! however it ends short of a killed process ([`crate::io::drive`]).
//!
//! # Limits
//!
//! - A line that cannot be written, or whose read-back says something else, is a fault at once, told
//!   through [`Input::Output`]; it is written again every [`RETRY`] until it is right.
//! - A read-back is looked at after each change, when it moves (simulated), and every [`WATCH`].
//! - What cannot be told because the rules are behind is told later, the newest only: an output never
//!   waits for them.

use std::time::Duration;

use embedded_hal::digital::PinState;
use gatehouse_config::Level;
use gatehouse_core::site::{Does, Drive, Input, Role, SafeState};
use gatehouse_core::time::Mono;
use gatehouse_drivers::{
    Command, DoorRelease, DoorReleaseConfig, Drive as Driven, Output, OutputConfig, OutputError,
    OutputEvent, ReadBack, Sensed, Siren, SirenConfig, SwitchTiming,
};

use crate::clock::Clock;
use crate::hands::{Act, Order, Orders};
use crate::io::drive::{BackPin, DriveConfig, DriveLine, OutPin, PinError};
use crate::rules::{Inputs, SendError};
use crate::supervise::Outcome;

/// A line that did not take its level is written again after this.
pub const RETRY: Duration = Duration::from_millis(500);

/// How often a read-back is looked at though nothing has changed: a fuse blows while a siren sounds.
pub const WATCH: Duration = Duration::from_secs(5);

/// Rules that are behind are told again after this.
const BEHIND: Duration = Duration::from_millis(100);

/// What the unit switches.
#[derive(Clone, Debug)]
pub struct Switched {
    /// Its place among the outputs.
    pub place: usize,
    /// What it is for.
    pub role: Role,
    /// The level that switches it on.
    pub active: Level,
    /// What it is set to at start and stop.
    pub safe: SafeState,
    /// It is never on for longer in one go.
    pub max_on: Option<Duration>,
    /// Its line.
    pub line: DriveConfig,
}

/// The electrical level of a word in the file.
pub(crate) fn level(level: Level) -> PinState {
    if level == Level::High { PinState::High } else { PinState::Low }
}

/// What is wired back, if anything is.
struct Sense(Option<Sensed<BackPin>>);

impl ReadBack<OutPin> for Sense {
    type Error = PinError;

    fn drive(
        &mut self,
        pin: &mut OutPin,
        active_level: PinState,
    ) -> Result<Option<Driven>, PinError> {
        self.0.as_mut().map_or(Ok(None), |sensed| sensed.drive(pin, active_level))
    }
}

/// The driver.
enum Load {
    Siren(Siren<OutPin, Sense>),
    Lock(DoorRelease<OutPin, Sense>, Duration),
    Plain(Output<OutPin, Sense>),
}

impl Load {
    fn new(switched: &Switched, pin: OutPin, back: BackPin) -> Self {
        let active = level(switched.active);
        let sensed = switched.line.back.as_ref().map(|it| Sensed::new(back, level(it.active)));
        let sense = Sense(sensed);
        match (switched.role, switched.safe, switched.max_on) {
            (Role::Siren, SafeState::Off, Some(longest)) => {
                let config = SirenConfig { longest, ..SirenConfig::new(active) };
                Self::Siren(Siren::with_read_back(pin, sense, config))
            }
            (Role::Lock, SafeState::Off, Some(longest)) => {
                let config = DoorReleaseConfig { longest, ..DoorReleaseConfig::new(active) };
                Self::Lock(DoorRelease::with_read_back(pin, sense, config), longest)
            }
            (_, safe, max_on) => {
                let safe = match safe {
                    SafeState::Off => gatehouse_drivers::SafeState::Drive(Driven::Inactive),
                    SafeState::On => gatehouse_drivers::SafeState::Drive(Driven::Active),
                    SafeState::Keep => gatehouse_drivers::SafeState::Hold,
                };
                let timing = SwitchTiming { max_on, ..SwitchTiming::default() };
                let config = OutputConfig { safe, timing, ..OutputConfig::new(active) };
                Self::Plain(Output::with_read_back(pin, sense, config))
            }
        }
    }

    fn command(&mut self, drive: Drive, at_ns: u64) {
        match (self, drive) {
            (Self::Siren(siren), Drive::On) => drop(siren.sound(at_ns)),
            (Self::Siren(siren), Drive::Pulse(length)) => drop(siren.chirp(length, at_ns)),
            (Self::Siren(siren), Drive::Off) => siren.silence(at_ns),
            (Self::Lock(lock, longest), Drive::On) => drop(lock.release(*longest, at_ns)),
            (Self::Lock(lock, _), Drive::Pulse(length)) => drop(lock.release(length, at_ns)),
            (Self::Lock(lock, _), Drive::Off) => lock.lock(at_ns),
            (Self::Plain(output), Drive::On) => output.command(Command::On, at_ns),
            (Self::Plain(output), Drive::Pulse(length)) => {
                output.command(Command::Pulse(length), at_ns);
            }
            (Self::Plain(output), Drive::Off) => output.command(Command::Off, at_ns),
        }
    }

    fn rest(&mut self) {
        match self {
            Self::Siren(siren) => siren.rest(),
            Self::Lock(lock, _) => lock.rest(),
            Self::Plain(output) => output.rest(),
        }
    }

    fn forget(&mut self) {
        match self {
            Self::Siren(siren) => siren.forget(),
            Self::Lock(lock, _) => lock.forget(),
            Self::Plain(output) => output.forget(),
        }
    }

    fn poll(
        &mut self,
        now_ns: u64,
    ) -> Result<Option<OutputEvent>, OutputError<PinError, PinError>> {
        match self {
            Self::Siren(siren) => siren.poll(now_ns),
            Self::Lock(lock, _) => lock.poll(now_ns),
            Self::Plain(output) => output.poll(now_ns),
        }
    }

    fn deadline(&self, now_ns: u64) -> Option<u64> {
        match self {
            Self::Siren(siren) => siren.deadline(now_ns),
            Self::Lock(lock, _) => lock.deadline(now_ns),
            Self::Plain(output) => output.deadline(now_ns),
        }
    }

    fn does(&self) -> Does {
        let drive = match self {
            Self::Siren(siren) => siren.drive(),
            Self::Lock(lock, _) => lock.drive(),
            Self::Plain(output) => output.drive(),
        };
        match drive {
            None => Does::Unknown,
            Some(Driven::Active) => Does::On,
            Some(Driven::Inactive) => Does::Off,
        }
    }
}

/// Beeps that are under way.
#[derive(Clone, Copy)]
struct Beeps {
    on: Duration,
    every: Duration,
    until: Mono,
    next: Mono,
}

struct Unit {
    load: Load,
    beeps: Option<Beeps>,
    was_up: bool,
    /// What keeps the output from being relied on, besides its line.
    fault: Option<String>,
    /// When it is tried or looked at again.
    again: Mono,
    /// What the rules were told last.
    told: Option<(Does, Option<String>)>,
}

/// Switches the output for ever.
///
/// # Errors
///
/// The script of the simulated wiring is none. A chip that is not there is a fault, and looked for.
pub async fn run(switched: Switched, mut orders: Orders, inputs: Inputs, clock: Clock) -> Outcome {
    let (mut line, pin, back) =
        DriveLine::new(switched.line.clone()).map_err(|error| error.to_string())?;
    // Dropped before the line: that writes the safe state.
    let mut unit = Unit {
        load: Load::new(&switched, pin, back),
        beeps: None,
        was_up: false,
        fault: None,
        again: Mono(0),
        told: None,
    };
    unit.load.rest();
    let mut obeyed = None;
    loop {
        let now = clock.mono();
        // What was ordered before this unit was built anew counts too, as far as its time goes.
        let order = *orders.borrow_and_update();
        if order != obeyed {
            obeyed = order;
            if let Some(order) = order {
                unit.obey(order);
            }
        }
        unit.work(&line, now);
        let behind = unit.tell(&line, switched.place, now, &inputs)?;
        let deadline = unit.deadline(now);
        let wait = if behind { BEHIND.min(deadline.since(now)) } else { deadline.since(now) };
        tokio::select! {
            biased;
            changed = orders.changed() => if changed.is_err() { return Ok(()) },
            () = line.tend() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl Unit {
    fn obey(&mut self, order: Order) {
        self.beeps = None;
        match order.act {
            Act::Drive(drive) => self.load.command(drive, order.at.0),
            Act::Beep { on, every, until } => {
                self.beeps = Some(Beeps { on, every, until, next: order.at });
            }
        }
    }

    /// Brings the line to what is wanted of it.
    fn work(&mut self, line: &DriveLine, now: Mono) {
        self.beep(now);
        let up = line.is_up();
        if up != std::mem::replace(&mut self.was_up, up) {
            // What it was told before is not known to be so any more.
            self.load.forget();
            self.fault = None;
        }
        if !up {
            return;
        }
        self.again = now.plus(WATCH);
        loop {
            match self.load.poll(now.0) {
                Ok(Some(OutputEvent::Disagrees { expected, found })) => {
                    let word = |drive| if drive == Driven::Active { "on" } else { "off" };
                    let (expected, found) = (word(expected), word(found));
                    self.fault =
                        Some(format!("it was switched {expected}, and its read-back says {found}"));
                }
                Ok(Some(OutputEvent::Agrees { .. })) => self.fault = None,
                Ok(Some(OutputEvent::Switched { drive, cause, .. })) => {
                    tracing::info!(?drive, ?cause, "switched");
                }
                Ok(None) => break,
                Err(OutputError::Pin(error)) => {
                    self.fault = Some(format!("it cannot be switched: {error}"));
                    self.again = now.plus(RETRY);
                    return;
                }
                Err(OutputError::ReadBack(error)) => {
                    self.fault = Some(format!("its read-back cannot be read: {error}"));
                    self.again = now.plus(RETRY);
                    return;
                }
            }
        }
        let does = self.load.does();
        if self.fault.is_some() && does == Does::Unknown {
            self.again = now.plus(RETRY);
        } else {
            self.fault = None;
        }
    }

    fn beep(&mut self, now: Mono) {
        let Some(beeps) = &mut self.beeps else { return };
        if now >= beeps.until {
            self.beeps = None;
        } else if now >= beeps.next {
            // Late ones are left out, not made up for.
            while beeps.next <= now {
                beeps.next = beeps.next.plus(beeps.every);
            }
            let on = beeps.on;
            self.load.command(Drive::Pulse(on), now.0);
        }
    }

    fn deadline(&self, now: Mono) -> Mono {
        let load = self.load.deadline(now.0).map(Mono).filter(|_| self.was_up);
        let beeps = self.beeps.map(|beeps| beeps.next.min(beeps.until));
        // While the line is down, what changes is told by the line.
        let again = if self.was_up { self.again } else { now.plus(WATCH) };
        [load, beeps].into_iter().flatten().fold(again, Mono::min)
    }

    /// Tells the rules what has changed. Says whether they are behind.
    fn tell(
        &mut self,
        line: &DriveLine,
        output: usize,
        at: Mono,
        inputs: &Inputs,
    ) -> Result<bool, String> {
        let down = line.cause().map(|cause| cause.lines().next().unwrap_or_default());
        let fault = down.map(str::to_owned).or_else(|| self.fault.clone());
        let fault = fault.map(|cause| cause.chars().take(200).collect::<String>());
        let does = if self.was_up { self.load.does() } else { Does::Unknown };
        let same =
            |(was, had): &(Does, Option<String>)| *was == does && had.is_some() == fault.is_some();
        let nothing = self.told.is_none() && does == Does::Unknown && fault.is_none();
        if nothing || self.told.as_ref().is_some_and(same) {
            return Ok(false);
        }
        match inputs.try_send(Input::Output { output, does, fault: fault.clone(), at }) {
            Ok(()) => {
                self.told = Some((does, fault));
                Ok(false)
            }
            Err(SendError::Full) => Ok(true),
            Err(SendError::Ended) => Err("nobody takes what the output does".to_owned()),
        }
    }
}
