//! The kinds of task that touch the world outside, a file each.

pub(crate) mod box_health;
pub mod camera;
mod chip_bus;
pub mod gpio_lines;
pub mod output;
mod owner;
mod plan;
pub mod reader;
pub mod readers;
pub mod rs485_bus;
mod store;
pub mod wiegand;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_config::{Chip, Config, Line, ReaderWires, Sim};
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::{Id, MAX_ID_LEN, Seq};
use gatehouse_core::site::{Input, Report, SafeState};
use gatehouse_journal::{Cursors, Journal};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::board::Board;
use crate::clock::Clock;
use crate::gauges::Gauges;
use crate::hands::Hands;
use crate::io::drive::{BackConfig, DriveConfig, Where};
use crate::io::sim::Origin;
use crate::io::{KernelClock, LineClock};
use crate::lenses::Lenses;
use crate::reload::Running;
use crate::rules::Inputs;
use crate::supervise::{Ended, Outcome, Supervisor};
use crate::uplink::commands::Say;
use chip_bus::{Bell, Out};
use gpio_lines::{ContactState, GpioLines, Reading, UnitReport};
use owner::{Owner, Thing};
use plan::{Part, Spec};
use readers::Enrolling;

/// Reports of one chip on their way to the rules; a full one makes the unit wait.
const REPORTS: usize = 256;

/// A unit that is to end has so long to hand on what it has read.
const GRACE: Duration = Duration::from_secs(2);

/// Clips that are being made have so long at a stop: a masked one that is behind is cut off.
const LAST_CLIPS: Duration = Duration::from_secs(5);

/// The units that run for the present configuration. They are the supervisor's; this knows what they
/// were built from, and what stands told of them.
#[derive(Debug)]
pub struct Units {
    running: BTreeMap<String, Spec>,
    reins: BTreeMap<String, Reins>,
    /// What wakes each bus, by its id. Outlives the units.
    bells: BTreeMap<Id, Bell>,
    own: Own,
    /// Who decodes pictures.
    turns: camera::Turns,
    /// Who makes clips.
    recorders: camera::Recorders,
    gauges: Gauges,
    /// From buses with cameras on them to the cameras' units. Outlives both.
    lenses: Lenses,
}

/// What units share with others of the daemon: where readers show things, at which of them the next
/// card is wanted, and the way to the district for pictures.
type Own = (Hands, Enrolling, mpsc::Sender<Say>);

/// What is held of a unit that runs.
#[derive(Clone, Debug, Default)]
struct Reins {
    /// Says that it is to end, once all that it has read is before the rules.
    end: watch::Sender<bool>,
    faults: Faults,
}

/// What a new configuration makes of the units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Run on and notice nothing.
    pub kept: usize,
    /// Of a chip that nobody watched, or lines added to one.
    pub started: usize,
    /// Wired otherwise.
    pub restarted: usize,
    /// Nothing is wired to them any more.
    pub stopped: usize,
}

/// What a unit told as a fault and has not restored.
type Faults = Arc<Mutex<BTreeSet<String>>>;

impl Units {
    /// Starts the units of a configuration; `inputs` is of the same.
    pub fn start(
        supervisor: &mut Supervisor,
        config: &Config,
        inputs: &Inputs,
        own: (Hands, Enrolling, mpsc::Sender<Say>),
        gauges: Gauges,
    ) -> Self {
        let (running, reins, bells) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (turns, recorders) = (camera::Turns::default(), camera::Recorders::default());
        let lenses = Lenses::default();
        let mut units = Self { running, reins, bells, own, turns, recorders, gauges, lenses };
        for (name, spec) in plan::plan(config) {
            units.start_one(supervisor, (name, spec), BTreeSet::new(), config, inputs);
        }
        units
    }

    /// The daemon stops, and the units of cameras have ended: waits until the clips that were being made
    /// are on the flash and told of. What takes longer is told of at the next start.
    pub async fn clips_ended(&self) {
        if tokio::time::timeout(LAST_CLIPS, self.recorders.ended()).await.is_err() {
            warn!("clips are not done; they are told of at the next start");
        }
    }

