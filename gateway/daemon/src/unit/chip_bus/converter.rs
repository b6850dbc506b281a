//! Supervised loops on the inputs of a converter.

use std::time::Duration;

use gatehouse_config::{ChipKind, LoopSupply, Measures};
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Report};
use gatehouse_drivers::ChipErrorKind;
use gatehouse_drivers::adc::{
    Adc, Ads1x15, AdsConfig, AdsError, AdsInput, AdsRange, Mcp3x08, McpChannel, Sample,
};
use gatehouse_drivers::eol::{Loop, LoopReading, LoopState, Notice, Ohms};
use linux_embedded_hal::Delay;
use serde_json::json;
use tracing::info;

use super::plan::{Active, ChipPlan, LoopPlan, Places, Wiring};
use super::seat::{Device, News, Trouble, next};
use crate::io::sim::chips::ads_address;
use crate::io::wire::{Wire, WireError};
use crate::unit::owner::Owner;

/// Each loop is measured at least so often: 16 times and more in a window of 100 ms.
const SAMPLE_EVERY: Duration = Duration::from_micros(6_000);

/// And where there is room as often as this: a thread that is late now and then still has the twelve
/// samples that a window must have.
const SAMPLE_BEST: Duration = Duration::from_micros(4_000);

/// A sample takes at most this, of an ADS1115.
const SAMPLE_TAKES: Duration = Duration::from_micros(2_000);

/// A converter that fails for 120 ms and more is lost; one noise on the bus is not a failure.
const PATIENCE: u32 = 20;

/// A resistance that comes back to within so many thousandths is the old resistor again: twice the
/// tolerance of those that ought to be used.
const SAME_PERMILLE: u64 = 20;

/// A converter of either family.
trait Samples {
    fn sample(&mut self, input: u8) -> Result<Sample, Trouble>;
}

struct Ads(Ads1x15<Wire, Delay>);
struct Mcp(Mcp3x08<Wire>);

impl Samples for Ads {
    fn sample(&mut self, input: u8) -> Result<Sample, Trouble> {
        self.0.sample(ads_input(input)).map_err(|error| Trouble {
            kind: match &error {
                AdsError::Bus(error) => kind(error),
                _ => ChipErrorKind::Reset,
            },
            cause: error.to_string(),
        })
    }
}

impl Samples for Mcp {
    fn sample(&mut self, input: u8) -> Result<Sample, Trouble> {
        let channel = McpChannel::ALL[usize::from(input) % McpChannel::ALL.len()];
        self.0
            .sample(channel)
            .map_err(|error| Trouble { kind: ChipErrorKind::Absent, cause: error.to_string() })
    }
}

fn kind(error: &WireError) -> ChipErrorKind {
    match embedded_hal::i2c::Error::kind(error) {
        embedded_hal::i2c::ErrorKind::NoAcknowledge(_) => ChipErrorKind::Absent,
        _ => ChipErrorKind::Bus,
    }
}

const fn ads_input(input: u8) -> AdsInput {
    match input {
        0 => AdsInput::A0,
        1 => AdsInput::A1,
        2 => AdsInput::A2,
        _ => AdsInput::A3,
    }
}

/// A loop and what is known of it.
struct Input {
    line: u8,
    of: (&'static str, Id),
    owner: Owner,
    name: String,
    plan: LoopPlan,
    state: Loop,
    due_ns: u64,
    /// While another resistor is in the loop: what was there before it.
    swapped: Option<Ohms>,
    /// What the rules were told last.
    told: Condition,
}

pub(super) struct Converter {
    adc: Box<dyn Samples>,
    inputs: Vec<Input>,
    every: Duration,
}

impl Converter {
    pub(super) fn new(plan: &ChipPlan, places: &Places, wire: Wire) -> Self {
        let inputs = plan.lines.iter().filter_map(|line| {
            let Wiring::Loop(of_loop) = &line.wiring else { return None };
            Some(Input {
                line: line.line,
                of: line.thing.source(),
                owner: *places.owners.get(&line.thing)?,
                name: line.name.clone(),
                plan: *of_loop,
                state: Loop::new(of_loop.config),
                due_ns: 0,
                swapped: None,
                told: Condition::Unknown,
            })
        });
        let inputs: Vec<_> = inputs.collect();
        let loops = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
        let every = SAMPLE_TAKES.saturating_mul(loops).clamp(SAMPLE_BEST, SAMPLE_EVERY);
        Self { inputs, adc: adc(plan, wire), every }
    }
}

fn adc(plan: &ChipPlan, wire: Wire) -> Box<dyn Samples> {
    let (supply_input, supply) = match plan.chip.measures {
        Measures::Loops { supply_input, supply, .. } => (supply_input, supply),
        _ => (3, LoopSupply::V3_3),
    };
    let config = AdsConfig {
        address: ads_address(plan.chip.address),
        range: match supply {
            LoopSupply::V3_3 => AdsRange::V4_096,
            LoopSupply::V5 => AdsRange::V6_144,
        },
        supply: ads_input(supply_input),
        ..AdsConfig::DEFAULT
    };
    match plan.chip.kind {
        ChipKind::Ads1015 => Box::new(Ads(Ads1x15::ads1015(wire, Delay, config))),
        ChipKind::Mcp3208 => Box::new(Mcp(Mcp3x08::mcp3208(wire))),
        ChipKind::Mcp3008 => Box::new(Mcp(Mcp3x08::mcp3008(wire))),
        _ => Box::new(Ads(Ads1x15::ads1115(wire, Delay, config))),
    }
}

impl Device for Converter {
    fn patience(&self) -> u32 {
        PATIENCE
    }

