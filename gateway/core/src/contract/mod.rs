//! Every message of the MQTT contract but the event itself.

mod command;
mod down;
mod up;

pub use command::{
    Command, CommandResult, CommandStatus, HexError, MAX_COMMAND, Signature, SignatureBytes,
    bytes_of_hex,
};
pub use down::{AlarmAct, AlarmOp, DistrictState, Nak, Receipt, Replay};
pub use up::{
    AlarmState, Backlog, Described, DescribedDoor, Description, GatewayState, Heartbeat,
    RetainedState, Status,
};
