//! What is done to the demo: by the viewer, and by the script.

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use gatehouse::control::Wish;
use gatehouse_core::id::Id;

use super::{DARK, Lab};
use crate::child::broker::Broker;
use crate::child::gatebox::GateBox;
use crate::error::DemoError;
use crate::page::{Act, Move};
use crate::script::Step;
use crate::story::{self, BreakIn, Stage};
use crate::teller::Tone;
use crate::wish::{self, Refused};
use crate::world::{DOORS, LINES, community};

impl Lab<'_> {
    /// Does what the viewer asks. What waits for the box or for the control room is waited for
    /// beside the loop: either may be dead at this moment.
    pub(super) async fn asked(
        &mut self,
        act: Act,
        answer: oneshot::Sender<Result<(), Refused>>,
    ) -> Result<(), DemoError> {
        // In each case the asker may have closed the page meanwhile.
        match act {
            Act::Arm { partition, mode, force } => {
                self.wish(&partition, answer, |partition| Wish::Arm {
                    partition,
                    mode,
                    force,
                    at_once: false,
                });
            }
            Act::Disarm { partition } => {
                self.wish(&partition, answer, |partition| Wish::Disarm { partition });
            }
            Act::Incident { id, op } => {
                let Some(stage) = self.stage() else { return Ok(()) };
                self.waits.spawn(async move {
                    let _ = answer.send(story::operate(stage.operator, id, op).await);
                });
            }
            Act::BreakIn => {
                let playing = self.scene.borrow().is_some();
                let outcome = match self.stage().filter(|_| !playing) {
                    Some(stage) => {
                        self.say(Tone::Broken, "somebody breaks in; see the page");
                        self.waits.spawn(stage.show());
                        Ok(())
                    }
                    None => Err("the burglar is on the way already".into()),
                };
                let _ = answer.send(outcome);
            }
            act => {
                let _ = answer.send(self.act(act).await?);
            }
        }
        Ok(())
    }

    /// Hands a wish for a partition to the box.
    fn wish(
        &mut self,
        partition: &str,
        answer: oneshot::Sender<Result<(), Refused>>,
        wish: impl FnOnce(Id) -> Wish,
    ) {
        let Ok(partition) = partition.parse() else {
            let _ = answer.send(Err("there is no such partition".into()));
            return;
        };
        let (socket, wish) = (self.flash.control(), wish(partition));
        self.waits.spawn(async move {
            let outcome = match wish::tell(&socket, &wish).await {
                Ok(said) => wish::done(said),
                Err(error) => Err(error.to_string().as_str().into()),
            };
            let _ = answer.send(outcome);
        });
    }

    /// What a break-in needs; nothing once the control room is gone.
    fn stage(&self) -> Option<Stage> {
        Some(Stage {
            world: self.world.clone(),
            control: self.flash.control(),
            operator: self.receiver.as_ref()?.operator(),
            scene: self.scene.clone(),
        })
    }

    /// Begins the scripted break-in.
    pub(super) fn break_in(&mut self) {
        let Some(stage) = self.stage() else { return };
        let Some(committed) = self.receiver.as_ref().map(gatehouse_receiver::Handle::subscribe)
        else {
            return;
        };
        let (done, shown) = watch::channel(BreakIn::default());
        self.waits.spawn(stage.check(committed, done));
        self.break_in = Some(shown);
    }

    /// Whether the scripted break-in, if there is one, has come to its end.
    pub(super) fn is_broken_into(&self) -> bool {
        self.break_in.as_ref().is_none_or(|shown| shown.borrow().acked_at_the_box)
    }

    /// One act of the script.
    pub(super) async fn step(&mut self, step: Step) -> Result<(), DemoError> {
        // A refusal means that the viewer was faster: what the script wants is so already.
        let _ = match step {
            Step::CutBroker => self.act(Act::CutBroker).await?,
            Step::RestoreBroker => self.act(Act::RestoreBroker).await?,
            Step::CutPower => self.act(Act::CutPower).await?,
            Step::Quiet => {
                self.quiet = true;
                for line in 0..LINES {
                    self.world.swing(line, false);
                }
                self.say(Tone::Plain, "everybody goes home; waiting for the last receipts");
                Ok(())
            }
        };
        Ok(())
    }

    /// Does what needs nobody's answer.
    pub(super) async fn act(&mut self, act: Act) -> Result<Result<(), Refused>, DemoError> {
        match act {
            Act::Door { id, open } => {
                let Some(door) = DOORS.iter().position(|door| door.id == id) else {
                    return Ok(Err("there is no such door".into()));
                };
                let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.people.viewer_used(door, open, now);
                if !self.world.swing(door, open) {
                    return Ok(Err("the door stands like that already".into()));
                }
            }
            Act::Sensor { id, moves } => {
                let Some(line) = community::line_of(&id) else {
                    return Ok(Err("there is no such sensor".into()));
                };
                let moved = match moves {
                    Move::Activate => self.world.swing(line, true),
                    Move::Calm => self.world.swing(line, false),
                    Move::Pulse => self.world.pulse(line, &mut self.tasks),
                };
                if !moved {
                    return Ok(Err("it is like that already".into()));
                }
            }
            // These wait for somebody, and so are not done here: see `asked`.
            Act::Arm { .. } | Act::Disarm { .. } | Act::Incident { .. } | Act::BreakIn => {}
            Act::Cover { covered } => {
                if self.cameras.staged().covered == covered {
                    return Ok(Err("it is like that already".into()));
                }
                self.cameras.stage(|stage| stage.covered = covered);
                let what = if covered { "is covered" } else { "sees again" };
                self.say(Tone::Plain, format_args!("the garage's camera {what}"));
            }
            Act::CutBroker => {
                let Some(broker) = self.broker.take() else {
                    return Ok(Err("the broker is down already".into()));
                };
                broker.cut().await.map_err(DemoError::Part)?;
                self.cuts.broker += 1;
                self.say(Tone::Broken, "broker cut (SIGKILL): it forgets sessions and messages");
            }
            Act::RestoreBroker => {
                if self.broker.is_some() {
                    return Ok(Err("the broker is up already".into()));
                }
                let (broker, listening) =
                    Broker::start(self.broker_port, self.passed_in.clone()).await?;
                self.tasks.spawn(listening);
                self.broker = Some(broker);
                let waiting = self.watcher.waiting();
                self.say(
                    Tone::Well,
                    format_args!(
                        "broker restored, its memory empty; {waiting} events wait on flash"
                    ),
                );
            }
            Act::CutPower => {
                let Some(gatebox) = self.gatebox.take() else {
                    return Ok(Err("the box has no power already".into()));
                };
                gatebox.cut().await.map_err(DemoError::Box)?;
                self.cuts.power += 1;
                self.power_back = Some(Instant::now() + DARK);
                self.say(
                    Tone::Broken,
                    "power cut (SIGKILL): the box is dead, its doors are unknown",
                );
            }
        }
        self.look();
        Ok(Ok(()))
    }

    pub(super) fn power_back(&mut self) -> Result<(), DemoError> {
        self.power_back = None;
        if self.gatebox.is_none() {
            self.gatebox = Some(GateBox::start(&self.flash).map_err(DemoError::Box)?);
            self.say(Tone::Well, "power is back: the box starts from its flash");
        }
        Ok(())
    }
}
