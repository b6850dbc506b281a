//! Doors, readers and credentials: scripted cases here and in the neighbours, random ones in
//! `random`.

mod cards;
mod doors;
mod enrol;
pub(super) mod random;
mod readers;

use std::time::Duration;

use super::zone_tests::{Box_, id, now, partition};
use super::*;
use crate::credential::{PinContext, SiteKey};
use crate::event::{Draft, Flag, Qualifier};
use crate::time::ClockState;

const KEY: [u8; 32] = [7; 32];

/// The reader before the main door, and the one behind it.
const OUT: usize = 0;
const IN: usize = 1;

fn hash(n: u8) -> CredentialHash {
    SiteKey::new(KEY).card(26, &[n, 0, 0, 0])
}

fn pin(card: u8, digits: &str) -> CredentialHash {
    let digits: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
    SiteKey::new(KEY).pin(PinContext::Card(hash(card)), &digits)
}

/// A main door with a lock, a request-to-exit button and a reader at each side, that leads from
/// the street to the lobby; and a plain contact at the back.
fn house() -> SiteConfig {
    let main = DoorConfig {
        partition: Some(id("house")),
        held_open: Some(Duration::from_secs(60)),
        propped: Some(Duration::from_secs(120)),
        rex: Some(RexConfig::new("sim:rex".to_owned())),
        lock: Some(LockConfig { output: 0, pulse: Duration::from_secs(3), fail: Fail::Secure }),
        release_allowed: true,
        passage: Some(Passage { outside: None, inside: 0 }),
        ..DoorConfig::new(id("main"), "sim:main".to_owned())
    };
    let lock = OutputConfig::new(id("lock"), Role::Lock, "sim:lock".to_owned());
    let before = ReaderConfig {
        partition: Some(0),
        disarms: true,
        arms: Some(Mode::Away),
        ..ReaderConfig::new(id("before"), "sim:osdp-1".to_owned(), Some(0))
    };
    let behind = ReaderConfig {
        side: Side::Inside,
        ..ReaderConfig::new(id("behind"), "sim:osdp-2".to_owned(), Some(0))
    };
    let caretaker = Credential { arms: vec![0], disarms: vec![0], ..Credential::new(hash(2)) };
    SiteConfig {
        doors: vec![main, DoorConfig::new(id("back"), "sim:back".to_owned())],
        partitions: vec![partition("house")],
        outputs: vec![lock],
        areas: vec![AreaConfig { id: id("lobby"), passback: true }],
        readers: vec![before, behind],
        credentials: vec![Credential::new(hash(1)), caretaker],
        ..SiteConfig::default()
    }
}

/// A house whose doors are closed and whose readers answer.
fn box_of(config: SiteConfig) -> Box_ {
    let (doors, readers) = (config.doors.len(), config.readers.len());
    let mut this = Box_::of(config);
    for door in 0..doors {
        contact(&mut this, door, Contact::Closed);
    }
    rex(&mut this, false);
    for reader in 0..readers {
        status(&mut this, reader, ReaderPart::Link, true);
    }
    this.at(10)
}

fn mono(this: &Box_) -> Mono {
    Mono(this.ms * 1_000_000)
}

fn contact(this: &mut Box_, door: usize, contact: Contact) -> Vec<String> {
    let at = mono(this);
    this.put(Input::Contact { door, contact, at, resynced: false })
}

fn rex(this: &mut Box_, pressed: bool) -> Vec<String> {
    let at = mono(this);
    this.put(Input::Rex { door: 0, pressed, at })
}

fn status(this: &mut Box_, reader: usize, part: ReaderPart, good: bool) -> Vec<String> {
    let at = mono(this);
    this.put(Input::ReaderStatus { reader, part, good, cause: None, at })
}

fn shown(this: &Box_, reader: usize, card: u8) -> Card {
    Card { reader, credential: hash(card), pin: None, at: mono(this), late: false }
}

/// Everything that a card brings.
fn card(this: &mut Box_, card: Card) -> Vec<Effect> {
    let effects = this.site.apply(Input::Card(card), &now(this.ms));
    this.take(effects.clone());
    effects
}

/// A card at the reader before the door, and the events that it brings, with their causes.
fn show(this: &mut Box_, n: u8) -> Vec<String> {
    let shown = shown(this, OUT, n);
    told(&card(this, shown))
}

fn told(effects: &[Effect]) -> Vec<String> {
    let drafts = effects.iter().filter_map(Effect::record);
    let told = drafts.map(|draft| match &draft.cause {
        Some(cause) if draft.kind == "access.denied" => format!("{} {cause}", draft.kind),
        _ => draft.kind.to_string(),
    });
    told.collect()
}

fn draft<'a>(effects: &'a [Effect], kind: &str) -> &'a Draft {
    let mut drafts = effects.iter().filter_map(Effect::record);
    drafts.find(|draft| draft.kind == kind).unwrap_or_else(|| panic!("no {kind} in {effects:?}"))
}

fn released(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Output { .. }))
}

#[test]
fn every_type_of_event_stands_once_in_the_list_and_has_its_codes() {
    assert!(EVENT_TYPES.is_sorted_by(|a, b| a < b));
    for kind in EVENT_TYPES {
        assert!(crate::codes::of_kind(kind).is_some(), "{kind} has no row in table.csv");
    }
    for kind in ZoneKind::ALL {
        assert!(EVENT_TYPES.contains(&kind.alarm().0) && EVENT_TYPES.contains(&kind.alarm().1));
    }
}

#[test]
fn places_that_the_configuration_does_not_have_are_ignored() {
    let mut config = house();
    config.readers[1].door = Some(9);
    config.readers[0].partition = Some(9);
    config.doors[0].lock.as_mut().unwrap().output = 9;
    config.doors[0].passage = Some(Passage { outside: Some(9), inside: 0 });
    config.credentials[0].opens = Doors::These { doors: vec![9, 0], areas: vec![9] };
    let mut this = box_of(config);
    assert_eq!(show(&mut this, 1), ["access.granted"]);
    let other = shown(&this, IN, 1);
    assert_eq!(told(&card(&mut this, other)), ["access.denied wrong-area"]);
    for input in [
        Input::Card(shown(&this, 9, 1)),
        Input::Rex { door: 9, pressed: true, at: mono(&this) },
        Input::Rex { door: 1, pressed: true, at: mono(&this) },
        Input::ReaderStatus {
            reader: 9,
            part: ReaderPart::Case,
            good: false,
            cause: None,
            at: mono(&this),
        },
    ] {
        assert!(this.put(input).is_empty());
    }
}
