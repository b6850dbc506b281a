//! Whether a gateway lives, and what may be believed of its things. Pure: time comes in.
//!
//! Unknown is not closed: a door, a zone, a partition counts as known only while its gateway is heard of, within the
//! state's own validity, and from the gateway's present start.

use std::time::Duration;

use gatehouse_core::contract::{GatewayState, Heartbeat, RetainedState, Status};
use gatehouse_core::time::Mono;
use gatehouse_core::uplink::silence;
pub use gatehouse_core::uplink::{LOST_AFTER, SUSPECT_AFTER};
use serde::Serialize;

/// The longest period that is believed: a gateway must not make itself be missed by nobody.
const LONGEST_PERIOD: u32 = 3600;

/// What the control room makes of a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// Events of it are committed; nothing else was heard since this receiver started.
    #[default]
    Unknown,
    /// Connected; its states are being refreshed.
    Starting,
    /// Heard of in time.
    Online,
    /// Two heartbeats missed.
    Suspect,
    /// Its will has come, or three heartbeats are missed: nobody knows.
    Lost,
    /// Stopped in order.
    Stopping,
    /// Installs a new version.
    Updating,
}

impl Life {
    /// The word for a screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Online => "online",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
            Self::Stopping => "stopping",
            Self::Updating => "updating",
        }
    }

    /// Whether the gateway may be asked for something now.
    pub const fn reachable(self) -> bool {
        !matches!(self, Self::Lost | Self::Stopping | Self::Updating)
    }
}

/// The signs of life of one gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vital {
    /// The newest start of the gateway's daemon that is known of.
    session: u64,
    said: Option<GatewayState>,
    /// The last `status` or heartbeat, on the receiver's clock.
    sign: Option<Mono>,
    /// The period of heartbeats that the gateway has told.
    period: Option<Duration>,
}

impl Vital {
    pub(crate) const fn session(&self) -> u64 {
        self.session
    }

    /// An event of this session was committed. It proves the session, not that it lasts: it may
    /// have waited at the broker for days.
    pub(crate) fn event(&mut self, session: u64) {
        self.session = self.session.max(session);
    }

    /// A status, or the broker's will. False if it is of an older session and buries nothing.
    pub(crate) fn status(&mut self, status: &Status, now: Mono) -> bool {
        if status.session < self.session {
            return false;
        }
        self.session = status.session;
        self.said = Some(status.state);
        self.tells_period(status.hb_s);
        if status.state != GatewayState::Lost {
            self.sign = Some(now);
        }
        true
    }

    /// A heartbeat. False if it is of an older session.
    pub(crate) fn heartbeat(&mut self, beat: &Heartbeat, now: Mono) -> bool {
        if beat.session < self.session {
            return false;
        }
        self.session = beat.session;
        self.sign = Some(now);
        self.tells_period(beat.hb_s);
        if self.said == Some(GatewayState::Lost) {
            // It lives on by another path: the will is of a connection that it has left.
            self.said = None;
        }
        true
    }

    fn tells_period(&mut self, seconds: Option<u32>) {
        if let Some(seconds) = seconds.filter(|seconds| *seconds > 0) {
            self.period = Some(Duration::from_secs(seconds.min(LONGEST_PERIOD).into()));
        }
    }

    /// What to make of it, with a heartbeat expected every `period`, if the gateway has not told
    /// another.
    pub(crate) fn life(&self, now: Mono, period: Duration) -> Life {
        let period = self.period.unwrap_or(period);
        let at_best = match self.said {
            Some(GatewayState::Lost) => return Life::Lost,
            Some(GatewayState::Stopping) => return Life::Stopping,
            Some(GatewayState::Updating) => return Life::Updating,
            Some(GatewayState::Starting) => Life::Starting,
            Some(GatewayState::Online) => Life::Online,
            None if self.sign.is_some() => Life::Online,
            None => return Life::Unknown,
        };
        let Some(sign) = self.sign else { return Life::Unknown };
        if now >= sign.plus(silence(period, LOST_AFTER)) {
            Life::Lost
        } else if now >= sign.plus(silence(period, SUSPECT_AFTER)) {
            Life::Suspect
        } else {
            at_best
        }
    }

    /// When silence alone will change that next.
    pub(crate) fn next_change(&self, now: Mono, period: Duration) -> Option<Mono> {
        let sign = self.sign?;
        let period = self.period.unwrap_or(period);
        match self.life(now, period) {
            Life::Starting | Life::Online => Some(sign.plus(silence(period, SUSPECT_AFTER))),
            Life::Suspect => Some(sign.plus(silence(period, LOST_AFTER))),
            _ => None,
        }
    }

    /// When a state that is valid for so many seconds without a sign of the gateway expires.
    pub(crate) fn expiry(&self, valid_s: u32) -> Option<Mono> {
        Some(self.sign?.plus(Duration::from_secs(valid_s.into())))
    }

