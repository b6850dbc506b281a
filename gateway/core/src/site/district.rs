//! Commands of the district: judged, carried out and remembered in one step.
//!
//! What the rules can do themselves is done here, and its event says `done` or why not. The rest
//! (a challenge, what to send again, the configuration) is accepted here, carried out by others, and
//! told here again when it is over.

use serde_json::{Value, json};

use super::command::{Answer, Command, Verb, Via};
use super::out::{Head, Out};
use super::{Drive, Effect, Refusal, Role, Site};
use crate::commands::{
    LONGEST_PULSE_S, Order, Outcome, Reason, Signed, USUAL_ROLE, Verdict, Wanted,
};
use crate::contract::CommandStatus;
use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::time::Mono;

impl Site {
    /// A command has come.
    pub(super) fn district(&mut self, order: &Order, at: Mono, out: &mut Out<'_>) -> Answer {
        let outcome = match self.commands.judge(order, out.boot, out.now) {
            Verdict::Untold(outcome) => return Answer::Commanded { outcome, recorded: false },
            Verdict::Told(outcome) => {
                told(order, None, &outcome, at, out);
                return Answer::Commanded { outcome: Some(outcome), recorded: true };
            }
            Verdict::Accept(wanted) => {
                let outcome = if let Some(outcome) = self.carry_out(order, &wanted, at, out) {
                    self.commands.over(&order.id, &outcome, out.boot, out.now);
                    outcome
                } else {
                    let status = CommandStatus::Accepted;
                    Outcome { status, reason: None, detail: None }
                };
                told(order, Some(&wanted), &outcome, at, out);
                outcome
            }
        };
        Answer::Commanded { outcome: Some(outcome), recorded: true }
    }

    /// What came of a command that others have carried out.
    pub(super) fn district_over(
        &mut self,
        id: &Id,
        outcome: &Outcome,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        let Some(taken) = self.commands.over(id, outcome, out.boot, out.now) else {
            return Answer::Already;
        };
        let head = head(id, outcome);
        out.record(at, head, |draft| {
            draft.actor = Some(taken.operator);
            draft.cause = outcome.reason.map(Reason::as_str);
            draft.detail = Some(json!({
                "via": Via::District.as_str(), "verb": taken.verb, "args": taken.args,
            }));
        });
        Answer::Commanded { outcome: Some(outcome.clone()), recorded: true }
    }

    /// Commands that a restart has cut off: nobody knows how far they came.
    pub(super) fn district_cut_off(&mut self, out: &mut Out<'_>) {
        let at = out.now.mono;
        for id in self.commands.unfinished() {
            self.district_over(&id, &Outcome::failed(Reason::Restart, None), at, out);
        }
    }

    pub(super) fn keep_commands(&mut self, out: &mut Out<'_>) {
        let changes = self.commands.changes();
        out.effects.extend(changes.map(|(key, value)| Effect::Keep { key, value }));
    }

