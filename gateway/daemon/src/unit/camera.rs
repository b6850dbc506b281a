//! One camera: its streams, the thread that looks at them, the thread that makes clips, and what is told
//! to the rules.
//!
//! ```text
//!  main stream ─▶ Into ─┬─▶ queue ─▶ clips (thread) ─▶ flash
//!                       └─▶ newest key frame ─▶ picture (masked) ─▶ flash, line
//!  sub stream  ─▶ Into ───▶ queue ─▶ watcher (thread) ─▶ motion, tamper ─┐
//!                  └──▶ health ───────────────────────────────────────────┴─▶ rules
//!  rules ─▶ Eyes ─▶ wishes ─▶ clips, picture
//! ```
//!
//! Clips of a camera with masks are made of its sub stream, if it has one: they are decoded, painted
//! and encoded anew, in a size that it has already. What such a camera sends touches no flash.
//!
//! A camera without a sub stream, or without streams, is watched by the one source that it has:
//! [`intake`] says which there are.
//!
//! # Limits
//!
//! - Frames that nobody takes in time are dropped by whole groups of pictures, and counted.
//! - At most [`life::AT_ONCE`] pictures of a camera are made at a time, and [`later::LATERS`] alarms of it
//!   wait for their second; further wishes wait at its place.
//! - A stop within the seconds in which a second picture is chosen takes none.
//! - Without a password, or with one that the camera refuses, it is looked every [`AGAIN`] whether there
//!   is another one; and so is it for the key that seals evidence, without which nothing is kept.

mod chip;
mod clips;
pub(crate) mod content;
pub(crate) mod evidence;
mod intake;
mod later;
mod life;
mod onvif;
mod own_masks;
mod picture;
mod plan;
mod said;
mod sink;
#[cfg(test)]
mod testing;
pub(super) mod untold;
mod watcher;

use std::time::Duration;

use gatehouse_config::{Camera, Config, Secret};
use gatehouse_core::site::{CameraSays, Condition, Input};
use tokio::sync::{mpsc, watch};
use tokio::time::interval;
use tracing::info;

pub(crate) use self::clips::Recorders;
use self::life::Life;
pub(super) use self::plan::{Plan, plan};
pub(crate) use self::watcher::{Turns, be_nice};
use super::owner::Owner;
use crate::clock::Clock;
use crate::eyes::Eyes;
use crate::gauges::Gauges;
use crate::lenses::Lenses;
use crate::rules::{Inputs, SendError};
use crate::supervise::Outcome;
use crate::uplink::commands::Say;

/// How often it is looked for another password.
const AGAIN: Duration = Duration::from_secs(5);

/// What all cameras' units share.
#[derive(Clone, Debug)]
pub struct Ways {
    pub(super) inputs: Inputs,
    pub(super) eyes: Eyes,
    pub(super) say: mpsc::Sender<Say>,
    pub(super) turns: Turns,
    pub(super) recorders: Recorders,
    pub(super) clock: Clock,
    pub(super) lenses: Lenses,
    pub(super) gauges: Gauges,
}

/// Runs a camera until `end` turns true; `places`: those of [`places`].
///
/// # Errors
/// When a part of it has ended: it is built anew.
pub(super) async fn run(
    plan: Plan,
    ways: Ways,
    places: Places,
    mut end: watch::Receiver<bool>,
) -> Outcome {
    loop {
        // Whatever was known of it before was known to another life of it.
        if blind(&ways, &places).await.is_err() {
            return Ok(());
        }
        let known = login(&plan.camera).ok().flatten();
        let ready = tokio::select! {
            ready = onvif::ready(&plan, &ways.clock) => ready,
            _ = end.wait_for(|end| *end) => return Ok(()),
        };
        let (login, plan) = match ready {
            Ok(ready) => ready,
            Err(onvif::NotReady { link, cause, wait }) => {
                let says = CameraSays::Link { link, cause: Some(cause) };
                let at = ways.clock.mono();
                if ways
                    .inputs
                    .send(Input::Camera { camera: places.camera, says, at })
                    .await
                    .is_err()
                {
                    return Ok(());
                }
                // A pause before it is asked again: nothing tells that it would answer now.
                tokio::select! {
                    () = tokio::time::sleep(wait) => continue,
                    () = another_password(&plan.camera, known.as_ref()) => continue,
                    _ = end.wait_for(|end| *end) => return Ok(()),
                }
            }
        };
        let recipients = plan.sealing.recipients();
        let keeps = recipients.is_ok();
        let life = Life::begin(&plan, &ways, &places, (login.as_ref(), recipients));
        tokio::select! {
            ended = async { life?.live().await } => match ended? {},
            () = another_password(&plan.camera, login.as_ref()) => {
                info!(camera = %plan.id(), "another password; the streams begin anew");
            }
            () = the_key_to_come(&plan, keeps) => {
                info!(camera = %plan.id(), "the key of evidence is there; the streams begin anew");
            }
            _ = end.wait_for(|end| *end) => return Ok(()),
        }
    }
}

/// Where a camera, and what hangs on its inputs, stand in a configuration.
#[derive(Clone, Debug)]
pub(super) struct Places {
    camera: usize,
    contacts: Vec<(String, Owner)>,
}

/// The places of a camera in a configuration. `None`: it has no such camera.
pub(super) fn places(plan: &Plan, config: &Config) -> Option<Places> {
    let camera = config.cameras.iter().position(|camera| camera.rules.id == *plan.id())?;
    let contacts = plan.contacts.iter();
    let contacts = contacts.filter_map(|(token, of)| Some((token.clone(), of.owner(config)?)));
    Some(Places { camera, contacts: contacts.collect() })
}

/// Tells that nobody watches, and that nothing is known of its inputs.
async fn blind(ways: &Ways, places: &Places) -> Result<(), SendError> {
    let at = ways.clock.mono();
    let says = CameraSays::Watches(false);
    ways.inputs.send(Input::Camera { camera: places.camera, says, at }).await?;
    for (_, owner) in &places.contacts {
        if let Some(input) = owner.condition(Condition::Unknown, at, true) {
            ways.inputs.send(input).await?;
        }
    }
    Ok(())
}

/// The password, if it needs one.
fn login(camera: &Camera) -> Result<Option<Secret>, String> {
    camera
        .password
        .as_ref()
        .map(gatehouse_config::PasswordSource::read)
        .transpose()
        .map_err(|e| e.to_string())
}

/// Ready when the file holds another password than this.
async fn another_password(camera: &Camera, known: Option<&Secret>) {
    if camera.password.is_none() {
        return std::future::pending().await;
    }
    let mut look = interval(AGAIN);
    loop {
        look.tick().await;
        // One that cannot be read now is no other one: a renewal is not done yet.
        if login(camera).is_ok_and(|now| now.is_some() && now.as_ref() != known) {
            return;
        }
    }
}

/// Ready when the key that seals evidence can be read, which it could not before.
async fn the_key_to_come(plan: &Plan, known: bool) {
    if known {
        return std::future::pending().await;
    }
    let mut look = interval(AGAIN);
    loop {
        look.tick().await;
        if plan.sealing.recipients().is_ok() {
            return;
        }
    }
}
