//! What a simulated world says, and what the box says to it: lines of ASCII, ended by `\n`.
//!
//! | from | line | when |
//! |---|---|---|
//! | world | `level <line> <0\|1> <mono_ns>` | for every line after a connect; as answer to `get` |
//! | world | `ready` | after all those levels |
//! | world | `edge <line> <0\|1> <mono_ns> <line_seqno>` | a line changed |
//! | world | `pin <chip> <line> <0\|1>` | a wire at an expander: pulled to ground, or open |
//! | world | `ohms <chip> <input> <ohms\|open>` | the loop at a converter |
//! | world | `value <chip> <n>` | what a sensor measures: mV, hundredths of °C, 1 for somebody or a clock that runs |
//! | world | `chip <chip> <gone\|back\|dip>` | it is pulled out, plugged in, or its supply dips |
//! | world | `held <bus> <clocks>` | a chip holds the data line for so many clocks |
//! | box | `get <line>` | asks for a level |
//! | box | `drive <line> <0\|1>` | makes an output this level |
//!
//! Level 1 is electrically high; `mono_ns` is `CLOCK_MONOTONIC`; `line_seqno` counts from 1 for each
//! line and connection, and a gap in it is a loss of edges. A world loses edges by leaving out
//! numbers, and is unplugged by closing the connection.
//!
//! Chips are those of a bus with `device = "sim"`, by their ids. Each such bus has a connection of its
//! own, on which it looks at these lines and at `ready` alone; the connection of the lines looks at
//! the others. What the world says of chips before `ready` is how it finds them.
//!
//! A box has a connection for its inputs and one for each output, and each is told all of this. A
//! world keeps what was driven when the connection ends, as a latch does; what a real line does then
//! is its chip's matter ([`crate::io::drive`]).

use embedded_hal::digital::PinState;

/// The longest line: `edge`, two numbers of 10 and one of 20 digits, and some slack.
pub(super) const MAX_LINE: usize = 128;

/// One line from the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Level { offset: u32, level: PinState, at_ns: u64 },
    Ready,
    Edge { offset: u32, level: PinState, at_ns: u64, line_seqno: u32 },
    Chip { id: String, act: ChipAct },
}

/// What happens to a chip of a simulated bus, or to the bus itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChipAct {
    Pin {
        line: u8,
        level: PinState,
    },
    /// `None`: the loop is open.
    Ohms {
        input: u8,
        ohms: Option<u32>,
    },
    Value(i32),
    Gone,
    Back,
    Dip,
    Held {
        clocks: u32,
    },
}

