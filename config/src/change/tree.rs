//! Ways through a document: to the table of a place, and an entry out of it.

use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{ChangeError, is_repeated, table_of};

/// The table that a place leads to; with `make` tables that may stand once are made on the way.
pub(super) fn table<'f>(
    file: &'f mut DocumentMut,
    at: &[String],
    make: bool,
) -> Result<&'f mut dyn TableLike, ChangeError> {
    let mut table: &mut dyn TableLike = file.as_table_mut();
    let mut done = 0;
    while let Some(name) = at.get(done) {
        let here = || at[..=done].join(".");
        if table.get(name).is_none_or(Item::is_none) {
            let known = table_of(&at[..=done]);
            if known.is_some_and(is_repeated) {
                let id = at.get(done + 1).cloned().unwrap_or_default();
                return Err(ChangeError::NoEntry { table: name.clone(), id, known: vec![] });
            }
            if !make || known.is_none() {
                return Err(ChangeError::Nothing(here()));
            }
            let mut new = Table::new();
            new.decor_mut().set_prefix("\n");
            table.insert(name, Item::Table(new));
        }
        let entry = at.get(done + 1);
        let wanted = || {
            entry.ok_or_else(|| ChangeError::Other(here(), "repeated: name the id of one of them"))
        };
        match table.get_mut(name) {
            Some(Item::Table(within)) => (table, done) = (within, done + 1),
            Some(Item::Value(Value::InlineTable(within))) => (table, done) = (within, done + 1),
            Some(Item::ArrayOfTables(list)) => {
                let id = wanted()?.as_str();
                let known: Vec<_> = list.iter().filter_map(|one| id_of(one)).collect();
                let place = list.iter().position(|one| id_of(one) == Some(id));
                let missing = || no_entry(name, id, &known);
                let place = place.ok_or_else(missing)?;
                table = list.get_mut(place).ok_or_else(|| ChangeError::Nothing(here()))?;
                done += 2;
            }
            Some(Item::Value(Value::Array(list))) => {
                let id = wanted()?.as_str();
                let tables = || list.iter().filter_map(Value::as_inline_table);
                let known: Vec<_> = tables().filter_map(|one| id_of(one)).collect();
                let is =
                    |one: &Value| one.as_inline_table().is_some_and(|one| id_of(one) == Some(id));
                let Some(place) = list.iter().position(is) else {
                    return Err(no_entry(name, id, &known));
                };
                let within: Option<&mut InlineTable> =
                    list.get_mut(place).and_then(Value::as_inline_table_mut);
                table = within.ok_or_else(|| ChangeError::Nothing(here()))?;
                done += 2;
            }
            _ => return Err(ChangeError::Other(here(), "a key, not a table")),
        }
    }
    Ok(table)
}

fn no_entry(table: &str, id: &str, known: &[&str]) -> ChangeError {
    let known = known.iter().map(|&id| id.to_owned()).collect();
    ChangeError::NoEntry { table: table.to_owned(), id: id.to_owned(), known }
}

/// The `id` of an entry.
pub(super) fn id_of(table: &dyn TableLike) -> Option<&str> {
    table.get("id").and_then(Item::as_str)
}

/// Takes an entry of a repeated table out. What stands above it, apart by an empty line, is not of the
/// entry, and stays above what comes next.
pub(super) fn remove(file: &mut DocumentMut, at: &[String]) -> Result<(), ChangeError> {
    let (id, before) = super::checked(at, 2)?;
    let Some((name, parents)) = before.split_last() else {
        return Err(ChangeError::NoPlace(at.join(".")));
    };
    let holder = table(file, parents, false)?;
    let list = match holder.get_mut(name) {
        Some(Item::ArrayOfTables(list)) => list,
        None | Some(Item::None) => return Err(no_entry(name, id, &[])),
        Some(_) => return Err(ChangeError::OtherForm(name.clone())),
    };
    let Some(place) = list.iter().position(|one| id_of(one) == Some(id)) else {
        let known: Vec<_> = list.iter().filter_map(|one| id_of(one)).collect();
        return Err(no_entry(name, id, &known));
    };
    let gone = list.get(place).map(|one| (one.position(), above(one).to_owned()));
    list.remove(place);
    if list.is_empty() {
        holder.remove(name);
    }
    let Some((Some(position), above)) = gone else { return Ok(()) };
    let foreign = foreign(&above);
    if foreign.trim().is_empty() {
        return Ok(());
    }
    if let Some(table) = next(file.as_table_mut(), position) {
        let joined = format!("{foreign}{}", self::above(table));
        table.decor_mut().set_prefix(joined);
    } else {
        let trailing = file.trailing().as_str().unwrap_or_default();
        let joined = format!("{foreign}{trailing}");
        file.set_trailing(joined);
    }
    Ok(())
}

/// What stands above a table's header: empty lines and comments.
fn above(table: &Table) -> &str {
    table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default()
}

/// The part of it that is not of this table: all up to the last empty line.
fn foreign(above: &str) -> &str {
    let mut end = 0;
    let mut at = 0;
    for line in above.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() {
            end = at;
        }
    }
    &above[..end]
}

/// The table that stands next in the file behind a position.
fn next(root: &mut Table, behind: isize) -> Option<&mut Table> {
    let mut nearest = None;
    positions(root, &mut |position| {
        if position > behind && nearest.is_none_or(|known| position < known) {
            nearest = Some(position);
        }
    });
    find(root, nearest?)
}

fn positions(table: &Table, found: &mut impl FnMut(isize)) {
    for (_, item) in table {
        match item {
            Item::Table(within) => {
                if let Some(position) = within.position() {
                    found(position);
                }
                positions(within, found);
            }
            Item::ArrayOfTables(list) => {
                for within in list {
                    if let Some(position) = within.position() {
                        found(position);
                    }
                    positions(within, found);
                }
            }
            _ => {}
        }
    }
}

fn find(table: &mut Table, at: isize) -> Option<&mut Table> {
    for (_, item) in table.iter_mut() {
        let found = match item {
            Item::Table(within) => here(within, at),
            Item::ArrayOfTables(list) => list.iter_mut().find_map(|within| here(within, at)),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn here(table: &mut Table, at: isize) -> Option<&mut Table> {
    if table.position() == Some(at) && !table.is_dotted() && !table.is_implicit() {
        return Some(table);
    }
    find(table, at)
}
