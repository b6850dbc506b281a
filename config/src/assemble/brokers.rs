//! The brokers, their passwords and certificates.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::uplink::Reporting;

use super::Seen;
use crate::config::Uplink;
use crate::files::{FileRef, Role};
use crate::finding::Finding;
use crate::keys;
use crate::kind::{Credential, Place, Text, Word};
use crate::network::{Broker, ClientCertificate, PLAIN_PORT, TLS_PORT, Tls};
use crate::reader::{At, Notes, Reader};
use crate::secret::PasswordSource;
use crate::spec::Key;

pub(super) fn uplink(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<Uplink> {
    use keys::uplink as key;
    let reporting = table.get(&key::REPORTING, notes);
    let heartbeat = table.get(&key::HEARTBEAT, notes);
    let standby_poll = table.get(&key::STANDBY_POLL, notes);
    let replay_rate = table.get(&key::REPLAY_RATE, notes);
    let replay_jitter = table.get(&key::REPLAY_JITTER, notes);
    let in_flight = table.get(&key::IN_FLIGHT, notes);
    let host_timeout = table.get(&key::HOST_TIMEOUT, notes);
    let reporting = reporting?.value;
    if let Some(heartbeat) = &heartbeat {
        in_time(heartbeat, key::HEARTBEAT.name, reporting.longest_heartbeat(), reporting, notes);
    }
    Some(Uplink {
        reporting,
        heartbeat: heartbeat.map_or(reporting.heartbeat(), |at| at.value),
        standby_poll: standby_poll.map_or(reporting.standby_poll(), |at| at.value),
        replay_rate: replay_rate?.value,
        replay_jitter: replay_jitter?.value,
        in_flight: in_flight?.value,
        host_timeout: host_timeout?.value,
    })
}

/// Reports a period with which a failure would be known too late.
fn in_time(
    at: &At<Duration>,
    key: &str,
    longest: Duration,
    reporting: Reporting,
    notes: &mut Notes<'_>,
) {
    if at.value <= longest {
        return;
    }
    let word = |reporting| {
        let found = Reporting::WORDS.iter().find(|(profile, ..)| *profile == reporting);
        found.map_or("90s", |(_, word, _)| *word)
    };
    let title = format!(
        "`{key}` is {}, too long for reporting = \"{}\": a failure would be known too late; \
         allowed: up to {}",
        at.value.as_secs(),
        word(reporting),
        longest.as_secs()
    );
    let slower = Reporting::ALL.into_iter().find(|slower| {
        let limit = match key {
            "heartbeat-s" => slower.longest_heartbeat(),
            _ => slower.longest_keep_alive(),
        };
        limit >= at.value
    });
    let hint = match slower {
        Some(slower) => {
            format!("leave it out, or write reporting = \"{}\" in [uplink]", word(slower))
        }
        None => "leave it out: it follows from `reporting`".to_owned(),
    };
    notes.error(Finding::new(title, at.span.clone()).label("too long").hint(hint));
}

pub(super) fn brokers(
    file: &Reader<'_, '_>,
    reporting: Reporting,
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
        let interface = table.get(&keys::broker::INTERFACE, notes);
        let bind = table.get(&keys::broker::BIND, notes);
        let look = table.get(&keys::broker::LOOK, notes);
        let keep_alive = table.get(&keys::broker::KEEP_ALIVE, notes);
        if let Some(keep_alive) = &keep_alive {
            let longest = reporting.longest_keep_alive();
            in_time(keep_alive, keys::broker::KEEP_ALIVE.name, longest, reporting, notes);
        }
        let username = table.get(&keys::broker::USERNAME, notes);
        let login = Login {
            file: &keys::broker::PASSWORD_FILE,
            credential: &keys::broker::PASSWORD_CREDENTIAL,
            username: &keys::broker::USERNAME,
        };
        let password = password(&table, &login, notes, files);
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
                interface: interface.map(|name| name.value),
                bind: bind.map(|address| address.value),
                keep_alive: keep_alive.map_or(reporting.keep_alive(), |at| at.value),
                look: look?.value,
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
        let way = (broker.interface.clone(), broker.bind);
        let place = (broker.host.to_ascii_lowercase(), broker.port, way);
        if let Some(first) = places.before(place, &host) {
            let title = format!(
                "broker \"{}\" has the same host and port, {} {}, as another, by the same way",
                broker.id, broker.host, broker.port
            );
            notes.warn(
                Finding::new(title, host).label("again here").also(first, "first here").hint(
                    "a second path helps when it is another machine, or another `interface` \
                         to the same",
                ),
            );
        }
        brokers.push(broker);
    }
    brokers
}

/// The keys of a login.
pub(super) struct Login {
    pub(super) file: &'static Key<Place>,
    pub(super) credential: &'static Key<Credential>,
    pub(super) username: &'static Key<Text>,
}

/// Where the password is. Two places, or a password for nobody, are reported.
pub(super) fn password(
    table: &Reader<'_, '_>,
    login: &Login,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Option<PasswordSource> {
    let Login { file, credential, username } = *login;
    let source = secret(table, (file, credential), notes, files);
    let has = |key_is_there: bool, span: Range<usize>| key_is_there.then_some(span);
    let at = has(table.has(file), table.span_of(file))
        .or_else(|| has(table.has(credential), table.span_of(credential)));
    if let Some(at) = at.filter(|_| !table.has(username)) {
        notes.error(
            Finding::new(format!("there is a password but no `username` in {}", table.place()), at)
                .label("for whom?")
                .hint("add username = \"…\"")
                .absent(),
        );
    }
    source
}

/// Where a secret is. Two places are reported.
pub(super) fn secret(
    table: &Reader<'_, '_>,
    (file_key, credential_key): (&'static Key<Place>, &'static Key<Credential>),
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Option<PasswordSource> {
    let file = table.get(file_key, notes);
    let credential = table.get(credential_key, notes);
    if table.has(file_key) && table.has(credential_key) {
        notes.error(
            Finding::new(
                format!(
                    "`{}` and `{}` stand together; allowed: one of them",
                    file_key.name, credential_key.name
                ),
                table.span_of(credential_key),
            )
            .label("one too many")
            .also(table.span_of(file_key), "the other"),
        );
    }
    let (source, span, key) = match (file, credential) {
        (Some(file), _) => (PasswordSource::File(file.value), file.span, file_key.name),
        (None, Some(credential)) => {
            (PasswordSource::Credential(credential.value), credential.span, credential_key.name)
        }
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
