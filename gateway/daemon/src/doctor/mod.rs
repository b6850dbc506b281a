//! Whether this box can protect: looks at what it hangs on, and says what to do about what is wrong.
//!
//! Nothing is changed and nothing is taken: lines of a running gateway stay its own, a broker is only
//! asked whether it answers, so that the connection in use is never ended by the look.
//!
//! * [`gateway`]: the running gateway, asked over its socket.
//! * [`wiring`]: chips, buses and ports are there, and may be opened.
//! * [`machine`]: clock, disk, memory, supply and watchdog.
//! * [`certificates`]: certificates, keys and passwords are there and hold for longer.
//! * [`paths`]: each broker answers.

mod certificates;
pub(crate) mod gateway;
mod machine;
mod paths;
mod wiring;

use std::path::Path;

use gatehouse_config::Config;
use serde::Serialize;

use crate::control::Report;

/// How good a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but somebody should see to it.
    Advice,
    /// It does not work.
    Wrong,
}

/// What came of one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, as `broker main`.
    pub of: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, in one line.
    pub found: String,
    /// What to do, in one line; nothing if it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn good(of: impl Into<String>, found: impl Into<String>) -> Self {
        Self { of: of.into(), verdict: Verdict::Good, found: found.into(), advice: None }
    }

    fn advice(of: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { of: of.into(), verdict: Verdict::Advice, found: found.into(), advice }
    }

    fn wrong(of: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Wrong, ..Self::advice(of, found, advice) }
    }

    /// From a message of ours: what is wrong, and behind `hint:` what to do.
    fn of_message(of: impl Into<String>, message: &str, otherwise: &str) -> Self {
        let (found, advice) = match message.split_once("hint:") {
            Some((found, hint)) => (found, hint.trim()),
            None => (message, otherwise),
        };
        let found = found.trim().trim_end_matches(';');
        Self::wrong(of, one_line(found), one_line(advice))
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A group of looks, under a title.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// The title.
    pub title: &'static str,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Looks at everything that this configuration names. Takes as long as brokers take to answer, at
/// most some ten seconds.
pub async fn examine(config: &Config) -> Vec<Section> {
    examine_with(config, gateway::ask(&config.socket).await).await
}

/// The same with what the running gateway said.
pub(crate) async fn examine_with(
    config: &Config,
    running: Result<Report, gateway::Silent>,
) -> Vec<Section> {
    let dev = Path::new("/dev");
    let sections = [
        ("gateway", gateway::look(running.as_ref(), config)),
        ("wiring", wiring::look(config, dev, running.is_ok())),
        ("machine", machine::look(config, &machine::Places::default())),
        (
            "certificates and secrets",
            certificates::look(config, &crate::clock::Clock::system().now()),
        ),
        ("paths", paths::look(config).await),
    ];
    let section = |(title, findings)| Section { title, findings };
    sections.into_iter().map(section).filter(|section| !section.findings.is_empty()).collect()
}

/// The worst of all that was found.
pub fn worst(sections: &[Section]) -> Verdict {
    let all = sections.iter().flat_map(|section| &section.findings);
    all.map(|finding| finding.verdict).max().unwrap_or(Verdict::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_becomes_the_advice() {
        let finding = Finding::of_message("x", "it is\nbroken\nhint: mend\n it", "ask");
        assert_eq!(
            (finding.found.as_str(), finding.advice.as_deref()),
            ("it is broken", Some("mend it"))
        );
        let finding = Finding::of_message("x", "it is broken", "ask");
        assert_eq!(finding.advice.as_deref(), Some("ask"));
    }
}
