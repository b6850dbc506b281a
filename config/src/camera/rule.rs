//! The camera's own names for what it finds.

use std::fmt;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong, text};

/// One of a camera's own rules for motion; shows itself as in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraRule {
    /// The end of its topic, as `FieldDetector/ObjectsInside`; `None`: of any.
    pub topic: Option<String>,
    /// The name of the rule, or the camera's token of its analytics or of its lens.
    pub name: String,
}

/// Longer than the names that any page of a camera takes.
const MAX_RULE: usize = 128;

impl fmt::Display for CameraRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topic {
            Some(topic) => write!(f, "{topic}#{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// [`CameraRule`] as a value of a key.
pub(crate) struct RuleKind;

impl Kind for RuleKind {
    type Out = CameraRule;

    fn allowed(&self) -> String {
        "the camera's name for a rule, as \"Drive\", or with the end of its topic, as \
         \"FieldDetector/ObjectsInside#Drive\""
            .into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^([^#]+#)?[^#]+$", "maxLength": MAX_RULE })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<CameraRule, Wrong> {
        let given = text(name, value)?;
        let (topic, rule) = match given.split_once('#') {
            Some((topic, rule)) => (Some(topic), rule),
            None => (None, given),
        };
        let good = |part: &str| {
            !part.is_empty()
                && part.trim() == part
                && !part.contains(|c: char| c == '#' || c.is_control())
        };
        let known = topic.is_none_or(|topic| good(topic) && !topic.contains(':'));
        if given.chars().count() > MAX_RULE || !good(rule) || !known {
            let hint = "a topic stands here without tns1: and other prefixes";
            return Err(if known { Wrong::default() } else { Wrong::hint(hint) });
        }
        Ok(CameraRule { topic: topic.map(str::to_owned), name: rule.to_owned() })
    }
}
