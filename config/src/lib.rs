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
//! Limits: a file has at most [`MAX_BYTES`], [`MAX_DOORS`] doors, [`MAX_ZONES`] zones in
//! [`MAX_PARTITIONS`] partitions, [`MAX_CHIPS`] chips on [`MAX_BUSES`] buses, and [`MAX_BROKERS`] brokers. No secret stands in the file; see
//! [`PasswordSource`]. Nothing here ends the process or prints.
//!
//! A table has a file in `keys` that declares it, and one in `assemble` that reads it and checks what
//! must fit together; tables that name each other's ids do so by `assemble::named`.
//!
//! ```
//! use gatehouse_config::Config;
//!
//! let mistakes = Config::parse("[gateway]\nid = \"Lobby\"\n", "gateway.toml").unwrap_err();
//! assert_eq!(mistakes.len(), 4); // the id; no district, no site, no broker
//! assert!(mistakes.to_string().contains("hint: write id = \"lobby\""));
//! ```

mod access;
mod assemble;
mod camera;
pub mod change;
mod clock;
mod commands;
mod config;
mod credentials;
mod devices;
mod door;
pub mod edit;
mod feed;
mod files;
mod finding;
mod hint;
mod keys;
mod kind;
mod list;
mod man;
mod network;
mod output;
mod page;
mod parse;
mod patrol;
mod protection;
mod reader;
mod schema;
mod secret;
mod shown;
mod spec;
mod store;
mod time_zone;
mod when;
mod wiring;

pub use access::{Access, Area, CardReader, Direction, ReaderWires, Rs485};
pub use assemble::hash as config_hash;
pub use camera::{
    Camera, CameraArea, CameraRule, CameraSource, CameraUrl, Events, Evidence, PictureSize, Scheme,
    Shape, ShapeError, Transport, Watch,
};
pub use commands::{CommandKey, Commands};
pub use config::{
    Alarm, Config, HomeAssistant, JournalConfig, Log, LogFormat, LogLevel, Sim, Uplink,
};
pub use credentials::{CredentialEntry, Credentials};
pub use devices::{Bus, BusChip, ChipKind, Device, Loop, LoopSupply, Measures, Power};
pub use door::{Door, Rex};
pub use edit::{EditError, NewCredential};
pub use feed::{CameraContact, Feed};
pub use files::{MAX_BYTES, socket_of};
pub use finding::{ConfigErrors, Warnings};
pub use man::{credentials_man_page, man_page};
pub use network::{Broker, ClientCertificate, Look, Protocol, Tls};
pub use output::{Challenge, Output};
pub use page::{Metrics, Page};
pub use patrol::{Checkpoint, HelpPoint, Round};
pub use protection::{KeySwitch, Partition, Zone};
pub use secret::{PasswordSource, Secret, SecretError};
pub use shown::{for_others, without_secrets};
pub use store::{Endpoint, Store, StoreOf};
pub use wiring::{Bias, Chip, Contact, Drive, Level, Line, WiredInput};

/// The most doors of one gateway: what one box serves.
pub const MAX_DOORS: usize = 64;

/// The most wired zones of one gateway, beside its doors: four expanders of 16 lines.
pub const MAX_ZONES: usize = 64;

/// The most buses: each has a thread.
pub const MAX_BUSES: usize = 8;

/// The most chips on them.
pub const MAX_CHIPS: usize = 32;

/// The most partitions: more than one for each zone would leave some without any.
pub const MAX_PARTITIONS: usize = MAX_ZONES;

/// The most groups of zones that must agree: each has two zones at least.
pub const MAX_CROSS_ZONES: usize = MAX_ZONES / 2;

/// The most schedules: one for each partition, or two for half of them.
pub const MAX_SCHEDULES: usize = MAX_PARTITIONS;

/// The most holidays: the public and school holidays of some years.
pub const MAX_HOLIDAYS: usize = 128;

/// The most key switches: a site that has more has readers.
pub const MAX_KEY_SWITCHES: usize = 16;

/// The most areas: no more than doors lead to.
pub const MAX_AREAS: usize = MAX_DOORS;

/// The most RS-485 buses: what one box has ports for.
pub const MAX_RS485: usize = 4;

/// The most readers on one RS-485 bus: more would each be asked too seldom at the slow speeds.
pub const MAX_ON_BUS: usize = 8;

/// The most readers of one gateway, over all wires.
pub const MAX_READERS: usize = 16;

/// The most credentials: a large community with visitors' cards.
pub const MAX_CREDENTIALS: usize = 4096;
/// The most cameras: what one box watches.
pub const MAX_CAMERAS: usize = 32;

/// The most areas of one camera.
pub const MAX_CAMERA_AREAS: usize = 16;

/// The most masks of one camera.
pub const MAX_MASKS: usize = 16;

/// The most outputs: two relay boards of 16.
pub const MAX_OUTPUTS: usize = 32;

/// The most roles of the district's operators.
pub const MAX_COMMAND_ROLES: usize = 16;

/// The most keys that commands are signed with: one for each operator of a control room.
pub const MAX_COMMAND_KEYS: usize = 64;

/// The most help points, beside zones.
pub const MAX_HELP_POINTS: usize = 32;

/// The most lists of responders.
pub const MAX_RESPONDERS: usize = 16;

/// The most checkpoints of patrol rounds.
pub const MAX_CHECKPOINTS: usize = 64;

/// The most patrol rounds.
pub const MAX_ROUNDS: usize = 32;

/// The most brokers to choose from. More would make the round through dead ones longer than the
/// patience of a control room.
pub const MAX_BROKERS: usize = 8;
