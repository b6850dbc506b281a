//! Contacts on scripted pins: every operation of the pin, with its error and the retry.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::task::Waker;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::rc::Rc;
use std::vec::Vec;

use embedded_hal::digital::PinState::{High, Low};
use embedded_hal::digital::{ErrorType, InputPin};
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

use super::*;
use crate::Stamped;

const MS: u64 = 1_000_000;

fn broken() -> MockError {
    MockError::Io(ErrorKind::NotConnected)
}

fn config(debounce_ms: u64) -> ContactConfig {
    let debounce = Duration::from_millis(debounce_ms);
    ContactConfig { debounce, ..ContactConfig::door(Wiring::NormallyClosed) }
}

fn poll<P: EdgeSource>(contact: &mut Contact<P>, now_ns: u64) -> Poll<Result<Reading, P::Error>> {
    contact.poll_reading(&mut Context::from_waker(Waker::noop()), now_ns)
}

fn ready<P: EdgeSource>(contact: &mut Contact<P>, now_ns: u64) -> Result<Reading, P::Error> {
    match poll(contact, now_ns) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("nothing to report at {now_ns}"),
    }
}

/// A pin that plays what a test puts into it, and is silent otherwise.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Script>>);

#[derive(Default)]
struct Script {
    edges: VecDeque<Edge>,
    level: bool,
    asked: u32,
}

impl Wire {
    fn edge(&self, level: PinState, at_ns: u64, lost_before: u32) {
        let mut script = self.0.borrow_mut();
        script.level = level == High;
        script.edges.push_back(Edge { level, at_ns, line_seqno: None, lost_before });
    }
}

impl ErrorType for Wire {
    type Error = Infallible;
}

impl InputPin for Wire {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.borrow().level)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.borrow().level)
    }
}

impl EdgeSource for Wire {
    async fn next_edge(&mut self) -> Result<Edge, Infallible> {
        poll_fn(|_| match self.0.borrow_mut().edges.pop_front() {
            Some(edge) => Poll::Ready(Ok(edge)),
            None => Poll::Pending,
        })
        .await
    }

    fn raw_level(&mut self) -> Result<PinState, Infallible> {
        let mut script = self.0.borrow_mut();
        script.asked += 1;
        Ok(PinState::from(script.level))
    }
}

#[test]
fn each_wiring_and_polarity_tells_rest_from_open() {
    for (wiring, closed_level, low, high) in [
        (Wiring::NormallyClosed, Low, ContactState::Closed, ContactState::Open),
        (Wiring::NormallyClosed, High, ContactState::Open, ContactState::Closed),
        (Wiring::NormallyOpen, Low, ContactState::Open, ContactState::Closed),
        (Wiring::NormallyOpen, High, ContactState::Closed, ContactState::Open),
    ] {
        let wire = Wire::default();
        let config = ContactConfig { wiring, closed_level, ..config(0) };
        let mut contact = Contact::new(wire.clone(), config);
        assert_eq!(contact.state(), ContactState::Unknown);
        assert_eq!(ready(&mut contact, 1).unwrap().state, low);
        wire.edge(High, 2, 0);
        assert_eq!(ready(&mut contact, 3).unwrap().state, high);
        assert_eq!(contact.state(), high);
    }
}

#[test]
fn a_contact_is_unknown_until_its_level_was_stable() {
    let wire = Wire::default();
    let mut contact = Contact::new(wire.clone(), ContactConfig::alarm(Wiring::NormallyClosed));
    assert!(poll(&mut contact, 0).is_pending());
    wire.edge(High, 100 * MS, 0);
    assert!(poll(&mut contact, 100 * MS).is_pending());
    assert_eq!(contact.state(), ContactState::Unknown);
    assert_eq!(contact.deadline(), Some(450 * MS));
    let expected = Reading { state: ContactState::Open, at_ns: 100 * MS, resynced: false };
    assert_eq!(ready(&mut contact, 450 * MS), Ok(expected));
}

