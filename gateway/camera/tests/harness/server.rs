//! gst-rtsp-server, in a process that can be stopped and killed.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use gatehouse_camera::source::Address;

/// What the server asks for.
#[derive(Clone, Copy, Debug)]
pub enum Auth {
    None,
    Digest(&'static str),
    Basic(&'static str),
}

/// A server with mounts `(path, encoding, UDP port)`.
pub struct Server {
    port: u16,
    auth: Auth,
    mounts: Vec<(&'static str, &'static str, u16)>,
    child: Option<Child>,
}

impl Server {
    pub async fn start(
        auth: Auth,
        mounts: &[(&'static str, &'static str, u16)],
    ) -> anyhow::Result<Self> {
        let mut server = Self { port: super::port(), auth, mounts: mounts.to_vec(), child: None };
        server.launch().await?;
        Ok(server)
    }

    /// Starts it again, on the same port.
    pub async fn launch(&mut self) -> anyhow::Result<()> {
        // The distribution's: another python has no gi.
        let mut command = Command::new("/usr/bin/python3");
        // As text: this harness serves suites of other crates, too.
        command.args(["-c", include_str!("rtsp_server.py")]).arg(self.port.to_string());
        match self.auth {
            Auth::None => {}
            Auth::Digest(secret) => drop(command.args(["--digest", secret])),
            Auth::Basic(secret) => drop(command.args(["--basic", secret])),
        }
        for (path, encoding, port) in &self.mounts {
            command.arg(format!("{path}={encoding}:{port}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("start /usr/bin/python3")?;
        let stdout = child.stdout.take().context("piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await;
        match line.context("the server says ready")?? {
            Some(line) if line == "ready" => {}
            other => bail!("the server said {other:?}: are its packages installed?"),
        }
        self.child = Some(child);
        Ok(())
    }

    pub fn address(&self, path: &str) -> Address {
        Address::rtsp(&format!("rtsp://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    /// Power off.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it runs")?;
        child.kill().await.context("kill the server")
    }

    pub fn process_id(&self) -> anyhow::Result<u32> {
        self.child.as_ref().and_then(Child::id).context("it runs")
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        send(self.child.as_ref().context("it runs")?, signal)
    }
}

pub fn send(child: &Child, signal: Signal) -> anyhow::Result<()> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    kill_process(pid.context("it runs")?, signal).context("signal")
}
