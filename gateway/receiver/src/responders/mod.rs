//! Responders on duty are told.
//!
//! ```text
//!  desk's transaction: event + call ──▶ database ──▶ teller (one of the receivers, by a lease)
//!                                          ▲            │ machine: who is told what when
//!                              outcomes ───┘            ▼
//!                        wall, log, metrics, MQTT    webhook, e-mail, ntfy, Home Assistant
//! ```
//!
//! * A call is stored in the transaction of its event ([`call`]): a receiver that is killed after it
//!   tells after its restart, or another one does that shares the database.
//! * One receiver tells: whoever holds the district's lease (`store::calls`). What came of an
//!   attempt is recorded before anything else follows from it ([`machine`]).
//! * Told at least once. Every attempt to tell one member in one round carries the same key.
//! * What is told ([`words`]): site, place, time, type, incident. Nothing of a person, no picture.

mod books;
mod call;
mod file;
mod machine;
mod publish;
mod send;
mod shown;
mod teller;
mod words;

pub(crate) use books::Books;
pub(crate) use call::{Call, Called, End, Word, word};
pub use file::{Language, Roster, RosterError};
pub(crate) use file::{WAYS, shown as in_words};
pub(crate) use machine::Outcome;
pub(crate) use send::tell;
pub use shown::{Failing, Shown, ToldLine};
pub(crate) use teller::Teller;
pub(crate) use words::test as test_message;
