//! A Wiegand reader on two lines of a GPIO chip, as one task.
//!
//! The kernel stamps the edges of both lines; [`Receiver`] makes frames of them. There is no
//! polling: one timer ends a frame, another an entry of keys.
//!
//! # Limits
//!
//! - A card of which the kernel lost an edge is told as unreadable, never guessed.
//! - A frame that was taken from the kernel more than [`FRESH`] after its pulses is late: it is told
//!   and never acted on.
//! - Reports go through a bounded channel. When it is full the task waits and edges queue in the
//!   kernel, whose rule is in [`crate::io::gpiochip`].
//! - A Wiegand reader has no supervision: that its cable is cut, only a tamper contact tells.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use embedded_hal::digital::PinState;
use gatehouse_config::Bias;
use gatehouse_core::credential::SiteKey;
use gatehouse_core::id::Id;
use gatehouse_drivers::wiegand::{Burst, Frame, Key, Receiver, Wire};
use tokio::sync::mpsc;

use super::gpio_lines::{LineSource, RECHECK};
use super::reader::{Desk, DownCause, FRESH, ReaderNews, ReaderReport, Unreadable, When};
use crate::io::gpiochip::{ChipConfig, GpioChip};
use crate::io::sim::{ScriptError, Sim};
use crate::io::{LineClock, Signal, Source};

/// A reader and its lines.
#[derive(Clone, Debug)]
pub struct WiegandReader {
    /// Its name.
    pub id: Id,
    /// The chip of both lines.
    pub chip: LineSource,
    /// The number of D0 on the chip.
    pub d0: u32,
    /// The number of D1.
    pub d1: u32,
    /// The lines' resistor: `PullUp` for a reader that only pulls down.
    pub bias: Bias,
    /// The level of a pulse: `Low` on the reader's own lines, `High` behind an inverting coupler.
    pub pulse: PinState,
    /// Readers with the same place share PINs.
    pub pin_place: Id,
    /// What cards are hashed with.
    pub key: Arc<SiteKey>,
}

/// Why the unit ended. It does not end for a chip that is not there.
#[derive(Debug, thiserror::Error)]
pub enum WiegandError {
    /// Nobody listens any more: the daemon stops.
    #[error("nobody takes the cards of {0}")]
    Closed(Id),
    /// D0 and D1 are the same line: configuration.
    #[error("{0}: d0 and d1 are the same line")]
    OneLine(Id),
    /// The script of the simulated wiring is none: configuration.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// Reads for ever.
///
/// # Errors
///
/// The configuration cannot be carried out, or nobody listens any more.
pub async fn run<C: LineClock>(
    config: WiegandReader,
    clock: C,
    out: mpsc::Sender<ReaderReport>,
) -> Result<Infallible, WiegandError> {
    if config.d0 == config.d1 {
        return Err(WiegandError::OneLine(config.id));
    }
    let mut source = match &config.chip {
        LineSource::Gpio { chip, .. } => {
            let lines = vec![(config.d0, config.bias), (config.d1, config.bias)];
            // A filter of bounce would swallow every pulse.
            let (kernel_debounce, recheck) = (None, RECHECK);
            let chip = ChipConfig { chip: chip.clone(), lines, kernel_debounce, recheck };
            Source::Chip(GpioChip::new(chip, clock.clone()))
        }
        LineSource::Sim(origin) => {
            let lines = [config.d0, config.d1];
            Source::Sim(Sim::new(origin.clone(), &lines, RECHECK, clock.clone())?)
        }
    };
    let desk = Desk::new(Arc::clone(&config.key), config.pin_place);
    let receiver = Receiver::new(config.pulse);
    let mut unit = Unit { id: config.id, clock, out, desk, receiver, up: false, told: None };
    let mut signals = Vec::new();
    loop {
        let deadline = unit.deadline();
        let now_ns = source.gather(deadline, &unit.clock, &mut signals).await;
        for signal in signals.drain(..) {
            unit.hear(signal).await?;
        }
        unit.expire(now_ns).await?;
    }
}

struct Unit<C> {
    id: Id,
    clock: C,
    out: mpsc::Sender<ReaderReport>,
    desk: Desk,
    receiver: Receiver,
    up: bool,
    /// Why it is down, as told.
    told: Option<String>,
}

impl<C: LineClock> Unit<C> {
    fn deadline(&self) -> Option<u64> {
        [self.receiver.deadline(), self.desk.deadline()].into_iter().flatten().min()
    }

    async fn hear(&mut self, signal: Signal) -> Result<(), WiegandError> {
        match signal {
            Signal::Level { .. } => Ok(()),
            Signal::Up => {
                self.up = true;
                self.told = None;
                self.tell(None, ReaderNews::Up { secure: false, identity: None }).await
            }
            Signal::Down { cause } => {
                self.receiver.forget();
                self.desk.forget();
                self.up = false;
                if self.told.is_some() {
                    return Ok(());
                }
                self.told = Some(cause.clone());
                self.tell(None, ReaderNews::Down(DownCause::Lines(cause))).await
            }
            Signal::Edge { line, edge } => {
                let wire = if line == 0 { Wire::D0 } else { Wire::D1 };
                let burst = self.receiver.edge(wire, edge);
                self.burst(burst).await
            }
            Signal::Lost { .. } => {
                let burst = self.receiver.lost(self.clock.monotonic_ns());
                self.burst(burst).await
            }
        }
    }

    async fn expire(&mut self, now_ns: u64) -> Result<(), WiegandError> {
        let burst = self.receiver.expire(now_ns);
        self.burst(burst).await?;
        match self.desk.expire(now_ns) {
            Some(news) => self.tell(None, news).await,
            None => Ok(()),
        }
    }

    async fn burst(&mut self, burst: Option<Burst>) -> Result<(), WiegandError> {
        match burst {
            None => Ok(()),
            Some(Burst::Garbled { at_ns, why, .. }) => {
                let news = self.desk.unreadable(Unreadable::Pulses(why));
                self.tell(Some(at_ns), news).await
            }
            Some(Burst::Frame(frame)) => self.frame(frame).await,
        }
    }

    async fn frame(&mut self, frame: Frame) -> Result<(), WiegandError> {
        let Frame { bits, at_ns } = frame;
        let age = Duration::from_nanos(self.clock.monotonic_ns().saturating_sub(at_ns));
        let not_before = Some(self.clock.boot(at_ns));
        let when = When { at_ns, fresh: age <= FRESH, not_before };
        let news = if Key::has_length(bits.len()) {
            match Key::decode(&bits) {
                Ok(key) => self.desk.key(key, when),
                Err(_) => [Some(self.desk.unreadable(Unreadable::Key)), None],
            }
        } else {
            let mut buffer = [0; 16];
            let data = bits.write_bytes(&mut buffer);
            let news = self.desk.card(u16::from(bits.len()), data, true, when);
            zeroize::Zeroize::zeroize(&mut buffer);
            [Some(news), None]
        };
        for news in news.into_iter().flatten() {
            self.tell(Some(at_ns), news).await?;
        }
        Ok(())
    }

    async fn tell(&self, at_ns: Option<u64>, news: ReaderNews) -> Result<(), WiegandError> {
        let at_ns = at_ns.unwrap_or_else(|| self.clock.monotonic_ns());
        let report = ReaderReport { reader: self.id.clone(), at: self.clock.boot(at_ns), news };
        let sent = self.out.send(report).await;
        sent.map_err(|_| WiegandError::Closed(self.id.clone()))
    }
}

#[cfg(test)]
mod tests;
