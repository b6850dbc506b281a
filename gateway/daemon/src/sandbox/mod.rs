//! What the daemon takes from itself before its first thread: whoever takes it over by a camera's bytes or a
//! broker's finds little to go on with.
//!
//! * **Files** ([`files`], landlock): it reads the system's files and the folders of what its configuration
//!   names, writes to its state, its configuration and its socket's folder, opens devices below `/dev`, and
//!   executes nothing. Which of the devices is the matter of the unit (`DeviceAllow=`) and of their groups: an
//!   adapter that is plugged in again is a new file, so they cannot be named one by one.
//! * **System calls** ([`calls`], seccomp): what no gateway ever needs is refused with `EPERM`.
//!
//! The unit's own sandbox stays: this one holds as well where the daemon is started without systemd, and where
//! a drop-in has loosened it.
//!
//! Limits: a kernel without landlock, or an older one, gives less. The daemon runs all the same and says so: in
//! the log, in `gatehouse status` and in `gatehouse doctor`. Ports are not bounded: a reload may name any
//! broker, camera or page, and nothing can be given back. A folder over which something is mounted later is
//! another one: mount it before the start.
//!
//! What is taken cannot be given back. A reload that names a file elsewhere is refused, and says that a restart
//! is needed ([`outside`]).
//!
//! `GATEHOUSE_SANDBOX=off` leaves it away. There is one reason for it: a site that our own sandbox keeps from
//! protecting must not wait for the next version. It is in the environment, which only root changes, and not in
//! `gateway.toml`, which the page and the district change.

mod calls;
mod files;
mod places;

use std::path::Path;
use std::sync::OnceLock;

use gatehouse_config::Config;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use places::Places;
pub(crate) use places::files_of;

/// `off` leaves the sandbox away.
const SWITCH: &str = "GATEHOUSE_SANDBOX";

/// How far a part of it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "holds", content = "why")]
pub enum Held {
    /// All that was wanted.
    Whole,
    /// What this kernel has of it.
    Partly(String),
    /// Nothing of it, and why.
    Not(String),
}

impl Held {
    /// In a few words; `what` is bounded.
    fn told(&self, what: &str) -> String {
        match self {
            Self::Whole => format!("{what} bounded"),
            Self::Partly(why) => format!("{what} bounded in part ({why})"),
            Self::Not(why) => format!("{what} not bounded ({why})"),
        }
    }
}

/// What holds of this process since its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Which files it may open.
    pub files: Held,
    /// Which system calls it may make.
    pub calls: Held,
}

impl Sandbox {
    /// Whether all of it holds.
    pub fn is_whole(&self) -> bool {
        self.files == Held::Whole && self.calls == Held::Whole
    }

    /// Somebody wanted none.
    pub fn is_off(&self) -> bool {
        let off = Held::Not(off());
        self.files == off && self.calls == off
    }
}

impl std::fmt::Display for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.files.told("files"), self.calls.told("system calls"))
    }
}

/// What was taken from this process. It is the process's, as its user is: there is one, for all of it.
static ENTERED: OnceLock<Entered> = OnceLock::new();

struct Entered {
    sandbox: Sandbox,
    /// Where files may be opened, if that is bounded.
    places: Option<Places>,
}

/// Takes from this process what a gateway of this configuration does not need, and says in the log what holds.
/// `path` is the configuration's file. To be called while there is one thread: others would go on as they are.
pub fn enter(config: &Config, path: &Path) {
    let entered = ENTERED.get_or_init(|| {
        if std::env::var_os(SWITCH).is_some_and(|value| value == "off") {
            let (files, calls) = (Held::Not(off()), Held::Not(off()));
            return Entered { sandbox: Sandbox { files, calls }, places: None };
        }
        let places = Places::of(config, path);
        let files = files::restrict(&places);
        let calls = calls::restrict();
        let places = (!matches!(files, Held::Not(_))).then_some(places);
        Entered { sandbox: Sandbox { files, calls }, places }
    });
    let sandbox = &entered.sandbox;
    if sandbox.is_whole() {
        info!("sandbox: {sandbox}");
    } else {
        warn!("sandbox: {sandbox}");
    }
}

fn off() -> String {
    format!("{SWITCH}=off")
}

/// What was taken from this process; `None`: nothing was tried, as in a command or a test.
pub fn of_this_process() -> Option<&'static Sandbox> {
    ENTERED.get().map(|entered| &entered.sandbox)
}

/// What of a configuration this process may not open since its start, each as `key names path`.
pub(crate) fn outside(config: &Config) -> Vec<String> {
    let places = ENTERED.get().and_then(|entered| entered.places.as_ref());
    places.map_or_else(Vec::new, |places| places.outside(config))
}

/// What a person is told of it.
pub(crate) fn refusal(outside: &[String]) -> String {
    format!(
        "error: {}: the running gateway opens nothing there since its start\nhint: put it below /etc/gatehouse, \
         or restart the gateway, which then may: systemctl restart gatehouse\n",
        outside.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_said_with_its_reason() {
        let told = |files: Held, calls: Held| Sandbox { files, calls }.to_string();
        assert_eq!(told(Held::Whole, Held::Whole), "files bounded, system calls bounded");
        assert_eq!(
            told(Held::Not("no landlock".into()), Held::Partly("half".into())),
            "files not bounded (no landlock), system calls bounded in part (half)"
        );
        let off = Sandbox { files: Held::Not(off()), calls: Held::Not(off()) };
        assert!(off.is_off() && !off.is_whole());
    }
}
