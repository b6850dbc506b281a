//! From the text of a file to a [`Config`]: every key read, then what must fit together.

use std::collections::HashMap;
use std::ops::Range;

use gatehouse_core::event::Class;
use gatehouse_core::topic::Address;
use toml::de::DeTable;

use crate::MAX_BROKERS;
use crate::config::{Config, JournalConfig, Log, LogFormat, LogLevel, Sim, Uplink};
use crate::door::{Chip, Door, Line};
use crate::files::{FileRef, Role};
use crate::finding::{ConfigErrors, Finding, Findings, Warnings};
use crate::keys;
use crate::network::{Broker, ClientCertificate, PLAIN_PORT, TLS_PORT, Tls};
use crate::reader::{At, Notes, Reader, is_secret};
use crate::secret::PasswordSource;

/// What one reading of a file gives, good or bad.
pub(crate) struct Outcome<'t> {
    /// The configuration, if nothing it needs is missing. It is used only if there are no errors.
    config: Option<Config>,
    /// The files that it names.
    pub(crate) files: Vec<FileRef>,
    pub(crate) notes: Notes<'t>,
}

impl Config {
    /// Checks a configuration's text. `name` is what mistakes call the file.
    ///
    /// Looks at nothing but the text: whether the files it names exist is seen by
    /// [`Config::load`].
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigErrors> {
        read(text).finish(name)
    }
}

impl Outcome<'_> {
    /// The configuration with its warnings, or everything that is wrong.
    pub(crate) fn finish(self, name: &str) -> Result<Config, ConfigErrors> {
        let text = blotted(self.notes.text, &self.notes.blots);
        let gather = |list: Vec<Finding>| {
            let text = if list.is_empty() { String::new() } else { text.clone() };
            let mut findings = Findings { name: name.to_owned(), text, list };
            findings.sort();
            findings
        };
        let (errors, warnings) = (gather(self.notes.errors), gather(self.notes.warnings));
        match self.config {
            Some(config) if errors.list.is_empty() => {
                Ok(Config { warnings: Warnings(warnings), ..config })
            }
            _ => Err(ConfigErrors { errors, warnings }),
        }
    }
}

/// Reads a file's text.
pub(crate) fn read(text: &str) -> Outcome<'_> {
    let (root, syntax) = DeTable::parse_recoverable(text);
    let mut notes = Notes { text, errors: Vec::new(), warnings: Vec::new(), blots: Vec::new() };
    let mut files = Vec::new();
    let config = whole(&Reader::file(&root, &mut notes), &mut notes, &mut files);
    if !syntax.is_empty() {
        // What the parser made of a broken line is a guess, and a key may have gone down with it.
        let broken: Vec<_> = syntax.iter().map(|e| line_of(text, &span(text, e))).collect();
        let guess = |finding: &Finding| {
            let line = finding.span.as_ref().map(|span| line_of(text, span));
            finding.absent || line.is_some_and(|line| broken.contains(&line))
        };
        notes.errors.retain(|finding| !guess(finding));
        notes.warnings.retain(|finding| !guess(finding));
        for error in &syntax {
            let finding = Finding::new(format!("not TOML: {}", error.message()), span(text, error));
            let hint = syntax_hint(error.message()).map(str::to_owned);
            notes.error(finding.label("here").maybe_hint(hint));
        }
    }
    Outcome { config, files, notes }
}

fn span(text: &str, error: &toml::de::Error) -> Range<usize> {
    let span = error.span().unwrap_or(0..0);
    let start = floor(text, span.start);
    start..floor(text, span.end).max(start)
}

/// The nearest place at or before `at` that is no part of a character.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text[..floor(text, span.start)].matches('\n').count()
}

/// What to do about the parser's own words.
fn syntax_hint(message: &str) -> Option<&'static str> {
    if message.contains("duplicate key") {
        Some("each key stands once in its table; leave one of them out")
    } else if message.contains("string values must be quoted") {
        Some("words and paths stand in quotes: \"…\"")
    } else {
        None
    }
}

fn whole(file: &Reader<'_, '_>, notes: &mut Notes<'_>, files: &mut Vec<FileRef>) -> Option<Config> {
    // Everything is read before anything is given up, so that every mistake is found.
    let gateway = file.table(&keys::gateway::TABLE, notes).and_then(|table| {
        let id = table.get(&keys::gateway::ID, notes);
        let district = table.get(&keys::gateway::DISTRICT, notes);
        let site = table.get(&keys::gateway::SITE, notes);
        let state_dir = table.get(&keys::gateway::STATE_DIR, notes);
        let socket = table.get(&keys::gateway::SOCKET, notes);
        let address =
            Address { district: district?.value, site: site?.value, gateway: id?.value };
        Some((address, state_dir?.value, socket?.value))
    });
    let sim = sim(file, notes, files);
    let doors = doors(file, sim.is_some(), notes);
    let brokers = brokers(file, notes, files);
    let uplink = file.optional(&keys::uplink::TABLE, notes, uplink);
    let journal = file.optional(&keys::journal::TABLE, notes, journal);
    let log = file.optional(&keys::log::TABLE, notes, log);
    let (address, state_dir, socket) = gateway?;
    Some(Config {
        address,
        state_dir,
        socket,
        doors,
        brokers,
        uplink: uplink?,
        journal: journal?,
        sim: sim.flatten(),
        log: log?,
        hash: hash(notes.text.as_bytes()),
        warnings: Warnings::default(),
    })
}