    /// Ends what a new configuration does not have or has otherwise. Everything that these units
    /// have sent is before the rules when this returns.
    pub async fn end(
        &mut self,
        supervisor: &mut Supervisor,
        config: &Config,
        inputs: &Inputs,
    ) -> (Pending, Option<Ended>) {
        let change = plan::change(&self.running, plan::plan(config));
        for name in &change.stop {
            if let Some(reins) = self.reins.get(name) {
                reins.end.send_replace(true);
            }
        }
        let ended = supervisor.end(|name| change.stop.contains(name), GRACE).await;
        let mut before = BTreeMap::new();
        for name in &change.stop {
            before.extend(self.running.remove(name).map(|spec| (name.clone(), spec)));
            // What is not watched any more is no fault any more.
            let Some(reins) = self.reins.remove(name) else { continue };
            let faults = std::mem::take(&mut *lock(&reins.faults));
            for what in faults {
                let cause =
                    "it is watched otherwise, or not any more: the configuration has changed";
                let restore = fault(&what, cause, None, Qualifier::Restore);
                if inputs.send(restore).await.is_err() {
                    break;
                }
            }
        }
        (Pending { change, before }, ended)
    }

    /// Starts what a new configuration adds or has otherwise; `inputs` is of the same.
    pub fn begin(
        &mut self,
        supervisor: &mut Supervisor,
        pending: Pending,
        config: &Config,
        inputs: &Inputs,
    ) {
        let Pending { change, before } = pending;
        self.running.extend(change.keep);
        for (name, spec) in change.start {
            let known = before.get(&name).map(|before| unchanged(before, &spec));
            info!(unit = %name, anew = known.is_some(), "a unit is started");
            let known = known.unwrap_or_default();
            self.start_one(supervisor, (name, spec), known, config, inputs);
        }
    }

    /// `known`: lines whose state the rules know of the life before.
    fn start_one(
        &mut self,
        supervisor: &mut Supervisor,
        (name, spec): (String, Spec),
        mut known: BTreeSet<String>,
        config: &Config,
        inputs: &Inputs,
    ) {
        let reins = Reins::default();
        self.reins.insert(name.clone(), reins.clone());
        self.running.insert(name.clone(), spec.clone());
        let inputs = inputs.clone();
        match spec {
            Spec::Lines(Part { chip, lines, .. }) => {
                let wired = lines.values().map(|(line, _)| *line).collect();
                let owners = lines
                    .iter()
                    .filter_map(|(line, (_, thing))| Some((line.clone(), thing.owner(config)?)));
                let owners: BTreeMap<_, _> = owners.collect();
                let bells = lines.iter().filter_map(|(line, (_, thing))| match thing {
                    Thing::Interrupt(bus) => {
                        Some((line.clone(), self.bells.entry(bus.clone()).or_default().clone()))
                    }
                    _ => None,
                });
                let bells: BTreeMap<_, _> = bells.collect();
                let lines = GpioLines { chip, lines: wired, recheck: gpio_lines::RECHECK };
                supervisor.unit(name, move || {
                    // Only the first life follows another without a gap that anybody must know of.
                    let known = std::mem::take(&mut known);
                    let faults = Arc::clone(&reins.faults);
                    let told = Told {
                        owners: owners.clone(),
                        bells: bells.clone(),
                        clock: KernelClock::new(),
                        known,
                        faults,
                    };
                    watch(lines.clone(), told, reins.end.subscribe(), inputs.clone())
                });
            }
            Spec::Chips(bus) => {
                // A plan is of the configuration that it was made from.
                let Some(places) = bus.places(config) else { return };
                let bell = self.bells.entry(bus.id().clone()).or_default().clone();
                let (gauges, lenses) = (self.gauges.clone(), self.lenses.clone());
                supervisor.unit(name, move || {
                    let (bus, places, bell) = ((*bus).clone(), places.clone(), bell.clone());
                    let end = reins.end.subscribe();
                    let out = Out {
                        inputs: inputs.clone(),
                        gauges: gauges.clone(),
                        lenses: lenses.clone(),
                    };
                    async move {
                        let clock = KernelClock::new();
                        let ended = chip_bus::run(bus, places, clock, bell, end, out).await;
                        ended.map_err(|error| error.to_string())
                    }
                });
            }
            Spec::Readers(plan) => {
                let (hands, enrolling, _) = self.own.clone();
                let ways = readers::Ways { inputs, own: (hands, enrolling), end: reins.end };
                readers::start(supervisor, name, plan, config, ways);
            }
            Spec::Camera(plan) => {
                // A plan is of the configuration that it was made from.
                let Some(places) = camera::places(&plan, config) else { return };
                let (hands, _, say) = self.own.clone();
                let ways = camera::Ways {
                    inputs,
                    eyes: hands.eyes().clone(),
                    say,
                    turns: self.turns.clone(),
                    recorders: self.recorders.clone(),
                    clock: hands.clock(),
                    lenses: self.lenses.clone(),
                    gauges: self.gauges.clone(),
                };
                supervisor.unit(name, move || {
                    camera::run(
                        (*plan).clone(),
                        ways.clone(),
                        places.clone(),
                        reins.end.subscribe(),
                    )
                });
            }
        }
    }
}

