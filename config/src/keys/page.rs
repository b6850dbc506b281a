//! The table `[page]`.

use std::net::Ipv4Addr;

use crate::kind::Place;
use crate::page::Listen;
use crate::spec::Presence::{Default, Optional};
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "page",
    times: Times::AtMostOnce,
    doc: "The gateway's own web page, for the people of the site, on the local network: what is \
          happening, arming, incidents, cameras, events. Without this table there is none. Only HTTPS; \
          `gatehouse page` shows its address, the fingerprint of its certificate and, while nobody has \
          an account, the code that lets the first one be made.",
    keys: &[&LISTEN, &CERTIFICATE, &KEY],
    tables: &[],
};

pub(crate) static LISTEN: Key<Listen> = Key {
    name: "listen",
    kind: Listen { address: Ipv4Addr::UNSPECIFIED, port: 8443 },
    presence: Default("\"0.0.0.0:8443\""),
    doc: "The address of this machine, and the port, on which the page is served; 0.0.0.0 is every \
          address. It must not be reachable from the internet.",
};
pub(crate) static CERTIFICATE: Key<Place> = Key {
    name: "certificate",
    kind: Place::Any,
    presence: Optional,
    doc: "A certificate of your own with its chain, in PEM; with `key`. Otherwise the gateway makes one \
          for itself, and renews it.",
};
pub(crate) static KEY: Key<Place> = Key {
    name: "key",
    kind: Place::Secret,
    presence: Optional,
    doc: "The private key of `certificate`, in PEM, readable by the gateway's user only.",
};
