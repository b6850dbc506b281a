//! What somebody needs who is to find out from afar what is wrong with a box, in one file: `gatehouse diag`.
//!
//! ```text
//!  gateway.toml, status, doctor, journal, log, machine ─▶ what may leave ─▶ stars for secrets ─▶ tar
//! ```
//!
//! Nothing goes in because it is there: each member is made for this. Twice it is seen to that no secret does.
//! By place: the configuration without what looks like one ([`gatehouse_config::for_others`]), events by a list of
//! the facts that may leave ([`events`]). And by value: whatever the configured passwords and keys are, no byte
//! of any member has them ([`secrets`]). Pictures and clips, the list of credentials, accounts, and what silent
//! alarms leave behind are no members. `MANIFEST` says what is in it, and what was left out and why.
//!
//! It runs in a process of its own and asks the gateway only for its status; with a configuration that cannot
//! be read it has less, and says so.

mod events;
mod machine;
mod secrets;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use gatehouse_config::{Config, for_others, socket_of};
use gatehouse_core::archive;
use serde_json::json;

use crate::clock::Clock;
use crate::control::Report;
use crate::doctor::{self, gateway};
use secrets::Secrets;

/// For its owner alone: somebody else decides who may read a bundle.
const MODE: u32 = 0o600;

/// How much of what goes into a bundle.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The newest events, at most.
    pub events: usize,
    /// The newest lines of the log, at most.
    pub log_lines: usize,
}

/// One file of a bundle.
#[derive(Debug)]
struct Member {
    name: &'static str,
    what: &'static str,
    bytes: Vec<u8>,
}

/// What is to be written.
#[derive(Debug)]
pub struct Bundle {
    members: Vec<Member>,
    left_out: Vec<String>,
    made: String,
}

/// What is in no bundle of any box.
const NEVER: [&str; 5] = [
    "pictures and clips, and the names of their files",
    "the list of credentials (cards and codes), accounts, keys, passwords",
    "names that people gave to things, and comments in the configuration",
    "events of readers and accounts, who did something, notes, and what silent alarms leave behind",
    "open incidents, and who changed the configuration",
];

/// Gathers it. Takes as long as the doctor does, some ten seconds at most.
pub async fn gather(path: &Path, extent: Extent) -> Bundle {
    let clock = Clock::system();
    let mut bundle =
        Bundle { members: Vec::new(), left_out: Vec::new(), made: clock.now().utc.to_string() };
    let loaded = Config::load(path);
    let config = loaded.as_ref().ok();
    let mut secrets = Secrets::default();
    if let Some(config) = config {
        bundle.left_out.extend(secrets.learn(config));
    }
    let text = match std::fs::read(path) {
        Ok(bytes) => for_others(&String::from_utf8_lossy(&bytes)),
        Err(error) => format!("it cannot be read: {error}\n"),
    };
    bundle.add("gateway.toml", "the configuration, secrets and names as stars", text);
    let checked: String = match &loaded {
        Ok(config) => config.warnings().lines().flat_map(|line| [line, "\n".to_owned()]).collect(),
        Err(mistakes) => {
            let told = for_others(&mistakes.render(false));
            // A mistake in a name shows the name.
            told.lines()
                .filter(|line| !line.contains("`name`"))
                .flat_map(|line| [line, "\n"])
                .collect()
        }
    };
    bundle.add("check.txt", "mistakes and warnings of `gatehouse check`", checked);

    let socket = config.map_or_else(|| socket_of(path), |config| config.socket.clone());
    let running = gateway::ask(&socket).await.map(nameless);
    let status = match &running {
        Ok(report) => serde_json::to_string_pretty(report).unwrap_or_default(),
        Err(silent) => json!({ "not running": format!("{silent:?}") }).to_string(),
    };
    bundle.add("status.json", "`gatehouse status --json`", status + "\n");
    match config {
        Some(config) => {
            let sections = doctor::examine_with(config, running).await;
            let told = serde_json::to_string_pretty(&sections).unwrap_or_default();
            bundle.add("doctor.json", "`gatehouse doctor --json`", told + "\n");
            let dir = config.state_dir.join("journal");
            match events::newest(&dir, clock.boot(), extent.events) {
                Ok((lines, passed_over)) => {
                    let what = "the newest events, with the facts that may leave the box";
                    bundle.add("events.jsonl", what, lines);
                    let more =
                        "of the newest events were passed over: readers, accounts, silent ones";
                    bundle.left_out.push(format!("events.jsonl: {passed_over} {more}"));
                }
                Err(error) => bundle.left_out.push(format!("events.jsonl: {error}")),
            }
        }
        None => {
            bundle
                .left_out
                .push("doctor.json, events.jsonl: the configuration has mistakes".into());
        }
    }
    bundle.log(extent.log_lines, config.is_some());
    let state_dir = config.map(|config| config.state_dir.as_path());
    bundle.add("machine.txt", "kernel, board, memory, disk and flash", machine::facts(state_dir));
    let replaced = bundle.blot(&secrets);
    if replaced > 0 {
        let told = "times the value of a secret stood somewhere: it is stars there";
        bundle.left_out.push(format!("{replaced} {told}"));
    }
    bundle
}

