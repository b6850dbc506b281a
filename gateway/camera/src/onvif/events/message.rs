//! One notification of a camera, as it came.

use gatehouse_core::time::UtcMs;
use roxmltree::Node;

use crate::onvif::{time, xml};

/// What a message says of its property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// So it is, at the beginning of a subscription or when the state was asked for.
    Initialized,
    /// It has become so; also what has no operation.
    Changed,
    /// There is no such property any more.
    Deleted,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its topic without prefixes: `RuleEngine/CellMotionDetector/Motion`.
    pub topic: String,
    /// State or change.
    pub operation: Operation,
    /// By the camera's clock. `None`: a date that is none.
    pub time: Option<UtcMs>,
    /// What it is about.
    pub source: Vec<(String, String)>,
    /// What it says.
    pub data: Vec<(String, String)>,
}

/// More items than any message of the specification has.
const MOST_ITEMS: usize = 16;

impl Message {
    pub(in crate::onvif) fn read(notification: Node<'_, '_>) -> Option<Self> {
        let topic = xml::text_at(notification, &["Topic"])?;
        let message = xml::at(notification, &["Message"])?;
        // Within wsnt:Message stands tt:Message; some leave out the one around it.
        let message = xml::at(message, &["Message"]).unwrap_or(message);
        let operation = match xml::attribute(message, "PropertyOperation").as_deref() {
            Some("Initialized") => Operation::Initialized,
            Some("Deleted") => Operation::Deleted,
            _ => Operation::Changed,
        };
        let time = xml::attribute(message, "UtcTime").and_then(|text| time::instant(&text));
        let items = |name| -> Vec<_> {
            let items = xml::at(message, &[name]).into_iter();
            let items = items.flat_map(|node| xml::children(node, "SimpleItem"));
            let items = items.filter_map(|item| {
                let value = xml::attribute(item, "Value").unwrap_or_default();
                Some((xml::attribute(item, "Name")?, value))
            });
            items.take(MOST_ITEMS).collect()
        };
        let (source, data) = (items("Source"), items("Data"));
        Some(Self { topic: without_prefixes(&topic), operation, time, source, data })
    }

    /// What it says about a thing, as yes or no: of a known name, or else the first that is either.
    pub(super) fn on(&self) -> Option<bool> {
        const NAMES: [&str; 8] = [
            "State",
            "IsMotion",
            "IsInside",
            "IsTamper",
            "LogicalState",
            "active",
            "tampering",
            "Failed",
        ];
        let either = |value: &str| match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "active" | "on" => Some(true),
            "false" | "0" | "inactive" | "off" => Some(false),
            _ => None,
        };
        let known = NAMES.iter().find_map(|name| either(self.datum(name)?));
        known.or_else(|| self.data.iter().find_map(|(_, value)| either(value)))
    }

    pub(super) fn datum(&self, name: &str) -> Option<&str> {
        let found = self.data.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Its source in one line, which tells it from others of its topic.
    pub(super) fn about(&self) -> String {
        let items = self.source.iter().map(|(name, value)| format!("{name}={value}"));
        items.collect::<Vec<_>>().join(",")
    }
}

/// `tns1:VideoSource/tnsaxis:Tampering` is `VideoSource/Tampering`.
fn without_prefixes(topic: &str) -> String {
    let part = |part: &str| part.rsplit(':').next().unwrap_or_default().trim().to_owned();
    topic.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(data: &[(&str, &str)]) -> Message {
        let data = data.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (topic, operation) = (String::new(), Operation::Changed);
        Message { topic, operation, time: None, source: Vec::new(), data }
    }

    #[test]
    fn a_known_name_counts_before_whatever_else_looks_like_yes_or_no() {
        assert_eq!(with(&[("Percentage", "1"), ("State", "false")]).on(), Some(false));
        assert_eq!(with(&[("isMotion", "TRUE")]).on(), Some(true));
        assert_eq!(with(&[("Odd", "inactive")]).on(), Some(false));
        assert_eq!(with(&[("State", "perhaps")]).on(), None);
        assert_eq!(with(&[]).on(), None);
    }

    #[test]
    fn prefixes_are_no_part_of_a_topic() {
        assert_eq!(without_prefixes("tns1:VideoSource/tnsaxis:Tampering"), "VideoSource/Tampering");
        assert_eq!(without_prefixes(" a:b / c"), "b/c");
    }
}
