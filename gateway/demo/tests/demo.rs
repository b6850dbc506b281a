//! The demo as somebody starts it: the real binary, with its real child processes.

mod run;

use std::time::Duration;

use run::{Demo, Http, finished, until};
use serde_json::Value;

/// Time for a debug build on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn broker_and_power_are_cut_and_nothing_is_lost_and_nobody_is_left_behind() {
    let demo = Demo::start(&["--for", "12s", "--json", "--port", "0"]);
    let pid = demo.pid();
    let (code, last, story) = demo.end();
    assert_eq!(code, Some(0), "{story}");
    let result: Value = serde_json::from_str(&last).unwrap();
    let number = |key: &str| result[key].as_u64().unwrap_or_else(|| panic!("{key}: {result}"));
    assert!(number("stored") > 20, "{result}");
    assert_eq!(number("stored"), number("received"), "{result}");
    assert_eq!(number("stored"), number("broker_acked"), "{result}");
    assert_eq!(number("lost"), 0);
    // The keys and their order are what other programs read.
    let order = ["stored", "broker_acked", "received", "lost", "duplicates", "edge_to_publish_ms"];
    let places: Vec<_> = order.map(|key| last.find(&format!("\"{key}\":")).unwrap()).to_vec();
    assert!(places.is_sorted(), "{last}");
    assert!(result["edge_to_publish_ms"]["p50"].as_f64().unwrap() > 0.0, "{result}");
    assert!(story.contains("broker cut 2 times, power cut 2 times"), "{story}");
    assert_eq!(run::parts_of(pid), Vec::<String>::new());
}

#[test]
fn in_a_calm_run_every_single_edge_is_recorded() {
    let (code, last, story) =
        Demo::start(&["--for", "8s", "--calm", "--json", "--port", "0"]).end();
    assert_eq!(code, Some(0), "{story}");
    let result: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((result["lost"].as_u64(), result["duplicates"].as_u64()), (Some(0), Some(0)));
    assert!(story.contains("broker cut 0 times, power cut 0 times"), "{story}");
}

#[test]
fn the_parts_die_with_a_demo_that_is_killed() {
    let demo = Demo::start(&["--port", "0"]);
    let pid = demo.pid();
    demo.page();
    assert_eq!(run::parts_of(pid).len(), 2, "broker and box");
    demo.kill();
    assert!(finished(PATIENCE, || run::parts_of(pid).is_empty()), "{:?}", run::parts_of(pid));
}

#[test]
fn a_viewer_opens_a_door_breaks_everything_and_ends_the_demo_with_nothing_lost() {
    let demo = Demo::start(&["--port", "0", "--pace", "0.1", "--quiet"]);
    let pid = demo.pid();
    let http = Http::at(&demo.page());
    let door = |id: &str, view: &Value| {
        let doors = view["doors"].as_array().unwrap();
        doors.iter().find(|door| door["id"] == id).unwrap()["state"].clone()
    };

    until(PATIENCE, "all is calm", || http.view()["banner"] == "calm");
    assert_eq!(http.post("/api/doors/roof/open"), 204);
    assert_eq!(http.post("/api/doors/roof/open"), 409, "it is open already");
    until(PATIENCE, "the control room sees it", || door("roof", &http.view()) == "open");

    assert_eq!(http.post("/api/power/cut"), 204);
    until(PATIENCE, "the dead box's doors are unknown", || {
        let view = http.view();
        view["box"] == "down" && door("roof", &view) == "unknown"
    });
    assert_eq!(http.post("/api/doors/roof/close"), 204);
    until(PATIENCE, "it comes back and finds the door closed", || {
        door("roof", &http.view()) == "closed"
    });
    let found = http.view()["events"].as_array().unwrap().iter().any(|event| {
        event["source"] == "roof"
            && event["type"] == "door.closed"
            && event["flags"].as_array().unwrap().contains(&"while_down".into())
    });
    assert!(found, "{}", http.view());

    assert_eq!(http.post("/api/broker/cut"), 204);
    assert_eq!(http.post("/api/doors/garage/open"), 204);
    until(PATIENCE, "the event waits", || {
        let view = http.view();
        view["banner"] == "broker_down" && view["counts"]["waiting"].as_u64() > Some(0)
    });
    // Ended in the middle of it: the demo mends what is cut before it counts.
    demo.interrupt();
    let (code, _, story) = demo.end();
    assert_eq!(code, Some(0), "{story}");
    assert!(story.contains(" 0 lost"), "{story}");
    assert_eq!(run::parts_of(pid), Vec::<String>::new());
}

#[test]
fn another_site_in_the_same_browser_can_neither_look_nor_act() {
    let demo = Demo::start(&["--port", "0"]);
    let http = Http::at(&demo.page());
    let host = http.host();
    let get = |headers: &str| http.status(&format!("GET /api/snapshot HTTP/1.1\r\n{headers}"));
    let cut = |headers: &str| http.status(&format!("POST /api/power/cut HTTP/1.1\r\n{headers}"));
    assert_eq!(get(&format!("Host: {host}\r\n")), 200);
    assert_eq!(get("Host: rebound.example\r\n"), 403);
    assert_eq!(cut(&format!("Host: {host}\r\n")), 403);
    let foreign = "x-gatehouse-demo: 1\r\nOrigin: http://evil.example\r\n";
    assert_eq!(cut(&format!("Host: {host}\r\n{foreign}")), 403);
    assert_eq!(http.view()["cuts"]["power"], 0);
    demo.interrupt();
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn a_port_in_use_and_a_wrong_command_line_are_said_plainly() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, story) = Demo::start(&["--port", &port]).end();
    assert_eq!(code, Some(70), "{story}");
    assert!(story.contains("give another port with --port"), "{story}");
    let (code, _, story) = Demo::start(&["--json"]).end();
    assert_eq!(code, Some(64), "{story}");
}
