//! What the gateway says of itself on a connection, besides events.

use std::borrow::Cow;
use std::time::Duration;

use gatehouse_core::contract::{
    self, AlarmState, Backlog, Expiry, GatewayState, Heartbeat, RetainedState, Status,
};
use gatehouse_core::event::PAYLOAD_VERSION;
use gatehouse_core::id::Id;
use serde::Serialize;

use super::Parts;
use super::commands::{Answered, Picture};
use super::describe;
use super::home_assistant::{HomeAssistant, Publication};
use super::link::{Hello, Message};
use crate::health::CpuShare;

/// A publish with QoS 1 that is no event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Control {
    Status(GatewayState),
    /// A door, a zone or a partition, by its kind and id.
    Thing(&'static str, Id),
    /// One that the configuration has no more.
    Gone(&'static str, Id),
    Incident(Id),
    Description,
    /// For Home Assistant.
    Discovery(Publication),
    /// What came of a command.
    Result(Answered),
    /// A picture of a camera.
    Picture(Picture),
}

pub(super) fn hello(parts: &Parts) -> Hello {
    let address = &parts.config.address;
    let mut subscriptions =
        vec![address.receipt(), address.alarm_acts(), address.commands(), address.district_state()];
    subscriptions.extend(HomeAssistant::birth(&parts.config));
    let will = status(parts, GatewayState::Lost, Some("the connection broke"));
    Hello {
        client_id: address.gateway.to_string(),
        will: publish(&row("status"), address.status(), json(&will)),
        subscriptions,
        as_published: Some(address.commands()),
        in_flight: parts.config.uplink.in_flight,
        will_delay: parts.config.uplink.reporting.will_delay(),
        within: parts.config.uplink.reporting.connect_within(),
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// The row of the contract that a message belongs to.
fn row(name: &str) -> contract::Message {
    *contract::message(name).expect("the contract has a row for each message that we send")
}

/// A message as its row says.
fn publish(row: &contract::Message, topic: String, payload: Vec<u8>) -> Message {
    let expiry_s = match row.expiry {
        Expiry::Never => None,
        Expiry::Seconds(seconds) => Some(seconds),
    };
    let properties = vec![("schema".to_owned(), PAYLOAD_VERSION.to_string())];
    let (topic, payload) = (topic.into(), payload.into());
    let retain = row.retain;
    Message { topic, payload, retain, expiry_s, properties, correlation: None }
}

pub(super) fn status(parts: &Parts, state: GatewayState, reason: Option<&str>) -> Status {
    Status {
        state,
        session: parts.session,
        boot_id: parts.clock.boot().to_owned(),
        since: parts.clock.now().utc,
        reason: reason.map(str::to_owned),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_rev: parts.running.borrow().revision,
        config_hash: parts.config.hash().to_owned(),
        hb_s: Some(seconds(parts.config.uplink.heartbeat)),
        reporting_s: Some(seconds(parts.config.uplink.reporting.time())),
    }
}

/// The message of a control item, with what is true at this moment.
pub(super) fn message(parts: &Parts, control: &Control) -> Message {
    let address = &parts.config.address;
    let (name, topic, payload) = match control {
        Control::Discovery(Publication { topic, payload }) => {
            // Not of our contract, but of Home Assistant's.
            let (topic, payload) =
                (topic.clone().into(), payload.as_ref().map_or_else(Vec::new, json));
            let (payload, properties) = (payload.into(), Vec::new());
            let (retain, expiry_s, correlation) = (true, None, None);
            return Message { topic, payload, retain, expiry_s, properties, correlation };
        }
        Control::Result(answered) => return answered.message(),
        Control::Picture(picture) => {
            let topic = address.snapshot(&picture.camera);
            let mut message = publish(&row("snapshot"), topic, Vec::new());
            message.payload = picture.jpeg.clone();
            message.properties.push(("sha256".to_owned(), picture.sha256.clone()));
            let of = picture.of.map(|seq| ("seq".to_owned(), seq.to_string()));
            message.properties.extend(of);
            return message;
        }
        Control::Status(state) => ("status", address.status(), json(&status(parts, *state, None))),
        // Nothing there is an empty payload: the broker forgets it.
        Control::Gone(kind, id) => (*kind, address.state(kind, id), Vec::new()),
        Control::Thing(kind, id) => {
            let view = parts.board.view();
            let thing = view.place(kind, id).map(|place| &view.things[place]);
            // It may have gone while this waited for its turn.
            let payload = thing.map_or_else(Vec::new, |thing| {
                json(&RetainedState {
                    state: Cow::Borrowed(thing.state),
                    since: thing.since,
                    seq: thing.seq,
                    // Past it the gateway is lost: nothing that it said is to be believed longer.
                    valid_s: seconds(parts.config.uplink.reporting.time()),
                    flags: thing.flags.iter().map(|flag| (*flag).to_owned()).collect(),
                    session: parts.session,
                })
            });
            (*kind, address.state(kind, id), payload)
        }
        Control::Incident(id) => {
            let view = parts.board.view();
            let shown = view.incidents.get(id);
            let open = shown.and_then(|shown| Some((shown.incident.clone()?, shown.seq)));
            // Closed is an empty payload: the broker forgets it.
            let payload = open.map_or_else(Vec::new, |(incident, seq)| {
                json(&AlarmState { incident, seq, session: parts.session })
            });
            ("incident", address.state("alarm", id), payload)
        }
        Control::Description => {
            let revision = parts.running.borrow().revision;
            let key = parts.device_key.clone();
            let description = describe::description(&parts.config, parts.session, revision, key);
            ("description", address.description(), json(&description))
        }
    };
    publish(&row(name), topic, payload)
}

/// `period`: in which they come at present.
pub(super) fn heartbeat(
    parts: &Parts,
    cpu: &mut CpuShare,
    nonce: Option<String>,
    period: Duration,
) -> Message {
    let now = parts.clock.now();
    let stats = parts.journal.stats();
    let waiting = parts.journal.backlog().unwrap_or_default();
    let view = parts.board.view();
    let heads = *parts.heads.borrow();
    let beat = Heartbeat {
        session: parts.session,
        utc: now.utc,
        uptime_s: now.mono.since(parts.started).as_secs(),
        head: heads.alarm.max(heads.normal),
        host_upto: view.uplink.progress.host_upto,
        backlog: Backlog { alarm: waiting.alarm.unacked, normal: waiting.normal.unacked },
        oldest_unreceived_s: crate::health::oldest_age(&waiting, &now).as_secs(),
        clock: now.clock,
        err_ms: now.err_ms,
        cpu_permille: cpu.permille(now.mono),
        rss_kib: crate::health::resident_kib(),
        memory_free_kib: crate::health::memory_free_kib(),
        disk_free: crate::health::disk_free(&parts.config.state_dir),
        journal_written: stats.bytes_written.unwrap_or(0),
        flash_used_percent: parts.gauges.flash_used_percent(),
        temperatures: parts.gauges.temperatures(),
        power: parts.gauges.power(),
        degraded: view.degraded.iter().cloned().collect(),
        digest: view.digest(),
        hb_s: Some(seconds(period)),
        paths: view.uplink.paths.clone(),
        nonce,
    };
    publish(&row("heartbeat"), parts.config.address.heartbeat(), json(&beat))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the contract's types have only string keys")
}