/// Without what people are called, who did what, and what files of pictures are called.
fn nameless(mut report: Report) -> Report {
    for thing in &mut report.things {
        thing.name = None;
    }
    report.incidents.clear();
    report.unconfirmed = None;
    if let Some(store) = &mut report.store {
        store.last = None;
    }
    report
}

impl Bundle {
    fn add(&mut self, name: &'static str, what: &'static str, text: String) {
        self.members.push(Member { name, what, bytes: text.into_bytes() });
    }

    /// What systemd's journal has of the gateway, but lines about accounts. Without the configuration nobody
    /// knows which values are secret, and free text is left out.
    fn log(&mut self, lines: usize, secrets_known: bool) {
        if !secrets_known {
            self.left_out.push("log.txt: which values are secret is not known".into());
            return;
        }
        if lines == 0 {
            self.left_out.push("log.txt: not wanted".into());
            return;
        }
        let count = lines.to_string();
        let words = ["-u", "gatehouse", "-o", "short-iso", "--no-pager", "-q", "-n", &count];
        let text = match Command::new("journalctl").args(words).output() {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                self.left_out
                    .push(format!("log.txt: journalctl ended with {}: {why}", output.status));
                return;
            }
            Err(error) => {
                self.left_out.push(format!("log.txt: journalctl cannot be run: {error}"));
                return;
            }
        };
        let of_people = |line: &&str| ["account=", "user="].iter().any(|key| line.contains(key));
        let passed_over = text.lines().filter(of_people).count();
        let kept: String =
            text.lines().filter(|line| !of_people(line)).flat_map(|line| [line, "\n"]).collect();
        self.add("log.txt", "the newest lines of the log", kept);
        self.left_out.push(format!("log.txt: {passed_over} lines about accounts"));
    }

    /// Stars for every secret, in every member; how many there were.
    fn blot(&mut self, secrets: &Secrets) -> usize {
        let left_out = &mut self.left_out;
        let members = self.members.iter_mut().map(|member| secrets.blot(&mut member.bytes));
        let replaced: usize = members.sum();
        for line in left_out {
            let mut bytes = std::mem::take(line).into_bytes();
            secrets.blot(&mut bytes);
            *line = String::from_utf8_lossy(&bytes).into_owned();
        }
        replaced
    }

    /// What is in it, and what is not.
    pub fn manifest(&self) -> String {
        let mut text = format!(
            "gatehouse diag, version {}, made {}\n\nIn it:\n",
            env!("CARGO_PKG_VERSION"),
            self.made
        );
        for Member { name, what, bytes } in &self.members {
            let _ =
                writeln!(text, "  {name}  {} bytes, sha256 {}: {what}", bytes.len(), sha256(bytes));
        }
        text.push_str("\nLeft out of this one:\n");
        for line in &self.left_out {
            let _ = writeln!(text, "  {line}");
        }
        text.push_str("\nIn no bundle:\n");
        for line in NEVER {
            let _ = writeln!(text, "  {line}");
        }
        text
    }

    /// The file's bytes: an uncompressed tar, which mail and web pack anyway.
    pub fn tar(&self) -> Vec<u8> {
        let manifest = self.manifest();
        let members = self.members.iter().map(|member| (member.name, member.bytes.as_slice()));
        let all: Vec<_> =
            std::iter::once(("MANIFEST", manifest.as_bytes())).chain(members).collect();
        archive::write(&all, MODE)
    }

    /// A name for the file, of the moment it was made.
    pub fn file_name(&self) -> String {
        let digits: String = self.made.chars().filter(char::is_ascii_digit).take(14).collect();
        format!("gatehouse-diag-{digits}.tar")
    }
}

fn sha256(bytes: &[u8]) -> String {
    gatehouse_core::checkpoint::to_hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_configuration_with_mistakes_makes_a_bundle_that_says_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        let text =
            "[gateway]\nid = \"G!\"\n[[door]]\nname = \"Flat of Li\"\npassword = \"hunter2\"\n";
        std::fs::write(&path, text).unwrap();
        let bundle = gather(&path, Extent { events: 10, log_lines: 10 }).await;
        let manifest = bundle.manifest();
        for line in ["doctor.json, events.jsonl: the configuration has mistakes", "log.txt: which"]
        {
            assert!(manifest.contains(line), "{manifest}");
        }
        let bytes = String::from_utf8(bundle.tar()).unwrap();
        assert!(bytes.contains("check.txt") && bytes.contains("id = \"G!\""));
        assert!(!bytes.contains("hunter2") && !bytes.contains("Flat of Li"));
        assert!(bundle.file_name().starts_with("gatehouse-diag-2"));
    }
}
