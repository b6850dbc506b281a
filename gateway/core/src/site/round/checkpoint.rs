//! One checkpoint: its button, and the loss of its line.

use serde_json::json;

use crate::event::{Class, Qualifier};
use crate::site::CheckpointConfig;
use crate::site::out::{Head, Out};
use crate::site::zone::FIRST_READING;
use crate::time::Mono;

#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    pub(super) config: CheckpointConfig,
    pressed: Option<bool>,
    /// When its loss is told.
    pub(super) lost_at: Option<Mono>,
    lost: bool,
    pub(super) changed: bool,
}

impl Checkpoint {
    pub(super) const fn new(config: CheckpointConfig) -> Self {
        Self { config, pressed: None, lost_at: None, lost: false, changed: false }
    }

    pub(super) const fn restore(&mut self, lost: bool) {
        self.lost = lost;
    }

    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Goes on from what it was under another configuration.
    pub(super) fn take_over(&mut self, old: &Self, at: Mono) {
        self.lost = old.lost;
        self.changed = old.changed;
        if self.config.driver == old.config.driver {
            self.pressed = old.pressed;
            self.lost_at = old.lost_at;
        } else {
            self.begin(at);
        }
    }

    /// It is gone.
    pub(super) fn end(&mut self, cause: &str, at: Mono, out: &mut Out<'_>) {
        if std::mem::take(&mut self.lost) {
            self.event(at, ("checkpoint.lost_restored", Qualifier::Restore), Some(cause), out);
        }
    }

    /// The start: a button that is not known by then is lost.
    pub(super) fn begin(&mut self, at: Mono) {
        if self.config.driver.is_some() && self.pressed.is_none() && !self.lost {
            let wait = self.config.hold_off.max(FIRST_READING);
            self.lost_at.get_or_insert(at.plus(wait));
        }
    }

    /// What its button says. Says whether somebody has just pressed it: found pressed at the
    /// start, or after its line was lost, it is held or stuck, and nobody was there.
    pub(super) fn says(&mut self, pressed: Option<bool>, at: Mono, out: &mut Out<'_>) -> bool {
        let before = std::mem::replace(&mut self.pressed, pressed);
        if pressed.is_none() {
            if before.is_some() && !self.lost {
                self.lost_at = Some(at.plus(self.config.hold_off));
            }
            return false;
        }
        self.lost_at = None;
        if std::mem::take(&mut self.lost) {
            self.changed = true;
            self.event(at, ("checkpoint.lost_restored", Qualifier::Restore), None, out);
        }
        before == Some(false) && pressed == Some(true)
    }

    pub(super) fn expire(&mut self, at: Mono, out: &mut Out<'_>) {
        self.lost_at = None;
        self.lost = true;
        self.changed = true;
        self.event(at, ("checkpoint.lost", Qualifier::New), None, out);
    }

    fn event(
        &self,
        at: Mono,
        (kind, qualifier): (&'static str, Qualifier),
        cause: Option<&str>,
        out: &mut Out<'_>,
    ) {
        let source = ("checkpoint", &self.config.id);
        let severity = if qualifier == Qualifier::New { 2 } else { 4 };
        let head = Head { class: Class::Fault, kind, qualifier, severity, source };
        out.record(at, head, |draft| {
            draft.source.driver.clone_from(&self.config.driver);
            draft.closes = (qualifier == Qualifier::Restore).then_some("checkpoint.lost");
            draft.cause = cause.map(str::to_owned);
        });
    }

    /// Somebody was here: evidence, whatever round it belongs to.
    pub(super) fn seen(
        &self,
        round: Option<&crate::id::Id>,
        actor: Option<&str>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let (kind, qualifier) = ("checkpoint.seen", Qualifier::Status);
        let source = ("checkpoint", &self.config.id);
        let head = Head { class: Class::Access, kind, qualifier, severity: 5, source };
        out.record(at, head, |draft| {
            draft.source.driver.clone_from(&self.config.driver);
            draft.actor = actor.map(str::to_owned);
            draft.detail = Some(json!({ "round": round }));
        });
    }
}
