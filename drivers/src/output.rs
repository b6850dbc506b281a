//! Outputs: relays and open drains that switch sirens, strobes and door releases.
//!
//! [`Output`] is any pin with limits in time, a safe state and, where it is wired, a read-back.
//! [`DoorRelease`] and [`Siren`] are outputs that cannot be told anything harmful. [`Switch`] is
//! the decision alone.
//!
//! # Limits
//!
//! - A state counts as reached when the pin's driver said so, or when the read-back did. After a
//!   failed write it is unknown, and the write is repeated at each poll, never left out.
//! - The safe state at a crash is that of the hardware: a process that is killed drops nothing.
//!   Choose the active level so that a chip without supply leaves the load safe.
//! - The clock is the caller's: a limit is kept as punctually as [`Output::poll`] is called.

mod door_release;
mod read_back;
mod siren;
mod switch;

use core::fmt;
use core::time::Duration;

use embedded_hal::digital::{OutputPin, PinState};

pub use door_release::{DoorRelease, DoorReleaseConfig, Release};
pub use read_back::{Latched, OwnPin, ReadBack, Sensed, Unwired};
pub use siren::{Siren, SirenConfig};
pub use switch::{Cause, Command, Drive, Switch, SwitchTiming};

use crate::time::nanos;

/// What an output does at start, at stop and when it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafeState {
    /// It becomes this.
    Drive(Drive),
    /// It stays as it is, and nothing is written before the first command.
    Hold,
}

/// How an output is wired and limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// The level that makes the load active. Never ask a HAL to invert a line.
    pub active_level: PinState,
    /// What it does at start, at stop and when it is dropped.
    pub safe: SafeState,
    /// The limits of each activity.
    pub timing: SwitchTiming,
    /// How long after a change the read-back must agree: the time that a relay takes.
    pub settle: Duration,
    /// How often the level is written again although nothing changed; `None`: never.
    pub refresh: Option<Duration>,
}

impl OutputConfig {
    /// Inactive when safe, without limits, 50 ms to settle.
    pub const fn new(active_level: PinState) -> Self {
        Self {
            active_level,
            safe: SafeState::Drive(Drive::Inactive),
            timing: SwitchTiming { min_on: Duration::ZERO, min_off: Duration::ZERO, max_on: None },
            // Relays for 12 V take 5 to 15 ms and bounce for 5 ms more.
            settle: Duration::from_millis(50),
            refresh: None,
        }
    }

    fn level(&self, drive: Drive) -> PinState {
        match drive {
            Drive::Active => self.active_level,
            Drive::Inactive => !self.active_level,
        }
    }
}

/// What happened at an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputEvent {
    /// It was switched, or for the first time made to do what it may have done already.
    Switched {
        /// What it does.
        drive: Drive,
        /// When it was written.
        at_ns: u64,
        /// Why.
        cause: Cause,
    },
    /// The read-back says something else than was written: a relay that sticks or has no supply, a
    /// fuse, a cut wire. It is written again at each poll.
    Disagrees {
        /// What was written.
        expected: Drive,
        /// What is.
        found: Drive,
    },
    /// The read-back agrees again.
    Agrees {
        /// Both.
        drive: Drive,
    },
}

/// Why an output could not be switched or read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputError<P, R> {
    /// The pin's: what the output does is unknown. Poll again.
    Pin(P),
    /// That of the read-back: whether the output does what it should is unknown. Poll again.
    ReadBack(R),
}

impl<P: fmt::Debug, R: fmt::Debug> fmt::Display for OutputError<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(error) => write!(f, "output: {error:?}"),
            Self::ReadBack(error) => write!(f, "read-back of an output: {error:?}"),
        }
    }
}

impl<P: fmt::Debug, R: fmt::Debug> core::error::Error for OutputError<P, R> {}

/// A pin that switches a load.
#[derive(Debug)]
pub struct Output<P: OutputPin, R: ReadBack<P> = Unwired> {
    pin: P,
    read_back: R,
    config: OutputConfig,
    switch: Switch,
    /// What the pin's driver confirmed, and when; `None`: unknown, write it.
    written: Option<(Drive, u64)>,
    /// The change that was told last.
    told: Option<Drive>,
    since_ns: u64,
    checked: bool,
    disagrees: bool,
}

impl<P: OutputPin> Output<P> {
    /// Without read-back. The pin is not touched.
    pub const fn new(pin: P, config: OutputConfig) -> Self {
        Self::with_read_back(pin, Unwired, config)
    }
}

impl<P: OutputPin, R: ReadBack<P>> Output<P, R> {
    /// With read-back. The pin is not touched.
    pub const fn with_read_back(pin: P, read_back: R, config: OutputConfig) -> Self {
        Self {
            pin,
            read_back,
            config,
            switch: Switch::new(config.timing),
            written: None,
            told: None,
            since_ns: 0,
            checked: false,
            disagrees: false,
        }
    }