/// A change of the units that is half done: what must end has ended.
#[derive(Debug)]
pub struct Pending {
    change: plan::Change,
    before: BTreeMap<String, Spec>,
}

impl Pending {
    /// What becomes of the units.
    pub fn counts(&self) -> Counts {
        let start = self.change.start.keys();
        let restarted = { start }.filter(|name| self.before.contains_key(*name)).count();
        Counts {
            kept: self.change.keep.len(),
            started: self.change.start.len() - restarted,
            restarted,
            stopped: self.before.len() - restarted,
        }
    }
}

/// The lines of a unit that are as they were.
fn unchanged(before: &Spec, after: &Spec) -> BTreeSet<String> {
    let (Spec::Lines(before), Spec::Lines(after)) = (before, after) else {
        return BTreeSet::new();
    };
    let same = after.lines.iter().filter(|(line, wired)| before.lines.get(*line) == Some(wired));
    same.map(|(line, _)| line.clone()).collect()
}

fn lock(faults: &Faults) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
    // A panic while it is held leaves a set that is still a set.
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the rules are told of a unit's reports.
struct Told {
    owners: BTreeMap<String, Owner>,
    /// The buses that a line wakes.
    bells: BTreeMap<String, Bell>,
    clock: KernelClock,
    /// Lines that were watched until a moment ago: the start's `unknown` is not told of them, and
    /// their first state was found by reading again.
    known: BTreeSet<String>,
    faults: Faults,
}

impl Told {
    fn inputs(&mut self, report: UnitReport) -> Vec<Input> {
        match report {
            UnitReport::Reading(reading) if self.bells.contains_key(&reading.line) => {
                self.ring(&reading);
                Vec::new()
            }
            UnitReport::Reading(mut reading) => {
                if reading.state == ContactState::Unknown {
                    if self.known.contains(&reading.line) {
                        return Vec::new();
                    }
                } else if self.known.remove(&reading.line) {
                    reading.resynced = true;
                }
                let owner = self.owners.get(&reading.line);
                owner.and_then(|owner| owner.input(&reading)).into_iter().collect()
            }
            UnitReport::Fault { what, cause, at } => {
                lock(&self.faults).insert(what.clone());
                let mut inputs = vec![fault(&what, &cause, Some(at), Qualifier::New)];
                // They cannot be read after all, be it the chip or the line.
                let lost = std::mem::take(&mut self.known).into_iter();
                let (lost, known) = lost.partition(|line| *line == what || !what.contains(':'));
                self.known = known;
                let lost: BTreeSet<String> = lost;
                for line in lost {
                    let state = ContactState::Unknown;
                    let reading = Reading { line, state, at, resynced: false };
                    let owner = self.owners.get(&reading.line);
                    inputs.extend(owner.and_then(|owner| owner.input(&reading)));
                }
                inputs
            }
            UnitReport::Restore { what, cause, at } => {
                lock(&self.faults).remove(&what);
                vec![fault(&what, &cause, Some(at), Qualifier::Restore)]
            }
        }
    }
}

