//! The table `[gateway]`.

use std::time::Duration;

use crate::kind::{Identifier, Number, Place};
use crate::spec::Presence::{Default, Required};
use crate::spec::{Key, Table, Times};
use crate::time_zone::Zone;

pub(crate) static TABLE: Table = Table {
    name: "gateway",
    times: Times::Once,
    doc: "Which gateway this is. The three ids make its topics, \
          `gatehouse/v1/{district}/{site}/{id}/…`, and everyone who may look into the broker \
          sees them: no names, no addresses.",
    keys: &[&ID, &DISTRICT, &SITE, &TIME_ZONE, &STATE_DIR, &SOCKET, &CONFIRM],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The gateway's id, unique in its district. It is also the MQTT client id and the \
          common name of its certificate.",
};
pub(crate) static DISTRICT: Key<Identifier> = Key {
    name: "district",
    kind: Identifier,
    presence: Required,
    doc: "The district whose control room receives the events.",
};
pub(crate) static SITE: Key<Identifier> =
    Key { name: "site", kind: Identifier, presence: Required, doc: "The residential community." };
pub(crate) static TIME_ZONE: Key<Zone> = Key {
    name: "time-zone",
    kind: Zone,
    presence: Default("\"UTC\""),
    doc: "The site's time zone, for everything that goes by the clock on the wall: weekly windows \
          of cards, schedules, rounds. The rules of daylight saving come with the gateway; what the \
          box's own system is set to does not matter.",
};
pub(crate) static STATE_DIR: Key<Place> = Key {
    name: "state-dir",
    kind: Place::Folder,
    presence: Default("\"/var/lib/gatehouse\""),
    doc: "The folder of the journal. It must be on a disk that survives a power cut: not on \
          a tmpfs.",
};
/// Where the socket is if the file does not say.
pub(crate) const DEFAULT_SOCKET: &str = "/run/gatehouse/control.sock";

pub(crate) static SOCKET: Key<Place> = Key {
    name: "socket",
    kind: Place::Socket,
    presence: Default("\"/run/gatehouse/control.sock\""),
    doc: "The control socket that `gatehouse status` asks.",
};
pub(crate) static CONFIRM: Key<Number<Duration>> = Key {
    name: "confirm-within-s",
    kind: super::seconds(5, 3600),
    presence: Default("120"),
    doc: "A change of the brokers or of the page that is made by the page, by `gatehouse config` or by \
          the district must be confirmed within so long; otherwise the configuration before it is put \
          back. It may have cut off whoever made it. A start in between puts it back at once.",
};
