//! The tables `[[camera]]`, `[[camera.area]]` and `[evidence]`.

use std::time::Duration;

use crate::camera::{Events, RuleKind, ShapeKind, SizeKind, Transport, UrlKind, Watch};
use crate::kind::{Choice, Credential, Identifier, Number, Place, Switch, Text};
use crate::list::List;
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::{MAX_CAMERAS, MAX_DOORS, MAX_MASKS, MAX_ZONES};

pub(crate) static TABLE: Table = Table {
    name: "camera",
    times: Times::Several { min: 0, max: MAX_CAMERAS },
    doc: "A camera that is watched: whether its pictures come, whether somebody has covered or \
          turned it, where something moves. Nobody in its pictures is identified. Repeat the table \
          for every camera.",
    keys: &[
        &ID,
        &NAME,
        &STREAM,
        &SUB_STREAM,
        &ONVIF,
        &SNAPSHOT,
        &DEVICE,
        &CHIP,
        &SIZE,
        &EVERY,
        &EVENTS,
        &TRANSPORT,
        &USERNAME,
        &PASSWORD_FILE,
        &PASSWORD_CREDENTIAL,
        &SWITCH,
        &PARTITION,
        &DOORS,
        &ZONES,
        &MASKS,
        &MASK_REQUIRED,
        &WATCH,
        &PRE,
        &POST,
        &HOLD_OFF,
    ],
    tables: &[&area::TABLE],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The camera's id in topics and events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "Its name for people, in any script. It stays on the box, unless `[home-assistant]` says `names = true`.",
};
pub(crate) static STREAM: Key<UrlKind> = Key {
    name: "stream",
    kind: UrlKind::Stream,
    presence: Optional,
    doc: "The RTSP address of its best stream, of which clips are made without coding it anew. \
          Neither user nor password stands in it. A camera has one of `stream`, `onvif`, \
          `snapshot`, `device` and `chip`: with `onvif` alone the camera says which streams it has, the largest is taken \
          for clips, and the one nearest to 640x360 is watched.",
};
pub(crate) static SUB_STREAM: Key<UrlKind> = Key {
    name: "sub-stream",
    kind: UrlKind::Stream,
    presence: Optional,
    doc: "A smaller stream of the same camera, about 640x360, which is watched instead: a tenth of \
          the work. Set its key frame interval to 2 s or less.",
};
pub(crate) static ONVIF: Key<UrlKind> = Key {
    name: "onvif",
    kind: UrlKind::Onvif,
    presence: Optional,
    doc: "The address of its ONVIF device service. Many makes have users for ONVIF apart from those \
          of their page: `username` must be one of them. Neither user nor password stands in it.",
};
pub(crate) static SNAPSHOT: Key<UrlKind> = Key {
    name: "snapshot",
    kind: UrlKind::Snapshot,
    presence: Optional,
    doc: "The HTTP address at which it has a JPEG of now: the last resort, for a camera whose streams \
          cannot be used. It is asked every `every-ms`; clips are made of these pictures. Neither \
          user nor password stands in it.",
};
pub(crate) static DEVICE: Key<Place> = Key {
    name: "device",
    kind: Place::Video,
    presence: Optional,
    doc: "The file of a camera of the box itself, USB or CSI, as `/dev/video0`. A link below \
          `/dev/v4l/by-id` stays the same when several cameras are found in another order. Its \
          format and size are chosen from what it offers: MJPEG up to 1280x720, or else up to \
          640x480, compressed here; `size` wants another.",
};
pub(crate) static CHIP: Key<Identifier> = Key {
    name: "chip",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[chip]]` of kind `ov2640` that it is: for a box without any other camera. Its \
          pictures have 640x480; when the chip is lost that is one fault.",
};
pub(crate) static SIZE: Key<SizeKind> = Key {
    name: "size",
    kind: SizeKind,
    presence: Optional,
    doc: "The size of its pictures, for `device`: the nearest that it offers is taken, in whichever format \
          has it, and the log says so. Larger pictures show more and cost work: of a camera without MJPEG each \
          is compressed here.",
};
pub(crate) static EVERY: Key<Number<Duration>> = Key {
    name: "every-ms",
    kind: Number { min: 100, max: 3000, unit: "in milliseconds", make: Duration::from_millis },
    presence: Optional,
    doc: "From one picture to the next, for `snapshot`, `device` and `chip`. Without this key 200 for \
          `device`, 1000 for the others. Each costs work, and motion is seen no sooner.",
};
pub(crate) static EVENTS: Key<Choice<Events>> = Key {
    name: "events",
    kind: Choice::NEW,
    presence: Default("\"own\""),
    doc: "Who looks for motion and tampering. Other than `own` needs `onvif`.",
};
pub(crate) static TRANSPORT: Key<Choice<Transport>> = Key {
    name: "transport",
    kind: Choice::NEW,
    presence: Default("\"tcp\""),
    doc: "How the streams come.",
};
pub(crate) static USERNAME: Key<Text> = Key {
    name: "username",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The name to log in with.",
};
pub(crate) static PASSWORD_FILE: Key<Place> = Key {
    name: "password-file",
    kind: Place::Secret,
    presence: Optional,
    doc: "The file that holds the password, readable by the gateway's user only. It is read anew \
          for every connection.",
};
pub(crate) static PASSWORD_CREDENTIAL: Key<Credential> = Key {
    name: "password-credential",
    kind: Credential,
    presence: Optional,
    doc: "Instead of `password-file`: the systemd credential that holds the password.",
};
pub(crate) static SWITCH: Key<Identifier> = Key {
    name: "switch",
    kind: Identifier,
    presence: Optional,
    doc: "An id for the switch or the supply that several cameras hang on: when all of them are \
          lost together that is one fault.",
};
pub(crate) static PARTITION: Key<Identifier> = Key {
    name: "partition",
    kind: Identifier,
    presence: Optional,
    doc: "The id of its partition: each alarm there is given a picture and a clip of this camera.",
};
pub(crate) static DOORS: Key<List<Identifier>> = Key {
    name: "doors",
    kind: List { of: Identifier, min: 1, max: MAX_DOORS, what: "a list of one or more of" },
    presence: Optional,
    doc: "The ids of the doors that it looks at: one that is forced, propped or held open is given \
          a picture and a clip.",
};
pub(crate) static ZONES: Key<List<Identifier>> = Key {
    name: "zones",
    kind: List { of: Identifier, min: 1, max: MAX_ZONES, what: "a list of one or more of" },
    presence: Optional,
    doc: "The ids of the zones that it looks at: their alarms are given a picture and a clip.",
};
pub(crate) static MASKS: Key<List<ShapeKind>> = Key {
    name: "masks",
    kind: List { of: ShapeKind, min: 1, max: MAX_MASKS, what: "a list of one or more of" },
    presence: Optional,
    doc: "What nobody may see: a neighbour's window, the street. It is painted over before a picture \
          is written or sent; of a camera with masks no stream is written as it came, and its clips \
          are made of `sub-stream`, if it has one, in at most 640x360. Where nothing can be painted, \
          nothing is taken.",
};
pub(crate) static MASK_REQUIRED: Key<Switch> = Key {
    name: "mask-required",
    kind: Switch,
    presence: Default("false"),
    doc: "It must not take pictures without a mask: without `masks` it is watched, and records \
          nothing.",
};
pub(crate) static WATCH: Key<Choice<Watch>> = Key {
    name: "watch",
    kind: Choice::NEW,
    presence: Default("\"key-frames\""),
    doc: "How much of the stream is looked at for motion and tampering.",
};
pub(crate) static PRE: Key<Number<Duration>> = Key {
    name: "pre-s",
    kind: super::seconds(0, 60),
    presence: Default("10"),
    doc: "A clip begins so long before what it is of. So much of the stream is held in memory: some \
          3 MB for 10 s of a 1080p stream.",
};
pub(crate) static POST: Key<Number<Duration>> = Key {
    name: "post-s",
    kind: super::seconds(1, 120),
    presence: Default("20"),
    doc: "A clip ends so long after what it is of; what comes meanwhile makes it longer.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "hold-off-s",
    kind: super::seconds(0, 300),
    presence: Default("2"),
    doc: "Its loss must last so long to be told, beyond the few seconds in which it is noticed.",
};

pub(crate) mod area {
    use gatehouse_core::site::Tells;

    use super::{
        Choice, Default, Identifier, Key, List, Number, Optional, Required, RuleKind, ShapeKind,
        Switch, Table, Text, Times,
    };
    use crate::MAX_CAMERA_AREAS;
    use crate::when::Window;

    pub(crate) static TABLE: Table = Table {
        name: "area",
        times: Times::Several { min: 0, max: MAX_CAMERA_AREAS },
        doc: "A part of the picture of the camera above in which motion is looked for. Repeat the \
              table for every area.",
        keys: &[
            &ID,
            &NAME,
            &SHAPE,
            &IGNORE,
            &SENSITIVITY,
            &LEAST,
            &TELLS,
            &HOURS,
            &RECORDS,
            &RULES,
        ],
        tables: &[],
    };

    pub(crate) static ID: Key<Identifier> = Key {
        name: "id",
        kind: Identifier,
        presence: Required,
        doc: "The area's id, unique for its camera.",
    };
    pub(crate) static NAME: Key<Text> = Key {
        name: "name",
        kind: Text { max: 64 },
        presence: Optional,
        doc: "Its name for people, in any script. It stays on the box.",
    };
    pub(crate) static SHAPE: Key<ShapeKind> =
        Key { name: "shape", kind: ShapeKind, presence: Required, doc: "Where it is." };
    pub(crate) static IGNORE: Key<Switch> = Key {
        name: "ignore",
        kind: Switch,
        presence: Default("false"),
        doc: "What moves here counts in no area: a tree, a flag, a road.",
    };
    pub(crate) static SENSITIVITY: Key<Number<u8>> = Key {
        name: "sensitivity",
        kind: Number { min: 1, max: 10, unit: "", make: crate::keys::u8 },
        presence: Default("5"),
        doc: "How small a change of brightness counts: 1 only a strong one, 10 the slightest, which \
              is most often nothing.",
    };
    pub(crate) static LEAST: Key<Number<u16>> = Key {
        name: "least-permille",
        kind: Number {
            min: 1,
            max: 500,
            unit: "in thousandths of the picture",
            make: crate::keys::u16,
        },
        presence: Default("1"),
        doc: "What is smaller is nothing: a cat, a leaf.",
    };
    pub(crate) static TELLS: Key<Choice<Tells>> = Key {
        name: "tells",
        kind: Choice::NEW,
        presence: Optional,
        doc: "When motion is told. Without this key: while the camera's partition is armed, or at any \
              time if it has none.",
    };
    pub(crate) static HOURS: Key<List<Window>> = Key {
        name: "hours",
        kind: List { of: Window, min: 1, max: 16, what: "a list of one or more of" },
        presence: Optional,
        doc: "Motion is told only within these, by the clock on the site's wall, and while the time \
              is not known. Without this key: at any hour.",
    };
    pub(crate) static RULES: Key<List<RuleKind>> = Key {
        name: "rules",
        kind: List { of: RuleKind, min: 1, max: 16, what: "a list of one or more of" },
        presence: Optional,
        doc: "With `events` that are the camera's own: which of its rules are motion here, by the name \
              of the rule or by the camera's token of its analytics or lens, and before a # the end of \
              the topic where a name is not enough. Without this key: all of them. A rule that the camera \
              has not told of within half a minute makes the camera degraded, with what it has told of: \
              a name that is wrong, or a camera that tells of a rule only when something moves.",
    };
    pub(crate) static RECORDS: Key<Switch> = Key {
        name: "records",
        kind: Switch,
        presence: Default("false"),
        doc: "Motion that is told takes a picture and a clip.",
    };
}

pub(crate) mod evidence {
    use super::{Credential, Default, Duration, Key, List, Number, Optional, Place, Table, Times};
    use crate::kind::RecipientKind;

    pub(crate) static TABLE: Table = Table {
        name: "evidence",
        times: Times::AtMostOnce,
        doc: "How pictures and clips are kept on the box. What goes first is the oldest.",
        keys: &[&DAYS, &MAX, &RESERVE, &RECIPIENTS, &KEY_FILE, &KEY_CREDENTIAL],
        tables: &[&crate::keys::store::TABLE],
    };

    pub(crate) static DAYS: Key<Number<Duration>> = Key {
        name: "days",
        kind: Number {
            min: 1,
            max: 365,
            unit: "in days",
            make: |days| Duration::from_secs(days * 86_400),
        },
        presence: Default("14"),
        doc: "So long, at most: what the law allows, not what fits.",
    };
    pub(crate) static MAX: Key<Number<u64>> = Key {
        name: "max-mb",
        kind: Number { min: 16, max: 1_000_000, unit: "in MiB", make: crate::keys::mib },
        presence: Default("2048"),
        doc: "So much of the disk, at most.",
    };
    pub(crate) static RESERVE: Key<Number<u64>> = Key {
        name: "reserve-mb",
        kind: Number { min: 16, max: 1_000_000, unit: "in MiB", make: crate::keys::mib },
        presence: Default("512"),
        doc: "So much of the disk is left free for the journal and everything else.",
    };
    pub(crate) static RECIPIENTS: Key<List<RecipientKind>> = Key {
        name: "recipients",
        kind: List { of: RecipientKind, min: 1, max: 8, what: "a list of one or more of" },
        presence: Optional,
        doc: "Pictures and clips are sealed for these public keys of age before they touch the flash: a \
              stolen box shows nothing, and neither can this one unless it has `key-file`, too. What \
              was kept before stays as it is.",
    };
    pub(crate) static KEY_FILE: Key<Place> = Key {
        name: "key-file",
        kind: Place::Secret,
        presence: Optional,
        doc: "The file that holds a secret key of age (`age-keygen`), readable by the gateway's user \
              only. Pictures and clips are sealed for it, too, and this box can open them. It belongs \
              on another medium than the evidence, or is given as a credential. If it cannot be read, \
              no picture and no clip is kept.",
    };
    pub(crate) static KEY_CREDENTIAL: Key<Credential> = Key {
        name: "key-credential",
        kind: Credential,
        presence: Optional,
        doc: "Instead of `key-file`: the systemd credential that holds the key, which systemd can keep \
              sealed by the machine's TPM.",
    };
}
