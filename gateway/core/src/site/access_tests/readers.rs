//! Readers: what they say of themselves.

use super::*;

#[test]
fn each_part_of_a_reader_has_its_event_and_its_end() {
    for (part, kind, class, held) in [
        (ReaderPart::Case, "reader.tamper", crate::event::Class::Tamper, false),
        (ReaderPart::Channel, "reader.insecure", crate::event::Class::Tamper, false),
        (ReaderPart::Power, "reader.power_lost", crate::event::Class::Fault, true),
        (ReaderPart::Link, "reader.lost", crate::event::Class::Fault, true),
    ] {
        let mut config = house();
        config.readers[OUT].secure = true;
        let mut this = box_of(config);
        status(&mut this, OUT, part, true);
        let at = mono(&this);
        let cause = Some("a reason".to_owned());
        let input = Input::ReaderStatus { reader: OUT, part, good: false, cause, at };
        let mut effects = this.site.apply(input, &now(this.ms));
        assert_eq!(told(&effects).is_empty(), held, "{part:?}");
        if held {
            effects = this.site.apply(Input::Tick, &now(20_000));
        }
        let draft = draft(&effects, kind);
        assert_eq!((draft.class, draft.qualifier), (class, Qualifier::New));
        assert_eq!(draft.cause.as_deref(), Some("a reason"));
        this.ms = 21_000;
        assert!(status(&mut this, OUT, part, false).is_empty(), "told once");
        assert_eq!(status(&mut this, OUT, part, true), [format!("before {kind}_restored")]);
    }
}

/// Lessons, row 17: a reader was offline for minutes and nobody was told; row 6: nor is a blip news.
#[test]
fn a_reader_that_does_not_answer_is_told_after_its_hold_off_and_a_blip_is_not() {
    let mut this = box_of(house());
    status(&mut this, OUT, ReaderPart::Link, false);
    this.ms += 9_999;
    assert!(status(&mut this, OUT, ReaderPart::Link, true).is_empty());
    assert!(this.tick(100).is_empty());
    status(&mut this, OUT, ReaderPart::Link, false);
    assert_eq!(this.site.states().find(|(of, ..)| *of == Thing::Reader(0)).unwrap().2, "offline");
    assert_eq!(this.tick(110), ["before reader.lost"]);
}

#[test]
fn a_reader_that_never_answered_since_the_start_is_lost() {
    let mut this = Box_::of(house());
    this.site.restore([], &id("g"), &now(1_000));
    assert!(this.tick(10).is_empty());
    let kinds = this.tick(12);
    assert_eq!(kinds, ["before reader.lost", "behind reader.lost"]);
}

#[test]
fn readers_of_a_lost_bus_are_one_fault() {
    let mut config = house();
    config.buses.push(BusConfig::new(id("rs485"), Duration::from_secs(5)));
    for reader in &mut config.readers {
        reader.bus = Some(0);
    }
    let mut this = box_of(config);
    let at = mono(&this);
    this.put(Input::Bus { bus: 0, lost: Some("no answer".into()), at });
    status(&mut this, OUT, ReaderPart::Link, false);
    status(&mut this, IN, ReaderPart::Link, false);
    assert_eq!(this.tick(60), ["rs485 bus.lost"]);
    let at = mono(&this);
    assert_eq!(this.put(Input::Bus { bus: 0, lost: None, at }), ["rs485 bus.restored"]);
    status(&mut this, OUT, ReaderPart::Link, true);
    assert_eq!(this.tick(71), ["behind reader.lost"]);
}

#[test]
fn a_reader_without_its_secure_channel_lets_nobody_in() {
    let mut config = house();
    config.readers[OUT].secure = true;
    let mut this = box_of(config);
    assert_eq!(show(&mut this, 1), ["access.denied insecure"], "not known is not secure");
    status(&mut this, OUT, ReaderPart::Channel, true);
    assert_eq!(show(&mut this, 1), ["access.granted"]);
    assert_eq!(status(&mut this, OUT, ReaderPart::Channel, false), ["before reader.insecure"]);
    assert_eq!(show(&mut this, 1), ["access.denied insecure"]);
}

#[test]
fn what_a_reader_stands_in_outlives_a_restart_and_ends_once() {
    let mut this = box_of(house());
    status(&mut this, OUT, ReaderPart::Case, false);
    let (mut this, _) = this.restarted(house(), "other boot", 60_000);
    assert!(status(&mut this, OUT, ReaderPart::Case, false).is_empty());
    assert_eq!(status(&mut this, OUT, ReaderPart::Case, true), ["before reader.tamper_restored"]);
}
