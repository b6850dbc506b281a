//! Failure reporting profiles: how soon somebody knows that a path has failed, and what follows.
//!
//! EN 50136-1 classes an alarm transmission system by the time within which the failure of a path
//! is reported. Everything that decides about that time follows from the profile, so that no
//! setting of its own can break it:
//!
//! | profile | class | heartbeat | keep alive | will | standby poll |
//! |---|---|---|---|---|---|
//! | 20 s | SP6 | 5 s | 5 s | at once | 5 min |
//! | 90 s | SP5, DP4 | 25 s | 15 s | at once | 15 min |
//! | 180 s | SP4, DP3 | 50 s | 30 s | after 30 s | 1 h |
//! | 30 min | SP3, DP2 | 500 s | 120 s | after 5 min | 6 h |
//!
//! The gateway notices a dead connection within two keep alives; the receiver calls a gateway lost
//! after [`LOST_AFTER`] heartbeats and a quarter without a sign, or by the broker's will, one and a
//! half keep alives and the will's delay after the last packet. All of them lie within the profile.

use std::time::Duration;

/// Heartbeats that may be missed before a gateway is suspect: one datagram lost on a bad line is
/// everyday, two are not.
pub const SUSPECT_AFTER: u32 = 2;

/// Heartbeats that may be missed before a gateway is lost.
pub const LOST_AFTER: u32 = 3;

/// How long a gateway may be silent after `missed` heartbeats: a quarter more, since one that is
/// only late is not missed.
pub fn silence(period: Duration, missed: u32) -> Duration {
    period * missed + period / 4
}

/// A failure reporting profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reporting {
    /// 20 s.
    S20,
    /// 90 s.
    #[default]
    S90,
    /// 180 s.
    S180,
    /// 30 min.
    Min30,
}

impl Reporting {
    /// Every profile, the fastest first.
    pub const ALL: [Self; 4] = [Self::S20, Self::S90, Self::S180, Self::Min30];

    /// The failure of the path in use is known within this: to the control room, and to the gateway.
    pub const fn time(self) -> Duration {
        Duration::from_secs(match self {
            Self::S20 => 20,
            Self::S90 => 90,
            Self::S180 => 180,
            Self::Min30 => 1800,
        })
    }

    /// The classes of EN 50136-1 whose failure reporting times it is designed towards.
    pub const fn classes(self) -> &'static str {
        match self {
            Self::S20 => "SP6",
            Self::S90 => "SP5, DP4",
            Self::S180 => "SP4, DP3",
            Self::Min30 => "SP3, DP2",
        }
    }

    /// The period of heartbeats.
    pub const fn heartbeat(self) -> Duration {
        Duration::from_secs(match self {
            Self::S20 => 5,
            Self::S90 => 25,
            Self::S180 => 50,
            Self::Min30 => 500,
        })
    }

    /// The longest period of heartbeats with which a silent gateway is lost in time.
    pub fn longest_heartbeat(self) -> Duration {
        // 3 missed and a quarter, in whole seconds.
        Duration::from_secs(self.time().as_secs() * 4 / u64::from(LOST_AFTER * 4 + 1))
    }

    /// The MQTT keep alive, if the broker's entry says nothing else.
    pub const fn keep_alive(self) -> Duration {
        Duration::from_secs(match self {
            Self::S20 => 5,
            Self::S90 => 15,
            Self::S180 => 30,
            Self::Min30 => 120,
        })
    }

    /// The longest keep alive with which the gateway notices a dead connection in time.
    pub const fn longest_keep_alive(self) -> Duration {
        Duration::from_secs(self.time().as_secs() / 2)
    }

    /// How long the broker waits before it publishes the will (MQTT 5): a short interruption on a
    /// slow profile is nobody's business.
    pub const fn will_delay(self) -> Duration {
        Duration::from_secs(match self {
            Self::S20 | Self::S90 => 0,
            Self::S180 => 30,
            Self::Min30 => 300,
        })
    }

    /// How often a standby path is looked at while another is in use. EN 50136-1 gives the alternative
    /// path of DP4 5 h, of DP3 and DP2 25 h; two looks fit into each.
    pub const fn standby_poll(self) -> Duration {
        Duration::from_secs(match self {
            Self::S20 => 300,
            Self::S90 => 900,
            Self::S180 => 3600,
            Self::Min30 => 6 * 3600,
        })
    }

    /// A connection is up within this, or the next path is tried.
    pub const fn connect_within(self) -> Duration {
        Duration::from_secs(match self {
            Self::S20 => 5,
            Self::S90 | Self::S180 | Self::Min30 => 20,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_notices_a_dead_path_first_every_profile_keeps_its_time() {
        for profile in Reporting::ALL {
            let within = profile.time();
            // The receiver, by silence: the cut came right behind a heartbeat.
            assert!(silence(profile.heartbeat(), LOST_AFTER) < within, "{profile:?}");
            assert!(silence(profile.longest_heartbeat(), LOST_AFTER) <= within, "{profile:?}");
            let longer = profile.longest_heartbeat() + Duration::from_secs(1);
            assert!(silence(longer, LOST_AFTER) > within, "{profile:?}");
            // The receiver, by the will.
            let will = profile.keep_alive() * 3 / 2 + profile.will_delay();
            assert!(will < within, "{profile:?}");
            // The gateway, by a ping without answer; and it is over at the next path in time.
            assert!(profile.keep_alive() * 2 + profile.connect_within() <= within, "{profile:?}");
            assert!(profile.keep_alive() <= profile.longest_keep_alive());
            // MQTT's own limits, and rumqttc's.
            assert!((5..=65_535).contains(&profile.keep_alive().as_secs()));
        }
    }

    #[test]
    fn the_failure_of_a_standby_path_is_told_within_the_standards_time() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let limits = [hours(5), hours(5), hours(25), hours(25)];
        for (profile, limit) in Reporting::ALL.into_iter().zip(limits) {
            assert!(profile.standby_poll() * 2 < limit, "{profile:?}");
        }
    }
}
