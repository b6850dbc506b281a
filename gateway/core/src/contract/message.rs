//! The contract as a table: each kind of message with its topic, way, quality and payload.
//!
//! One row a message. The document, the schemas, the command `gatehouse contract` and the check by
//! an independent client all come from here: another message is one more row.

use std::borrow::Cow;

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::json;

use super::{
    AlarmAct, AlarmState, Command, CommandResult, Description, DistrictState, Heartbeat, Receipt,
    Status, Told, catalogue, state,
};
use crate::event::Event;

/// Which way a message goes, seen from the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The gateway sends it.
    Up,
    /// The gateway receives it.
    Down,
}

/// How long a broker may hold a message for who is not there: MQTT 5, 3.3.2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// As long as it takes: what must not be lost.
    Never,
    /// At most so many seconds.
    Seconds(u32),
}

/// What the user properties of a message carry (MQTT 5 only: 3.1.1 has none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Properties {
    /// None.
    None,
    /// `schema`.
    Schema,
    /// `seq`, `class` and `schema`: an event can be sorted without a look into it.
    Event,
    /// `seq`, `sha256` and `schema`: which event a picture is of (none: somebody asked
    /// for it), and which picture it is.
    Picture,
}

/// One kind of message: a row of the contract.
#[derive(Clone, Copy)]
pub struct Message {
    /// Its name; also its channel's, and that of its schema's file.
    pub name: &'static str,
    /// Its topic below [`ROOT`](crate::topic::ROOT), with parameters in braces.
    pub topic: &'static str,
    /// Which way it goes.
    pub way: Way,
    /// Its quality of service; 0 or 1.
    pub qos: u8,
    /// Whether the broker keeps it for who subscribes later.
    pub retain: bool,
    /// What an empty payload means, where there may be one.
    pub empty: Option<&'static str>,
    /// How long a broker may hold it.
    pub expiry: Expiry,
    /// Its user properties.
    pub properties: Properties,
    /// What it is, in a sentence.
    pub summary: &'static str,
    /// The schema of its payload.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// Heartbeats and what else is worth nothing when it is old.
const SOON: Expiry = Expiry::Seconds(300);

/// A retained state that was not said again for so long is of a box that is gone: the broker forgets
/// it. A box says each of its states again well before ([`SAY_AGAIN_S`]).
const STATES: Expiry = Expiry::Seconds(24 * 3600);

/// A retained state is said again after so many seconds at the latest, whether or not it changed.
pub const SAY_AGAIN_S: u32 = 8 * 3600;

const GATEWAY: Message = Message {
    name: "",
    topic: "",
    way: Way::Up,
    qos: 1,
    retain: false,
    empty: None,
    expiry: Expiry::Never,
    properties: Properties::Schema,
    summary: "",
    schema: of::<()>,
};

const STATE: Message = Message {
    retain: true,
    empty: Some("The configuration has it no more."),
    expiry: STATES,
    ..GATEWAY
};

/// Nobody owes the gateway user properties.
const ROOM: Message = Message { way: Way::Down, properties: Properties::None, ..GATEWAY };

/// Every kind of message, in the order of a connection.
pub const MESSAGES: &[Message] = &[
    Message {
        name: "status",
        topic: "{district}/{site}/{gateway}/status",
        retain: true,
        summary: "The life of the gateway. The will is the same with `lost` and the same `session`.",
        schema: of::<Status>,
        ..GATEWAY
    },
    Message {
        name: "description",
        topic: "{district}/{site}/{gateway}/desc",
        retain: true,
        summary: "What this gateway has. Another one comes with each start and each reload.",
        schema: of::<Description>,
        ..GATEWAY
    },
    Message {
        name: "heartbeat",
        topic: "{district}/{site}/{gateway}/hb",
        qos: 0,
        expiry: SOON,
        summary: "One for the whole gateway, at the period that the control room asks for.",
        schema: of::<Heartbeat>,
        ..GATEWAY
    },
    Message {
        name: "event",
        topic: "{district}/{site}/{gateway}/ev/{class}",
        properties: Properties::Event,
        summary: "What happened. Each is sent until a receipt covers it.",
        schema: event,
        ..GATEWAY
    },
    Message {
        name: "door",
        topic: "{district}/{site}/{gateway}/door/{id}",
        summary: "The present state of a door.",
        schema: state::of::<state::Door>,
        ..STATE
    },
    Message {
        name: "zone",
        topic: "{district}/{site}/{gateway}/zone/{id}",
        summary: "The present state of a zone. A silent panic button always says `normal`.",
        schema: state::of::<state::Zone>,
        ..STATE
    },
    Message {
        name: "partition",
        topic: "{district}/{site}/{gateway}/partition/{id}",
        summary: "The present state of a partition.",
        schema: state::of::<state::Partition>,
        ..STATE
    },
    Message {
        name: "reader",
        topic: "{district}/{site}/{gateway}/reader/{id}",
        summary: "The present state of a card reader.",
        schema: state::of::<state::Reader>,
        ..STATE
    },
    Message {
        name: "output",
        topic: "{district}/{site}/{gateway}/output/{id}",
        summary: "The present state of an output.",
        schema: state::of::<state::Output>,
        ..STATE
    },
    Message {
        name: "camera",
        topic: "{district}/{site}/{gateway}/camera/{id}",
        summary: "The present state of a camera.",
        schema: state::of::<state::Camera>,
        ..STATE
    },
    Message {
        name: "snapshot",
        topic: "{district}/{site}/{gateway}/snap/{camera}",
        expiry: Expiry::Seconds(3600),
        properties: Properties::Picture,
        summary: "One picture of a camera, its masks painted in, of at most 256 KiB. An event \
                  `camera.snapshot` has its SHA-256, also when the picture itself is lost.",
        schema: jpeg,
        ..GATEWAY
    },
    Message {
        name: "incident",
        topic: "{district}/{site}/{gateway}/alarm/{id}",
        retain: true,
        empty: Some("It is closed."),
        summary: "An open incident.",
        schema: of::<AlarmState>,
        ..GATEWAY
    },
    Message {
        name: "receipt",
        topic: "{district}/{site}/{gateway}/receipt",
        summary: "What the control room has committed. Only this ends the duty to deliver.",
        schema: of::<Receipt>,
        ..ROOM
    },
    Message {
        name: "alarmAct",
        topic: "{district}/{site}/{gateway}/alarm/{id}/op",
        summary: "What an operator does about an incident. A retained one is refused.",
        schema: of::<AlarmAct>,
        ..ROOM
    },
    Message {
        name: "command",
        topic: "{district}/{site}/{gateway}/cmd/{id}",
        summary: "What the district wants done. Any id is used once; a retained one is refused.",
        schema: of::<Command>,
        ..ROOM
    },
    Message {
        name: "commandResult",
        topic: "{district}/{site}/{gateway}/cmd/{id}/res",
        summary: "What came of a command, with the number of its event. Sent until a broker has it.",
        schema: of::<CommandResult>,
        ..GATEWAY
    },
    Message {
        name: "districtState",
        topic: "{district}/_dc/state",
        retain: true,
        summary: "The control room itself, with its own will. Broker up is not control room up.",
        schema: of::<DistrictState>,
        ..ROOM
    },
    Message {
        name: "told",
        topic: "{district}/_dc/told",
        expiry: Expiry::Seconds(3600),
        summary: "A responder was told of an incident, or could not be. For who watches the control \
                  room; gateways need not listen.",
        schema: of::<Told>,
        ..ROOM
    },
];

/// The message of this name.
pub fn message(name: &str) -> Option<&'static Message> {
    MESSAGES.iter().find(|message| message.name == name)
}

