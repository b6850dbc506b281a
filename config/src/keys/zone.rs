//! The table `[[zone]]`.

use std::time::Duration;

use gatehouse_core::site::{Mode, ZoneKind};

use super::supervised;
use crate::MAX_ZONES;
use crate::feed::CameraContactKind;
use crate::kind::{Choice, Identifier, Number, Switch, Text};
use crate::list::List;
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Bias, Contact, LineKind};

pub(crate) static TABLE: Table = Table {
    name: "zone",
    times: Times::Several { min: 0, max: MAX_ZONES },
    doc: "One detector or button and what its activation means. Repeat the table for every \
          zone. A zone of kind `instant`, `entry-exit` or `follower` protects while its partition \
          is armed; every other kind protects at any time.",
    keys: &[
        &ID,
        &NAME,
        &KIND,
        &INPUT,
        &CAMERA,
        &CAMERA_AREA,
        &CAMERA_INPUT,
        &CONTACT,
        &BIAS,
        &DEBOUNCE,
        &supervised::LOOP,
        &supervised::END,
        &supervised::ALARM,
        &PARTITION,
        &MODES,
        &ENTRY,
        &SWINGER,
        &CROSS,
        &CHIME,
        &HOLD_OFF,
        &BYPASSABLE,
        &SOAK,
        &RECORD,
        &FAULT,
        &MASK,
        &SECOND,
        &WITHIN,
        &LATCHED,
        &STUCK,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The zone's id in topics and events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The zone's name for people, in any script. It stays on the box, unless `[home-assistant]` says `names = true`.",
};
pub(crate) static KIND: Key<Choice<ZoneKind>> =
    Key { name: "kind", kind: Choice::NEW, presence: Required, doc: "What an activation means." };
pub(crate) static INPUT: Key<LineKind> = Key {
    name: "input",
    kind: LineKind,
    presence: Optional,
    doc: "The line the detector is wired to, as for a door. Each line serves one door or one zone. \
          Needed unless `camera` or `camera-input` is given.",
};
pub(crate) static CAMERA: Key<Identifier> = Key {
    name: "camera",
    kind: Identifier,
    presence: Optional,
    doc: "Instead of `input`: the id of a `[[camera]]`. Motion in its picture is an activation, \
          whatever the area's own `tells` and `hours`. While the camera gives no pictures, or does not \
          know the place yet, the zone is lost; covered, blinded, defocused or moved it is tampered \
          with; with poor or frozen pictures it is at fault: all that prevents arming as with any \
          detector. A camera is not a graded detector: EN 50131-2 has no part for it, and fog, the dark \
          and a spider blind it. So in a `[[cross-zone]]` it can confirm a detector, and while it sees \
          nothing the others decide without it. Only for `instant`, `entry-exit`, `follower`, `24h` and \
          `technical`.",
};
pub(crate) static CAMERA_AREA: Key<Identifier> = Key {
    name: "camera-area",
    kind: Identifier,
    presence: Optional,
    doc: "The id of one of the camera's areas. Without this key: any of them that is not ignored.",
};
pub(crate) static CAMERA_INPUT: Key<CameraContactKind> = Key {
    name: "camera-input",
    kind: CameraContactKind,
    presence: Optional,
    doc: "Instead of `input`: a digital input at a camera's terminals, told by ONVIF: the id of the \
          camera, a colon, and the camera's own name for the input. Active is what the camera calls so: \
          which way its contact rests is set on its page. While the camera's events are not heard the \
          zone is not known, as on an expander that is lost.",
};
pub(crate) static CONTACT: Key<Choice<Contact>> = Key {
    name: "contact",
    kind: Choice::NEW,
    presence: Default("\"normally-closed\""),
    doc: "What the detector's circuit does while all is quiet. Normally closed is the rule for \
          alarm contacts: a cut wire is noticed.",
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
    presence: Default("350"),
    doc: "How long the contact must be still before it is believed. The rule for alarm inputs: a \
          signal of 400 ms or longer is always reported, one shorter than 300 ms may be ignored. \
          350 lies between the two. More is right for float switches and machines (`flood`, \
          `technical`), and accepted with a warning for all others.",
};
pub(crate) static PARTITION: Key<Identifier> = Key {
    name: "partition",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the partition that the zone belongs to. Zones that protect only while armed \
          (`instant`, `entry-exit`, `follower`) must have one.",
};
pub(crate) static MODES: Key<List<Choice<Mode>>> = Key {
    name: "modes",
    kind: List { of: Choice::NEW, min: 1, max: 4, what: "a list of one or more of" },
    presence: Optional,
    doc: "The modes of its partition in which the zone protects. Without this key: in all of \
          them. A motion detector in a living room has `[\"away\"]`. Only for zones that protect \
          while armed.",
};
pub(crate) static ENTRY: Key<Number<Duration>> = Key {
    name: "entry-s",
    kind: super::seconds(0, 300),
    presence: Optional,
    doc: "The entry delay by this door or window, instead of the partition's. The shorter of two \
          running delays counts. Only for `entry-exit` zones. EN 50131-1 allows at most 45; more \
          is accepted with a warning.",
};
pub(crate) static SWINGER: Key<Number<u8>> = Key {
    name: "swinger",
    kind: Number { min: 0, max: 99, unit: "in alarms per arming", make: super::u8 },
    presence: Optional,
    doc: "After so many alarms in one arming the zone is shut down, with an event, until its \
          partition is disarmed: a loose contact does not keep the neighbourhood awake. 0: never. \
          Without this key 6. Only for zones that protect while armed.",
};
pub(crate) static CROSS: Key<Identifier> = Key {
    name: "cross-zone",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[cross-zone]]` group that must agree before this zone gives an alarm. \
          Not for panic buttons.",
};
pub(crate) static CHIME: Key<Switch> = Key {
    name: "chime",
    kind: Switch,
    presence: Default("false"),
    doc: "Whether an activation chimes while the partition is disarmed, as in a shop. Only for \
          zones that protect while armed.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "fault-hold-off-s",
    kind: super::seconds(0, 600),
    presence: Default("10"),
    doc: "How long a fault, a masked detector or a lost line must last before it is reported. \
          Alarm and tamper never wait for it.",
};
pub(crate) static BYPASSABLE: Key<Switch> = Key {
    name: "bypassable",
    kind: Switch,
    presence: Optional,
    doc: "Whether the zone may be taken out of service, by hand or when a partition is armed by \
          force. Without this key: yes for zones that protect while armed, no for all others.",
};
pub(crate) static SOAK: Key<Switch> = Key {
    name: "soak-test",
    kind: Switch,
    presence: Default("false"),
    doc: "Puts the zone on trial, for a new detector or one under suspicion: its events carry \
          `test` and nothing acts on them.",
};
pub(crate) static RECORD: Key<Switch> = Key {
    name: "record",
    kind: Switch,
    presence: Optional,
    doc: "Whether each opening and closing is recorded while disarmed too, and compared after a \
          restart. Right for contacts; for motion detectors it fills the journal with people who \
          walk about. Without this key: yes for zones that protect while armed, no for all others \
          and for what is made of a camera's motion.",
};
pub(crate) static FAULT: Key<LineKind> = Key {
    name: "fault-input",
    kind: LineKind,
    presence: Optional,
    doc: "The line of the detector's fault output, wired as `contact` and `bias` say. A fault is \
          reported and prevents arming; an activation is one in spite of it.",
};
pub(crate) static MASK: Key<LineKind> = Key {
    name: "mask-input",
    kind: LineKind,
    presence: Optional,
    doc: "The line of the detector's output for being covered (anti-masking), wired as `contact` and \
          `bias` say. It prevents arming from grade 3.",
};
pub(crate) static SECOND: Key<LineKind> = Key {
    name: "second-input",
    kind: LineKind,
    presence: Optional,
    doc: "The line of a second button, wired as `contact` and `bias` say: both must be pressed. One \
          alone is told, but is no alarm. Only for `panic` and `silent-panic`.",
};
pub(crate) static WITHIN: Key<Number<Duration>> = Key {
    name: "second-within-s",
    kind: super::seconds(1, 30),
    presence: Default("2"),
    doc: "The two buttons are pressed within so long of each other, or held at once.",
};
pub(crate) static LATCHED: Key<Switch> = Key {
    name: "latched",
    kind: Switch,
    presence: Default("false"),
    doc: "The alarm stays until somebody resets it (`gatehouse reset`), also when the zone is normal \
          again. An activation before that is another alarm. Only for zones that protect at any \
          time.",
};
pub(crate) static STUCK: Key<Number<Duration>> = Key {
    name: "stuck-s",
    kind: super::seconds(10, 86_400),
    presence: Optional,
    doc: "A button that is held for so long is stuck, which is a fault beside the alarm. Only for \
          `panic` and `silent-panic`; without this key it may be held for ever.",
};
