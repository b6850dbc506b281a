//! Schedules, holidays and key switches as the rules get them.

use std::time::Duration;

use gatehouse_config::{Bias, Config, Contact};
use gatehouse_core::site::{Dates, Days, KeyMotion, Mode, ScheduleConfig};
use jiff::civil::{Weekday, date};

const HEAD: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                    time-zone = \"Europe/Berlin\"\n\
                    [[broker]]\nid = \"b\"\nhost = \"localhost\"\n\
                    [[partition]]\nid = \"shop\"\n\
                    [[zone]]\nid = \"z\"\nkind = \"instant\"\ninput = \"x:1\"\npartition = \"shop\"\n";

fn good(tables: &str) -> Config {
    Config::parse(&format!("{HEAD}{tables}"), "good.toml").unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_schedule_with_nothing_but_a_time_is_as_the_rules_would_have_it() {
    let config = good("[[schedule]]\nid = \"n\"\npartition = \"shop\"\narm-at = \"20:00\"\n");
    assert!(config.warnings().is_empty(), "{}", config.warnings());
    let usual = ScheduleConfig::new("n".parse().unwrap(), 0);
    let site = config.site();
    assert_eq!(site.schedules, [ScheduleConfig { arm: Some(1200), ..usual }]);
    assert_eq!(site.access.time_zone, config.time_zone);
}

#[test]
fn every_key_of_a_schedule_arrives() {
    let config = good(
        "[[schedule]]\nid = \"n\"\npartition = \"shop\"\narm-at = \"23:59\"\n\
         disarm-at = \"00:00\"\narmed-by = \"12:30\"\ndays = [\"sunday\", \"monday\"]\n\
         mode = \"night\"\nwarning-min = 0\nretry-min = 7\nforce = true\npostpone-min = 10\n\
         holidays = false\n",
    );
    let warnings = config.warnings().to_string();
    assert!(warnings.contains("disarms partition \"shop\" by itself"), "{warnings}");
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let expected = ScheduleConfig {
        arm: Some(1439),
        disarm: Some(0),
        armed_by: Some(750),
        days: Days::of([Weekday::Sunday, Weekday::Monday]),
        mode: Mode::Night,
        warning: Duration::ZERO,
        retry: minutes(7),
        force: true,
        postpone: minutes(10),
        holidays: false,
        ..ScheduleConfig::new("n".parse().unwrap(), 0)
    };
    assert_eq!(config.schedules, [expected]);
}

#[test]
fn a_holiday_is_a_day_or_some_of_one_year_or_of_every_year() {
    let config = good(
        "[[holiday]]\nid = \"a\"\nfrom = \"2026-10-01\"\n\
         [[holiday]]\nid = \"b\"\nfrom = \"12-24\"\nuntil = \"01-06\"\nas = \"none\"\n",
    );
    let [once, yearly] = &config.holidays[..] else { panic!("{:?}", config.holidays) };
    let day = date(2026, 10, 1);
    assert_eq!(once.dates, Dates::Once { from: day, until: day });
    assert_eq!(once.like, Some(Weekday::Sunday));
    assert_eq!(yearly.dates, Dates::Yearly { from: (12, 24), until: (1, 6) });
    assert_eq!(yearly.like, None);
}

#[test]
fn a_key_switch_is_at_rest_open_and_may_do_both() {
    let config =
        good("[[key-switch]]\nid = \"k\"\ninput = \"x:2\"\npartition = \"shop\"\ndoes = \"arm\"\n");
    let [key] = &config.key_switches[..] else { panic!("{:?}", config.key_switches) };
    assert_eq!((key.contact, key.bias), (Contact::NormallyOpen, Bias::PullUp));
    assert_eq!((key.rules.arms, key.rules.disarms), (true, false));
    assert_eq!((key.rules.motion, &*key.rules.driver), (KeyMotion::Momentary, "x:2"));
    assert_eq!(key.rules.stuck, Duration::from_secs(30));
}

#[test]
fn schedules_without_a_time_zone_are_warned_of() {
    let text =
        format!("{HEAD}[[schedule]]\nid = \"n\"\npartition = \"shop\"\narm-at = \"20:00\"\n");
    let text = text.replace("time-zone = \"Europe/Berlin\"\n", "");
    let config = Config::parse(&text, "good.toml").unwrap_or_else(|e| panic!("{e}"));
    let warnings = config.warnings().to_string();
    assert!(warnings.contains("schedules go by UTC"), "{warnings}");
}
