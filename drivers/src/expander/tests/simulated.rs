//! The family on simulated chips: whatever happens to them, what is told is what the wires are.

use embedded_hal::digital::PinState;
use proptest::prelude::*;

use super::*;
use crate::sim::{Fault, Plug, SimChip, SimI2c, SimMcp23017, SimPca9555, SimPcf8574};

/// Lines 0 and 1 are outputs.
const INPUTS: u16 = 0xfffc;

trait Wired: SimChip + 'static {
    const NEW: fn() -> Self;
    fn pull_low(&mut self, lines: u16);
    fn levels(&self) -> u16;
}

macro_rules! wired {
    ($($chip:ty),*) => { $(
        impl Wired for $chip {
            const NEW: fn() -> Self = Self::new;
            fn pull_low(&mut self, lines: u16) {
                Self::pull_low(self, lines);
            }
            fn levels(&self) -> u16 {
                Self::levels(self)
            }
        }
    )* };
}

wired!(SimMcp23017, SimPca9555, SimPcf8574);

struct Box<T, C> {
    bus: SimI2c,
    plug: Plug<T>,
    expander: Expander<C>,
}

fn on_bench<T: Wired, C: ExpanderChip>(driver: impl FnOnce(SimI2c) -> C) -> Box<T, C> {
    let bus = SimI2c::new();
    let plug = bus.attach(AT, T::NEW()).unwrap();
    let expander = Expander::new(driver(bus.clone()), config());
    Box { bus, plug, expander }
}

#[derive(Clone, Debug)]
enum Step {
    Wires(u16),
    Set(u16, u16),
    Poll,
    BrownOut,
    Unplug,
    Replug,
    Fail(u64),
    Refuse,
    Garbage,
    Mend,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u16>().prop_map(Step::Wires),
        2 => (any::<u16>(), any::<u16>()).prop_map(|(lines, levels)| Step::Set(lines, levels)),
        8 => Just(Step::Poll),
        1 => Just(Step::BrownOut),
        1 => Just(Step::Unplug),
        1 => Just(Step::Replug),
        1 => (0u64..6).prop_map(Step::Fail),
        1 => Just(Step::Refuse),
        1 => Just(Step::Garbage),
        2 => Just(Step::Mend),
    ]
}

fn edges_lead_from_what_was_told_to_what_is<C: ExpanderChip>(
    from: Option<u16>,
    scan: &Scan,
) -> Result<(), TestCaseError> {
    for line in 0..C::LINES {
        let last = scan.edges(line).last().map(|edge| edge.level == PinState::High);
        let Some(from) = from else {
            prop_assert_eq!(last, None);
            continue;
        };
        let after = last.unwrap_or(from >> line & 1 == 1);
        prop_assert_eq!(after, scan.levels >> line & 1 == 1);
    }
    Ok(())
}

fn tells_what_the_wires_are<T: Wired, C: ExpanderChip>(
    mut bench: Box<T, C>,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let lines = Expander::<C>::lines();
    let mut garbage = false;
    let mut told: Option<u16> = None;
    for (now_ns, step) in (0u64..).map(|step| step * SEC).zip(steps) {
        match step {
            Step::Wires(low) => bench.plug.with(|chip| chip.pull_low(low & INPUTS)),
            Step::Set(which, levels) => {
                if bench.expander.set_outputs(which, levels).is_ok() && !garbage {
                    let held = bench.expander.outputs().unwrap();
                    let right = which & 0b11 & lines;
                    prop_assert_eq!(held & right, levels & right);
                }
            }
            Step::Poll => {
                let scanned = bench.expander.poll(now_ns, None);
                // Random bytes may look like anything; a chip that answers them is not judged.
                if garbage {
                    told = bench.expander.levels();
                    continue;
                }
                if let Ok(scan) = scanned {
                    let truth = bench.plug.with(|chip| chip.levels());
                    prop_assert_eq!(scan.levels, truth & lines, "{:?}", scan);
                    let outputs = bench.expander.outputs().unwrap();
                    prop_assert_eq!(outputs, truth & 0b11, "outputs do what was told last");
                    prop_assert!(told.is_some() || scan.restart.is_some());
                    prop_assert_eq!(scan.restart.is_some(), scan.is_anew());
                    let from = told.filter(|_| !scan.is_anew());
                    edges_lead_from_what_was_told_to_what_is::<C>(from, &scan)?;
                } else {
                    let kept = bench.expander.levels();
                    prop_assert!(kept.is_none() || kept == told);
                }
                told = bench.expander.levels();
            }
            Step::BrownOut => {
                bench.plug.brown_out();
                // Whether a scan must begin anew is up to what the reset changed.
                bench.expander.poll(now_ns, None).ok();
                told = bench.expander.levels();
            }
            Step::Unplug => bench.plug.fault(Fault::Unplugged),
            Step::Replug => {
                bench.plug.replug();
                bench.expander.poll(now_ns, None).ok();
                told = bench.expander.levels();
                garbage = false;
            }
            Step::Fail(skipped) => bench.bus.fail_after(skipped, NACK),
            Step::Refuse => bench.plug.fault(Fault::RefusesData),
            Step::Garbage => {
                bench.plug.fault(Fault::Garbage);
                garbage = true;
            }
            Step::Mend => {
                bench.plug.fault(Fault::None);
                // The levels that garbage left behind are corrected by the next reading.
                bench.expander.poll(now_ns, None).ok();
                told = bench.expander.levels();
                garbage = false;
            }
        }
    }
    // Whatever happened: once it is mended, the levels are true and the outputs are held.
    bench.plug.fault(Fault::None);
    bench.bus.fail_no_more();
    let scan = bench
        .expander
        .poll(u64::MAX, None)
        .map_err(|error| TestCaseError::fail(std::format!("after the repair: {error:?}")))?;
    let truth = bench.plug.with(|chip| chip.levels());
    prop_assert_eq!(scan.levels, truth & lines);
    prop_assert_eq!(bench.expander.outputs(), Some(truth & 0b11));
    Ok(())
}

