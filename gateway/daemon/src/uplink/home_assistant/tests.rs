use super::*;

const FILE: &str = r#"
[gateway]
id = "g-1"
district = "d-1"
site = "s-1"
state-dir = "STATE"

[[partition]]
id = "flat"

[[door]]
id = "main"
name = "Haus 3"
input = "sim:0"

[[zone]]
id = "hall"
kind = "follower"
partition = "flat"
record = false
input = "sim:1"

[[zone]]
id = "counter"
kind = "silent-panic"
input = "sim:2"

[[broker]]
id = "b"
host = "127.0.0.1"

[sim]
socket = "/tmp/world.sock"

[home-assistant]
enabled = true
"#;

const BEAT: Duration = Duration::from_secs(30);

fn config(text: &str, state: &std::path::Path) -> Config {
    let text = text.replace("STATE", state.to_str().unwrap());
    Config::parse(&text, "x").unwrap()
}

fn keys(publication: &Publication) -> Vec<String> {
    let device = publication.payload.as_ref().unwrap();
    device["cmps"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn a_silent_button_is_not_shown_and_names_only_where_the_site_says_so() {
    let state = tempfile::tempdir().unwrap();
    let mut there = HomeAssistant::new(&config(FILE, state.path()));
    let [told] = &there.publications(&config(FILE, state.path()), BEAT)[..] else { panic!() };
    assert_eq!(told.topic, "homeassistant/device/gatehouse-g-1/config");
    let text = told.payload.as_ref().unwrap().to_string();
    assert!(!text.contains("counter") && !text.contains("Haus 3"), "{text}");
    let device = told.payload.as_ref().unwrap();
    assert_eq!(device["cmps"]["zone_hall"]["device_class"], "motion");
    assert_eq!(device["cmps"]["partition_flat"]["supported_features"], serde_json::json!([]));
    let named = config(&format!("{FILE}names = true\n"), state.path());
    let device = there.publications(&named, BEAT).remove(0).payload.unwrap();
    assert_eq!(device["cmps"]["door_main"]["name"], "Haus 3");
}

#[test]
fn what_is_gone_is_taken_back_also_by_the_next_start_until_the_broker_has_it() {
    let state = tempfile::tempdir().unwrap();
    let whole = config(FILE, state.path());
    let (before, _) = FILE.split_once("[[zone]]\nid = \"hall\"").unwrap();
    let (_, after) = FILE.split_once("[[zone]]\nid = \"counter\"").unwrap();
    let less = config(&format!("{before}[[zone]]\nid = \"counter\"{after}"), state.path());
    let mut there = HomeAssistant::new(&whole);
    assert_eq!(there.publications(&whole, BEAT).len(), 1);
    there.settle(&whole, BEAT);

    // The hall is gone, and the broker never says that it has heard so.
    let told = there.publications(&less, BEAT);
    assert_eq!(told.len(), 2);
    let gone = &told[0].payload.as_ref().unwrap()["cmps"]["zone_hall"];
    assert_eq!(*gone, serde_json::json!({ "p": "binary_sensor" }));
    assert!(!keys(&told[1]).contains(&"zone_hall".to_owned()));
    let mut there = HomeAssistant::new(&less);
    assert_eq!(there.publications(&less, BEAT), told, "the next start says it again");
    there.settle(&less, BEAT);
    assert_eq!(there.publications(&less, BEAT).len(), 1, "once it has, it is forgotten");
    there.settle(&less, BEAT);

    // Switched off: the device is taken back, and then nothing is kept of it.
    let off = config(&FILE.replace("enabled = true", "enabled = false"), state.path());
    let mut there = HomeAssistant::new(&off);
    let topic = "homeassistant/device/gatehouse-g-1/config".to_owned();
    assert_eq!(there.publications(&off, BEAT), [Publication { topic, payload: None }]);
    there.settle(&off, BEAT);
    assert_eq!(there.publications(&off, BEAT), []);
    assert!(!state.path().join("home-assistant.json").exists());
}

#[test]
fn another_prefix_takes_back_what_stands_under_the_old_one() {
    let state = tempfile::tempdir().unwrap();
    let mut there = HomeAssistant::new(&config(FILE, state.path()));
    there.publications(&config(FILE, state.path()), BEAT);
    let moved = config(&format!("{FILE}prefix = \"ha\"\n"), state.path());
    let told = there.publications(&moved, BEAT);
    let topics: Vec<_> = told.iter().map(|it| (&*it.topic, it.payload.is_some())).collect();
    assert_eq!(
        topics,
        [
            ("homeassistant/device/gatehouse-g-1/config", false),
            ("ha/device/gatehouse-g-1/config", true),
        ]
    );
    assert_eq!(HomeAssistant::birth(&moved), Some("ha/status".to_owned()));
}
