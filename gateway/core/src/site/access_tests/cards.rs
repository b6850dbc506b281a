//! Cards and codes.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::*;
use crate::time::UtcMs;

/// A house with one more credential, of number 9.
fn with(credential: Credential) -> SiteConfig {
    let mut config = house();
    config.credentials.push(Credential { hash: hash(9), ..credential });
    config
}

fn blank() -> Credential {
    Credential::new(hash(9))
}

fn utc(text: &str) -> UtcMs {
    UtcMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// What a card brings at this wall time, with this quality.
fn at_time(config: SiteConfig, text: &str, clock: ClockState, err_ms: Option<u32>) -> String {
    let mut this = box_of(config);
    let when = Now { utc: utc(text), clock, err_ms, ..now(this.ms) };
    told(&this.site.apply(Input::Card(shown(&this, OUT, 9)), &when)).join(", ")
}

fn synced(config: &SiteConfig, text: &str) -> String {
    at_time(config.clone(), text, ClockState::Synced, Some(20))
}

/// Lessons, row 10: who opened was not visible; and the number never is.
#[test]
fn a_grant_says_who_where_and_which_way_and_releases_the_door_once() {
    let mut this = box_of(house());
    let shown = shown(&this, OUT, 1);
    let effects = card(&mut this, shown);
    let granted = draft(&effects, "access.granted");
    assert_eq!(
        (granted.class, granted.actor.as_deref(), granted.source.id.as_str()),
        (crate::event::Class::Access, Some(&*hash(1).to_string()), "before")
    );
    assert_eq!(granted.detail, Some(serde_json::json!({ "door": "main", "side": "outside" })));
    assert!(effects.contains(&Effect::Reader { reader: OUT, show: Show::Granted }));
    let drives: Vec<_> = effects.iter().filter(|e| matches!(e, Effect::Output { .. })).collect();
    let drive = Drive::Pulse(Duration::from_secs(3));
    assert_eq!(drives, [&Effect::Output { output: 0, drive }]);
}

#[test]
fn opening_a_door_is_off_unless_the_site_allows_it() {
    let mut config = house();
    config.doors[0].release_allowed = false;
    let mut this = box_of(config);
    let shown = shown(&this, OUT, 1);
    let effects = card(&mut this, shown);
    // It is granted all the same: another controller may hold the lock.
    assert_eq!(told(&effects), ["access.granted"]);
    assert!(!released(&effects));
    contact(&mut this, 0, Contact::Open);
    assert!(this.tick(30).is_empty(), "a granted door is not forced");
}

/// Lessons, row 9: cleaners need an access that expires by itself.
#[test]
fn a_credential_works_from_its_first_to_before_its_last_instant() {
    let config = with(Credential {
        from: Some(utc("2026-03-01T08:00:00Z")),
        until: Some(utc("2026-03-31T08:00:00Z")),
        ..blank()
    });
    for (text, is) in [
        ("2026-03-01T07:59:59.999Z", "access.denied not-yet-valid"),
        ("2026-03-01T08:00:00Z", "access.granted"),
        ("2026-03-31T07:59:59.999Z", "access.granted"),
        ("2026-03-31T08:00:00Z", "access.denied expired"),
    ] {
        assert_eq!(synced(&config, text), is, "{text}");
    }
}

/// Lessons, row 9, over a change of the clocks.
#[test]
fn a_weekly_window_holds_in_the_sites_time_before_and_after_daylight_saving() {
    let window = Weekly { days: Days::of([Weekday::Friday]), from: 6 * 60, until: 8 * 60 };
    let mut config = with(Credential { weekly: vec![window], ..blank() });
    config.access.time_zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    for (text, is) in [
        ("2026-03-27T05:30:00Z", "access.granted"),
        ("2026-03-27T04:30:00Z", "access.denied outside-schedule"),
        ("2026-04-03T04:30:00Z", "access.granted"),
        ("2026-04-03T06:30:00Z", "access.denied outside-schedule"),
        ("2026-04-02T04:30:00Z", "access.denied outside-schedule"),
    ] {
        assert_eq!(synced(&config, text), is, "{text}");
    }
}

/// Lessons, rows 9 and 13: with a time-quality guard, and never dependent on the network's time.
#[test]
fn without_a_clock_what_is_limited_is_refused_and_what_is_permanent_works() {
    let window = Weekly { days: Days::ALL, from: 0, until: 1440 };
    let limited = [
        Credential { from: Some(UtcMs(0)), ..blank() },
        Credential { until: Some(UtcMs(i64::MAX)), ..blank() },
        Credential { weekly: vec![window], ..blank() },
    ];
    let noon = "2026-03-27T12:00:00Z";
    for (clock, err_ms, known) in [
        (ClockState::Never, Some(5), false),
        (ClockState::Never, None, false),
        (ClockState::Synced, None, false),
        (ClockState::Holdover, Some(300_001), false),
        (ClockState::Holdover, Some(300_000), true),
    ] {
        for credential in &limited {
            let is = at_time(with(credential.clone()), noon, clock, err_ms);
            let expected = if known { "access.granted" } else { "access.denied clock-unknown" };
            assert_eq!(is, expected, "{clock:?} {err_ms:?}");
        }
        assert_eq!(at_time(with(blank()), noon, clock, err_ms), "access.granted");
    }
    // The site may want it otherwise; what is limited by a right is refused all the same.
    let mut lenient = with(Credential { until: Some(UtcMs(0)), ..blank() });
    lenient.access.unknown_clock = UnknownClock::Allow;
    assert_eq!(at_time(lenient.clone(), noon, ClockState::Never, None), "access.granted");
    assert_eq!(synced(&lenient, noon), "access.denied expired");
}

#[test]
fn each_refusal_has_its_word() {
    let elsewhere = Doors::These { doors: vec![1], areas: vec![] };
    let by_area = Doors::These { doors: vec![], areas: vec![0] };
    let mut pins = with(Credential { pin: Some(pin(9, "1234")), ..blank() });
    pins.readers[OUT].pin = true;
    let mut channel = with(blank());
    channel.readers[OUT].secure = true;
    let noon = "2026-03-27T12:00:00Z";
    for (config, is) in [
        (house(), "access.denied unknown"),
        (with(Credential { blocked: true, ..blank() }), "access.denied blocked"),
        (with(Credential { opens: elsewhere, ..blank() }), "access.denied wrong-area"),
        (with(Credential { opens: by_area, ..blank() }), "access.granted"),
        (pins, "access.denied pin-wrong"),
        (channel, "access.denied insecure"),
    ] {
        assert_eq!(synced(&config, noon), is);
    }
    let words: std::collections::BTreeSet<_> = Denial::ALL.map(Denial::as_str).into();
    assert_eq!(words.len(), Denial::ALL.len());
}

#[test]
fn a_reader_that_asks_for_a_pin_takes_the_cards_own_and_no_other() {
    let mut config = with(Credential { pin: Some(pin(9, "1234")), ..blank() });
    config.readers[OUT].pin = true;
    config.readers[OUT].lockout.attempts = 0;
    let mut this = box_of(config);
    for (n, given, is) in [
        (9, Some(pin(9, "1234")), "access.granted"),
        (9, Some(pin(9, "1235")), "access.denied pin-wrong"),
        (9, Some(pin(1, "1234")), "access.denied pin-wrong"),
        (9, None, "access.denied pin-wrong"),
        // Who has no PIN cannot pass where one is asked for.
        (1, None, "access.denied pin-wrong"),
        (1, Some(pin(1, "1234")), "access.denied pin-wrong"),
    ] {
        let card = Card { pin: given, ..shown(&this, OUT, n) };
        assert_eq!(told(&super::card(&mut this, card)), [is]);
    }
}

/// Lessons, row 16: a card shown while the bus was down opened the door when it came back.
#[test]
fn a_card_that_comes_late_is_told_and_does_nothing() {
    let mut config = house();
    config.readers[OUT].disarms = true;
    for (age_ms, kept_back, acts) in [(5_000, false, true), (5_001, false, false), (0, true, false)]
    {
        let mut this = box_of(config.clone());
        this.arm(Mode::Away);
        let card = Card { late: kept_back, ..shown(&this, OUT, 2) };
        this.ms += age_ms;
        let effects = super::card(&mut this, card);
        if acts {
            assert_eq!(told(&effects), ["access.granted", "partition.disarmed"]);
            continue;
        }
        assert_eq!(told(&effects), ["access.late"]);
        let late = draft(&effects, "access.late");
        assert_eq!(late.time.mono_ns, Mono(10_000_000_000), "stamped at the source");
        assert_eq!(effects.len(), 1, "{effects:?}");
        contact(&mut this, 0, Contact::Open);
        assert!(this.tick(30).contains(&"main door.forced".to_owned()), "it explains nothing");
    }
}

/// Lessons, row 10: wrong attempts were not visible and never ended.
#[test]
fn five_wrong_attempts_within_a_minute_lock_the_reader_for_ninety_seconds() {
    let mut this = box_of(house());
    for attempt in 1..=5 {
        this.ms += 10_000;
        let kinds = show(&mut this, 200 + attempt);
        assert_eq!(kinds.contains(&"access.lockout".to_owned()), attempt == 5, "{kinds:?}");
    }
    // 60 s. Now nobody passes here, and at the other side everybody.
    assert_eq!(show(&mut this, 1), ["access.denied locked-out"]);
    let other = shown(&this, IN, 1);
    assert_eq!(told(&card(&mut this, other)), ["access.granted"]);
    // Its incident is escalated meanwhile: nobody took it.
    assert_eq!(this.tick(149), ["a1 alarm.escalated"]);
    let effects = this.site.apply(Input::Tick, &now(150_000));
    let over = draft(&effects, "access.lockout_restored");
    assert_eq!((over.qualifier, over.closes), (Qualifier::Restore, Some("access.lockout")));
    assert_eq!(over.detail.as_ref().unwrap()["refused"], 1);
    this.ms = 151_000;
    assert_eq!(show(&mut this, 1), ["access.granted"]);
}

#[test]
fn wrong_attempts_that_are_far_apart_or_only_out_of_hours_lock_nobody_out() {
    let mut this = box_of(with(Credential { until: Some(UtcMs(0)), ..blank() }));
    for attempt in 0..20 {
        this.ms += 15_001;
        let n = if attempt % 2 == 0 { 9 } else { 200 };
        assert!(show(&mut this, n)[0].starts_with("access.denied"));
    }
    assert_eq!(show(&mut this, 1), ["access.granted"]);
}

#[test]
fn a_flood_at_a_locked_reader_is_counted_and_not_told_one_by_one() {
    let mut this = box_of(house());
    for n in 0..5 {
        show(&mut this, 200 + n);
    }
    let told: usize = (0..1_000).map(|_| show(&mut this, 200).len()).sum();
    assert_eq!(told, 16);
    let effects = this.site.apply(Input::Tick, &now(101_000));
    let over = draft(&effects, "access.lockout_restored");
    assert_eq!(over.detail.as_ref().unwrap()["refused"], 1_000);
}

#[test]
fn a_lockout_and_the_attempts_before_it_outlive_a_restart_whatever_the_clock_knows() {
    for clock in [ClockState::Synced, ClockState::Never] {
        let mut this = box_of(house());
        for n in 0..4 {
            show(&mut this, 200 + n);
        }
        let (mut this, _) = this.restarted(house(), "boot", 12_000);
        assert_eq!(show(&mut this, 204), ["access.denied unknown", "access.lockout"]);
        let kept = this.kept.clone();
        let kept = kept.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut site = Site::new(house(), "other boot");
        // Ten seconds later, on a clock that began anew.
        let when = Now { clock, mono: Mono(3_000_000_000), ..now(22_000) };
        let effects = site.restore(kept, &id("g"), &when);
        assert!(effects.iter().any(|effect| matches!(effect,
            Effect::State { of: Thing::Reader(0), flags, .. } if flags.contains(&"locked-out"))));
        let card = Card { at: when.mono, ..shown(&this, OUT, 1) };
        assert_eq!(told(&site.apply(Input::Card(card), &when)), ["access.denied locked-out"]);
        let left = if clock == ClockState::Synced { 80 } else { 90 };
        let after = |s: u64| Now { mono: Mono(s * 1_000_000_000), ..when };
        let ended =
            |effects: &[Effect]| told(effects).contains(&"access.lockout_restored".to_owned());
        assert!(!ended(&site.apply(Input::Tick, &after(3 + left - 1))));
        assert!(ended(&site.apply(Input::Tick, &after(3 + left))));
    }
}

/// Lessons, row 7: a duress code must look normal at the site.
#[test]
fn a_duress_pin_opens_like_the_other_and_calls_for_help_in_silence() {
    let both =
        Credential { pin: Some(pin(9, "1234")), duress_pin: Some(pin(9, "1235")), ..blank() };
    let mut config = with(both);
    config.readers[OUT].pin = true;
    let run = |digits: &str| {
        let mut this = box_of(config.clone());
        let card = Card { pin: Some(pin(9, digits)), ..shown(&this, OUT, 9) };
        (super::card(&mut this, card), this)
    };
    let (normal, before) = run("1234");
    let (duress, after) = run("1235");
    assert_eq!(told(&duress), ["access.duress", "access.granted"]);
    let call = draft(&duress, "access.duress");
    assert_eq!((call.class, call.severity), (crate::event::Class::Panic, 1));
    assert!(call.detail.as_ref().unwrap()["incident"].as_str().unwrap().starts_with('s'));
    let shown = |effects: &[Effect]| -> Vec<Effect> {
        let seen = effects.iter().filter(|effect| {
            !effect.is_silent()
                && !matches!(effect, Effect::Keep { key, .. } if key.starts_with("incident/"))
        });
        seen.cloned().collect()
    };
    assert_eq!(shown(&duress), shown(&normal));
    let states = |this: &Box_| this.site.states().map(|(_, _, word)| word).collect::<Vec<_>>();
    assert_eq!(states(&before), states(&after));
    assert_eq!(after.site.incidents().next().unwrap().danger, Danger::SilentPanic);
}

#[test]
fn a_call_for_help_is_heard_even_where_the_door_stays_shut_and_not_of_a_stolen_card() {
    let mut this = box_of(with(Credential { duress: true, until: Some(UtcMs(0)), ..blank() }));
    assert_eq!(show(&mut this, 9), ["access.duress", "access.denied expired"]);
    for n in 0..5 {
        show(&mut this, 200 + n);
    }
    assert_eq!(show(&mut this, 9), ["access.duress", "access.denied locked-out"]);
    let mut this = box_of(with(Credential { duress: true, blocked: true, ..blank() }));
    assert_eq!(show(&mut this, 9), ["access.denied blocked"]);
}

#[test]
fn a_card_that_comes_in_twice_is_let_in_and_reported() {
    let mut this = box_of(house());
    let through = |this: &mut Box_, reader, opens| {
        let shown = shown(this, reader, 1);
        let kinds = told(&card(this, shown));
        if opens {
            contact(this, 0, Contact::Open);
            contact(this, 0, Contact::Closed);
        }
        this.ms += 20_000;
        kinds
    };
    assert_eq!(through(&mut this, OUT, true), ["access.granted"]);
    assert_eq!(through(&mut this, OUT, true), ["access.granted", "access.passback"]);
    assert_eq!(through(&mut this, IN, true), ["access.granted"]);
    // Shown and not gone in is no entry.
    assert_eq!(through(&mut this, OUT, false), ["access.granted"]);
    assert_eq!(through(&mut this, OUT, true), ["access.granted"]);
    let (mut this, _) = this.restarted(house(), "other boot", 200_000);
    this.put(Input::Recall { door: 0, state: DoorState::Closed });
    contact(&mut this, 0, Contact::Closed);
    assert_eq!(through(&mut this, OUT, true), ["access.granted", "access.passback"]);
}

#[test]
fn a_card_with_the_right_disarms_and_shown_twice_it_arms() {
    let mut this = box_of(house());
    this.arm(Mode::Away);
    assert_eq!(show(&mut this, 1), ["access.granted"], "a resident opens and disarms nothing");
    this.ms += 20_000;
    assert_eq!(show(&mut this, 2), ["access.granted", "partition.disarmed"]);
    this.ms += 1_000;
    assert_eq!(show(&mut this, 2), ["access.granted"], "the first after disarming");
    this.ms += 6_000;
    assert_eq!(show(&mut this, 2), ["access.granted"], "too slow for twice");
    this.ms += 2_000;
    let shown = shown(&this, OUT, 2);
    let effects = card(&mut this, shown);
    assert_eq!(told(&effects), ["access.granted", "partition.arming"]);
    let arming = draft(&effects, "partition.arming");
    assert_eq!(arming.actor.as_deref(), Some(&*hash(2).to_string()));
    assert_eq!(arming.detail.as_ref().unwrap()["via"], "reader");
    // Nor does it at a reader that is not for it.
    let mut this = box_of(house());
    this.arm(Mode::Away);
    let inside = self::shown(&this, IN, 2);
    assert_eq!(told(&card(&mut this, inside)), ["access.granted"]);
}