proptest! {
    #[test]
    fn an_mcp23017_tells_what_the_wires_are(steps in prop::collection::vec(step(), 0..60)) {
        let bench = on_bench::<SimMcp23017, _>(|bus| Mcp23017::new(bus, AT).unwrap());
        tells_what_the_wires_are(bench, steps)?;
    }

    #[test]
    fn a_pca9555_tells_what_the_wires_are(steps in prop::collection::vec(step(), 0..60)) {
        let bench = on_bench::<SimPca9555, _>(|bus| Pca9555::new(bus, AT).unwrap());
        tells_what_the_wires_are(bench, steps)?;
    }

    #[test]
    fn a_pcf8574_tells_what_the_wires_are(steps in prop::collection::vec(step(), 0..60)) {
        let bench = on_bench::<SimPcf8574, _>(|bus| Pcf8574::new(bus, AT).unwrap());
        tells_what_the_wires_are(bench, steps)?;
    }
}

#[test]
fn a_reset_is_noticed_at_each_reading_whatever_the_lines_are_used_for() {
    for outputs in [0, 0xffff, 0x00f0] {
        let port = PortConfig::with_outputs(outputs, outputs);
        let bus = SimI2c::new();
        let mcp = bus.attach(0x20, SimMcp23017::new()).unwrap();
        let pca = bus.attach(0x21, SimPca9555::new()).unwrap();
        let config = ExpanderConfig::polled(port);
        let mut on_mcp = Expander::new(Mcp23017::new(bus.clone(), 0x20).unwrap(), config);
        let mut on_pca = Expander::new(Pca9555::new(bus.clone(), 0x21).unwrap(), config);
        on_mcp.poll(0, None).unwrap();
        on_pca.poll(0, None).unwrap();
        mcp.brown_out();
        pca.brown_out();
        let reset = |restart| matches!(restart, Some(Restart::Reset { .. }));
        assert!(reset(on_mcp.poll(1, None).unwrap().restart), "{outputs:#x}");
        assert!(reset(on_pca.poll(1, None).unwrap().restart), "{outputs:#x}");
    }
}

#[test]
fn a_toppled_bank_bit_is_found_and_put_right() {
    let mut bench = on_bench::<SimMcp23017, _>(|bus| Mcp23017::new(bus, AT).unwrap());
    bench.expander.poll(0, None).unwrap();
    bench.plug.with(|chip| chip.topple(10, 0x80 | 0x44));
    let scan = bench.expander.poll(1, None).unwrap();
    assert!(matches!(scan.restart, Some(Restart::Reset { .. })));
    assert_eq!(scan.levels, bench.plug.with(|chip| chip.levels()));
    bench.plug.with(|chip| chip.pull_low(0x1230));
    assert_eq!(bench.expander.poll(2, None).unwrap().levels & INPUTS, !0x1230 & INPUTS);
}

#[test]
fn a_toppled_polarity_bit_is_found_by_the_scheduled_read_back() {
    let mut bench = on_bench::<SimMcp23017, _>(|bus| Mcp23017::new(bus, AT).unwrap());
    bench.expander.poll(0, None).unwrap();
    bench.plug.with(|chip| chip.topple(2, 0x10));
    let scan = bench.expander.poll(10 * SEC, None).unwrap();
    assert_eq!(scan.restart, Some(Restart::Reset { register: 2, expected: 0, found: 0x10 }));
    assert_eq!(scan.levels, bench.plug.with(|chip| chip.levels()));
}
