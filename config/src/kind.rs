//! What a value may be. Each kind reads one value and says what it would have allowed.

use std::path::PathBuf;

use gatehouse_core::contract::bytes_of_hex;
use gatehouse_core::credential::CredentialHash;
use gatehouse_core::id::Id;
use gatehouse_core::sealed::Recipient;
use serde_json::{Value, json};
use toml::de::DeValue;

use crate::devices::Device;
use crate::hint;

/// What a key may hold.
pub(crate) trait Kind: Sync {
    /// The checked value.
    type Out;

    /// As "a whole number from 5 to 3600, in seconds".
    fn allowed(&self) -> String;

    /// The JSON Schema of the value.
    fn schema(&self) -> Value;

    /// The checked value of the key `name`, or what could be done about it.
    ///
    /// # Errors
    /// When the value is not allowed.
    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Self::Out, Wrong>;

    /// Whether a value may be a secret that was put in the wrong place, so that not even a wrong
    /// one may be shown.
    fn confidential(&self) -> bool {
        false
    }

    /// The words that it may hold with their meaning, if it holds words.
    fn words(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

/// Why a value is not allowed, beyond that it is not.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    /// What to do, if that is known.
    pub(crate) hint: Option<String>,
    /// The value holds a secret and must not be shown.
    pub(crate) confidential: bool,
}

impl Wrong {
    pub(crate) fn hint(hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), confidential: false }
    }
}

/// The text of a value, or the hint to put quotes around what is none.
pub(crate) fn text<'v>(name: &str, value: &'v DeValue<'_>) -> Result<&'v str, Wrong> {
    match value {
        DeValue::String(text) => Ok(text),
        DeValue::Integer(number) => Err(Wrong::hint(format!("write {name} = \"{number}\""))),
        DeValue::Float(number) => Err(Wrong::hint(format!("write {name} = \"{number}\""))),
        _ => Err(Wrong::default()),
    }
}

/// A whole number within bounds, made into what it counts.
pub(crate) struct Number<T> {
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// What is counted, as "in seconds"; empty for a bare number.
    pub(crate) unit: &'static str,
    pub(crate) make: fn(u64) -> T,
}

impl<T> Kind for Number<T> {
    type Out = T;

    fn allowed(&self) -> String {
        let comma = if self.unit.is_empty() { "" } else { ", " };
        format!("a whole number from {} to {}{comma}{}", self.min, self.max, self.unit)
    }

    fn schema(&self) -> Value {
        json!({ "type": "integer", "minimum": self.min, "maximum": self.max })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<T, Wrong> {
        let good = |n: &u64| (self.min..=self.max).contains(n);
        match value {
            DeValue::Integer(digits) => {
                let n = u64::from_str_radix(digits.as_str(), digits.radix()).ok().filter(good);
                n.map(self.make).ok_or_else(Wrong::default)
            }
            // `"50"`, `"50 ms"`, `30s`: the number is clear, only its clothes are wrong.
            DeValue::String(text) => {
                let text = text.trim();
                let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let n = text[..end].parse().ok().filter(good);
                let bare = text.len() == end;
                Err(n
                    .filter(|_| bare || self.unit_is(text[end..].trim()))
                    .map_or_else(Wrong::default, |n| Wrong::hint(format!("write {name} = {n}"))))
            }
            DeValue::Float(digits) => {
                let whole = digits.as_str().strip_suffix(".0").and_then(|n| n.parse().ok());
                Err(whole.filter(good).map_or_else(Wrong::default, |n: u64| {
                    Wrong::hint(format!("write {name} = {n}"))
                }))
            }
            _ => Err(Wrong::default()),
        }
    }
}

impl<T> Number<T> {
    /// Whether what stands after a number is this very unit: `5m` is not five seconds.
    fn unit_is(&self, written: &str) -> bool {
        let short = match self.unit {
            "in seconds" => "s",
            "in milliseconds" => "ms",
            "in MiB" => "MiB",
            "in days" => "d",
            "in minutes" => "min",
            _ => return false,
        };
        written.eq_ignore_ascii_case(short) || self.unit.strip_prefix("in ") == Some(written)
    }
}

/// One of a few numbers.
pub(crate) struct OneOf {
    pub(crate) of: &'static [u32],
    /// What is counted, as "in bits per second".
    pub(crate) unit: &'static str,
}

impl Kind for OneOf {
    type Out = u32;

