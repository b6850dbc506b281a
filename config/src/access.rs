//! Readers, what they hang on, areas, and what holds for all of them.

use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{AreaConfig, ReaderConfig, Side, UnknownClock};

use crate::kind::Word;
use crate::wiring::{Bias, Line, WiredInput};

/// One area: its name, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// Everything else, with its id.
    pub rules: AreaConfig,
}

/// One RS-485 bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rs485 {
    /// Its id.
    pub id: Id,
    /// The serial port.
    pub device: PathBuf,
    /// In bits per second: a speed of OSDP.
    pub baud: u32,
    /// Who switches the direction.
    pub direction: Direction,
    /// The key of the secure channel of its readers.
    pub key_file: Option<PathBuf>,
    /// New readers are given the key.
    pub install_key: bool,
    /// Its loss must last so long to be told.
    pub hold_off: Duration,
}

/// Who switches a two-wire bus between sending and receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The adapter.
    Adapter,
    /// The kernel, with RTS.
    Rts,
}

impl Word for Direction {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Adapter, "adapter", "the adapter by itself, as most with USB do"),
        (
            Self::Rts,
            "rts",
            "the kernel by the line RTS: a serial port of the board with a transceiver",
        ),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("auto", "adapter"), ("usb", "adapter"), ("kernel", "rts")];
}

/// One reader: how it is wired, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardReader {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// How its cards come to the box.
    pub wires: ReaderWires,
    /// Its tamper contact, where it is wired apart.
    pub tamper: Option<WiredInput>,
    /// Readers with the same place share the codes that are typed without a card.
    pub pin_place: Id,
    /// Everything else, with its id. `driver` is the wire as events name it.
    pub rules: ReaderConfig,
}

/// How the cards of a reader come to the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderWires {
    /// Two lines of one chip.
    Wiegand {
        /// The line of D0.
        d0: Line,
        /// The line of D1.
        d1: Line,
        /// The resistor at both.
        bias: Bias,
        /// A pulse is level 1: there is an inverting coupler.
        inverted: bool,
    },
    /// OSDP.
    Bus {
        /// The bus, by its place in [`Config::rs485`](crate::Config::rs485).
        bus: usize,
        /// Its address on it, 0 to 126.
        address: u8,
        /// In the secure channel of the bus's key, or not at all.
        secure: bool,
    },
}

impl Word for Side {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Outside, "outside", "before the door: for people who come in"),
        (Self::Inside, "inside", "behind the door: for people who leave"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("out", "outside"), ("in", "inside"), ("entry", "outside"), ("exit", "inside")];
}

/// What holds for all readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The file of credentials. [`Config::load`](crate::Config::load) makes it whole; otherwise it
    /// is as written, beside the configuration.
    pub credentials: PathBuf,
    /// What a credential with a time limit may do while the time is not known.
    pub unknown_clock: UnknownClock,
    /// With a larger bound of its error, the wall clock is not known.
    pub clock_error: Duration,
    /// A card, a request to exit or a wish to open that is older than this does nothing.
    pub late: Duration,
}

impl Word for UnknownClock {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Refuse, "refuse", "whoever has a time limit stays out until the time is known"),
        (Self::Allow, "allow", "time limits do not count until the time is known"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("deny", "refuse"), ("no", "refuse"), ("grant", "allow"), ("yes", "allow")];
}
