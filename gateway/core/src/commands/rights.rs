//! Who may want what: the site's word.

use super::verb::{Lowerings, Verb, Verbs};
use crate::id::Id;

/// The role of a command that names none.
pub const USUAL_ROLE: &str = "operator";

/// What the site lets the district do. By default nothing: no role is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Each with its own id.
    pub roles: Vec<Role>,
    /// What of that which lowers protection the district may do at all.
    pub lowering: Lowerings,
    /// Whether a command without a signature is refused.
    pub signed: bool,
}

/// A role of operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id, as commands name it.
    pub id: Id,
    /// What it may do.
    pub verbs: Verbs,
}

impl Rights {
    /// The role of this id.
    pub fn role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id.as_str() == id)
    }

    /// Whether the site lets the district do this, in whatever role.
    pub const fn allows(&self, verb: Verb) -> bool {
        match verb.lowers() {
            Some(lowering) => self.lowering.contains(lowering),
            None => true,
        }
    }
}
