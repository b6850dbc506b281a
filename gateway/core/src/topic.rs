//! Topics of the contract, built and parsed in one place.
//!
//! `gatehouse/v1/{district}/{site}/{gateway}/…`

use std::fmt;

use crate::event::Class;
use crate::id::Id;

/// The first two levels: product and version of the contract.
pub const ROOT: &str = "gatehouse/v1";

/// The place of one gateway in the topic tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The district.
    pub district: Id,
    /// The residential community.
    pub site: Id,
    /// The gateway; also the MQTT client id and the certificate's common name.
    pub gateway: Id,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}/{}/{}/{}", self.district, self.site, self.gateway)
    }
}

impl Address {
    /// `…/status`, retained: the life of the gateway; also the will's topic.
    pub fn status(&self) -> String {
        format!("{self}/status")
    }

    /// `…/hb`, QoS 0: the heartbeat.
    pub fn heartbeat(&self) -> String {
        format!("{self}/hb")
    }

    /// `…/desc`, retained: what this gateway has.
    pub fn description(&self) -> String {
        format!("{self}/desc")
    }

    /// `…/ev/{class}`: events.
    pub fn events(&self, class: Class) -> String {
        format!("{self}/ev/{}", class.as_str())
    }

    /// `…/{kind}/{id}`, retained: the current state of a door, zone, partition or camera.
    pub fn state(&self, kind: &str, id: &Id) -> String {
        format!("{self}/{kind}/{id}")
    }

    /// `…/snap/{camera}`: one picture, masked.
    pub fn snapshot(&self, camera: &Id) -> String {
        format!("{self}/snap/{camera}")
    }

    /// `…/receipt`: the control room's receipts, towards the gateway.
    pub fn receipt(&self) -> String {
        format!("{self}/receipt")
    }

    /// `…/cmd/+`: commands, towards the gateway.
    pub fn commands(&self) -> String {
        format!("{self}/cmd/+")
    }

    /// `…/cmd/{id}/res`: what came of a command, from the gateway.
    pub fn command_result(&self, id: &Id) -> String {
        format!("{self}/cmd/{id}/res")
    }

    /// `…/cmd/{id}`: a command, towards the gateway.
    pub fn command(&self, id: &Id) -> String {
        format!("{self}/cmd/{id}")
    }

    /// What stands for the command's id in a topic of [`Self::commands`], if it is one. It need not
    /// be an id.
    pub fn command_of<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let id = topic.strip_prefix(&self.to_string())?.strip_prefix("/cmd/")?;
        (!id.contains('/')).then_some(id)
    }

    /// `…/alarm/+/op`: operators' acts on incidents, towards the gateway.
    pub fn alarm_acts(&self) -> String {
        format!("{self}/alarm/+/op")
    }

    /// `…/alarm/{id}/op`: an operator's act on this incident, towards the gateway.
    pub fn alarm_act(&self, incident: &Id) -> String {
        format!("{self}/alarm/{incident}/op")
    }

    /// The incident of a topic of [`Self::alarm_acts`], if it is one.
    pub fn alarm_act_of(&self, topic: &str) -> Option<Id> {
        let rest = topic.strip_prefix(&self.to_string())?.strip_prefix("/alarm/")?;
        rest.strip_suffix("/op")?.parse().ok()
    }

    /// `gatehouse/v1/{district}/_dc/state`, retained: the control room itself.
    pub fn district_state(&self) -> String {
        district_state(&self.district)
    }

    /// Splits a topic into the gateway's address and the rest below its prefix.
    pub fn parse(topic: &str) -> Option<(Self, &str)> {
        let mut parts = topic.strip_prefix(ROOT)?.strip_prefix('/')?.splitn(4, '/');
        let mut id = || parts.next()?.parse::<Id>().ok();
        let address = Self { district: id()?, site: id()?, gateway: id()? };
        Some((address, parts.next()?))
    }
}

/// `gatehouse/v1/{district}/_dc/state`, retained.
pub fn district_state(district: &Id) -> String {
    format!("{ROOT}/{district}/_dc/state")
}

