//! The rules of the gateway as pure functions.
//!
//! Nothing here opens a file or a socket, spawns a task or reads a clock: time comes in as a
//! parameter with a quality ([`time::Now`]), and what is to be done comes out as a value
//! ([`site::Effect`], [`uplink::Action`]). So every rule can be property-tested, and a proposed
//! configuration can be replayed over a journal before it is applied.
//!
//! ```
//! use gatehouse_core::id::Id;
//! let door: Id = "lobby-main".parse()?;
//! assert!("Lobby main".parse::<Id>().is_err());
//! # Ok::<(), gatehouse_core::id::IdError>(())
//! ```

pub mod archive;
pub mod backoff;
pub mod checkpoint;
pub mod codes;
pub mod commands;
pub mod contract;
pub mod credential;
pub mod event;
pub mod id;
pub mod sealed;
pub mod site;
pub mod time;
pub mod topic;
pub mod uplink;
pub mod wall;
