//! The brokers, their passwords and certificates.

use std::ops::Range;
use std::path::PathBuf;

use super::Seen;
use crate::files::{FileRef, Role};
use crate::finding::Finding;
use crate::keys;
use crate::network::{Broker, ClientCertificate, PLAIN_PORT, TLS_PORT, Tls};
use crate::reader::{At, Notes, Reader};
use crate::secret::PasswordSource;

pub(super) fn brokers(
    file: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Vec<Broker> {
    let tables = file.tables(&keys::broker::TABLE, notes);
    let mut ids = Seen::default();
    let mut places = Seen::default();
    let mut brokers = Vec::new();
    for table in tables {
        let id = table.get(&keys::broker::ID, notes);
        ids.once(id.as_ref(), notes, |id| format!("the broker id \"{id}\" is used twice"));
        let host = table.get(&keys::broker::HOST, notes);
        let port = table.get(&keys::broker::PORT, notes);
        let protocol = table.get(&keys::broker::PROTOCOL, notes);
        let receive_qos = table.get(&keys::broker::RECEIVE_QOS, notes);
        let keep_alive = table.get(&keys::broker::KEEP_ALIVE, notes);
        let username = table.get(&keys::broker::USERNAME, notes);
        let password = password(&table, notes, files);
        let has_tls = table.has_table(&keys::broker::tls::TABLE);
        let tls = table
            .table(&keys::broker::tls::TABLE, notes)
            .and_then(|table| tls(&table, notes, files));
        let broker = || {
            let fallback = if has_tls { TLS_PORT } else { PLAIN_PORT };
            let host = host?;
            let broker = Broker {
                id: id?.value,
                host: host.value,
                port: port.map_or(fallback, |port| port.value),
                protocol: protocol?.value,
                receive_qos: receive_qos?.value,
                keep_alive: keep_alive?.value,
                username: username.map(|name| name.value),
                password,
                tls,
            };
            Some((broker, host.span))
        };
        let Some((broker, host)) = broker() else { continue };
        if !has_tls && !broker.is_local() {
            let password = if broker.password.is_some() { ", the password included" } else { "" };
            let title = format!(
                "broker \"{}\" is reached over the network without TLS: everyone on the way can \
                 read and change what is sent{password}",
                broker.id
            );
            notes.warn(
                Finding::new(title, host.clone())
                    .label("not on this machine")
                    .hint("add [broker.tls] with ca = \"/etc/gatehouse/ca.pem\""),
            );
        }
        if let Some(first) = places.before((broker.host.to_ascii_lowercase(), broker.port), &host) {
            let title = format!(
                "broker \"{}\" has the same host and port, {} {}, as another",
                broker.id, broker.host, broker.port
            );
            notes.warn(
                Finding::new(title, host)
                    .label("again here")
                    .also(first, "first here")
                    .hint("a second broker helps when it is another machine"),
            );
        }
        brokers.push(broker);
    }
    brokers
}

fn password(
    table: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Option<PasswordSource> {
    use keys::broker::{PASSWORD_CREDENTIAL, PASSWORD_FILE, USERNAME};
    let file = table.get(&PASSWORD_FILE, notes);
    let credential = table.get(&PASSWORD_CREDENTIAL, notes);
    let (has_file, has_credential) = (table.has(&PASSWORD_FILE), table.has(&PASSWORD_CREDENTIAL));
    if has_file && has_credential {
        notes.error(
            Finding::new(
                "`password-file` and `password-credential` stand together; allowed: one of them",
                table.span_of(&PASSWORD_CREDENTIAL),
            )
            .label("one too many")
            .also(table.span_of(&PASSWORD_FILE), "the other"),
        );
    }
    if (has_file || has_credential) && !table.has(&USERNAME) {
        let at = if has_file {
            table.span_of(&PASSWORD_FILE)
        } else {
            table.span_of(&PASSWORD_CREDENTIAL)
        };
        notes.error(
            Finding::new("there is a password but no `username` in [[broker]]", at)
                .label("for whom?")
                .hint("add username = \"…\"")
                .absent(),
        );
    }
    let (source, span, key) = match (file, credential) {
        (Some(file), _) => (PasswordSource::File(file.value), file.span, PASSWORD_FILE.name),
        (None, Some(credential)) => (
            PasswordSource::Credential(credential.value),
            credential.span,
            PASSWORD_CREDENTIAL.name,
        ),
        (None, None) => return None,
    };
    files.push(FileRef { key, span, role: Role::Password(source.clone()) });
    Some(source)
}

fn tls(table: &Reader<'_, '_>, notes: &mut Notes<'_>, files: &mut Vec<FileRef>) -> Option<Tls> {
    use keys::broker::tls::{CA, CERTIFICATE, KEY, SERVER_NAME};
    let ca = table.get(&CA, notes);
    let certificate = table.get(&CERTIFICATE, notes);
    let key = table.get(&KEY, notes);
    let server_name = table.get(&SERVER_NAME, notes);
    let mut pair = |there: &str, span: Range<usize>, missing: &str| {
        notes.error(
            Finding::new(format!("`{there}` stands without `{missing}` in [broker.tls]"), span)
                .label("alone")
                .hint(format!("add {missing} = \"/etc/gatehouse/…\", or leave both out"))
                .absent(),
        );
    };
    match (table.has(&CERTIFICATE), table.has(&KEY)) {
        (true, false) => pair(CERTIFICATE.name, table.span_of(&CERTIFICATE), KEY.name),
        (false, true) => pair(KEY.name, table.span_of(&KEY), CERTIFICATE.name),
        _ => {}
    }
    let mut note = |key, at: Option<&At<PathBuf>>, role: fn(_) -> Role| {
        let file =
            at.map(|at| FileRef { key, span: at.span.clone(), role: role(at.value.clone()) });
        files.extend(file);
    };
    note(CA.name, ca.as_ref(), Role::Trusted);
    note(CERTIFICATE.name, certificate.as_ref(), Role::Trusted);
    note(KEY.name, key.as_ref(), Role::PrivateKey);
    let client = certificate.zip(key).map(|(certificate, key)| ClientCertificate {
        certificate: certificate.value,
        key: key.value,
    });
    Some(Tls { ca: ca?.value, client, server_name: server_name.map(|name| name.value) })
}
