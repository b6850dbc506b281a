//! When an output is to be active: commands, pulses and limits, without pins or a clock.

use core::time::Duration;

use crate::time::nanos;

/// What an output does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// The siren sounds, the door is released.
    Active,
    /// It does not.
    Inactive,
}

/// What an output is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Inactive, now or as soon as [`SwitchTiming::min_on`] is over.
    Off,
    /// Active until it is told otherwise, or until [`SwitchTiming::max_on`] is over.
    On,
    /// Active for this long. It makes nothing shorter that is active already.
    Pulse(Duration),
}

/// Why an output became inactive or active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A command.
    Command,
    /// The end of a pulse.
    PulseOver,
    /// [`SwitchTiming::max_on`] is over.
    MaximumTime,
    /// Start or stop: the safe state.
    Rest,
}

/// The limits of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchTiming {
    /// Once active, it stays so for this long. Only stop and `max_on` make it shorter.
    pub min_on: Duration,
    /// Once inactive, it stays so for this long; a command waits meanwhile.
    pub min_off: Duration,
    /// It is never active for longer in one go, however often it is told.
    pub max_on: Option<Duration>,
}

/// Decides whether an output is to be active. Whoever owns the pin asks
/// [`wanted`](Self::wanted), and says what was [`driven`](Self::driven).
///
/// All times are those of the command, not of the writing: a pulse that could not be written for as
/// long as it lasts is void. A door is not released minutes later because a bus came back.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    timing: SwitchTiming,
    plan: Plan,
    /// Since when the output is known to do what it does.
    driven: Option<(Drive, u64)>,
    /// When the last activity ended, by plan or by writing, whichever was later.
    ended_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Plan {
    /// Nobody has said anything.
    None,
    /// Until the first command.
    Rest(Drive),
    Run(Run),
}

/// Active from `on_ns` to before `off_ns`.
#[derive(Clone, Copy, Debug)]
struct Run {
    on_ns: u64,
    off_ns: u64,
    ends: Cause,
}

impl Switch {
    /// Nothing is wanted yet.
    pub const fn new(timing: SwitchTiming) -> Self {
        Self { timing, plan: Plan::None, driven: None, ended_ns: None }
    }

    /// What the output is to do now; `None` before the first command or rest.
    pub fn wanted(&self, now_ns: u64) -> Option<Drive> {
        match self.plan {
            Plan::None => None,
            Plan::Rest(drive) => Some(drive),
            Plan::Run(run) if run.covers(now_ns) => Some(Drive::Active),
            Plan::Run(_) => Some(Drive::Inactive),
        }
    }

    /// Why it is to do so.
    pub fn cause(&self, now_ns: u64) -> Cause {
        match self.plan {
            Plan::None | Plan::Rest(_) => Cause::Rest,
            Plan::Run(run) if now_ns < run.off_ns => Cause::Command,
            Plan::Run(run) => run.ends,
        }
    }

    /// When [`wanted`](Self::wanted) changes by itself.
    pub fn deadline(&self, now_ns: u64) -> Option<u64> {
        match self.plan {
            Plan::Run(run) if run.on_ns == run.off_ns => None,
            Plan::Run(run) if now_ns < run.on_ns => Some(run.on_ns),
            Plan::Run(run) if now_ns < run.off_ns && run.off_ns < u64::MAX => Some(run.off_ns),
            _ => None,
        }
    }

    /// From when to when the output is active by the commands so far; the end is `u64::MAX` if
    /// nothing ends it. `None`: not at all.
    pub fn window(&self, now_ns: u64) -> Option<(u64, u64)> {
        match self.plan {
            Plan::Run(run) if now_ns < run.off_ns && run.on_ns < run.off_ns => {
                Some((run.on_ns, run.off_ns))
            }
            _ => None,
        }
    }

    /// Takes a command.
    pub fn command(&mut self, command: Command, now_ns: u64) {
        let active = match self.plan {
            Plan::Run(run) if run.covers(now_ns) => Some(run),
            Plan::Run(run) if run.on_ns < run.off_ns && run.off_ns <= now_ns => {
                self.ended_ns = self.ended_ns.max(Some(run.off_ns));
                None
            }
            _ => None,
        };
        let run = match (command, active) {
            (Command::Off, Some(run)) => {
                let since_ns = match self.driven {
                    Some((Drive::Active, at_ns)) => run.on_ns.max(at_ns),
                    _ => run.on_ns,
                };
                let off_ns = now_ns.max(since_ns.saturating_add(nanos(self.timing.min_on)));
                let off_ns = off_ns.min(self.limit(run.on_ns));
                Run { on_ns: run.on_ns, off_ns, ends: Cause::Command }
            }
            // What has not begun does not begin. What has ended keeps the cause of its end.
            (Command::Off, None) => match self.plan {
                Plan::Run(run) if run.off_ns <= now_ns => run,
                _ => Run { on_ns: now_ns, off_ns: now_ns, ends: Cause::Command },
            },
            (Command::On, active) => {
                let on_ns = active.map_or_else(|| self.earliest(now_ns), |run| run.on_ns);
                Run { on_ns, off_ns: self.limit(on_ns), ends: Cause::MaximumTime }
            }
            (Command::Pulse(length), active) => {
                let length = nanos(length.max(self.timing.min_on));
                let on_ns = active.map_or_else(|| self.earliest(now_ns), |run| run.on_ns);
                let wished = on_ns.max(now_ns).saturating_add(length);
                match active {
                    Some(run) if wished <= run.off_ns => run,
                    _ => {
                        let limit = self.limit(on_ns);
                        let ends =
                            if wished > limit { Cause::MaximumTime } else { Cause::PulseOver };
                        Run { on_ns, off_ns: wished.min(limit), ends }
                    }
                }
            }
        };
        self.plan = Plan::Run(run);
    }

