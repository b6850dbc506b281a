//! The keys of a supervised loop, in `[[door]]` and `[[zone]]` alike.

use crate::devices::LoopWord;
use crate::kind::{Choice, Number};
use crate::spec::Key;
use crate::spec::Presence::Optional;

pub(crate) static LOOP: Key<Choice<LoopWord>> = Key {
    name: "loop",
    kind: Choice::NEW,
    presence: Optional,
    doc: "The resistors of a supervised loop on an input of a converter: then a cut or shorted \
          cable and another resistor are tamper. `bias` and `debounce-ms` are not for loops.",
};
pub(crate) static END: Key<Number<u32>> = Key {
    name: "end-ohms",
    kind: Number { min: 500, max: 20_000, unit: "in ohm", make: super::u32 },
    presence: Optional,
    doc: "The resistor at the end of a `custom` loop.",
};
pub(crate) static ALARM: Key<Number<u32>> = Key {
    name: "alarm-ohms",
    kind: Number { min: 250, max: 100_000, unit: "in ohm", make: super::u32 },
    presence: Optional,
    doc: "The resistor across the contact of a `custom` loop: half of `end-ohms` to five times as \
          much. Without this key there is none, and an open contact is the same as a cut cable.",
};
