//! A real Chromium without a window, driven by its own DevTools protocol over a pipe: no port, no
//! driver, no other program.
//!
//! `--remote-debugging-pipe` reads commands on file descriptor 3 and answers on 4, each a JSON
//! text that ends with a zero byte; a shell puts both ends onto our own pipes.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::wait::{SOON, until};

/// A browser with a profile of its own; it ends with its handle.
#[derive(Debug)]
pub struct Browser {
    shared: Arc<Shared>,
    _child: Child,
    _tasks: JoinSet<()>,
    _profile: TempDir,
}

#[derive(Debug)]
struct Shared {
    commands: AsyncMutex<ChildStdin>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
}

/// One open page, with cookies that it shares with no other.
#[derive(Debug)]
pub struct Tab {
    shared: Arc<Shared>,
    session: String,
}

/// How large a page is, in its own pixels.
#[derive(Clone, Copy, Debug)]
pub struct Viewport {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// With a finger instead of a mouse.
    pub phone: bool,
}

/// A screen on a wall.
pub const WALL: Viewport = Viewport { width: 1920, height: 1080, phone: false };

/// A phone, upright.
pub const PHONE: Viewport = Viewport { width: 390, height: 844, phone: true };

impl Browser {
    /// Starts it.
    pub async fn start() -> anyhow::Result<Self> {
        let profile = tempfile::Builder::new().prefix("gatehouse-browser-").tempdir()?;
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", "chromium"])
            .args(["--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"])
            // A browser that looks at one page shall not talk to anybody else.
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-quic", "--no-first-run", "--lang=en-GB"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("start chromium")?;
        let commands = AsyncMutex::new(child.stdin.take().context("piped above")?);
        let answers = child.stdout.take().context("piped above")?;
        let (next, waiting) = (AtomicU64::new(1), Mutex::default());
        let shared = Arc::new(Shared { commands, next, waiting });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).read(answers));
        shared.call(None, "Browser.getVersion", json!({})).await.context(
            "no answer from chromium: install it by `apt-get install chromium` or run `tests/run`",
        )?;
        Ok(Self { shared, _child: child, _tasks: tasks, _profile: profile })
    }

    /// Opens a page with cookies of its own.
    pub async fn tab(&self, viewport: Viewport) -> anyhow::Result<Tab> {
        let call = async |method, params| self.shared.call(None, method, params).await;
        let context = call("Target.createBrowserContext", json!({})).await?;
        let context = context["browserContextId"].as_str().context("no context")?;
        let params = json!({"url": "about:blank", "browserContextId": context});
        let target = call("Target.createTarget", params).await?;
        let params = json!({"targetId": target["targetId"], "flatten": true});
        let session = call("Target.attachToTarget", params).await?;
        let session = session["sessionId"].as_str().context("no session")?.to_owned();
        let tab = Tab { shared: Arc::clone(&self.shared), session };
        tab.resize(viewport).await?;
        Ok(tab)
    }
}

impl Shared {
    async fn read(self: Arc<Self>, answers: ChildStdout) {
        let mut answers = BufReader::new(answers);
        let mut bytes = Vec::new();
        while answers.read_until(0, &mut bytes).await.is_ok_and(|count| count > 0) {
            bytes.pop();
            // Events have no id, and nobody asked for any.
            if let Ok(answer) = serde_json::from_slice::<Value>(&bytes)
                && let Some(id) = answer["id"].as_u64()
                && let Some(waiting) = self.waiting().remove(&id)
            {
                let _ = waiting.send(answer);
            }
            bytes.clear();
        }
        self.waiting().clear();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Value>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> anyhow::Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let (told, answer) = oneshot::channel();
        self.waiting().insert(id, told);
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.lock().await.write_all(&bytes).await.context("chromium is gone")?;
        let answer = timeout(SOON * 2, answer).await.with_context(|| format!("{method}: late"))?;
        let mut answer = answer.with_context(|| format!("{method}: chromium is gone"))?;
        ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        Ok(answer["result"].take())
    }
}