/// The first 16 hex digits of BLAKE3.
fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

fn doors(file: &Reader<'_, '_>, has_sim: bool, notes: &mut Notes<'_>) -> Vec<Door> {
    let tables = file.tables(&keys::door::TABLE, notes);
    if tables.is_empty() && !file.has_table(&keys::door::TABLE) {
        notes.warn(
            Finding::new("there are no doors: nothing is watched", 0..0)
                .hint("add a table [[door]] with id and input for each door")
                .absent(),
        );
    }
    let mut ids = Seen::default();
    let mut lines: Seen<Line> = Seen::default();
    let mut doors = Vec::new();
    for table in tables {
        let id = table.get(&keys::door::ID, notes);
        let name = table.get(&keys::door::NAME, notes);
        let input = table.get(&keys::door::INPUT, notes);
        let contact = table.get(&keys::door::CONTACT, notes);
        let bias = table.get(&keys::door::BIAS, notes);
        let debounce = table.get(&keys::door::DEBOUNCE, notes);
        let held_open = table.get(&keys::door::HELD_OPEN, notes);
        let partition = table.get(&keys::door::PARTITION, notes);
        ids.once(id.as_ref(), notes, |id| format!("the door id \"{id}\" is used twice"));
        lines.once(input.as_ref(), notes, |line| format!("the line {line} is used twice"));
        if let Some(input) = input.as_ref().filter(|input| input.value.chip == Chip::Sim)
            && !has_sim
        {
            let title = format!("`input` is {}, but there is no table [sim]", input.value);
            notes.error(
                Finding::new(title, input.span.clone())
                    .label("simulated")
                    .hint("add [sim] with socket or script, or name a line as \"gpiochip0:17\"")
                    .absent(),
            );
        }
        if let (Some(held), Some(debounce)) = (&held_open, &debounce)
            && held.value <= debounce.value
        {
            let title = format!(
                "`held-open-s` is {} s, which is not longer than `debounce-ms`, {} ms",
                held.value.as_secs(),
                debounce.value.as_millis()
            );
            notes.error(
                Finding::new(title, held.span.clone())
                    .label("too short")
                    .also(debounce.span.clone(), "the debounce time")
                    .hint("a door stands open for seconds to minutes before it counts as held open"),
            );
        }
        let door = || {
            Some(Door {
                id: id?.value,
                name: name.map(|name| name.value),
                input: input?.value,
                contact: contact?.value,
                debounce: debounce?.value,
                bias: bias?.value,
                held_open: held_open.map(|limit| limit.value),
                partition: partition.map(|partition| partition.value),
            })
        };
        doors.extend(door());
    }
    doors
}