    fn serve(&mut self, now_ns: u64, _: Option<u64>, news: &mut Vec<News>) -> Result<u64, Trouble> {
        let Some(input) = self.inputs.iter_mut().min_by_key(|input| input.due_ns) else {
            // Nothing is wired to it: whether it is there is asked now and then.
            self.adc.sample(0)?;
            return Ok(now_ns.saturating_add(1_000_000_000));
        };
        input.due_ns = next(input.due_ns, self.every, now_ns);
        match self.adc.sample(input.line) {
            Ok(sample) => {
                input.feed(sample, now_ns, news);
                Ok(self.due_ns())
            }
            Err(trouble) => {
                for input in &mut self.inputs {
                    if let Some(reading) = input.state.expire(now_ns) {
                        input.tell(reading, news);
                    }
                }
                Err(trouble)
            }
        }
    }

    fn try_again(&self, now_ns: u64) -> u64 {
        self.due_ns().max(now_ns.saturating_add(1_000_000))
    }

    fn forget(&mut self, now_ns: u64, news: &mut Vec<News>) {
        for input in &mut self.inputs {
            input.state.forget();
            input.told = Condition::Unknown;
            let (owner, condition) = (input.owner, Condition::Unknown);
            news.push(News::Line { owner, condition, at_ns: now_ns, resynced: false });
        }
    }
}

impl Converter {
    fn due_ns(&self) -> u64 {
        self.inputs.iter().map(|input| input.due_ns).min().unwrap_or(0)
    }
}

impl Input {
    fn feed(&mut self, sample: Sample, now_ns: u64, news: &mut Vec<News>) {
        let report = self.state.feed(sample, now_ns);
        if let Some(reading) = report.reading {
            self.tell(reading, news);
        }
        match report.notice {
            None => {}
            Some(Notice::Learned { installed }) => {
                info!(input = self.name, %installed, "the loop has learnt its resistor");
            }
            Some(Notice::Drifted { side, installed, now }) => {
                let detail = json!({
                    "input": self.name,
                    "installed_ohms": installed.0,
                    "ohms": now.0,
                    "side": format!("{side:?}").to_lowercase(),
                });
                self.report("drift", Class::Fault, detail, now_ns, news);
            }
            Some(Notice::Substituted { from, to, at_ns }) => {
                self.substituted(from, to, at_ns, news);
            }
        }
    }

    /// Another resistor: while the loop is at rest with it, it is tampered with.
    fn substituted(&mut self, from: Ohms, to: Ohms, at_ns: u64, news: &mut Vec<News>) {
        let before = *self.swapped.get_or_insert(from);
        let off = u64::from(before.0.abs_diff(to.0)) * 1_000;
        if off <= u64::from(before.0) * SAME_PERMILLE {
            self.swapped = None;
        } else {
            let detail = json!({ "input": self.name, "before_ohms": before.0, "ohms": to.0 });
            self.report("resistor", Class::Tamper, detail, at_ns, news);
        }
        self.say(self.state.state(), at_ns, false, news);
    }

    fn tell(&mut self, reading: LoopReading, news: &mut Vec<News>) {
        self.say(reading.state, reading.at_ns, reading.resynced, news);
    }

    fn say(&mut self, state: LoopState, at_ns: u64, resynced: bool, news: &mut Vec<News>) {
        let mut condition = condition(state, self.plan.active);
        if self.swapped.is_some() && state.is_at_rest() {
            condition = Condition::Tamper;
        }
        if std::mem::replace(&mut self.told, condition) != condition {
            news.push(News::Line { owner: self.owner, condition, at_ns, resynced });
        }
    }

    fn report(
        &self,
        what: &str,
        class: Class,
        detail: serde_json::Value,
        at_ns: u64,
        news: &mut Vec<News>,
    ) {
        let (thing, id) = self.of.clone();
        let kind = match (thing, what) {
            ("door", "drift") => "door.drift",
            ("door", _) => "door.resistor",
            (_, "drift") => "zone.drift",
            _ => "zone.resistor",
        };
        let report = Report {
            class,
            kind,
            qualifier: Qualifier::Status,
            severity: 3,
            source: (thing, id),
            closes: None,
            cause: None,
            detail: Some(detail),
            at: None,
        };
        news.push(News::Report { report, at_ns });
    }
}

/// What a loop's state is to the rules.
pub(super) const fn condition(state: LoopState, active: Active) -> Condition {
    match (state, active) {
        (LoopState::Unknown, _) => Condition::Unknown,
        // A contact that closes on alarm: what the table calls alarm is its rest.
        (LoopState::Alarm, Active::Rest) => Condition::Normal,
        (LoopState::LowR | LoopState::Normal | LoopState::HighR, Active::Rest)
        | (LoopState::Alarm, _)
        | (LoopState::Open, Active::Open)
        | (LoopState::Short, Active::Short) => Condition::Active,
        (LoopState::LowR | LoopState::Normal | LoopState::HighR, _) => Condition::Normal,
        (LoopState::Short | LoopState::Open, _) => Condition::Tamper,
        (LoopState::Masked, _) => Condition::Masked,
        // It keeps changing: a loose joint. Nobody can say what it is, and somebody must look.
        (LoopState::Fault | LoopState::Unstable, _) => Condition::Fault,
    }
}
