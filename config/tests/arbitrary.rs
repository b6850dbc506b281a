//! Whatever is in the file: an answer, never a panic, and never a configuration that is wrong.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use gatehouse_config::{
    Chip, Config, Credentials, MAX_BROKERS, MAX_CROSS_ZONES, MAX_DOORS, MAX_PARTITIONS,
    MAX_READERS, MAX_RS485, MAX_ZONES, ReaderWires,
};
use gatehouse_core::site::{Mode, ModeConfig};
use gatehouse_core::uplink::{LOST_AFTER, silence};
use proptest::prelude::*;
use proptest::sample::Index;

const COMMUNITY: &str = include_str!("../examples/community.toml");
const COMPOUND: &str = include_str!("../examples/compound.toml");
const COMMENTED: &str = include_str!("../gateway.toml");
const LIST: &str = include_str!("../credentials.toml");

/// Pieces that mean something to TOML, or to us.
const PIECES: [&str; 27] = [
    "\n",
    "\"",
    "'''",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "=",
    ".",
    ",",
    "{",
    "}",
    "#",
    "\\u0000",
    "门",
    "\u{feff}",
    "-1",
    "1e400",
    "99999999999999999999",
    "[[door]]\n",
    "[broker]\n",
    "id = \"a\"\n",
    "\r",
    "nan",
    "\u{1b}[31m",
    "\u{202e}",
    "\t",
];

fn told(text: &str) {
    match Config::parse(text, "any.toml") {
        Ok(config) => {
            invariants(&config);
            for colour in [false, true] {
                config.warnings().render(colour);
            }
            assert_eq!(config.warnings().lines().count(), config.warnings().len());
        }
        Err(errors) => {
            assert!(errors.len() > 0);
            let plain = errors.to_string();
            assert!(plain.starts_with("error: "), "{plain}");
            let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!plain.contains(obeyed), "a terminal would obey {plain:?}");
            assert!(errors.render(true).contains('\u{1b}'));
        }
    }
}

/// What the type promises, checked from outside.
fn invariants(config: &Config) {
    assert!(config.doors.len() <= MAX_DOORS);
    assert!((1..=MAX_BROKERS).contains(&config.brokers.len()));
    let ids: HashSet<_> = config.doors.iter().map(|door| &door.id).collect();
    let lines = config.doors.iter().filter_map(|door| door.input.line());
    let lines = lines.chain(config.zones.iter().filter_map(|zone| zone.input.line()));
    let rex = config.doors.iter().filter_map(|door| Some(&door.rex.as_ref()?.input.line));
    let tamper = config.readers.iter().filter_map(|reader| Some(&reader.tamper.as_ref()?.line));
    let wiegand = config.readers.iter().flat_map(|reader| match &reader.wires {
        ReaderWires::Wiegand { d0, d1, .. } => vec![d0, d1],
        ReaderWires::Bus { .. } => vec![],
    });
    let lines: Vec<_> = lines.chain(rex).chain(tamper).chain(wiegand).collect();
    assert_eq!(ids.len(), config.doors.len());
    assert_eq!(lines.iter().collect::<HashSet<_>>().len(), lines.len(), "a line has one use");
    access(config);
    protection(config);
    for door in &config.doors {
        assert!(door.debounce <= Duration::from_secs(2));
        assert!(door.held_open.is_none_or(|limit| limit > door.debounce));
        let is_sim = door.input.line().is_some_and(|line| line.chip == Chip::Sim);
        assert!(!is_sim || config.sim.is_some());
    }
    assert!((5..=553).contains(&config.uplink.heartbeat.as_secs()));
    let within = config.uplink.reporting.time();
    assert!(silence(config.uplink.heartbeat, LOST_AFTER) <= within);
    assert!(config.brokers.iter().all(|broker| broker.keep_alive * 2 <= within));
    assert!((1..=128).contains(&config.uplink.in_flight));
    assert!(config.journal.reserve_bytes * 2 <= config.journal.max_bytes);
    assert!(config.brokers.iter().all(|broker| broker.port > 0));
    assert!(config.brokers.iter().all(|b| b.password.is_none() || b.username.is_some()));
}

