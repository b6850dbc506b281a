//! `gatehouse config …`: questions about the configuration, and changes of it.
//!
//! A line `config N`, and N bytes of JSON behind it: a configuration is longer than a line may be.

use std::time::Duration;

use gatehouse_config::MAX_BYTES;
use gatehouse_config::change::Edit;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader, Lines, Take};

use crate::transaction::{Applied, Changes, Draft, Entry, Guard, Refusal, Unconfirmed, Who};

/// The longest question: a configuration, each byte of it escaped.
const LONGEST: u64 = 6 * MAX_BYTES + 4096;

/// Whoever takes longer to send it is not one of ours.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked or wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "config", deny_unknown_fields)]
pub enum Question {
    /// The configuration that runs.
    Show {},
    /// What a text would change.
    Check {
        /// The text.
        text: String,
        /// And what would have been different in the last days.
        replay: bool,
    },
    /// Let a text hold.
    Apply {
        /// The text.
        text: String,
        /// It must be confirmed within so many seconds, whatever it touches.
        within_s: Option<u64>,
    },
    /// Make steps, or only say what they would change.
    Edit {
        /// The steps.
        edits: Vec<Edit>,
        /// Make them.
        apply: bool,
        /// It must be confirmed within so many seconds, whatever it touches.
        within_s: Option<u64>,
    },
    /// Let stay what is unconfirmed.
    Confirm {},
    /// Put back what was before it.
    Undo {},
    /// What held, and what is unconfirmed.
    History {},
    /// Let an entry of the history hold.
    Return {
        /// Its number.
        n: u32,
        /// It must be confirmed within so many seconds, whatever it touches.
        within_s: Option<u64>,
    },
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// The configuration that runs, secrets as stars.
    Shown {
        /// Its hash.
        hash: String,
        /// Its text.
        text: String,
    },
    /// What would change.
    Draft(Box<Draft>),
    /// What was changed, and how it looked.
    Applied(Applied, Option<Box<Draft>>),
    /// Everything that held, the oldest first, and what is unconfirmed.
    History(Vec<Entry>, Option<Unconfirmed>),
    /// Why not.
    Refused(Refusal),
    /// It cannot be read.
    Error(String),
}

pub(super) async fn answer<R: AsyncRead + Unpin>(
    line: &str,
    lines: &mut Lines<BufReader<Take<R>>>,
    user: Option<u32>,
    changes: &Changes,
) -> Told {
    let length = line.strip_prefix("config ").and_then(|length| length.parse::<u64>().ok());
    let Some(length) = length.filter(|length| *length <= LONGEST) else {
        return Told::Error(format!("a question is at most {LONGEST} bytes long"));
    };
    let reader = lines.get_mut();
    // What is read ahead already counts, too: the length says where it ends.
    reader.get_mut().set_limit(length);
    let mut bytes = Vec::new();
    match tokio::time::timeout(PATIENCE, reader.take(length).read_to_end(&mut bytes)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Told::Error(error.to_string()),
        Err(_) => return Told::Error("the question did not come whole".to_owned()),
    }
    let question = match serde_json::from_slice(&bytes) {
        Ok(question) => question,
        Err(error) => return Told::Error(format!("no question that can be read: {error}")),
    };
    fulfil(question, user, changes).await.unwrap_or_else(Told::Refused)
}

async fn fulfil(question: Question, user: Option<u32>, changes: &Changes) -> Result<Told, Refusal> {
    let may = user == Some(0) || user == Some(rustix::process::geteuid().as_raw());
    let who = || if may { Ok(Who::console(user)) } else { Err(Refusal::NotAllowed) };
    Ok(match question {
        Question::Show {} => {
            let (hash, text) = changes.shown().await?;
            Told::Shown { hash, text }
        }
        Question::Check { text, replay } => {
            Told::Draft(Box::new(changes.draft(text, Guard::Site, replay).await?))
        }
        Question::Apply { text, within_s } => {
            let by = (who()?, Guard::Site);
            Told::Applied(changes.apply(text, None, by, within_s).await?, None)
        }
        Question::Edit { edits, apply, within_s } => {
            let text = changes.changed(edits).await?;
            let draft = Box::new(changes.draft(text.clone(), Guard::Site, !apply).await?);
            if !apply {
                return Ok(Told::Draft(draft));
            }
            let by = (who()?, Guard::Site);
            let made_for = Some(draft.before.clone());
            Told::Applied(changes.apply(text, made_for, by, within_s).await?, Some(draft))
        }
        Question::Confirm {} => Told::Applied(changes.confirm(who()?, None).await?, None),
        Question::Undo {} => Told::Applied(changes.undo(who()?).await?, None),
        Question::History {} => Told::History(changes.history().await?, changes.unconfirmed()),
        Question::Return { n, within_s } => {
            let by = (who()?, Guard::Site);
            let text = changes.entry(n).await?;
            Told::Applied(changes.apply(text, None, by, within_s).await?, None)
        }
    })
}
