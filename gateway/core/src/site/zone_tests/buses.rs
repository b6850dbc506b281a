//! Chips on a bus, and doors on a chip: one fault for what is lost together.

use super::*;

const HOLD_OFF: Duration = Duration::from_secs(5);

/// A bus with two chips; a zone and a door on each.
fn box_() -> Box_ {
    let on_bus = |name| BusConfig { on: Some(0), ..BusConfig::new(id(name), HOLD_OFF) };
    let zone = |name, bus| ZoneConfig { bus: Some(bus), ..zone(name, ZoneKind::Instant) };
    let door = |name: &str, bus| DoorConfig {
        bus: Some(bus),
        ..DoorConfig::new(id(name), format!("chip:{name}"))
    };
    let mut this = Box_::of(SiteConfig {
        zones: vec![zone("za", 1), zone("zb", 2)],
        doors: vec![door("da", 1), door("db", 2)],
        partitions: vec![partition("flat")],
        buses: vec![BusConfig::new(id("i2c-1"), HOLD_OFF), on_bus("exp1"), on_bus("exp2")],
        ..SiteConfig::default()
    });
    for door in 0..2 {
        this.contact(door, Contact::Closed);
    }
    this.at(10)
}

impl Box_ {
    fn contact(&mut self, door: usize, contact: Contact) -> Vec<String> {
        let at = Mono(self.ms * 1_000_000);
        self.put(Input::Contact { door, contact, at, resynced: false })
    }

    fn bus(&mut self, bus: usize, lost: Option<&str>) -> Vec<String> {
        let at = Mono(self.ms * 1_000_000);
        self.put(Input::Bus { bus, lost: lost.map(str::to_owned), at })
    }

    fn chip_is_gone(&mut self, chip: usize) -> Vec<String> {
        let mut told = self.bus(chip, Some("no answer"));
        told.extend(self.is(chip - 1, Condition::Unknown));
        told.extend(self.contact(chip - 1, Contact::Unknown));
        told
    }
}

#[test]
fn a_chip_that_is_lost_alone_is_one_fault_for_its_doors_and_zones() {
    let mut this = box_();
    assert!(this.chip_is_gone(1).is_empty());
    assert_eq!(this.site.doors[0].state(), DoorState::Unknown, "unknown is not closed");
    assert_eq!(this.tick(60), ["exp1 bus.lost"]);
    assert_eq!(this.bus(1, None), ["exp1 bus.restored"]);
    assert!(this.is(0, Condition::Normal).is_empty());
    // An opening that nobody saw begin is told.
    assert_eq!(this.contact(0, Contact::Open), ["da door.opened"]);
    assert!(this.tick(100).is_empty());
}

#[test]
fn two_chips_that_are_lost_with_their_bus_are_one_fault_and_what_stays_away_is_told_after_it() {
    let mut this = box_();
    assert!(this.chip_is_gone(1).is_empty());
    this.ms += 1_000;
    assert!(this.chip_is_gone(2).is_empty());
    assert!(this.bus(0, Some("SDA is held low")).is_empty());
    assert_eq!(this.tick(60), ["i2c-1 bus.lost"]);
    let kept = this.kept.keys().filter(|key| key.starts_with("bus/"));
    assert_eq!(kept.collect::<Vec<_>>(), ["bus/i2c-1"]);
    // The bus is back, and one of its chips.
    assert_eq!(this.bus(0, None), ["i2c-1 bus.restored"]);
    assert!(this.bus(1, None).is_empty());
    assert!(this.is(0, Condition::Normal).is_empty());
    assert!(this.contact(0, Contact::Closed).is_empty());
    assert_eq!(this.tick(100), ["exp2 bus.lost"]);
    // Its chip is back, and neither its zone nor its door.
    assert_eq!(this.bus(2, None), ["exp2 bus.restored"]);
    let mut told = this.tick(200);
    told.sort();
    assert_eq!(told, ["db door.unknown", "zb zone.lost"]);
    assert_eq!(this.contact(1, Contact::Closed), ["db door.known"]);
    assert_eq!(this.is(1, Condition::Normal), ["zb zone.lost_restored"]);
}

#[test]
fn a_chip_that_was_told_before_its_bus_was_lost_ends_by_itself() {
    let mut this = box_();
    this.chip_is_gone(1);
    assert_eq!(this.tick(60), ["exp1 bus.lost"]);
    this.chip_is_gone(2);
    this.bus(0, Some("no answer"));
    assert_eq!(this.tick(120), ["i2c-1 bus.lost"]);
    assert_eq!(this.bus(0, None), ["i2c-1 bus.restored"]);
    assert_eq!(this.bus(1, None), ["exp1 bus.restored"]);
    assert!(this.bus(2, None).is_empty());
}
