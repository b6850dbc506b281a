//! What is told of the page outside of it: by the control socket, to whoever stands at the console.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use gatehouse_core::time::Mono;
use serde::{Deserialize, Serialize};

use super::lock;
use super::pairing::Pairing;

/// The page as `gatehouse status` and `gatehouse page` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageReport {
    /// Where it listens, or should.
    pub listen: SocketAddr,
    /// SHA-256 of its certificate, `AB:CD:…`; none: it is not served.
    pub fingerprint: Option<String>,
    /// How many accounts there are; none of them: nobody can log in yet.
    pub accounts: usize,
    /// The code that makes the first account, and for how many seconds. Only `gatehouse page` asks
    /// for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<(String, u64)>,
}

/// Where the page says how it is, and the code for the first account is had. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Reception(Arc<Mutex<Desk>>);

#[derive(Debug, Default)]
struct Desk {
    report: Option<PageReport>,
    pairing: Pairing,
}

impl Reception {
    /// How the page is; none: there is none.
    pub fn report(&self) -> Option<PageReport> {
        lock(&self.0).report.clone()
    }

    /// The same with the code, while nobody has an account.
    pub fn with_code(&self, now: Mono) -> Option<PageReport> {
        let mut desk = lock(&self.0);
        let mut report = desk.report.clone()?;
        if report.accounts == 0 && report.fingerprint.is_some() {
            match desk.pairing.show(now) {
                Ok((code, holds)) => report.code = Some((code, holds.as_secs())),
                Err(error) => tracing::error!(%error, "no code can be made"),
            }
        }
        Some(report)
    }

    /// Whether this is the code; it is good once.
    pub(super) fn take(&self, code: &str, now: Mono) -> bool {
        lock(&self.0).pairing.take(code, now)
    }

    /// There is no page any more.
    pub(super) fn gone(&self) {
        lock(&self.0).report = None;
    }

    pub(super) fn closed(&self, listen: SocketAddr) {
        let report = PageReport { listen, fingerprint: None, accounts: 0, code: None };
        lock(&self.0).report = Some(report);
    }

    pub(super) fn open(&self, fingerprint: &str, accounts: usize) {
        self.renewed(fingerprint);
        self.counted(accounts);
    }

    pub(super) fn renewed(&self, fingerprint: &str) {
        if let Some(report) = &mut lock(&self.0).report {
            report.fingerprint = Some(fingerprint.to_owned());
        }
    }

    pub(super) fn counted(&self, accounts: usize) {
        if let Some(report) = &mut lock(&self.0).report {
            report.accounts = accounts;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_only_while_nobody_has_an_account() {
        let reception = Reception::default();
        assert_eq!(reception.with_code(Mono(1)), None, "there is no page");
        reception.closed("10.0.0.2:8443".parse().unwrap());
        assert_eq!(reception.with_code(Mono(1)).unwrap().code, None, "it is not served");
        reception.open("AB:CD", 0);
        let (code, _) = reception.with_code(Mono(1)).unwrap().code.unwrap();
        assert_eq!(reception.report().unwrap().code, None, "status does not show it");
        assert!(reception.take(&code, Mono(2)));
        reception.counted(1);
        assert_eq!(reception.with_code(Mono(3)).unwrap().code, None);
    }
}
