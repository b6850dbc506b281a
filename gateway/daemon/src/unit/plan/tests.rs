//! What runs on, and what does not.

use super::*;

/// A configuration with these doors on these lines, with this debounce.
fn config(doors: &[(&str, &str, u32)]) -> Config {
    let mut text =
        "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n[sim]\nsocket = \"/w\"\n\
                    [[broker]]\nid = \"b\"\nhost = \"localhost\"\n"
            .to_owned();
    for (id, line, debounce) in doors {
        let table =
            format!("[[door]]\nid = \"{id}\"\ninput = \"{line}\"\ndebounce-ms = {debounce}\n");
        text.push_str(&table);
    }
    Config::parse(&text, "test").unwrap()
}

/// What a change leaves running.
fn after(running: BTreeMap<String, Spec>, change: &Change) -> BTreeMap<String, Spec> {
    let mut running = running;
    running.retain(|name, _| !change.stop.contains(name));
    running.extend(change.keep.clone());
    running.extend(change.start.clone());
    running
}

/// Runs one configuration after the other and says which parts each has started.
fn starts(configs: &[Config]) -> Vec<Vec<String>> {
    let mut running = BTreeMap::new();
    let mut starts = Vec::new();
    for config in configs {
        let change = change(&running, plan(config));
        starts.push(change.start.keys().cloned().collect());
        running = after(running, &change);
        assert!(
            running.keys().eq(change
                .keep
                .keys()
                .chain(change.start.keys())
                .collect::<BTreeSet<_>>())
        );
        // Each wanted line is watched once, and none by two parts, not even ignored.
        let mut watched: Vec<&String> = Vec::new();
        for spec in running.values() {
            let Spec::Lines(part) = spec else { continue };
            watched.extend(part.lines.keys().chain(&part.ignored));
        }
        let all: BTreeSet<_> = watched.iter().copied().collect();
        assert_eq!(all.len(), watched.len(), "a line is watched twice");
        for Wire { line, .. } in wired(config) {
            assert!(all.contains(&line.to_string()), "{line} is not watched");
        }
    }
    starts
}

#[test]
fn an_equal_configuration_starts_and_stops_nothing() {
    let config = config(&[("a", "chip0:1", 0), ("b", "chip1:1", 0)]);
    let running = plan(&config);
    let change = change(&running, plan(&config));
    assert_eq!((change.stop.len(), change.start.len(), change.keep), (0, 0, running));
}

#[test]
fn a_line_that_is_added_is_a_part_of_its_own_and_the_order_does_not_matter() {
    let before = config(&[("a", "chip0:1", 0), ("b", "chip0:2", 0)]);
    let after = config(&[("c", "chip0:3", 0), ("b", "chip0:2", 0), ("a", "chip0:1", 0)]);
    let more = config(&[
        ("d", "chip0:4", 0),
        ("c", "chip0:3", 0),
        ("b", "chip0:2", 0),
        ("a", "chip0:1", 0),
    ]);
    let chip = || "gpio_lines(chip0)".to_owned();
    let starts = starts(&[before, after, more]);
    assert_eq!(starts, [vec![chip()], vec![chip() + "+2"], vec![chip() + "+3"]]);
}

#[test]
fn a_line_that_is_gone_disturbs_none_and_may_come_back() {
    let both = config(&[("a", "chip0:1", 0), ("b", "chip0:2", 0)]);
    let one = config(&[("a", "chip0:1", 0)]);
    let none: Vec<String> = Vec::new();
    let chip = vec!["gpio_lines(chip0)".to_owned()];
    // Coming back it must be found anew: its part is started anew.
    assert_eq!(starts(&[both.clone(), one, both]), [chip.clone(), none, chip]);
}

#[test]
fn only_the_part_of_a_line_that_is_wired_otherwise_is_started_anew() {
    let before = config(&[("a", "chip0:1", 0), ("b", "chip1:1", 0)]);
    let after = config(&[("a", "chip0:1", 5), ("b", "chip1:1", 0)]);
    let renamed = config(&[("z", "chip0:1", 5), ("b", "chip1:1", 0)]);
    let starts = starts(&[before, after, renamed]);
    assert_eq!(starts[1..], [["gpio_lines(chip0)"], ["gpio_lines(chip0)"]]);
}

#[test]
fn a_chip_that_nobody_needs_is_let_go() {
    let before = config(&[("a", "chip0:1", 0), ("b", "chip1:1", 0)]);
    let running = plan(&before);
    let change = change(&running, plan(&config(&[("b", "chip1:1", 0)])));
    assert_eq!(change.stop, BTreeSet::from(["gpio_lines(chip0)".to_owned()]));
    assert!(change.start.is_empty() && change.keep.len() == 1);
}

/// Two buses with an expander each, of which the first has its interrupt wired.
fn chips(doors: &str) -> Config {
    let text = format!(
        "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
         [[broker]]\nid = \"b\"\nhost = \"localhost\"\n\
         [[bus]]\nid = \"one\"\ndevice = \"/dev/i2c-1\"\n\
         [[bus]]\nid = \"two\"\ndevice = \"/dev/i2c-2\"\n\
         [[chip]]\nid = \"exp1\"\nbus = \"one\"\nkind = \"mcp23017\"\ninterrupt = \"chip0:4\"\n\
         [[chip]]\nid = \"exp2\"\nbus = \"two\"\nkind = \"mcp23017\"\n{doors}"
    );
    Config::parse(&text, "test").unwrap_or_else(|errors| panic!("{errors}"))
}

fn door(id: &str, line: &str) -> String {
    format!("[[door]]\nid = \"{id}\"\ninput = \"{line}\"\n")
}

#[test]
fn a_bus_runs_on_while_nothing_on_its_own_chips_changes() {
    let before = chips(&(door("a", "exp1:0") + &door("b", "exp2:0")));
    let running = plan(&before);
    let names: Vec<_> = running.keys().map(String::as_str).collect();
    assert_eq!(names, ["gpio_lines(chip0)", "i2c_bus(one)", "i2c_bus(two)"]);
    // The door of the other bus comes first now, and another beside it: its places have moved.
    let after = chips(&(door("b", "exp2:0") + &door("c", "exp2:1") + &door("a", "exp1:0")));
    let change = change(&running, plan(&after));
    assert_eq!(change.start.keys().collect::<Vec<_>>(), ["i2c_bus(two)"]);
    assert_eq!(change.stop, BTreeSet::from(["i2c_bus(two)".to_owned()]));
    assert!(change.keep.contains_key("i2c_bus(one)"));
    assert!(change.keep.contains_key("gpio_lines(chip0)"), "the interrupt line is watched on");
}
