//! Help points: place, responders of the hour, silence, stuck buttons, cards.

use jiff::tz::TimeZone;

use super::*;
use crate::credential::SiteKey;
use crate::event::Draft;

/// The tests' epoch, 2026-09-21T14:13:20Z, is a Monday.
fn config(kind: ZoneKind) -> SiteConfig {
    let day = Weekly { days: Days::WORK, from: 8 * 60, until: 18 * 60 };
    let night = Weekly { days: Days::ALL, from: 18 * 60, until: 8 * 60 };
    let help = HelpConfig {
        place: Some(id("gate-east")),
        reader: None,
        only_card: false,
        responders: vec![
            Responders { list: id("concierge"), weekly: vec![day] },
            Responders { list: id("patrol"), weekly: vec![night] },
        ],
        otherwise: Some(id("everybody")),
    };
    let stuck = Some(Duration::from_secs(300));
    let point = ZoneConfig { help: Some(help), stuck, partition: None, ..zone("pillar", kind) };
    SiteConfig { zones: vec![point], ..SiteConfig::default() }
}

fn call(config: SiteConfig, at: &Now) -> Draft {
    let mut site = Site::new(config, "boot");
    let input = |condition| Input::Zone { zone: 0, condition, at: at.mono, resynced: false };
    site.apply(input(Condition::Normal), at);
    let effects = site.apply(input(Condition::Active), at);
    effects.iter().find_map(Effect::record).expect("an alarm").clone()
}

#[test]
fn a_call_tells_its_place_and_who_comes_at_this_hour_of_the_sites_own_day() {
    let mut config = config(ZoneKind::Panic);
    let draft = call(config.clone(), &now(1_000));
    assert_eq!((&*draft.kind, draft.class), ("panic.help", Class::Panic));
    let detail = draft.detail.unwrap();
    assert_eq!(
        (&detail["place"], &detail["responders"]),
        (&"gate-east".into(), &"concierge".into())
    );
    assert_eq!(detail["incident"], "a1");
    // 14:13 in London is 22:13 in Shanghai: the night's list.
    config.access.time_zone = TimeZone::posix("CST-8").unwrap();
    assert_eq!(call(config.clone(), &now(1_000)).detail.unwrap()["responders"], "patrol");
}

#[test]
fn without_a_clock_a_call_goes_to_the_list_that_always_holds_and_says_so() {
    let config = config(ZoneKind::Panic);
    let never = Now { clock: ClockState::Never, err_ms: None, ..now(1_000) };
    let wrong = Now { err_ms: Some(3_600_000), ..now(1_000) };
    for at in [never, wrong] {
        let detail = call(config.clone(), &at).detail.unwrap();
        assert_eq!(detail["responders"], "everybody", "{at:?}");
        assert_eq!(detail["time"], "unknown");
    }
    // A Sunday at noon is in nobody's window.
    let sunday = now(6 * 86_400_000);
    let detail = call(config, &sunday).detail.unwrap();
    assert_eq!(detail["responders"], "everybody");
    assert!(detail.get("time").is_none(), "the time is known");
}

#[test]
fn an_escalated_alarm_says_who_is_called_at_this_hour() {
    let lists = config(ZoneKind::Panic).zones.remove(0).help.unwrap();
    let escalation =
        Escalation { responders: lists.responders, otherwise: Some(id("duty-manager")) };
    let zones = vec![zone("smoke", ZoneKind::Fire)];
    let config = SiteConfig { zones, escalation, ..SiteConfig::default() };
    let escalated = |begins: Now, looked: Now| {
        let mut site = Site::new(config.clone(), "boot");
        let is = |condition| Input::Zone { zone: 0, condition, at: begins.mono, resynced: false };
        site.apply(is(Condition::Normal), &begins);
        site.apply(is(Condition::Active), &begins);
        let effects = site.apply(Input::Tick, &looked);
        let draft = effects.iter().find_map(Effect::record).expect("escalated").clone();
        assert_eq!((&*draft.kind, draft.class), ("alarm.escalated", Class::Alarm));
        draft.detail.unwrap()
    };
    let hour = 3_600_000;
    // Monday, 14:14 and 18:14.
    assert_eq!(escalated(now(1_000), now(62_000))["responders"], "concierge");
    let evening = escalated(now(4 * hour), now(4 * hour + 62_000));
    assert_eq!(evening["responders"], "patrol");
    assert_eq!((&evening["via"], evening.get("time")), (&"rules".into(), None));
    // The hour is that of the escalation, not that of a late look at it.
    assert_eq!(escalated(now(1_000), now(5 * hour))["responders"], "concierge");
    let blind = Now { clock: ClockState::Never, err_ms: None, ..now(62_000) };
    let blind = escalated(now(1_000), blind);
    assert_eq!((&blind["responders"], &blind["time"]), (&"duty-manager".into(), &"unknown".into()));
    // An operator who calls the others calls the same.
    let mut site = Site::new(config.clone(), "boot");
    for condition in [Condition::Normal, Condition::Active] {
        let input = Input::Zone { zone: 0, condition, at: now(1_000).mono, resynced: false };
        site.apply(input, &now(1_000));
    }
    let verb = Verb::Incident { id: id("a1"), act: Act::Escalate };
    let actor = Some("op-7".to_owned());
    let command = Command { id: 1, via: Via::District, actor, verb, at: now(2_000).mono };
    let effects = site.apply(Input::Command(command), &now(2_000));
    let draft = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!(draft.detail.as_ref().unwrap()["responders"], "concierge");
}