/// The envelope, and what holds for the types of today; a type that is not among them is no mistake.
fn event(schemas: &mut SchemaGenerator) -> Schema {
    let envelope = schemas.subschema_for::<Event>();
    let types = schemas.subschema_for::<EventTypes>();
    json_schema!({ "allOf": [envelope, types] })
}

/// The largest picture, in bytes.
pub const MAX_SNAPSHOT: usize = 256 * 1024;

/// The one payload that is no JSON.
fn jpeg(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "contentMediaType": "image/jpeg",
        "contentEncoding": "binary",
        "maxLength": MAX_SNAPSHOT,
        "description": "The bytes of a JPEG image.",
    })
}

/// What the types of event of [`catalogue`] carry.
struct EventTypes;

impl JsonSchema for EventTypes {
    fn schema_name() -> Cow<'static, str> {
        "EventTypes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |known: &catalogue::EventType| {
            json!({
                "if": { "properties": { "type": { "const": known.name } }, "required": ["type"] },
                "then": known.schema(),
            })
        };
        let types = catalogue::all().iter().map(one);
        let all: Vec<_> = std::iter::once(catalogue::common()).chain(types).collect();
        json_schema!({
            "description": "What each type of event carries. An open set: a type that is not here \
                            is of a newer gateway.",
            "allOf": all,
        })
    }
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}
