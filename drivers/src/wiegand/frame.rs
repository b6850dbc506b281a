//! From edges to frames: when a bit counts, and when a frame is over.

use core::fmt;
use core::time::Duration;

use embedded_hal::digital::PinState;
use zeroize::Zeroize;

use crate::edge::Edge;

/// The longest frame: passports of card formats end at 64 bits, a FASC-N sends 75.
pub const MAX_BITS: u8 = 128;

/// Pulses closer than this are noise: the fastest readers leave 200 µs, and interrupt threads may
/// stamp two edges nearer to each other by some ten microseconds.
pub const MIN_INTERVAL: Duration = Duration::from_micros(100);

/// The slowest readers leave 20 ms between two bits.
pub const MAX_INTERVAL: Duration = Duration::from_millis(20);

/// After so long without a bit the frame is over: longer than any interval, shorter than anybody
/// presents a second card.
pub const SILENCE: Duration = Duration::from_millis(30);

const MIN_INTERVAL_NS: u64 = 100_000;
const MAX_INTERVAL_NS: u64 = 20_000_000;
const SILENCE_NS: u64 = 30_000_000;

/// Which of the two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Its pulses are zeros.
    D0,
    /// Its pulses are ones.
    D1,
}

/// Up to [`MAX_BITS`] bits, the first received first.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bits {
    /// The last bit received is the lowest.
    value: u128,
    len: u8,
}

impl Bits {
    /// The lowest `len` bits of `value`, the highest of them first. More than [`MAX_BITS`] are
    /// taken as that.
    pub const fn new(value: u128, len: u8) -> Self {
        let len = if len > MAX_BITS { MAX_BITS } else { len };
        let mask = if len == 0 { 0 } else { u128::MAX >> (128 - len) };
        Self { value: value & mask, len }
    }

    /// The first `len` bits of bytes that begin with the first bit; `None` if there are fewer, or
    /// more than [`MAX_BITS`].
    pub fn from_bytes(bytes: &[u8], len: u16) -> Option<Self> {
        let len = u8::try_from(len).ok().filter(|len| *len <= MAX_BITS)?;
        let whole = usize::from(len).div_ceil(8);
        let mut value = 0;
        for byte in bytes.get(..whole)? {
            value = value << 8 | u128::from(*byte);
        }
        let surplus = whole * 8 - usize::from(len);
        Some(Self::new(value >> surplus, len))
    }

    /// How many.
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them as a number, the first bit the highest.
    pub const fn value(&self) -> u128 {
        self.value
    }

    /// The bits as bytes that begin with the first bit, the rest of the last byte zero. Overwrite
    /// the buffer after use.
    pub fn write_bytes<'b>(&self, buffer: &'b mut [u8; 16]) -> &'b [u8] {
        let shifted = if self.len == 0 { 0 } else { self.value << (128 - u32::from(self.len)) };
        *buffer = shifted.to_be_bytes();
        &buffer[..usize::from(self.len).div_ceil(8)]
    }

    /// `count` bits from the one at `first`, counted from 0 at the first received.
    pub(super) fn field(&self, first: u8, count: u8) -> u64 {
        let end = self.len.saturating_sub(first.saturating_add(count));
        let mask = (1u128 << count) - 1;
        u64::try_from(self.value >> end & mask).unwrap_or(0)
    }

    /// Whether the number of ones among `count` bits from `first` is odd.
    pub(super) fn odd(&self, first: u8, count: u8) -> bool {
        self.field(first, count).count_ones() % 2 == 1
    }

    const fn push(&mut self, one: bool) {
        self.value = self.value << 1 | one as u128;
        self.len += 1;
    }
}

impl Drop for Bits {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// How many, never which.
impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bits({})", self.len)
    }
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What was sent.
    pub bits: Bits,
    /// When its first bit came, on the clock of the edges.
    pub at_ns: u64,
}