    /// What a reader is shown of a retained state.
    pub(crate) fn believed<'a>(
        &self,
        state: &'a RetainedState,
        now: Mono,
        period: Duration,
    ) -> &'a str {
        let heard = self.sign.map_or(Duration::MAX, |sign| now.since(sign));
        let valid = heard < Duration::from_secs(state.valid_s.into())
            && self.is_current(state.session, now, period);
        if valid { &state.state } else { "unknown" }
    }

    /// Whether what a start of this number said is still to be believed.
    pub(crate) fn is_current(&self, session: u64, now: Mono, period: Duration) -> bool {
        let life = self.life(now, period);
        matches!(life, Life::Online | Life::Suspect) && session >= self.session
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::id::Seq;
    use gatehouse_core::time::UtcMs;
    use gatehouse_core::uplink::Reporting;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(30);

    fn s(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    fn status(state: GatewayState, session: u64) -> Status {
        Status {
            state,
            session,
            boot_id: "b".into(),
            since: UtcMs(0),
            reason: None,
            version: "0".into(),
            config_rev: 1,
            config_hash: "0".into(),
            hb_s: None,
            reporting_s: None,
        }
    }

    fn beat(session: u64, hb_s: u32) -> Heartbeat {
        Heartbeat { session, hb_s: Some(hb_s), ..serde_json::from_str(BEAT).unwrap() }
    }

    const BEAT: &str = r#"{"session":1,"utc":"2026-01-01T00:00:00Z","uptime_s":1,"head":1,
        "host_upto":1,"backlog":{"alarm":0,"normal":0},"oldest_unreceived_s":0,"clock":"synced",
        "err_ms":1,"rss_kib":1,"disk_free":1,"journal_written":1,"degraded":[],"digest":""}"#;

    fn door(session: u64, valid_s: u32) -> RetainedState {
        RetainedState {
            state: "closed".into(),
            since: UtcMs(0),
            seq: Seq(1),
            valid_s,
            flags: vec![],
            session,
        }
    }

    #[test]
    fn a_late_will_does_not_bury_a_new_session() {
        let mut vital = Vital::default();
        assert!(vital.status(&status(GatewayState::Online, 5), s(0)));
        assert!(!vital.status(&status(GatewayState::Lost, 4), s(1)));
        assert_eq!(vital.life(s(1), PERIOD), Life::Online);
        assert!(vital.status(&status(GatewayState::Lost, 5), s(2)));
        assert_eq!(vital.life(s(2), PERIOD), Life::Lost);
    }

    #[test]
    fn silence_makes_a_gateway_suspect_then_lost_and_its_doors_unknown() {
        let mut vital = Vital::default();
        vital.status(&status(GatewayState::Online, 1), s(100));
        let shown = |vital: &Vital, at| {
            (vital.life(s(at), PERIOD), vital.believed(&door(1, 300), s(at), PERIOD).to_owned())
        };
        assert_eq!(shown(&vital, 160), (Life::Online, "closed".into()));
        assert_eq!(vital.next_change(s(160), PERIOD), Some(Mono(167_500_000_000)));
        assert_eq!(shown(&vital, 168), (Life::Suspect, "closed".into()));
        assert_eq!(shown(&vital, 198), (Life::Lost, "unknown".into()));
        assert_eq!(vital.next_change(s(198), PERIOD), None);
    }

    #[test]
    fn the_period_that_the_gateway_tells_decides_and_every_profile_keeps_its_time() {
        for profile in Reporting::ALL {
            let (mut vital, heartbeat) = (Vital::default(), profile.heartbeat().as_secs());
            let told = u32::try_from(heartbeat).unwrap();
            vital.status(&Status { hb_s: Some(told), ..status(GatewayState::Online, 1) }, s(0));
            // The path is cut right behind this heartbeat.
            vital.heartbeat(&beat(1, told), s(1000));
            let late = s(1000 + 2 * heartbeat);
            assert_eq!(vital.life(late, PERIOD), Life::Online, "{profile:?}: too early");
            let suspect = vital.next_change(late, PERIOD).unwrap();
            assert_eq!(vital.life(suspect, PERIOD), Life::Suspect);
            let lost = vital.next_change(suspect, PERIOD).unwrap();
            assert_eq!(vital.life(lost, PERIOD), Life::Lost);
            assert!(lost.since(s(1000)) < profile.time(), "{profile:?}: {lost:?}");
        }
    }

    #[test]
    fn a_gateway_that_lives_on_by_another_path_is_not_buried_by_its_will() {
        let mut vital = Vital::default();
        vital.status(&status(GatewayState::Online, 3), s(0));
        vital.status(&status(GatewayState::Lost, 3), s(10));
        assert_eq!(vital.life(s(10), PERIOD), Life::Lost);
        assert!(!vital.heartbeat(&beat(2, 25), s(11)), "of an older start");
        assert_eq!(vital.life(s(11), PERIOD), Life::Lost);
        assert!(vital.heartbeat(&beat(3, 25), s(12)));
        assert_eq!(vital.life(s(12), PERIOD), Life::Online);
    }

    #[test]
    fn a_door_is_unknown_past_its_validity_while_starting_and_from_an_older_start() {
        let mut vital = Vital::default();
        vital.status(&status(GatewayState::Starting, 2), s(0));
        assert_eq!(vital.believed(&door(2, 300), s(1), PERIOD), "unknown");
        vital.status(&status(GatewayState::Online, 2), s(2));
        assert_eq!(vital.believed(&door(2, 300), s(3), PERIOD), "closed");
        assert_eq!(vital.believed(&door(1, 300), s(3), PERIOD), "unknown");
        assert_eq!(vital.believed(&door(2, 20), s(30), PERIOD), "unknown");
    }

    #[test]
    fn an_event_that_waited_at_the_broker_is_no_sign_of_life() {
        let mut vital = Vital::default();
        vital.event(7);
        assert_eq!(vital.life(s(1), PERIOD), Life::Unknown);
        assert!(!vital.status(&status(GatewayState::Online, 6), s(1)));
        assert_eq!(vital.session(), 7);
    }
}
