//! The types of event that the rules make, all in one list.

use super::incident::is_silent_incident;
use crate::event::Draft;

/// Every type of event that the rules make. Other parts of the gateway report others
/// ([`Input::Report`](super::Input::Report)); the [table of codes](crate::codes) has all of them.
pub const EVENT_TYPES: &[&str] = &[
    "access.denied",
    "access.duress",
    "access.granted",
    "access.late",
    "access.lockout",
    "access.lockout_restored",
    "access.passback",
    "alarm.escalated",
    "bus.lost",
    "bus.restored",
    "challenge.failed",
    "challenge.passed",
    "checkpoint.lost",
    "checkpoint.lost_restored",
    "checkpoint.seen",
    "command.accepted",
    "command.done",
    "command.duplicate",
    "command.expired",
    "command.failed",
    "command.refused",
    "credential.captured",
    "credentials.changed",
    "door.closed",
    "door.forced",
    "door.forced_restored",
    "door.found",
    "door.held_open",
    "door.held_open_ended",
    "door.known",
    "door.opened",
    "door.propped",
    "door.propped_restored",
    "door.released",
    "door.rex_stuck",
    "door.rex_stuck_restored",
    "door.tamper",
    "door.tamper_restored",
    "door.unknown",
    "fire.alarm",
    "fire.alarm_restored",
    "flood.alarm",
    "flood.alarm_restored",
    "gas.alarm",
    "gas.alarm_restored",
    "incident.acked",
    "incident.closed",
    "incident.noted",
    "key_switch.late",
    "key_switch.stuck",
    "key_switch.stuck_restored",
    "ledger.day",
    "output.fault",
    "output.off",
    "output.on",
    "output.restored",
    "panic.alarm",
    "panic.alarm_restored",
    "panic.help",
    "panic.help_restored",
    "panic.help_silent",
    "panic.help_silent_restored",
    "panic.silent",
    "panic.silent_restored",
    "panic.single",
    "panic.single_silent",
    "panic.stuck",
    "panic.stuck_restored",
    "panic.stuck_silent",
    "panic.stuck_silent_restored",
    "partition.arm_failed",
    "partition.armed",
    "partition.arming",
    "partition.disarmed",
    "partition.entry",
    "reader.insecure",
    "reader.insecure_restored",
    "reader.lost",
    "reader.lost_restored",
    "reader.power_lost",
    "reader.power_lost_restored",
    "reader.tamper",
    "reader.tamper_restored",
    "round.begun",
    "round.clock_unknown",
    "round.clock_unknown_restored",
    "round.done",
    "round.late",
    "round.missed",
    "round.out_of_order",
    "round.overdue",
    "round.too_fast",
    "schedule.arm_failed",
    "schedule.disarm_failed",
    "schedule.held",
    "schedule.held_restored",
    "schedule.late_to_close",
    "schedule.late_to_close_restored",
    "schedule.postponed",
    "schedule.ran",
    "schedule.warning",
    "state.unreadable",
    "tamper.alarm",
    "tamper.alarm_restored",
    "technical.alarm",
    "technical.alarm_restored",
    "walk.begun",
    "walk.ended",
    "zone.24h_alarm",
    "zone.24h_alarm_restored",
    "zone.alarm",
    "zone.alarm_restored",
    "zone.bypassed",
    "zone.closed",
    "zone.entry_alarm",
    "zone.entry_alarm_restored",
    "zone.fault",
    "zone.fault_restored",
    "zone.lost",
    "zone.lost_restored",
    "zone.masked",
    "zone.masked_restored",
    "zone.opened",
    "zone.swinger",
    "zone.swinger_restored",
    "zone.tamper",
    "zone.tamper_restored",
    "zone.unbypassed",
    "zone.unverified",
    "zone.walked",
];

/// Whether nobody at the site may notice events of this type: no local page, list or log shows
/// them; the district receives them like any other.
///
/// What follows from one is silent too: see [`Effect::is_silent`](super::Effect::is_silent).
pub fn is_silent(kind: &str) -> bool {
    matches!(
        kind,
        "panic.silent"
            | "panic.silent_restored"
            | "panic.help_silent"
            | "panic.help_silent_restored"
            | "panic.single_silent"
            | "panic.stuck_silent"
            | "panic.stuck_silent_restored"
            | "access.duress"
    )
}

/// Whether nobody at the site may notice this event: a silent one, or what an operator did about
/// it.
pub fn is_silent_event(draft: &Draft) -> bool {
    is_silent(&draft.kind)
        || (draft.source.kind == "incident" && is_silent_incident(&draft.source.id))
}
