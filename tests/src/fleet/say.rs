//! What a virtual gateway says of itself: the contract's own types, with two doors and an area.

use gatehouse_core::contract::{
    Backlog, DescribedDoor, DescribedMode, DescribedPartition, DescribedZone, Description,
    GatewayState, Heartbeat, Limits, RetainedState, Status,
};
use gatehouse_core::event::MAX_PAYLOAD;
use gatehouse_core::id::Seq;
use gatehouse_core::site::{Mode, ZoneKind};
use gatehouse_core::time::{ClockState, UtcMs};
use gatehouse_core::topic::Address;
use gatehouse_core::uplink::Progress;
use serde::Serialize;

use super::book::Book;

/// The period of heartbeats, of the default failure reporting profile.
pub(super) const HEARTBEAT_S: u32 = 25;

/// A publish with QoS 1 that is no event.
#[derive(Clone, Debug)]
pub(super) enum Control {
    Status(GatewayState),
    Thing(&'static str, &'static str, &'static str),
    Description,
}

/// The order of a connection, as the contract has it.
pub(super) const ARRIVAL: [Control; 6] = [
    Control::Status(GatewayState::Starting),
    Control::Thing("door", "entrance", "closed"),
    Control::Thing("zone", "hall", "normal"),
    Control::Thing("partition", "lobby", "away"),
    Control::Description,
    Control::Status(GatewayState::Online),
];

pub(super) fn subscriptions(address: &Address) -> [String; 4] {
    [address.receipt(), address.alarm_acts(), address.commands(), address.district_state()]
}

pub(super) fn status(session: u64, state: GatewayState, since: UtcMs) -> Vec<u8> {
    json(&Status {
        state,
        session,
        boot_id: "5e1c2f3a-0000-4000-8000-000000000000".to_owned(),
        since,
        reason: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_rev: 1,
        config_hash: "00112233445566aa".to_owned(),
        hb_s: Some(HEARTBEAT_S),
        reporting_s: Some(90),
    })
}

pub(super) fn message(
    address: &Address,
    control: &Control,
    session: u64,
    now: UtcMs,
) -> (String, Vec<u8>) {
    match control {
        Control::Status(state) => (address.status(), status(session, *state, now)),
        Control::Thing(kind, id, state) => {
            let state = RetainedState {
                state: (*state).into(),
                since: now,
                seq: Seq::ZERO,
                valid_s: 90,
                flags: Vec::new(),
                session,
            };
            (format!("{address}/{kind}/{id}"), json(&state))
        }
        Control::Description => {
            let id = |id: &str| id.parse().expect("an id");
            let description = Description {
                cameras: Vec::new(),
                session,
                revision: 1,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                doors: vec![DescribedDoor {
                    id: id("entrance"),
                    partition: Some(id("lobby")),
                    held_open_s: Some(60),
                    propped_s: Some(600),
                    release: false,
                }],
                zones: vec![DescribedZone {
                    id: id("hall"),
                    kind: ZoneKind::Instant,
                    partition: Some(id("lobby")),
                    bypassable: true,
                    soak: false,
                }],
                partitions: vec![DescribedPartition {
                    id: id("lobby"),
                    modes: vec![DescribedMode { mode: Mode::Away, exit_s: 30, entry_s: 30 }],
                    common_to: Vec::new(),
                }],
                outputs: Vec::new(),
                readers: Vec::new(),
                event_types: vec!["door.opened".into(), "door.closed".into(), "zone.alarm".into()],
                limits: Limits {
                    payload_bytes: u32::try_from(MAX_PAYLOAD).unwrap_or(u32::MAX),
                    in_flight: 64,
                    heartbeat_s: HEARTBEAT_S,
                    say_again_s: 43_200,
                },
                device_key: None,
            };
            (address.description(), json(&description))
        }
    }
}

pub(super) fn heartbeat(
    session: u64,
    utc: UtcMs,
    uptime_s: u64,
    book: &Book,
    progress: Progress,
) -> Vec<u8> {
    json(&Heartbeat {
        session,
        utc,
        uptime_s,
        head: book.head(),
        host_upto: progress.host_upto,
        backlog: Backlog { alarm: 0, normal: book.waiting() as u64 },
        oldest_unreceived_s: 0,
        clock: ClockState::Synced,
        err_ms: Some(12),
        cpu_permille: Some(3),
        rss_kib: 9_000,
        memory_free_kib: 400_000,
        disk_free: 1 << 30,
        journal_written: 1 << 20,
        flash_used_percent: Some(10),
        temperatures: Vec::new(),
        power: Vec::new(),
        degraded: Vec::new(),
        digest: "0011223344556677".to_owned(),
        hb_s: Some(HEARTBEAT_S),
        paths: Vec::new(),
        nonce: Some(format!("{:032x}", fastrand::u128(..))),
    })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the contract's types have only string keys")
}
