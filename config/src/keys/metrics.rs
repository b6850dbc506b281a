//! The table `[metrics]`.

use std::net::Ipv4Addr;

use crate::kind::Switch;
use crate::page::Listen;
use crate::spec::Presence::Default;
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "metrics",
    times: Times::AtMostOnce,
    doc: "The gateway's figures for a monitoring system, in Prometheus' text format at `/metrics`: what \
          waits for the district, paths, cameras, disk, flash, supply. Without this table there are none. \
          What is open, armed or in alarm is not in them, nor any name. Plain HTTP without a login.",
    keys: &[&LISTEN, &PLAIN],
    tables: &[],
};

pub(crate) static LISTEN: Key<Listen> = Key {
    name: "listen",
    kind: Listen { address: Ipv4Addr::LOCALHOST, port: 9464 },
    presence: Default("\"127.0.0.1:9464\""),
    doc: "The address of this machine, and the port. 127.0.0.1: only programs of this machine can ask, as \
          a collector that runs on it.",
};
pub(crate) static PLAIN: Key<Switch> = Key {
    name: "plain",
    kind: Switch,
    presence: Default("false"),
    doc: "Whether `listen` may be an address that other machines reach: something before it, as a firewall \
          or a VPN, then says who may read.",
};
