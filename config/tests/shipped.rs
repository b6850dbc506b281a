//! What is shipped: the commented file, the examples, the schema and the manual page.

use std::path::Path;
use std::time::Duration;

use gatehouse_config::{
    Bias, Chip, Config, Contact, Credentials, LogFormat, LogLevel, PasswordSource, Protocol, Sim,
    credentials_man_page, man_page,
};
use gatehouse_core::event::Class;
use gatehouse_core::uplink::Reporting;
use serde_json::Value;

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

fn good(path: &str) -> Config {
    Config::parse(&file(path), path).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Every key of the schema: the path of its table, its name, and its schema.
fn keys(schema: &Value, path: &str, found: &mut Vec<(String, String, Value)>) {
    for (name, property) in schema["properties"].as_object().expect("a table has keys") {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match property["type"].as_str() {
            Some("object") => keys(property, &below, found),
            Some("array") if property["items"]["type"] == "object" => {
                keys(&property["items"], &below, found);
            }
            _ => found.push((path.to_owned(), name.clone(), property.clone())),
        }
    }
}

fn all_keys_of_credentials() -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    keys(&serde_json::from_str(&Credentials::schema()).expect("JSON"), "", &mut found);
    found
}

fn all_keys() -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    keys(&serde_json::from_str(&Config::schema()).expect("JSON"), "", &mut found);
    assert!(found.len() > 40, "{found:?}");
    found
}

#[test]
fn schema_and_manual_page_are_what_the_keys_say() {
    let how = "run `cargo run -p gatehouse-config --example generate`";
    assert_eq!(file("gateway.schema.json"), Config::schema(), "{how}");
    assert_eq!(file("../deploy/man/gateway.toml.5"), man_page(), "{how}");
    assert_eq!(file("credentials.schema.json"), Credentials::schema(), "{how}");
    assert_eq!(file("../deploy/man/credentials.toml.5"), credentials_man_page(), "{how}");
}

#[test]
fn the_commented_file_shows_every_key_in_its_table_with_its_default() {
    let text = file("gateway.toml");
    assert!(text.starts_with("#:schema ./gateway.schema.json\n"));
    let list = file("credentials.toml");
    assert!(list.starts_with("#:schema ./credentials.schema.json\n"));
    let all = all_keys().into_iter().map(|key| (&text, key));
    for (text, (table, name, schema)) in
        all.chain(all_keys_of_credentials().into_iter().map(|key| (&list, key)))
    {
        let mut here = String::new();
        let shown = text.lines().find_map(|line| {
            let line = line.strip_prefix('#').unwrap_or(line);
            if line.starts_with('[') {
                here = line.trim_matches(['[', ']']).to_owned();
            }
            (here == table).then(|| line.strip_prefix(&format!("{name} = "))).flatten()
        });
        let shown = shown.unwrap_or_else(|| panic!("[{table}] {name} is not in gateway.toml"));
        if let Some(default) = schema.get("default") {
            assert_eq!(&serde_json::from_str::<Value>(shown).unwrap(), default, "{table}.{name}");
        }
        let doc = schema["description"].as_str().unwrap();
        assert!(doc.ends_with('.'), "{table}.{name} is described in whole sentences");
    }
}

#[test]
fn the_manual_page_has_every_key_under_its_table() {
    let pages = [man_page(), credentials_man_page()].map(|page| page.replace("\\-", "-"));
    let all = all_keys().into_iter().map(|key| (&pages[0], key));
    for (page, (table, name, _)) in
        all.chain(all_keys_of_credentials().into_iter().map(|key| (&pages[1], key)))
    {
        let section = page
            .split(".SH TABLE ")
            .find(|section| {
                section.lines().next().is_some_and(|head| head.trim_matches(['[', ']']) == table)
            })
            .unwrap_or_else(|| panic!("no section for [{table}]"));
        assert!(section.contains(&format!(".TP\n.BR {name} ")), "[{table}] {name}");
    }
}

/// The keys that exclude each other, of which only one may be taken out of its comment.
const EXCLUDED: [&str; 10] = [
    "#chip = ",
    "#password-credential",
    "#key-credential",
    "#secret-key-credential",
    "#script",
    "#reader",
    "#snapshot",
    "#device = \"/dev/v4l",
    "#every-ms",
    "#size",
];

fn uncommented(path: &str) -> String {
    let text = file(path);
    let lines: Vec<_> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => {
                if EXCLUDED.iter().any(|key| line.starts_with(key)) {
                    line
                } else {
                    rest
                }
            }
            _ => line,
        })
        .collect();
    lines.join("\n")
}

