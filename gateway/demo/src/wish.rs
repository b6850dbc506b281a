//! Wishes to the box, by the daemon's own control socket, as `gatehouse arm` and `disarm` hand
//! them in.

use std::io;
use std::path::Path;
use std::time::Duration;

use gatehouse::control::{Outcome, Report, Wish};
use gatehouse_core::site::{Answer, Blocker, Refusal};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// A wish is answered after its commit; a box that has not answered by then is dead or starting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why something was not done, for the viewer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Refused {
    /// In a sentence.
    pub(crate) why: String,
    /// What prevents arming.
    pub(crate) blockers: Vec<Blocker>,
}

impl From<&str> for Refused {
    fn from(why: &str) -> Self {
        Self { why: why.to_owned(), blockers: Vec::new() }
    }
}

/// Why a box does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WishError {
    /// It has no power, or is starting.
    #[error("the box does not answer: {0}")]
    Away(#[from] io::Error),
    /// It hangs.
    #[error("the box has not answered within {PATIENCE:?}")]
    Slow,
    /// Our bug: both ends are of one build.
    #[error("the box answers what cannot be read: {0}")]
    Foreign(#[from] serde_json::Error),
    /// It did not understand, or could not store it.
    #[error("the box says: {0}")]
    Said(String),
}

/// Hands a wish in and waits for the rules' answer.
///
/// # Errors
/// [`WishError`].
pub(crate) async fn tell(socket: &Path, wish: &Wish) -> Result<Answer, WishError> {
    let answer = ask(socket, &serde_json::to_string(wish)?).await?;
    match serde_json::from_str(&answer)? {
        Outcome::Answer(answer) => Ok(answer),
        Outcome::Error(why) => Err(WishError::Said(why)),
        // The answers to wishes that the demo does not make.
        other @ Outcome::Hash(_) => Err(WishError::Said(format!("{other:?}"))),
    }
}

/// What the box says of itself: of use as a witness only where its own view is the matter.
///
/// # Errors
/// [`WishError`].
pub(crate) async fn status(socket: &Path) -> Result<Report, WishError> {
    Ok(serde_json::from_str(&ask(socket, "status").await?)?)
}

async fn ask(socket: &Path, request: &str) -> Result<String, WishError> {
    let asked = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        let mut answer = String::new();
        if BufReader::new(stream).read_line(&mut answer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(answer)
    };
    Ok(timeout(PATIENCE, asked).await.map_err(|_| WishError::Slow)??)
}

/// What a viewer is told of an answer.
///
/// # Errors
/// When it was refused.
pub(crate) fn done(answer: Answer) -> Result<(), Refused> {
    let Answer::Refused { reason, blockers } = answer else { return Ok(()) };
    let why = match reason {
        Refusal::NotReady => "not ready",
        Refusal::Armed => "it is armed; disarm it first",
        Refusal::Unknown => "there is no such partition or mode",
        _ => "the box does not allow it",
    };
    Err(Refused { why: why.to_owned(), blockers })
}