#[test]
fn edges_that_wait_are_taken_before_time_decides() {
    let wire = Wire::default();
    let mut contact = Contact::new(wire.clone(), ContactConfig::alarm(Wiring::NormallyClosed));
    assert!(poll(&mut contact, 0).is_pending());
    assert!(ready(&mut contact, 350 * MS).is_ok());
    // A glitch of 100 ms, both edges read 10 s later: at that time the line has long been quiet.
    wire.edge(High, 1_000 * MS, 0);
    wire.edge(Low, 1_100 * MS, 0);
    assert!(poll(&mut contact, 11_000 * MS).is_pending());
    // A signal of 400 ms, just as late, is told in full.
    wire.edge(High, 12_000 * MS, 0);
    wire.edge(Low, 12_400 * MS, 0);
    let (opened, closed) = (ready(&mut contact, 30_000 * MS), ready(&mut contact, 30_000 * MS));
    let reading = |state, at_ns| Ok(Reading { state, at_ns, resynced: false });
    assert_eq!(opened, reading(ContactState::Open, 12_000 * MS));
    assert_eq!(closed, reading(ContactState::Closed, 12_400 * MS));
}

#[test]
fn a_lost_edge_marks_the_reading_and_the_level_is_asked_for() {
    let wire = Wire::default();
    let mut contact = Contact::new(wire.clone(), config(0));
    assert!(!ready(&mut contact, 0).unwrap().resynced);
    wire.edge(High, 5, 3);
    assert!(ready(&mut contact, 6).unwrap().resynced);
    // Meanwhile the wire went low, and that edge never came.
    wire.0.borrow_mut().level = false;
    let healed = ready(&mut contact, 7).unwrap();
    assert_eq!((healed.state, healed.at_ns), (ContactState::Closed, 7));
    assert_eq!(wire.0.borrow().asked, 2);
    wire.edge(High, 8, 0);
    assert!(!ready(&mut contact, 9).unwrap().resynced, "one loss marks no later reading");
}

#[test]
fn a_loss_that_changed_nothing_leaves_no_mark() {
    let wire = Wire::default();
    let mut contact = Contact::new(wire.clone(), config(0));
    assert!(ready(&mut contact, 0).is_ok());
    wire.edge(Low, 5, 2);
    assert!(poll(&mut contact, 6).is_pending());
    wire.edge(High, 7, 0);
    assert!(!ready(&mut contact, 8).unwrap().resynced);
}

#[test]
fn a_line_that_is_gone_is_unknown_at_once_and_resynced_when_back() {
    let wire = Wire::default();
    let mut contact = Contact::new(wire.clone(), config(0));
    assert!(ready(&mut contact, 0).is_ok());
    contact.forget();
    assert_eq!(contact.state(), ContactState::Unknown);
    wire.0.borrow_mut().level = true;
    let back = Reading { state: ContactState::Open, at_ns: 9, resynced: true };
    assert_eq!(ready(&mut contact, 9), Ok(back));
}

#[test]
fn a_storm_of_edges_lets_others_have_their_turn() {
    let wire = Wire::default();
    let mut contact = Contact::new(wire.clone(), ContactConfig::alarm(Wiring::NormallyOpen));
    assert!(poll(&mut contact, 0).is_pending());
    for at_ns in 0..1_000 {
        wire.edge(PinState::from(at_ns % 2 == 0), at_ns, 0);
    }
    assert!(poll(&mut contact, 1_000).is_pending());
    assert_eq!(wire.0.borrow().edges.len(), 1_000 - BURST as usize);
}

/// A mock pin behind a clock that moves 1 ms at each look.
fn mock(script: &[Transaction]) -> (Mock, impl Fn() -> u64 + use<>) {
    let now = Cell::new(0);
    let clock = move || {
        now.set(now.get() + MS);
        now.get()
    };
    (Mock::new(script), clock)
}

#[test]
fn an_ordinary_pin_is_driven_by_exactly_these_operations() {
    let (mut pin, clock) = mock(&[
        Transaction::get(State::Low),
        Transaction::wait_for_state(State::High),
        Transaction::wait_for_state(State::Low),
    ]);
    let mut contact = Contact::new(Stamped::new(pin.clone(), clock), config(0));
    let states: Vec<_> = (0..3).map(|now| ready(&mut contact, now).unwrap().state).collect();
    assert_eq!(states, [ContactState::Closed, ContactState::Open, ContactState::Closed]);
    assert_eq!(contact.pin_mut().is_high(), Ok(false), "the level after the last edge taken");
    pin.done();
}

