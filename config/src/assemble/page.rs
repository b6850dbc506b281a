//! The gateway's own web page, and its certificate.

use crate::files::{FileRef, Role};
use crate::finding::Finding;
use crate::keys::page::{CERTIFICATE, KEY, LISTEN, TABLE};
use crate::page::Page;
use crate::reader::{Notes, Reader};

/// The page, if there is one. `Err`: there is, and it is wrong.
pub(super) fn page(
    file: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Result<Option<Page>, ()> {
    if !file.has_table(&TABLE) {
        return Ok(None);
    }
    let table = file.table(&TABLE, notes).ok_or(())?;
    let listen = table.get(&LISTEN, notes);
    let certificate = table.get(&CERTIFICATE, notes);
    let key = table.get(&KEY, notes);
    let mut alone = |there: &str, span, missing: &str| {
        notes.error(
            Finding::new(format!("`{there}` stands without `{missing}` in [page]"), span)
                .label("alone")
                .hint(format!("add {missing} = \"/etc/gatehouse/…\", or leave both out"))
                .absent(),
        );
    };
    match (table.has(&CERTIFICATE), table.has(&KEY)) {
        (true, false) => alone(CERTIFICATE.name, table.span_of(&CERTIFICATE), KEY.name),
        (false, true) => alone(KEY.name, table.span_of(&KEY), CERTIFICATE.name),
        _ => {}
    }
    let mut note = |key, at: Option<(_, std::path::PathBuf)>, role: fn(_) -> Role| {
        files.extend(at.map(|(span, path)| FileRef { key, span, role: role(path) }));
    };
    let of = |at: &crate::reader::At<std::path::PathBuf>| (at.span.clone(), at.value.clone());
    note(CERTIFICATE.name, certificate.as_ref().map(of), Role::Trusted);
    note(KEY.name, key.as_ref().map(of), Role::PrivateKey);
    let own = certificate.zip(key).map(|(certificate, key)| (certificate.value, key.value));
    Ok(Some(Page { listen: listen.ok_or(())?.value, own }))
}
