//! A camera that has single pictures by HTTP, in a process that can be killed.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Its pictures are those of `source`, one after the other; the user is `guard`, the password
/// `s3cret`.
pub struct Snapshots {
    folder: TempDir,
    auth: &'static str,
    port: u16,
    pictures: usize,
    child: Option<Child>,
}

impl Snapshots {
    /// `auth`: `none`, `basic` or `digest`; `source`: for ffmpeg.
    pub async fn start(auth: &'static str, source: &str, pictures: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source])
            .args(["-frames:v", &pictures.to_string()])
            .arg(folder.path().join("%d.jpg"))
            .status();
        ensure!(made.await?.success(), "pictures");
        let mut camera = Self { folder, auth, port: super::port(), pictures, child: None };
        camera.launch().await?;
        Ok(camera)
    }

    /// Starts it again, on the same port.
    pub async fn launch(&mut self) -> anyhow::Result<()> {
        let pictures = (1..=self.pictures).map(|n| self.folder.path().join(format!("{n}.jpg")));
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", include_str!("snapshot_server.py")])
            .arg(self.port.to_string())
            .args([self.auth, "guard", "s3cret"])
            .args(pictures)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await;
        match line.context("it says ready")?? {
            Some(line) if line == "ready" => {}
            other => bail!("the camera said {other:?}"),
        }
        self.child = Some(child);
        Ok(())
    }

    /// Power off.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it runs")?;
        child.kill().await.context("kill the camera")
    }

    pub fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}
