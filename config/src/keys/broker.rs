//! The tables `[[broker]]` and `[broker.tls]`.

use std::time::Duration;

use crate::MAX_BROKERS;
use crate::kind::{Choice, Credential, Identifier, Number, Place, Text};
use crate::network::{Address, Host, Interface, Look, Protocol};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "broker",
    times: Times::Several { min: 1, max: MAX_BROKERS },
    doc: "One path to the district: an MQTT broker, and the network interface to it. At least one. \
          Repeat the table for more, the preferred one first: the next is used while the one \
          before does not answer. The same broker may stand twice, with another `interface` or \
          `bind`.",
    keys: &[
        &ID,
        &HOST,
        &PORT,
        &INTERFACE,
        &BIND,
        &PROTOCOL,
        &RECEIVE_QOS,
        &KEEP_ALIVE,
        &LOOK,
        &USERNAME,
        &PASSWORD_FILE,
        &PASSWORD_CREDENTIAL,
    ],
    tables: &[&tls::TABLE],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The broker's id in events and metrics.",
};
pub(crate) static HOST: Key<Host> = Key {
    name: "host",
    kind: Host,
    presence: Required,
    doc: "Its host name or IP address; no port, no `mqtt://`.",
};
pub(crate) static PORT: Key<Number<u16>> = Key {
    name: "port",
    // The bound is the type's, so the conversion never falls back.
    kind: Number { min: 1, max: 65_535, unit: "", make: super::u16 },
    presence: Optional,
    doc: "Its port. Without this key it is 8883 with `[broker.tls]`, and 1883 without.",
};
pub(crate) static PROTOCOL: Key<Choice<Protocol>> = Key {
    name: "protocol",
    kind: Choice::NEW,
    presence: Default("\"5\""),
    doc: "The version of MQTT.",
};
pub(crate) static RECEIVE_QOS: Key<Number<u8>> = Key {
    name: "receive-qos",
    // The bound is the type's, so the conversion never falls back.
    kind: Number { min: 0, max: 1, unit: "", make: super::u8 },
    presence: Default("1"),
    doc: "The quality of service of what the district says: 1, or 0 for brokers to which each \
          subscription with 1 is dear, as a cluster of NATS. With 0 what is said while the \
          connection is down is not heard afterwards: receipts come again, an operator's act has \
          to be done again.",
};
pub(crate) static KEEP_ALIVE: Key<Number<Duration>> = Key {
    name: "keep-alive-s",
    kind: super::seconds(5, 1200),
    presence: Optional,
    doc: "After so long without traffic a ping is sent; a dead connection is noticed within \
          twice this time. Without this key it follows from `reporting` of `[uplink]`: 5, 15, 30 \
          or 120.",
};
pub(crate) static INTERFACE: Key<Interface> = Key {
    name: "interface",
    kind: Interface,
    presence: Optional,
    doc: "The network interface that this path goes by, as `wwan0`, whatever the routing table \
          says. Names are still looked up by whatever way the system takes.",
};
pub(crate) static BIND: Key<Address> = Key {
    name: "bind",
    kind: Address,
    presence: Optional,
    doc: "The machine's own address that this path goes from, as `10.0.0.2`.",
};
pub(crate) static LOOK: Key<Choice<Look>> = Key {
    name: "standby-look",
    kind: Choice::NEW,
    presence: Default("\"answer\""),
    doc: "How it is found out, while another path is in use, whether this one would work.",
};
pub(crate) static USERNAME: Key<Text> = Key {
    name: "username",
    kind: Text { max: 256 },
    presence: Optional,
    doc: "The name to log in with.",
};
pub(crate) static PASSWORD_FILE: Key<Place> = Key {
    name: "password-file",
    kind: Place::Secret,
    presence: Optional,
    doc: "The file that holds the password, readable by the gateway's user only. It is read \
          anew for every connection. A password never stands in the configuration itself.",
};
pub(crate) static PASSWORD_CREDENTIAL: Key<Credential> = Key {
    name: "password-credential",
    kind: Credential,
    presence: Optional,
    doc: "Instead of `password-file`: the systemd credential that holds the password, as \
          named by `LoadCredential=` or `LoadCredentialEncrypted=` in the unit.",
};

pub(crate) mod tls {
    use crate::kind::Place;
    use crate::network::Host;
    use crate::spec::Presence::{Optional, Required};
    use crate::spec::{Key, Table, Times};

    pub(crate) static TABLE: Table = Table {
        name: "tls",
        times: Times::AtMostOnce,
        doc: "How the connection to the broker above is secured. The files are read anew for \
              every connection, so a renewed certificate needs no restart.",
        keys: &[&CA, &CERTIFICATE, &KEY, &SERVER_NAME],
        tables: &[],
    };

    pub(crate) static CA: Key<Place> = Key {
        name: "ca",
        kind: Place::Any,
        presence: Required,
        doc: "The certificates that sign the broker's, in PEM. No others are trusted.",
    };
    pub(crate) static CERTIFICATE: Key<Place> = Key {
        name: "certificate",
        kind: Place::Any,
        presence: Optional,
        doc: "The gateway's own certificate with its chain, in PEM; with `key`.",
    };
    pub(crate) static KEY: Key<Place> = Key {
        name: "key",
        kind: Place::Secret,
        presence: Optional,
        doc: "The private key of `certificate`, in PEM, readable by the gateway's user only.",
    };
    pub(crate) static SERVER_NAME: Key<Host> = Key {
        name: "server-name",
        kind: Host,
        presence: Optional,
        doc: "The name in the broker's certificate, when it is not `host`.",
    };
}
