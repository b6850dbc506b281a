//! The events that the journal writes about itself. Their words are part of the contract.

use std::borrow::Cow;

use gatehouse_core::event::{Class, Draft, Qualifier, Source};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Now, Time};
use serde_json::json;

use crate::options::Quarantine;

/// Numbers that can never be sent: detail `{"from":a,"to":b,"reason":…}`, both ends included.
pub const GAP: &str = "system.gap";
/// The database was unusable and set aside.
pub const QUARANTINED: &str = "journal.quarantined";
/// The disk is full; only the alarm lane is recorded, from the reserve.
pub const DISK_FULL: &str = "journal.disk_full";
/// Space has returned; closes [`DISK_FULL`].
pub const DISK_RESTORED: &str = "journal.disk_restored";
/// How many drafts were refused while the disk was full: detail `{"refused":n,"alarm_lane":m}`.
pub const REFUSED: &str = "journal.refused";
/// A draft larger than a payload may be was stored without its `detail`, or replaced by this.
pub const OVERSIZE: &str = "event.oversize";

/// Who writes, and when.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub gateway: Id,
    pub boot: String,
}

impl Author {
    fn draft(&self, now: &Now, class: Class, kind: &'static str, qualifier: Qualifier) -> Draft {
        Draft {
            class,
            kind: Cow::Borrowed(kind),
            qualifier,
            severity: if class == Class::Fault { 2 } else { 4 },
            partition: None,
            source: Source { kind: "gateway".into(), id: self.gateway.clone(), driver: None },
            time: Time {
                utc: now.utc,
                boot: self.boot.clone(),
                mono_ns: now.mono,
                err_ms: now.err_ms,
                clock: now.clock,
            },
            state: None,
            arming: None,
            actor: None,
            cause: None,
            opens: None,
            detail: None,
            closes: None,
            test: false,
            flags: Vec::new(),
        }
    }

    pub(crate) fn gap(&self, now: &Now, range: (Seq, Seq), reason: &'static str) -> Draft {
        let mut draft = self.draft(now, Class::System, GAP, Qualifier::Status);
        draft.detail = Some(json!({ "from": range.0, "to": range.1, "reason": reason }));
        draft
    }

    pub(crate) fn quarantined(&self, now: &Now, found: &Quarantine) -> Draft {
        let mut draft = self.draft(now, Class::Fault, QUARANTINED, Qualifier::Status);
        draft.cause = Some(shortened(&found.reason, 500));
        draft.detail = Some(json!({
            "file": found.path.as_ref().and_then(|path| path.file_name()).and_then(|n| n.to_str()),
            "salvaged": found.salvaged,
            "from": found.lost.0,
            "to": found.lost.1,
        }));
        draft
    }

    pub(crate) fn disk_full(&self, now: &Now, why: &str) -> Draft {
        let mut draft = self.draft(now, Class::Fault, DISK_FULL, Qualifier::New);
        draft.cause = Some(shortened(why, 500));
        draft
    }

    pub(crate) fn disk_restored(&self, now: &Now) -> Draft {
        let mut draft = self.draft(now, Class::Fault, DISK_RESTORED, Qualifier::Restore);
        draft.closes = Some(DISK_FULL);
        draft
    }

    pub(crate) fn refused(&self, now: &Now, refused: u64, alarm_lane: u64) -> Draft {
        let mut draft = self.draft(now, Class::System, REFUSED, Qualifier::Status);
        draft.detail = Some(json!({ "refused": refused, "alarm_lane": alarm_lane }));
        draft
    }

    pub(crate) fn oversize(&self, now: &Now, of: &Draft, bytes: usize) -> Draft {
        let mut draft = self.draft(now, Class::Fault, OVERSIZE, Qualifier::Status);
        draft.detail = Some(json!({
            "type": shortened(&of.kind, 100),
            "class": of.class,
            "kind": shortened(&of.source.kind, 100),
            "id": of.source.id,
            "bytes": bytes,
        }));
        draft
    }
}

/// At most `limit` bytes of `text`, whole characters.
fn shortened(text: &str, limit: usize) -> String {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
