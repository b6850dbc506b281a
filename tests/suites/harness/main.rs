//! The harness is held to its word: a broken harness would make every other suite green.

mod adversary;
mod broker;
mod district;
mod proxy;
mod tls;