    fn allowed(&self) -> String {
        let all: Vec<_> = self.of.iter().map(u32::to_string).collect();
        format!("{}, {}", all.join(", "), self.unit)
    }

    fn schema(&self) -> Value {
        json!({ "type": "integer", "enum": self.of })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<u32, Wrong> {
        let good = |n: &u32| self.of.contains(n);
        match value {
            DeValue::Integer(digits) => {
                let n = u32::from_str_radix(digits.as_str(), digits.radix()).ok().filter(good);
                n.ok_or_else(Wrong::default)
            }
            DeValue::String(text) => {
                let n = text.trim().parse().ok().filter(good);
                Err(n.map_or_else(Wrong::default, |n| Wrong::hint(format!("write {name} = {n}"))))
            }
            _ => Err(Wrong::default()),
        }
    }
}

/// Yes or no.
pub(crate) struct Switch;

impl Kind for Switch {
    type Out = bool;

    fn allowed(&self) -> String {
        "true or false".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "boolean" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<bool, Wrong> {
        let meant = match value {
            DeValue::Boolean(is) => return Ok(*is),
            DeValue::Integer(n) => n.to_string(),
            DeValue::String(text) => text.trim().to_ascii_lowercase(),
            _ => return Err(Wrong::default()),
        };
        Err(match meant.as_str() {
            "1" | "true" | "yes" | "on" => Wrong::hint(format!("write {name} = true")),
            "0" | "false" | "no" | "off" => Wrong::hint(format!("write {name} = false")),
            _ => Wrong::default(),
        })
    }
}

/// An identifier.
pub(crate) struct Identifier;

impl Kind for Identifier {
    type Out = Id;

    fn allowed(&self) -> String {
        "1 to 32 characters of a-z, 0-9 and '-'".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9-]{1,32}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Id, Wrong> {
        let given = text(name, value)?;
        given.parse().map_err(|_| match hint::as_id(given) {
            Some(id) => Wrong::hint(format!("write {name} = \"{id}\"")),
            None if given.is_empty() => Wrong::default(),
            None => Wrong::hint("ids stand in topics; a name in any script goes into `name`"),
        })
    }
}

/// A text for people, in any script.
pub(crate) struct Text {
    /// The most characters.
    pub(crate) max: usize,
}

impl Kind for Text {
    type Out = String;

    fn allowed(&self) -> String {
        format!("a text of 1 to {} characters in one line", self.max)
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": self.max })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<String, Wrong> {
        let given = text(name, value)?;
        let good = (1..=self.max).contains(&given.chars().count());
        if good && !given.contains(char::is_control) {
            Ok(given.to_owned())
        } else {
            Err(Wrong::default())
        }
    }
}

/// An absolute path; of one kind also a name beside the configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of a file.
    Any,
    /// Of a file, or its name beside the configuration.
    Beside,
    /// Of a device.
    Device,
    /// Of a camera of the box.
    Video,
    /// Of a folder that is written to.
    Folder,
    /// Of a socket: the kernel takes at most 107 bytes.
    Socket,
    /// Of a file with a secret: people put the secret itself here.
    Secret,
}

impl Place {
    /// The longest path, in bytes: `PATH_MAX` and `sun_path`, less the final zero.
    const fn max(self) -> usize {
        match self {
            Self::Socket => 107,
            Self::Any | Self::Beside | Self::Device | Self::Video | Self::Folder | Self::Secret => {
                4095
            }
        }
    }
}

impl Kind for Place {
    type Out = PathBuf;

    fn allowed(&self) -> String {
        match self {
            Self::Socket => "an absolute path of at most 107 bytes, as \"/run/…\"".into(),
            Self::Folder => "an absolute path, as \"/var/lib/…\"".into(),
            Self::Device => "an absolute path, as \"/dev/serial/by-path/…\"".into(),
            Self::Video => "an absolute path, as \"/dev/v4l/by-id/…\"".into(),
            Self::Beside => "the name of a file beside this one, or an absolute path".into(),
            Self::Any | Self::Secret => "an absolute path, as \"/etc/gatehouse/…\"".into(),
        }
    }