    /// Takes a command. It is written by the next [`poll`](Self::poll): call that at once.
    pub fn command(&mut self, command: Command, now_ns: u64) {
        self.switch.command(command, now_ns);
    }

    /// Goes to the safe state, whatever the limits are. Written by [`poll`](Self::poll).
    ///
    /// Call it before the first command, and last of all.
    pub fn rest(&mut self) {
        match self.config.safe {
            SafeState::Drive(drive) => self.switch.rest(drive),
            SafeState::Hold => {}
        }
    }

    /// What the output does; `None` while that is not known.
    pub fn drive(&self) -> Option<Drive> {
        self.written.filter(|_| !self.disagrees).map(|(drive, _)| drive)
    }

    /// From when to when it is active by the commands so far.
    pub fn window(&self, now_ns: u64) -> Option<(u64, u64)> {
        self.switch.window(now_ns)
    }

    /// When [`poll`](Self::poll) must be called if nobody commands before. After an error: when the
    /// caller likes to retry.
    pub fn deadline(&self, now_ns: u64) -> Option<u64> {
        let mut deadline = self.switch.deadline(now_ns);
        let mut sooner = |at_ns: u64| {
            deadline = Some(deadline.map_or(at_ns, |other| other.min(at_ns)));
        };
        if let Some((_, written_ns)) = self.written {
            if R::WIRED && !self.checked {
                sooner(self.settled_ns());
            }
            if let Some(refresh) = self.config.refresh {
                sooner(written_ns.saturating_add(nanos(refresh)));
            }
        }
        deadline
    }

    /// The pin's driver has lost its state (an expander was reset): the level is written again.
    pub const fn forget(&mut self) {
        self.written = None;
    }

    /// Writes what is wanted, if it is not known to be so, then reads back.
    ///
    /// After `Some` poll again, more may have happened.
    ///
    /// # Errors
    ///
    /// Those of the pins. The next call tries again; the pace is the caller's duty.
    pub fn poll(
        &mut self,
        now_ns: u64,
    ) -> Result<Option<OutputEvent>, OutputError<P::Error, R::Error>> {
        let Some(wanted) = self.switch.wanted(now_ns) else { return Ok(None) };
        if self.must_write(wanted, now_ns) {
            let known = self.written.is_some_and(|(drive, _)| drive == wanted);
            self.write(wanted, now_ns).map_err(OutputError::Pin)?;
            if !known && !self.disagrees || self.told != Some(wanted) {
                // The load may move only now.
                self.since_ns = now_ns;
                self.checked = false;
            }
            if self.told != Some(wanted) {
                self.told = Some(wanted);
                let cause = self.switch.cause(now_ns);
                return Ok(Some(OutputEvent::Switched { drive: wanted, at_ns: now_ns, cause }));
            }
        }
        if now_ns < self.settled_ns() {
            return Ok(None);
        }
        let found = self.read_back.drive(&mut self.pin, self.config.active_level);
        let found = found.map_err(OutputError::ReadBack)?;
        self.checked = true;
        let disagrees = found.is_some_and(|found| found != wanted);
        if disagrees {
            // It may be the pin's driver that forgot: the next poll writes again.
            self.written = None;
        }
        if disagrees == self.disagrees {
            return Ok(None);
        }
        self.disagrees = disagrees;
        Ok(Some(match found {
            Some(found) if disagrees => OutputEvent::Disagrees { expected: wanted, found },
            _ => OutputEvent::Agrees { drive: wanted },
        }))
    }

    fn settled_ns(&self) -> u64 {
        self.since_ns.saturating_add(nanos(self.config.settle))
    }

    fn must_write(&self, wanted: Drive, now_ns: u64) -> bool {
        let Some((drive, at_ns)) = self.written else { return true };
        let refresh = self.config.refresh.map(|refresh| at_ns.saturating_add(nanos(refresh)));
        drive != wanted || refresh.is_some_and(|due_ns| now_ns >= due_ns)
    }

    fn write(&mut self, drive: Drive, now_ns: u64) -> Result<(), P::Error> {
        // Unknown until the driver has confirmed: a write that fails may have been carried out.
        self.written = None;
        self.pin.set_state(self.config.level(drive))?;
        self.written = Some((drive, now_ns));
        self.switch.driven(drive, now_ns);
        Ok(())
    }
}

impl<P: OutputPin, R: ReadBack<P>> Drop for Output<P, R> {
    /// Writes the safe state. An error cannot be told here: [`rest`](Output::rest) and poll before.
    fn drop(&mut self) {
        let touched = self.switch.wanted(0).is_some();
        if let (true, SafeState::Drive(drive)) = (touched, self.config.safe) {
            let _ = self.pin.set_state(self.config.level(drive));
        }
    }
}

#[cfg(test)]
mod tests;
