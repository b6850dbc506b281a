//! The gateway daemon: reads the wires, applies the rules, records, delivers.
//!
//! This crate is the tasks around the pure parts: `gatehouse-core` decides, `gatehouse-journal`
//! remembers, `gatehouse-drivers` reads devices; here are the clocks, the Linux devices, the
//! broker's connection, the supervisor that owns every task, and the command line.
//!
//! A start, in order: configuration whole or refused, [`sandbox`], journal open (session counted, durable),
//! doors recalled, rules running, `system.started` on flash, `READY=1`; then units and uplink. A
//! stop, in order: units, rules drained, uplink's grace, journal closed.

pub mod backup;
pub mod board;
pub mod checkpoints;
pub mod cli;
pub mod clock;
pub mod clock_watch;
pub mod commands;
pub mod control;
pub mod credentials;
pub mod device_key;
pub mod diag;
pub mod doctor;
pub mod eyes;
pub mod gauges;
pub mod hands;
pub mod health;
pub mod io;
pub mod lenses;
pub mod metrics;
pub mod reload;
pub mod replay;
pub mod rules;
pub mod run;
mod s3;
pub mod sandbox;
pub mod secret;
pub mod supervise;
pub mod transaction;
pub mod unit;
pub mod uplink;
pub mod web;
