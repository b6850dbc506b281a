//! The challenge test: a nonce goes through the whole path, and comes back with each hop's time.
//!
//! An output is pulsed that is wired to an input. Only a path that works from the rules through the
//! output's driver, a wire, the input's driver and the rules again answers in time, and the event that
//! tells so goes the way of every event. It is never an alarm: the input belongs to no zone.

use std::time::Duration;

use serde_json::json;

use super::command::{Answer, Command, Refusal, Via};
use super::out::{Head, Out};
use super::{ChallengeConfig, Condition, Does, Drive, Effect, Site};
use crate::event::{Class, Qualifier};
use crate::time::Mono;

/// The longest nonce, in characters.
pub const LONGEST_NONCE: usize = 64;

/// Where one that is under way is kept.
pub(super) const KEY: &str = "challenge/running";

#[derive(Clone, Debug)]
pub(super) struct Challenge {
    config: Option<ChallengeConfig>,
    /// What the input says.
    input: Condition,
    running: Option<Running>,
    /// The nonce of one that a restart cut off.
    cut_off: Option<String>,
}

#[derive(Clone, Debug)]
struct Running {
    /// Whom to answer; `None`: nobody waits any more.
    command: Option<u64>,
    nonce: String,
    via: Via,
    actor: Option<String>,
    began: Mono,
    until: Mono,
    /// When the output was on.
    switched: Option<Mono>,
    /// When the input followed.
    seen: Option<Mono>,
    /// When it was normal again.
    calm: Option<Mono>,
}

impl Challenge {
    pub(super) const fn new(config: Option<ChallengeConfig>) -> Self {
        Self { config, input: Condition::Unknown, running: None, cut_off: None }
    }

    /// Whether another configuration has the same.
    pub(super) fn is_still(&self, new: &Self) -> bool {
        let wires = |it: &Self| it.config.as_ref().map(|config| config.driver.clone());
        wires(self) == wires(new)
    }

    /// Goes on as what it was, if it is the same.
    pub(super) fn take_over(&mut self, old: Self) {
        if old.is_still(self) {
            (self.input, self.running) = (old.input, old.running);
        }
    }

    /// Whether it switches this output.
    pub(super) fn uses(&self, output: usize) -> bool {
        self.config.as_ref().is_some_and(|config| config.output == output)
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.running.as_ref().map(|running| running.until)
    }

    pub(super) fn restore(&mut self, value: &str) -> serde_json::Result<()> {
        self.cut_off = Some(serde_json::from_str(value)?);
        Ok(())
    }
}

impl Site {
    /// Somebody challenges. The answer comes with the outcome, or at once if there is none.
    pub(super) fn challenge_begin(&mut self, command: &Command, nonce: &str, out: &mut Out<'_>) {
        let late = out.now.mono.since(command.at) > self.access.late;
        let refusal = match (&self.challenge.config, &self.challenge.running) {
            (None, _) => Some(Refusal::NotAllowed),
            (_, Some(_)) => Some(Refusal::Busy),
            _ if late => Some(Refusal::Late),
            _ => None,
        };
        let Some(config) = self.challenge.config.as_ref().filter(|_| refusal.is_none()) else {
            let reason = refusal.unwrap_or(Refusal::NotAllowed);
            answer(command.id, Answer::Refused { reason, blockers: Vec::new() }, out);
            return;
        };
        let (output, pulse) = (config.output, config.pulse);
        let nonce: String = nonce.chars().take(LONGEST_NONCE).collect();
        let cause = match self.challenge.input {
            Condition::Normal => None,
            Condition::Active => Some("the input was active before it began"),
            _ => Some("the input is not known"),
        };
        out.keep(KEY.to_owned(), &nonce);
        self.challenge.running = Some(Running {
            command: Some(command.id),
            nonce,
            via: command.via,
            actor: command.actor.clone(),
            began: command.at,
            until: command.at.plus(config.within),
            switched: None,
            seen: None,
            calm: None,
        });
        match cause {
            Some(cause) => self.challenge_over(Some(cause), command.at, out),
            None => {
                out.effects.push(Effect::Output { output, drive: Drive::Pulse(pulse) });
            }
        }
    }

    /// What the output does.
    pub(super) fn challenge_output(&mut self, output: usize, does: Does, at: Mono) {
        if self.challenge.config.as_ref().is_some_and(|config| config.output == output)
            && does == Does::On
            && let Some(running) = &mut self.challenge.running
        {
            running.switched.get_or_insert(at);
        }
    }

    /// What the input says.
    pub(super) fn challenge_input(&mut self, says: Condition, at: Mono, out: &mut Out<'_>) {
        self.challenge.input = says;
        let Some(running) = &mut self.challenge.running else { return };
        match says {
            Condition::Active => {
                running.seen.get_or_insert(at);
            }
            Condition::Normal if running.seen.is_some() => {
                running.calm = Some(at);
                self.challenge_over(None, at, out);
            }
            _ => {}
        }
    }

    /// Its time is over.
    pub(super) fn challenge_expired(&mut self, at: Mono, out: &mut Out<'_>) {
        let Some(running) = &self.challenge.running else { return };
        let cause = match (running.switched, running.seen) {
            (_, Some(_)) => "the input did not become normal again",
            (Some(_), None) => "the input did not follow",
            (None, None) => "the output was not switched",
        };
        self.challenge_over(Some(cause), at, out);
    }

    /// One that a restart has cut off.
    pub(super) fn challenge_cut_off(&mut self, out: &mut Out<'_>) {
        let at = out.now.mono;
        let Some(nonce) = self.challenge.cut_off.take() else { return };
        self.challenge.running = Some(Running {
            command: None,
            nonce,
            via: Via::Rules,
            actor: None,
            began: at,
            until: at,
            switched: None,
            seen: None,
            calm: None,
        });
        self.challenge_over(Some("restart"), at, out);
    }

    /// It is over: passed, or failed for a reason.
    pub(super) fn challenge_over(
        &mut self,
        failed: Option<&'static str>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let Some(running) = self.challenge.running.take() else { return };
        out.effects.push(Effect::Keep { key: KEY.to_owned(), value: None });
        let Some(config) = &self.challenge.config else { return };
        let Some(output) = self.outputs.get(config.output) else { return };
        if failed.is_some() {
            out.effects.push(Effect::Output { output: config.output, drive: Drive::Off });
        }
        let (kind, severity) =
            if failed.is_some() { ("challenge.failed", 2) } else { ("challenge.passed", 5) };
        let source = ("output", &output.config.id);
        let head =
            Head { class: Class::Test, kind, qualifier: Qualifier::Status, severity, source };
        let after = |at: Option<Mono>| at.map(|at| micros(at.since(running.began)));
        out.record(at, head, |draft| {
            draft.source.driver = Some(output.config.driver.clone());
            draft.test = true;
            draft.actor = running.actor;
            draft.cause = failed.map(str::to_owned);
            draft.detail = Some(json!({
                "nonce": running.nonce, "via": running.via.as_str(), "input": config.driver,
                "hops_us": {
                    "switched": after(running.switched),
                    "seen": after(running.seen),
                    "calm": after(running.calm),
                },
            }));
        });
        let told = match failed {
            None => Answer::Done,
            Some(_) => Answer::Refused { reason: Refusal::Failed, blockers: Vec::new() },
        };
        if let Some(command) = running.command {
            answer(command, told, out);
        }
    }
}

fn answer(command: u64, answer: Answer, out: &mut Out<'_>) {
    out.effects.push(Effect::Answer { command, answer });
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