impl Told {
    /// An interrupt line was pulled, or nobody can say: its bus looks after its chips.
    fn ring(&self, reading: &Reading) {
        if reading.state == ContactState::Open {
            return;
        }
        let Some(bell) = self.bells.get(&reading.line) else { return };
        let now_ns = self.clock.monotonic_ns();
        let ago = self.clock.boot(now_ns).since(reading.at);
        let ago_ns = u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX);
        bell.ring(&reading.line, now_ns.saturating_sub(ago_ns));
    }
}

/// Every line that a configuration uses, each once.
pub(crate) fn lines_of(config: &Config) -> BTreeSet<&Line> {
    let interrupts = config.chips.iter().filter_map(|chip| chip.interrupt.as_ref());
    let recoveries = config.buses.iter().filter_map(|bus| bus.recovery.as_ref());
    let recoveries = recoveries.flat_map(|(clock, data)| [clock, data]);
    let outputs = config.outputs.iter().flat_map(|output| {
        let back = output.read_back.as_ref().map(|(line, _)| line);
        [Some(&output.line), back].into_iter().flatten()
    });
    let readers = config.readers.iter().flat_map(|reader| match &reader.wires {
        ReaderWires::Wiegand { d0, d1, .. } => [Some(d0), Some(d1)],
        ReaderWires::Bus { .. } => [None, None],
    });
    let wired = owner::wired(config).map(|wire| wire.line);
    wired.chain(interrupts).chain(recoveries).chain(outputs).chain(readers.flatten()).collect()
}

/// The clip of an event, by its name and bytes; `None`: there is none, or not any more.
pub(crate) fn clip_of(config: &Config, camera: &Id, seq: Seq) -> Option<(String, u64)> {
    let folder = camera::evidence::root(config).join(camera::evidence::CLIPS);
    let name = format!("{camera}-{seq}.mp4");
    let sealed = format!("{name}.{}", gatehouse_camera::seal::EXTENSION);
    let found = |name: String| {
        let bytes = std::fs::metadata(folder.join(&name)).ok()?.len();
        Some((name, bytes))
    };
    [name, sealed].into_iter().find_map(found)
}

/// Clips and pictures that the start before this left: to be looked for before a camera's unit runs.
pub fn clips_left(config: &Config) -> ClipsLeft {
    ClipsLeft(Arc::new(camera::untold::Left::look(&camera::evidence::root(config))))
}

/// See [`clips_left`].
pub struct ClipsLeft(Arc<camera::untold::Left>);

/// Starts the unit that tells of clips and pictures that were left, and keeps all of them within the
/// bounds of the configuration that holds.
pub fn evidence(
    supervisor: &mut Supervisor,
    running: &watch::Receiver<Running>,
    (journal, clock, inputs): (&Journal, &Clock, &Inputs),
    (say, gauges): (&mpsc::Sender<Say>, &Gauges),
    ClipsLeft(left): ClipsLeft,
) {
    let (journal, clock, inputs) = (journal.clone(), clock.clone(), inputs.clone());
    let (running, say, gauges) = (running.clone(), say.clone(), gauges.clone());
    let keeper = camera::evidence::Keeper { running, journal, clock, inputs, say, gauges, left };
    supervisor.unit("evidence", move || camera::evidence::keep(keeper.clone()));
}

/// Starts the unit that sends pictures and clips to the store of the configuration that holds, if it has
/// one.
pub fn store(
    supervisor: &mut Supervisor,
    running: &watch::Receiver<Running>,
    (journal, heads): (&Journal, watch::Receiver<Cursors>),
    (board, clock, inputs): (&Board, &Clock, &Inputs),
) {
    let (journal, board, clock) = (journal.clone(), board.clone(), clock.clone());
    let (running, inputs) = (running.clone(), inputs.clone());
    let parts = store::Parts { running, journal, heads, board, clock, inputs };
    supervisor.unit("store", move || store::run(parts.clone()));
}

