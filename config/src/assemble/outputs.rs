//! The outputs, and what must fit together among them.

use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{Dangers, OutputConfig, Role, SafeState};

use super::named::Named;
use super::partitions::Partitions;
use super::wires::Wires;
use crate::finding::Finding;
use crate::keys::output as keys;
use crate::kind::Word;
use crate::output::Output;
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;

/// A siren sounds at most 15 minutes in one go (EN 50131-4).
const SIREN_MAX: Duration = Duration::from_secs(900);

/// A wheelchair or a pram takes 10 to 20 s from the reader through the door.
const LOCK_MAX: Duration = Duration::from_secs(30);

/// The outputs while the file is read.
pub(super) struct Outputs {
    named: Named,
    /// `None`: something of it is wrong, and was reported.
    all: Vec<Option<Output>>,
}

impl Outputs {
    pub(super) fn read(
        file: &Reader<'_, '_>,
        wires: &mut Wires,
        partitions: &mut Partitions,
        notes: &mut Notes<'_>,
    ) -> Self {
        let mut named = Named::new(&keys::TABLE);
        let tables = file.tables(&keys::TABLE, notes);
        let all = tables.iter().map(|it| output(it, wires, partitions, &mut named, notes));
        let all = all.collect();
        Self { named, all }
    }

    /// The output of this role that `key` names: its place, and itself if it is right.
    pub(super) fn find<K>(
        &self,
        key: &Key<K>,
        role: Role,
        table: &Reader<'_, '_>,
        at: &At<Id>,
        notes: &mut Notes<'_>,
    ) -> Option<(usize, Option<&Output>)> {
        let place = self.named.find(key, table, at, notes)?;
        let found = self.all.get(place).and_then(Option::as_ref);
        if let Some(is) = found.map(|found| found.rules.role).filter(|is| *is != role) {
            let (name, wanted) = (key.name, word(role));
            let title = format!(
                "`{name}` in {} is \"{}\", which is a {}, not a {wanted}",
                table.place(),
                at.value,
                word(is)
            );
            let hint = format!("name an [[output]] with role = \"{wanted}\"");
            notes.error(Finding::new(title, at.span.clone()).label("other role").hint(hint));
            return None;
        }
        Some((place, found))
    }

    /// All of them. `None`: one is wrong, and was reported.
    pub(super) fn finish(self) -> Option<Vec<Output>> {
        self.all.into_iter().collect()
    }
}

