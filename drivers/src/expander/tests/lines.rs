//! From readings to edges, and from edges to contacts.

use core::cell::RefCell;
use std::rc::Rc;

use embedded_hal::digital::PinState::{High, Low};
use embedded_hal::digital::{InputPin, OutputPin, StatefulOutputPin};

use super::*;
use crate::sim::{Plug, SimI2c, SimMcp23017, SimPca9555};
use crate::{
    Contact, ContactConfig, ContactState, Drive, Edge, EdgeSource, OutputEvent, OwnPin, Siren,
    SirenConfig, Wiring,
};

const MS: u64 = 1_000_000;

fn mcp(
    port: PortConfig,
    watched: Watched,
) -> (SimI2c, Plug<SimMcp23017>, Expander<Mcp23017<SimI2c>>) {
    let bus = SimI2c::new();
    let plug = bus.attach(AT, SimMcp23017::new()).unwrap();
    let config = ExpanderConfig { watched, ..ExpanderConfig::polled(port) };
    let expander = Expander::new(Mcp23017::new(bus.clone(), AT).unwrap(), config);
    (bus, plug, expander)
}

fn edge(level: embedded_hal::digital::PinState, at_ns: u64) -> Edge {
    Edge { level, at_ns, line_seqno: None, lost_before: 0 }
}

fn edges(scan: &Scan, line: u8) -> Vec<Edge> {
    scan.edges(line).collect()
}

#[test]
fn a_pulse_between_two_readings_is_seen_with_both_edges_where_the_chip_keeps_it() {
    let (_, plug, mut expander) = mcp(PortConfig::contacts(), Watched::ByInterrupt);
    expander.poll(0, None).unwrap();
    plug.with(|chip| chip.pull_low(0b100));
    assert!(plug.with(|chip| chip.interrupt_is_low()));
    plug.with(|chip| chip.pull_low(0));
    let scan = expander.poll(9 * MS, Some(5 * MS)).unwrap();
    assert_eq!((scan.levels, scan.changed), (0xffff, 0b100));
    assert_eq!(edges(&scan, 2), [edge(Low, 5 * MS), edge(High, 9 * MS)]);
    assert!(edges(&scan, 3).is_empty());
    assert!(!plug.with(|chip| chip.interrupt_is_low()), "the reading ends the interrupt");
}

#[test]
fn what_changed_after_the_interrupt_has_the_time_of_the_reading() {
    let (_, plug, mut expander) = mcp(PortConfig::contacts(), Watched::ByInterrupt);
    expander.poll(0, None).unwrap();
    plug.with(|chip| chip.pull_low(0b1));
    plug.with(|chip| chip.pull_low(0b11));
    let scan = expander.poll(9 * MS, Some(5 * MS)).unwrap();
    assert_eq!(edges(&scan, 0), [edge(Low, 5 * MS)]);
    assert_eq!(edges(&scan, 1), [edge(Low, 9 * MS)]);
}

#[test]
fn polled_edges_have_the_time_of_their_reading_and_stale_interrupts_are_not_believed() {
    let (_, plug, mut expander) = mcp(PortConfig::contacts(), Watched::ByPolling);
    expander.poll(3 * MS, None).unwrap();
    plug.with(|chip| chip.pull_low(0b1));
    let scan = expander.poll(10 * MS, None).unwrap();
    assert_eq!(edges(&scan, 0), [edge(Low, 10 * MS)]);
    assert!(!scan.unannounced);
    plug.with(|chip| chip.pull_low(0));
    let scan = expander.poll(20 * MS, Some(4 * MS)).unwrap();
    assert_eq!(edges(&scan, 0), [edge(High, 10 * MS)], "not before the last reading");
    plug.with(|chip| chip.pull_low(0b1));
    let scan = expander.poll(30 * MS, Some(99 * MS)).unwrap();
    assert_eq!(edges(&scan, 0), [edge(Low, 30 * MS)], "not after this one");
}

#[test]
fn a_change_without_its_interrupt_is_told() {
    let (_, plug, mut expander) = mcp(PortConfig::with_outputs(0b10, 0), Watched::ByInterrupt);
    expander.poll(0, None).unwrap();
    expander.set_outputs(0b10, 0b10).unwrap();
    assert!(!expander.poll(1, None).unwrap().unannounced, "an output is no input");
    plug.with(|chip| chip.pull_low(0b1));
    assert!(expander.poll(2, None).unwrap().unannounced);
}

#[test]
fn a_chip_without_memory_stamps_with_the_interrupt() {
    let bus = SimI2c::new();
    let plug = bus.attach(AT, SimPca9555::new()).unwrap();
    let config = ExpanderConfig::interrupted(PortConfig::contacts());
    let mut expander = Expander::new(Pca9555::new(bus, AT).unwrap(), config);
    expander.poll(0, None).unwrap();
    plug.with(|chip| chip.pull_low(0x8000));
    assert!(plug.with(|chip| chip.interrupt_is_low()));
    let scan = expander.poll(9 * MS, Some(5 * MS)).unwrap();
    assert_eq!(edges(&scan, 15), [edge(Low, 5 * MS)]);
    assert!(!plug.with(|chip| chip.interrupt_is_low()));
}