    /// The state at start and stop: at once, whatever the limits are.
    pub fn rest(&mut self, drive: Drive) {
        self.plan = Plan::Rest(drive);
    }

    /// The output was made to do this.
    pub fn driven(&mut self, drive: Drive, now_ns: u64) {
        match self.driven {
            Some((driven, _)) if driven == drive => return,
            Some((Drive::Active, _)) => self.ended_ns = self.ended_ns.max(Some(now_ns)),
            _ => {}
        }
        self.driven = Some((drive, now_ns));
    }

    /// When the output may become active: not before it was inactive for long enough.
    fn earliest(&self, now_ns: u64) -> u64 {
        match (self.plan, self.ended_ns) {
            // A pulse that waits for its turn: the next one does not wait longer.
            (Plan::Run(run), _) if now_ns < run.on_ns && run.on_ns < run.off_ns => run.on_ns,
            (_, Some(ended_ns)) => now_ns.max(ended_ns.saturating_add(nanos(self.timing.min_off))),
            (_, None) => now_ns,
        }
    }

    fn limit(&self, on_ns: u64) -> u64 {
        self.timing.max_on.map_or(u64::MAX, |max_on| on_ns.saturating_add(nanos(max_on)))
    }
}

impl Run {
    const fn covers(&self, now_ns: u64) -> bool {
        self.on_ns <= now_ns && now_ns < self.off_ns
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(ms: u64) -> u64 {
        ms * 1_000_000
    }

    /// What is wanted at each step of a millisecond, as spans of activity.
    fn spans(switch: &mut Switch, commands: &[(u64, Command)], until_ms: u64) -> Vec<(u64, u64)> {
        let mut spans: Vec<(u64, u64)> = Vec::new();
        let mut commands = commands.iter().peekable();
        for now_ms in 0..until_ms {
            while let Some((_, command)) = commands.next_if(|(due, _)| *due <= now_ms) {
                switch.command(*command, at(now_ms));
            }
            let Some(drive) = switch.wanted(at(now_ms)) else { continue };
            switch.driven(drive, at(now_ms));
            if drive == Drive::Active {
                match spans.last_mut() {
                    Some((_, end)) if *end == now_ms => *end = now_ms + 1,
                    _ => spans.push((now_ms, now_ms + 1)),
                }
            }
        }
        spans
    }

    fn play(timing: SwitchTiming, commands: &[(u64, Command)]) -> Vec<(u64, u64)> {
        spans(&mut Switch::new(timing), commands, 1_000)
    }

    const ON: Command = Command::On;
    const OFF: Command = Command::Off;

    fn pulse(length: u64) -> Command {
        Command::Pulse(ms(length))
    }

    #[test]
    fn a_latch_lasts_until_it_is_told_otherwise_and_a_pulse_as_long_as_it_is() {
        let free = SwitchTiming::default();
        assert_eq!(play(free, &[(10, ON), (500, OFF)]), [(10, 500)]);
        assert_eq!(play(free, &[(10, pulse(20))]), [(10, 30)]);
        assert_eq!(play(free, &[(10, pulse(20)), (20, pulse(20))]), [(10, 40)]);
        assert_eq!(play(free, &[(10, pulse(20)), (20, OFF)]), [(10, 20)]);
        assert_eq!(play(free, &[(10, ON), (20, pulse(5)), (40, OFF)]), [(10, 40)]);
        assert_eq!(play(free, &[(10, pulse(90)), (20, pulse(5))]), [(10, 100)]);
        assert_eq!(play(free, &[(10, pulse(0))]), []);
    }

    #[test]
    fn minimum_times_make_commands_wait() {
        let timing = SwitchTiming { min_on: ms(50), min_off: ms(30), max_on: None };
        assert_eq!(play(timing, &[(10, ON), (20, OFF)]), [(10, 60)]);
        assert_eq!(play(timing, &[(10, pulse(5))]), [(10, 60)]);
        assert_eq!(
            play(timing, &[(10, ON), (70, OFF), (80, ON), (200, OFF)]),
            [(10, 70), (100, 200)]
        );
        // The pulse keeps its length while it waits, a second one lengthens it, an off cancels it.
        let again = [(10, pulse(50)), (70, pulse(50)), (75, pulse(60))];
        assert_eq!(play(timing, &again), [(10, 60), (90, 150)]);
        assert_eq!(play(timing, &[(10, pulse(50)), (70, ON), (75, OFF)]), [(10, 60)]);
        let cancelled = [(10, pulse(50)), (70, ON), (75, OFF), (80, pulse(50))];
        assert_eq!(play(timing, &cancelled), [(10, 60), (90, 140)]);
    }

    #[test]
    fn no_command_makes_it_longer_than_the_maximum() {
        let timing = SwitchTiming { max_on: Some(ms(100)), ..SwitchTiming::default() };
        assert_eq!(play(timing, &[(10, ON), (50, ON), (90, pulse(500))]), [(10, 110)]);
        assert_eq!(play(timing, &[(10, pulse(500))]), [(10, 110)]);
        assert_eq!(play(timing, &[(10, ON), (110, ON)]), [(10, 110 + 100)]);
        let mut switch = Switch::new(timing);
        switch.command(ON, 0);
        assert_eq!((switch.cause(0), switch.cause(at(100))), (Cause::Command, Cause::MaximumTime));
        assert_eq!(switch.deadline(0), Some(at(100)));
        assert_eq!(switch.deadline(at(100)), None);
    }

    #[test]
    fn a_late_writing_lengthens_nothing_beyond_the_maximum() {
        let timing = SwitchTiming { min_on: ms(50), min_off: ms(0), max_on: Some(ms(60)) };
        let mut switch = Switch::new(timing);
        switch.command(ON, at(10));
        switch.driven(Drive::Active, at(40));
        switch.command(OFF, at(41));
        assert_eq!(switch.window(at(41)), Some((at(10), at(70))));
    }

    #[test]
    fn rest_is_outside_of_all_limits() {
        let timing = SwitchTiming { min_on: ms(50), min_off: ms(50), max_on: Some(ms(100)) };
        let mut switch = Switch::new(timing);
        assert_eq!(switch.wanted(0), None);
        switch.rest(Drive::Active);
        assert_eq!(switch.wanted(u64::MAX), Some(Drive::Active));
        switch.command(OFF, 0);
        switch.command(ON, 0);
        switch.rest(Drive::Inactive);
        assert_eq!((switch.wanted(0), switch.cause(0)), (Some(Drive::Inactive), Cause::Rest));
    }

    fn commands() -> impl Strategy<Value = Vec<(u64, Command)>> {
        let command = prop_oneof![Just(OFF), Just(ON), (0u64..200).prop_map(pulse)];
        prop::collection::vec((0u64..900, command), 0..20).prop_map(|mut commands| {
            commands.sort_by_key(|(at, _)| *at);
            commands
        })
    }

    proptest! {
        #[test]
        fn the_limits_hold_for_all_commands(
            (min_on, min_off, max_on) in (0u64..60, 1u64..60, 60u64..300),
            commands in commands(),
        ) {
            let timing =
                SwitchTiming { min_on: ms(min_on), min_off: ms(min_off), max_on: Some(ms(max_on)) };
            let spans = play(timing, &commands);
            for &(from, to) in &spans {
                prop_assert!(to - from <= max_on);
                prop_assert!(to - from >= min_on || to == 1_000, "{from} to {to}");
                prop_assert!(commands.iter().any(|(at, command)| *at <= from && *command != OFF));
            }
            for pair in spans.windows(2) {
                prop_assert!(pair[1].0 - pair[0].1 >= min_off);
            }
        }

        #[test]
        fn no_time_overflows(
            calls in prop::collection::vec((0u8..4, any::<u64>(), any::<u64>()), 0..40),
            limit in any::<Option<u64>>(),
        ) {
            let limit = limit.map(Duration::from_nanos);
            let timing = SwitchTiming {
                min_on: limit.unwrap_or_default(),
                min_off: Duration::MAX,
                max_on: limit,
            };
            let mut switch = Switch::new(timing);
            for (call, now_ns, length) in calls {
                match call {
                    0 => switch.command(OFF, now_ns),
                    1 => switch.command(ON, now_ns),
                    2 => switch.command(Command::Pulse(Duration::from_nanos(length)), now_ns),
                    _ => switch.driven(Drive::Active, now_ns),
                }
                if let Some(deadline) = switch.deadline(now_ns) {
                    prop_assert!(deadline > now_ns);
                    prop_assert_ne!(switch.wanted(deadline), switch.wanted(now_ns));
                }
            }
        }
    }
}
