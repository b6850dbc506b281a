//! What the lines of one detector say together: its own, a second button, a fault and a mask line.
//!
//! Two buttons ask for help together: when both are held at once, or each was pressed within the
//! window of the other, in any order. So one that is stuck or leant against is no alarm by itself,
//! and the other still is one. The call lasts until both are let go.
//!
//! A fault or a mask never hides an activation: danger comes first, and the zone tells both.

use super::Condition;
use super::config::LinesConfig;
use crate::time::Mono;

/// A further line of a detector, beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneLine {
    /// The second of two buttons.
    Second,
    /// The detector's fault output.
    Fault,
    /// The detector's output for being covered.
    Mask,
}

/// What all lines say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// What the detector sees.
    pub(super) condition: Condition,
    /// What its fault and mask lines say against it: `Fault`, `Masked`, or `Unknown` when one of
    /// them is not known; `None`: nothing.
    pub(super) against: Option<Condition>,
    /// One button of two was pressed, and the other was not.
    pub(super) single: bool,
}

/// The lines of one detector.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    config: LinesConfig,
    main: Condition,
    second: Option<bool>,
    fault: Option<bool>,
    mask: Option<bool>,
    /// When each button was pressed last, of a call that is not complete.
    pressed: [Option<Mono>; 2],
    /// Since when each button is held.
    held: [Option<Mono>; 2],
    /// Both asked for help, and not both were let go since.
    together: bool,
}

impl Lines {
    pub(super) const fn new(config: LinesConfig) -> Self {
        Self {
            config,
            main: Condition::Unknown,
            second: None,
            fault: None,
            mask: None,
            pressed: [None; 2],
            held: [None; 2],
            together: false,
        }
    }

    /// The same lines under another configuration.
    pub(super) const fn under(self, config: LinesConfig) -> Self {
        Self { config, ..self }
    }

    /// What the detector's own line says.
    pub(super) const fn heard(&self) -> Condition {
        self.main
    }

    /// A call of before this start may go on.
    pub(super) const fn resume(&mut self, active: bool) {
        self.together = active;
    }

    /// The detector's own line.
    pub(super) fn main(&mut self, condition: Condition, at: Mono) -> Said {
        let before = self.down()[0];
        self.main = condition;
        self.said(0, before, at)
    }

    /// A further line; `None`: it is not known.
    pub(super) fn further(&mut self, line: ZoneLine, active: Option<bool>, at: Mono) -> Said {
        let before = self.down()[1];
        match line {
            ZoneLine::Second => self.second = active,
            ZoneLine::Fault => self.fault = active,
            ZoneLine::Mask => self.mask = active,
        }
        self.said(1, before, at)
    }

    /// Since when a button is held without a pause; of two the one that is held longer.
    pub(super) fn held_since(&self) -> Option<Mono> {
        self.held.into_iter().flatten().min()
    }

    /// Whether it is known that no button is held.
    pub(super) fn is_let_go(&self) -> bool {
        self.down() == [Some(false); 2]
    }

    /// One of two was pressed, and the other may follow.
    #[cfg(test)]
    pub(super) fn is_half(&self) -> bool {
        !self.together && self.pressed.iter().any(Option::is_some)
    }

    /// What is known of each button.
    fn down(&self) -> [Option<bool>; 2] {
        let main = match self.main {
            Condition::Active => Some(true),
            Condition::Normal => Some(false),
            _ => None,
        };
        [main, if self.config.second.is_some() { self.second } else { Some(false) }]
    }

    fn said(&mut self, button: usize, before: Option<bool>, at: Mono) -> Said {
        let down = self.down();
        for (held, down) in self.held.iter_mut().zip(down) {
            *held = down.unwrap_or(false).then(|| held.unwrap_or(at));
        }
        let against = self.against();
        let Some(window) = self.config.second else {
            return Said { condition: self.main, against, single: false };
        };
        let begins = down[button] == Some(true) && before != Some(true);
        if begins {
            self.pressed[button] = Some(at);
        }
        let other = 1 - button;
        let follows = self.pressed[other].is_some_and(|then| at.since(then) <= window);
        if down == [Some(true); 2] || (begins && follows) {
            self.together = true;
        } else if down == [Some(false); 2] && self.together {
            self.together = false;
        }
        if self.together {
            self.pressed = [None; 2];
        }
        let condition = match self.main {
            // A loop that is cut says nothing of a button.
            Condition::Normal | Condition::Active => match self.second {
                _ if self.together => Condition::Active,
                None => Condition::Unknown,
                Some(_) => Condition::Normal,
            },
            other => other,
        };
        // Found pressed at the start is not pressed now.
        let single = begins && before == Some(false) && !self.together;
        Said { condition, against, single }
    }

