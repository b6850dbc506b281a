//! Where a picture begins and ends in what the FIFO gives. ITU-T T.81, annex B.
//!
//! Searching for FF D9 alone is not enough: a quantisation table may hold these bytes. So headers
//! are stepped over by their lengths, and only the coded data after them is searched.

/// What every picture begins with: SOI, and the first byte of the marker after it. FF D8 alone
/// comes about by chance once in 65 536 bytes of garbage.
const START: [u8; 3] = [0xff, 0xd8, 0xff];

// Table B.1.
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const RST0: u8 = 0xd0;
const RST7: u8 = 0xd7;
const TEM: u8 = 0x01;

/// What was taken to be a picture is none: its headers make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// How many bytes at the beginning of the buffer belong to the picture, and whether it ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) len: usize,
    pub(super) ended: bool,
}

/// Finds one picture in a stream of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the picture; so many bytes of [`START`] were the last ones seen.
    Seek {
        held: usize,
    },
    /// A header segment must begin here.
    Marker,
    /// After FF.
    Code,
    /// The length of a segment; after that of SOS comes coded data.
    LengthHigh {
        scan: bool,
    },
    LengthLow {
        scan: bool,
        high: u8,
    },
    /// Inside a segment, with so many bytes left.
    Segment {
        scan: bool,
        left: u16,
    },
    /// In coded data (B.1.1.5: FF is followed by 0 there, or begins a marker).
    Scan,
    ScanCode,
    Ended,
}

impl Framing {
    pub(super) const fn new() -> Self {
        Self(State::Seek { held: 0 })
    }

    /// Whether the beginning was found.
    pub(super) const fn started(&self) -> bool {
        !matches!(self.0, State::Seek { .. })
    }

    /// Bytes that must be put before the next piece: a beginning that was cut in two.
    pub(super) fn held(&self) -> &'static [u8] {
        match self.0 {
            State::Seek { held } => START.get(..held).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Takes a piece, with what is [`held`](Self::held) before it, and moves what belongs to the
    /// picture to its front.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> Result<Taken, Damaged> {
        let mut len = bytes.len();
        let mut stepped = 0;
        if !self.started() {
            let Some(at) = bytes.windows(START.len()).position(|window| window == START) else {
                let held = if bytes.ends_with(&START[..2]) {
                    2
                } else {
                    usize::from(bytes.ends_with(&START[..1]))
                };
                self.0 = State::Seek { held };
                return Ok(Taken { len: 0, ended: false });
            };
            bytes.copy_within(at.., 0);
            len -= at;
            stepped = START.len();
            self.0 = State::Code;
        }
        for (index, byte) in bytes.iter().take(len).enumerate().skip(stepped) {
            self.0 = self.0.step(*byte)?;
            if self.0 == State::Ended {
                return Ok(Taken { len: index + 1, ended: true });
            }
        }
        Ok(Taken { len, ended: false })
    }
}

impl State {
    fn step(self, byte: u8) -> Result<Self, Damaged> {
        Ok(match (self, byte) {
            (Self::Marker, 0xff) => Self::Code,
            // B.1.1.2: any number of FF may fill up before a marker.
            (Self::Code, 0xff) => Self::Code,
            // No segment: none of these belongs before the coded data.
            (Self::Code, 0 | TEM | RST0..=RST7 | SOI | EOI) => return Err(Damaged),
            (Self::Code, code) => Self::LengthHigh { scan: code == SOS },
            (Self::LengthHigh { scan }, high) => Self::LengthLow { scan, high },
            (Self::LengthLow { scan, high }, low) => {
                // B.1.1.4: the length counts its own two bytes.
                match u16::from_be_bytes([high, low]).checked_sub(2) {
                    Some(left) => Self::segment(scan, left),
                    None => return Err(Damaged),
                }
            }
            (Self::Segment { scan, left }, _) => Self::segment(scan, left.saturating_sub(1)),
            (Self::Scan | Self::ScanCode, 0xff) => Self::ScanCode,
            (Self::Scan, _) | (Self::ScanCode, 0 | RST0..=RST7) => Self::Scan,
            (Self::ScanCode, EOI) | (Self::Ended, _) => Self::Ended,
            (Self::ScanCode, SOI | TEM) | (Self::Marker | Self::Seek { .. }, _) => {
                return Err(Damaged);
            }
            (Self::ScanCode, code) => Self::LengthHigh { scan: code == SOS },
        })
    }

    const fn segment(scan: bool, left: u16) -> Self {
        match (left, scan) {
            (0, true) => Self::Scan,
            (0, false) => Self::Marker,
            (left, scan) => Self::Segment { scan, left },
        }
    }
}
