//! The demo as somebody starts it: the real binary, with its real child processes.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, wherever it stands")]

mod browser;
mod run;

use std::time::Duration;

use run::{Demo, Http, finished, until};
use serde_json::{Value, json};

/// Time for a debug build on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(40);

fn whole_break_in() -> Value {
    json!({"alarm": true, "incident": true, "acknowledged": true, "acked_at_the_box": true,
        "still_armed": true})
}

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
    let more = ["break_in", "alarm", "incident", "acknowledged", "acked_at_the_box", "still_armed"];
    let place = |key: &str| last.find(&format!("\"{key}\":")).unwrap();
    let places: Vec<_> = order.into_iter().chain(more).map(place).collect();
    assert!(places.is_sorted(), "{last}");
    // Armed and broken into while broker and power were cut, and handled from the control room.
    assert_eq!(result["break_in"], whole_break_in(), "{story}");
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
    assert_eq!(result["break_in"], whole_break_in(), "{story}");
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

/// The one of these things with this id.
fn thing(view: &Value, kind: &str, id: &str) -> Value {
    let things = view[kind].as_array().unwrap();
    things.iter().find(|thing| thing["id"] == id).cloned().unwrap_or_default()
}

fn has(view: &Value, kind: &str, flag: &str) -> bool {
    let events = view["events"].as_array().unwrap();
    events.iter().any(|event| {
        event["type"] == kind
            && (flag.is_empty() || event["flags"].as_array().unwrap().contains(&flag.into()))
    })
}

#[test]
fn a_viewer_arms_breaks_in_and_acknowledges_at_the_control_room() {
    let demo = Demo::start(&["--port", "0", "--pace", "0.1", "--quiet"]);
    let http = Http::at(&demo.page());
    let state = |kind: &str, id: &str| thing(&http.view(), kind, id)["state"].clone();
    until(PATIENCE, "all is calm", || http.view()["banner"] == "calm");

    // What is open prevents arming and is named; with force it is passed over, and shown.
    assert_eq!(http.post("/api/zones/window/activate"), 204);
    until(PATIENCE, "the window is seen", || state("zones", "window") == "active");
    let refused = http.refused("/api/partitions/perimeter/away");
    let blocker = json!({"kind": "zone", "id": "window", "why": "active", "forcible": true});
    assert_eq!(refused, json!({"why": "not ready", "blockers": [blocker]}));
    assert_eq!(http.post("/api/partitions/perimeter/away?force"), 204);
    until(PATIENCE, "armed without it", || {
        let view = http.view();
        thing(&view, "partitions", "perimeter")["state"] == "armed-away"
            && thing(&view, "zones", "window")["flags"] == json!(["bypassed"])
    });
    assert_eq!(http.post("/api/partitions/perimeter/disarm"), 204);
    assert_eq!(http.post("/api/partitions/lobby/away"), 204);
    until(PATIENCE, "people leave, and the end of that is known", || {
        let lobby = thing(&http.view(), "partitions", "lobby");
        lobby["state"] == "arming" && lobby["until"].is_string()
    });
    assert_eq!(http.post("/api/partitions/lobby/disarm"), 204);

    // The whole story.
    assert_eq!(http.post("/api/break-in"), 204);
    http.refused("/api/break-in");
    let incident = |view: &Value, source: &str| {
        let all = view["incidents"].as_array().unwrap();
        let with = |one: &&Value| one["sources"].as_array().unwrap().contains(&source.into());
        all.iter().find(with).cloned().unwrap_or_default()
    };
    until(PATIENCE, "it is the viewer's turn", || http.view()["story"] == "turn");
    let view = http.view();
    let (outside, inside) = (incident(&view, "zone/window"), incident(&view, "zone/lobby-motion"));
    assert_eq!((&outside["phase"], &outside["danger"]), (&"active".into(), &"burglary".into()));
    assert_ne!(outside["id"], inside["id"], "{view}");
    assert_eq!(view["banner"], "alarm");

    // Armed stays armed over a power cut, and what was open is not over.
    assert_eq!(http.post("/api/power/cut"), 204);
    until(PATIENCE, "nobody knows", || {
        let view = http.view();
        thing(&view, "partitions", "perimeter")["state"] == "unknown"
            && incident(&view, "zone/window")["phase"] == "unknown"
    });
    let away = http.refused(&format!("/api/incidents/{}/ack", outside["id"].as_str().unwrap()));
    assert!(away["why"].as_str().unwrap().contains("the gateway demo-box is"), "{away}");
    until(PATIENCE, "it is as it was", || {
        let view = http.view();
        thing(&view, "partitions", "perimeter")["state"] == "triggered"
            && incident(&view, "zone/window")["phase"] == "active"
    });
    for one in [&outside, &inside] {
        let id = one["id"].as_str().unwrap();
        assert_eq!(http.post(&format!("/api/incidents/{id}/ack")), 204);
        until(PATIENCE, "the box has it acknowledged", || {
            let now = thing(&http.view(), "incidents", id);
            now["phase"] == "acked" && now["by"] == "op-demo"
        });
        let again = http.refused(&format!("/api/incidents/{id}/ack"));
        assert!(again["why"].as_str().unwrap().contains("acknowledged already by op-demo"));
        assert_eq!(http.post(&format!("/api/incidents/{id}/close")), 204);
        until(PATIENCE, "it is closed", || thing(&http.view(), "incidents", id).is_null());
    }
    assert!(has(&http.view(), "incident.acked", "") && has(&http.view(), "incident.closed", ""));

    // A window that opens while the box is dark is an alarm when it is back.
    assert_eq!(http.post("/api/zones/window/calm"), 204);
    until(PATIENCE, "the window is shut", || state("zones", "window") == "normal");
    assert_eq!(http.post("/api/power/cut"), 204);
    assert_eq!(http.post("/api/zones/window/activate"), 204);
    until(PATIENCE, "found on the return", || has(&http.view(), "zone.alarm", "while_down"));

    // A silent panic: the control room has it, and the sensor does not tell.
    assert_eq!(http.post("/api/zones/guard-silent/pulse"), 204);
    until(PATIENCE, "it is at the control room, silent", || {
        let silent = incident(&http.view(), "zone/guard-silent");
        silent["silent"] == true && silent["danger"] == "silent-panic"
    });
    assert_eq!(state("zones", "guard-silent"), "normal");
    demo.interrupt();
    let (code, _, story) = demo.end();
    assert_eq!(code, Some(0), "{story}");
}

