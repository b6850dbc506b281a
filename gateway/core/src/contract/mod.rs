//! Every message of the MQTT contract but the event itself.

mod down;
mod up;

pub use down::{DistrictState, Nak, Receipt, Replay};
pub use up::{Backlog, DescribedDoor, Description, GatewayState, Heartbeat, RetainedState, Status};
