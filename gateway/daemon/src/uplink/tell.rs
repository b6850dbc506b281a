//! What of the uplink becomes an event.

use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Input, Report};
use gatehouse_core::uplink::PathNews;
use gatehouse_journal::MarkError;
use tracing::{error, warn};

use super::Uplinker;

/// The longest cause, in characters.
const LONGEST: usize = 200;

impl Uplinker {
    /// Makes an event of a report; the rules' queue is bounded, and a full one loses the report,
    /// which then stands in the log alone.
    pub(super) fn report(&self, report: Report) {
        if let Err(error) = self.parts.rules.try_send(Input::Report(report)) {
            warn!(%error, "a report of the uplink found no place");
        }
    }

    pub(super) fn technical(&self, kind: &'static str, qualifier: Qualifier) -> Report {
        Report {
            class: Class::Fault,
            kind,
            qualifier,
            severity: 3,
            source: ("gateway", self.parts.config.address.gateway.clone()),
            closes: None,
            cause: None,
            detail: None,
            at: None,
        }
    }

    fn id(&self, path: usize) -> Id {
        self.parts.config.brokers[path].id.clone()
    }

    /// Delivery stands beyond what the journal holds. The machine refuses receipts that do, so this
    /// is the journal's loss or our bug; an operator must know either way. Told once a session.
    pub(super) fn marked_ahead(&mut self, error: MarkError) {
        if std::mem::replace(&mut self.ahead_told, true) {
            return;
        }
        error!(%error, "the marks of delivery are not believed");
        let mut report = self.technical("uplink.receipt_ahead", Qualifier::New);
        report.severity = 1;
        report.cause = Some(error.to_string());
        report.detail = Some(serde_json::json!({ "upto": error.told, "head": error.head }));
        self.report(report);
    }

    /// A path has failed, or works again.
    pub(super) fn tell_path(&mut self, news: Option<PathNews>) {
        let Some(PathNews { path, part, fault }) = news else { return };
        let id = self.id(path);
        if let Some(why) = &fault {
            warn!(path = %id, part = part.as_str(), why, "a path has failed");
        } else {
            tracing::info!(path = %id, part = part.as_str(), "a path works again");
        }
        let (kind, qualifier) = match fault {
            Some(_) => ("path.fault", Qualifier::New),
            None => ("path.restored", Qualifier::Restore),
        };
        let mut report = self.technical(kind, qualifier);
        report.source = ("path", id);
        report.closes = fault.is_none().then_some("path.fault");
        report.cause = fault.map(|why| why.chars().take(LONGEST).collect());
        report.detail = Some(serde_json::json!({ "part": part.as_str() }));
        self.report(report);
        // Whatever becomes of this start, the next one knows what stands told.
        self.save();
    }

    /// The district cannot be reached by any path: told once, and restored when it can.
    pub(super) fn tell_lost(&mut self, why: &str) {
        if !self.standby.all_failed() || std::mem::replace(&mut self.lost_told, true) {
            return;
        }
        let mut report = self.technical("uplink.lost", Qualifier::New);
        report.cause = Some(why.chars().take(LONGEST).collect());
        self.report(report);
    }

    pub(super) fn tell_connected(&mut self, index: usize) {
        // A loss of before a restart may stand told: the rules know.
        if std::mem::take(&mut self.lost_told) || self.last.is_none() {
            let mut report = self.technical("uplink.restored", Qualifier::Restore);
            report.closes = Some("uplink.lost");
            report.detail = Some(serde_json::json!({ "broker": self.id(index) }));
            self.report(report);
        }
        let last = self.last.unwrap_or(0);
        let detail = Some(serde_json::json!({ "from": self.id(last), "to": self.id(index) }));
        if index > 0 && index != last {
            let mut report = self.technical("uplink.failover", Qualifier::New);
            report.detail = detail;
            self.report(report);
        } else if index == 0 && last > 0 {
            let mut report = self.technical("uplink.failback", Qualifier::Restore);
            report.closes = Some("uplink.failover");
            report.detail = detail;
            self.report(report);
        }
    }
}
