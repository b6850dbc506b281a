//! Sirens and strobes in their site: which alarm makes which of them go on, and what ends that.
//!
//! | what ends it | siren | strobe |
//! |---|---|---|
//! | its time | yes; it disarms nothing, what is still active is bypassed and told | – |
//! | disarming its partition | yes, but a fire or gas sounds on | yes |
//! | `silence` | yes | only what belongs to no partition |
//!
//! Fire and gas come before everything else: they take over a siren that sounds for another danger,
//! with its whole time, and nobody who disarms because of a burglary silences them. Nothing silent
//! makes anything go on.

use super::arming::By;
use super::command::{Answer, Refusal, Via};
use super::out::Out;
use super::output::{Cause, On};
use super::{Danger, Mode, Role, Site, Thing, is_silent_event};
use crate::event::{Draft, Lane, Qualifier};
use crate::id::Id;
use crate::time::Mono;

impl Danger {
    /// Whether people must leave, whoever disarms.
    const fn threatens_life(self) -> bool {
        matches!(self, Self::Fire | Self::Gas)
    }

    /// What an event warns of, if it warns at all.
    fn warns(draft: &Draft) -> Option<Self> {
        let alarm = draft.class.lane() == Lane::Alarm && draft.qualifier == Qualifier::New;
        let silent = draft.test || is_silent_event(draft) || draft.source.kind == "incident";
        // Somebody who mistypes a PIN is for the control room, not for the neighbours.
        let lockout = draft.kind == "access.lockout";
        (alarm && !silent && !lockout).then(|| Self::of(draft))
    }
}

impl Site {
    /// Looks at what the rules have recorded since it was last called: an alarm sounds.
    pub(super) fn sound_alarms(&mut self, out: &mut Out<'_>) {
        if self.outputs.is_empty() {
            return;
        }
        let from = out.warned.min(out.effects.len());
        let drafts = out.effects[from..].iter().filter_map(super::Effect::record);
        let alarms: Vec<(Danger, Option<Id>)> = drafts
            .filter_map(|draft| Some((Danger::warns(draft)?, draft.partition.clone())))
            .collect();
        for (danger, id) in alarms {
            let place = |id: &Id| self.partitions.iter().position(|it| it.config.id == *id);
            let cause = Cause { danger, partition: id.as_ref().and_then(place) };
            for output in 0..self.outputs.len() {
                self.warn_at(output, cause, out);
            }
        }
        out.warned = out.effects.len();
    }

    fn warn_at(&mut self, index: usize, cause: Cause, out: &mut Out<'_>) {
        let config = &self.outputs[index].config;
        let Cause { danger, partition } = cause;
        let meant = config.role.warns()
            && config.dangers.contains(danger)
            && config.is_for(partition)
            // EN 50131-1:2006, Table 7: nothing outside sounds for that while unset.
            && !(config.outside && danger == Danger::Tamper && !self.is_set(index, partition));
        if !meant {
            return;
        }
        // It begins when it is noticed: what is late does not shorten it.
        let at = out.now.mono;
        let until = (config.role == Role::Siren).then(|| at.plus(config.lasts));
        let partitions = &self.partitions;
        let id = |place: usize| partitions[place].config.id.clone();
        let output = &mut self.outputs[index];
        match output.on() {
            None => output.switch_on(index, On::new(cause, until), id, at, out),
            Some(on) => {
                let graver = danger.threatens_life()
                    && !on.causes.iter().any(|known| known.danger.threatens_life());
                output.join(cause, until.filter(|_| graver));
            }
        }
    }

    /// Whether what an alarm belongs to is armed.
    fn is_set(&self, index: usize, partition: Option<usize>) -> bool {
        let config = &self.outputs[index].config;
        let armed = |place: usize| self.partitions[place].protects() != Mode::Disarmed;
        match partition {
            Some(place) => armed(place),
            None => (0..self.partitions.len()).any(|it| config.is_for(Some(it)) && armed(it)),
        }
    }

    /// A partition is disarmed. Says whether that has ended anything.
    pub(super) fn calm(&mut self, place: usize, by: By<'_>, at: Mono, out: &mut Out<'_>) -> bool {
        self.sound_alarms(out);
        self.end_causes("disarmed", by, at, out, |role, cause| {
            let stays = role == Role::Siren && cause.danger.threatens_life();
            cause.partition == Some(place) && !stays
        })
    }

    /// A partition is taken out, and with it every reason that it gave.
    pub(super) fn end_partition(
        &mut self,
        place: usize,
        why: &'static str,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        self.sound_alarms(out);
        let by = By { via: Via::Rules, actor: None };
        self.end_causes(why, by, at, out, |_, cause| cause.partition == Some(place));
    }

    /// Whether disarming a partition would silence something.
    pub(super) fn is_warning(&self, place: usize) -> bool {
        let here = |cause: &Cause| cause.partition == Some(place) && !cause.danger.threatens_life();
        self.outputs
            .iter()
            .filter_map(super::output::Output::on)
            .any(|on| on.causes.iter().any(here))
    }

    /// Somebody wants silence, in one partition or everywhere.
    pub(super) fn silence(
        &mut self,
        partition: Option<usize>,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        if partition.is_some_and(|place| place >= self.partitions.len()) {
            return Answer::Refused { reason: Refusal::Unknown, blockers: Vec::new() };
        }
        self.sound_alarms(out);
        let ended = self.end_causes("silenced", by, at, out, |role, cause| {
            let meant = partition.is_none() || cause.partition == partition;
            // A strobe shows where it was, until somebody has come and disarmed.
            meant && (role == Role::Siren || cause.partition.is_none())
        });
        if ended { Answer::Done } else { Answer::Already }
    }

    fn end_causes(
        &mut self,
        why: &'static str,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
        ends: impl Fn(Role, &Cause) -> bool,
    ) -> bool {
        let mut ended = false;
        for index in 0..self.outputs.len() {
            let role = self.outputs[index].config.role;
            let output = &mut self.outputs[index];
            if output.forget(|cause| ends(role, cause)) {
                ended = true;
                if output.on().is_some_and(|on| on.causes.is_empty()) {
                    output.switch_off(index, why, by, at, out);
                }
            }
        }
        ended
    }

    /// A siren has run its time: that disarms nothing.
    pub(super) fn siren_ended(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        self.sound_alarms(out);
        let output = &mut self.outputs[index];
        // An alarm of this very moment may have given it more time.
        let Some(on) = output.on().filter(|on| on.until.is_some_and(|until| until <= at)) else {
            return;
        };
        let places: Vec<_> = on.causes.iter().filter_map(|cause| cause.partition).collect();
        let by = By { via: Via::Rules, actor: None };
        output.switch_off(index, "its time is over", by, at, out);
        for place in places {
            self.rearm_after_siren(place, at, out);
        }
    }

    /// Delays that begin and end are heard.
    pub(super) fn beep(&mut self, out: &mut Out<'_>) {
        for (place, partition) in self.partitions.iter_mut().enumerate() {
            if let Some(sound) = partition.beep() {
                let of = Thing::Partition(place);
                out.effects.push(super::Effect::Chime { of, sound });
            }
        }
    }
}
