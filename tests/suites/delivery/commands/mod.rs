//! Commands of the district: a real broker, the real daemon and the real receiver.

mod carried_out;
mod refused;
mod room;
