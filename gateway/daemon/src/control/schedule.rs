//! What schedules do next, as `gatehouse schedule` shows it.

use std::collections::BTreeMap;

use gatehouse_config::Config;
use gatehouse_core::id::Id;
use gatehouse_core::site::{Coming, Mode, ScheduleAct, schedule_after};
use gatehouse_core::time::UtcMs;
use serde::{Deserialize, Serialize};

/// One schedule and what it does next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleReport {
    /// Its id.
    pub id: Id,
    /// The partition's id.
    pub partition: Id,
    /// The mode in which it arms.
    pub mode: Mode,
    /// Its next moments, the soonest first. None while the time is not known.
    pub next: Vec<ScheduleMoment>,
    /// An arming waits for what is not ready, or for people who were just warned.
    pub trying: bool,
}

/// One moment of a [`ScheduleReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleMoment {
    /// `arm`, `disarm` or `armed-by`.
    pub act: String,
    /// When.
    pub at: UtcMs,
    /// What the clock on the wall of the site shows then.
    pub local: String,
    /// By so many seconds it was put off; included in the time.
    pub postponed_s: u64,
}

/// What the rules have said of each schedule.
pub(crate) fn of_view(config: &Config, view: &BTreeMap<usize, Coming>) -> Vec<ScheduleReport> {
    reports(config, |place| view.get(&place).copied().unwrap_or_default())
}

/// What the configuration says, after an instant.
pub(crate) fn of_config(config: &Config, after: UtcMs) -> Vec<ScheduleReport> {
    reports(config, |place| {
        schedule_after(&config.schedules[place], &config.holidays, &config.time_zone, after)
    })
}

fn reports(config: &Config, coming: impl Fn(usize) -> Coming) -> Vec<ScheduleReport> {
    let all = config.schedules.iter().enumerate();
    let reports = all.filter_map(|(place, schedule)| {
        let coming = coming(place);
        let moments = ScheduleAct::ALL.iter().zip(coming.at);
        let mut next: Vec<_> = moments
            .filter_map(|(act, at)| {
                let at = at?;
                let put_off = if *act == ScheduleAct::Arm { coming.postponed.as_secs() } else { 0 };
                Some(ScheduleMoment {
                    act: act.as_str().to_owned(),
                    at,
                    local: config.local_time(at),
                    postponed_s: put_off,
                })
            })
            .collect();
        next.sort_by_key(|moment| moment.at);
        Some(ScheduleReport {
            id: schedule.id.clone(),
            partition: config.partitions.get(schedule.partition)?.rules.id.clone(),
            mode: schedule.mode,
            next,
            trying: coming.trying,
        })
    });
    reports.collect()
}