#[test]
fn after_a_failed_reading_each_line_begins_its_count_anew() {
    let (bus, plug, mut expander) = mcp(PortConfig::contacts(), Watched::ByPolling);
    expander.poll(0, None).unwrap();
    bus.fail_after(0, NACK);
    assert!(expander.poll(MS, None).is_err());
    plug.with(|chip| chip.pull_low(0b10));
    let scan = expander.poll(2 * MS, None).unwrap();
    assert!(scan.gap);
    assert_eq!(edges(&scan, 0), [Edge { lost_before: 1, ..edge(High, 2 * MS) }]);
    assert_eq!(edges(&scan, 1)[0].level, Low);
}

/// A siren on an expander, whose supply dips while it sounds.
#[test]
fn an_output_on_an_expander_that_was_reset_is_written_again() {
    let (_, plug, expander) = mcp(PORT, Watched::ByPolling);
    let expander = RefCell::new(expander);
    let mut siren = Siren::with_read_back(
        ExpanderPin::new(&expander, 1),
        OwnPin,
        SirenConfig::new(embedded_hal::digital::PinState::High),
    );
    let sounds = || plug.with(|chip| chip.levels() & 0b10 != 0);
    siren.rest();
    siren.poll(0).unwrap();
    siren.sound(MS);
    siren.poll(MS).unwrap();
    assert!(sounds());
    plug.brown_out();
    let scan = expander.borrow_mut().poll(60 * MS, None).unwrap();
    assert!(!sounds() && scan.restart.is_some());
    // Either the caller says that the chip was reset, or the read-back finds it.
    let mut told = siren.poll(60 * MS).unwrap();
    let (expected, found) = (Drive::Active, Drive::Inactive);
    assert_eq!(told, Some(OutputEvent::Disagrees { expected, found }));
    told = siren.poll(61 * MS).unwrap();
    assert!(sounds() && told.is_none());
    expander.borrow_mut().poll(62 * MS, None).unwrap();
    assert_eq!(siren.poll(62 * MS), Ok(Some(OutputEvent::Agrees { drive: Drive::Active })));

    plug.brown_out();
    expander.borrow_mut().poll(70 * MS, None).unwrap();
    siren.forget();
    siren.poll(70 * MS).unwrap();
    assert!(sounds());
    drop(siren);
    assert!(!sounds());
}

/// Sixteen contacts on one chip, without allocation.
fn contacts() -> [Contact<PortLine>; 16] {
    core::array::from_fn(|line| {
        let line = PortLine::new(u8::try_from(line).unwrap());
        Contact::new(line, ContactConfig::alarm(Wiring::NormallyClosed))
    })
}

#[test]
fn sixteen_lines_feed_sixteen_contacts_with_the_debounce_of_each() {
    let (_, plug, mut expander) = mcp(PortConfig::contacts(), Watched::ByPolling);
    let mut contacts = contacts();
    let mut told = Vec::new();
    // All closed; line 5 opens for 400 ms, line 9 for 290 ms, both 1 s after the start.
    for ms in (0..3_000).step_by(50) {
        plug.with(|chip| {
            chip.pull_low(match ms {
                1_000..1_290 => !(1 << 5 | 1 << 9),
                1_290..1_400 => !(1 << 5),
                _ => 0xffff,
            });
        });
        let scan = expander.poll(ms * MS, None).unwrap();
        for contact in &mut contacts {
            contact.scanned(&scan);
            while let Some(reading) = contact.next_scanned(scan.at_ns) {
                let line = contact.pin_mut().line();
                assert!(!reading.resynced);
                told.push((line, reading.state, reading.at_ns / MS));
            }
        }
    }
    let first: Vec<_> = (0..16).map(|line| (line, ContactState::Closed, 0)).collect();
    assert_eq!(told[..16], first);
    let later = [(5, ContactState::Open, 1_000), (5, ContactState::Closed, 1_400)];
    assert_eq!(told[16..], later);
}

#[test]
fn a_contact_is_unknown_while_its_expander_is_gone_and_resynced_afterwards() {
    let (_, plug, mut expander) = mcp(PortConfig::contacts(), Watched::ByPolling);
    let config = ContactConfig::door(Wiring::NormallyClosed);
    let mut door = Contact::new(PortLine::new(0), config);
    plug.with(|chip| chip.pull_low(0b1));
    let mut now_ns = 0;
    let mut step = |door: &mut Contact<PortLine>| {
        now_ns += 50 * MS;
        if let Ok(scan) = expander.poll(now_ns, None) {
            door.scanned(&scan);
            return door.next_scanned(scan.at_ns);
        }
        if expander.levels().is_none() {
            door.lost();
        }
        None
    };
    assert_eq!(step(&mut door), None);
    assert!(!step(&mut door).unwrap().resynced);
    assert_eq!(door.state(), ContactState::Closed);
    plug.unplug();
    for expected in [ContactState::Closed, ContactState::Closed, ContactState::Unknown] {
        assert_eq!(step(&mut door), None);
        assert_eq!(door.state(), expected);
    }
    plug.with(|chip| chip.pull_low(0));
    plug.replug();
    assert_eq!(step(&mut door), None);
    assert_eq!(door.state(), ContactState::Unknown, "nothing is invented before it is stable");
    let reading = step(&mut door).unwrap();
    assert_eq!((reading.state, reading.resynced), (ContactState::Open, true));
}

