//! The AsyncAPI 3.0 document.

use serde_json::{Map, Value, json};

use super::super::{Expiry, MESSAGES, Message, Properties, Way};
use super::{reference, schema};
use crate::event::{Class, MAX_PAYLOAD, PAYLOAD_VERSION};
use crate::topic::ROOT;

/// What every reader of the contract must know, before the first message.
const DESCRIPTION: &str = "\
What a gateway of a residential community and its district's control room say to each other over \
MQTT. Every operation is seen from the gateway.

MQTT 5 is the default. Over MQTT 3.1.1 everything works as well, since every fact is in the payload: \
there are then no user properties, no content type and no expiry.

**Open.** A reader ignores fields that it does not know. Of an event whose `type` it does not know it \
goes by `class`, `qualifier` and `severity`; the types of today are listed in the schema `EventTypes`. \
A word for a state that it does not know is shown as it is.

**Order of a connection.** `status` says `starting`; every retained state; `description`; `status` says \
`online`; then the events that wait, the alarm lane (`panic`, `alarm`, `tamper`) first.

**Delivered** is an event when a `receipt` covers it, not before. Numbers (`seq`) have no holes; one that \
is missing is asked for by the receipt's `missing`, and what is gone for good is told by `system.gap`. \
An event may come more than once: its `id` tells.

**Unknown is not closed.** Past `valid_s` without a heartbeat or another sign, when `status` says `lost`, \
or while it says `starting`, a state counts as unknown, whatever was retained.

**Ids** are opaque: `^[a-z0-9-]{1,32}$`. No topic carries a name, an address or a card number.";

/// The document.
pub(super) fn document() -> Value {
    let (schemas, references) = schema::components();
    let channels = MESSAGES.iter().map(|message| (message.name.to_owned(), channel(message)));
    let operations = MESSAGES.iter().map(|it| (operation_name(it), operation(it)));
    let mut messages = Map::new();
    for (message, payload) in references {
        messages.insert(message.name.into(), self::message(message, &payload));
    }
    for message in MESSAGES {
        if let Some(meaning) = message.empty {
            messages.insert(gone_name(message), gone(message, meaning));
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Gatehouse: gateway and district",
            // The contract's own version, not the program's.
            "version": format!("{PAYLOAD_VERSION}.0.0"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels.collect::<Map<_, _>>(),
        "operations": operations.collect::<Map<_, _>>(),
        "components": {
            "messages": messages,
            "messageTraits": traits(),
            "parameters": parameters(),
            "schemas": schemas,
        },
    })
}

fn operation_name(message: &Message) -> String {
    let (first, rest) = message.name.split_at(1);
    let way = match message.way {
        Way::Up => "send",
        Way::Down => "receive",
    };
    format!("{way}{}{rest}", first.to_uppercase())
}

fn gone_name(message: &Message) -> String {
    format!("{}Gone", message.name)
}

/// The names of the messages of a channel.
fn names(message: &Message) -> Vec<String> {
    let gone = message.empty.map(|_| gone_name(message));
    std::iter::once(message.name.to_owned()).chain(gone).collect()
}

/// The parameters of a topic, in its order.
fn parameters_of(topic: &str) -> impl Iterator<Item = &str> {
    topic.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}'))
}

fn channel(message: &Message) -> Value {
    let messages = names(message)
        .into_iter()
        .map(|name| (name.clone(), reference(&format!("components/messages/{name}"))));
    let parameters = parameters_of(message.topic)
        .map(|name| (name.to_owned(), reference(&format!("components/parameters/{name}"))));
    json!({
        "address": format!("{ROOT}/{}", message.topic),
        "description": message.summary,
        "parameters": parameters.collect::<Map<_, _>>(),
        "messages": messages.collect::<Map<_, _>>(),
    })
}

fn operation(message: &Message) -> Value {
    let channel = format!("channels/{}", message.name);
    let messages: Vec<_> = names(message)
        .iter()
        .map(|name| reference(&format!("{channel}/messages/{name}")))
        .collect();
    let mut mqtt = Map::new();
    mqtt.insert("bindingVersion".into(), "0.2.0".into());
    mqtt.insert("qos".into(), message.qos.into());
    mqtt.insert("retain".into(), message.retain.into());
    if let Expiry::Seconds(seconds) = message.expiry {
        mqtt.insert("messageExpiryInterval".into(), seconds.into());
    }
    json!({
        "action": match message.way { Way::Up => "send", Way::Down => "receive" },
        "channel": reference(&channel),
        "summary": message.summary,
        "messages": messages,
        "bindings": { "mqtt": mqtt },
    })
}

fn message(message: &Message, payload: &Value) -> Value {
    let traits = match message.properties {
        Properties::None => Vec::new(),
        Properties::Schema => vec![reference("components/messageTraits/fromGateway")],
        Properties::Event => vec![reference("components/messageTraits/ofEvent")],
        Properties::Picture => vec![reference("components/messageTraits/ofPicture")],
    };
    json!({
        "name": message.name,
        "summary": message.summary,
        "contentType": content_type(message),
        "traits": traits,
        "payload": payload,
    })
}

const fn content_type(message: &Message) -> &'static str {
    match message.properties {
        Properties::Picture => "image/jpeg",
        _ => "application/json",
    }
}

/// An empty payload: nothing is there.
fn gone(message: &Message, meaning: &str) -> Value {
    json!({
        "name": gone_name(message),
        "summary": format!("An empty payload. {meaning}"),
        "contentType": "application/octet-stream",
        "payload": { "type": "string", "maxLength": 0 },
    })
}

fn traits() -> Value {
    let schema = json!({ "const": PAYLOAD_VERSION.to_string(), "description": "Of the payload." });
    let utf8 = json!({ "mqtt": { "bindingVersion": "0.2.0", "payloadFormatIndicator": 1 } });
    json!({
        "fromGateway": {
            "headers": {
                "type": "object",
                "description": "The user properties of MQTT 5.",
                "required": ["schema"],
                "properties": { "schema": schema },
            },
            "bindings": utf8,
        },
        "ofEvent": {
            "headers": {
                "type": "object",
                "description": "The user properties of MQTT 5: enough to sort an event unread.",
                "required": ["schema", "seq", "class"],
                "properties": {
                    "schema": schema,
                    "seq": {
                        "type": "string",
                        "pattern": "^[1-9][0-9]*$",
                        "description": "The same as in the payload.",
                    },
                    "class": { "enum": Class::ALL.map(Class::as_str) },
                },
            },
            "bindings": utf8,
            "description": format!("At most {MAX_PAYLOAD} bytes. Pictures are never inside."),
        },
        "ofPicture": {
            "headers": {
                "type": "object",
                "description": "The user properties of MQTT 5. Who has MQTT 3.1.1 finds the event by \
                                the SHA-256 of the bytes.",
                "required": ["schema", "sha256"],
                "properties": {
                    "schema": schema,
                    "seq": {
                        "type": "string",
                        "pattern": "^[1-9][0-9]*$",
                        "description": "Of the event that it is a picture of; without: somebody asked for it.",
                    },
                    "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                },
            },
        },
    })
}

fn parameters() -> Value {
    json!({
        "district": { "description": "The district, an id." },
        "site": { "description": "The residential community, an id." },
        "gateway": {
            "description": "The gateway, an id; also its MQTT client id and its certificate's \
                            common name.",
        },
        "class": {
            "description": "What kind of matter the event is.",
            "enum": Class::ALL.map(Class::as_str),
        },
        "id": { "description": "The thing or the incident, an id." },
        "camera": { "description": "The camera, an id." },
    })
}
