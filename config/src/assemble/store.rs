//! The district's store for evidence.

use super::brokers::secret;
use crate::files::{FileRef, Role};
use crate::finding::Finding;
use crate::keys::store as key;
use crate::reader::{Notes, Reader};
use crate::store::Store;

/// The store, if there is one. `Err`: there is, and it is wrong.
pub(super) fn store(
    evidence: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Result<Option<Store>, ()> {
    if !evidence.has_table(&key::TABLE) {
        return Ok(None);
    }
    let table = evidence.table(&key::TABLE, notes).ok_or(())?;
    read(&table, notes, files).map(Some).ok_or(())
}

fn read(table: &Reader<'_, '_>, notes: &mut Notes<'_>, files: &mut Vec<FileRef>) -> Option<Store> {
    let endpoint = table.get(&key::ENDPOINT, notes);
    let bucket = table.get(&key::BUCKET, notes);
    let region = table.get(&key::REGION, notes);
    let prefix = table.get(&key::PREFIX, notes);
    let path_style = table.get(&key::PATH_STYLE, notes);
    let access_key = table.get(&key::ACCESS_KEY, notes);
    let places = (&key::SECRET_KEY_FILE, &key::SECRET_KEY_CREDENTIAL);
    let secret_key = secret(table, places, notes, files);
    if !table.has(&key::SECRET_KEY_FILE) && !table.has(&key::SECRET_KEY_CREDENTIAL) {
        notes.error(
            Finding::new(
                "[evidence.store] has neither `secret-key-file` nor `secret-key-credential`",
                table.span.clone(),
            )
            .label("one of them is needed")
            .hint("add secret-key-file = \"/etc/gatehouse/store.secret\" (chmod 600)")
            .absent(),
        );
    }
    let ca = table.get(&key::CA, notes);
    let rate = table.get(&key::RATE, notes);
    let part = table.get(&key::PART, notes);
    let hold_off = table.get(&key::HOLD_OFF, notes);
    let pictures = table.get(&key::PICTURES, notes);
    let clips = table.get(&key::CLIPS, notes);
    let of = table.get(&key::OF, notes);
    if let Some(at) = endpoint.as_ref().filter(|at| !at.value.tls && !at.value.is_local()) {
        let host = at.value.authority();
        notes.error(
            Finding::new(
                "`endpoint` is not over TLS: everyone on the way could see the pictures and change them",
                at.span.clone(),
            )
            .label("not on this machine")
            .hint(format!("write \"https://{host}\"")),
        );
    }
    if let (Some(pictures), Some(clips)) = (&pictures, &clips)
        && !pictures.value
        && !clips.value
    {
        notes.error(
            Finding::new(
                "neither `pictures` nor `clips` are sent to the store: nothing is",
                clips.span.clone(),
            )
            .label("for what?")
            .also(pictures.span.clone(), "nor these")
            .hint("leave one of them out, or take [evidence.store] out"),
        );
    }
    if let Some(dots) = bucket.as_ref().filter(|at| at.value.contains('.'))
        && endpoint.as_ref().is_some_and(|at| at.value.tls)
        && path_style.as_ref().is_some_and(|at| !at.value)
    {
        notes.error(
            Finding::new(
                "`bucket` has a dot, and stands before the host: no certificate fits that name",
                dots.span.clone(),
            )
            .label("not with path-style = false")
            .hint("write path-style = true, or take a bucket without dots"),
        );
    }
    let tls = endpoint.as_ref().is_some_and(|at| at.value.tls);
    if let Some(at) = ca.as_ref().filter(|_| tls) {
        let (key, span) = (key::CA.name, at.span.clone());
        files.push(FileRef { key, span, role: Role::Trusted(at.value.clone()) });
    }
    Some(Store {
        endpoint: endpoint?.value,
        bucket: bucket?.value,
        region: region?.value,
        prefix: prefix.map_or_else(String::new, |at| at.value),
        path_style: path_style?.value,
        access_key: access_key?.value,
        secret_key: secret_key?,
        ca: ca?.value,
        rate: rate?.value,
        part_bytes: part?.value,
        hold_off: hold_off?.value,
        pictures: pictures?.value,
        clips: clips?.value,
        of: of?.value,
    })
}