/// `gatehouse/v1/{district}/_dc/told`: who was told of an incident, or could not be.
pub fn district_told(district: &Id) -> String {
    format!("{ROOT}/{district}/_dc/told")
}

/// Where control rooms hand incidents over to each other: `…/{district}/_dc/handover/{to}/{from}/{id}`.
/// The district is that of the room which is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverTopic {
    /// The district of the room that is spoken to.
    pub district: Id,
    /// The room that is spoken to.
    pub to: Id,
    /// The room that speaks; a broker lets nobody else write here.
    pub from: Id,
    /// The handover.
    pub id: Id,
}

impl fmt::Display for HandoverTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { district, to, from, id } = self;
        write!(f, "{ROOT}/{district}/_dc/handover/{to}/{from}/{id}")
    }
}

impl HandoverTopic {
    /// Everything that is said to this room.
    pub fn all_to(district: &Id, to: &Id) -> String {
        format!("{ROOT}/{district}/_dc/handover/{to}/+/+")
    }

    /// The parts of such a topic, if it is one.
    pub fn parse(topic: &str) -> Option<Self> {
        let (district, rest) = topic.strip_prefix(ROOT)?.strip_prefix('/')?.split_once('/')?;
        let mut ids = rest.strip_prefix("_dc/handover/")?.split('/').map(str::parse);
        let mut id = || ids.next()?.ok();
        let found = Self { district: district.parse().ok()?, to: id()?, from: id()?, id: id()? };
        ids.next().is_none().then_some(found)
    }
}

/// The subscription of a receiver to everything that gateways of a district send up with `what`
/// below their prefix, as `ev/+`; shared with other receivers of the same `group` if one is named.
pub fn subscription(district: &Id, what: &str, group: Option<&Id>) -> String {
    match group {
        Some(group) => format!("$share/{group}/{ROOT}/{district}/+/+/{what}"),
        None => format!("{ROOT}/{district}/+/+/{what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_parsed_back_to_the_address_it_was_built_from() {
        let address = Address {
            district: "d1".parse().unwrap(),
            site: "s-9".parse().unwrap(),
            gateway: "g-7f3a".parse().unwrap(),
        };
        let topic = address.events(Class::Door);
        assert_eq!(topic, "gatehouse/v1/d1/s-9/g-7f3a/ev/door");
        let act = "gatehouse/v1/d1/s-9/g-7f3a/alarm/a17/op";
        assert_eq!(address.alarm_act_of(act), Some("a17".parse().unwrap()));
        assert_eq!(address.alarm_act(&"a17".parse().unwrap()), act);
        assert_eq!(address.alarm_act_of("gatehouse/v1/d1/s-9/g-7f3b/alarm/a17/op"), None);
        let command = address.command(&"c-1".parse().unwrap());
        assert_eq!(command, "gatehouse/v1/d1/s-9/g-7f3a/cmd/c-1");
        assert_eq!(address.command_of(&command), Some("c-1"));
        let result = address.command_result(&"c-1".parse().unwrap());
        assert_eq!((address.command_of(&result), &*result), (None, &*format!("{command}/res")));
        assert_eq!(Address::parse(&topic), Some((address, "ev/door")));
        assert_eq!(Address::parse("gatehouse/v1/d1/_dc/state"), None);
        let handover = "gatehouse/v1/d1/_dc/handover/south/north/h-1";
        let parsed = HandoverTopic::parse(handover).unwrap();
        assert_eq!((parsed.to_string().as_str(), parsed.from.as_str()), (handover, "north"));
        for wrong in ["d1/_dc/handover/south/north", "d1/_dc/handover/s/n/h/x", "d1/_dc/state"] {
            assert_eq!(HandoverTopic::parse(&format!("{ROOT}/{wrong}")), None, "{wrong}");
        }
        assert_eq!(Address::parse(handover), None);
        assert_eq!(Address::parse("gatehouse/v1/d1/S/g/ev/door"), None);
    }
}
