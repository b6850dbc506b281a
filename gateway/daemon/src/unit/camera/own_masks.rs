//! What a camera says of the masks that it paints itself: shown to people, and nothing else.
//!
//! Whoever may configure the camera can switch its masks off without a sign of it here. So they never stand
//! for ours: `mask-required` is met by `masks` in the file alone.

use std::convert::Infallible;
use std::time::Duration;

use gatehouse_camera::onvif::masks::OwnMasks;
use gatehouse_camera::onvif::{Client, OnvifError, OnvifSettings};
use gatehouse_core::id::Id;
use tracing::{debug, info};

use crate::clock::Clock;
use crate::gauges::Gauges;

/// How often it is asked: whoever has drawn one at the camera sees it here within the hour.
const EVERY: Duration = Duration::from_secs(3600);

/// After a camera that did not answer. Its pictures may have come back before.
const AGAIN: Duration = Duration::from_secs(60);

/// Asks for ever. What is known goes with it: nobody stands for what is not asked any more.
pub(super) async fn watch(
    camera: Id,
    settings: OnvifSettings,
    clock: Clock,
    gauges: Gauges,
) -> Infallible {
    let shown = Shown { camera: camera.clone(), gauges };
    let mono = move || clock.mono();
    let mut before: Option<Option<OwnMasks>> = None;
    loop {
        let wait = match Client::new(settings.clone(), &mono).own_masks().await {
            Ok(masks) => {
                if before != Some(masks) {
                    said(&camera, masks.as_ref());
                }
                before = Some(masks);
                shown.set(masks);
                EVERY
            }
            Err(error) => {
                debug!(%camera, %error, "its own masks are not known");
                shown.set(None);
                // Many cameras lock out who keeps knocking.
                if matches!(error, OnvifError::Unauthorised { .. }) { EVERY } else { AGAIN }
            }
        };
        tokio::time::sleep(wait).await;
    }
}

fn said(camera: &Id, masks: Option<&OwnMasks>) {
    let Some(masks) = masks else {
        debug!(%camera, "it announces no masks of its own");
        return;
    };
    let OwnMasks { hiding, blurring, off, permille, most, rectangles, .. } = *masks;
    info!(
        %camera, hiding, blurring, off, permille, most, rectangles,
        "by ONVIF {masks}; the gateway paints its own all the same"
    );
}

/// What is shown of a camera while it is asked.
struct Shown {
    camera: Id,
    gauges: Gauges,
}

impl Shown {
    fn set(&self, masks: Option<OwnMasks>) {
        self.gauges.set_own_masks(&self.camera, masks);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.set(None);
    }
}
