//! A siren or strobe: a latch with an end.

use core::time::Duration;

use embedded_hal::digital::{OutputPin, PinState};

use super::{
    Command, Drive, Output, OutputConfig, OutputError, OutputEvent, ReadBack, SafeState,
    SwitchTiming, Unwired,
};

/// How a siren is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SirenConfig {
    /// The level that makes it sound.
    pub sound_level: PinState,
    /// The longest sounding in one go. A new alarm meanwhile does not make it longer; one
    /// afterwards sounds anew.
    pub longest: Duration,
    /// How long it takes to be seen by the read-back.
    pub settle: Duration,
}

impl SirenConfig {
    /// At most 3 minutes.
    pub const fn new(sound_level: PinState) -> Self {
        Self {
            sound_level,
            // EN 50131-1 asks for 90 s at least and 15 min at most; many councils allow 3 min.
            longest: Duration::from_secs(180),
            settle: Duration::from_millis(50),
        }
    }
}

/// Sounds a siren for a limited time. It is silent at start, at stop and when it is dropped.
#[derive(Debug)]
pub struct Siren<P: OutputPin, R: ReadBack<P> = Unwired> {
    output: Output<P, R>,
}

impl<P: OutputPin> Siren<P> {
    /// Without read-back. The pin is not touched; call [`rest`](Self::rest) and
    /// [`poll`](Self::poll) first of all.
    pub const fn new(pin: P, config: SirenConfig) -> Self {
        Self::with_read_back(pin, Unwired, config)
    }
}

impl<P: OutputPin, R: ReadBack<P>> Siren<P, R> {
    /// With read-back. The pin is not touched.
    pub const fn with_read_back(pin: P, read_back: R, config: SirenConfig) -> Self {
        let output = OutputConfig {
            active_level: config.sound_level,
            safe: SafeState::Drive(Drive::Inactive),
            timing: SwitchTiming {
                min_on: Duration::ZERO,
                min_off: Duration::ZERO,
                max_on: Some(config.longest),
            },
            settle: config.settle,
            refresh: None,
        };
        Self { output: Output::with_read_back(pin, read_back, output) }
    }

    /// Sounds until it is silenced, or for the longest time. Returns the end.
    pub fn sound(&mut self, now_ns: u64) -> Option<u64> {
        self.output.command(Command::On, now_ns);
        self.output.window(now_ns).map(|(_, until_ns)| until_ns)
    }

    /// Sounds for `length`, for a test or a chirp. Returns the end.
    pub fn chirp(&mut self, length: Duration, now_ns: u64) -> Option<u64> {
        self.output.command(Command::Pulse(length), now_ns);
        self.output.window(now_ns).map(|(_, until_ns)| until_ns)
    }

    /// Is silent, at once.
    pub fn silence(&mut self, now_ns: u64) {
        self.output.command(Command::Off, now_ns);
    }

    /// The state at start and stop: silent.
    pub fn rest(&mut self) {
        self.output.rest();
    }

    /// As [`Output::poll`]. Its end by time has the cause
    /// [`MaximumTime`](super::Cause::MaximumTime).
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

    /// Active while it sounds; `None` while that is not known.
    pub fn drive(&self) -> Option<Drive> {
        self.output.drive()
    }

    /// As [`Output::forget`].
    pub const fn forget(&mut self) {
        self.output.forget();
    }
}
