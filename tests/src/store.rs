//! A real S3 server that is not ours: `rclone serve s3` over a folder, which checks every signature.
//!
//! Objects are files below the folder, and stay over a kill; uploads in parts that were not completed are
//! forgotten by one, as a store forgets them after its days. Its log names each request.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::broker::BrokerTls;
use crate::ports::Port;
use crate::process::Process;
use crate::record::Record;
use crate::wait::SOON;

/// The bucket that is there.
pub const BUCKET: &str = "evidence";

/// Who may write.
pub const ACCESS_KEY: &str = "gatehouse-test";
/// What belongs to it.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY";

/// A store of this test alone.
#[derive(Debug)]
pub struct ObjectStore {
    port: Port,
    folder: TempDir,
    log: Record<String>,
    process: Option<Process>,
    tls: Option<BrokerTls>,
}

impl ObjectStore {
    /// Starts it with its bucket, and returns when it listens.
    pub async fn start(tls: Option<BrokerTls>) -> anyhow::Result<Self> {
        let mut store = Self::prepare(tls)?;
        store.launch().await?;
        Ok(store)
    }

    /// Holds its port and makes its bucket; nobody answers yet.
    pub fn prepare(tls: Option<BrokerTls>) -> anyhow::Result<Self> {
        let port = Port::hold()?;
        let folder = tempfile::Builder::new().prefix("gatehouse-store-").tempdir()?;
        std::fs::create_dir_all(folder.path().join("buckets").join(BUCKET))?;
        std::fs::write(folder.path().join("secret"), format!("{SECRET_KEY}\n"))?;
        Ok(Self { port, folder, log: Record::default(), process: None, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// A file with the secret key.
    pub fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// The table `[evidence.store]` of a gateway that reaches it at `address`.
    pub fn table(&self, address: SocketAddr, more: &str) -> String {
        let (scheme, ca) = match &self.tls {
            Some(tls) => ("https", format!("ca = \"{}\"\n", tls.ca.display())),
            None => ("http", String::new()),
        };
        format!(
            "[evidence.store]\nendpoint = \"{scheme}://{address}\"\nbucket = \"{BUCKET}\"\n\
             access-key = \"{ACCESS_KEY}\"\nsecret-key-file = \"{}\"\n{ca}{more}\n",
            self.secret().display()
        )
    }

    /// Starts it, after [`Self::prepare`] or [`Self::kill`].
    pub async fn launch(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the store still runs");
        let seen = self.log.len();
        let mut command = Command::new(program()?);
        command
            .args(["serve", "s3", "-vv", "--config", "/dev/null", "--addr"])
            .arg(self.address().to_string())
            .args(["--auth-key", &format!("{ACCESS_KEY},{SECRET_KEY}"), "--cache-dir"])
            .arg(self.folder.path().join("cache"));
        if let Some(tls) = &self.tls {
            command.arg("--cert").arg(&tls.certificate).arg("--key").arg(&tls.key);
        }
        command.arg(self.folder.path().join("buckets"));
        self.process = Some(Process::start("rclone serve s3", &mut command, &self.log)?);
        let up = |lines: &[String]| {
            lines[seen..].iter().any(|line| line.contains("Starting s3 server")).then_some(())
        };
        self.log.wait_for("the store to listen", SOON, up).await
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the store does not run")?;
        process.end(Signal::KILL, SOON).await.map(drop)
    }

    /// What it has logged, over all its starts: a line for each request.
    pub fn log(&self) -> &Record<String> {
        &self.log
    }

    /// How many requests of a kind it has had, as its log names them: `CREATE OBJECT`, `HEAD OBJECT`,
    /// `initiate multipart upload`, `put multipart upload`, `complete multipart upload`, `abort multipart
    /// upload`.
    pub fn requests(&self, kind: &str) -> usize {
        let wanted = format!("serve s3: {kind}");
        self.log.read(|lines| lines.iter().filter(|line| line.contains(&wanted)).count())
    }

    /// The objects that are there, by key, without what is under way.
    pub fn objects(&self) -> anyhow::Result<Vec<String>> {
        let bucket = self.folder.path().join("buckets").join(BUCKET);
        let (mut folders, mut keys) = (vec![bucket.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                let name = path.file_name().and_then(|name| name.to_str()).context("a name")?;
                if path.is_dir() {
                    folders.push(path);
                } else if !name.starts_with(".rclone_temp") {
                    let key = path.strip_prefix(&bucket)?.to_str().context("a key")?;
                    keys.push(key.to_owned());
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    /// What an object holds.
    pub fn object(&self, key: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.folder.path().join("buckets").join(BUCKET).join(Path::new(key));
        std::fs::read(path).with_context(|| format!("the object {key}"))
    }
}

/// The rclone that `tests/run setup` has installed for this.
fn program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("STORE_RCLONE") {
        return Ok(path.into());
    }
    let me = std::env::current_exe()?;
    let mut candidates = me.ancestors().map(|folder| folder.join("python/store/bin/rclone"));
    candidates.find(|path| path.is_file()).context(
        "no rclone: install it by `tests/run setup`, or name one of 1.65 or later in STORE_RCLONE",
    )
}
