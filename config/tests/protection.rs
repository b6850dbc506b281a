//! Zones and partitions as the rules and the units get them.

use std::path::Path;
use std::time::Duration;

use gatehouse_config::{Bias, Config, Contact, Zone};
use gatehouse_core::site::{Mode, ModeConfig, Modes, ZoneConfig, ZoneKind};

const HEAD: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                    [[broker]]\nid = \"b\"\nhost = \"localhost\"\n";

fn good(tables: &str) -> Config {
    Config::parse(&format!("{HEAD}{tables}"), "good.toml").unwrap_or_else(|e| panic!("{e}"))
}

fn example(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    Config::load(path).unwrap_or_else(|e| panic!("{e}"))
}

fn seconds(exit: u64, entry: u64) -> ModeConfig {
    ModeConfig { exit: Duration::from_secs(exit), entry: Duration::from_secs(entry) }
}

fn zone<'c>(config: &'c Config, id: &str) -> &'c Zone {
    config.zones.iter().find(|zone| zone.rules.id.as_str() == id).expect(id)
}

#[test]
fn a_zone_with_nothing_but_its_kind_and_line_is_as_the_rules_would_have_it() {
    for (kind, word) in [
        (ZoneKind::Instant, "instant"),
        (ZoneKind::EntryExit, "entry-exit"),
        (ZoneKind::Follower, "follower"),
        (ZoneKind::Hours24, "24h"),
        (ZoneKind::Panic, "panic"),
        (ZoneKind::SilentPanic, "silent-panic"),
        (ZoneKind::Tamper, "tamper"),
        (ZoneKind::Fire, "fire"),
        (ZoneKind::Flood, "flood"),
        (ZoneKind::Gas, "gas"),
        (ZoneKind::Technical, "technical"),
    ] {
        let config = good(&format!(
            "[[partition]]\nid = \"p\"\n\
             [[zone]]\nid = \"z\"\nkind = \"{word}\"\ninput = \"expander:3\"\npartition = \"p\"\n"
        ));
        let [zone] = &config.zones[..] else { panic!("{:?}", config.zones) };
        let usual = ZoneConfig::new("z".parse().unwrap(), kind, Some(0), "expander:3".to_owned());
        assert_eq!(zone.rules, usual);
        assert_eq!(config.site().zones, [usual]);
        assert_eq!(zone.debounce, Duration::from_millis(350));
        assert_eq!((zone.contact, zone.bias), (Contact::NormallyClosed, Bias::PullUp));
    }
}

#[test]
fn what_is_written_takes_the_place_of_what_is_usual() {
    let config = good(
        "[[partition]]\nid = \"p\"\nmodes = [\"night\", \"away\"]\n\
         [[cross-zone]]\nid = \"other\"\n[[cross-zone]]\nid = \"both\"\nneed = 2\nwindow-s = 9\n\
         [[zone]]\nid = \"a\"\nkind = \"flood\"\ninput = \"x:1\"\ncross-zone = \"other\"\n\
         [[zone]]\nid = \"b\"\nkind = \"gas\"\ninput = \"x:2\"\ncross-zone = \"other\"\n\
         [[zone]]\nid = \"c\"\nkind = \"instant\"\ninput = \"x:3\"\ncross-zone = \"both\"\n\
         partition = \"p\"\nmodes = [\"night\"]\nswinger = 0\nchime = true\nrecord = false\n\
         fault-hold-off-s = 0\nbypassable = false\nsoak-test = true\n\
         contact = \"normally-open\"\nbias = \"disabled\"\ndebounce-ms = 20\n\
         [[zone]]\nid = \"d\"\nkind = \"entry-exit\"\ninput = \"x:4\"\ncross-zone = \"both\"\n\
         partition = \"p\"\nentry-s = 45\n\
         [alarm]\ngrade = 3\nack-within-s = 90\n",
    );
    assert!(config.warnings().is_empty(), "{}", config.warnings());
    let site = config.site();
    assert_eq!((site.grade, site.ack_within), (3, Some(Duration::from_secs(90))));
    let written = zone(&config, "c");
    assert_eq!(written.debounce, Duration::from_millis(20));
    assert_eq!((written.contact, written.bias), (Contact::NormallyOpen, Bias::Disabled));
    let mut rules =
        ZoneConfig::new("c".parse().unwrap(), ZoneKind::Instant, Some(0), "x:3".to_owned());
    rules.modes = Modes::of([Mode::Night]);
    (rules.swinger, rules.cross, rules.chime) = (0, Some(1), true);
    (rules.hold_off, rules.bypassable, rules.soak) = (Duration::ZERO, false, true);
    rules.record = false;
    assert_eq!(written.rules, rules);
    assert_eq!(zone(&config, "d").rules.entry, Some(Duration::from_secs(45)));
    assert_eq!(site.crosses[1].window, Duration::from_secs(9));
    assert_eq!(zone(&config, "a").rules.cross, Some(0));
    assert_eq!(site.crosses[0].window, Duration::from_secs(60));
}