#[test]
fn every_key_of_the_commented_file_may_be_taken_out_of_its_comment() {
    let config = Config::parse(&uncommented("gateway.toml"), "all")
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.journal.keep(Class::Access), Some(Duration::from_secs(90 * 86_400)));
    assert_eq!(config.sim, Some(Sim::Socket("/run/gatehouse/world.sock".into())));
    assert_eq!((config.zones.len(), config.partitions.len(), config.crosses.len()), (7, 2, 1));
    assert_eq!(
        (config.help_points.len(), config.checkpoints.len(), config.rounds.len()),
        (1, 2, 1)
    );
    assert_eq!((config.outputs.len(), config.doors[0].lock.as_ref().unwrap().output), (3, 1));
    assert_eq!(config.challenge.as_ref().unwrap().rules.output, 2);
    assert_eq!((config.cameras.len(), config.cameras[0].areas.len()), (2, 1));
    assert_eq!((config.doors.len(), config.buses.len(), config.chips.len()), (3, 2, 5));
    assert_eq!((config.readers.len(), config.rs485.len(), config.areas.len()), (2, 1, 2));
    let list = Credentials::parse(&uncommented("credentials.toml"), "list", &config);
    let list = list.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((list.list.len(), list.warnings().is_empty()), (1, true));
    assert!(list.list[0].is_limited() && list.list[0].duress_pin.is_some());
    // The stair is there to show what a common area is; the box that has one adds its own zones. And
    // a schedule that disarms is always told.
    let warnings: Vec<_> = config.warnings().lines().collect();
    let [disarms, stair] = &warnings[..] else { panic!("{warnings:?}") };
    let (disarms, stair) =
        if disarms.contains("stair") { (stair, disarms) } else { (disarms, stair) };
    assert!(disarms.contains("disarms partition \"ground-floor\""), "{warnings:?}");
    assert!(stair.contains("\"stair\""), "{warnings:?}");
    assert_eq!((config.schedules.len(), config.key_switches.len()), (1, 1));
}

#[test]
fn the_commented_file_is_good_and_its_defaults_are_these() {
    let config = good("gateway.toml");
    assert!(config.warnings().is_empty(), "{}", config.warnings());
    assert_eq!(config.address.to_string(), "gatehouse/v1/d-12/s-204/g-7f3a");
    assert_eq!(config.time_zone, jiff::tz::TimeZone::UTC);
    assert_eq!(config.state_dir, Path::new("/var/lib/gatehouse"));
    assert_eq!(config.socket, Path::new("/run/gatehouse/control.sock"));
    let [door] = &config.doors[..] else { panic!("{:?}", config.doors) };
    let line = door.input.line().unwrap();
    assert_eq!((&line.chip, line.offset), (&Chip::Gpio("gpiochip0".into()), 17));
    assert_eq!((door.contact, door.bias), (Contact::NormallyClosed, Bias::PullUp));
    assert_eq!(door.debounce, Duration::from_millis(50));
    let [broker] = &config.brokers[..] else { panic!("{:?}", config.brokers) };
    assert_eq!((broker.port, broker.protocol), (8883, Protocol::V5));
    assert_eq!(broker.keep_alive, Duration::from_secs(15));
    assert!(config.zones.is_empty() && config.partitions.is_empty() && config.crosses.is_empty());
    assert_eq!((config.alarm.grade, config.alarm.ack_within.as_secs()), (2, 60));
    assert_eq!(config.uplink.reporting, Reporting::S90);
    assert_eq!(config.uplink.heartbeat, Duration::from_secs(25));
    assert_eq!(config.uplink.standby_poll, Duration::from_secs(900));
    assert_eq!((config.uplink.replay_rate, config.uplink.in_flight), (200, 16));
    assert_eq!(config.uplink.replay_jitter, Duration::from_secs(30));
    assert_eq!(config.uplink.host_timeout, Duration::from_secs(60));
    assert_eq!(config.journal.max_bytes, 512 << 20);
    assert_eq!(config.journal.reserve_bytes, 4 << 20);
    assert_eq!(config.journal.keep, [None; 10]);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));
    assert_eq!(config.sim, None);
}

#[test]
fn the_examples_are_good_and_nothing_in_them_is_unwise() {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap()
    {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let config = good(path.to_str().unwrap());
            assert!(config.warnings().is_empty(), "{}", config.warnings());
            assert!(file(path.to_str().unwrap()).starts_with("#:schema ../gateway.schema.json\n"));
        }
    }
}

#[test]
fn the_rules_get_the_doors_without_names_and_polarity() {
    let lobby = good("examples/lobby.toml");
    let site = lobby.site();
    let drivers: Vec<_> = site.doors.iter().map(|door| door.driver.as_str()).collect();
    assert_eq!(drivers, ["gpiochip0:17", "gpiochip0:27"]);
    assert_eq!(site.doors[0].held_open, Some(Duration::from_secs(45)));
    assert!(!format!("{site:?}").contains("Street"));
    let password = lobby.brokers[0].password.clone();
    assert_eq!(password, Some(PasswordSource::Credential("mqtt.password".into())));

    let community = good("examples/community.toml");
    assert_eq!((community.doors.len(), community.brokers.len()), (24, 3));
    assert_eq!(community.doors[0].name.as_deref(), Some("大门入口"));
    assert_eq!(community.site().doors[0].partition.as_ref().unwrap().as_str(), "gate");
    let tls = community.brokers[2].tls.as_ref().unwrap();
    assert_eq!(tls.server_name.as_deref(), Some("server.willow-court.internal"));
}

#[test]
fn the_hash_is_of_the_bytes_so_a_comment_changes_it() {
    let text = file("gateway.toml");
    let config = Config::parse(&text, "a").unwrap();
    let whole = gatehouse_core::event::hex(&gatehouse_core::event::chain_hash(text.as_bytes()));
    assert_eq!(config.hash(), &whole[..16]);
    let other = Config::parse(&format!("{text}#\n"), "a").unwrap();
    assert_ne!(config.hash(), other.hash());
}
