//! What pictures that do come fall short of.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::time::Mono;

use super::ladder::HealthSettings;
use super::seen::Seen;

/// Over so long the rate of pictures and their clock are measured.
const WINDOW: Duration = Duration::from_secs(20);

/// Over so long failures to decode, and losses, are counted.
const FAILURES: Duration = Duration::from_secs(600);

/// No more failures are remembered: more are not worse.
const REMEMBERED: usize = 64;

/// What is wrong with a camera whose pictures come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// Its pictures have another size than configured: a reset to its defaults, or another camera.
    Resolution {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// It is lost again and again.
    Unstable,
    /// Pictures cannot be decoded.
    Undecodable,
    /// Fewer pictures than configured.
    FewPictures {
        /// Pictures per 100 s, so that slow sources have a number too.
        per_100_s: u32,
    },
    /// Its clock runs fast or slow, or jumps.
    ClockDrift,
}

/// Counted since the start; saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pictures.
    pub pictures: u64,
    /// Pictures that could not be decoded.
    pub undecodable: u64,
    /// Packets that were lost on their way.
    pub packets_lost: u64,
    /// Sessions that ended or did not come about.
    pub losses: u64,
}

/// A stretch of pictures, measured when [`WINDOW`] has passed.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    began: Mono,
    media: i64,
    pictures: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Measure {
    pub(super) counters: Counters,
    stretch: Option<Stretch>,
    /// Of the last whole stretch.
    per_100_s: Option<u32>,
    drifts: bool,
    size: Option<(u32, u32)>,
    undecodable: VecDeque<Mono>,
    losses: VecDeque<Mono>,
}

impl Measure {
    pub(super) fn seen(&mut self, at: Mono, seen: Seen, settings: &HealthSettings) {
        match seen {
            Seen::Answered => {}
            Seen::Gap { packets } => {
                let lost = &mut self.counters.packets_lost;
                *lost = lost.saturating_add(packets.into());
            }
            Seen::Picture { media, width, height } => {
                self.counters.pictures = self.counters.pictures.saturating_add(1);
                self.size = Some((width, height));
                self.picture(at, media, settings);
            }
            Seen::Undecodable => {
                self.counters.undecodable = self.counters.undecodable.saturating_add(1);
                remember(&mut self.undecodable, at);
            }
            Seen::Lost(_) => {
                self.counters.losses = self.counters.losses.saturating_add(1);
                // Attempts that fail one after the other are one loss.
                if self.stretch.take().is_some() {
                    remember(&mut self.losses, at);
                }
                // The next session's clock begins anew.
                (self.per_100_s, self.drifts) = (None, false);
            }
        }
    }

    fn picture(&mut self, at: Mono, media: i64, settings: &HealthSettings) {
        let fresh = Stretch { began: at, media, pictures: 0 };
        let stretch = self.stretch.get_or_insert(fresh);
        let lasted = at.since(stretch.began);
        if lasted < WINDOW {
            stretch.pictures = stretch.pictures.saturating_add(1);
            return;
        }
        let rate = f64::from(stretch.pictures) * 100.0 / lasted.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates"
        )]
        let per_100_s = rate as u32;
        self.per_100_s = Some(per_100_s);
        // Both as 1/90000 s: a 64-bit difference cannot overflow in 128 bits.
        let camera = i128::from(media) - i128::from(stretch.media);
        let ours = i128::try_from(lasted.as_nanos() * 9 / 100_000).unwrap_or(i128::MAX);
        let off = (camera - ours).unsigned_abs();
        self.drifts = off * 1000 > u128::from(settings.drift_per_mille) * ours.unsigned_abs();
        self.stretch = Some(Stretch { pictures: 1, ..fresh });
    }

    /// The gravest shortfall now.
    pub(super) fn shortfall(&mut self, now: Mono, settings: &HealthSettings) -> Option<Shortfall> {
        forget(&mut self.undecodable, now);
        forget(&mut self.losses, now);
        if let (Some(size), Some(wanted)) = (self.size, settings.size)
            && size != wanted
        {
            return Some(Shortfall::Resolution { width: size.0, height: size.1 });
        }
        if self.losses.len() >= settings.unstable_losses {
            return Some(Shortfall::Unstable);
        }
        if self.undecodable.len() >= settings.undecodable {
            return Some(Shortfall::Undecodable);
        }
        if let (Some(per_100_s), Some(wanted)) = (self.per_100_s, settings.least_per_100_s)
            && per_100_s < wanted
        {
            return Some(Shortfall::FewPictures { per_100_s });
        }
        self.drifts.then_some(Shortfall::ClockDrift)
    }
}

fn remember(times: &mut VecDeque<Mono>, at: Mono) {
    if times.len() == REMEMBERED {
        times.pop_front();
    }
    times.push_back(at);
}

fn forget(times: &mut VecDeque<Mono>, now: Mono) {
    while times.front().is_some_and(|&at| now.since(at) > FAILURES) {
        times.pop_front();
    }
}
