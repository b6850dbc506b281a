//! Whatever is in the file: an answer, never a panic, and never a configuration that is wrong.

use std::collections::HashSet;
use std::time::Duration;

use gatehouse_config::{Chip, Config, MAX_BROKERS, MAX_DOORS};
use proptest::prelude::*;
use proptest::sample::Index;

const COMMUNITY: &str = include_str!("../examples/community.toml");
const COMMENTED: &str = include_str!("../gateway.toml");

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
    let lines: HashSet<_> = config.doors.iter().map(|door| &door.input).collect();
    assert_eq!((ids.len(), lines.len()), (config.doors.len(), config.doors.len()));
    for door in &config.doors {
        assert!(door.debounce <= Duration::from_secs(2));
        assert!(door.held_open.is_none_or(|limit| limit > door.debounce));
        assert!(door.input.chip != Chip::Sim || config.sim.is_some());
    }
    assert!((5..=3600).contains(&config.uplink.heartbeat.as_secs()));
    assert!((1..=128).contains(&config.uplink.in_flight));
    assert!(config.journal.reserve_bytes * 2 <= config.journal.max_bytes);
    assert!(config.brokers.iter().all(|broker| broker.port > 0));
    assert!(config.brokers.iter().all(|b| b.password.is_none() || b.username.is_some()));
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

    /// Cuts, doubles and replaces pieces of good files.
    #[test]
    fn any_change_of_a_good_file_gets_an_answer(
        commented in any::<bool>(),
        changes in prop::collection::vec(
            (any::<Index>(), any::<Index>(), 0u8..4, prop::sample::select(&PIECES[..])),
            1..6,
        ),
    ) {
        let mut text = if commented { COMMENTED.replace("\n#", "\n") } else { COMMUNITY.to_owned() };
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
            for key in ["debounce-ms", "held-open-s", "keep-alive-s", "replay-rate", "max-mib"] {
                let line = COMMUNITY.lines().find(|line| line.starts_with(key)).unwrap();
                told(&COMMUNITY.replace(line, &format!("{key} = {n}")));
            }
        }
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
}

#[test]
fn tables_within_tables_within_tables_end() {
    told(&format!("a = {}", "[".repeat(100_000)));
    told(&format!("a = {}", "{a=".repeat(100_000)));
    told(&"a.".repeat(100_000));
}
