//! From frames to presence: a background, and what is warmer than it.

/// 8 × 8.
pub(super) const PIXELS: usize = 64;

/// How many frames are averaged for the first background.
const LEARNING: u16 = 16;
/// The background is kept in parts of a quarter degree, or slow changes would be rounded away.
const SCALE: i32 = 256;
/// A cold or equal pixel moves the background by 1/64 of the difference each frame: a minute.
const FOLLOW: i32 = 64;
/// A warm one by 1/1024: 17 minutes, so that who sits down is seen for longer than that.
const FADE: i32 = 1_024;
/// How much of a change that all pixels have in common is taken for the room's: 1 °C. More is taken
/// for something warm that fills the view.
const DRIFT: i32 = 4 * SCALE;

/// Quarters of a degree Celsius.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame(pub(super) [i16; PIXELS]);

impl core::fmt::Debug for Frame {
    /// Without the pixels: no picture gets into a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Frame")
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self([0; PIXELS])
    }
}

/// Whether something warm is in view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// The background is not learnt, or the sensor does not answer. Never to be taken for absent.
    #[default]
    Unknown,
    /// Nothing.
    Absent,
    /// Something.
    Present,
}

/// What counts as presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceConfig {
    /// How much warmer than its background a pixel must be, in quarters of a degree.
    pub warmer_quarters: u8,
    /// How many pixels must be. A person at 3 m fills about two.
    pub pixels: u8,
    /// In how many frames in a row, to be present. 0 is taken as 1.
    pub frames: u8,
    /// In how many frames in a row there must be too few, to be absent. 0 is taken as 1.
    pub empty_frames: u8,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        // 1.5 °C is ten times the noise at one frame a second.
        Self { warmer_quarters: 6, pixels: 2, frames: 2, empty_frames: 5 }
    }
}

#[derive(Debug)]
pub(super) struct Model {
    config: PresenceConfig,
    background: [i32; PIXELS],
    learnt: u16,
    presence: Presence,
    /// Frames in a row that say something else than `presence`.
    against: u8,
}

impl Model {
    pub(super) const fn new(config: PresenceConfig) -> Self {
        let presence = Presence::Unknown;
        Self { config, background: [0; PIXELS], learnt: 0, presence, against: 0 }
    }

    pub(super) const fn presence(&self) -> Presence {
        self.presence
    }

    pub(super) const fn forget(&mut self) {
        *self = Self::new(self.config);
    }

    pub(super) fn feed(&mut self, frame: &Frame) -> Presence {
        // At most 2^15 * 2^8, and the differences at most twice that.
        let scaled = frame.0.map(|quarters| i32::from(quarters) * SCALE);
        if self.learnt < LEARNING {
            self.learnt += 1;
            for (background, pixel) in self.background.iter_mut().zip(scaled) {
                *background += (pixel - *background) / i32::from(self.learnt);
            }
            return self.presence;
        }
        let mut warmer = scaled;
        for (warmer, background) in warmer.iter_mut().zip(self.background) {
            *warmer -= background;
        }
        let mut sorted = warmer;
        sorted.sort_unstable();
        let room = sorted[PIXELS / 2].clamp(-DRIFT, DRIFT);
        let limit = i32::from(self.config.warmer_quarters).max(1) * SCALE;
        let mut warm = 0u8;
        for (background, warmer) in self.background.iter_mut().zip(warmer) {
            let is_warm = warmer - room >= limit;
            warm += u8::from(is_warm);
            *background += warmer / if is_warm { FADE } else { FOLLOW };
        }
        self.decide(warm >= self.config.pixels.max(1));
        self.presence
    }

    fn decide(&mut self, seen: bool) {
        let now = if seen { Presence::Present } else { Presence::Absent };
        if now == self.presence {
            self.against = 0;
            return;
        }
        self.against = self.against.saturating_add(1);
        let needed = if seen { self.config.frames } else { self.config.empty_frames };
        // Two frames that say different things while nothing is known: the count is for either.
        if self.against >= needed.max(1) {
            self.presence = now;
            self.against = 0;
        }
    }
}
