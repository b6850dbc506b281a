//! Every message of the MQTT contract but the event itself, and the contract as a whole.
//!
//! [`MESSAGES`] has a row for each kind of message; [`catalogue`] one for each type of event. The
//! published files, `deploy/contract`, are made from both by [`document`].

pub mod catalogue;
mod command;
mod description;
pub mod document;
mod down;
mod message;
mod state;
mod up;

pub use command::{
    Command, CommandResult, CommandStatus, HexError, MAX_COMMAND, Signature, SignatureBytes,
    bytes_of_hex,
};
pub use description::{
    DescribedCamera, DescribedDoor, DescribedMode, DescribedOutput, DescribedPartition,
    DescribedReader, DescribedZone, Description, DeviceKey, Limits,
};
pub use down::{AlarmAct, AlarmOp, DistrictState, Nak, Receipt, Replay, Told};
pub use message::{Expiry, MAX_SNAPSHOT, MESSAGES, Message, Properties, SAY_AGAIN_S, Way, message};
pub use up::{
    AlarmState, Backlog, GatewayState, Heartbeat, PathState, Power, PowerKind, RetainedState,
    Status, Temperature,
};
