//! Which database: a file, or a server with what it takes to get in.

use std::path::PathBuf;

use clap::Args;
use gatehouse_link::{ClientCertificate, Tls};

use super::Failed;
use super::receive::{check, try_out};
use crate::store::Database;
use crate::store::postgres::Server;

/// The database.
#[expect(clippy::struct_field_names, reason = "they are the names of the options")]
#[derive(Debug, Args)]
pub(super) struct Db {
    /// The database: a file, or a PostgreSQL server as postgres://[USER@]HOST[:PORT][/DATABASE];
    /// what such a URL leaves out is taken from PGHOST, PGPORT, PGUSER and PGDATABASE.
    #[arg(long, value_name = "FILE|URL", value_parser = database)]
    db: Database,
    /// With a server, the file with its user's password (the first line), read anew for every
    /// connection; without it PGPASSWORD.
    #[arg(long, value_name = "FILE", help_heading = "PostgreSQL")]
    db_password_file: Option<PathBuf>,
    /// With a server, the certificates that sign the server's, in PEM: then the connection is
    /// secured, and the server must be who it is meant to be.
    #[arg(long, value_name = "FILE", help_heading = "PostgreSQL")]
    db_ca: Option<PathBuf>,
    /// Our own certificate with its chain, if the server wants one.
    #[arg(
        long,
        value_name = "FILE",
        requires = "db_key",
        requires = "db_ca",
        help_heading = "PostgreSQL"
    )]
    db_cert: Option<PathBuf>,
    /// Its private key, in PEM without passphrase.
    #[arg(long, value_name = "FILE", requires = "db_cert", help_heading = "PostgreSQL")]
    db_key: Option<PathBuf>,
}

fn database(text: &str) -> Result<Database, String> {
    if Server::is_meant_by(text) {
        return text.parse::<Server>().map(Database::from).map_err(|error| error.to_string());
    }
    Ok(Database::File(text.into()))
}

impl Db {
    /// The database, once the files that it needs are good.
    pub(super) fn database(self) -> Result<Database, Failed> {
        let Self { db, db_password_file, db_ca, db_cert, db_key } = self;
        let client = db_cert.zip(db_key);
        let client = client.map(|(certificate, key)| ClientCertificate { certificate, key });
        match db {
            Database::Postgres(mut server) => {
                if let Some(ca) = db_ca {
                    server.secure(Some(Tls { ca, client, server_name: None }));
                }
                if let Some(tls) = &server.tls {
                    check("--db-key", tls)?;
                }
                if let Some(file) = db_password_file {
                    try_out("--db-password-file", &file)?;
                    server.password_file = Some(file);
                }
                if server.is_overheard() {
                    tracing::warn!(%server,
                        "events go to the database in the clear; --db-ca FILE secures that");
                }
                Ok(Database::Postgres(server))
            }
            file if db_password_file.is_none() && db_ca.is_none() => Ok(file),
            file => Err(Failed::new(
                64,
                format!("--db-password-file and --db-ca are for a server, and {file} is a file"),
            )),
        }
    }
}