/// Values that may stand only once in a file.
struct Seen<T>(HashMap<T, Range<usize>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone + Eq + std::hash::Hash> Seen<T> {
    /// Reports a value that was seen before, with both places.
    fn once(
        &mut self,
        at: Option<&At<T>>,
        notes: &mut Notes<'_>,
        title: impl FnOnce(&T) -> String,
    ) {
        let Some(at) = at else { return };
        match self.0.get(&at.value) {
            Some(first) => notes.error(
                Finding::new(title(&at.value), at.span.clone())
                    .label("again here")
                    .also(first.clone(), "first here"),
            ),
            None => {
                self.0.insert(at.value.clone(), at.span.clone());
            }
        }
    }
}

fn brokers(
    file: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Vec<Broker> {
    let tables = file.tables(&keys::broker::TABLE, notes);
    if tables.is_empty() && !file.has_table(&keys::broker::TABLE) {
        let title = format!("there is no [[broker]]; allowed: 1 to {MAX_BROKERS}");
        notes.error(
            Finding::new(title, 0..0).hint("add a table [[broker]] with id and host").absent(),
        );
    }
    let mut ids = Seen::default();
    let mut brokers = Vec::new();
    for table in tables {
        let id = table.get(&keys::broker::ID, notes);
        ids.once(id.as_ref(), notes, |id| format!("the broker id \"{id}\" is used twice"));
        let host = table.get(&keys::broker::HOST, notes);
        let port = table.get(&keys::broker::PORT, notes);
        let protocol = table.get(&keys::broker::PROTOCOL, notes);
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
                Finding::new(title, host)
                    .label("not on this machine")
                    .hint("add [broker.tls] with ca = \"/etc/gatehouse/ca.pem\""),
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
    let mut note = |key, at: Option<&At<std::path::PathBuf>>, role: fn(_) -> Role| {
        let file = at.map(|at| FileRef { key, span: at.span.clone(), role: role(at.value.clone()) });
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

fn uplink(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<Uplink> {
    let heartbeat = table.get(&keys::uplink::HEARTBEAT, notes);
    let replay_rate = table.get(&keys::uplink::REPLAY_RATE, notes);
    let replay_jitter = table.get(&keys::uplink::REPLAY_JITTER, notes);
    let in_flight = table.get(&keys::uplink::IN_FLIGHT, notes);
    let host_timeout = table.get(&keys::uplink::HOST_TIMEOUT, notes);
    Some(Uplink {
        heartbeat: heartbeat?.value,
        replay_rate: replay_rate?.value,
        replay_jitter: replay_jitter?.value,
        in_flight: in_flight?.value,
        host_timeout: host_timeout?.value,
    })
}

fn journal(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<JournalConfig> {
    let max = table.get(&keys::journal::MAX, notes);
    let reserve = table.get(&keys::journal::RESERVE, notes);
    let mut keep = [None; Class::ALL.len()];
    if let Some(table) = table.table(&keys::journal::keep::TABLE, notes) {
        for (place, key) in keep.iter_mut().zip(&keys::journal::keep::CLASSES) {
            *place = table.get(key, notes).map(|at| at.value);
        }
    }
    let (max, reserve) = (max?, reserve?);
    if reserve.value > max.value / 2 {
        let title = format!(
            "`reserve-mib` is {}, more than half of `max-mib`, {}",
            reserve.value >> 20,
            max.value >> 20
        );
        notes.error(
            Finding::new(title, reserve.span)
                .label("too large")
                .also(max.span, "the whole")
                .hint("the reserve holds the alarms of a full disk; 4 MiB are about 3,000 of them"),
        );
    }
    Some(JournalConfig { max_bytes: max.value, reserve_bytes: reserve.value, keep })
}

fn log(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<Log> {
    let level = table.get::<crate::kind::Choice<LogLevel>>(&keys::log::LEVEL, notes);
    let format = table.get::<crate::kind::Choice<LogFormat>>(&keys::log::FORMAT, notes);
    Some(Log { level: level?.value, format: format?.value })
}

/// `None`: there is no `[sim]`. `Some(None)`: there is one with a mistake.
fn sim(
    file: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Option<Option<Sim>> {
    use keys::sim::{SCRIPT, SOCKET, TABLE};
    let there = file.has_table(&TABLE);
    let Some(table) = file.table(&TABLE, notes) else { return there.then_some(None) };
    let socket = table.get(&SOCKET, notes);
    let script = table.get(&SCRIPT, notes);
    match (table.has(&SOCKET), table.has(&SCRIPT)) {
        (true, true) => notes.error(
            Finding::new(
                "`socket` and `script` stand together in [sim]; allowed: one of them",
                table.span_of(&SCRIPT),
            )
            .label("one too many")
            .also(table.span_of(&SOCKET), "the other"),
        ),
        (false, false) => notes.error(
            Finding::new("[sim] has neither `socket` nor `script`", table.span.clone())
                .label("one of them is needed")
                .hint("add socket = \"/run/gatehouse/world.sock\"")
                .absent(),
        ),
        _ => {}
    }
    if let Some(script) = script {
        let role = Role::Script(script.value.clone());
        files.push(FileRef { key: SCRIPT.name, span: script.span, role });
        return Some(Some(Sim::Script(script.value)));
    }
    Some(socket.map(|socket| Sim::Socket(socket.value)))
}

/// The text as it may be shown: secrets are stars of the same length, so every place stays.
fn blotted(text: &str, blots: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for blot in blots {
        blot_out(&mut bytes, blot.clone());
    }
    // A line that is not TOML has no values to go by; what follows a telling key is not shown.
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((key, _)) = line.split_once('=') {
            let name = key.trim().trim_matches(['"', '\'']);
            let name = name.rsplit('.').next().unwrap_or(name).trim();
            let known = [keys::broker::PASSWORD_FILE.name, keys::broker::PASSWORD_CREDENTIAL.name];
            if is_secret(key) && !known.contains(&name) {
                blot_out(&mut bytes, at + key.len() + 1..at + line.len());
            }
        }
        at += line.len();
    }
    // Whole characters were replaced, so this is text still.
    String::from_utf8(bytes).unwrap_or_default()
}

fn blot_out(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b'*';
        }
    }
}