    fn against(&self) -> Option<Condition> {
        let says = |has: bool, line: Option<bool>| has.then_some(line);
        let fault = says(self.config.fault, self.fault);
        let mask = says(self.config.mask, self.mask);
        match (fault, mask) {
            (Some(Some(true)), _) => Some(Condition::Fault),
            (_, Some(Some(true))) => Some(Condition::Masked),
            (Some(None), _) | (_, Some(None)) => Some(Condition::Unknown),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const S: u64 = 1_000_000_000;

    /// Two buttons, neither pressed.
    fn two(window_s: u64) -> Lines {
        let second = Some(Duration::from_secs(window_s));
        let mut lines = Lines::new(LinesConfig { second, ..LinesConfig::default() });
        lines.main(Condition::Normal, Mono(0));
        lines.further(ZoneLine::Second, Some(false), Mono(0));
        lines
    }

    fn first(lines: &mut Lines, down: bool, s: u64) -> (Condition, bool) {
        let condition = if down { Condition::Active } else { Condition::Normal };
        let said = lines.main(condition, Mono(s * S));
        (said.condition, said.single)
    }

    fn second(lines: &mut Lines, down: bool, s: u64) -> (Condition, bool) {
        let said = lines.further(ZoneLine::Second, Some(down), Mono(s * S));
        (said.condition, said.single)
    }

    #[test]
    fn one_button_of_two_is_told_and_is_no_alarm() {
        let mut lines = two(2);
        assert_eq!(first(&mut lines, true, 10), (Condition::Normal, true));
        assert_eq!(first(&mut lines, false, 11), (Condition::Normal, false));
        assert_eq!(second(&mut lines, true, 14), (Condition::Normal, true));
    }

    #[test]
    fn both_within_the_window_are_one_even_when_the_first_was_let_go() {
        let mut lines = two(2);
        first(&mut lines, true, 10);
        first(&mut lines, false, 10);
        assert_eq!(second(&mut lines, true, 12), (Condition::Active, false));
        assert_eq!(second(&mut lines, false, 13), (Condition::Normal, false));
        // What made that call makes no other.
        assert_eq!(first(&mut lines, true, 13), (Condition::Normal, true));
    }

    #[test]
    fn both_held_at_once_are_one_however_late_the_second_came() {
        let mut lines = two(2);
        second(&mut lines, true, 10);
        assert_eq!(lines.held_since(), Some(Mono(10 * S)));
        assert_eq!(first(&mut lines, true, 500), (Condition::Active, false));
        assert_eq!(second(&mut lines, false, 501), (Condition::Active, false), "one is held yet");
        assert!(!lines.is_let_go());
        assert_eq!(first(&mut lines, false, 502), (Condition::Normal, false));
        assert!(lines.is_let_go());
    }

    #[test]
    fn a_button_that_is_not_known_makes_the_pair_not_known() {
        let mut lines = two(2);
        let said = lines.further(ZoneLine::Second, None, Mono(S));
        assert_eq!(said.condition, Condition::Unknown);
        assert_eq!(lines.main(Condition::Tamper, Mono(S)).condition, Condition::Tamper);
    }

    #[test]
    fn a_fault_line_speaks_against_the_detector_and_hides_no_activation() {
        let config = LinesConfig { fault: true, mask: true, ..LinesConfig::default() };
        let mut lines = Lines::new(config);
        let said = lines.main(Condition::Normal, Mono(0));
        assert_eq!(said.against, Some(Condition::Unknown), "nobody has heard the fault line");
        lines.further(ZoneLine::Fault, Some(false), Mono(0));
        assert_eq!(lines.further(ZoneLine::Mask, Some(false), Mono(0)).against, None);
        let said = lines.further(ZoneLine::Mask, Some(true), Mono(S));
        assert_eq!(said.against, Some(Condition::Masked));
        let said = lines.further(ZoneLine::Fault, Some(true), Mono(S));
        assert_eq!(said.against, Some(Condition::Fault), "the graver one");
        let said = lines.main(Condition::Active, Mono(S));
        assert_eq!((said.condition, said.against), (Condition::Active, Some(Condition::Fault)));
    }
}