    fn schema(&self) -> Value {
        let pattern = if *self == Self::Beside { "^(/|[^/~]*$)" } else { "^/" };
        json!({ "type": "string", "pattern": pattern, "maxLength": self.max() })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
        let given = text(name, value)
            .map_err(|wrong| if self.confidential() { Wrong::default() } else { wrong })?;
        let good = given.len() <= self.max() && !given.contains(char::is_control);
        let beside = *self == Self::Beside && !given.is_empty() && !given.starts_with(['~', '.']);
        if good && (given.starts_with('/') || (beside && !given.contains('/'))) {
            return Ok(PathBuf::from(given));
        }
        Err(match self {
            Self::Secret => Wrong::hint(
                "the secret itself goes into a file that only the gateway may read; its path goes here",
            ),
            _ if !good || given.is_empty() || given.starts_with(['~', '.']) => Wrong::default(),
            Self::Any | Self::Beside => whole_path(name, "/etc/gatehouse", given),
            Self::Device | Self::Video => whole_path(name, "/dev", given),
            Self::Folder => whole_path(name, "/var/lib", given),
            Self::Socket => whole_path(name, "/run/gatehouse", given),
        })
    }

    fn confidential(&self) -> bool {
        *self == Self::Secret
    }
}

fn whole_path(name: &str, folder: &str, file: &str) -> Wrong {
    Wrong::hint(format!("write the whole path, as {name} = \"{folder}/{file}\""))
}

/// A temperature in whole degrees Celsius.
pub(crate) struct Degrees;

/// What such a box is exposed to, with a margin.
const DEGREES: std::ops::RangeInclusive<i64> = -40..=125;

impl Kind for Degrees {
    type Out = i32;

    fn allowed(&self) -> String {
        format!("a whole number from {} to {}, in degrees Celsius", DEGREES.start(), DEGREES.end())
    }

    fn schema(&self) -> Value {
        json!({ "type": "integer", "minimum": DEGREES.start(), "maximum": DEGREES.end() })
    }

    fn read(&self, _: &str, value: &DeValue<'_>) -> Result<i32, Wrong> {
        let DeValue::Integer(digits) = value else { return Err(Wrong::default()) };
        let n = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let n = n.filter(|n| DEGREES.contains(n)).and_then(|n| i32::try_from(n).ok());
        n.ok_or_else(Wrong::default)
    }
}

/// Where a bus is.
pub(crate) struct DeviceKind;

impl Kind for DeviceKind {
    type Out = Device;