#[test]
fn a_contact_forgets_when_its_expander_was_reset_between_two_readings() {
    let (_, plug, mut expander) = mcp(PortConfig::contacts(), Watched::ByPolling);
    let config = ContactConfig::door(Wiring::NormallyClosed);
    let mut door = Contact::new(PortLine::new(0), config);
    plug.with(|chip| chip.pull_low(0b1));
    for now_ns in [0, 50 * MS] {
        door.scanned(&expander.poll(now_ns, None).unwrap());
        door.next_scanned(now_ns);
    }
    assert_eq!(door.state(), ContactState::Closed);
    plug.brown_out();
    plug.with(|chip| chip.pull_low(0));
    let scan = expander.poll(100 * MS, None).unwrap();
    assert!(edges(&scan, 0).is_empty());
    door.scanned(&scan);
    assert_eq!((door.next_scanned(scan.at_ns), door.state()), (None, ContactState::Unknown));
    door.scanned(&expander.poll(150 * MS, None).unwrap());
    let reading = door.next_scanned(150 * MS).unwrap();
    assert_eq!((reading.state, reading.resynced), (ContactState::Open, true));
}

#[test]
fn a_captured_level_that_is_the_known_one_is_no_edge() {
    // The reading that began the chip's comparison failed on its way to us.
    let captured = Some(Capture { lines: 0b11, levels: 0b01 });
    let sample = Sample { levels: 0b01, captured };
    let scan = Scan::new(9, Some(5), sample, Some((1, 0b11)), None, false, config().watched, 0);
    assert!(edges(&scan, 0).is_empty());
    assert_eq!(edges(&scan, 1), [edge(Low, 5)]);
}

#[test]
fn edges_that_nobody_takes_are_counted_as_lost() {
    let (_, plug, mut expander) = mcp(PortConfig::contacts(), Watched::ByPolling);
    let mut line = PortLine::new(0);
    assert_eq!(line.raw_level(), Err(LineUnknown));
    assert_eq!(line.is_high(), Err(LineUnknown));
    line.scanned(&expander.poll(0, None).unwrap());
    for ns in 1..=9 {
        plug.with(|chip| chip.pull_low(u16::from(ns % 2 == 1)));
        line.scanned(&expander.poll(ns, None).unwrap());
    }
    assert_eq!((line.is_high(), line.raw_level()), (Ok(true), Ok(Low)));
    let mut taken = Vec::new();
    while let Some(edge) = line.pop() {
        taken.push((edge.at_ns, edge.lost_before));
    }
    assert_eq!(taken, [(1, 0), (2, 0), (3, 0), (9, 5)]);
    assert_eq!(line.is_low(), Ok(true));
}

#[test]
fn an_output_pin_writes_at_once_and_reads_back_at_the_next_scan() {
    let (_, plug, expander) = mcp(PORT, Watched::ByPolling);
    let expander = Rc::new(RefCell::new(expander));
    let mut pin = ExpanderPin::new(expander.clone(), 1);
    assert_eq!(pin.is_set_high(), Err(PinError::Unknown));
    assert_eq!(pin.is_high(), Err(PinError::Unknown));
    pin.set_high().unwrap();
    assert_eq!(pin.is_set_high(), Ok(true));
    expander.borrow_mut().poll(0, None).unwrap();
    assert_eq!(pin.is_high(), Ok(true));
    // A short to ground: the chip was told high, the pin is low.
    plug.with(|chip| chip.pull_low(0b10));
    expander.borrow_mut().poll(1, None).unwrap();
    assert_eq!((pin.is_set_low(), pin.is_low()), (Ok(false), Ok(true)));

    plug.unplug();
    assert!(matches!(pin.set_low(), Err(PinError::Chip(ChipError::Write { .. }))));
    assert_eq!(pin.is_set_high(), Err(PinError::Unknown));
    plug.fault(crate::sim::Fault::None);
    pin.set_low().unwrap();
    assert_eq!(pin.is_set_low(), Ok(true));

    let mut input = ExpanderPin::new(&*expander, 2);
    assert_eq!(input.set_high(), Err(PinError::NotAnOutput(2)));
    let held = expander.borrow();
    assert_eq!(pin.set_high(), Err(PinError::Busy));
    drop(held);
    let _held = expander.borrow_mut();
    assert_eq!(pin.is_set_high(), Err(PinError::Busy));
}
