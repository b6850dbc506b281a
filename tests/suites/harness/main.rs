//! The harness is held to its word: a broken harness would make every other suite green.

mod adversary;
mod broker;
mod proxy;
mod tls;
