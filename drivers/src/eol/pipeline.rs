//! One supervised loop: samples in, states out.

use core::time::Duration;

use super::baseline::{Baseline, Learned, Notice};
use super::ohms::Ratio;
use super::settle::{Past, Settled, Settler};
use super::window::{Quality, WINDOW_NS, Window, Windower};
use super::{Bands, LoopState, Ohms, Preset};
use crate::adc::Sample;

/// After so long without a usable window the state is unknown: longer than a bus needs to be given
/// up and taken up again, and as short as the standards want a lost input to be noticed.
pub const STALE_AFTER: Duration = Duration::from_secs(1);

const STALE_NS: u64 = 1_000_000_000;

/// How a loop is wired, and what is noticed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopConfig {
    /// Which resistance means what.
    pub bands: Bands,
    /// The resistor between the supply and the loop. Best equal to the normal resistance; see
    /// [`narrowest_band`](Self::narrowest_band).
    pub pull_up: Ohms,
    /// A window with fewer samples is not believed.
    pub min_samples: u16,
    /// A drift from what was learned is warned of when it is more than so many thousandths of the
    /// normal resistance. 0: never.
    pub drift_permille: u16,
    /// A step at rest is another resistor when it is more than so many thousandths of the normal
    /// resistance. 0: never.
    pub step_permille: u16,
}

impl LoopConfig {
    /// A table of a common panel, with a pull-up of the normal resistance.
    pub const fn preset(preset: Preset) -> Self {
        let bands = preset.bands();
        Self::custom(bands, bands.nominal())
    }

    /// A table of your own.
    pub const fn custom(bands: Bands, pull_up: Ohms) -> Self {
        Self {
            bands,
            pull_up,
            // Two for each period of 60 Hz; a converter that serves four loops makes sixteen.
            min_samples: 12,
            // Less than the warning bands of those tables that have them, more than the seasons.
            drift_permille: 80,
            // Twice the tolerance of the resistors that ought to be used, five counts of ten bits.
            step_permille: 20,
        }
    }
}

impl LoopConfig {
    /// The narrowest band between two edges, in counts of a converter with this full scale. Below
    /// 15, noise and the converter's own errors cross it: ten bits do for the presets with a pull-up
    /// of the normal resistance, and not for one that is far from it.
    pub fn narrowest_band(&self, full_scale: u16) -> u16 {
        let counts = |edge: Ohms| {
            let (edge, pull_up) = (u64::from(edge.0), u64::from(self.pull_up.0));
            (edge * u64::from(full_scale)).checked_div(edge + pull_up).unwrap_or(0)
        };
        let ends = || self.bands.iter().map(|(_, end)| end).filter(|end| *end != Ohms::OPEN);
        let widths = ends().zip(ends().skip(1)).map(|(low, high)| counts(high) - counts(low));
        widths.min().and_then(|width| u16::try_from(width).ok()).unwrap_or(full_scale)
    }
}

/// A state that counts, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopReading {
    /// [`LoopState::Unknown`] only if there are no usable samples any more.
    pub state: LoopState,
    /// When the state began, on the clock of the samples. To within 10 ms for a step of a quarter
    /// of the supply, with 16 samples in a window.
    pub at_ns: u64,
    /// The resistance; none if unknown or unstable.
    pub ohms: Option<Ohms>,
    /// Samples were missing before this: `at_ns` may be later than the truth, and more may have
    /// happened in between.
    pub resynced: bool,
}

/// What a sample brought; mostly nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// A state came to count.
    pub reading: Option<LoopReading>,
    /// Something else is worth knowing.
    pub notice: Option<Notice>,
}

/// One supervised loop.
///
/// It owns no bus: feed it what an [`Adc`](crate::adc::Adc) yields, with the time of the
/// conversion. All of it is arithmetic on what it is fed: the same samples give the same reports.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    config: LoopConfig,
    windower: Windower,
    settler: Settler,
    baseline: Baseline,
    /// The band of the last good window, for hysteresis.
    band: Option<usize>,
    mean: Option<Ratio>,
    /// Until when the last good window was.
    good_ns: Option<u64>,
    /// A state was known once, and then not.
    resync: bool,
    /// A state was known once.
    known_once: bool,
}