#[test]
fn a_browser_draws_the_plan_the_partitions_and_the_incident_in_both_languages() {
    let demo = Demo::start(&["--port", "0", "--pace", "0.1", "--quiet"]);
    let http = Http::at(&demo.page());
    until(PATIENCE, "all is calm", || http.view()["banner"] == "calm");
    let page = browser::look(&http, "lang=en");
    for id in ["fence-north", "window", "lobby-motion", "garage-gate", "guard-panic"] {
        assert_eq!(page.attribute(&format!("zone-{id}"), "data-state"), "normal", "{id}");
    }
    assert_eq!(page.attribute("partition-perimeter", "data-state"), "disarmed");
    assert_eq!(page.attribute("area-garage", "data-state"), "disarmed");
    assert!(page.says("Nothing is open."));

    assert_eq!(http.post("/api/break-in"), 204);
    until(PATIENCE, "it is the viewer's turn", || http.view()["story"] == "turn");
    let page = browser::look(&http, "lang=en");
    assert_eq!(page.attribute("zone-window", "data-state"), "alarm");
    assert_eq!(page.attribute("zone-window", "aria-label"), "Window: ALARM. Put it right");
    assert_eq!(page.attribute("zone-garage-gate", "data-state"), "normal");
    assert_eq!(page.attribute("area-lobby", "data-state"), "triggered");
    assert_eq!(page.attribute("banner", "data-code"), "alarm");
    assert!(page.says("Burglary, perimeter") && page.says("Acknowledge"));
    let page = browser::look(&http, "lang=zh");
    assert!(page.says("入侵，周界") && page.says("一层窗户") && !page.says("Burglary"));

    // What nobody hears of is not drawn as it was.
    assert_eq!(http.post("/api/power/cut"), 204);
    until(PATIENCE, "nobody knows", || {
        thing(&http.view(), "zones", "window")["state"] == "unknown"
    });
    assert_eq!(http.post("/api/broker/cut"), 204);
    let page = browser::look(&http, "lang=en");
    assert_eq!(page.attribute("zone-window", "data-state"), "unknown");
    assert_eq!(page.attribute("area-lobby", "data-state"), "unknown");
    demo.interrupt();
    assert_eq!(demo.end().0, Some(0));
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