/// What was wrong with a frame. If several things were, the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The kernel or the chip lost edges. Our machine was too busy, or the lines are noisy.
    EdgesLost,
    /// Two bits within [`MIN_INTERVAL`]. Noise, or both lines pulled at once: a bad cable.
    TooFast,
    /// A bit came after more than [`MAX_INTERVAL`] and before [`SILENCE`] was over: two frames run
    /// into each other, or a bit was lost on the cable.
    TooSlow,
    /// More than [`MAX_BITS`]. Noise.
    TooLong,
}

/// What silence ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Burst {
    /// A frame without defect; its parity is not checked yet.
    Frame(Frame),
    /// Pulses that are no frame. Count and report them.
    Garbled {
        /// When the first pulse came.
        at_ns: u64,
        /// How many pulses were seen.
        pulses: u32,
        /// Why they are no frame.
        why: Defect,
    },
}

/// Makes frames of the edges of both lines.
///
/// Feed the edges of both lines in the order in which they happened; call
/// [`expire`](Self::expire) at the [`deadline`](Self::deadline), when no edge waits to be fed. As
/// all decisions are taken on the edges' own time, a late feeder decides as a punctual one.
#[derive(Clone, Debug)]
pub struct Receiver {
    pulse: PinState,
    current: Option<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    bits: Bits,
    pulses: u32,
    first_ns: u64,
    last_ns: u64,
    defect: Option<Defect>,
}

impl Receiver {
    /// `pulse` is the level of a pulse: `Low` on the reader's own lines, `High` behind an
    /// optocoupler or a level shifter that inverts.
    pub const fn new(pulse: PinState) -> Self {
        Self { pulse, current: None }
    }

    /// Takes an edge. Tells the burst that was over before it.
    pub fn edge(&mut self, wire: Wire, edge: Edge) -> Option<Burst> {
        let over = self.expire(edge.at_ns);
        let lost = edge.lost_before > 0;
        if edge.level != self.pulse && !lost {
            return over;
        }
        let fresh = Current {
            bits: Bits::default(),
            pulses: 0,
            first_ns: edge.at_ns,
            last_ns: edge.at_ns,
            defect: None,
        };
        let current = self.current.get_or_insert(fresh);
        // Interrupts of two lines may be stamped in the wrong order by microseconds: no time.
        let interval = edge.at_ns.saturating_sub(current.last_ns);
        let defect = if lost {
            Some(Defect::EdgesLost)
        } else if current.pulses > 0 && interval < MIN_INTERVAL_NS {
            Some(Defect::TooFast)
        } else if current.pulses > 0 && interval > MAX_INTERVAL_NS {
            Some(Defect::TooSlow)
        } else if current.bits.len() == MAX_BITS {
            Some(Defect::TooLong)
        } else {
            None
        };
        current.last_ns = current.last_ns.max(edge.at_ns);
        current.pulses = current.pulses.saturating_add(1);
        current.defect = current.defect.or(defect);
        if current.defect.is_none() {
            current.bits.push(wire == Wire::D1);
        }
        over
    }

    /// When [`expire`](Self::expire) will have something to say, if no edge comes before.
    pub fn deadline(&self) -> Option<u64> {
        Some(self.current.as_ref()?.last_ns.saturating_add(SILENCE_NS))
    }

    /// Decides by the passing of time alone. Call it when all edges up to `now_ns` are fed.
    pub fn expire(&mut self, now_ns: u64) -> Option<Burst> {
        if now_ns < self.deadline()? {
            return None;
        }
        let ended = self.current.take()?;
        let (at_ns, pulses) = (ended.first_ns, ended.pulses);
        Some(match ended.defect {
            None => Burst::Frame(Frame { bits: ended.bits, at_ns }),
            Some(why) => Burst::Garbled { at_ns, pulses, why },
        })
    }

    /// Edges were lost, and nobody knows of which line or whether another comes: what is being
    /// received is no frame, and if nothing is, silence after this tells that something was.
    pub fn lost(&mut self, at_ns: u64) -> Option<Burst> {
        self.edge(Wire::D0, Edge { level: self.pulse, at_ns, line_seqno: None, lost_before: 1 })
    }

    /// The lines are gone: what was received in part is void.
    pub fn forget(&mut self) {
        self.current = None;
    }
}
