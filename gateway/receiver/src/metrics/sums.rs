//! A district of any size in a few numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_core::site::Danger;
use gatehouse_core::time::UtcMs;

use crate::life::Life;
use crate::snapshot::{GatewayView, Snapshot};

pub(super) const LIVES: [Life; 7] = [
    Life::Online,
    Life::Suspect,
    Life::Lost,
    Life::Unknown,
    Life::Starting,
    Life::Stopping,
    Life::Updating,
];

const DANGERS: [Danger; 9] = [
    Danger::Burglary,
    Danger::Panic,
    Danger::SilentPanic,
    Danger::Tamper,
    Danger::Fire,
    Danger::Flood,
    Danger::Gas,
    Danger::Technical,
    Danger::Door,
];

/// The severities of the contract; what a gateway says beyond them counts as the mildest.
const MILDEST: u8 = 5;

/// What a camera does: it sees; or it does not, since its pictures are poor, since somebody or
/// something is in the way, since none come, or since nobody knows.
pub(super) const CAMERAS: [&str; 5] = ["sees", "degraded", "tampered", "lost", "unknown"];

pub(super) const ROLES: [&str; 2] = ["active", "standby"];
pub(super) const STATES: [&str; 3] = ["works", "fails", "unknown"];

/// The worst and the one in the middle of what all paths say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ranked {
    pub(super) worst: Option<u32>,
    pub(super) median: Option<u32>,
}

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// As [`LIVES`].
    pub(super) lives: [u64; LIVES.len()],
    /// By danger and severity; every pair stands there.
    pub(super) incidents: BTreeMap<(&'static str, u8), u64>,
    pub(super) unacknowledged: u64,
    pub(super) oldest: Duration,
    /// As [`CAMERAS`].
    pub(super) cameras: [u64; CAMERAS.len()],
    pub(super) missing: u64,
    pub(super) with_gaps: u64,
    pub(super) began_anew: u64,
    /// What waits at the gateways: in the alarm lane, and else.
    pub(super) waiting: [u64; 2],
    pub(super) oldest_unreceived_s: u64,
    /// By [`ROLES`], then by [`STATES`].
    pub(super) paths: [[u64; STATES.len()]; ROLES.len()],
    /// Parts of a million.
    pub(super) available: Ranked,
    /// Milliseconds.
    pub(super) mean: Ranked,
    pub(super) p95: Ranked,
}

impl Sums {
    pub(super) fn of(snapshot: &Snapshot, now: UtcMs) -> Self {
        let mut sums = Self::default();
        for danger in DANGERS {
            for severity in 1..=MILDEST {
                sums.incidents.insert((danger.as_str(), severity), 0);
            }
        }
        let (mut available, mut mean, mut p95) = (Vec::new(), Vec::new(), Vec::new());
        for view in snapshot.gateways.values() {
            sums.gateway(view, now);
            let Some(beat) = heard(view) else { continue };
            for path in &beat.paths {
                let state = match path.works {
                    Some(true) => 0,
                    Some(false) => 1,
                    None => 2,
                };
                sums.paths[usize::from(!path.active)][state] += 1;
                available.extend(path.available_ppm);
                mean.extend(path.mean_ms);
                p95.extend(path.p95_ms);
            }
        }
        sums.available = Ranked::of(available, true);
        sums.mean = Ranked::of(mean, false);
        sums.p95 = Ranked::of(p95, false);
        sums
    }

    fn gateway(&mut self, view: &GatewayView, now: UtcMs) {
        if let Some(place) = LIVES.iter().position(|life| *life == view.life) {
            self.lives[place] += 1;
        }
        for camera in view.cameras.values() {
            let place = match (&*camera.shown, camera.flags()) {
                ("up", []) => 0,
                ("degraded", []) => 1,
                ("up" | "degraded", flags) if !flags.iter().any(|flag| flag == "lost") => 2,
                ("unknown", _) => 4,
                _ => 3,
            };
            self.cameras[place] += 1;
        }
        self.missing += view.missing;
        self.with_gaps += u64::from(view.missing > 0);
        self.began_anew += view.began_anew;
        for incident in view.incidents.values() {
            let known = &incident.state.incident;
            let pair = (known.danger.as_str(), known.severity.clamp(1, MILDEST));
            *self.incidents.entry(pair).or_default() += 1;
            if incident.is_unanswered() {
                self.unacknowledged += 1;
                self.oldest = self.oldest.max(view.age(incident, now));
            }
        }
        if let Some(beat) = heard(view) {
            self.waiting[0] += beat.backlog.alarm;
            self.waiting[1] += beat.backlog.normal;
            self.oldest_unreceived_s = self.oldest_unreceived_s.max(beat.oldest_unreceived_s);
        }
    }
}

/// What a gateway said last, while it is believed.
fn heard(view: &GatewayView) -> Option<&gatehouse_core::contract::Heartbeat> {
    let believed = matches!(view.life, Life::Online | Life::Suspect);
    view.heartbeat.as_ref().filter(|_| believed).map(|(_, beat)| &**beat)
}

impl Ranked {
    fn of(mut all: Vec<u32>, low_is_bad: bool) -> Self {
        all.sort_unstable();
        let worst = if low_is_bad { all.first() } else { all.last() };
        Self { worst: worst.copied(), median: all.get(all.len() / 2).copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_the_lowest_availability_and_the_longest_time() {
        let of = |low| Ranked::of(vec![30, 10, 20], low);
        assert_eq!(of(true), Ranked { worst: Some(10), median: Some(20) });
        assert_eq!(of(false), Ranked { worst: Some(30), median: Some(20) });
        assert_eq!(Ranked::of(Vec::new(), true), Ranked::default());
    }

    #[test]
    fn a_district_without_gateways_has_every_pair_of_danger_and_severity_at_zero() {
        let sums = Sums::of(&Snapshot::default(), UtcMs(0));
        assert_eq!(sums.incidents.len(), DANGERS.len() * usize::from(MILDEST));
        assert!(sums.incidents.values().all(|count| *count == 0));
    }
}
