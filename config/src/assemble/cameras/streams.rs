//! Where a camera's pictures and findings come from: the keys that need each other.

use crate::camera::StreamUrl;
use crate::finding::Finding;
use crate::keys::camera as key;
use crate::onvif::{Events, OnvifUrl};
use crate::reader::{Notes, Reader};

/// What is given, and fits together.
pub(super) struct Streams {
    pub(super) main: Option<StreamUrl>,
    pub(super) sub: Option<StreamUrl>,
    pub(super) onvif: Option<OnvifUrl>,
    pub(super) events: Events,
}

impl Streams {
    /// Where it is, for people.
    pub(super) fn shown(&self) -> String {
        let main = self.main.as_ref().map(StreamUrl::shown);
        main.or_else(|| self.onvif.as_ref().map(OnvifUrl::shown)).unwrap_or_default()
    }
}

/// `None`: something is wrong, and was reported.
pub(super) fn streams(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<Streams> {
    let main = table.get(&key::STREAM, notes);
    let sub = table.get(&key::SUB_STREAM, notes);
    let onvif = table.get(&key::ONVIF, notes);
    let events = table.get(&key::EVENTS, notes);
    let mut good = true;
    if !table.has(&key::STREAM) && !table.has(&key::ONVIF) {
        good = false;
        let title = format!("`stream` is missing from {}", table.place());
        let finding = Finding::new(title, table.span.clone())
            .label("has neither `stream` nor `onvif`")
            .hint("add stream = \"rtsp://…\", or onvif = \"http://…\" of a camera that has it");
        notes.error(finding.absent());
    }
    if let Some(sub) = sub.as_ref().filter(|_| !table.has(&key::STREAM)) {
        good = false;
        notes.error(
            Finding::new("`sub-stream` is given without `stream`", sub.span.clone())
                .label("smaller than what?")
                .hint("add `stream`, or leave both to `onvif`"),
        );
    }
    if let Some(events) = events.as_ref().filter(|at| at.value.onvif() && !table.has(&key::ONVIF)) {
        good = false;
        notes.error(
            Finding::new(
                "`events` are the camera's own, but there is no `onvif`",
                events.span.clone(),
            )
            .label("from where?")
            .hint("add onvif = \"http://…/onvif/device_service\", or leave `events` out"),
        );
    }
    let read = |given: bool, is: bool| given == is;
    let whole = read(table.has(&key::STREAM), main.is_some())
        && read(table.has(&key::SUB_STREAM), sub.is_some())
        && read(table.has(&key::ONVIF), onvif.is_some());
    let events = events?.value;
    (good && whole).then(|| Streams {
        main: main.map(|at| at.value),
        sub: sub.map(|at| at.value),
        onvif: onvif.map(|at| at.value),
        events,
    })
}