#[test]
fn a_mode_has_its_own_delays_or_the_partitions() {
    let config = good(
        "[[partition]]\nid = \"usual\"\n\
         [[partition]]\nid = \"own\"\nexit-s = 60\nmodes = [\"away\", \"home\", \"night\"]\n\
         [partition.home]\nexit-s = 0\n[partition.night]\nexit-s = 5\nentry-s = 0\n\
         [[door]]\nid = \"d\"\ninput = \"x:1\"\npartition = \"own\"\n",
    );
    let [usual, own] = &config.site().partitions[..] else { panic!("{:?}", config.partitions) };
    assert_eq!(usual.modes, [Some(seconds(30, 20)); 4]);
    assert_eq!(own.modes, [Some(seconds(60, 20)), Some(seconds(0, 20)), Some(seconds(5, 0)), None]);
    let warnings = config.warnings().to_string();
    assert!(warnings.contains("no door and no zone belongs to partition \"usual\""), "{warnings}");
    assert_eq!(config.warnings().len(), 1, "a door belongs to the other: {warnings}");
}

#[test]
fn a_common_area_names_its_users_wherever_they_stand() {
    let config = good(
        "[[partition]]\nid = \"stair\"\ncommon-to = [\"b\", \"a\"]\n\
         [[partition]]\nid = \"a\"\n[[partition]]\nid = \"b\"\n\
         [[partition]]\nid = \"yard\"\ncommon-to = [\"stair\"]\n",
    );
    let common: Vec<_> = config.site().partitions.into_iter().map(|it| it.common_to).collect();
    assert_eq!(common, [vec![2, 1], vec![], vec![], vec![0]]);
}

#[test]
fn only_signals_of_people_are_warned_of_when_they_may_be_missed() {
    for (kind, warned) in [("panic", true), ("gas", true), ("flood", false), ("technical", false)] {
        for (still, long) in [(350, false), (351, true)] {
            let config = good(&format!(
                "[[zone]]\nid = \"z\"\nkind = \"{kind}\"\ninput = \"x:1\"\ndebounce-ms = {still}\n"
            ));
            assert_eq!(config.warnings().len(), usize::from(warned && long), "{kind} {still}");
        }
    }
}

#[test]
fn an_entry_delay_of_45_seconds_is_usual_and_a_longer_one_is_warned_of() {
    for (entry, warnings) in [(45, 0), (46, 3)] {
        let config = good(&format!(
            "[[partition]]\nid = \"p\"\nentry-s = {entry}\n[partition.away]\nentry-s = {entry}\n\
             [[zone]]\nid = \"z\"\nkind = \"entry-exit\"\ninput = \"x:1\"\npartition = \"p\"\n\
             entry-s = {entry}\n"
        ));
        assert_eq!(config.warnings().len(), warnings, "{}", config.warnings());
    }
}

#[test]
fn the_names_of_zones_and_partitions_stay_on_the_box() {
    let compound = example("compound.toml");
    assert_eq!(zone(&compound, "101-door").name.as_deref(), Some("101 入户门"));
    assert_eq!(compound.partitions[0].name.as_deref(), Some("1号楼 101"));
    let told = format!("{:?}", compound.site());
    assert!(!told.contains("入户门") && !told.contains("1号楼"), "{told}");
}

#[test]
fn each_site_profile_has_what_such_a_site_needs() {
    let has = |config: &Config, kind| config.zones.iter().any(|zone| zone.rules.kind == kind);
    for (name, zones, partitions, kinds) in [
        ("lobby.toml", 6, 1, &[ZoneKind::SilentPanic, ZoneKind::Fire, ZoneKind::Tamper][..]),
        ("compound.toml", 22, 5, &[ZoneKind::Panic, ZoneKind::Gas, ZoneKind::Flood]),
        ("school.toml", 18, 4, &[ZoneKind::Panic, ZoneKind::SilentPanic, ZoneKind::Hours24]),
        ("clinic.toml", 19, 4, &[ZoneKind::SilentPanic, ZoneKind::Technical, ZoneKind::Gas]),
        ("pump-station.toml", 22, 2, &[ZoneKind::Flood, ZoneKind::Technical, ZoneKind::Gas]),
    ] {
        let config = example(name);
        assert_eq!((config.zones.len(), config.partitions.len()), (zones, partitions), "{name}");
        for kind in kinds {
            assert!(has(&config, *kind), "{name} has no {kind:?}");
        }
        assert!(has(&config, ZoneKind::EntryExit) && has(&config, ZoneKind::Tamper), "{name}");
    }
    let compound = example("compound.toml").site();
    assert_eq!(compound.partitions[2].common_to, [0, 1]);
    assert_eq!(compound.partitions[0].mode(Mode::Night), Some(seconds(0, 15)));
    assert_eq!(compound.crosses.len(), 1);
}
