//! What is wanted with its arguments, read whole or refused.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::verb::Verb;
use crate::id::{Id, Seq};
use crate::site::{LONGEST_NONCE, LONGEST_WALK, Mode};

/// An output is switched on for so long at most, in seconds.
pub const LONGEST_PULSE_S: u32 = 60;

/// The longest reason in an answer, in characters.
const LONGEST_WHY: usize = 200;

/// The largest configuration that can be proposed, in bytes, as the gateway's own limit.
pub const MAX_CONFIG: u32 = 1024 * 1024;

/// A command with its arguments. An argument that the verb does not have is a mistake: `forse` must
/// not be taken for "without force".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", content = "args", rename_all = "lowercase", deny_unknown_fields)]
#[expect(missing_docs, reason = "`Verb` says what they mean")]
pub enum Wanted {
    Arm {
        partition: Id,
        #[serde(default = "away")]
        mode: Mode,
        #[serde(default)]
        force: bool,
        #[serde(default)]
        at_once: bool,
    },
    Disarm {
        partition: Id,
    },
    Bypass {
        zone: Id,
    },
    Unbypass {
        zone: Id,
    },
    Silence {
        #[serde(default)]
        partition: Option<Id>,
    },
    Snapshot {
        camera: Id,
    },
    Clip {
        camera: Id,
        #[serde(default)]
        seq: Option<Seq>,
    },
    Resend {
        from: Seq,
        to: Seq,
    },
    State {},
    WalkTest {
        partition: Id,
        minutes: u32,
    },
    Challenge {
        nonce: String,
    },
    Output {
        #[serde(default)]
        door: Option<Id>,
        #[serde(default)]
        output: Option<Id>,
        #[serde(default)]
        seconds: Option<u32>,
    },
    #[serde(rename = "config.get")]
    ConfigGet {
        #[serde(default)]
        at: u32,
    },
    #[serde(rename = "config.propose")]
    ConfigPropose {
        text: String,
        /// Where the piece begins, in bytes.
        #[serde(default)]
        at: u32,
        /// The whole length in bytes; without it this piece is all.
        #[serde(default)]
        of: Option<u32>,
    },
    #[serde(rename = "config.confirm")]
    ConfigConfirm {
        hash: String,
    },
    Diag {},
}

const fn away() -> Mode {
    Mode::Away
}

impl Wanted {
    /// What this verb wants with these arguments.
    ///
    /// # Errors
    /// What is wrong with the arguments, for a person, in a line.
    pub fn of(verb: Verb, args: &Map<String, Value>) -> Result<Self, String> {
        let whole = json!({ "verb": verb.as_str(), "args": args });
        let wanted: Self =
            serde_json::from_value(whole).map_err(|error| short(&error.to_string()))?;
        wanted.within_bounds().map(|()| wanted)
    }

    fn within_bounds(&self) -> Result<(), String> {
        let wrong = match self {
            Self::Arm { mode: Mode::Disarmed, .. } => {
                "mode is one of away, home, night, custom; to disarm there is `disarm`".to_owned()
            }
            Self::WalkTest { minutes, .. } if u64::from(*minutes) * 60 > LONGEST_WALK.as_secs() => {
                format!("minutes is 0 to {}", LONGEST_WALK.as_secs() / 60)
            }
            Self::Challenge { nonce } if !is_nonce(nonce) => {
                format!("nonce is 1 to {LONGEST_NONCE} of a-z, A-Z, 0-9 and '-'")
            }
            Self::Resend { from, to } if *from == Seq::ZERO || from > to => {
                "from is at least 1 and not above to".to_owned()
            }
            Self::Output { door: Some(_), output: None, seconds: None } => return Ok(()),
            Self::Output { door: None, output: Some(_), seconds: Some(1..=LONGEST_PULSE_S) } => {
                return Ok(());
            }
            Self::Output { .. } => {
                format!("either door, or output with seconds, 1 to {LONGEST_PULSE_S}")
            }
            Self::ConfigPropose { text, at, of } => {
                let end = u64::from(*at) + text.len() as u64;
                let of = of.map_or(end, u64::from);
                if end <= of && of <= u64::from(MAX_CONFIG) && !text.is_empty() {
                    return Ok(());
                }
                format!("the piece ends at {end} of {of} bytes; at most are {MAX_CONFIG}")
            }
            Self::ConfigConfirm { hash } if !is_hash(hash) => {
                "hash is the 16 hexadecimal digits that config.propose has answered".to_owned()
            }
            _ => return Ok(()),
        };
        Err(wrong)
    }

