//! What is received, from where, into what: the options of `run` and `watch`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use gatehouse_core::id::Id;
use gatehouse_link::{ClientCertificate, Tls};

use super::Failed;
use super::db::Db;
use crate::config::{
    BrokerAddress, DEFAULT_PICTURES_MAX, Login, Protocol, ReceiverConfig, Scheme, SecurityError,
};
use crate::control::socket_of;
use crate::handover::RoomConfig;
use crate::password::{self, PasswordError};
use crate::retention::{Keep, Rule};
use crate::storms::StormRule;

/// What is received, from where, into what.
#[derive(Debug, Args)]
pub(super) struct Receive {
    /// The broker, as mqtt://host[:port], or mqtts://host[:port] with TLS; without a port 1883 or
    /// 8883. Once more for each further node of a cluster: the next one is tried when one is away.
    #[arg(long, value_name = "URL", required = true)]
    broker: Vec<BrokerAddress>,
    /// The MQTT that it speaks: 5 or 3.1.1.
    #[arg(long, value_name = "VERSION", default_value = "5")]
    protocol: Protocol,
    /// The district.
    #[arg(long, value_name = "ID")]
    district: Id,
    #[command(flatten)]
    db: Db,
    /// Where `incidents`, `ack` and their like ask this receiver; without it beside the file of
    /// --db, and with a server nowhere.
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// Share the events with other receivers of this group ($share/GROUP/…): side by side on one
    /// PostgreSQL, or a receiver and its stand-by on one file.
    #[arg(long, value_name = "ID")]
    group: Option<Id>,
    /// This receiver's name in receipts and at the broker; without it the machine's name.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The user at the broker.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// The file with the password (its first line), read anew for every connection.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// With mqtts://, the certificates that sign the broker's, in PEM; no others are trusted. This
    /// and the next two files are read anew for every connection: renewing them needs no restart.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    ca: Option<PathBuf>,
    /// The receiver's own certificate with its chain, in PEM, if the broker wants one.
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    cert: Option<PathBuf>,
    /// Its private key, in PEM without passphrase.
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    key: Option<PathBuf>,
    /// The name in the broker's certificate, when it is not the host.
    #[arg(long, value_name = "NAME", help_heading = "TLS")]
    server_name: Option<String>,
    /// Tell responders on duty as this file says (`responders check FILE` says it in words). Every
    /// receiver of a shared database needs it.
    #[arg(long, value_name = "FILE")]
    responders: Option<PathBuf>,
    /// This control room's name to others, as their peers' files have it.
    #[arg(long, value_name = "ID", requires_all = ["room_key", "peers"],
          help_heading = "Other control rooms")]
    room: Option<Id>,
    /// Its own key, as `keygen` makes it: what it says to others is signed with it.
    #[arg(long, value_name = "FILE", requires = "room", help_heading = "Other control rooms")]
    room_key: Option<PathBuf>,
    /// Which other control rooms are known, and what each may hand to this one.
    #[arg(long, value_name = "FILE", requires = "room", help_heading = "Other control rooms")]
    peers: Option<PathBuf>,
    /// The gateways' heartbeat period that the district asks for, where it is shorter than a
    /// gateway's own; without it each follows its failure reporting profile.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    heartbeat: Option<u32>,
    /// Faults of one type are one storm when they follow each other within so many seconds …
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    storm_window: u32,
    /// … at so many gateways.
    #[arg(long, value_name = "COUNT", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(2..=10_000))]
    storm_gateways: u32,
    /// How many days what is kept, as door=30: a class of event, `unreadable`, or `all` for every
    /// other; may be repeated. Then only the place of an event is left, so that the log stays proven.
    /// Without it everything is kept. `looks` is who looked at pictures: 365 days without it, and
    /// never less than what was looked at.
    #[arg(long, value_name = "WHAT=DAYS")]
    keep: Vec<Rule>,
    /// The most that cameras' pictures may take in the database, in MiB; above it the oldest of the
    /// camera that has the most make room, before their time.
    #[arg(long, value_name = "MIB", default_value_t = MIB_OF_PICTURES,
          value_parser = clap::value_parser!(u64).range(1..=16_777_216))]
    pictures_max: u64,
}

