//! Every message of the MQTT contract but the event itself.

mod down;
mod up;

pub use down::{AlarmAct, AlarmOp, DistrictState, Nak, Receipt, Replay};
pub use up::{
    AlarmState, Backlog, Described, DescribedDoor, Description, DeviceKey, GatewayState, Heartbeat,
    PathState, RetainedState, Status,
};
