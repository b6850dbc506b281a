//! From a door to the district, with the real daemon, a real broker and the real receiver, while
//! everything between them breaks. Each test ends with the same question: does the district hold
//! every event of the journal, unchanged, in a chain without a hole?

mod adversary;
mod commands;
mod diag;
mod doctor;
mod metrics;
mod outage;
mod outputs;
mod paths;
mod patrol;
mod protection;
mod sandbox;
mod scene;
mod secured;
mod smoke;
