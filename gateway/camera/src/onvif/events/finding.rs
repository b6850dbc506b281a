//! What messages mean.

use super::message::Message;
use crate::onvif::Quirks;
use crate::onvif::time;
use gatehouse_core::time::UtcMs;

/// What a camera found by itself. `source` is the camera's own name for rule, lens and whatever else
/// tells one from another: two sources are two findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Something moves, or nothing does any more.
    Motion {
        /// Begins or is over.
        on: bool,
        /// Where, in the camera's words.
        source: String,
    },
    /// Something was done to it, or is mended.
    Tamper {
        /// What.
        kind: TamperKind,
        /// Begins or is over.
        on: bool,
        /// Which lens, in the camera's words.
        source: String,
    },
    /// Its sensor or an analogue camera behind it gives no picture.
    SignalLoss {
        /// Begins or is over.
        on: bool,
        /// Which, in the camera's words.
        source: String,
    },
    /// A contact at its terminals, or the button of a doorbell.
    DigitalInput {
        /// Which, in the camera's words.
        token: String,
        /// Active or not.
        on: bool,
    },
    /// Its own storage fails.
    StorageFailure {
        /// Begins or is over.
        on: bool,
        /// Which, in the camera's words.
        source: String,
    },
    /// It has started anew.
    Reboot {
        /// When, by its own clock.
        at: Option<UtcMs>,
    },
}

/// How a camera was tampered with, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TamperKind {
    /// The whole scene is another: turned, or covered.
    SceneChange,
    /// Covered, or the light is out.
    Dark,
    /// Blinded.
    Bright,
    /// Defocused, sprayed.
    Blurry,
    /// A detector of the make's own, that does not say.
    Detector,
}

/// What a message is about, and how that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) kind: Kind,
    pub(super) source: String,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Motion,
    Tamper(TamperKind),
    SignalLoss,
    Input,
    Storage,
    Reboot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    On(bool),
    At(Option<UtcMs>),
}

/// `None`: nothing that is of use here, as most of what cameras send.
pub(super) fn meant(message: &Message, quirks: &Quirks) -> Option<Meant> {
    let topic = message.topic.as_str();
    let own = |topics: &'static [&'static str]| {
        let within = |name: &&'static str| topic.strip_prefix(*name);
        topics.iter().find_map(within).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let kind = match topic.split('/').collect::<Vec<_>>().as_slice() {
        _ if own(quirks.motion) => Kind::Motion,
        _ if own(quirks.tamper) => Kind::Tamper(TamperKind::Detector),
        _ if own(quirks.button) => Kind::Input,
        ["VideoSource", "MotionAlarm"]
        | ["RuleEngine", "CellMotionDetector" | "MotionRegionDetector", "Motion"]
        // A field of the camera is an area in which something is.
        | ["RuleEngine", "FieldDetector", "ObjectsInside"] => Kind::Motion,
        ["VideoSource", "GlobalSceneChange", ..] => Kind::Tamper(TamperKind::SceneChange),
        ["VideoSource", "ImageTooDark", ..] => Kind::Tamper(TamperKind::Dark),
        ["VideoSource", "ImageTooBright", ..] => Kind::Tamper(TamperKind::Bright),
        ["VideoSource", "ImageTooBlurry", ..] => Kind::Tamper(TamperKind::Blurry),
        ["RuleEngine", "TamperDetector", "Tamper"] => Kind::Tamper(TamperKind::Detector),
        ["VideoSource", "SignalLoss", ..] => Kind::SignalLoss,
        ["Device", "Trigger", "DigitalInput"] => Kind::Input,
        ["Device", "HardwareFailure", "StorageFailure"] => Kind::Storage,
        ["Monitoring", "OperatingTime", "LastReboot"] => Kind::Reboot,
        _ => return None,
    };
    let value = match kind {
        Kind::Reboot => Value::At(message.datum("Status").and_then(time::instant)),
        _ => Value::On(message.on()?),
    };
    let named = |(name, value): &(String, String)| {
        name.to_ascii_lowercase().contains("token").then(|| value.clone())
    };
    let source = match kind {
        Kind::Input => message.source.iter().find_map(named).unwrap_or_else(|| message.about()),
        _ => message.about(),
    };
    Some(Meant { kind, source, value })
}

impl Meant {
    pub(super) fn finding(self) -> Finding {
        let Self { kind, source, value } = self;
        let on = value == Value::On(true);
        match (kind, value) {
            (Kind::Motion, _) => Finding::Motion { on, source },
            (Kind::Tamper(kind), _) => Finding::Tamper { kind, on, source },
            (Kind::SignalLoss, _) => Finding::SignalLoss { on, source },
            (Kind::Input, _) => Finding::DigitalInput { token: source, on },
            (Kind::Storage, _) => Finding::StorageFailure { on, source },
            (Kind::Reboot, Value::At(at)) => Finding::Reboot { at },
            (Kind::Reboot, Value::On(_)) => Finding::Reboot { at: None },
        }
    }
}
