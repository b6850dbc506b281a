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
        /// Which of its own rules says so.
        rule: Rule,
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

/// What on a camera finds motion: of one topic there may be several, told apart by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Without prefixes: `RuleEngine/CellMotionDetector/Motion`.
    pub topic: String,
    /// What it may be called by: the name of the rule, the tokens of the analytics and of the lens.
    pub names: Vec<String>,
}

impl Rule {
    /// The items of a message's source that name what found it; what else stands there tells of the
    /// thing that was found.
    const ITEMS: [&'static str; 5] = [
        "Rule",
        "VideoAnalyticsConfigurationToken",
        "VideoSourceConfigurationToken",
        "VideoSourceToken",
        "Source",
    ];

    fn of(message: &Message) -> Self {
        let names = Self::ITEMS.iter().filter_map(|item| {
            let found = message.source.iter().find(|(name, _)| name.eq_ignore_ascii_case(item));
            Some(found?.1.clone()).filter(|name| !name.is_empty())
        });
        Self { topic: message.topic.clone(), names: names.collect() }
    }

    /// Whether it is called so, and of this topic or one that ends so.
    pub fn is(&self, topic: Option<&str>, name: &str) -> bool {
        let behind = |end: &str| {
            let rest = self.topic.strip_suffix(end);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        topic.is_none_or(behind) && self.names.iter().any(|known| known == name)
    }
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
    /// Of motion.
    pub(super) rule: Rule,
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
    let rule = if kind == Kind::Motion { Rule::of(message) } else { Rule::default() };
    Some(Meant { kind, source, value, rule })
}

impl Meant {
    pub(super) fn finding(self) -> Finding {
        let Self { kind, source, value, rule } = self;
        let on = value == Value::On(true);
        match (kind, value) {
            (Kind::Motion, _) => Finding::Motion { on, source, rule },
            (Kind::Tamper(kind), _) => Finding::Tamper { kind, on, source },
            (Kind::SignalLoss, _) => Finding::SignalLoss { on, source },
            (Kind::Input, _) => Finding::DigitalInput { token: source, on },
            (Kind::Storage, _) => Finding::StorageFailure { on, source },
            (Kind::Reboot, Value::At(at)) => Finding::Reboot { at },
            (Kind::Reboot, Value::On(_)) => Finding::Reboot { at: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_known_by_any_of_its_names_and_by_the_end_of_its_topic() {
        let item = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let message = Message {
            topic: "RuleEngine/FieldDetector/ObjectsInside".into(),
            operation: crate::onvif::events::Operation::Changed,
            time: None,
            source: vec![
                item("VideoSourceConfigurationToken", "vsc-1"),
                item("Rule", "Front yard"),
                item("ObjectId", "Drive"),
            ],
            data: Vec::new(),
        };
        let rule = Rule::of(&message);
        assert_eq!(rule.names, ["Front yard", "vsc-1"]);
        assert!(rule.is(None, "Front yard") && rule.is(None, "vsc-1"));
        assert!(!rule.is(None, "Drive"), "what moves is no name of what found it");
        assert!(rule.is(Some("FieldDetector/ObjectsInside"), "vsc-1"));
        assert!(rule.is(Some("RuleEngine/FieldDetector/ObjectsInside"), "vsc-1"));
        assert!(!rule.is(Some("Detector/ObjectsInside"), "vsc-1"), "half a word");
        assert!(!rule.is(Some("LineDetector/Crossed"), "vsc-1"));
    }
}
