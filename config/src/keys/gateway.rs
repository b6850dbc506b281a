//! The table `[gateway]`.

use crate::kind::{Identifier, Place};
use crate::spec::Presence::{Default, Required};
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "gateway",
    times: Times::Once,
    doc: "Which gateway this is. The three ids make its topics, \
          `gatehouse/v1/{district}/{site}/{id}/…`, and everyone who may look into the broker \
          sees them: no names, no addresses.",
    keys: &[&ID, &DISTRICT, &SITE, &STATE_DIR, &SOCKET],
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
pub(crate) static STATE_DIR: Key<Place> = Key {
    name: "state-dir",
    kind: Place::Folder,
    presence: Default("\"/var/lib/gatehouse\""),
    doc: "The folder of the journal. It must be on a disk that survives a power cut: not on \
          a tmpfs.",
};
pub(crate) static SOCKET: Key<Place> = Key {
    name: "socket",
    kind: Place::Socket,
    presence: Default("\"/run/gatehouse/control.sock\""),
    doc: "The control socket that `gatehouse status` asks.",
};
