//! A PostgreSQL of the test's own, and a home for its database of either kind.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gatehouse_receiver::{Database, Server, Store};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{free_port, within};

/// Debian has no program of the server in the path, other systems do.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name));
    found.filter(|path| path.exists()).max().unwrap_or_else(|| name.into())
}

/// The server will not run as root: then it is nobody's.
fn as_nobody(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

const NOBODY: u32 = 65_534;

/// A server on a free loopback port with its own folder; ended with the value.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Postgres {
    pub async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let password = folder.path().join("password");
        fs::write(&password, "s3cret\n").unwrap();
        let mut command = Command::new(program("initdb"));
        as_nobody(&mut command)
            .args(["-U", "gatehouse", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "-N"])
            .arg(format!("--pwfile={}", password.display()))
            .arg("-D")
            .arg(folder.path().join("data"))
            .stdout(Stdio::null());
        let made = command.status().expect("these suites need PostgreSQL: apt install postgresql");
        assert!(made.success(), "initdb: {made}");
        let mut server = Self { folder, port: free_port(), child: None };
        server.restart().await;
        server
    }

    /// Starts it again on the same port with what its folder still holds.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none());
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program("postgres"));
        as_nobody(&mut command)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-p", &self.port.to_string(), "-D"])
            .arg(self.folder.path().join("data"))
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
        within("PostgreSQL answers", async {
            while self.sql("SELECT 1").await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Kills it as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // `quit` is its word for at once, and takes its children along.
            let _ = kill_process(Pid::from_child(&child), Signal::QUIT);
            child.wait().unwrap();
        }
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub fn password(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    pub fn url(&self) -> String {
        format!("postgres://gatehouse@127.0.0.1:{}/postgres", self.port)
    }

    /// As a receiver is told of it.
    pub fn database(&self) -> Database {
        self.database_at(self.address())
    }

    /// The same by way of a proxy.
    pub fn database_at(&self, address: SocketAddr) -> Database {
        let url = format!("postgres://gatehouse@{address}/postgres");
        let mut server = Server::parse(&url, |_| None).unwrap();
        server.password_file = Some(self.password());
        server.into()
    }

    /// Another client than ours.
    pub async fn client(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("gatehouse").password("s3cret");
        let (client, connection) = config.dbname("postgres").connect(tokio_postgres::NoTls).await?;
        tokio::runtime::Handle::current().spawn(connection);
        Ok(client)
    }

    pub async fn sql(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client().await?.batch_execute(sql).await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where a test's events are kept.
pub struct Home {
    folder: TempDir,
    pub postgres: Option<Postgres>,
}

impl Home {
    pub fn sqlite() -> Self {
        Self { folder: TempDir::new().unwrap(), postgres: None }
    }

    pub async fn postgres() -> Self {
        Self { folder: TempDir::new().unwrap(), postgres: Some(Postgres::start().await) }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn database(&self) -> Database {
        match &self.postgres {
            Some(postgres) => postgres.database(),
            None => Database::File(self.folder.path().join("r.db")),
        }
    }

    /// What the program is told of it.
    pub fn words(&self) -> Vec<String> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        match &self.postgres {
            Some(postgres) => vec![
                "--db".into(),
                postgres.url(),
                "--db-password-file".into(),
                text(&postgres.password()),
            ],
            None => vec!["--db".into(), text(&self.folder.path().join("r.db"))],
        }
    }

    pub fn store(&self) -> Store {
        Store::open_to_read(self.database()).unwrap()
    }
}

/// Makes of each step two tests, one on either kind of database.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::common::postgres::Home::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::common::postgres::Home::postgres().await).await;
            })+
        }
    };
}
