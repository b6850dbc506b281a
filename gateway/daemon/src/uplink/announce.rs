//! What the gateway says of itself on a connection, besides events.

use std::borrow::Cow;
use std::time::Duration;

use gatehouse_core::contract::{
    AlarmState, Backlog, Described, DescribedDoor, Description, GatewayState, Heartbeat,
    RetainedState, Status,
};
use gatehouse_core::event::MAX_PAYLOAD;
use gatehouse_core::id::Id;
use gatehouse_core::site::EVENT_TYPES;
use serde::Serialize;

use super::Parts;
use super::link::{Hello, Message};

/// A publish with QoS 1 that is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Status(GatewayState),
    /// A door, a zone or a partition, by its kind and id.
    Thing(&'static str, Id),
    /// One that the configuration has no more.
    Gone(&'static str, Id),
    Incident(Id),
    Description,
}

pub(super) fn hello(parts: &Parts) -> Hello {
    let address = &parts.config.address;
    let will = status(parts, GatewayState::Lost, Some("the connection broke"));
    Hello {
        client_id: address.gateway.to_string(),
        will: (address.status(), json(&will)),
        subscriptions: vec![address.receipt(), address.alarm_acts(), address.district_state()],
        in_flight: parts.config.uplink.in_flight,
        will_delay: parts.config.uplink.reporting.will_delay(),
        within: parts.config.uplink.reporting.connect_within(),
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

pub(super) fn status(parts: &Parts, state: GatewayState, reason: Option<&str>) -> Status {
    Status {
        state,
        session: parts.session,
        boot_id: parts.clock.boot().to_owned(),
        since: parts.clock.now().utc,
        reason: reason.map(str::to_owned),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: parts.config.hash().to_owned(),
        hb_s: Some(seconds(parts.config.uplink.heartbeat)),
        reporting_s: Some(seconds(parts.config.uplink.reporting.time())),
    }
}

/// The message of a control item, with what is true at this moment.
pub(super) fn message(parts: &Parts, control: &Control) -> Message {
    let address = &parts.config.address;
    let (topic, payload) = match control {
        Control::Status(state) => (address.status(), json(&status(parts, *state, None))),
        // Nothing there is an empty payload: the broker forgets it.
        Control::Gone(kind, id) => (address.state(kind, id), Vec::new()),
        Control::Thing(kind, id) => {
            let view = parts.board.view();
            let thing = view.place(kind, id).map(|place| &view.things[place]);
            let Some(thing) = thing else {
                // It has gone while this waited for its turn.
                return retained(address.state(kind, id), Vec::new());
            };
            let state = RetainedState {
                state: Cow::Borrowed(thing.state),
                since: thing.since,
                seq: thing.seq,
                // Past it the gateway is lost: nothing that it said is to be believed longer.
                valid_s: seconds(parts.config.uplink.reporting.time()),
                flags: thing.flags.iter().map(|flag| (*flag).to_owned()).collect(),
                session: parts.session,
            };
            (address.state(thing.thing.kind(), &thing.id), json(&state))
        }
        Control::Incident(id) => {
            let view = parts.board.view();
            let shown = view.incidents.get(id);
            let open = shown.and_then(|shown| Some((shown.incident.clone()?, shown.seq)));
            // Closed is an empty payload: the broker forgets it.
            let payload = open.map_or_else(Vec::new, |(incident, seq)| {
                json(&AlarmState { incident, seq, session: parts.session })
            });
            (address.state("alarm", id), payload)
        }
        Control::Description => {
            let doors = parts.config.doors.iter().map(|door| DescribedDoor {
                id: door.id.clone(),
                held_open_s: door.held_open.and_then(|limit| u32::try_from(limit.as_secs()).ok()),
            });
            let view = parts.board.view();
            let described =
                |kind| view.of_kind(kind).map(|view| Described { id: view.id.clone() }).collect();
            let description = Description {
                session: parts.session,
                revision: parts.running.borrow().revision,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                doors: doors.collect(),
                zones: described("zone"),
                partitions: described("partition"),
                outputs: described("output"),
                readers: described("reader"),
                event_types: EVENT_TYPES.iter().map(|kind| Cow::Borrowed(*kind)).collect(),
                max_payload: u32::try_from(MAX_PAYLOAD).unwrap_or(u32::MAX),
                device_key: parts.device_key.clone(),
            };
            (address.description(), json(&description))
        }
    };
    retained(topic, payload)
}

fn retained(topic: String, payload: Vec<u8>) -> Message {
    Message { topic: topic.into(), payload: payload.into(), retain: true, properties: Vec::new() }
}

/// `period`: in which they come at present.
pub(super) fn heartbeat(parts: &Parts, period: Duration) -> Vec<u8> {
    let now = parts.clock.now();
    let stats = parts.journal.stats();
    let waiting = parts.journal.backlog().unwrap_or_default();
    let view = parts.board.view();
    let heads = *parts.heads.borrow();
    json(&Heartbeat {
        session: parts.session,
        utc: now.utc,
        uptime_s: now.mono.since(parts.started).as_secs(),
        head: heads.alarm.max(heads.normal),
        host_upto: view.uplink.progress.host_upto,
        backlog: Backlog { alarm: waiting.alarm.unacked, normal: waiting.normal.unacked },
        oldest_unreceived_s: crate::health::oldest_age(&waiting, &now).as_secs(),
        clock: now.clock,
        err_ms: now.err_ms,
        rss_kib: crate::health::resident_kib(),
        disk_free: crate::health::disk_free(&parts.config.state_dir),
        journal_written: stats.bytes_written.unwrap_or(0),
        degraded: view.degraded.iter().cloned().collect(),
        digest: view.digest(),
        hb_s: Some(seconds(period)),
        paths: view.uplink.paths.clone(),
    })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the contract's types have only string keys")
}