    /// Its verb.
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Arm { .. } => Verb::Arm,
            Self::Disarm { .. } => Verb::Disarm,
            Self::Bypass { .. } => Verb::Bypass,
            Self::Unbypass { .. } => Verb::Unbypass,
            Self::Silence { .. } => Verb::Silence,
            Self::Snapshot { .. } => Verb::Snapshot,
            Self::Clip { .. } => Verb::Clip,
            Self::Resend { .. } => Verb::Resend,
            Self::State {} => Verb::State,
            Self::WalkTest { .. } => Verb::WalkTest,
            Self::Challenge { .. } => Verb::Challenge,
            Self::Output { .. } => Verb::Output,
            Self::ConfigGet { .. } => Verb::ConfigGet,
            Self::ConfigPropose { .. } => Verb::ConfigPropose,
            Self::ConfigConfirm { .. } => Verb::ConfigConfirm,
            Self::Diag {} => Verb::Diag,
        }
    }

    /// Its arguments as events tell them: all of them, but a text of some length by its length.
    pub fn told(&self) -> Value {
        let whole = serde_json::to_value(self).unwrap_or_default();
        let mut args = whole.get("args").cloned().unwrap_or_default();
        if let Some(args) = args.as_object_mut() {
            args.retain(|_, value| !value.is_null());
            if let Some(text) = args.remove("text") {
                let bytes = text.as_str().map_or(0, str::len);
                args.insert("bytes".to_owned(), json!(bytes));
            }
        }
        args
    }
}

fn is_nonce(nonce: &str) -> bool {
    (1..=LONGEST_NONCE).contains(&nonce.len())
        && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_hash(hash: &str) -> bool {
    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// In a line, and not longer than an answer needs.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_WHY).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(verb: Verb, args: Value) -> Result<Wanted, String> {
        let Value::Object(args) = args else { panic!() };
        Wanted::of(verb, &args)
    }

    #[test]
    fn each_verb_reads_its_arguments() {
        let flat: Id = "flat".parse().unwrap();
        let arm =
            Wanted::Arm { partition: flat.clone(), mode: Mode::Away, force: false, at_once: false };
        assert_eq!(of(Verb::Arm, json!({ "partition": "flat" })), Ok(arm));
        assert_eq!(of(Verb::State, json!({})), Ok(Wanted::State {}));
        assert_eq!(of(Verb::Silence, json!({})), Ok(Wanted::Silence { partition: None }));
        let pulse = of(Verb::Output, json!({ "output": "fan", "seconds": 5 })).unwrap();
        assert_eq!(pulse.told(), json!({ "output": "fan", "seconds": 5 }));
        let text = of(Verb::ConfigPropose, json!({ "text": "[gateway]" })).unwrap();
        assert_eq!(text.told(), json!({ "at": 0, "bytes": 9 }), "no configuration in an event");
        for verb in Verb::ALL {
            let args = match verb {
                Verb::Arm | Verb::Disarm => json!({ "partition": "flat" }),
                Verb::Bypass | Verb::Unbypass => json!({ "zone": "hall" }),
                Verb::Snapshot | Verb::Clip => json!({ "camera": "c1" }),
                Verb::Resend => json!({ "from": 1, "to": 9 }),
                Verb::WalkTest => json!({ "partition": "flat", "minutes": 30 }),
                Verb::Challenge => json!({ "nonce": "n-1" }),
                Verb::Output => json!({ "door": "gate" }),
                Verb::ConfigPropose => json!({ "text": "x" }),
                Verb::ConfigConfirm => json!({ "hash": "0123456789abcdef" }),
                Verb::Silence | Verb::State | Verb::ConfigGet | Verb::Diag => json!({}),
            };
            let wanted = of(verb, args).unwrap_or_else(|why| panic!("{verb:?}: {why}"));
            assert_eq!(serde_json::to_value(wanted).unwrap()["verb"], verb.as_str());
        }
    }

    #[test]
    fn arguments_that_are_wrong_are_named_and_nothing_is_guessed() {
        for (verb, args, why) in [
            (Verb::Arm, json!({}), "partition"),
            (Verb::Arm, json!({ "partition": "flat", "forse": true }), "forse"),
            (Verb::Arm, json!({ "partition": "flat", "force": "yes" }), "boolean"),
            (Verb::Arm, json!({ "partition": "flat", "mode": "disarmed" }), "to disarm"),
            (Verb::Arm, json!({ "partition": "The flat" }), "a-z, 0-9"),
            (Verb::WalkTest, json!({ "partition": "flat", "minutes": 241 }), "0 to 240"),
            (Verb::Challenge, json!({ "nonce": "a b" }), "1 to 64"),
            (Verb::Resend, json!({ "from": 0, "to": 1 }), "at least 1"),
            (Verb::Resend, json!({ "from": 3, "to": 2 }), "not above"),
            (Verb::Output, json!({ "door": "a", "output": "b", "seconds": 1 }), "either"),
            (Verb::Output, json!({ "output": "b" }), "seconds"),
            (Verb::Output, json!({ "output": "b", "seconds": 61 }), "1 to 60"),
            (Verb::ConfigPropose, json!({ "text": "abc", "at": 2, "of": 4 }), "ends at 5 of 4"),
            (Verb::ConfigConfirm, json!({ "hash": "latest" }), "16 hexadecimal"),
            (Verb::State, json!({ "all": true }), "all"),
        ] {
            let told = of(verb, args).unwrap_err();
            assert!(told.contains(why) && told.chars().count() <= LONGEST_WHY, "{told:?}: {why}");
        }
    }
}
