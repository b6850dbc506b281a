//! What the district wants of a gateway, and what comes of it: `cmd/{id}` and `cmd/{id}/res`.
//!
//! # Signatures
//!
//! `sig` is Ed25519 (RFC 8032) over the bytes that [`Command::canonical`] gives: the line
//! `gatehouse-command-v1` with its newline, and behind it one JSON object as RFC 8785 (JCS) writes
//! it, with the members of the command but `sig`, and two more: `id`, the command's own, and
//! `prefix`, the gateway's (`gatehouse/v1/{district}/{site}/{gateway}`). So a signed command is of
//! use at no other gateway and under no other id.
//!
//! Members that are absent are left out; `args` stands there also when it is empty. Numbers are
//! whole, times are RFC 3339 in UTC with three decimals, and all members' names are ASCII.
//!
//! ```text
//! gatehouse-command-v1
//! {"args":{"partition":"flat"},"expires":"2026-09-30T11:02:33.000Z","id":"c-17", … ,"verb":"disarm"}
//! ```

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{Id, Seq};
use crate::time::UtcMs;
use crate::topic::Address;

/// The largest command, in bytes: a piece of a configuration of 32 KiB, written as JSON. A broker
/// that is told the gateway's limit (64 KiB) drops what is beyond that one.
pub const MAX_COMMAND: usize = 48 * 1024;

/// The first line of what is signed.
const DOMAIN: &str = "gatehouse-command-v1\n";

/// `cmd/{id}`, QoS 1, never retained. Any id is used once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    /// What: one of [`Verb`](crate::commands::Verb)'s words.
    pub verb: String,
    /// With what, by the verb.
    #[serde(default)]
    pub args: Map<String, Value>,
    /// When it was wanted, by the control room's clock.
    pub issued: UtcMs,
    /// From then on it must not be carried out. At most 24 h after `issued`. Required; one without
    /// it is answered, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UtcMs>,
    /// One of the latest nonces of the gateway's heartbeat: what lets a gateway without a trusted
    /// clock do what must not be done late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Who: the control room's id of the operator, 1 to 64 visible characters, never a name.
    pub operator: String,
    /// In which role, as the site's configuration names it; without it `operator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// That it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<Signature>,
}

impl Command {
    /// The bytes that are signed, for the gateway at `address` and under this id. `None`: an
    /// argument is no whole number, or its name is not ASCII, so it has no canonical form.
    pub fn canonical(&self, address: &Address, id: &Id) -> Option<Vec<u8>> {
        let plain = Self { sig: None, ..self.clone() };
        let Ok(Value::Object(mut members)) = serde_json::to_value(plain) else { return None };
        members.insert("id".to_owned(), Value::from(id.as_str()));
        members.insert("prefix".to_owned(), Value::from(address.to_string()));
        let all = Value::Object(members);
        has_canonical_form(&all).then(|| format!("{DOMAIN}{all}").into_bytes())
    }
}

/// `serde_json` writes as RFC 8785 wants it what has none of floats (ECMAScript's digits) and of
/// names beyond ASCII (sorted by UTF-16 there): members sorted, no blanks, the same escapes.
fn has_canonical_form(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::Array(list) => list.iter().all(has_canonical_form),
        Value::Object(members) => {
            members.iter().all(|(name, value)| name.is_ascii() && has_canonical_form(value))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Who has signed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signature {
    /// The key's id, as `[[command-key]]` names it.
    pub key: Id,
    /// Ed25519, 128 hexadecimal digits.
    pub ed25519: SignatureBytes,
}

/// The 64 bytes of an Ed25519 signature; as text 128 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignatureBytes(pub [u8; 64]);

impl fmt::Display for SignatureBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SignatureBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text is not the hexadecimal digits of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0} hexadecimal digits")]
pub struct HexError(pub usize);

/// `N` bytes from twice as many hexadecimal digits.
///
/// # Errors
/// When there are more or fewer, or other characters.
pub fn bytes_of_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let wrong = HexError(2 * N);
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong);
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong)?;
    }
    Ok(bytes)
}

impl FromStr for SignatureBytes {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        bytes_of_hex(text).map(Self)
    }
}

