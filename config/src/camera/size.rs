//! The size of a camera's pictures.

use std::fmt;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong, text};

/// Pixels across and down; shows itself as in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSize {
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

/// Less shows nothing.
const LEAST: (u32, u32) = (64, 48);

/// The largest that the gateway decodes.
const MOST: (u32, u32) = (4096, 2304);

impl fmt::Display for PictureSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// [`PictureSize`] as a value of a key.
pub(crate) struct SizeKind;

impl Kind for SizeKind {
    type Out = PictureSize;

    fn allowed(&self) -> String {
        format!(
            "a size of pictures, as \"1280x720\": from {}x{} to {}x{}",
            LEAST.0, LEAST.1, MOST.0, MOST.1
        )
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<PictureSize, Wrong> {
        let given = text(name, value)?;
        let part = |text: &str| {
            // Neither a sign nor blanks nor zeros before it.
            let plain = text.starts_with(|c: char| ('1'..='9').contains(&c));
            plain.then(|| text.parse::<u32>().ok()).flatten()
        };
        let parts = given.split_once('x').and_then(|(w, h)| Some((part(w)?, part(h)?)));
        let Some((width, height)) = parts else {
            let hint = "width, a small x, and height, in pixels";
            return Err(Wrong::hint(hint));
        };
        let fits = (LEAST.0..=MOST.0).contains(&width) && (LEAST.1..=MOST.1).contains(&height);
        if fits { Ok(PictureSize { width, height }) } else { Err(Wrong::default()) }
    }
}