impl Tab {
    /// Any command of the protocol.
    pub async fn call(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.shared.call(Some(&self.session), method, params).await
    }

    /// Loads a page.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        let answer = self.call("Page.navigate", json!({"url": url})).await?;
        ensure!(answer["errorText"].is_null(), "{url}: {}", answer["errorText"]);
        Ok(())
    }

    /// What an expression of JavaScript gives.
    pub async fn eval(&self, expression: &str) -> anyhow::Result<Value> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", params).await?;
        if !answer["exceptionDetails"].is_null() {
            bail!("{expression}: {}", answer["exceptionDetails"]["exception"]["description"]);
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression is true.
    pub async fn until(&self, what: &str, expression: &str) -> anyhow::Result<()> {
        let waited = until(what, SOON, async || {
            // A page that is just being loaded has no document yet.
            let found = self.eval(&format!("Boolean({expression})")).await;
            Ok(found.is_ok_and(|found| found == true).then_some(()))
        });
        if let Err(error) = waited.await {
            let text = self.eval("document.body && document.body.innerText").await;
            bail!("{error}; the page says {text:?}");
        }
        Ok(())
    }

    /// The text of the first element that a selector finds.
    pub async fn text(&self, selector: &str) -> anyhow::Result<String> {
        let text = self.eval(&format!("document.querySelector({selector:?})?.textContent")).await?;
        text.as_str().map(str::to_owned).with_context(|| format!("no element {selector}"))
    }

    /// Presses a key and lets it go: a letter, or `Enter`, `Escape`, `Tab`, `Delete`, `ArrowLeft` and the
    /// like.
    pub async fn press(&self, key: &str) -> anyhow::Result<()> {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "Tab" => (9, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            "Delete" => (46, ""),
            key => (u32::from(key.to_uppercase().as_bytes()[0]), key),
        };
        let shift = u8::from(key.len() == 1 && key.chars().all(char::is_uppercase)) * 8;
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let params = json!({"type": kind, "key": key, "text": text, "modifiers": shift,
                "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", params).await?;
        }
        Ok(())
    }

    /// Types a text where the focus is.
    pub async fn write(&self, text: &str) -> anyhow::Result<()> {
        self.call("Input.insertText", json!({"text": text})).await.map(drop)
    }

    /// Clicks the first element that a selector finds.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let find = format!(
            "(() => {{ const node = document.querySelector({selector:?}); \
             node.scrollIntoView({{block: 'center'}}); const r = node.getBoundingClientRect(); \
             return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        let at = self.eval(&find).await?;
        for kind in ["mousePressed", "mouseReleased"] {
            let params =
                json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", params).await?;
        }
        Ok(())
    }

    /// Another size.
    pub async fn resize(&self, viewport: Viewport) -> anyhow::Result<()> {
        let Viewport { width, height, phone } = viewport;
        let params = json!({"width": width, "height": height, "mobile": phone,
            "deviceScaleFactor": if phone { 2 } else { 1 }});
        self.call("Emulation.setDeviceMetricsOverride", params).await.map(drop)
    }

    /// What is to be seen, as a PNG.
    pub async fn screenshot(&self, path: &Path) -> anyhow::Result<()> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        let text = answer["data"].as_str().context("no picture")?;
        std::fs::write(path, base64(text)?).with_context(|| format!("write {}", path.display()))
    }
}

/// The bytes of a text in base64 (RFC 4648).
fn base64(text: &str) -> anyhow::Result<Vec<u8>> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Option<Vec<u8>> = text.trim_end_matches('=').bytes().map(value).collect();
    let digits = digits.context("no base64")?;
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_gives_back_every_length() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("/+8=", b"\xff\xef"),
        ] {
            assert_eq!(base64(text).unwrap(), bytes);
        }
        assert!(base64("Zm 9").is_err());
    }
}
