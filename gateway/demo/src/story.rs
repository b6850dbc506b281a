//! The break-in: the community is armed, a burglar comes over the fence, breaks a window and walks
//! through the lobby. A viewer then acknowledges; the scripted run does it itself and looks whether
//! the box has heard of it.
//!
//! It goes the ways that people go: arming by the box's control socket, the burglar on the wires,
//! the operator by the receiver's own desk. Broker and power may be cut meanwhile: each step is
//! tried until it is done, as people would.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gatehouse::control::Wish;
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::id::Id;
use gatehouse_core::site::{Answer, Mode};
use gatehouse_receiver::{ActError, Committed, IncidentView, Operator, Place, ThingView};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use crate::child::gatebox::GATEWAY;
use crate::wish::{self, Refused};
use crate::world::community::{SENSORS, line_of};
use crate::world::{DOORS, World};

/// Who acknowledges in the scripted run: an operator's id, never a name.
pub(crate) const OPERATOR: &str = "op-demo";

/// How often what is waited for is looked at again.
const LOOK: Duration = Duration::from_millis(100);

/// What a viewer needs to see one thing before the next.
const BREATH: Duration = Duration::from_millis(1800);

/// How long the page goes on saying that it is the viewer's turn.
const TURN: Duration = Duration::from_secs(45);

/// Where the story has come to; its words are the page's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scene {
    /// Everything is shut, so that it can be armed.
    Shutting,
    /// Perimeter and lobby are being armed.
    Arming,
    /// Somebody comes over the fence.
    Fence,
    /// The window breaks.
    Window,
    /// Somebody walks through the lobby.
    Inside,
    /// It waits for an operator.
    Turn,
    /// It could not be armed.
    Refused,
}

/// What a scripted break-in has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BreakIn {
    /// The window's alarm is committed at the control room.
    pub(crate) alarm: bool,
    /// The control room has its incident open.
    pub(crate) incident: bool,
    /// It was acknowledged from there, and the box's event of that is committed.
    pub(crate) acknowledged: bool,
    /// The box has the incident in phase `acked`.
    pub(crate) acked_at_the_box: bool,
    /// The perimeter is armed at the end, whatever was cut meanwhile.
    pub(crate) still_armed: bool,
}

impl BreakIn {
    /// All of it.
    pub(crate) const fn is_whole(self) -> bool {
        self.alarm
            && self.incident
            && self.acknowledged
            && self.acked_at_the_box
            && self.still_armed
    }
}

/// Everything that the story needs.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) control: PathBuf,
    pub(crate) operator: Operator,
    pub(crate) scene: watch::Sender<Option<Scene>>,
}

impl Stage {
    /// As a viewer sees it: with time to look, and the last step left to the viewer.
    pub(crate) async fn show(self) {
        // What is pressed for a moment is let go by tasks that end with the story.
        let mut hands = JoinSet::new();
        self.say(Scene::Shutting);
        if !self.arm().await {
            self.say(Scene::Refused);
            sleep(BREATH * 2).await;
            self.scene.send_replace(None);
            return;
        }
        sleep(BREATH).await;
        self.say(Scene::Fence);
        self.pulse("fence-north", &mut hands);
        sleep(BREATH).await;
        self.say(Scene::Window);
        self.open("window");
        sleep(BREATH).await;
        self.say(Scene::Inside);
        self.pulse("lobby-motion", &mut hands);
        sleep(BREATH).await;
        while hands.join_next().await.is_some() {}
        self.say(Scene::Turn);
        let answered = self.until(|stage| {
            let snapshot = stage.operator.snapshot();
            let open = snapshot.open_incidents();
            open.iter().all(|(_, _, view)| !view.is_unanswered()).then_some(())
        });
        // Nobody may be there to take it; the box then escalates.
        let _ = timeout(TURN, answered).await;
        self.scene.send_replace(None);
    }

