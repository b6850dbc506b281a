//! The kinds of task that touch the world outside, a file each.

pub mod gpio_lines;
pub mod output;
mod owner;
pub mod reader;
pub mod rs485_bus;
pub mod wiegand;

use std::collections::BTreeMap;

use gatehouse_config::{Chip, Config, Sim};
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::{Id, MAX_ID_LEN};
use gatehouse_core::site::{Input, Report, SafeState};
use tokio::sync::mpsc;

use crate::hands::Hands;
use crate::io::KernelClock;
use crate::io::drive::{BackConfig, DriveConfig, Where};
use crate::io::sim::Origin;
use crate::supervise::{Outcome, Supervisor};
use gpio_lines::{GpioLines, LineConfig, LineSource, UnitReport};
use owner::{Owner, wired};

/// Reports of one chip on their way to the rules; a full one makes the unit wait.
const REPORTS: usize = 256;

/// The lines of one chip, and whose they are.
#[derive(Default)]
struct Wired {
    lines: Vec<LineConfig>,
    owners: BTreeMap<String, Owner>,
}

/// Starts a unit for each output, and for each chip that something is wired to.
pub fn start(
    supervisor: &mut Supervisor,
    config: &Config,
    hands: &Hands,
    inputs: &mpsc::Sender<Input>,
) {
    outputs(supervisor, config, hands, inputs);
    let mut chips: BTreeMap<&Chip, Wired> = BTreeMap::new();
    for (input, line, owner) in wired(config) {
        let wired = chips.entry(&input.chip).or_default();
        wired.lines.push(line);
        wired.owners.insert(input.to_string(), owner);
    }
    for (chip, wired) in chips {
        let source = match (chip, &config.sim) {
            (Chip::Gpio(name), _) => LineSource::Gpio { chip: name.clone(), kernel_debounce: None },
            (Chip::Sim, Some(Sim::Socket(path))) => LineSource::Sim(Origin::Socket(path.clone())),
            (Chip::Sim, Some(Sim::Script(path))) => LineSource::Sim(Origin::Script(path.clone())),
            // The configuration refuses a sim line without [sim].
            (Chip::Sim, None) => continue,
        };
        let name = match chip {
            Chip::Gpio(name) => format!("gpio_lines({name})"),
            Chip::Sim => "gpio_lines(sim)".to_owned(),
        };
        let Wired { lines, owners } = wired;
        let lines = GpioLines { chip: source, lines, recheck: gpio_lines::RECHECK };
        let inputs = inputs.clone();
        supervisor.unit(name, move || watch(lines.clone(), owners.clone(), inputs.clone()));
    }
}

fn outputs(
    supervisor: &mut Supervisor,
    config: &Config,
    hands: &Hands,
    inputs: &mpsc::Sender<Input>,
) {
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
    owners: BTreeMap<String, Owner>,
    inputs: mpsc::Sender<Input>,
) -> Outcome {
    let (tell, mut reports) = mpsc::channel(REPORTS);
    let forward = async {
        while let Some(report) = reports.recv().await {
            let Some(input) = input(report, &owners) else { continue };
            if inputs.send(input).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        ended = gpio_lines::run(lines, KernelClock::new(), tell) => match ended {
            Ok(never) => match never {},
            Err(error) => Err(error.to_string()),
        },
        () = forward => Ok(()),
    }
}

fn input(report: UnitReport, owners: &BTreeMap<String, Owner>) -> Option<Input> {
    let (what, cause, at, qualifier) = match report {
        UnitReport::Reading(reading) => {
            return Some(owners.get(&reading.line)?.input(&reading));
        }
        UnitReport::Fault { what, cause, at } => (what, cause, at, Qualifier::New),
        UnitReport::Restore { what, cause, at } => (what, cause, at, Qualifier::Restore),
    };
    let restore = qualifier == Qualifier::Restore;
    Some(Input::Report(Report {
        class: Class::Fault,
        kind: if restore { "input.restored" } else { "input.fault" },
        qualifier,
        severity: 2,
        source: ("input", wire_id(&what)),
        closes: restore.then_some("input.fault"),
        cause: Some(cause.chars().take(200).collect()),
        detail: Some(serde_json::json!({ "input": what })),
        at: Some(at),
    }))
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
