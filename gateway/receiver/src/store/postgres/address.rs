//! Where a server is, and who we are there: a URL, the environment's `PG…`, and files.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use gatehouse_link::{ClientCertificate, Tls};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How a URL of a server begins.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// A PostgreSQL server, and how to get in.
#[derive(Clone, Debug)]
pub struct Server {
    /// Without password: that is read anew for every connection.
    pub(super) config: Config,
    /// How the connection is secured; none: it is not.
    pub tls: Option<Tls>,
    /// The file with the user's password (its first line), read anew for every connection.
    pub password_file: Option<PathBuf>,
    /// `PGPASSWORD`.
    pub(super) password: Option<String>,
}

/// A text is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// A password on the command line is seen by everybody on the machine.
    #[error(
        "no password in the URL: name the file with it by --db-password-file, or set PGPASSWORD"
    )]
    Password,
    /// `sslmode` is something between plain and verified.
    #[error(
        "sslmode={0} is not offered: allowed is disable, or verify-full with sslrootcert=FILE (or \
         --db-ca FILE)"
    )]
    Mode(String),
    /// TLS without an authority: then any server could be ours.
    #[error(
        "sslmode=verify-full needs the authority of the server's certificate: sslrootcert=FILE"
    )]
    NoAuthority,
    /// Half a certificate.
    #[error("sslcert and sslkey belong together")]
    HalfCertificate,
    /// Anything else.
    #[error(
        "not a PostgreSQL server: {0}; allowed is postgres://[USER@]HOST[:PORT][/DATABASE], as \
         postgres://gatehouse@db.lan/district; what is left out is taken from PGHOST, PGPORT, \
         PGUSER and PGDATABASE"
    )]
    Url(String),
}

impl Server {
    /// Whether this text is meant to be the address of a server.
    pub fn is_meant_by(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Parses a URL; what it leaves out is taken from `setting`, by the names of libpq's
    /// environment.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn parse(url: &str, setting: impl Fn(&str) -> Option<String>) -> Result<Self, ServerError> {
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let mut secured = Secured::default();
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !secured.take(key, value) {
                kept.push(pair);
            }
        }
        secured.complete(&setting);
        let mut url = with_port(rest, setting("PGPORT"))?;
        if !kept.is_empty() {
            url = format!("{url}?{}", kept.join("&"));
        }
        let mut config = Config::from_str(&url).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            ServerError::Url(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_password().is_some() {
            return Err(ServerError::Password);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host(setting("PGHOST").unwrap_or_else(|| "localhost".to_owned()));
        }
        if config.get_ports().is_empty()
            && let Some(port) = setting("PGPORT")
        {
            let port = port.parse().map_err(|_| ServerError::Url(format!("PGPORT is {port:?}")))?;
            config.port(port);
        }
        if config.get_user().is_none() {
            let user = setting("PGUSER").or_else(|| setting("USER"));
            config.user(user.ok_or_else(|| ServerError::Url("it names no user".to_owned()))?);
        }
        if config.get_dbname().is_none()
            && let Some(database) = setting("PGDATABASE")
        {
            config.dbname(database);
        }
        if config.get_application_name().is_none() {
            config.application_name("gatehouse-receiver");
        }
        let password = setting("PGPASSWORD").filter(|password| !password.is_empty());
        let mut server = Self { config, tls: None, password_file: None, password };
        server.secure(secured.tls()?);
        Ok(server)
    }

    /// Secures the connection, or does not.
    pub fn secure(&mut self, tls: Option<Tls>) {
        self.config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        self.tls = tls;
    }

    /// Whether what is said can be heard on a network.
    pub fn is_overheard(&self) -> bool {
        let local = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.starts_with("127.") || name == "::1",
        };
        self.tls.is_none() && !self.config.get_hosts().iter().all(local)
    }
}

/// The parser takes the usual port for a host without one; the environment's goes before.
fn with_port(url: &str, port: Option<String>) -> Result<String, ServerError> {
    let Some(port) = port else { return Ok(url.to_owned()) };
    let port: u16 = port.parse().map_err(|_| ServerError::Url(format!("PGPORT is {port:?}")))?;
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find('/').map_or(url.len(), |at| begin + at);
    let authority = &url[begin..end];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let after_brackets = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    if host.is_empty() || after_brackets.contains([':', ',']) {
        return Ok(url.to_owned());
    }
    Ok(format!("{}:{port}{}", &url[..end], &url[end..]))
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(url: &str) -> Result<Self, ServerError> {
        Self::parse(url, |name| env::var(name).ok())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@", self.config.get_user().unwrap_or_default())?;
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => f.write_str(name)?,
            Some(Host::Unix(path)) => write!(f, "{}", path.display())?,
            None => {}
        }
        if let Some(port) = self.config.get_ports().first() {
            write!(f, ":{port}")?;
        }
        let user = self.config.get_user();
        write!(f, "/{}", self.config.get_dbname().or(user).unwrap_or_default())
    }
}

