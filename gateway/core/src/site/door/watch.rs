//! What explains an opening, and what a door stands in: forced, propped, tampered with, lost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::site::CredentialHash;
use crate::site::layout::NOWHERE;
use crate::site::out::Out;
use crate::site::timer::KeptTimer;
use crate::time::{Mono, Now};

/// A request to exit may be seen so long after the opening that it explains: a bar's switch closes
/// with the door's, and two debounces are not equally long. So long a forced door waits to be told.
pub(super) const SLACK: Duration = Duration::from_millis(500);

/// A level that was found by reading again may have changed this long ago at most: levels are read
/// again more often than this.
pub(super) const REREAD: Duration = Duration::from_secs(10);

/// So many people may be granted one door before it opens; who comes after is not counted in.
const MAX_PASSES: usize = 8;

/// How a door was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::site) struct Opening {
    pub(in crate::site) at: Mono,
    /// It may have been opened since then.
    pub(in crate::site) since: Mono,
    pub(in crate::site) while_down: bool,
}

/// Somebody was granted this door and has not opened it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::site) struct Pass {
    pub(in crate::site) credential: CredentialHash,
    /// The area it leads to; `None`: the street.
    pub(in crate::site) to: Option<usize>,
    pub(in crate::site) until: Mono,
}

/// Conditions that were told and have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a matter of its own")]
pub(super) struct Stands {
    #[serde(skip_serializing_if = "is_false")]
    pub(super) lost: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) tamper: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) forced: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) propped: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) stuck: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Stands {
    pub(super) fn flags(self) -> Vec<&'static str> {
        let all = [
            (self.tamper, "tamper"),
            (self.forced, "forced"),
            (self.propped, "propped"),
            (self.stuck, "rex-stuck"),
        ];
        all.into_iter().filter_map(|(is, flag)| is.then_some(flag)).collect()
    }
}

/// An opening that nothing explains so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    pub(super) at: Mono,
    pub(super) while_down: bool,
    /// The mode in which the door's partition protected.
    pub(super) arming: Option<&'static str>,
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::site) struct KeptDoor {
    #[serde(flatten)]
    stands: Stands,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspected: Option<KeptTimer>,
    /// Openings are explained until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<KeptTimer>,
    /// Who was granted, to which area (empty: the street), until when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passes: Vec<(CredentialHash, String, KeptTimer)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    pub(super) stands: Stands,
    pub(super) suspected: Option<Suspicion>,
    /// From when to when an opening is explained.
    explained: Option<(Mono, Mono)>,
    /// Since when the request-to-exit input is pressed.
    pub(super) pressed: Option<Mono>,
    /// Whether that input has said anything since the start.
    pub(super) rex_known: bool,
    passes: Vec<Pass>,
    changed: bool,
}

impl Watch {
    pub(super) fn restore(
        &mut self,
        kept: KeptDoor,
        longest: Duration,
        area: impl Fn(&str) -> Option<usize>,
        boot: &str,
        now: &Now,
    ) {
        self.stands = kept.stands;
        // What was about to be told is told.
        self.suspected = kept.suspected.map(|at| Suspicion {
            at: at.on(boot, now, Duration::ZERO),
            while_down: false,
            arming: None,
        });
        self.explained = kept.explained.map(|until| (Mono(0), until.on(boot, now, longest)));
        let passes = kept.passes.into_iter().filter_map(|(credential, to, until)| {
            let to = if to.is_empty() { None } else { Some(area(&to)?) };
            Some(Pass { credential, to, until: until.on(boot, now, longest) })
        });
        self.passes = passes.collect();
    }

    /// The same where areas have other places; who was on the way to one that is gone is not
    /// followed.
    pub(super) fn moved(self, areas: &[usize]) -> Self {
        let passes = self.passes.into_iter().filter_map(|pass| {
            let to = pass.to.map(|area| areas[area]);
            (to != Some(NOWHERE)).then_some(Pass { to, ..pass })
        });
        Self { passes: passes.collect(), ..self }
    }

    pub(super) const fn touch(&mut self) {
        self.changed = true;
    }

    /// What it was is what it is now, unless this was called in between.
    pub(super) fn kept(
        &mut self,
        area: impl Fn(usize) -> String,
        out: &Out<'_>,
    ) -> Option<KeptDoor> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let timer = |at| KeptTimer::new(at, out.boot, out.now);
        let passes = self.passes.iter().map(|pass| {
            (pass.credential, pass.to.map_or_else(String::new, &area), timer(pass.until))
        });
        Some(KeptDoor {
            stands: self.stands,
            suspected: self.suspected.map(|suspicion| timer(suspicion.at)),
            explained: self.explained.map(|(_, until)| timer(until)),
            passes: passes.collect(),
        })
    }

    /// Openings are explained from here to there.
    pub(super) fn explain(&mut self, from: Mono, until: Mono) {
        let explained = match self.explained {
            Some((began, ends)) if from <= ends => (began.min(from), ends.max(until)),
            _ => (from, until),
        };
        // What was seen a moment late explains what was seen first.
        if self.explained != Some(explained) || self.suspected.is_some() {
            self.changed = true;
        }
        self.explained = Some(explained);
        self.suspected = None;
    }

    pub(super) fn explains(&self, opening: Opening) -> bool {
        let pressed = self.pressed.is_some_and(|since| since <= opening.at.plus(SLACK));
        let granted = self
            .explained
            .is_some_and(|(from, until)| from <= opening.at.plus(SLACK) && until >= opening.since);
        (pressed && !self.stands.stuck) || granted
    }

    pub(super) fn pass(&mut self, pass: Pass, at: Mono) {
        self.passes.retain(|known| known.until >= at && known.credential != pass.credential);
        if self.passes.len() < MAX_PASSES {
            self.passes.push(pass);
        }
        self.changed = true;
    }

    /// It was opened: who was granted has passed.
    pub(super) fn passed(&mut self, at: Mono) -> Vec<Pass> {
        if self.passes.is_empty() {
            return Vec::new();
        }
        self.changed = true;
        let mut passes = std::mem::take(&mut self.passes);
        passes.retain(|pass| pass.until >= at);
        passes
    }
}