    /// Does what the rules can do themselves. `None`: others carry it out.
    fn carry_out(
        &mut self,
        order: &Order,
        wanted: &Wanted,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Option<Outcome> {
        let verb = match self.verb_of(wanted) {
            Ok(Some(verb)) => verb,
            Ok(None) => match wanted {
                Wanted::Output { output: Some(output), seconds: Some(seconds), .. } => {
                    return Some(self.pulse(output, *seconds, at, out));
                }
                Wanted::Snapshot { camera, .. } | Wanted::Clip { camera, .. } => {
                    let ids = self.cameras.iter().map(|it| &it.config.id);
                    let (reason, known) = place(Reason::NoCamera, camera, ids).err()?;
                    return Some(Outcome::refused(reason, Some(json!({ "known": known }))));
                }
                _ => return None,
            },
            Err((reason, known)) => {
                return Some(Outcome::refused(reason, Some(json!({ "known": known }))));
            }
        };
        let actor = order.said.as_ref().ok().map(|command| command.operator.clone());
        let command = Command { id: 0, via: Via::District, actor, verb, at };
        Some(match self.do_now(&command, out) {
            Answer::Done | Answer::Shown { .. } | Answer::Commanded { .. } => Outcome::done(None),
            Answer::Already => Outcome::done(Some(json!({ "already": true }))),
            Answer::Told { facts } => Outcome::done(Some(facts)),
            Answer::Refused { reason: Refusal::NotReady, blockers } => {
                // A few name the cause; sixty would not fit beside the rest.
                let few = &blockers[..blockers.len().min(16)];
                let detail = json!({ "blockers": few, "count": blockers.len() });
                Outcome::failed(Reason::NotReady, Some(detail))
            }
            Answer::Refused { reason, .. } => Outcome::refused(Reason::of(reason), None),
        })
    }

    /// The rules' own verb for it, with the places of what it names. `Ok(None)`: they have none.
    ///
    /// # Errors
    /// When there is no such thing; with those that there are.
    fn verb_of(&self, wanted: &Wanted) -> Result<Option<Verb>, (Reason, Vec<Id>)> {
        let partition = |id: &Id| {
            let ids = self.partitions.iter().map(|it| &it.config.id);
            place(Reason::UnknownPartition, id, ids)
        };
        let zone =
            |id: &Id| place(Reason::UnknownZone, id, self.zones.iter().map(|it| &it.config.id));
        Ok(Some(match wanted {
            Wanted::Arm { partition: id, mode, force, at_once } => {
                let (mode, force, at_once) = (*mode, *force, *at_once);
                Verb::Arm { partition: partition(id)?, mode, force, at_once }
            }
            Wanted::Disarm { partition: id } => Verb::Disarm { partition: partition(id)? },
            Wanted::Bypass { zone: id } => Verb::Bypass { zone: zone(id)? },
            Wanted::Unbypass { zone: id } => Verb::Unbypass { zone: zone(id)? },
            Wanted::Silence { partition: id } => {
                Verb::Silence { partition: id.as_ref().map(partition).transpose()? }
            }
            Wanted::WalkTest { partition: id, minutes } => {
                let lasts = std::time::Duration::from_secs(u64::from(*minutes) * 60);
                Verb::WalkTest { partition: partition(id)?, lasts }
            }
            Wanted::Output { door: Some(id), .. } => {
                let ids = self.doors.iter().map(|door| &door.config().id);
                Verb::Release { door: place(Reason::UnknownDoor, id, ids)? }
            }
            _ => return Ok(None),
        }))
    }

    /// Switches an output on for a time: only one that nothing else here decides about.
    fn pulse(&self, id: &Id, seconds: u32, at: Mono, out: &mut Out<'_>) -> Outcome {
        let ids = self.outputs.iter().map(|output| &output.config.id);
        let output = match place(Reason::UnknownOutput, id, ids) {
            Ok(output) => output,
            Err((reason, known)) => {
                return Outcome::refused(reason, Some(json!({ "known": known })));
            }
        };
        if self.outputs[output].config.role != Role::Other || self.challenge.uses(output) {
            return Outcome::refused(Reason::NotConfigured, None);
        }
        // As with a door: what stood in a queue for long is not switched any more.
        if out.now.mono.since(at) > self.access.late {
            return Outcome::refused(Reason::Late, None);
        }
        let lasts = std::time::Duration::from_secs(seconds.min(LONGEST_PULSE_S).into());
        out.effects.push(Effect::Output { output, drive: Drive::Pulse(lasts) });
        Outcome::done(None)
    }
}

fn place<'a>(
    unknown: Reason,
    id: &Id,
    mut ids: impl Iterator<Item = &'a Id> + Clone,
) -> Result<usize, (Reason, Vec<Id>)> {
    let all = ids.clone();
    ids.position(|known| known == id).ok_or_else(|| (unknown, all.cloned().collect()))
}

fn head<'a>(id: &'a Id, outcome: &Outcome) -> Head<'a> {
    let kind = match outcome.status {
        CommandStatus::Accepted | CommandStatus::Running => "command.accepted",
        CommandStatus::Done => "command.done",
        CommandStatus::Failed => "command.failed",
        CommandStatus::Refused => "command.refused",
        CommandStatus::Expired => "command.expired",
        CommandStatus::Duplicate => "command.duplicate",
    };
    let severity = match outcome.reason {
        // Somebody else than the control room may be at it.
        Some(reason) if reason.is_suspicious() => 2,
        _ if outcome.status == CommandStatus::Failed => 4,
        _ => 5,
    };
    let (class, qualifier) = (Class::System, Qualifier::Status);
    Head { class, kind, qualifier, severity, source: ("command", id) }
}

/// The event of a command: who, what, and what came of it. What cannot be read is not quoted.
fn told(order: &Order, wanted: Option<&Wanted>, outcome: &Outcome, at: Mono, out: &mut Out<'_>) {
    out.record(at, head(&order.id, outcome), |draft| {
        let mut detail = json!({ "via": Via::District.as_str() });
        if let Ok(command) = &order.said {
            draft.actor = Some(word(&command.operator, 64)).filter(|who| !who.is_empty());
            detail["verb"] = json!(word(&command.verb, 32));
            detail["role"] = json!(command.role.as_ref().map_or(USUAL_ROLE, Id::as_str));
        }
        if let Signed::By { key, .. } = &order.signed {
            detail["key"] = json!(key);
        }
        if let Some(wanted) = wanted {
            detail["args"] = wanted.told();
        }
        if outcome.status == CommandStatus::Duplicate
            && let Some(Value::Object(was)) = &outcome.detail
        {
            detail["was"] = was.get("was").cloned().unwrap_or_default();
        }
        draft.cause = outcome.reason.map(Reason::as_str);
        draft.detail = Some(detail);
    });
}

/// Foreign text, as it may stand in an event.
fn word(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).take(longest).collect()
}
