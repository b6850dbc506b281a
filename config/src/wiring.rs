//! Lines, and how contacts are wired to them.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Word, Wrong, text};

/// The highest line number of a chip. The largest expanders have 1,024 lines.
const MAX_OFFSET: u32 = 1023;

/// The longest name or label of a chip: the kernel's `GPIO_MAX_NAME_SIZE`, less the final zero.
const MAX_CHIP: usize = 31;

/// One line of one chip; shows itself as in events, `gpiochip0:17`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// The chip.
    pub chip: Chip,
    /// The line's number on it, from 0.
    pub offset: u32,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chip {
            Chip::Gpio(name) => write!(f, "{name}:{}", self.offset),
            Chip::Sim => write!(f, "sim:{}", self.offset),
        }
    }
}

/// Where lines are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chip {
    /// A GPIO chip of the kernel, by its name (`gpiochip0`) or its label (`pinctrl-bcm2711`); or a
    /// `[[chip]]` by its id, see [`Config::chip`](crate::Config::chip).
    Gpio(String),
    /// The simulated wiring of `[sim]`.
    Sim,
}

/// What a contact does: of a door, or of a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The circuit is open while the door is closed or the detector quiet.
    NormallyOpen,
    /// The circuit is closed then: a cut wire reads as an open door or an activation.
    NormallyClosed,
}

impl Word for Contact {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::NormallyClosed,
            "normally-closed",
            "the circuit is closed while the door is closed or the detector quiet; a cut wire \
             reads as an open door or an activation",
        ),
        (
            Self::NormallyOpen,
            "normally-open",
            "the circuit is open while the door is closed or the detector quiet; a cut wire is not \
             noticed",
        ),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("nc", "normally-closed"),
        ("n.c.", "normally-closed"),
        ("closed", "normally-closed"),
        ("no", "normally-open"),
        ("n.o.", "normally-open"),
        ("open", "normally-open"),
    ];
}

/// The resistor that the box switches to an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// As the boot firmware left it.
    AsIs,
    /// To the supply: for a contact between line and ground.
    PullUp,
    /// To ground: for a contact between line and supply.
    PullDown,
    /// None: the board has its own resistor.
    Disabled,
}

impl Word for Bias {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::PullUp, "pull-up", "a resistor to the supply: the contact is wired to ground"),
        (Self::PullDown, "pull-down", "a resistor to ground: the contact is wired to the supply"),
        (Self::Disabled, "disabled", "none: the board has its own resistor"),
        (Self::AsIs, "as-is", "as the boot firmware left it"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("up", "pull-up"),
        ("down", "pull-down"),
        ("none", "disabled"),
        ("off", "disabled"),
        ("default", "as-is"),
    ];
}

/// An input beside a door or a reader: a request-to-exit button, a tamper contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WiredInput {
    /// Its line. Nothing else has it.
    pub line: Line,
    /// What its circuit does while all is quiet.
    pub contact: Contact,
    /// The resistor at the input.
    pub bias: Bias,
    /// How long it must be still before it is believed.
    pub debounce: Duration,
}

/// A level of a line, electrically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are the field's own")]
pub enum Level {
    Low,
    High,
}

impl Word for Level {
    const WORDS: &'static [(Self, &'static str, &'static str)] =
        &[(Self::High, "high", "at the supply"), (Self::Low, "low", "at ground")];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("1", "high"), ("active-high", "high"), ("0", "low"), ("active-low", "low")];
}

/// How a line is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// To either level.
    PushPull,
    /// To ground, or not at all.
    OpenDrain,
}

impl Word for Drive {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::PushPull, "push-pull", "to the supply or to ground"),
        (
            Self::OpenDrain,
            "open-drain",
            "to ground, or not at all: the load or a resistor pulls up",
        ),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("totem-pole", "push-pull"), ("open-collector", "open-drain"), ("od", "open-drain")];
}

/// A [`Line`] as it stands in the file.
pub(crate) struct LineKind;

impl Kind for LineKind {
    type Out = Line;

    fn allowed(&self) -> String {
        "a chip and a line of it, as \"gpiochip0:17\", \"exp1:3\" or \"sim:3\"".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[^/]{1,31}:[0-9]{1,4}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Line, Wrong> {
        if let DeValue::Integer(n) = value {
            return Err(Wrong::hint(format!("name the chip too: {name} = \"gpiochip0:{n}\"")));
        }
        let given = text(name, value)?;
        if let Some(short) = given.strip_prefix("/dev/") {
            return Err(Wrong::hint(format!("leave out /dev/: {name} = \"{short}\"")));
        }
        let Some((chip, digits)) = given.rsplit_once(':') else {
            return Err(Wrong::hint("`gpioinfo` lists the chips and lines of this machine"));
        };
        let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let offset = digits.parse().ok().filter(|offset| plain && *offset <= MAX_OFFSET);
        let Some(offset) = offset else {
            return Err(Wrong::hint(format!("lines are numbered from 0 to {MAX_OFFSET}")));
        };
        let good = (1..=MAX_CHIP).contains(&chip.len()) && chip.trim() == chip;
        if !good || chip.contains('/') || chip.contains(char::is_control) {
            return Err(Wrong::hint("`gpiodetect` lists the chips of this machine"));
        }
        let chip = if chip == "sim" { Chip::Sim } else { Chip::Gpio(chip.to_owned()) };
        Ok(Line { chip, offset })
    }
}