    /// As the scripted run needs it: nobody is there to watch, and each step is waited for.
    pub(crate) async fn check(
        self,
        mut committed: broadcast::Receiver<Arc<Committed>>,
        done: watch::Sender<BreakIn>,
    ) {
        while !self.arm().await {
            sleep(LOOK).await;
        }
        self.open("window");
        until_alarm(&mut committed).await;
        done.send_modify(|shown| shown.alarm = true);
        let incident = self.until(Self::burglary).await;
        done.send_modify(|shown| shown.incident = true);
        self.acknowledge(&incident).await;
        done.send_modify(|shown| shown.acknowledged = true);
        loop {
            let acked = wish::status(&self.control).await.is_ok_and(|report| {
                let acked = |known: &&gatehouse_core::site::Incident| {
                    known.id == incident && known.phase == gatehouse_core::site::Phase::Acked
                };
                report.incidents.iter().find(acked).is_some()
            });
            if acked {
                break;
            }
            sleep(LOOK).await;
        }
        done.send_modify(|shown| shown.acked_at_the_box = true);
    }

    /// Shuts what is open and arms perimeter and lobby. `false` when that was refused.
    async fn arm(&self) -> bool {
        for line in DOORS.len()..DOORS.len() + SENSORS.len() {
            self.world.swing(line, false);
        }
        // The box must have seen it, and the control room too: else there is nothing to be shown.
        self.until(|stage| {
            let snapshot = stage.operator.snapshot();
            let zones = &snapshot.gateways.values().next()?.zones;
            let calm = |zone: &ThingView| zone.shown == "normal";
            (zones.len() == SENSORS.len() && zones.values().all(calm)).then_some(())
        })
        .await;
        self.say(Scene::Arming);
        for partition in ["perimeter", "lobby"] {
            let Ok(partition) = partition.parse() else { return false };
            let wish = Wish::Arm { partition, mode: Mode::Away, force: false, at_once: true };
            loop {
                match wish::tell(&self.control, &wish).await {
                    Ok(Answer::Refused { .. }) => return false,
                    Ok(_) => break,
                    // It has no power at this moment.
                    Err(_) => sleep(LOOK).await,
                }
            }
        }
        true
    }

    /// The open incident with the broken window in it.
    fn burglary(&self) -> Option<Id> {
        let window = |view: &IncidentView| {
            let sources = &view.state.incident.sources;
            view.shown != "unknown" && sources.iter().any(|source| source == "zone/window")
        };
        let snapshot = self.operator.snapshot();
        let open = snapshot.open_incidents().into_iter();
        open.map(|(_, _, view)| view)
            .find(|view| window(view))
            .map(|view| view.state.incident.id.clone())
    }

    /// As often as it takes: broker or power may be away.
    async fn acknowledge(&self, incident: &Id) {
        let Some(place) = place() else { return };
        loop {
            let ack = self.operator.act(&place, incident, AlarmOp::Ack, OPERATOR, None);
            match ack.await {
                Ok(_) => return,
                // Told that it is not known to be done, and it was.
                Err(ActError::Acknowledged { by: Some(by), .. }) if by == OPERATOR => return,
                Err(error) => {
                    tracing::info!(%error, "not acknowledged yet");
                    sleep(LOOK).await;
                }
            }
        }
    }

    async fn until<T>(&self, found: impl Fn(&Self) -> Option<T>) -> T {
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            if let Some(found) = found(self) {
                return found;
            }
        }
    }

    fn open(&self, id: &str) {
        if let Some(line) = line_of(id) {
            self.world.swing(line, true);
        }
    }

    fn pulse(&self, id: &str, hands: &mut JoinSet<()>) {
        if let Some(line) = line_of(id) {
            self.world.pulse(line, hands);
        }
    }

    fn say(&self, scene: Scene) {
        self.scene.send_replace(Some(scene));
    }
}

/// The demo's one gateway.
fn place() -> Option<Place> {
    GATEWAY.parse().ok()
}

/// What the viewer does about an incident, by the receiver's desk.
pub(crate) async fn operate(operator: Operator, id: String, op: AlarmOp) -> Result<(), Refused> {
    let (Some(place), Ok(incident)) = (place(), id.parse()) else {
        return Err("there is no such incident".into());
    };
    match operator.act(&place, &incident, op, OPERATOR, None).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string().as_str().into()),
    }
}

/// Waits for the window's alarm to be committed.
async fn until_alarm(committed: &mut broadcast::Receiver<Arc<Committed>>) {
    loop {
        match committed.recv().await {
            Ok(event) => {
                let alarm = event.event().is_ok_and(|event| {
                    event.draft.kind == "zone.alarm" && event.draft.source.id.as_str() == "window"
                });
                if alarm {
                    return;
                }
            }
            // Never in a demo: the queue holds thousands. Its incident would tell all the same.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