impl Serialize for SignatureBytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignatureBytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SignatureBytes {
    fn schema_name() -> Cow<'static, str> {
        "SignatureBytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{128}$" })
    }
}

/// What came of a command, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommandStatus {
    /// It will be carried out; another result follows.
    Accepted,
    /// It goes on; another result follows.
    Running,
    /// It is done, and stored.
    Done,
    /// It was tried, and did not come about.
    Failed,
    /// It will not be carried out.
    Refused,
    /// It came too late, and will not be carried out.
    Expired,
    /// A command with this id came before, and this one is not carried out; `detail` says what came
    /// of that one.
    Duplicate,
}

impl CommandStatus {
    /// The word in payloads and in types of events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Duplicate => "duplicate",
        }
    }

    /// Whether nothing follows.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Accepted | Self::Running)
    }
}

/// `cmd/{id}/res`, QoS 1, not retained. With MQTT 5 it carries the command's correlation data, and
/// goes to its response topic if that lies below the gateway's own `cmd/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandResult {
    /// What came of it.
    pub status: CommandStatus,
    /// Why, as a stable word: one of [`Reason`](crate::commands::Reason)'s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// The gateway's event of it; 0: there is none, since too many commands come at once.
    pub seq: Seq,
    /// Facts, by verb and reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn command(args: &Value) -> Command {
        let json = json!({
            "verb": "disarm", "args": args, "issued": "2026-09-30T11:02:03.000Z",
            "expires": "2026-09-30T11:02:33.000Z", "operator": "op-7", "role": "operator",
            "later": "unknown fields are ignored",
        });
        serde_json::from_value(json).unwrap()
    }

    fn address(gateway: &str) -> Address {
        let id = |text: &str| text.parse().unwrap();
        Address { district: id("d-1"), site: id("s-1"), gateway: id(gateway) }
    }

    #[test]
    fn what_is_signed_is_of_use_at_no_other_gateway_and_under_no_other_id() {
        let disarm = command(&json!({ "partition": "flat", "b": "\u{1f}门\"\\/\n", "a": 3 }));
        let of = |gateway, id: &str| disarm.canonical(&address(gateway), &id.parse().unwrap());
        let bytes = of("g-1", "c-17").unwrap();
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            "gatehouse-command-v1\n{\"args\":{\"a\":3,\"b\":\"\\u001f门\\\"\\\\/\\n\",\
             \"partition\":\"flat\"},\"expires\":\"2026-09-30T11:02:33.000Z\",\"id\":\"c-17\",\
             \"issued\":\"2026-09-30T11:02:03.000Z\",\"operator\":\"op-7\",\"prefix\":\
             \"gatehouse/v1/d-1/s-1/g-1\",\"role\":\"operator\",\"verb\":\"disarm\"}"
        );
        assert_ne!(of("g-2", "c-17").unwrap(), bytes);
        assert_ne!(of("g-1", "c-18").unwrap(), bytes);
        let sig = Signature { key: "k".parse().unwrap(), ed25519: SignatureBytes([0xab; 64]) };
        let signed = Command { sig: Some(sig), ..disarm.clone() };
        assert_eq!(signed.canonical(&address("g-1"), &"c-17".parse().unwrap()), Some(bytes));
        let json = serde_json::to_string(&signed).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), signed);
    }

    #[test]
    fn what_two_libraries_would_write_differently_has_no_canonical_form() {
        for args in [json!({ "a": 1.5 }), json!({ "a": [1e300] }), json!({ "门": 1 })] {
            let command = command(&args);
            assert_eq!(command.canonical(&address("g"), &"c".parse().unwrap()), None, "{args}");
        }
    }

    #[test]
    fn a_signature_is_its_hexadecimal_digits() {
        let text = "0123456789abcdef".repeat(8);
        let bytes: SignatureBytes = text.parse().unwrap();
        assert_eq!((bytes.0[1], bytes.to_string()), (0x23, text.clone()));
        for wrong in ["", &text[1..], &format!("{}zz", &text[2..]), &format!("{text}00")] {
            assert_eq!(wrong.parse::<SignatureBytes>(), Err(HexError(128)), "{wrong}");
        }
    }
}