/// What units and rules rely on.
fn access(config: &Config) {
    assert!(config.readers.len() <= MAX_READERS && config.rs485.len() <= MAX_RS485);
    let site = config.site();
    let mut seats = HashSet::new();
    for (reader, rules) in config.readers.iter().zip(&site.readers) {
        match &reader.wires {
            ReaderWires::Wiegand { d0, d1, .. } => {
                assert!(d0.chip == d1.chip && !rules.secure && rules.bus.is_none());
            }
            ReaderWires::Bus { bus, address, secure } => {
                assert!(seats.insert((bus, address)) && *address < 127);
                assert!(!secure || config.rs485[*bus].key_file.is_some());
                assert_eq!((rules.bus, rules.secure), (Some(*bus), *secure));
                assert_eq!(site.buses[*bus].id, config.rs485[*bus].id);
            }
        }
        assert!(rules.door.is_none_or(|door| door < site.doors.len()));
        assert!(rules.partition.is_some() || (!rules.disarms && rules.arms.is_none()));
    }
    for door in &site.doors {
        let Some(passage) = door.passage else { continue };
        assert!(passage.outside != Some(passage.inside) && passage.inside < site.areas.len());
    }
}

/// What the rules rely on.
fn protection(config: &Config) {
    let site = config.site();
    assert!(site.zones.len() <= MAX_ZONES && site.partitions.len() <= MAX_PARTITIONS);
    assert!(site.crosses.len() <= MAX_CROSS_ZONES && (1..=4).contains(&site.grade));
    let zones: HashSet<_> = site.zones.iter().map(|zone| &zone.id).collect();
    let partitions: HashSet<_> = site.partitions.iter().map(|partition| &partition.id).collect();
    assert_eq!((zones.len(), partitions.len()), (site.zones.len(), site.partitions.len()));
    for (zone, wired) in site.zones.iter().zip(&config.zones) {
        assert_eq!(zone.driver, wired.input.to_string());
        assert!(wired.debounce <= Duration::from_secs(2));
        let is_sim = wired.input.line().is_some_and(|line| line.chip == Chip::Sim);
        assert!(!is_sim || config.sim.is_some());
        assert!(zone.camera.as_ref().is_none_or(|it| it.camera < site.cameras.len()));
        assert!(zone.partition.is_some() || !zone.kind.needs_arming(), "never armed: {zone:?}");
        let partition = zone.partition.map(|place| &site.partitions[place]);
        let armed = |mode: &Mode| {
            zone.modes.contains(*mode) && partition.is_some_and(|it| it.mode(*mode).is_some())
        };
        assert!(!zone.kind.needs_arming() || Mode::ARMED.iter().any(armed), "never live: {zone:?}");
        assert!(zone.kind.needs_arming() || (zone.swinger == 0 && !zone.chime));
    }
    for (place, group) in site.crosses.iter().enumerate() {
        let members = site.zones.iter().filter(|zone| zone.cross == Some(place)).count();
        assert!((2..=members).contains(&usize::from(group.need)), "{group:?} never agrees");
    }
    for partition in &site.partitions {
        assert!(partition.modes.iter().any(Option::is_some));
        let longest = |delays: &ModeConfig| delays.exit.max(delays.entry);
        assert!(partition.modes.iter().flatten().all(|d| longest(d) <= Duration::from_secs(600)));
    }
    // Whoever follows the users of common areas comes to an end.
    let mut open: HashSet<_> = (0..site.partitions.len()).collect();
    for _ in 0..site.partitions.len() {
        let waits = |place: &usize| {
            site.partitions[*place].common_to.iter().any(|user| open.contains(user))
        };
        open = open.iter().copied().filter(waits).collect();
    }
    assert!(open.is_empty(), "common areas wait for each other");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        told(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_mixture_of_pieces_gets_an_answer(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60),
    ) {
        told(&pieces.concat());
    }

    #[test]
    fn any_list_of_credentials_gets_an_answer(
        changes in prop::collection::vec(
            (any::<Index>(), any::<Index>(), prop::sample::select(&PIECES[..])), 0..6,
        ),
    ) {
        let config = Config::parse(COMMENTED, "gateway.toml").unwrap();
        let mut text = LIST.replace("\n#", "\n");
        for (from, length, piece) in changes {
            let boundaries: Vec<_> =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let first = from.index(boundaries.len());
            let last = (first + length.index(40)).min(boundaries.len() - 1);
            text.replace_range(boundaries[first]..boundaries[last], piece);
        }
        match Credentials::parse(&text, "any.toml", &config) {
            Ok(list) => {
                let hashes: HashSet<_> = list.list.iter().map(|one| one.hash).collect();
                prop_assert_eq!(hashes.len(), list.entries.len());
                let site = config.site();
                for one in list.list {
                    prop_assert!(one.from.is_none() || one.until.is_none() || one.from < one.until);
                    prop_assert!(one.arms.iter().all(|place| *place < site.partitions.len()));
                }
            }
            Err(errors) => prop_assert!(errors.len() > 0 && !errors.render(true).is_empty()),
        }
    }

    /// Cuts, doubles and replaces pieces of good files.
    #[test]
    fn any_change_of_a_good_file_gets_an_answer(
        which in 0..3,
        changes in prop::collection::vec(
            (any::<Index>(), any::<Index>(), 0u8..4, prop::sample::select(&PIECES[..])),
            1..6,
        ),
    ) {
        let mut text = match which {
            0 => COMMENTED.replace("\n#", "\n"),
            1 => COMMUNITY.to_owned(),
            _ => COMPOUND.to_owned(),
        };
        for (from, length, what, piece) in changes {
            let boundaries: Vec<_> =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let first = from.index(boundaries.len());
            let last = (first + length.index(40)).min(boundaries.len() - 1);
            let range = boundaries[first]..boundaries[last];
            let old = text[range.clone()].to_owned();
            match what {
                0 => text.replace_range(range, ""),
                1 => text.insert_str(range.start, piece),
                2 => text.replace_range(range, piece),
                _ => text.insert_str(range.start, &old),
            }
        }
        told(&text);
    }
}

