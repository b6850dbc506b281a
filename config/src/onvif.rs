//! A camera's ONVIF: where it is, and what is taken from it.

use std::fmt;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::camera::place;
use crate::kind::{Kind, Word, Wrong, text};

/// Where a camera's device service is; shows itself as in the file, which has neither user nor
/// password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnvifUrl {
    /// Host name or IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, from the first `/`.
    pub path: String,
}

/// RFC 9110, section 4.2.1.
const HTTP_PORT: u16 = 80;

impl fmt::Display for OnvifUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        if host.contains(':') { write!(f, "http://[{host}]") } else { write!(f, "http://{host}") }?;
        if self.port != HTTP_PORT {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl OnvifUrl {
    /// Without what stands behind a `?`.
    pub fn shown(&self) -> String {
        let text = self.to_string();
        text.split_once('?').map_or(text.clone(), |(before, _)| before.to_owned())
    }

    fn parse(given: &str) -> Result<Self, Wrong> {
        let Some(rest) = given.strip_prefix("http://") else {
            return Err(match given.split_once("://") {
                Some(("https", _)) => Wrong::hint("ONVIF over TLS is not supported"),
                Some(("rtsp", _)) => Wrong::hint("that is a stream: write it as `stream`"),
                // It may hold a password.
                _ if given.contains(['@', '?']) => Wrong::default(),
                _ => Wrong::hint(format!("write \"http://{given}/onvif/device_service\"")),
            });
        };
        let (host, port, path) = place(rest, HTTP_PORT)?;
        // The path that nearly all cameras have.
        let path = if path == "/" { "/onvif/device_service".to_owned() } else { path };
        Ok(Self { host, port, path })
    }
}

/// [`OnvifUrl`] as a value of a key.
pub(crate) struct OnvifKind;

impl Kind for OnvifKind {
    type Out = OnvifUrl;

    fn allowed(&self) -> String {
        "an address as \"http://10.0.0.7/onvif/device_service\", without user and password".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^http://[^@]+$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<OnvifUrl, Wrong> {
        OnvifUrl::parse(text(name, value)?)
    }

    // A wrong one may hold a password.
    fn confidential(&self) -> bool {
        true
    }
}

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

/// Who looks for motion and tampering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// The gateway, in the camera's pictures.
    Own,
    /// The camera.
    Onvif,
    /// Both: what one of them finds counts.
    Both,
}

impl Events {
    /// Whether the gateway looks.
    pub const fn own(self) -> bool {
        matches!(self, Self::Own | Self::Both)
    }

    /// Whether the camera is listened to.
    pub const fn onvif(self) -> bool {
        matches!(self, Self::Onvif | Self::Both)
    }
}

impl Word for Events {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Own, "own", "the gateway, in the camera's pictures"),
        (
            Self::Onvif,
            "onvif",
            "the camera itself: what its `rules` are named for is motion in that area, and all that \
             it finds in each area that names none",
        ),
        (Self::Both, "both", "both of them: what one finds counts, and is over when both say so"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("gateway", "own"), ("camera", "onvif"), ("all", "both")];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_the_usual_path_and_never_with_a_password() {
        let shown = |text| OnvifUrl::parse(text).map(|url| url.to_string());
        assert_eq!(shown("http://10.0.0.7").unwrap(), "http://10.0.0.7/onvif/device_service");
        assert_eq!(shown("http://cam:8080/a?b").unwrap(), "http://cam:8080/a?b");
        assert_eq!(shown("http://[fd00::7]/a").unwrap(), "http://[fd00::7]/a");
        assert!(shown("http://a:b@10.0.0.7/").unwrap_err().confidential);
        for wrong in ["https://10.0.0.7/", "10.0.0.7", "http://", "rtsp://10.0.0.7/1"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