fn output(
    table: &Reader<'_, '_>,
    wires: &mut Wires,
    partitions: &mut Partitions,
    named: &mut Named,
    notes: &mut Notes<'_>,
) -> Option<Output> {
    let before = notes.errors.len();
    let id = table.get(&keys::ID, notes);
    named.declare(id.as_ref(), notes);
    let name = table.get(&keys::NAME, notes);
    let line = table.get(&keys::LINE, notes);
    wires.plain(keys::LINE.name, line.as_ref(), notes);
    let role = table.get(&keys::ROLE, notes);
    let active = table.get(&keys::ACTIVE, notes);
    let drive = table.get(&keys::DRIVE, notes);
    let safe = table.get(&keys::SAFE_STATE, notes);
    let max_on = table.get(&keys::MAX_ON, notes);
    let read_back = table.get(&keys::READ_BACK, notes);
    wires.plain(keys::READ_BACK.name, read_back.as_ref(), notes);
    let read_active = table.get(&keys::READ_BACK_ACTIVE, notes);
    let list = table.list(&keys::PARTITIONS, notes);
    let mut places = Vec::new();
    for name in list.map_or_else(Vec::new, |list| list.value) {
        places.extend(partitions.refer(&keys::PARTITIONS, table, &name, notes));
    }
    let dangers = table.list(&keys::DANGERS, notes);
    let lasts = table.get(&keys::LASTS, notes);
    let outside = table.get(&keys::OUTSIDE, notes);
    if table.has(&keys::READ_BACK_ACTIVE) && !table.has(&keys::READ_BACK) {
        notes.error(
            Finding::new(
                "`read-back-active` stands without `read-back` in [[output]]",
                table.span_of(&keys::READ_BACK_ACTIVE),
            )
            .label("of which line?")
            .hint("add read-back = \"gpiochip0:6\", or leave it out")
            .absent(),
        );
    }
    if let Some(role) = &role {
        let fits = Fits { table, role };
        if !role.value.warns() {
            fits.without(&keys::DANGERS, notes);
            fits.without(&keys::OUTSIDE, notes);
        }
        if role.value != Role::Siren {
            fits.without(&keys::LASTS, notes);
        }
        if !role.value.warns() && role.value != Role::Chime {
            fits.without(&keys::PARTITIONS, notes);
        }
        fits.safe(safe.as_ref(), notes);
        limits(lasts.as_ref(), max_on.as_ref(), notes);
    }
    if notes.errors.len() > before {
        return None;
    }
    let (id, role, line) = (id?.value, role?.value, line?.value);
    let usual = OutputConfig::new(id, role, line.to_string());
    let rules = OutputConfig {
        safe: safe?.value,
        partitions: places,
        dangers: dangers
            .map_or(usual.dangers, |at| Dangers::of(at.value.iter().map(|at| at.value))),
        lasts: lasts.map_or(usual.lasts, |at| at.value),
        outside: outside?.value,
        ..usual
    };
    let usual_max = match role {
        Role::Siren => Some(SIREN_MAX),
        Role::Lock => Some(LOCK_MAX),
        Role::Strobe | Role::Chime | Role::Other => None,
    };
    Some(Output {
        name: name.map(|name| name.value),
        line,
        active: active?.value,
        drive: drive?.value,
        read_back: read_back.map(|at| at.value).zip(read_active.map(|at| at.value)),
        max_on: max_on.map(|at| at.value).or(usual_max),
        rules,
    })
}

/// What of an output must fit its role.
struct Fits<'a, 'd, 'i> {
    table: &'a Reader<'d, 'i>,
    role: &'a At<Role>,
}

/// The word for a role in the file.
fn word(role: Role) -> &'static str {
    <Role as Word>::WORDS.iter().find(|(it, ..)| *it == role).map_or("", |(_, word, _)| *word)
}

impl Fits<'_, '_, '_> {
    /// Reports a key that this role cannot have.
    fn without<K>(&self, key: &Key<K>, notes: &mut Notes<'_>) {
        if !self.table.has(key) {
            return;
        }
        let name = key.name;
        let title = format!("`{name}` is not for an output of role \"{}\"", word(self.role.value));
        notes.error(
            Finding::new(title, self.table.span_of(key))
                .label("not for this role")
                .also(self.role.span.clone(), "its role")
                .hint(format!("leave `{name}` out, or choose another role")),
        );
    }

    /// Nothing that makes noise or light is safe while it does.
    fn safe(&self, safe: Option<&At<SafeState>>, notes: &mut Notes<'_>) {
        let noisy = self.role.value.warns() || self.role.value == Role::Chime;
        let Some(safe) = safe.filter(|safe| noisy && safe.value == SafeState::On) else { return };
        let title = format!(
            "`safe-state` is \"on\" for an output of role \"{}\": it would be on whenever the \
             gateway is not running",
            word(self.role.value)
        );
        notes.error(
            Finding::new(title, safe.span.clone())
                .label("on without end")
                .also(self.role.span.clone(), "its role")
                .hint("write safe-state = \"off\"; for a load that is on at level 0, active = \"low\""),
        );
    }
}

/// A limit that comes before the end is one too many.
fn limits(lasts: Option<&At<Duration>>, max_on: Option<&At<Duration>>, notes: &mut Notes<'_>) {
    let (Some(lasts), Some(max_on)) = (lasts, max_on) else { return };
    if lasts.value <= max_on.value {
        return;
    }
    let title = format!(
        "`lasts-s` is {}, which is longer than `max-on-s`, {}",
        lasts.value.as_secs(),
        max_on.value.as_secs()
    );
    notes.error(
        Finding::new(title, lasts.span.clone())
            .label("never reached")
            .also(max_on.span.clone(), "the limit")
            .hint("`max-on-s` is the last resort when nothing else ends it; leave it out"),
    );
}
