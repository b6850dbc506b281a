//! Help points, checkpoints, rounds and detectors with several lines, as the rules and units get them.

use std::time::Duration;

use gatehouse_config::Config;
use gatehouse_core::site::{Days, LinesConfig, Order, Responders, Weekly, ZoneKind, ZoneLine};

const HEAD: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                    [[broker]]\nid = \"b\"\nhost = \"localhost\"\n";

fn good(tables: &str) -> Config {
    Config::parse(&format!("{HEAD}{tables}"), "good.toml").unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_help_point_is_a_zone_behind_all_zones_with_its_place_and_those_who_come() {
    let config = good(
        "[[zone]]\nid = \"smoke\"\nkind = \"fire\"\ninput = \"x:1\"\n\
         [[help-point]]\nid = \"pillar\"\nplace = \"gate-east\"\ninput = \"x:2\"\nsilent = true\n\
         second-input = \"x:3\"\nsecond-within-s = 4\nresponders = [\"day\", \"all\"]\n\
         [[help-point]]\nid = \"lift\"\nreader = \"lift-reader\"\n\
         [[reader]]\nid = \"lift-reader\"\nwiegand-d0 = \"x:4\"\nwiegand-d1 = \"x:5\"\n\
         [[responders]]\nid = \"all\"\n\
         [[responders]]\nid = \"day\"\nhours = [\"mon-fri 08:00-18:00\"]\n",
    );
    assert!(config.warnings().is_empty(), "{}", config.warnings());
    let zones = config.site().zones;
    let ids: Vec<_> = zones.iter().map(|zone| zone.id.as_str()).collect();
    assert_eq!(ids, ["smoke", "pillar", "lift"]);
    let pillar = &zones[1];
    assert_eq!((pillar.kind, pillar.latch), (ZoneKind::SilentPanic, true));
    assert_eq!(pillar.lines.second, Some(Duration::from_secs(4)));
    assert_eq!(pillar.stuck, Some(Duration::from_secs(300)));
    let help = pillar.help.as_ref().unwrap();
    assert_eq!(help.place.as_ref().unwrap().as_str(), "gate-east");
    let day = Weekly { days: Days::WORK, from: 480, until: 1080 };
    assert_eq!(help.responders, [Responders { list: "day".parse().unwrap(), weekly: vec![day] }]);
    assert_eq!(help.otherwise.as_ref().unwrap().as_str(), "all");
    let lift = zones[2].help.as_ref().unwrap();
    assert_eq!((lift.reader, lift.only_card), (Some(0), true));
    assert_eq!(lift.place.as_ref().unwrap().as_str(), "lift", "its own id");
    assert_eq!(config.help_points[0].input.as_ref().unwrap().debounce, Duration::from_millis(100));
}

#[test]
fn nobody_who_comes_at_night_is_a_warning() {
    let config = good(
        "[[help-point]]\nid = \"pillar\"\ninput = \"x:2\"\nresponders = [\"day\"]\n\
         [[responders]]\nid = \"day\"\nhours = [\"mon-fri 08:00-18:00\"]\n",
    );
    let warnings = config.warnings().to_string();
    assert!(warnings.contains("at other hours"), "{warnings}");
}

#[test]
fn a_round_names_its_checkpoints_by_their_places_in_its_own_order() {
    let config = good(
        "[[zone]]\nid = \"z\"\nkind = \"gas\"\ninput = \"x:9\"\n\
         [[round]]\nid = \"night\"\ncheckpoints = [\"roof\", \"gate\"]\norder = \"any\"\n\
         starts = [\"daily 22:00-22:30\", \"sat,sun 02:00-03:00\"]\nleg-min-s = 30\n\
         leg-max-s = 300\ntolerance-s = 0\ngive-up-s = 900\n\
         [[checkpoint]]\nid = \"gate\"\ninput = \"x:1\"\n\
         [[checkpoint]]\nid = \"roof\"\ninput = \"x:2\"\ncontact = \"normally-closed\"\n",
    );
    let site = config.site();
    let [round] = &site.rounds[..] else { panic!("{:?}", site.rounds) };
    assert_eq!((&round.checkpoints[..], round.order), (&[1, 0][..], Order::Any));
    assert_eq!((round.starts.len(), round.starts[0].from), (2, 22 * 60));
    assert_eq!((round.leg_min, round.leg_max), (Duration::from_secs(30), Duration::from_secs(300)));
    assert_eq!((round.tolerance, round.give_up), (Duration::ZERO, Duration::from_secs(900)));
    assert_eq!(site.checkpoints[1].driver.as_deref(), Some("x:2"));
}

#[test]
fn a_detector_has_its_further_lines_wired_as_its_own() {
    let config = good(
        "[[partition]]\nid = \"p\"\n\
         [[zone]]\nid = \"pir\"\nkind = \"instant\"\npartition = \"p\"\ninput = \"x:1\"\n\
         fault-input = \"x:2\"\nmask-input = \"x:3\"\nbias = \"disabled\"\ndebounce-ms = 40\n\
         [[zone]]\nid = \"desk\"\nkind = \"panic\"\ninput = \"x:4\"\nsecond-input = \"x:5\"\n\
         latched = true\nstuck-s = 60\n",
    );
    let zones = config.site().zones;
    assert_eq!(zones[0].lines, LinesConfig { second: None, fault: true, mask: true });
    let further: Vec<_> = config.zones[0].further.iter().map(|(line, _)| *line).collect();
    assert_eq!(further, [ZoneLine::Fault, ZoneLine::Mask]);
    let wired = &config.zones[0].further[1].1;
    assert_eq!((wired.line.to_string(), wired.debounce), ("x:3".into(), Duration::from_millis(40)));
    assert_eq!((wired.contact, wired.bias), (config.zones[0].contact, config.zones[0].bias));
    assert_eq!(zones[1].lines.second, Some(Duration::from_secs(2)));
    assert_eq!((zones[1].latch, zones[1].stuck), (true, Some(Duration::from_secs(60))));
}