    fn allowed(&self) -> String {
        "\"/dev/i2c-1\", \"/dev/spidev0.0\" or the like, or \"sim\"".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^(/dev/(i2c-|spidev)[0-9.]{1,8}|sim)$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Device, Wrong> {
        let given = text(name, value)?;
        let file = given.strip_prefix("/dev/").unwrap_or_default();
        let number = |digits: &str, dots: usize| {
            (1..=8).contains(&digits.len())
                && digits.split('.').count() == dots + 1
                && digits
                    .split('.')
                    .all(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if given == "sim" {
            return Ok(Device::Sim);
        }
        if file.strip_prefix("i2c-").is_some_and(|digits| number(digits, 0)) {
            return Ok(Device::I2c(given.into()));
        }
        if file.strip_prefix("spidev").is_some_and(|digits| number(digits, 1)) {
            return Ok(Device::Spi(given.into()));
        }
        let bare = given.starts_with("i2c-") || given.starts_with("spidev");
        Err(if bare {
            Wrong::hint(format!("write {name} = \"/dev/{given}\""))
        } else {
            Wrong::hint("`ls /dev/i2c-* /dev/spidev*` lists those of this machine")
        })
    }
}

/// The name of a systemd credential.
pub(crate) struct Credential;

impl Kind for Credential {
    type Out = String;

    fn allowed(&self) -> String {
        "the name of a systemd credential: 1 to 255 characters of A-Z, a-z, 0-9, '.', '_' and '-'"
            .into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$" })
    }

    fn read(&self, _: &str, value: &DeValue<'_>) -> Result<String, Wrong> {
        let name = value.as_str().unwrap_or_default();
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if (1..=255).contains(&name.len()) && name.chars().all(letters) && !name.starts_with('.') {
            return Ok(name.to_owned());
        }
        Err(Wrong::hint("the secret itself is given to systemd: LoadCredential=NAME:/path"))
    }

    fn confidential(&self) -> bool {
        true
    }
}

/// The hash of a card or a PIN.
pub(crate) struct HashText;

impl Kind for HashText {
    type Out = CredentialHash;

    fn allowed(&self) -> String {
        "32 hexadecimal digits, as an event names it when the card is presented".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[0-9a-fA-F]{32}$" })
    }

    fn read(&self, _: &str, value: &DeValue<'_>) -> Result<CredentialHash, Wrong> {
        let given = value.as_str().unwrap_or_default();
        given.parse().map_err(|_| {
            Wrong::hint(
                "the number of a card or the digits of a PIN never stand here; `gatehouse credential \
                 enrol` writes the hash",
            )
        })
    }

    fn confidential(&self) -> bool {
        true
    }
}

/// A public key of Ed25519.
pub(crate) struct PublicKey;

impl Kind for PublicKey {
    type Out = [u8; 32];

    fn allowed(&self) -> String {
        "64 hexadecimal digits, as `gatehouse-receiver keygen` prints them".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" })
    }

    fn read(&self, _: &str, value: &DeValue<'_>) -> Result<[u8; 32], Wrong> {
        let given = value.as_str().unwrap_or_default();
        bytes_of_hex(given).map_err(|_| {
            // Somebody may have put the other half of the pair here.
            Wrong {
                hint: Some("the public half of the key goes here; the private one stays with whoever signs".into()),
                confidential: true,
            }
        })
    }
}

/// Whom something is sealed for.
pub(crate) struct RecipientKind;

impl Kind for RecipientKind {
    type Out = Recipient;

    fn allowed(&self) -> String {
        "a public key of age, as \"age1…\" (62 letters and digits)".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^age1[02-9ac-hj-np-z]{58}$" })
    }

    fn read(&self, _: &str, value: &DeValue<'_>) -> Result<Recipient, Wrong> {
        let given = value.as_str().unwrap_or_default();
        given.parse().map_err(|_| {
            if given.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                let hint = "this is the secret key: it belongs into a file, for `key-file`, and who has \
                            seen it here can open everything; make another with age-keygen";
                return Wrong { hint: Some(hint.into()), confidential: true };
            }
            Wrong::hint("copy it again: a letter is wrong or missing")
        })
    }
}

/// One of a few words.
pub(crate) trait Word: Copy + Sync + 'static {
    /// Each with its word and its meaning.
    const WORDS: &'static [(Self, &'static str, &'static str)];
    /// What people write instead.
    const ALIASES: &'static [(&'static str, &'static str)] = &[];
}

/// A [`Word`].
pub(crate) struct Choice<W>(pub(crate) std::marker::PhantomData<fn() -> W>);

impl<W: Word> Choice<W> {
    pub(crate) const NEW: Self = Self(std::marker::PhantomData);
}

impl<W: Word> Kind for Choice<W> {
    type Out = W;

    fn allowed(&self) -> String {
        let words: Vec<_> = W::WORDS.iter().map(|(_, word, _)| format!("\"{word}\"")).collect();
        words.join(", ")
    }

    fn schema(&self) -> Value {
        let words =
            W::WORDS.iter().map(|(_, word, doc)| json!({ "const": word, "description": doc }));
        json!({ "type": "string", "oneOf": words.collect::<Vec<_>>() })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<W, Wrong> {
        // `protocol = 5`: the digits are the word.
        let number = match value {
            DeValue::Integer(n) => Some(n.to_string()),
            DeValue::Float(n) => Some(n.to_string()),
            _ => None,
        };
        let Some(given) = value.as_str().or(number.as_deref()) else {
            return Err(Wrong::default());
        };
        let found = W::WORDS.iter().find(|(_, word, _)| *word == given);
        if let (Some((found, ..)), None) = (found, &number) {
            return Ok(*found);
        }
        let known = W::WORDS.iter().map(|(_, word, _)| *word);
        let plain = given.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        let alias = W::ALIASES.iter().find(|(alias, _)| *alias == plain).map(|(_, word)| *word);
        Err(match alias.or_else(|| hint::nearest(given, known)) {
            Some(word) => Wrong::hint(format!("write {name} = \"{word}\"")),
            None => Wrong::default(),
        })
    }

    fn words(&self) -> Vec<(&'static str, &'static str)> {
        W::WORDS.iter().map(|(_, word, meaning)| (*word, *meaning)).collect()
    }
}
