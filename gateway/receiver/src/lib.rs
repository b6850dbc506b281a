//! The control room's end of a district: commits events, sends receipts, finds gaps.
//!
//! ```text
//!  broker ──▶ link (one task: a fresh rumqttc event loop per connection)
//!               │  ▲
//!   slots, queue│  │ outbox: acknowledgements, receipts
//!               ▼  │
//!             desk (one thread: groups what is queued into one transaction) ──▶ SQLite or PostgreSQL
//! ```
//!
//! * A message is acknowledged to the broker only after its commit, in the order of arrival.
//! * An event counts once by (district, site, gateway, seq): the same bytes again are a duplicate;
//!   other bytes are a conflict, kept beside the first and refused with a nak.
//! * A receipt says up to which number nothing is missing, and asks for what is. Only receipts end
//!   a gateway's duty to deliver.
//! * Nobody waits without a bound: the queue holds 4,096 messages, the broker may send 2,048
//!   without an acknowledgement, and while the database takes no commits nothing is acknowledged.
//!
//! * Control rooms that know each other hand incidents over: see [`handover`].
//!
//! A file is for one receiver: a second is refused by a lock. On a PostgreSQL any number work side
//! by side: see `store::postgres`.
//!
//! ```no_run
//! use std::path::PathBuf;
//! use gatehouse_receiver::{Receiver, ReceiverConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ReceiverConfig::new(
//!     "mqtt://127.0.0.1:1883".parse()?,
//!     "d-1".parse()?,
//!     PathBuf::from("district.db"),
//! );
//! let receiver = Receiver::start(config).await?;
//! let mut events = receiver.subscribe();
//! let first = events.recv().await?;
//! println!("{} {} {}", first.address, first.seq, receiver.snapshot().received);
//! receiver.stop().await;
//! # Ok(())
//! # }
//! ```

mod approach;
pub mod bundle;
mod classes;
pub mod cli;
mod clock;
mod command;
mod config;
mod control;
mod correspondent;
mod desk;
pub mod gaps;
mod handle;
pub mod handover;
mod life;
mod link;
mod meter;
pub mod metrics;
mod operator;
mod outbox;
mod password;
mod pictures;
pub mod proof;
mod protection;
pub mod receipts;
mod responders;
mod retention;
mod signing;
mod snapshot;
mod states;
pub mod stats;
mod store;
mod storms;
pub mod wall;
mod wire;

pub use clock::{Clock, SystemClock};
pub use command::{CommandError, DONE_WITHIN, Prepared, USUAL_EXPIRY, Wanted};
pub use config::{
    BrokerAddress, BrokerAddressError, DEFAULT_HEARTBEAT_S, DEFAULT_PICTURES_MAX,
    DEFAULT_SESSION_EXPIRY_S, DEFAULT_WATCH_CAPACITY, Login, Protocol, ProtocolError,
    ReceiverConfig, Scheme, SecurityError,
};
pub use gatehouse_link::{ClientCertificate, Tls, TlsError};
pub use handle::{Ended, Handle, Receiver, StartError};
pub use life::{LOST_AFTER, Life, SUSPECT_AFTER};
pub use operator::{ActError, Operator, Place};
pub use password::PasswordError;
pub use responders::{Failing, Language, Roster, RosterError, Shown, ToldLine};
pub use retention::{Keep, Rule, RuleError};
pub use signing::{KeyError, SigningKey};
pub use snapshot::{
    Committed, GatewayView, IncidentView, LATEST_EVENTS, Link, Snapshot, ThingView,
};
pub use store::postgres::{Server, ServerError};
pub use store::{
    Audit, Basis, Cursor, Database, Filter, OpenError, Page, Search, Store, StoreError, Stored,
    When,
};
pub use storms::{StormRule, StormView};
