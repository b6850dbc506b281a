//! The table `[[door]]`.

use std::time::Duration;

use super::supervised;
use gatehouse_core::site::Fail;

use crate::MAX_DOORS;
use crate::feed::CameraContactKind;
use crate::kind::{Choice, Identifier, Number, Switch, Text};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Bias, Contact, LineKind};

pub(crate) static TABLE: Table = Table {
    name: "door",
    times: Times::Several { min: 0, max: MAX_DOORS },
    doc: "One door and the contact that watches it. Repeat the table for every door.",
    keys: &[
        &ID,
        &NAME,
        &INPUT,
        &CAMERA_INPUT,
        &CONTACT,
        &BIAS,
        &DEBOUNCE,
        &supervised::LOOP,
        &supervised::END,
        &supervised::ALARM,
        &HELD_OPEN,
        &PROPPED,
        &CHIME,
        &PARTITION,
        &OUTSIDE,
        &INSIDE,
        &FORCED,
        &GRACE,
        &REX,
        &REX_CONTACT,
        &REX_BIAS,
        &REX_HOLD,
        &REX_STUCK,
        &REX_RELEASES,
        &LOCK,
        &LOCK_PULSE,
        &FAIL,
        &RELEASE,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The door's id in topics and events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The door's name for people, in any script. It stays on the box, unless \
          `[home-assistant]` says `names = true`.",
};
pub(crate) static INPUT: Key<LineKind> = Key {
    name: "input",
    kind: LineKind,
    presence: Optional,
    doc: "The line the contact is wired to: a chip by its name or label, and the number of \
          the line, as `gpioinfo` shows them; or `sim:` and a number for the simulated wiring \
          of `[sim]`; or the id of a `[[chip]]` and the number of its line, as `exp1:3`. A label \
          stays the same when chips are found in another order. Needed unless `camera-input` is given.",
};
pub(crate) static CAMERA_INPUT: Key<CameraContactKind> = Key {
    name: "camera-input",
    kind: CameraContactKind,
    presence: Optional,
    doc: "Instead of `input`: a digital input at a camera's terminals, told by ONVIF: the id of the \
          camera, a colon, and the camera's own name for the input. Open is what the camera calls active. \
          While the camera's events are not heard the door is not known, as on an expander that is lost.",
};
pub(crate) static CONTACT: Key<Choice<Contact>> = Key {
    name: "contact",
    kind: Choice::NEW,
    presence: Default("\"normally-closed\""),
    doc: "What the contact's circuit does while the door is closed. With the contact wired \
          to ground and `bias = \"pull-up\"`, a closed circuit is level 0.",
};
pub(crate) static BIAS: Key<Choice<Bias>> = Key {
    name: "bias",
    kind: Choice::NEW,
    presence: Default("\"pull-up\""),
    doc: "The resistor that the box switches to the input. It also tells to which side the \
          contact is wired.",
};
pub(crate) static DEBOUNCE: Key<Number<Duration>> = Key {
    name: "debounce-ms",
    kind: Number { min: 0, max: 2000, unit: "in milliseconds", make: Duration::from_millis },
    presence: Default("50"),
    doc: "How long the contact must be still before it is believed. Up to 350 keeps to the \
          rule that a signal of 400 ms is always reported.",
};
pub(crate) static HELD_OPEN: Key<Number<Duration>> = Key {
    name: "held-open-s",
    kind: super::seconds(1, 86_400),
    presence: Optional,
    doc: "A door that is open for longer is reported as held open. Without this key it \
          never is.",
};
pub(crate) static PARTITION: Key<Identifier> = Key {
    name: "partition",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[partition]]` that the door belongs to: what is armed and disarmed as \
          one.",
};
pub(crate) static PROPPED: Key<Number<Duration>> = Key {
    name: "propped-s",
    kind: super::seconds(1, 86_400),
    presence: Optional,
    doc: "A door that is open for longer is propped: an alarm, where `held-open-s` is a warning. \
          Without this key it never is.",
};
pub(crate) static CHIME: Key<Switch> = Key {
    name: "chime",
    kind: Switch,
    presence: Default("false"),
    doc: "The warning that the door is held open chimes.",
};
pub(crate) static OUTSIDE: Key<Identifier> = Key {
    name: "outside",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[area]]` before the door. Without this key: the street. With `inside`.",
};
pub(crate) static INSIDE: Key<Identifier> = Key {
    name: "inside",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[area]]` behind the door.",
};
pub(crate) static FORCED: Key<Switch> = Key {
    name: "forced",
    kind: Switch,
    presence: Default("true"),
    doc: "The door is forced when it is opened without a granted card or a request to exit: an \
          alarm. That needs a reader or `rex-input` at this door: a plain contact cannot tell, and \
          never is forced. `false`: people go through it with a key.",
};
pub(crate) static GRACE: Key<Number<Duration>> = Key {
    name: "grace-s",
    kind: super::seconds(0, 60),
    presence: Default("5"),
    doc: "After a granted card the door may be opened for so long beyond the lock's own release \
          time: the time to walk up to it and pull.",
};
pub(crate) static REX: Key<LineKind> = Key {
    name: "rex-input",
    kind: LineKind,
    presence: Optional,
    doc: "The line of the request-to-exit button, bar or detector behind the door. It always \
          explains an opening.",
};
pub(crate) static REX_CONTACT: Key<Choice<Contact>> = Key {
    name: "rex-contact",
    kind: Choice::NEW,
    presence: Default("\"normally-open\""),
    doc: "What the request-to-exit circuit does while nobody wants out. Normally open is the rule: a \
          cut wire must not excuse a forced door.",
};
pub(crate) static REX_BIAS: Key<Choice<Bias>> = Key {
    name: "rex-bias",
    kind: Choice::NEW,
    presence: Default("\"pull-up\""),
    doc: "The resistor that the box switches to the request-to-exit input.",
};
pub(crate) static REX_HOLD: Key<Number<Duration>> = Key {
    name: "rex-hold-s",
    kind: super::seconds(1, 60),
    presence: Default("5"),
    doc: "So long after the request to exit was let go, opening the door is still that exit.",
};
pub(crate) static REX_STUCK: Key<Number<Duration>> = Key {
    name: "rex-stuck-s",
    kind: super::seconds(10, 3600),
    presence: Default("300"),
    doc: "Pressed for so long, the request to exit is stuck or tied down: a fault, and it explains \
          no opening any more.",
};
pub(crate) static REX_RELEASES: Key<Switch> = Key {
    name: "rex-releases",
    kind: Switch,
    presence: Default("false"),
    doc: "The request to exit also releases the lock. Otherwise the lock opens from inside by its \
          own mechanics, which is the rule for escape routes.",
};
pub(crate) static LOCK: Key<Identifier> = Key {
    name: "lock",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[output]]` with the role `lock` that lets the door open. With it `fail` \
          must be stated.",
};
pub(crate) static LOCK_PULSE: Key<Number<Duration>> = Key {
    name: "lock-pulse-s",
    kind: super::seconds(1, 60),
    presence: Optional,
    doc: "How long the lock is released each time. Without this key 5.",
};
pub(crate) static FAIL: Key<Choice<Fail>> = Key {
    name: "fail",
    kind: Choice::NEW,
    presence: Optional,
    doc: "What the lock does without power. It is a matter of the lock, not of the gateway: what \
          stands here is what people rely on in a fire, so it must be stated.",
};
pub(crate) static RELEASE: Key<Switch> = Key {
    name: "release",
    kind: Switch,
    presence: Default("false"),
    doc: "Whether the gateway may release the lock at all: by a card, a request to exit or a \
          command. Without this key it never does.",
};
