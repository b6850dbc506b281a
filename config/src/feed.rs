//! Where what a door or a zone says comes from: a wire, a contact at a camera, or its picture.

use std::fmt;

use gatehouse_core::id::Id;
use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong, text};
use crate::wiring::Line;

/// The longest name of a camera's input: `ReferenceToken` of the ONVIF schema.
const MAX_TOKEN: usize = 64;

/// Where it comes from; shows itself as in events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// A wire: `gpiochip0:17`.
    Line(Line),
    /// A contact at a camera's terminals, told by ONVIF: `camera/gate:1`.
    Contact(CameraContact),
    /// What a camera sees move, in one of its areas or in any: `camera/gate/drive`.
    Motion {
        /// The camera.
        camera: Id,
        /// Its area.
        area: Option<Id>,
    },
}

impl Feed {
    /// Its wire, if it has one at this box.
    pub const fn line(&self) -> Option<&Line> {
        match self {
            Self::Line(line) => Some(line),
            _ => None,
        }
    }

    /// The contact, if it is one at a camera.
    pub const fn contact(&self) -> Option<&CameraContact> {
        match self {
            Self::Contact(contact) => Some(contact),
            _ => None,
        }
    }

    /// The camera that tells it.
    pub const fn camera(&self) -> Option<&Id> {
        match self {
            Self::Line(_) => None,
            Self::Contact(CameraContact { camera, .. }) | Self::Motion { camera, .. } => {
                Some(camera)
            }
        }
    }
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => line.fmt(f),
            Self::Contact(contact) => write!(f, "camera/{contact}"),
            Self::Motion { camera, area: None } => write!(f, "camera/{camera}"),
            Self::Motion { camera, area: Some(area) } => write!(f, "camera/{camera}/{area}"),
        }
    }
}

/// A digital input of a camera; shows itself as in the file, `gate:1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraContact {
    /// The camera.
    pub camera: Id,
    /// The camera's own name for the input: its `InputToken`.
    pub token: String,
}

impl fmt::Display for CameraContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.camera, self.token)
    }
}

/// [`CameraContact`] as a value of a key.
pub(crate) struct CameraContactKind;

impl Kind for CameraContactKind {
    type Out = CameraContact;

    fn allowed(&self) -> String {
        "a camera and its own name for the input, as \"gate:1\"".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9-]{1,32}:.{1,64}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<CameraContact, Wrong> {
        let given = text(name, value)?;
        let Some((camera, token)) = given.split_once(':') else {
            return Err(Wrong::hint(format!("name the input too: {name} = \"{given}:1\"")));
        };
        let good = (1..=MAX_TOKEN).contains(&token.chars().count())
            && token.trim() == token
            && !token.contains(char::is_control);
        match camera.parse() {
            Ok(camera) if good => Ok(CameraContact { camera, token: token.to_owned() }),
            Ok(_) => Err(Wrong::hint("the camera's page lists its inputs; many call the first 1")),
            Err(_) => Err(Wrong::hint("before the colon stands the id of a [[camera]]")),
        }
    }
}