/// Not a line of a world: another program listens on the socket, or its version differs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the world sent {0:?}; allowed are `level <line> <0|1> <ns>`, `ready`, `edge <line> <0|1> \
     <ns> <number>`, `pin <chip> <line> <0|1>`, `ohms <chip> <input> <ohms|open>`, `value <chip> <n>`, \
     `chip <chip> <gone|back|dip>` and `held <bus> <clocks>`"
)]
pub(super) struct Foreign(pub(super) String);

impl Message {
    pub(super) fn parse(line: &[u8]) -> Result<Self, Foreign> {
        let foreign = || Foreign(String::from_utf8_lossy(line).chars().take(MAX_LINE).collect());
        let text = std::str::from_utf8(line).map_err(|_| foreign())?;
        let words: Vec<_> = text.split(' ').collect();
        let message = match *words.as_slice() {
            ["ready"] => Some(Self::Ready),
            ["level", offset, level, at_ns] => Self::level(offset, level, at_ns),
            ["edge", offset, level, at_ns, line_seqno] => {
                Self::edge(offset, level, at_ns, line_seqno)
            }
            [word, id, ref rest @ ..] => {
                ChipAct::parse(word, rest).map(|act| Self::Chip { id: id.to_owned(), act })
            }
            _ => None,
        };
        message.ok_or_else(foreign)
    }

    fn level(offset: &str, level: &str, at_ns: &str) -> Option<Self> {
        let (offset, at_ns) = (offset.parse().ok()?, at_ns.parse().ok()?);
        Some(Self::Level { offset, level: pin_state(level)?, at_ns })
    }

    fn edge(offset: &str, level: &str, at_ns: &str, line_seqno: &str) -> Option<Self> {
        let (offset, at_ns) = (offset.parse().ok()?, at_ns.parse().ok()?);
        let line_seqno = line_seqno.parse().ok()?;
        Some(Self::Edge { offset, level: pin_state(level)?, at_ns, line_seqno })
    }
}

impl ChipAct {
    fn parse(word: &str, rest: &[&str]) -> Option<Self> {
        Some(match (word, rest) {
            ("pin", [line, level]) => {
                Self::Pin { line: line.parse().ok()?, level: pin_state(level)? }
            }
            ("ohms", [input, "open"]) => Self::Ohms { input: input.parse().ok()?, ohms: None },
            ("ohms", [input, ohms]) => {
                Self::Ohms { input: input.parse().ok()?, ohms: Some(ohms.parse().ok()?) }
            }
            ("value", [value]) => Self::Value(value.parse().ok()?),
            ("chip", ["gone"]) => Self::Gone,
            ("chip", ["back"]) => Self::Back,
            ("chip", ["dip"]) => Self::Dip,
            ("held", [clocks]) => Self::Held { clocks: clocks.parse().ok()? },
            _ => return None,
        })
    }
}

pub(super) fn pin_state(text: &str) -> Option<PinState> {
    match text {
        "0" => Some(PinState::Low),
        "1" => Some(PinState::High),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_message_is_understood() {
        let level = Message::Level { offset: 3, level: PinState::Low, at_ns: 17 };
        assert_eq!(Message::parse(b"level 3 0 17"), Ok(level));
        assert_eq!(Message::parse(b"ready"), Ok(Message::Ready));
        let edge =
            Message::Edge { offset: 3, level: PinState::High, at_ns: u64::MAX, line_seqno: 9 };
        assert_eq!(Message::parse(b"edge 3 1 18446744073709551615 9"), Ok(edge));
        for (line, act) in [
            ("pin exp1 15 0", ChipAct::Pin { line: 15, level: PinState::Low }),
            ("ohms exp1 2 4700", ChipAct::Ohms { input: 2, ohms: Some(4700) }),
            ("ohms exp1 2 open", ChipAct::Ohms { input: 2, ohms: None }),
            ("value exp1 -250", ChipAct::Value(-250)),
            ("chip exp1 gone", ChipAct::Gone),
            ("chip exp1 back", ChipAct::Back),
            ("chip exp1 dip", ChipAct::Dip),
            ("held exp1 4", ChipAct::Held { clocks: 4 }),
        ] {
            let message = Message::Chip { id: "exp1".into(), act };
            assert_eq!(Message::parse(line.as_bytes()), Ok(message));
        }
    }

    #[test]
    fn anything_else_is_named_and_what_is_allowed_is_said() {
        for line in [
            "",
            "ready ",
            "level 3 2 17",
            "level 3 1",
            "edge 3 1 17",
            "edge -1 1 17 1",
            "pin exp1 3",
            "pin exp1 300 1",
            "chip exp1 away",
            "ohms exp1 1 -4",
        ] {
            assert_eq!(Message::parse(line.as_bytes()), Err(Foreign(line.into())));
        }
        assert_eq!(
            Message::parse(b"HTTP/1.1 400").unwrap_err().to_string(),
            "the world sent \"HTTP/1.1 400\"; allowed are `level <line> <0|1> <ns>`, `ready`, \
             `edge <line> <0|1> <ns> <number>`, `pin <chip> <line> <0|1>`, `ohms <chip> <input> \
             <ohms|open>`, `value <chip> <n>`, `chip <chip> <gone|back|dip>` and `held <bus> \
             <clocks>`"
        );
    }

    proptest! {
        #[test]
        fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..MAX_LINE)) {
            let _ = Message::parse(&line);
        }
    }
}
