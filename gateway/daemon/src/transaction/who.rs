//! Who changes a configuration, and by which way.

use gatehouse_core::id::Id;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// By which way a change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// SIGHUP: somebody edited the file.
    Signal,
    /// The control socket.
    Cli,
    /// The gateway's own page.
    Web,
    /// The district.
    District,
    /// The gateway itself: a deadline, or a start.
    Gateway,
}

/// Who, and by which way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// By which way.
    pub via: Way,
    /// `uid-0`, the name of an account, or an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Who {
    /// Somebody who edited the file.
    pub const SIGNAL: Self = Self { via: Way::Signal, name: None };

    /// The gateway itself.
    pub const GATEWAY: Self = Self { via: Way::Gateway, name: None };

    /// A user of the system, by their number.
    pub fn console(uid: Option<u32>) -> Self {
        Self { via: Way::Cli, name: uid.map(|uid| format!("uid-{uid}")) }
    }

    /// An account of the page.
    pub fn account(name: &Id) -> Self {
        Self { via: Way::Web, name: Some(name.to_string()) }
    }

    /// An operator of the district.
    pub fn operator(name: &str) -> Self {
        Self { via: Way::District, name: Some(name.to_owned()) }
    }

    /// Says it in the detail of an event.
    pub(crate) fn tell(&self, detail: &mut Value) {
        detail["via"] = json!(self.via);
        detail["user"] = json!(self.name.as_ref().filter(|_| self.via == Way::Cli));
        match self.via {
            Way::Web => detail["account"] = json!(self.name),
            Way::District => detail["operator"] = json!(self.name),
            Way::Signal | Way::Cli | Way::Gateway => {}
        }
    }
}
