//! Which resistance means what.

use core::fmt;

use super::{LoopState, Ohms};

/// Most bands of a table: all eight states that a resistance can mean.
const MAX_BANDS: usize = 8;

/// Half of the hysteresis around an edge: 3 % of the normal resistance, more than noise and the
/// tolerance of a contact make ...
const OF_NOMINAL_PERMILLE: u64 = 30;
/// ... and 2 % of the edge, since at high resistances the converter resolves less: 19 kohm with a
/// pull-up of 1 kohm is one count of ten bits.
const OF_EDGE_PERMILLE: u64 = 20;

/// A table of bands, without holes, from a short to an open loop.
///
/// Between two bands there is an edge. A loop leaves its band only beyond the edge, by 3 % of the
/// normal resistance or 2 % of the edge, whichever is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bands {
    nominal: Ohms,
    len: usize,
    states: [LoopState; MAX_BANDS],
    /// Where a band ends and the next begins. The last band has no end.
    edges: [Ohms; MAX_BANDS - 1],
}

/// Why a table is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BandsError {
    /// There must be 2 to 8 bands.
    Count,
    /// The first band must not be a normal one: a shorted cable would pass for a loop at rest.
    ShortIsNormal,
    /// The last band must not be a normal one: a cut cable would pass for a loop at rest.
    OpenIsNormal,
    /// This band (counted from 0) is [`LoopState::Unknown`] or [`LoopState::Unstable`], which are
    /// no resistances.
    NoResistance(usize),
    /// This edge (counted from 0) is not above the one before, or so close to it that the
    /// hysteresis of both meet and no resistance would belong to the band in between.
    TooClose(usize),
    /// The normal resistance must be in the only [`LoopState::Normal`] band, clear of its edges by
    /// their hysteresis.
    Nominal,
}

impl fmt::Display for BandsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("a table has 2 to 8 bands"),
            Self::ShortIsNormal => {
                f.write_str("the first band must be short, not normal: a shorted cable is in it")
            }
            Self::OpenIsNormal => {
                f.write_str("the last band must be open, not normal: a cut cable is in it")
            }
            Self::NoResistance(band) => {
                write!(f, "band {} must be a state that a resistance can mean", band + 1)
            }
            Self::TooClose(edge) => write!(
                f,
                "edge {} must be above the one before by more than the hysteresis of both (3 % of \
                 the normal resistance or 2 % of the edge each)",
                edge + 1
            ),
            Self::Nominal => f.write_str(
                "the normal resistance must be within the only normal band, clear of its edges by \
                 3 %",
            ),
        }
    }
}

impl core::error::Error for BandsError {}

impl Bands {
    /// A table: the resistance at rest, the state of the lowest band, and where each further one
    /// begins.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    ///
    /// # Example
    ///
    /// ```
    /// use gatehouse_drivers::eol::{Bands, LoopState::{Alarm, Normal, Open, Short}, Ohms};
    ///
    /// // 3.3 kohm at the end, 4.7 kohm across the contact.
    /// let table = [(Ohms(2_500), Normal), (Ohms(5_500), Alarm), (Ohms(12_000), Open)];
    /// let bands = Bands::new(Ohms(3_300), Short, &table)?;
    /// assert_eq!(bands.state(Ohms(8_000)), Alarm);
    /// # Ok::<(), gatehouse_drivers::eol::BandsError>(())
    /// ```
    pub const fn new(
        nominal: Ohms,
        lowest: LoopState,
        above: &[(Ohms, LoopState)],
    ) -> Result<Self, BandsError> {
        if above.is_empty() || above.len() >= MAX_BANDS {
            return Err(BandsError::Count);
        }
        let mut states = [lowest; MAX_BANDS];
        let mut edges = [Ohms::OPEN; MAX_BANDS - 1];
        let mut i = 0;
        while i < above.len() {
            (edges[i], states[i + 1]) = above[i];
            i += 1;
        }
        let bands = Self { nominal, len: above.len() + 1, states, edges };
        match bands.mistake() {
            Some(mistake) => Err(mistake),
            None => Ok(bands),
        }
    }

    const fn mistake(&self) -> Option<BandsError> {
        let (mut band, mut home) = (0, None);
        while band < self.len {
            match self.states[band] {
                LoopState::Unknown | LoopState::Unstable => {
                    return Some(BandsError::NoResistance(band));
                }
                LoopState::Normal if home.is_some() => return Some(BandsError::Nominal),
                LoopState::Normal => home = Some(band),
                _ => {}
            }
            band += 1;
        }
        if self.states[0].is_at_rest() {
            return Some(BandsError::ShortIsNormal);
        }
        if self.states[self.len - 1].is_at_rest() {
            return Some(BandsError::OpenIsNormal);
        }
        let mut edge = 1;
        while edge < self.len - 1 {
            if self.falls_below(edge) <= self.rises_above(edge - 1) {
                return Some(BandsError::TooClose(edge));
            }
            edge += 1;
        }
        // The band is neither the first nor the last: both edges exist.
        let Some(home) = home else { return Some(BandsError::Nominal) };
        let nominal = self.nominal.0 as u64;
        if nominal <= self.rises_above(home - 1) || nominal >= self.falls_below(home) {
            return Some(BandsError::Nominal);
        }
        None
    }

    /// The resistance at rest.
    pub const fn nominal(&self) -> Ohms {
        self.nominal
    }

    /// What a resistance means, without hysteresis.
    pub fn state(&self, ohms: Ohms) -> LoopState {
        self.states[self.band(ohms, None)]
    }

    /// The bands from low to high: the state, and where the band ends (the last one never does).
    pub fn iter(&self) -> impl Iterator<Item = (LoopState, Ohms)> + '_ {
        let ends = self.edges[..self.len - 1].iter().copied().chain([Ohms::OPEN]);
        self.states[..self.len].iter().copied().zip(ends)
    }

    pub(crate) fn state_of(&self, band: usize) -> LoopState {
        self.states.get(band).copied().unwrap_or_default()
    }

    /// The band of a resistance, coming from another.
    pub(crate) fn band(&self, ohms: Ohms, from: Option<usize>) -> usize {
        let ohms = u64::from(ohms.0);
        let top = self.len - 1;
        let Some(from) = from else {
            return self.edges[..top].iter().take_while(|edge| ohms >= u64::from(edge.0)).count();
        };
        let mut band = from.min(top);
        while band < top && ohms >= self.rises_above(band) {
            band += 1;
        }
        while band > 0 && ohms < self.falls_below(band - 1) {
            band -= 1;
        }
        band
    }

    const fn margin(&self, edge: usize) -> u64 {
        let of_nominal = self.nominal.0 as u64 * OF_NOMINAL_PERMILLE / 1_000;
        let of_edge = self.edges[edge].0 as u64 * OF_EDGE_PERMILLE / 1_000;
        if of_nominal > of_edge { of_nominal } else { of_edge }
    }

    /// From here on a loop that was below an edge is above it.
    const fn rises_above(&self, edge: usize) -> u64 {
        self.edges[edge].0 as u64 + self.margin(edge)
    }

    /// Below this a loop that was above an edge is below it.
    const fn falls_below(&self, edge: usize) -> u64 {
        (self.edges[edge].0 as u64).saturating_sub(self.margin(edge))
    }
}