impl Loop {
    /// The state is unknown.
    pub const fn new(config: LoopConfig) -> Self {
        let nominal = config.bands.nominal();
        Self {
            config,
            windower: Windower::new(config.min_samples as u32),
            settler: Settler::new(),
            baseline: Baseline::new(nominal, config.drift_permille, config.step_permille),
            band: None,
            mean: None,
            good_ns: None,
            resync: false,
            known_once: false,
        }
    }

    /// Continues with what was learned before a restart, which was `dark` ago. A resistor that was
    /// replaced meanwhile is noticed, as far as drift cannot explain it.
    pub fn resume(&mut self, learned: Learned, dark: Duration) {
        self.baseline.resume(learned, dark);
    }

    /// What is to be kept for the next start; none in the first minute at rest.
    pub fn learned(&self) -> Option<Learned> {
        self.baseline.learned()
    }

    /// What is known now.
    pub const fn state(&self) -> LoopState {
        self.settler.stable()
    }

    /// The resistance in the last usable window: for the installer, not for decisions.
    pub fn ohms(&self) -> Option<Ohms> {
        self.mean.map(|mean| mean.ohms(self.config.pull_up))
    }

    /// Nothing is known any more: the bus was lost, or the caller knows better.
    pub fn forget(&mut self) {
        self.resync |= self.state() != LoopState::Unknown;
        self.settler.forget();
        self.baseline.interrupt();
        self.windower = Windower::new(u32::from(self.config.min_samples));
        self.band = None;
        self.mean = None;
        self.good_ns = None;
    }

    /// Decides by the passing of time alone: without usable samples for [`STALE_AFTER`] the state is
    /// unknown, since the end of the last usable one. Call it when sampling fails.
    pub fn expire(&mut self, now_ns: u64) -> Option<LoopReading> {
        let at_ns = self.good_ns?;
        if now_ns < at_ns.saturating_add(STALE_NS) {
            return None;
        }
        let known = self.state() != LoopState::Unknown;
        self.forget();
        let state = LoopState::Unknown;
        known.then_some(LoopReading { state, at_ns, ohms: None, resynced: false })
    }

    /// Takes the next sample and the time of its conversion.
    pub fn feed(&mut self, sample: Sample, at_ns: u64) -> Report {
        let mut report = Report::default();
        if self.windower.is_gap(at_ns) {
            self.settler.interrupt();
            self.baseline.interrupt();
            report.reading = self.expire(at_ns);
        }
        match self.windower.feed(Ratio::of(sample), at_ns) {
            Some(window) => self.window(window),
            None => report,
        }
    }

    fn window(&mut self, window: Window) -> Report {
        let Window { start_ns, mean, quality } = window;
        let end_ns = start_ns + WINDOW_NS;
        let state = match quality {
            Quality::Thin => LoopState::Unknown,
            Quality::Restless => LoopState::Unstable,
            Quality::Good => {
                let ohms = mean.ohms(self.config.pull_up);
                let band = self.config.bands.band(ohms, self.band);
                self.band = Some(band);
                self.mean = Some(mean);
                self.config.bands.state_of(band)
            }
        };
        if quality == Quality::Thin {
            self.settler.push(Past { start_ns, mean, state });
            self.baseline.interrupt();
            return Report { reading: self.expire(end_ns), notice: None };
        }
        self.good_ns = Some(end_ns);
        let settled = self.settler.push(Past { start_ns, mean, state });
        let reading = settled.map(|settled| self.reading(settled));
        let notice = if let Some(past) = self.settler.at_rest() {
            let milliohms = past.mean.milliohms(self.config.pull_up);
            self.baseline.feed(self.state(), milliohms, past.start_ns)
        } else {
            self.baseline.interrupt();
            None
        };
        Report { reading, notice }
    }

    fn reading(&mut self, settled: Settled) -> LoopReading {
        let Settled { state, at_ns, mean, joined } = settled;
        let lost = core::mem::take(&mut self.resync);
        let later = core::mem::replace(&mut self.known_once, true);
        let ohms = (state != LoopState::Unstable).then(|| mean.ohms(self.config.pull_up));
        LoopReading { state, at_ns, ohms, resynced: lost || (later && !joined) }
    }
}
