//! Wishes on the control socket: `gatehouse arm`, `disarm`, `bypass`, …
//!
//! Ids stand in a wish, places in a command: here one becomes the other, and what does not exist is
//! refused with what does.

use std::fmt;
use std::time::Duration;

use gatehouse_config::{Config, Credentials};
use gatehouse_core::credential::CredentialHash;
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{
    self, Act, Answer, LONGEST_ENROL, LONGEST_NONCE, LONGEST_WALK, Mode, Question, Report, Verb,
    Via,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroize as _;

use super::Sources;
use crate::credentials;

/// What is wanted, as the socket carries it: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verb")]
pub enum Wish {
    /// Arm a partition.
    Arm {
        /// Its id.
        partition: Id,
        /// In which mode.
        mode: Mode,
        /// Bypass what is not ready.
        force: bool,
        /// Without exit delay.
        at_once: bool,
    },
    /// Disarm a partition.
    Disarm {
        /// Its id.
        partition: Id,
    },
    /// Take a zone out of protection.
    Bypass {
        /// Its id.
        zone: Id,
    },
    /// Take it in again.
    Unbypass {
        /// Its id.
        zone: Id,
    },
    /// Put off the next arming by a schedule.
    Postpone {
        /// The partition's id.
        partition: Id,
        /// By how much.
        minutes: u32,
    },
    /// Begin a walk test, or end it.
    WalkTest {
        /// The partition's id.
        partition: Id,
        /// How long it lasts at most; 0: end it.
        minutes: u32,
    },
    /// Let a door open once.
    Release {
        /// Its id.
        door: Id,
    },
    /// Silence the sirens.
    Silence {
        /// Of this partition; none: all.
        #[serde(default)]
        partition: Option<Id>,
    },
    /// Send a nonce through the whole path.
    Challenge {
        /// What must come back.
        nonce: String,
    },
    /// Acknowledge an incident.
    Acknowledge {
        /// Its id.
        incident: Id,
    },
    /// Say something of an incident.
    Note {
        /// Its id.
        incident: Id,
        /// What.
        text: String,
    },
    /// Close an incident.
    Close {
        /// Its id.
        incident: Id,
    },
    /// Call the others now.
    Escalate {
        /// Its id.
        incident: Id,
    },
    /// Wait for the next unknown card or code at a reader.
    Enrol {
        /// Its id.
        reader: Id,
        /// So many seconds; none: as long as it may be, 0: not any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_s: Option<u8>,
    },
    /// Make the hash of a PIN that belongs to a card. The digits go no further.
    HashPin {
        /// The card.
        card: CredentialHash,
        /// The digits.
        digits: Digits,
    },
    /// Load the list of credentials anew.
    Credentials {},
    /// End an alarm that stays until it is reset.
    Reset {
        /// The zone's or the help point's id.
        zone: Id,
    },
    /// Tell the protection ledger of the running day.
    Ledger,
    /// Tell the patrol rounds.
    Rounds,
    /// Record that somebody looks at a picture or clip.
    EvidenceOpened {
        /// Its name.
        file: String,
    },
}

/// The digits of a PIN. They show themselves to nobody, and are overwritten.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digits(pub String);

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digits(secret)")
    }
}

impl Drop for Digits {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What came of a wish.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The rules have answered, and what they did is stored.
    Answer(Answer),
    /// The hash of a PIN.
    Hash(CredentialHash),
    /// It was not understood, or could not be stored.
    Error(String),
}

/// Hands in a wish from the control socket, and waits for what came of it.
pub(super) async fn fulfil(wish: Wish, user: Option<u32>, sources: &Sources) -> Outcome {
    // The system's number of the user; their name stays on the box.
    let actor = user.map(|uid| format!("uid-{uid}"));
    ask(wish, (Via::Cli, actor), sources).await
}

/// Hands a wish in, of whoever wants it and by which way, and waits for what came of it.
pub(crate) async fn ask(
    wish: Wish,
    (via, actor): (Via, Option<String>),
    sources: &Sources,
) -> Outcome {
    let running = sources.running.borrow().clone();
    let (config, desk) = (&*running.config, &running.desk);
    if let Wish::HashPin { card, digits } = wish {
        let hash = credentials::pin(card, &digits.0, config);
        return hash.map_or_else(|error| Outcome::Error(error.to_string()), Outcome::Hash);
    }
    if let Wish::EvidenceOpened { file } = wish {
        return looked(file, actor, config, sources).await.unwrap_or_else(Outcome::Error);
    }
    let enrolled = match &wish {
        Wish::Enrol { reader, within_s: None | Some(1..) } => Some(reader.clone()),
        _ => None,
    };
    let verb = match verb(wish, config) {
        Ok(verb) => verb,
        Err(why) => return Outcome::Error(why),
    };
    // Until the answer is there, a card of this reader does not wait for its PIN.
    let _wanted = enrolled.map(|reader| sources.enrolling.want(reader));
    match desk.ask(via, actor, verb).await {
        Ok(answer) => Outcome::Answer(answer),
        Err(error) => Outcome::Error(error.to_string()),
    }
}

