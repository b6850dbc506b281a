//! A zone under another configuration.

use super::Zone;
use crate::event::{Class, Qualifier};
use crate::site::out::Out;
use crate::site::{Condition, LinesConfig, ZoneConfig};
use crate::time::Mono;

impl Zone {
    /// Whether a zone of this configuration means the same by what it says.
    pub(in crate::site) fn means_as(&self, config: &ZoneConfig) -> bool {
        let what = |config: &ZoneConfig| {
            let (help, stuck) = (config.help.is_some(), config.stuck.is_some());
            (config.kind, config.soak, config.latches(), help, stuck)
        };
        what(&self.config) == what(config)
    }

    /// Ends what stands open of it: it is gone, or becomes something else.
    pub(in crate::site) fn finish(&mut self, cause: &'static str, at: Mono, out: &mut Out<'_>) {
        let state = std::mem::take(&mut self.state);
        // Whoever bypassed it wanted it out, whatever it means.
        (self.state.bypass, self.state.by) = (state.bypass, state.by);
        let kind = self.config.kind;
        let (alarm, swinger) = (self.config.alarm(), ("zone.swinger", "zone.swinger_restored"));
        let trouble = state.trouble.map(|trouble| (trouble.kinds(), Class::Fault));
        let over = [
            state.alarm.then_some((alarm, kind.class())),
            state.opened.then_some((("zone.opened", "zone.closed"), Class::Door)),
            state.tamper.then_some((("zone.tamper", "zone.tamper_restored"), Class::Tamper)),
            trouble,
            state.shut.then_some((swinger, Class::Fault)),
            state.stuck.then_some((self.stuck_kinds(), Class::Fault)),
        ];
        for ((began, ended), class) in over.into_iter().flatten() {
            self.event(at, ended, Qualifier::Restore, out, |draft| {
                draft.class = class;
                draft.severity = 4;
                draft.closes = Some(began);
                draft.cause = Some(cause.to_owned());
            });
        }
        self.pending = None;
        self.stuck_at = None;
    }

    /// Ends its bypass.
    pub(in crate::site) fn finish_bypass(
        &mut self,
        cause: &'static str,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        self.state.by = None;
        if self.state.bypass.take().is_some() {
            self.event(at, "zone.unbypassed", Qualifier::Restore, out, |draft| {
                draft.class = Class::Arm;
                draft.severity = 3;
                draft.closes = Some("zone.bypassed");
                draft.cause = Some(cause.to_owned());
            });
        }
    }

    /// What it said is not known any more.
    pub(in crate::site) const fn forget(&mut self) {
        self.condition = Condition::Unknown;
        self.active = None;
        self.before_start = false;
    }

    /// Goes on from what the same zone was under another configuration.
    pub(in crate::site) fn take_over(
        &mut self,
        index: usize,
        old: Self,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let Self {
            config,
            partition: _,
            condition,
            active,
            before_start,
            walking: _,
            pending,
            state,
            kept,
            against,
            lines,
            stuck_at,
        } = old;
        (self.active, self.state, self.kept) = (active, state, kept);
        let wire = |config: &ZoneConfig| {
            let LinesConfig { second, fault, mask } = config.lines;
            (config.driver.clone(), config.bus.is_some(), second.is_some(), fault, mask)
        };
        let same = wire(&self.config) == wire(&config);
        if same {
            self.lines = lines.under(self.config.lines);
            self.against = against;
        } else {
            self.lines.resume(self.active == Some(true));
        }
        if same && self.means_as(&config) {
            (self.condition, self.before_start, self.pending) = (condition, before_start, pending);
            self.stuck_at = stuck_at;
        } else {
            // Another wire: what it says is compared with what the old one said.
            self.before_start = false;
            self.await_reading(at);
            self.show(index, at, out);
        }
    }
}
