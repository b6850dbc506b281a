//! The words of the retained states, by the kind of thing.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema, json_schema};

use super::RetainedState;

/// A kind of thing that has a retained state.
pub(super) trait Kind {
    /// The schema's name, as `DoorState`.
    const NAME: &'static str;
    /// Every word for its state.
    const WORDS: &'static [&'static str];
    /// Every remark.
    const FLAGS: &'static [&'static str];
}

pub(super) enum Door {}
pub(super) enum Zone {}
pub(super) enum Partition {}
pub(super) enum Reader {}
pub(super) enum Output {}
pub(super) enum Camera {}

impl Kind for Door {
    const NAME: &'static str = "DoorState";
    const WORDS: &'static [&'static str] = &["unknown", "closed", "open", "held-open"];
    const FLAGS: &'static [&'static str] = &["tamper", "forced", "propped", "rex-stuck"];
}

impl Kind for Zone {
    const NAME: &'static str = "ZoneState";
    const WORDS: &'static [&'static str] =
        &["unknown", "normal", "active", "tamper", "fault", "masked"];
    const FLAGS: &'static [&'static str] =
        &["alarm", "tamper", "trouble", "bypassed", "shut-down", "stuck", "soak"];
}

impl Kind for Partition {
    const NAME: &'static str = "PartitionState";
    const WORDS: &'static [&'static str] = &[
        "disarmed",
        "arming",
        "pending",
        "triggered",
        "armed-away",
        "armed-home",
        "armed-night",
        "armed-custom",
    ];
    const FLAGS: &'static [&'static str] = &["alarm", "walk-test"];
}

impl Kind for Reader {
    const NAME: &'static str = "ReaderState";
    const WORDS: &'static [&'static str] = &["unknown", "online", "offline"];
    const FLAGS: &'static [&'static str] = &["tamper", "power", "lost", "insecure", "locked-out"];
}

impl Kind for Output {
    const NAME: &'static str = "OutputState";
    const WORDS: &'static [&'static str] = &["unknown", "off", "on"];
    const FLAGS: &'static [&'static str] = &["fault"];
}

impl Kind for Camera {
    const NAME: &'static str = "CameraState";
    const WORDS: &'static [&'static str] =
        &["unknown", "up", "degraded", "unauthorised", "silent", "unreachable"];
    const FLAGS: &'static [&'static str] =
        &["lost", "covered", "blinded", "defocused", "moved", "frozen"];
}

/// The schema of a kind's state.
pub(super) fn of<K: Kind>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<Words<K>>()
}

/// [`RetainedState`] with the words that a kind of thing uses.
struct Words<K>(PhantomData<K>);

impl<K: Kind> JsonSchema for Words<K> {
    fn schema_name() -> Cow<'static, str> {
        K::NAME.into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let common = schemas.subschema_for::<RetainedState>();
        json_schema!({
            "allOf": [common],
            "properties": {
                "state": { "enum": K::WORDS },
                "flags": { "items": { "enum": K::FLAGS } },
            },
        })
    }
}
