//! The tables `[commands]`, `[[command-role]]` and `[[command-key]]`.

use gatehouse_core::commands::{Lowering, Verb};

use crate::commands::SignedWord;
use crate::kind::{Choice, Identifier, PublicKey};
use crate::list::List;
use crate::spec::Presence::{Default, Required};
use crate::spec::{Key, Table, Times};
use crate::{MAX_COMMAND_KEYS, MAX_COMMAND_ROLES};

pub(crate) static TABLE: Table = Table {
    name: "commands",
    times: Times::AtMostOnce,
    doc: "What the district's control room may command. Each command is an event, carried out or \
          refused. Who may do what say `[[command-role]]` and the tables here; a district that may \
          change the configuration cannot change these.",
    keys: &[&ALLOW, &SIGNED],
    tables: &[],
};

pub(crate) static ALLOW: Key<List<Choice<Lowering>>> = Key {
    name: "allow",
    kind: List { of: Choice::NEW, min: 0, max: 4, what: "a list of none or more of" },
    presence: Default("[]"),
    doc: "What the district may do of that which lowers protection or belongs to the site. Without \
          this key none of it, in whatever role. `config` needs a configuration that the gateway's \
          user may write.",
};
pub(crate) static SIGNED: Key<Choice<SignedWord>> = Key {
    name: "signed",
    kind: Choice::NEW,
    presence: Default("\"optional\""),
    doc: "Whether a command needs a signature by a `[[command-key]]`. A signature that is there must \
          be good in either case. Without one, whoever may write `cmd/#` at the broker is believed.",
};

pub(crate) mod role {
    use super::{Choice, Identifier, Key, List, MAX_COMMAND_ROLES, Required, Table, Times, Verb};

    pub(crate) static TABLE: Table = Table {
        name: "command-role",
        times: Times::Several { min: 0, max: MAX_COMMAND_ROLES },
        doc: "A role of operators in the control room. Without any table there is one, `operator`, \
              that may do everything that `[commands]` allows. A command that names no role has \
              that one.",
        keys: &[&ID, &VERBS],
        tables: &[],
    };

    pub(crate) static ID: Key<Identifier> = Key {
        name: "id",
        kind: Identifier,
        presence: Required,
        doc: "The role's id, as commands name it.",
    };
    pub(crate) static VERBS: Key<List<Choice<Verb>>> = Key {
        name: "verbs",
        kind: List { of: Choice::NEW, min: 1, max: 16, what: "a list of one or more of" },
        presence: Required,
        doc: "What it may do. What lowers protection must be allowed by `allow` too.",
    };
}

pub(crate) mod key {
    use super::{Identifier, Key, MAX_COMMAND_KEYS, PublicKey, Required, Table, Times};

    pub(crate) static TABLE: Table = Table {
        name: "command-key",
        times: Times::Several { min: 0, max: MAX_COMMAND_KEYS },
        doc: "A key that commands are signed with. Its role is that of the commands: a command that \
              names another is refused.",
        keys: &[&ID, &ROLE, &PUBLIC],
        tables: &[],
    };

    pub(crate) static ID: Key<Identifier> = Key {
        name: "id",
        kind: Identifier,
        presence: Required,
        doc: "The key's id, as signatures name it.",
    };
    pub(crate) static ROLE: Key<Identifier> = Key {
        name: "role",
        kind: Identifier,
        presence: Required,
        doc: "The role of those who have it: the id of a `[[command-role]]`, or `operator` where \
              there is none.",
    };
    pub(crate) static PUBLIC: Key<PublicKey> = Key {
        name: "public",
        kind: PublicKey,
        presence: Required,
        doc: "The public key, Ed25519. `gatehouse-receiver keygen` prints it, and for a key that \
              exists `openssl pkey -in KEY -pubout -outform DER | tail -c 32 | xxd -p -c 64`.",
    };
}
