//! The release of a door: a pulse, never a latch.

use core::time::Duration;

use embedded_hal::digital::{OutputPin, PinState};

use super::{
    Command, Drive, Output, OutputConfig, OutputError, OutputEvent, ReadBack, SafeState,
    SwitchTiming, Unwired,
};

/// How a door is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorReleaseConfig {
    /// The level that releases. For a lock that opens without current (fail-safe) it is the level
    /// that switches the current off.
    pub release_level: PinState,
    /// The longest release in one go. Whoever asks for more, or again and again, gets this.
    pub longest: Duration,
    /// For how long the door stays locked between two releases.
    pub relock: Duration,
    /// How long the release takes to be seen by the read-back.
    pub settle: Duration,
}

impl DoorReleaseConfig {
    /// At most 30 s, and half a second locked in between.
    pub const fn new(release_level: PinState) -> Self {
        Self {
            release_level,
            // A wheelchair or a pram takes 10 to 20 s from the reader through the door.
            longest: Duration::from_secs(30),
            // The bolt of a strike must fall before it is drawn again.
            relock: Duration::from_millis(500),
            settle: Duration::from_millis(50),
        }
    }
}

/// When a door is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// From when: later than now while the door must stay locked after the last release.
    pub from_ns: u64,
    /// Until when.
    pub until_ns: u64,
}

/// Releases a door for a limited time. It is locked at start, at stop and when it is dropped.
#[derive(Debug)]
pub struct DoorRelease<P: OutputPin, R: ReadBack<P> = Unwired> {
    output: Output<P, R>,
}

impl<P: OutputPin> DoorRelease<P> {
    /// Without read-back. The pin is not touched; call [`rest`](Self::rest) and
    /// [`poll`](Self::poll) first of all.
    pub const fn new(pin: P, config: DoorReleaseConfig) -> Self {
        Self::with_read_back(pin, Unwired, config)
    }
}

impl<P: OutputPin, R: ReadBack<P>> DoorRelease<P, R> {
    /// With read-back. The pin is not touched.
    pub const fn with_read_back(pin: P, read_back: R, config: DoorReleaseConfig) -> Self {
        let output = OutputConfig {
            active_level: config.release_level,
            safe: SafeState::Drive(Drive::Inactive),
            timing: SwitchTiming {
                min_on: Duration::ZERO,
                min_off: config.relock,
                max_on: Some(config.longest),
            },
            settle: config.settle,
            refresh: None,
        };
        Self { output: Output::with_read_back(pin, read_back, output) }
    }

    /// Releases the door for `length`, from now, and tells what comes of it. A release that is
    /// under way becomes longer, up to the longest allowed; `None` if nothing is released, because
    /// either length is 0.
    ///
    /// If the pin cannot be written for as long as the release lasts, there is none: it is not made
    /// up for later.
    pub fn release(&mut self, length: Duration, now_ns: u64) -> Option<Release> {
        self.output.command(Command::Pulse(length), now_ns);
        let (from_ns, until_ns) = self.output.window(now_ns)?;
        Some(Release { from_ns, until_ns })
    }

    /// Locks the door, at once.
    pub fn lock(&mut self, now_ns: u64) {
        self.output.command(Command::Off, now_ns);
    }

    /// The state at start and stop: locked.
    pub fn rest(&mut self) {
        self.output.rest();
    }

    /// As [`Output::poll`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll(
        &mut self,
        now_ns: u64,
    ) -> Result<Option<OutputEvent>, OutputError<P::Error, R::Error>> {
        self.output.poll(now_ns)
    }

    /// As [`Output::deadline`].
    pub fn deadline(&self, now_ns: u64) -> Option<u64> {
        self.output.deadline(now_ns)
    }

    /// Active while released; `None` while that is not known.
    pub fn drive(&self) -> Option<Drive> {
        self.output.drive()
    }

    /// As [`Output::forget`].
    pub const fn forget(&mut self) {
        self.output.forget();
    }
}
