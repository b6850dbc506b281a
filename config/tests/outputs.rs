//! Outputs, locks and the challenge test as the rules and the units get them.

use std::time::Duration;

use gatehouse_config::{Config, Drive, Level};
use gatehouse_core::site::{Danger, Dangers, Fail, LockConfig, OutputConfig, Role, SafeState};

const HEAD: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                    [[broker]]\nid = \"b\"\nhost = \"localhost\"\n[[partition]]\nid = \"flat\"\n\
                    [[door]]\nid = \"front\"\ninput = \"x:1\"\npartition = \"flat\"\n";

fn good(tables: &str) -> Config {
    Config::parse(&format!("{HEAD}{tables}"), "good.toml").unwrap_or_else(|e| panic!("{e}"))
}

const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn an_output_with_nothing_but_its_role_and_line_is_as_the_rules_would_have_it() {
    for (role, word, max_on) in [
        (Role::Siren, "siren", Some(seconds(900))),
        (Role::Strobe, "strobe", None),
        (Role::Lock, "lock", Some(seconds(30))),
        (Role::Chime, "chime", None),
        (Role::Other, "other", None),
    ] {
        let config = good(&format!("[[output]]\nid = \"o\"\nline = \"x:5\"\nrole = \"{word}\"\n"));
        let [output] = &config.outputs[..] else { panic!("{:?}", config.outputs) };
        let usual = OutputConfig::new("o".parse().unwrap(), role, "x:5".to_owned());
        assert_eq!((&output.rules, output.max_on), (&usual, max_on), "{word}");
        assert_eq!((output.active, output.drive), (Level::High, Drive::PushPull));
        assert_eq!((output.read_back.clone(), usual.safe), (None, SafeState::Off));
        assert_eq!(usual.dangers != Dangers::NONE, role.warns(), "{word}");
        assert_eq!(config.site().outputs, [usual]);
    }
}

#[test]
fn what_is_written_takes_the_place_of_what_is_usual() {
    let config = good(
        "[[output]]\nid = \"yard\"\nname = \"Hof\"\nline = \"x:5\"\nrole = \"siren\"\n\
         active = \"low\"\ndrive = \"open-drain\"\nsafe-state = \"keep\"\nmax-on-s = 400\n\
         read-back = \"x:6\"\nread-back-active = \"low\"\npartitions = [\"flat\"]\n\
         dangers = [\"gas\", \"door\"]\nlasts-s = 300\noutside = true\n",
    );
    let [yard] = &config.outputs[..] else { panic!("{:?}", config.outputs) };
    let usual = OutputConfig::new("yard".parse().unwrap(), Role::Siren, "x:5".to_owned());
    let rules = OutputConfig {
        safe: SafeState::Keep,
        partitions: vec![0],
        dangers: Dangers::of([Danger::Gas, Danger::Door]),
        lasts: Duration::from_secs(300),
        outside: true,
        ..usual
    };
    assert_eq!((&yard.rules, yard.max_on), (&rules, Some(seconds(400))));
    assert_eq!((yard.active, yard.drive), (Level::Low, Drive::OpenDrain));
    let (line, level) = yard.read_back.clone().unwrap();
    assert_eq!((line.to_string().as_str(), level), ("x:6", Level::Low));
    assert!(!format!("{:?}", config.site()).contains("Hof"), "its name stays on the box");
}

#[test]
fn a_door_has_its_lock_and_the_site_says_whether_it_is_released() {
    let lock = "[[output]]\nid = \"bell\"\nline = \"x:4\"\nrole = \"chime\"\n\
                [[output]]\nid = \"strike\"\nline = \"x:5\"\nrole = \"lock\"\n\
                [[door]]\nid = \"back\"\ninput = \"x:2\"\nlock = \"strike\"\nfail = \"secure\"\n";
    let back = |text: &str| good(text).site().doors[1].clone();
    let usual = back(lock);
    let expected = LockConfig { output: 1, pulse: Duration::from_secs(5), fail: Fail::Secure };
    assert_eq!((usual.lock, usual.release_allowed), (Some(expected), false));
    let written = back(&format!("{lock}lock-pulse-s = 20\nrelease = true\n"));
    assert_eq!(written.lock.unwrap().pulse, Duration::from_secs(20));
    assert!(written.release_allowed);
    let told = Config::parse(&format!("{HEAD}{lock}lock-pulse-s = 31\n"), "long").unwrap_err();
    assert!(told.to_string().contains("its output is never on for longer than 30 s"), "{told}");
}

#[test]
fn the_challenge_names_its_output_and_its_input() {
    let config = good(
        "[[output]]\nid = \"loop\"\nline = \"x:8\"\nrole = \"other\"\n\
         [challenge]\noutput = \"loop\"\ninput = \"x:9\"\n",
    );
    let challenge = config.site().challenge.unwrap();
    assert_eq!((challenge.output, challenge.driver.as_str()), (0, "x:9"));
    assert_eq!((challenge.pulse.as_millis(), challenge.within.as_secs()), (500, 5));
    assert_eq!(good("").site().challenge, None);
}