proptest! {
    // Each case reads ten files.
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    /// A password in the file, and anything else wrong around it.
    #[test]
    fn a_password_is_not_shown_whatever_else_is_wrong(
        pieces in prop::collection::vec((any::<Index>(), prop::sample::select(&PIECES[..])), 1..4),
        quote in prop::sample::select(&["\"", "'", "", "\"\"\""][..]),
        key in prop::sample::select(&["password", "pasword", "PASSWORD", "tls.password"][..]),
    ) {
        let line = format!("{key} = {quote}hunter2{quote}");
        let text = COMMUNITY.replace("password-file =", &format!("{line}\npassword-file ="));
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        for (place, piece) in pieces {
            let at = place.index(lines.len());
            if !lines[at].contains("hunter2") {
                lines[at].push_str(piece);
            }
        }
        let told = Config::parse(&lines.join("\n"), "any.toml").unwrap_err();
        prop_assert!(!told.render(true).contains("hunter2"), "{}", told);
        let debug = format!("{told:?}");
        prop_assert!(!debug.contains("hunter2"));
    }

    /// Each number of the file, replaced by any other.
    #[test]
    fn any_number_is_taken_within_its_bounds_or_refused(n in any::<i64>(), small in 0i64..5000) {
        for n in [n, small] {
            for key in ["debounce-ms", "held-open-s", "replay-rate", "max-mib"] {
                let line = COMMUNITY.lines().find(|line| line.starts_with(key)).unwrap();
                told(&COMMUNITY.replace(line, &format!("{key} = {n}")));
            }
            for key in ["exit-s", "entry-s", "need", "window-s", "fault-hold-off-s", "debounce-ms"] {
                let line = COMPOUND.lines().find(|line| line.starts_with(key)).unwrap();
                told(&COMPOUND.replace(line, &format!("{key} = {n}")));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// Good words and ids in the wrong places: what each of them allows, the others may not.
    #[test]
    fn any_mixture_of_zones_and_partitions_is_refused_or_protects(
        partitions in prop::collection::vec((0usize..4, 0usize..12), 1..4),
        zones in prop::collection::vec((0usize..11, 0usize..12, 0usize..16, 0usize..9), 0..6),
        groups in prop::collection::vec(2u8..4, 0..3),
    ) {
        const MODES: [&str; 4] =
            ["", "modes = [\"away\"]\n", "modes = [\"night\", \"home\"]\n", "modes = [\"home\"]\n"];
        const KINDS: [&str; 11] = [
            "instant", "entry-exit", "follower", "24h", "panic", "silent-panic", "tamper", "fire",
            "flood", "gas", "technical",
        ];
        let mut text = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                        [[broker]]\nid = \"b\"\nhost = \"localhost\"\n".to_owned();
        for (n, (modes, common)) in partitions.iter().enumerate() {
            write!(text, "[[partition]]\nid = \"p{n}\"\n{}", MODES[*modes]).unwrap();
            if *common < 3 {
                writeln!(text, "common-to = [\"p{common}\"]").unwrap();
            }
        }
        for (n, (kind, partition, modes, group)) in zones.iter().enumerate() {
            writeln!(text, "[[zone]]\nid = \"z{n}\"\nkind = \"{}\"", KINDS[*kind]).unwrap();
            write!(text, "input = \"gpiochip0:{n}\"\n{}", MODES.get(*modes).unwrap_or(&"")).unwrap();
            if *partition < 11 {
                let partition = partition % partitions.len();
                writeln!(text, "partition = \"p{partition}\"").unwrap();
            }
            if *group < 2 {
                writeln!(text, "cross-zone = \"g{group}\"").unwrap();
            }
        }
        for (n, need) in groups.iter().enumerate() {
            writeln!(text, "[[cross-zone]]\nid = \"g{n}\"\nneed = {need}").unwrap();
        }
        told(&text);
    }
}

#[test]
fn a_thousand_mistakes_are_counted_and_the_first_two_hundred_are_shown() {
    let text = (0..1000).map(|n| format!("k{n} = 1")).collect::<Vec<_>>().join("\n");
    let errors = Config::parse(&text, "long.toml").unwrap_err();
    assert_eq!(errors.len(), 1002, "and no [gateway], no [[broker]]");
    let told = errors.to_string();
    assert_eq!(told.matches("error: ").count(), 200);
    assert!(told.contains("… and 802 more"), "{}", &told[told.len() - 200..]);
}

#[test]
fn thousands_of_mistakes_are_answered_at_once() {
    for line in ["= 1\n", "a\n", "[[door]]\n", "[[broker]]\n[broker.tls]\n", "x = \"\n", "\n"] {
        told(&line.repeat(256 * 1024 / line.len()));
    }
    // Each names another, or one that is not there; all of it good but for its length.
    for tables in [
        |n| format!("[[partition]]\nid = \"p{n}\"\ncommon-to = [\"p{}\"]\n", n + 1),
        |n: usize| {
            format!("[[partition]]\nid = \"p{n}\"\n[[zone]]\nid = \"z{n}\"\npartition = \"q\"\n")
        },
        |n| {
            format!(
                "[[partition]]\nid = \"p{n}\"\n[[zone]]\nid = \"z{n}\"\nkind = \"follower\"\n\
                 input = \"c{n}:1\"\npartition = \"p{n}\"\n[[zone]]\nid = \"e{n}\"\n\
                 kind = \"entry-exit\"\ninput = \"d{n}:1\"\npartition = \"p{n}\"\n"
            )
        },
    ] {
        told(&(0..4000).map(tables).collect::<String>());
    }
}

#[test]
fn tables_within_tables_within_tables_end() {
    told(&format!("a = {}", "[".repeat(100_000)));
    told(&format!("a = {}", "{a=".repeat(100_000)));
    told(&"a.".repeat(100_000));
}