const MIB: u64 = 1 << 20;
const MIB_OF_PICTURES: u64 = DEFAULT_PICTURES_MAX / MIB;

impl Receive {
    /// What the words mean, once the files that they name are good. A broker's trouble is waited
    /// out; a wrong file at the start is told to whoever has just typed it.
    pub(super) fn config(self) -> Result<(ReceiverConfig, Option<PathBuf>), Failed> {
        let Self {
            broker: brokers, protocol, district, db, socket, group, host, heartbeat, ..
        } = self;
        let mut brokers = brokers.into_iter();
        let broker = brokers.next().expect("clap requires one");
        let db = db.database()?;
        let socket = socket.or_else(|| socket_of(&db));
        let client = self.cert.zip(self.key);
        let client = client.map(|(certificate, key)| ClientCertificate { certificate, key });
        let tls = match (self.ca, client, self.server_name) {
            (Some(ca), client, server_name) => Some(Tls { ca, client, server_name }),
            (None, None, None) => None,
            _ => {
                let missing = match broker.scheme {
                    Scheme::Mqtt => SecurityError::NotSecured(broker),
                    Scheme::Mqtts => SecurityError::NoAuthority(broker),
                };
                return Err(Failed::new(64, missing));
            }
        };
        let mut config = ReceiverConfig::new(broker, district, db);
        config.further_brokers = brokers.collect();
        config.protocol = protocol;
        config.tls = tls;
        config.group = group;
        config.heartbeat_s = heartbeat;
        config.responders = self.responders;
        config.storm = StormRule {
            window: Duration::from_secs(self.storm_window.into()),
            gateways: usize::try_from(self.storm_gateways).unwrap_or(usize::MAX),
        };
        let files = self.room_key.zip(self.peers);
        let room = self.room.zip(files);
        config.room = room.map(|(name, (key, peers))| RoomConfig { name, key, peers });
        config.keep = Keep::of(self.keep).map_err(|twice| {
            Failed::new(64, format!("--keep {twice} is the second of its kind"))
        })?;
        config.pictures_max = self.pictures_max * MIB;
        config.host = match host {
            Some(host) => host,
            None => machine_name()?,
        };
        config.check().map_err(|error| Failed::new(64, error))?;
        if let Some(tls) = &config.tls {
            check("--key", tls)?;
        }
        if let (Some(username), Some(password_file)) = (self.username, self.password_file) {
            let login = Login { username, password_file };
            try_out("--password-file", &login.password_file)?;
            config.login = Some(login);
        }
        Ok((config, socket))
    }
}

pub(super) fn check(option: &str, tls: &Tls) -> Result<(), Failed> {
    tls.check().map_err(|error| Failed::new(if error.is_unreadable() { 77 } else { 78 }, error))?;
    if let Some(key) = tls.readable_key() {
        let shown = key.display();
        tracing::warn!("{option} {shown} may be read by everybody; chmod 600 it");
    }
    Ok(())
}

pub(super) fn try_out(option: &str, file: &Path) -> Result<(), Failed> {
    password::read(file).map_err(|error| match error {
        PasswordError::Unreadable { .. } => Failed::new(77, error),
        PasswordError::Exposed { .. } | PasswordError::Empty(_) => Failed::new(78, error),
    })?;
    if password::is_readable_by_all(file) {
        tracing::warn!("{option} {} may be read by everybody; chmod 600 it", file.display());
    }
    Ok(())
}

fn machine_name() -> Result<String, Failed> {
    let file = "/proc/sys/kernel/hostname";
    let name = fs::read_to_string(file)
        .map_err(|error| Failed::new(78, format!("{file}: {error}; name it with --host")))?;
    Ok(name.trim().to_owned())
}