/// What libpq calls `ssl…`; the crate knows only a part of it.
#[derive(Default)]
struct Secured {
    mode: Option<String>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Secured {
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "sslmode" => self.mode = Some(value.to_owned()),
            "sslrootcert" => self.ca = Some(value.into()),
            "sslcert" => self.certificate = Some(value.into()),
            "sslkey" => self.key = Some(value.into()),
            _ => return false,
        }
        true
    }

    fn complete(&mut self, setting: &impl Fn(&str) -> Option<String>) {
        let file = |name: &str| setting(name).map(PathBuf::from);
        self.mode = self.mode.take().or_else(|| setting("PGSSLMODE"));
        self.ca = self.ca.take().or_else(|| file("PGSSLROOTCERT"));
        self.certificate = self.certificate.take().or_else(|| file("PGSSLCERT"));
        self.key = self.key.take().or_else(|| file("PGSSLKEY"));
    }

    fn tls(self) -> Result<Option<Tls>, ServerError> {
        let wanted = match self.mode.as_deref() {
            Some("disable") => false,
            Some("verify-full") => true,
            Some(other) => return Err(ServerError::Mode(other.to_owned())),
            None => self.ca.is_some(),
        };
        let client = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            _ => return Err(ServerError::HalfCertificate),
        };
        match self.ca {
            _ if !wanted => Ok(None),
            Some(ca) => Ok(Some(Tls { ca, client, server_name: None })),
            None => Err(ServerError::NoAuthority),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, environment: &[(&str, &str)]) -> Result<Server, ServerError> {
        Server::parse(url, |name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_a_url_leaves_out_comes_from_the_environment_and_secrets_are_never_shown() {
        let environment =
            [("PGHOST", "db.lan"), ("PGPORT", "5433"), ("PGUSER", "g"), ("PGPASSWORD", "s3cret")];
        let server = parse("postgres://", &environment).unwrap();
        assert_eq!(server.to_string(), "postgres://g@db.lan:5433/g");
        assert_eq!(server.password.as_deref(), Some("s3cret"));
        assert!(server.is_overheard());
        let server = parse("postgresql://u@127.0.0.1:99/d", &environment).unwrap();
        assert_eq!(server.to_string(), "postgres://u@127.0.0.1:99/d");
        assert!(!server.is_overheard() && server.tls.is_none());
        let server = parse("postgres://u@%2Frun%2Fpostgresql/d", &[]).unwrap();
        assert_eq!(server.to_string(), "postgres://u@/run/postgresql:5432/d");
        let server = parse("postgres://u@[::1]/d", &environment).unwrap();
        assert_eq!(server.to_string(), "postgres://u@::1:5433/d");
        assert!(!server.is_overheard());
    }

    #[test]
    fn tls_is_verified_or_there_is_none() {
        let secured = parse("postgres://u@h/d?sslrootcert=/ca.pem&connect_timeout=3", &[]).unwrap();
        assert_eq!(secured.tls.unwrap().ca, PathBuf::from("/ca.pem"));
        let by_environment = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "/ca.pem")];
        assert!(parse("postgres://u@h/d", &by_environment).unwrap().tls.is_some());
        assert!(parse("postgres://u@h/d?sslmode=disable", &by_environment).unwrap().tls.is_none());
        let wrong = |url: &str| parse(url, &[]).map(|server| server.to_string()).unwrap_err();
        assert_eq!(wrong("postgres://u@h/d?sslmode=require"), ServerError::Mode("require".into()));
        assert_eq!(wrong("postgres://u@h/d?sslmode=verify-full"), ServerError::NoAuthority);
        assert_eq!(wrong("postgres://u@h/d?sslrootcert=a&sslkey=k"), ServerError::HalfCertificate);
    }

    #[test]
    fn a_wrong_address_is_answered_with_what_is_allowed() {
        let wrong = |url: &str| parse(url, &[]).map(|server| server.to_string()).unwrap_err();
        assert_eq!(wrong("postgres://u:secret@h/d"), ServerError::Password);
        assert!(wrong("postgres://u@h/d?colour=red").to_string().contains("colour"));
        assert!(wrong("postgres://h/d").to_string().contains("names no user"));
        assert!(wrong("postgres://u@h:port/d").to_string().contains("allowed is postgres://"));
        assert!(Server::is_meant_by("postgresql://h") && !Server::is_meant_by("/var/lib/d.db"));
    }
}