/// A look at evidence: told once it is on the flash.
async fn looked(
    file: String,
    user: Option<String>,
    config: &Config,
    sources: &Sources,
) -> Result<Outcome, String> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if !(1..=128).contains(&file.len()) || !file.bytes().all(letter) {
        return Err("a piece of evidence has a name of a-z, 0-9, '-' and '.'".to_owned());
    }
    let facts = json!({ "file": file, "via": "cli", "user": user });
    let report = Report {
        class: Class::System,
        kind: "evidence.opened",
        qualifier: Qualifier::Status,
        severity: 4,
        source: ("gateway", config.address.gateway.clone()),
        closes: None,
        cause: None,
        detail: Some(facts.clone()),
        at: None,
    };
    let draft = site::draft(report, sources.clock.boot(), &sources.clock.now());
    let stored = crate::rules::append(&sources.journal, vec![draft]).await;
    stored.map_err(|error| error.to_string())?;
    Ok(Outcome::Answer(Answer::Told { facts }))
}

fn verb(wish: Wish, config: &Config) -> Result<Verb, String> {
    let partition = |id: &Id| {
        place("partition", id, config.partitions.iter().map(|partition| &partition.rules.id))
    };
    let zone = |id: &Id| place("zone", id, config.zone_rules().map(|zone| &zone.id));
    Ok(match wish {
        Wish::Arm { partition: id, mode, force, at_once } => {
            Verb::Arm { partition: partition(&id)?, mode, force, at_once }
        }
        Wish::Disarm { partition: id } => Verb::Disarm { partition: partition(&id)? },
        Wish::Bypass { zone: id } => Verb::Bypass { zone: zone(&id)? },
        Wish::Unbypass { zone: id } => Verb::Unbypass { zone: zone(&id)? },
        Wish::WalkTest { partition: id, minutes } => {
            let lasts = Duration::from_secs(u64::from(minutes) * 60);
            if lasts > LONGEST_WALK {
                let most = LONGEST_WALK.as_secs() / 60;
                return Err(format!("a walk test lasts {most} minutes at most, not {minutes}"));
            }
            Verb::WalkTest { partition: partition(&id)?, lasts }
        }
        Wish::Release { door: id } => {
            let door = place("door", &id, config.doors.iter().map(|door| &door.id))?;
            Verb::Release { door }
        }
        Wish::Silence { partition: None } => Verb::Silence { partition: None },
        Wish::Silence { partition: Some(id) } => Verb::Silence { partition: Some(partition(&id)?) },
        Wish::Challenge { nonce } => {
            let good = (1..=LONGEST_NONCE).contains(&nonce.len())
                && nonce.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !good {
                return Err(format!("a nonce is 1 to {LONGEST_NONCE} of a-z, A-Z, 0-9 and '-'"));
            }
            Verb::Challenge { nonce }
        }
        Wish::Postpone { partition: id, minutes } => {
            let by = Duration::from_secs(u64::from(minutes) * 60);
            Verb::Postpone { partition: partition(&id)?, by }
        }
        Wish::Enrol { reader: id, within_s } => {
            let reader = place("reader", &id, config.readers.iter().map(|one| &one.rules.id))?;
            let lasts = within_s.map_or(LONGEST_ENROL, |s| Duration::from_secs(s.into()));
            Verb::Enrol { reader, lasts }
        }
        Wish::Credentials {} => {
            let list = Credentials::of(config).map_err(|errors| errors.render(false))?;
            let hash = list.hash().to_owned();
            Verb::Credentials { list: list.list, hash }
        }
        // Not a matter of the rules.
        Wish::HashPin { .. } | Wish::EvidenceOpened { .. } => {
            return Err("it is fulfilled before this".to_owned());
        }
        Wish::Acknowledge { incident } => Verb::Incident { id: incident, act: Act::Acknowledge },
        Wish::Note { incident, text } => Verb::Incident { id: incident, act: Act::Note(text) },
        Wish::Close { incident } => Verb::Incident { id: incident, act: Act::Close },
        Wish::Escalate { incident } => Verb::Incident { id: incident, act: Act::Escalate },
        Wish::Reset { zone: id } => Verb::Reset { zone: zone(&id)? },
        Wish::Ledger => Verb::Ask(Question::Ledger),
        Wish::Rounds => Verb::Ask(Question::Rounds),
    })
}

fn place<'a>(
    what: &str,
    id: &Id,
    mut known: impl Iterator<Item = &'a Id> + Clone,
) -> Result<usize, String> {
    let all = known.clone();
    known.position(|known| known == id).ok_or_else(|| {
        let all: Vec<_> = all.map(Id::as_str).collect();
        if all.is_empty() {
            format!("there is no {what} {id}: this gateway has none")
        } else {
            format!("there is no {what} {id}; there are {}", all.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        let ids = ["flat", "stair"].map(|id| id.parse::<Id>().unwrap());
        let wanted = "cellar".parse().unwrap();
        let why = place("partition", &wanted, ids.iter()).unwrap_err();
        assert_eq!(why, "there is no partition cellar; there are flat, stair");
        assert_eq!(place("partition", &ids[1], ids.iter()), Ok(1));
        let why = place("zone", &wanted, [].iter()).unwrap_err();
        assert_eq!(why, "there is no zone cellar: this gateway has none");
    }

    #[test]
    fn a_wish_is_one_line_that_can_be_written_by_hand() {
        let line =
            r#"{"verb":"arm","partition":"flat","mode":"away","force":false,"at_once":true}"#;
        let wish: Wish = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&wish).unwrap(), line);
    }
}