#[test]
fn a_failed_first_read_is_returned_and_retried() {
    let (mut pin, clock) =
        mock(&[Transaction::get(State::Low).with_error(broken()), Transaction::get(State::High)]);
    let mut contact = Contact::new(Stamped::new(pin.clone(), clock), config(0));
    assert_eq!(ready(&mut contact, 0), Err(broken()));
    assert_eq!(contact.state(), ContactState::Unknown);
    assert_eq!(ready(&mut contact, 1).unwrap().state, ContactState::Open);
    pin.done();
}

#[test]
fn a_failed_wait_is_returned_and_retried_and_the_next_reading_is_marked() {
    for (level, first, wait) in [
        (State::Low, ContactState::Closed, State::High),
        (State::High, ContactState::Open, State::Low),
    ] {
        let (mut pin, clock) = mock(&[
            Transaction::get(level),
            Transaction::wait_for_state(wait).with_error(broken()),
            Transaction::wait_for_state(wait),
        ]);
        let mut contact = Contact::new(Stamped::new(pin.clone(), clock), config(0));
        assert_eq!(ready(&mut contact, 0).unwrap().state, first);
        assert_eq!(ready(&mut contact, 1), Err(broken()));
        assert_eq!(contact.state(), first, "one error is not yet a fault");
        let reading = ready(&mut contact, 2).unwrap();
        assert_ne!(reading.state, first);
        assert!(reading.resynced);
        pin.done();
    }
}

#[test]
fn errors_in_a_row_make_the_state_unknown_until_the_bus_answers() {
    let failing = || Transaction::wait_for_state(State::High).with_error(broken());
    let (mut pin, clock) = mock(&[
        Transaction::get(State::Low),
        failing(),
        failing(),
        failing(),
        // Unknown: the retry asks for the level, and that fails once too.
        Transaction::get(State::Low).with_error(broken()),
        Transaction::get(State::Low),
        Transaction::wait_for_state(State::High),
    ]);
    let mut contact = Contact::new(Stamped::new(pin.clone(), clock), config(0));
    assert!(ready(&mut contact, 0).is_ok());
    for state in [ContactState::Closed, ContactState::Closed, ContactState::Unknown] {
        assert_eq!(ready(&mut contact, 1), Err(broken()));
        assert_eq!(contact.state(), state);
    }
    assert_eq!(ready(&mut contact, 2), Err(broken()));
    let back = ready(&mut contact, 3).unwrap();
    assert_eq!((back.state, back.resynced), (ContactState::Closed, true));
    let next = ready(&mut contact, 4).unwrap();
    assert_eq!((next.state, next.resynced), (ContactState::Open, false));
    pin.done();
}

/// A delay that moves the clock it belongs to.
struct Sleeper<'a>(&'a Cell<u64>);

impl DelayNs for Sleeper<'_> {
    async fn delay_ns(&mut self, ns: u32) {
        self.0.set(self.0.get() + u64::from(ns));
    }
}

#[test]
fn one_task_with_one_contact_waits_for_the_debounce_time() {
    let now = Cell::new(0);
    let clock = || now.get();
    let wire = Wire::default();
    let mut contact = Contact::new(wire.clone(), ContactConfig::alarm(Wiring::NormallyClosed));
    let mut sleeper = Sleeper(&now);
    let mut run = || {
        let mut next = pin!(contact.next(&clock, &mut sleeper));
        match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(reading)) => reading,
            Poll::Pending => panic!("the task sleeps for ever"),
        }
    };
    assert_eq!(run().state, ContactState::Closed);
    assert_eq!(now.get(), 350 * MS);
    wire.edge(High, 400 * MS, 0);
    now.set(410 * MS);
    let opened = run();
    assert_eq!((opened.state, opened.at_ns), (ContactState::Open, 400 * MS));
    assert_eq!(now.get(), 750 * MS);
}
