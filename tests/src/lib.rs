//! The harness: real parts, started one set per test, and ways to break them.
//!
//! | part | what it is |
//! |---|---|
//! | [`Broker`] | a real mosquitto on its own port and folder; killed, stopped, restarted, wiped |
//! | [`Cluster`] | three nodes of NATS, from the shipped configuration; any of them killed |
//! | [`Postgres`] | a real PostgreSQL on its own port and folder; killed, restarted |
//! | [`store::ObjectStore`] | a real S3 server, rclone, on its own port and folder; killed, restarted |
//! | [`Proxy`] | a TCP fault proxy: stalls, black holes, resets, cuts after N bytes or packets |
//! | [`AdversarialBroker`] | a scripted MQTT broker that lies, delays, refuses and forgets |
//! | [`World`] | the wiring of a simulated box: doors that open whether or not the box runs |
//! | [`Gateway`] | the real `gatehouse run`, with its configuration, journal and exit code |
//! | [`District`] | the real receiver |
//! | [`Client`] | an MQTT client that sees every reason code and acknowledges only when told |
//! | [`Subscriber`] | records every PUBLISH with its time of arrival on `CLOCK_BOOTTIME` |
//!
//! Nothing here sleeps to let something happen. A test waits for a fact with a limit
//! ([`Record::wait_for`], [`wait::until`]), and a limit that passes says what was missing.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use gatehouse_tests::{Broker, BrokerOptions, Fault, Proxy};
//!
//! let broker = Broker::start(BrokerOptions::default()).await?;
//! let proxy = Proxy::start(broker.address()).await?;
//! proxy.set(Fault::Swallow); // a cable that was cut: nobody is told
//! # Ok(()) }
//! ```
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a harness: every error ends the test, and says itself what it is"
)]

pub mod adversary;
pub mod broker;
pub mod browser;
pub mod client;
pub mod cluster;
pub mod endure;
pub mod fleet;
pub mod gateway;
pub mod mqtt;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod record;
pub mod room;
pub mod store;
pub mod subscriber;
pub mod tls;
pub mod uml;
pub mod wait;
pub mod world;

pub use adversary::{AdversarialBroker, Behaviour};
pub use broker::{Broker, BrokerOptions};
pub use browser::{Browser, Tab};
pub use client::{Client, ClientOptions};
pub use cluster::Cluster;
pub use gateway::{Gateway, GatewayOptions};
pub use postgres::Postgres;
pub use proxy::{Fault, Proxy};
pub use receiver::District;
pub use record::Record;
pub use room::Room;
pub use subscriber::Subscriber;
pub use tls::Certificates;
pub use world::World;

use gatehouse_core::event::Event;

/// Whether a door has moved: what an edge leaves in the record. (A `door.found` is no move.)
pub fn is_move(event: &Event) -> bool {
    matches!(&*event.draft.kind, "door.opened" | "door.closed")
}
