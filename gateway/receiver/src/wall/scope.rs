//! What an account may see: which sites, and which classes of event.
//!
//! Asked on the server for everything that leaves it: incidents and history by their class, states
//! by the class that tells of that kind of thing. Whether a gateway lives is shown to everybody
//! who may see its site: who sees no alarms of a box must at least know whether any could come.

use std::borrow::Cow;
use std::collections::BTreeSet;

use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use serde::Deserialize;

/// The kinds of things that have a state, each with the class that tells of it.
const KINDS: [(&str, Class); 7] = [
    ("door", Class::Door),
    ("zone", Class::Alarm),
    ("partition", Class::Arm),
    ("reader", Class::Access),
    ("output", Class::System),
    ("unit", Class::System),
    ("camera", Class::Camera),
];

/// See the module's page. `None`: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The sites.
    pub sites: Option<BTreeSet<Id>>,
    /// The classes of event.
    pub classes: Option<BTreeSet<Class>>,
}

impl Scope {
    pub(crate) fn site(&self, site: &str) -> bool {
        self.sites.as_ref().is_none_or(|sites| sites.iter().any(|one| one.as_str() == site))
    }

    pub(crate) fn class(&self, class: Class) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(&class))
    }

    /// Whether it may be seen that something happened which nobody at the site may notice: who sees no
    /// panic alarms is not told in another way.
    pub(crate) fn silent(&self) -> bool {
        self.class(Class::Panic)
    }

    /// Whether this event may be seen, by its class and, as a picture of something silent has the
    /// class of any picture, by its bytes.
    pub(crate) fn event(&self, class: Class, body: &[u8]) -> bool {
        self.class(class) && (self.silent() || class != Class::Camera || !is_silent(body))
    }

    /// Whether states of this kind of thing may be seen. The gateway itself may.
    pub(crate) fn kind(&self, kind: &str) -> bool {
        let of = KINDS.iter().find(|(word, _)| *word == kind);
        of.is_none_or(|(_, class)| self.class(*class))
    }
}

/// Whether the bytes of an event say that nobody at the site may notice it.
fn is_silent(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Only<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    serde_json::from_slice(body)
        .is_ok_and(|Only { kind }: Only<'_>| gatehouse_core::site::is_silent(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_limits_sees_all_and_a_limited_one_only_its_own() {
        let all = Scope::default();
        assert!(all.site("s-1") && all.class(Class::Test) && all.kind("zone"));
        let own = Scope {
            sites: Some(BTreeSet::from(["s-1".parse().unwrap()])),
            classes: Some(BTreeSet::from([Class::Panic, Class::Door])),
        };
        assert!(own.site("s-1") && own.class(Class::Panic));
        assert!(!own.site("s-2") && !own.site("s") && !own.site("") && !own.class(Class::Alarm));
        assert!(own.silent() && all.silent());
        let cameras = Scope { sites: None, classes: Some(BTreeSet::from([Class::Camera])) };
        let (silent, plain) = (br#"{"type":"camera.clip_silent"}"#, br#"{"type":"camera.clip"}"#);
        assert!(cameras.event(Class::Camera, plain) && !cameras.event(Class::Camera, silent));
        assert!(all.event(Class::Camera, silent) && !cameras.event(Class::Panic, plain));
        assert!(own.kind("door") && own.kind("gateway") && !own.kind("zone") && !own.kind("unit"));
    }
}
