//! The table `[evidence.store]`.

use std::time::Duration;

use crate::kind::{Choice, Credential, Number, Place, Switch};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::store::{BucketKind, EndpointKind, Plain, Prefix, StoreOf};

pub(crate) static TABLE: Table = Table {
    name: "store",
    times: Times::AtMostOnce,
    doc: "The district's store, where pictures and clips are sent as they lie on the box: sealed, if they \
          are sealed. Any that speaks S3: Amazon's, MinIO, Ceph, Garage. Events of alarms go before them, \
          whatever the line. What is stored is told (`camera.stored`); a store that fails is a fault \
          (`store.fault`), and what it should have had waits within the bounds of `[evidence]`. At each \
          start and once a day a small object, PREFIX/GATEWAY/check, is written, so that it is known to \
          work before it is needed.",
    keys: &[
        &ENDPOINT,
        &BUCKET,
        &REGION,
        &PREFIX,
        &PATH_STYLE,
        &ACCESS_KEY,
        &SECRET_KEY_FILE,
        &SECRET_KEY_CREDENTIAL,
        &CA,
        &RATE,
        &PART,
        &HOLD_OFF,
        &PICTURES,
        &CLIPS,
        &OF,
    ],
    tables: &[],
};

pub(crate) static ENDPOINT: Key<EndpointKind> = Key {
    name: "endpoint",
    kind: EndpointKind,
    presence: Required,
    doc: "Its address without the bucket; `http://` only on this machine.",
};
pub(crate) static BUCKET: Key<BucketKind> = Key {
    name: "bucket",
    kind: BucketKind,
    presence: Required,
    doc: "The bucket, which must be there already. Give it a rule that ends uploads that were never \
          completed: a box that is taken down leaves some.",
};
pub(crate) static REGION: Key<Plain> = Key {
    name: "region",
    kind: Plain { max: 64, others: "-", confidential: false },
    presence: Default("\"us-east-1\""),
    doc: "The region that requests are signed for; stores of one's own mostly take any.",
};
pub(crate) static PREFIX: Key<Prefix> = Key {
    name: "prefix",
    kind: Prefix,
    presence: Optional,
    doc: "Folders before the gateway's id in every key. A key is \
          PREFIX/GATEWAY/CAMERA/DATE/EVENT-FILE: another picture never has it.",
};
pub(crate) static PATH_STYLE: Key<Switch> = Key {
    name: "path-style",
    kind: Switch,
    presence: Default("true"),
    doc: "The bucket stands in the path, as most stores take it. With false it stands before the host, as \
          Amazon wants it.",
};
pub(crate) static ACCESS_KEY: Key<Plain> = Key {
    name: "access-key",
    // Secrets of Amazon mostly have a + or a /: one that stands here is refused, and not shown.
    kind: Plain { max: 128, others: "_.-", confidential: true },
    presence: Required,
    doc: "The name of the key that requests are signed with; it needs no right but to write below the \
          prefix, with the parts of uploads. The secret that belongs to it stands in a file.",
};
pub(crate) static SECRET_KEY_FILE: Key<Place> = Key {
    name: "secret-key-file",
    kind: Place::Secret,
    presence: Optional,
    doc: "The file that holds the secret key, readable by the gateway's user only. Another one is used as \
          soon as it stands there.",
};
pub(crate) static SECRET_KEY_CREDENTIAL: Key<Credential> = Key {
    name: "secret-key-credential",
    kind: Credential,
    presence: Optional,
    doc: "Instead of `secret-key-file`: the systemd credential that holds it.",
};
pub(crate) static CA: Key<Place> = Key {
    name: "ca",
    kind: Place::Any,
    presence: Default("\"/etc/ssl/certs/ca-certificates.crt\""),
    doc: "The certificates that sign the store's, in PEM; no others are trusted. Without this key those of \
          the system.",
};
pub(crate) static RATE: Key<Number<u64>> = Key {
    name: "rate-kib",
    kind: Number { min: 8, max: 1_000_000, unit: "in KiB a second", make: |kib| kib * 1024 },
    presence: Default("1024"),
    doc: "So fast, at most: what the line can spare.",
};
pub(crate) static PART: Key<Number<u64>> = Key {
    name: "part-mib",
    // S3 takes no smaller part but the last, and none over 5 GiB; the larger, the more a cut costs.
    kind: Number { min: 5, max: 512, unit: "in MiB", make: crate::keys::mib },
    presence: Default("8"),
    doc: "Larger files are sent in parts of this size, each of which survives a cut or a restart. A file \
          has 10,000 parts at most.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "hold-off-s",
    kind: crate::keys::seconds(1, 86_400),
    presence: Default("60"),
    doc: "It must fail for so long to be a fault.",
};
pub(crate) static PICTURES: Key<Switch> = Key {
    name: "pictures",
    kind: Switch,
    presence: Default("true"),
    doc: "Pictures are sent there.",
};
pub(crate) static CLIPS: Key<Switch> =
    Key { name: "clips", kind: Switch, presence: Default("true"), doc: "Clips are sent there." };
pub(crate) static OF: Key<Choice<StoreOf>> = Key {
    name: "of",
    kind: Choice::NEW,
    presence: Default("\"everything\""),
    doc: "Of what pictures and clips are sent.",
};
