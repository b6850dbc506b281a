//! The gateway's configuration: one TOML file, parsed whole or refused with every mistake at once.
//!
//! [`Config::load`] gives checked domain types: a [`Door`] whose debounce is out of range, or two
//! doors on one line, cannot be had. What is wrong with a file comes as one [`ConfigErrors`], each
//! mistake with file, line, column, key, value, what is allowed, and a `hint:`. What is allowed
//! but unwise comes as [`Config::warnings`].
//!
//! Every key is declared once, in `keys`: its words, range, default and meaning. The reader, the
//! JSON Schema for editors ([`Config::schema`]) and the manual page ([`man_page`]) all come from
//! that declaration, so they cannot disagree; tests hold the commented `gateway.toml` to it.
//!
//! Limits: a file has at most [`MAX_BYTES`], [`MAX_DOORS`] doors and [`MAX_BROKERS`] brokers. No
//! secret stands in the file; see [`PasswordSource`]. Nothing here ends the process or prints.
//!
//! ```
//! use gatehouse_config::Config;
//!
//! let mistakes = Config::parse("[gateway]\nid = \"Lobby\"\n", "gateway.toml").unwrap_err();
//! assert_eq!(mistakes.len(), 4); // the id; no district, no site, no broker
//! assert!(mistakes.to_string().contains("hint: write id = \"lobby\""));
//! ```

mod assemble;
mod config;
mod door;
mod files;
mod finding;
mod hint;
mod keys;
mod kind;
mod man;
mod network;
mod parse;
mod reader;
mod schema;
mod secret;
mod shown;
mod spec;
mod wiring;

pub use config::{Config, JournalConfig, Log, LogFormat, LogLevel, Sim, Uplink};
pub use door::Door;
pub use files::MAX_BYTES;
pub use finding::{ConfigErrors, Warnings};
pub use man::man_page;
pub use network::{Broker, ClientCertificate, Protocol, Tls};
pub use secret::{PasswordSource, Secret, SecretError};
pub use wiring::{Bias, Chip, Contact, Line};

/// The most doors of one gateway: the wired zones that one box serves.
pub const MAX_DOORS: usize = 64;

/// The most brokers to choose from. More would make the round through dead ones longer than the
/// patience of a control room.
pub const MAX_BROKERS: usize = 8;
