//! What the district may command, and what must fit together in it.

use gatehouse_core::commands::{Lowerings, Rights, Role, USUAL_ROLE, Verbs};

use super::Seen;
use crate::commands::{CommandKey, Commands, SignedWord};
use crate::finding::Finding;
use crate::keys::commands as keys;
use crate::reader::{At, Notes, Reader};

pub(super) fn commands(file: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<Commands> {
    let before = notes.errors.len();
    let mut ids = Seen::default();
    let mut roles = Vec::new();
    for table in file.tables(&keys::role::TABLE, notes) {
        let id = table.get(&keys::role::ID, notes);
        ids.once(id.as_ref(), notes, |id| format!("the role id \"{id}\" is used twice"));
        let verbs = table.list(&keys::role::VERBS, notes);
        let (Some(id), Some(verbs)) = (id, verbs) else { continue };
        let verbs = Verbs::of(verbs.value.into_iter().map(|verb| verb.value));
        roles.push(Role { id: id.value, verbs });
    }
    let has_roles = file.has_table(&keys::role::TABLE);
    if !has_roles {
        let id = USUAL_ROLE.parse().expect("a word of a-z is an id");
        roles.push(Role { id, verbs: Verbs::ALL });
    }
    let signing = signing(file, &roles, notes);
    let rights = file.optional(&keys::TABLE, notes, |table, notes| {
        let allow = table.list(&keys::ALLOW, notes);
        let signed = table.get(&keys::SIGNED, notes)?;
        if signed.value == SignedWord::Required && !file.has_table(&keys::key::TABLE) {
            notes.error(
                Finding::new(
                    "`signed` is \"required\", and there is no [[command-key]]: every command \
                     would be refused",
                    signed.span.clone(),
                )
                .label("by whom?")
                .hint("add [[command-key]] with id, role and public"),
            );
        }
        let lowering = Lowerings::of(allow?.value.into_iter().map(|word| word.value));
        Some((lowering, signed.value == SignedWord::Required))
    });
    let (lowering, signed) = rights?;
    let commands = Commands { rights: Rights { roles, lowering, signed }, keys: signing };
    (notes.errors.len() == before).then_some(commands)
}

fn signing(file: &Reader<'_, '_>, roles: &[Role], notes: &mut Notes<'_>) -> Vec<CommandKey> {
    let (mut ids, mut publics) = (Seen::default(), Seen::default());
    let mut all = Vec::new();
    for table in file.tables(&keys::key::TABLE, notes) {
        let id = table.get(&keys::key::ID, notes);
        ids.once(id.as_ref(), notes, |id| format!("the key id \"{id}\" is used twice"));
        let role = table.get(&keys::key::ROLE, notes);
        let role = role.filter(|role| is_known(role, roles, notes));
        let public = table.get(&keys::key::PUBLIC, notes);
        publics.once(public.as_ref(), notes, |_| "one public key has two ids".to_owned());
        let (Some(id), Some(role), Some(public)) = (id, role, public) else { continue };
        all.push(CommandKey { id: id.value, role: role.value, public: public.value });
    }
    all
}

fn is_known(role: &At<gatehouse_core::id::Id>, roles: &[Role], notes: &mut Notes<'_>) -> bool {
    let known = roles.iter().any(|known| known.id == role.value);
    if !known {
        let ids: Vec<_> = roles.iter().map(|role| role.id.as_str()).collect();
        let title = format!("there is no role \"{}\"; there are {}", role.value, ids.join(", "));
        notes.error(
            Finding::new(title, role.span.clone())
                .label("not known")
                .hint(format!("add [[command-role]] with id = \"{}\"", role.value)),
        );
    }
    known
}