/// Starts a unit for each output. They run until the daemon stops: outputs that are wired otherwise
/// wait for the next start.
pub fn outputs(supervisor: &mut Supervisor, config: &Config, hands: &Hands, inputs: &Inputs) {
    for (place, output) in config.outputs.iter().enumerate() {
        let Some(switched) = switched(config, place, output) else { continue };
        let (hands, inputs) = (hands.clone(), inputs.clone());
        supervisor.unit(format!("output({})", output.rules.id), move || {
            let (switched, inputs) = (switched.clone(), inputs.clone());
            let (orders, clock) = (hands.orders(place), hands.clock());
            async move {
                let orders = orders.ok_or("there is no such output")?;
                output::run(switched, orders, inputs, clock).await
            }
        });
    }
}

/// How an output is switched; `None`: it is simulated, and there is no `[sim]`, which the configuration
/// refuses.
pub(crate) fn switched(
    config: &Config,
    place: usize,
    output: &gatehouse_config::Output,
) -> Option<output::Switched> {
    let find = |chip: &Chip| {
        Some(match (chip, &config.sim) {
            (Chip::Gpio(name), _) => Where::Gpio(name.clone()),
            (Chip::Sim, Some(Sim::Socket(path))) => Where::Sim(Origin::Socket(path.clone())),
            (Chip::Sim, Some(Sim::Script(path))) => Where::Sim(Origin::Script(path.clone())),
            (Chip::Sim, None) => return None,
        })
    };
    let back = output.read_back.as_ref().and_then(|(line, active)| {
        Some(BackConfig { place: find(&line.chip)?, offset: line.offset, active: *active })
    });
    let on = output::level(output.active);
    let safe = output.rules.safe;
    let first = match safe {
        SafeState::Off => Some(!on),
        SafeState::On => Some(on),
        SafeState::Keep => None,
    };
    let line = DriveConfig {
        place: find(&output.line.chip)?,
        offset: output.line.offset,
        drive: output.drive,
        first,
        off: !on,
        back,
    };
    let (role, active, max_on) = (output.rules.role, output.active, output.max_on);
    Some(output::Switched { place, role, active, safe, max_on, line })
}

/// One life of a unit, and the way of its reports to the rules.
async fn watch(
    lines: GpioLines,
    mut told: Told,
    mut end: watch::Receiver<bool>,
    inputs: Inputs,
) -> Outcome {
    let (tell, mut reports) = mpsc::channel(REPORTS);
    let lines = async {
        tokio::select! {
            ended = gpio_lines::run(lines, KernelClock::new(), tell) => match ended {
                Ok(never) => match never {},
                Err(error) => Err(error.to_string()),
            },
            // Also when nobody is left who could ask for it.
            _ = end.wait_for(|end| *end) => Ok(()),
        }
    };
    // Ends with the lines, once all that they have told is handed on.
    let forward = async move {
        while let Some(report) = reports.recv().await {
            for input in told.inputs(report) {
                if inputs.send(input).await.is_err() {
                    return;
                }
            }
        }
    };
    let (ended, ()) = tokio::join!(lines, forward);
    ended
}

fn fault(
    what: &str,
    cause: &str,
    at: Option<gatehouse_core::time::Mono>,
    qualifier: Qualifier,
) -> Input {
    let restore = qualifier == Qualifier::Restore;
    Input::Report(Report {
        class: Class::Fault,
        kind: if restore { "input.restored" } else { "input.fault" },
        qualifier,
        severity: 2,
        source: ("input", wire_id(what)),
        closes: restore.then_some("input.fault"),
        cause: Some(cause.chars().take(200).collect()),
        detail: Some(serde_json::json!({ "input": what })),
        at,
    })
}

/// `gpiochip0:17` as an id: `gpiochip0-17`.
fn wire_id(wire: &str) -> Id {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9') => c,
        _ => '-',
    };
    let id: String = wire.chars().map(letter).take(MAX_ID_LEN).collect();
    id.parse().unwrap_or_else(|_| "input".parse().expect("five letters are an id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wire_has_an_id() {
        assert_eq!(wire_id("gpiochip0:17").as_str(), "gpiochip0-17");
        assert_eq!(wire_id("pinctrl-BCM2711:4").as_str(), "pinctrl-bcm2711-4");
        assert_eq!(wire_id("").as_str(), "input");
        assert_eq!(wire_id(&"长".repeat(40)).as_str(), "-".repeat(32));
    }
}