#[test]
fn a_silent_call_shows_nowhere_on_the_box_whatever_becomes_of_its_button() {
    let lines = LinesConfig { second: Some(Duration::from_secs(2)), ..LinesConfig::default() };
    let mut config = config(ZoneKind::SilentPanic);
    config.zones[0].lines = lines;
    let mut site = Site::new(config, "boot");
    let zone = |condition, ms: u64| Input::Zone {
        zone: 0,
        condition,
        at: Mono(ms * 1_000_000),
        resynced: false,
    };
    let second = |on, ms: u64| Input::ZoneLine {
        zone: 0,
        line: ZoneLine::Second,
        active: Some(on),
        at: Mono(ms * 1_000_000),
        resynced: false,
    };
    site.apply(zone(Condition::Normal, 1_000), &now(1_000));
    site.apply(second(false, 1_000), &now(1_000));
    let mut kinds = Vec::new();
    for (input, ms) in [
        (zone(Condition::Active, 2_000), 2_000),
        (second(true, 2_500), 2_500),
        (Input::Tick, 400_000),
        (zone(Condition::Normal, 500_000), 500_000),
        (second(false, 500_000), 500_000),
    ] {
        for effect in site.apply(input, &now(ms)) {
            if let Effect::State { state, flags, .. } = &effect {
                assert_eq!((*state, &flags[..]), ("normal", &[][..]));
            }
            if let Some(draft) = effect.record() {
                // The escalation is told of the incident, by its id.
                assert!(effect.is_silent(), "{draft:?}");
                kinds.push(draft.kind.to_string());
            }
        }
    }
    let expected = [
        "panic.single_silent",
        "panic.help_silent",
        "alarm.escalated",
        "panic.stuck_silent",
        "panic.stuck_silent_restored",
        "panic.help_silent_restored",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_button_that_is_held_for_minutes_is_stuck_and_the_call_stays() {
    let mut this = Box_::of(config(ZoneKind::Panic));
    assert_eq!(this.is(0, Condition::Active), ["pillar panic.help"]);
    assert_eq!(this.tick(302), ["a1 alarm.escalated", "pillar panic.stuck"]);
    assert!(this.tick(3_000).is_empty(), "told once");
    let kinds = this.is(0, Condition::Normal);
    assert_eq!(kinds, ["pillar panic.stuck_restored", "pillar panic.help_restored"]);
    // Found stuck after a restart it is the same fault, and its end is told.
    this.is(0, Condition::Active);
    this.tick(4_000);
    let (mut this, _) = this.restarted(config(ZoneKind::Panic), "other boot", 5_000_000);
    assert!(this.is(0, Condition::Active).is_empty());
    assert!(this.tick(9_000).is_empty());
    let kinds = this.is(0, Condition::Normal);
    assert_eq!(kinds, ["pillar panic.stuck_restored", "pillar panic.help_restored"]);
}

#[test]
fn a_known_card_calls_at_any_hour_and_its_call_waits_for_a_reset() {
    let hash = |n: u8| SiteKey::new([7; 32]).card(64, &[n]);
    let limited = Credential { until: Some(UtcMs(0)), ..Credential::new(hash(1)) };
    let stolen = Credential { blocked: true, ..Credential::new(hash(2)) };
    let mut config = config(ZoneKind::Panic);
    config.readers = vec![ReaderConfig::new(id("pillar-reader"), "sim:r".to_owned(), None)];
    config.credentials = vec![limited, stolen];
    config.zones[0].help.as_mut().unwrap().reader = Some(0);
    let mut this = Box_::of(config);
    let at = |this: &Box_| Mono(this.ms * 1_000_000);
    this.put(Input::ReaderStatus {
        reader: 0,
        part: ReaderPart::Link,
        good: true,
        cause: None,
        at: at(&this),
    });
    let show = |this: &mut Box_, n: u8, late: bool| {
        let (credential, at) = (hash(n), at(this));
        this.put(Input::Card(Card { reader: 0, credential, pin: None, at, late }))
    };
    // It opens no door any more; whoever holds it may need help.
    assert_eq!(show(&mut this, 1, false), ["pillar panic.help"]);
    assert_eq!(show(&mut this, 1, false), ["pillar panic.help_restored", "pillar panic.help"]);
    assert_eq!(this.want(Verb::Reset { zone: 0 }).1, ["pillar panic.help_restored"]);
    assert_eq!(show(&mut this, 2, false), ["pillar-reader access.denied"]);
    assert_eq!(show(&mut this, 9, false), ["pillar-reader access.denied"]);
    assert_eq!(show(&mut this, 1, true), ["pillar-reader access.late"], "late inputs never act");
}
