//! What is told of the store: what is in it, and that it fails.

use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Input, Report};
use serde_json::json;

use super::notes::{Done, Note, Of};
use crate::s3::Fault;

/// A piece is in the store.
pub(super) const STORED: &str = "camera.stored";
/// One that nobody at the site may know of.
pub(super) const STORED_SILENT: &str = "camera.stored_silent";

/// The events of a piece that is in the store: one for who may know, one for the district alone.
pub(super) fn stored(note: &Note, done: &Done) -> Vec<Input> {
    let report = |kind: &'static str, of: &Of| {
        let mut detail = json!({
            "of": of.of, "event": of.events, "ref": note.file, "bucket": done.bucket,
            "key": done.key, "bytes": done.bytes, "sha256": done.sha256, "checked": done.checked,
        });
        if let Some(said) = &note.said {
            detail["as_told"] = json!(*said == done.sha256);
        }
        Input::Report(Report {
            class: Class::Camera,
            kind,
            qualifier: Qualifier::Status,
            severity: 5,
            source: ("camera", note.camera.clone()),
            closes: None,
            cause: None,
            detail: Some(detail),
            at: None,
        })
    };
    let open = note.open.as_ref().map(|of| report(STORED, of));
    let silent = note.silent.as_ref().map(|of| report(STORED_SILENT, of));
    open.into_iter().chain(silent).collect()
}

/// The store does not take evidence.
pub(super) fn fault(gateway: &Id, bucket: &str, fault: Fault, cause: &str) -> Input {
    let detail = json!({ "why": fault.as_str(), "bucket": bucket });
    Input::Report(Report {
        detail: Some(detail),
        cause: Some(cause.to_owned()),
        ..of_store(gateway, "store.fault", Qualifier::New)
    })
}

/// It does, or there is none any more. What did not begin does not end: the rules know.
pub(super) fn restored(gateway: &Id, cause: Option<&str>) -> Input {
    Input::Report(Report {
        closes: Some("store.fault"),
        cause: cause.map(str::to_owned),
        ..of_store(gateway, "store.fault_restored", Qualifier::Restore)
    })
}

fn of_store(gateway: &Id, kind: &'static str, qualifier: Qualifier) -> Report {
    Report {
        class: Class::Fault,
        kind,
        qualifier,
        severity: 3,
        source: ("gateway", gateway.clone()),
        closes: None,
        cause: None,
        detail: None,
        at: None,
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::contract::catalogue;
    use gatehouse_core::site;
    use gatehouse_core::time::Now;

    use super::super::notes::tests::note;
    use super::*;

    fn drafts(inputs: Vec<Input>) -> Vec<gatehouse_core::event::Draft> {
        let draft = |input| match input {
            Input::Report(report) => site::draft(report, "boot", &Now::default()),
            other => panic!("{other:?}"),
        };
        inputs.into_iter().map(draft).collect()
    }

    #[test]
    fn what_is_stored_is_told_apart_to_who_may_know_and_as_the_contract_has_it() {
        let done = Done {
            bucket: "b".to_owned(),
            key: "g/gate/2026-11-30/x-gate-7.mp4".to_owned(),
            bytes: 9,
            sha256: "ab".to_owned(),
            checked: true,
        };
        let mut note = note("gate-7.mp4", 8);
        note.silent = Some(Of { events: vec![gatehouse_core::id::Seq(9)], of: vec![3] });
        note.said = Some("cd".to_owned());
        let told = drafts(stored(&note, &done));
        let kinds: Vec<_> = told.iter().map(|draft| &*draft.kind).collect();
        assert_eq!(kinds, [STORED, STORED_SILENT]);
        for draft in &told {
            assert_eq!(catalogue::check(draft), Ok(()));
            let facts = draft.detail.as_ref().unwrap();
            assert_eq!((&facts["as_told"], &facts["ref"]), (&json!(false), &json!("gate-7.mp4")));
        }
        assert_eq!(told[1].detail.as_ref().unwrap()["event"], json!([9]));
        assert!(site::is_silent_event(&told[1]) && !site::is_silent_event(&told[0]));
        let gateway = "g".parse().unwrap();
        for draft in drafts(vec![
            fault(&gateway, "b", Fault::Denied, "look at it"),
            restored(&gateway, None),
        ]) {
            assert_eq!(catalogue::check(&draft), Ok(()));
        }
    }
}
