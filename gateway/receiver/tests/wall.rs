//! The wall as a browser meets it: who may come in, what each sees, and what each may do.

mod common;

use std::fs;

use common::http::Page;
use common::room::{PASSWORD, Room, add};
use common::{Broker, Journal, program, receiver, until, within};
use gatehouse_core::contract::{AlarmOp, GatewayState};
use gatehouse_core::event::Class;
use gatehouse_core::site::Danger;
use gatehouse_link::{ServerTls, Tls};
use gatehouse_receiver::Life;
use gatehouse_receiver::wall::{DEFAULT_SESSION, Wall, WallConfig, WallError};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

#[tokio::test]
async fn nobody_comes_in_without_the_password_and_guessing_locks_out() {
    let room = Room::open(&[("op-7", "operator", &[]), ("op-8", "viewer", &[])]).await;
    let mut page = Page::at(room.address);
    for path in ["/api/session", "/api/live", "/api/sites/s-1", "/api/events"] {
        assert_eq!(page.get(path).await.error(), (401, "login".into()), "{path}");
    }
    // The page itself holds no secret, and loads nothing from elsewhere.
    let index = page.get("/").await;
    assert_eq!(index.status, 200);
    let policy = index.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));

    let answer = page.login("op-7", PASSWORD).await;
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_eq!(page.get("/api/session").await.json()["role"], "operator");
    assert_eq!(page.post("/api/logout", &json!({})).await.status, 200);
    assert_eq!(page.get("/api/session").await.status, 401, "the cookie is of no use any more");

    let mut thief = Page::at(room.address);
    for _ in 0..4 {
        assert_eq!(thief.login("op-7", "correct horse").await.error(), (401, "wrong".into()));
    }
    let locked = thief.login("op-7", "correct horse").await;
    assert_eq!(locked.error(), (429, "locked".into()));
    assert_eq!(locked.header("retry-after"), Some("30"));
    let right = thief.login("op-7", PASSWORD).await;
    assert_eq!(right.error(), (429, "locked".into()), "the right one must wait too");
    assert_eq!(Page::at(room.address).login("nobody", PASSWORD).await.error().1, "wrong");
    assert_eq!(Page::at(room.address).login("op-8", PASSWORD).await.status, 200);
    room.handle.stop().await;
}

#[tokio::test]
async fn another_page_in_the_same_browser_can_do_nothing() {
    let room = Room::open(&[("op-7", "operator", &[])]).await;
    let _gateway = room.gateway("s-1", "g-1").await;
    let page = room.page("op-7").await;
    let act = "/api/incidents/s-1/g-1/a1/ack";
    for (name, value, error) in [
        ("host", "wall.evil.example", "host"),
        ("origin", "http://evil.example", "origin"),
        ("origin", "null", "origin"),
        ("sec-fetch-site", "cross-site", "origin"),
        ("content-type", "text/plain", "json"),
        ("x-gatehouse-csrf", "0123456789", "csrf"),
        ("x-gatehouse-csrf", "", "csrf"),
    ] {
        let answer = page.send("POST", act, &[(name, value)], "{}").await;
        assert_eq!(answer.error(), (403, error.into()), "{name}: {value}");
    }
    let answer = page.send("GET", "/", &[("host", "wall.evil.example")], "").await;
    assert_eq!(answer.error(), (403, "host".into()), "nor look, under another name");
    let answer = page.send("POST", "/api/logout", &[("x-gatehouse-csrf", "1")], "{}").await;
    assert_eq!(answer.error(), (403, "csrf".into()));
    room.handle.stop().await;
}

#[tokio::test]
async fn an_operator_acts_and_a_viewer_looks() {
    let accounts: [(&str, &str, &[&str]); 2] = [("op-7", "operator", &[]), ("eye", "viewer", &[])];
    let room = Room::open(&accounts).await;
    let mut gateway = room.gateway("s-1", "g-1").await;
    let mut journal = Journal::new(&gateway);
    let (operator, viewer) = (room.page("op-7").await, room.page("eye").await);
    let act = |verb: &str| format!("/api/incidents/s-1/g-1/a1/{verb}");

    for verb in ["ack", "note", "close", "escalate"] {
        let answer = viewer.post(&act(verb), &json!({})).await;
        assert_eq!(answer.error(), (403, "viewer".into()), "{verb}");
    }
    assert!(gateway.acts.try_recv().is_err(), "a viewer's act has gone out");

    let mut live = viewer.live().await;
    let (name, mut data) = live.next().await.unwrap();
    assert_eq!(name, "full");
    while data["incidents"]["s-1/g-1/a1"]["shown"] != "active" {
        data = live.next().await.unwrap().1;
    }
    let wanted = async { operator.post(&act("ack"), &json!({})).await };
    let answer = async {
        let said = gateway.act("a1", AlarmOp::Ack).await;
        assert_eq!(said.operator, "op-7");
        gateway.send(Class::Arm, &journal.handled("a1", "incident.acked", "op-7")).await;
        gateway.incident("a1", Danger::Burglary, Some("op-7"), 1).await;
    };
    let (done, ()) = within("the act", async { tokio::join!(wanted, answer) }).await;
    assert_eq!((done.status, done.json()), (200, json!({"seq": 1})));
    // Everybody sees the gateway's event of it, and its new state.
    let (mut event, mut state) = (false, false);
    while !(event && state) {
        let (name, data) = live.next().await.unwrap();
        event |= name == "event" && data["event"]["type"] == "incident.acked";
        state |= name == "change" && data["incidents"]["s-1/g-1/a1"]["acked"]["by"] == "op-7";
    }
    let again = operator.post(&act("ack"), &json!({})).await;
    assert_eq!(again.error(), (409, "acknowledged".into()));
    assert_eq!(again.json()["by"], "op-7");
    assert_eq!(operator.post(&act("note"), &json!({})).await.error(), (400, "text".into()));
    assert_eq!(operator.post(&act("open"), &json!({})).await.error(), (404, "unknown".into()));
    let gone = operator.post("/api/incidents/s-1/g-1/a9/ack", &json!({})).await;
    assert_eq!(gone.error(), (404, "gone".into()));
    gateway.status(GatewayState::Lost, 1).await;
    live.until("change", |data| data["incidents"]["s-1/g-1/a1"]["shown"] == "unknown").await;
    let away = operator.post(&act("close"), &json!({})).await;
    assert_eq!((away.error(), &away.json()["life"]), ((409, "away".into()), &json!("lost")));
    gateway.forget(gateway.address.state("alarm", &"a1".parse().unwrap())).await;
    live.until("change", |data| data["incidents"]["s-1/g-1/a1"] == Value::Null).await;
    live.until("beat", |data| data["now"].as_i64() > Some(1_700_000_000_000)).await;
    room.handle.stop().await;
}

#[tokio::test]
async fn a_command_needs_an_account_that_may_and_sees_and_a_gateway_that_hears() {
    let all: &[&str] =
        &["--command", "all", "--site", "s-1", "--class", "door", "--class", "alarm"];
    let accounts: [(&str, &str, &[&str]); 3] =
        [("eye", "viewer", &[]), ("op-7", "operator", &[]), ("op-8", "operator", all)];
    let room = Room::open(&accounts).await;
    let gateway = room.gateway("s-1", "g-1").await;
    let other = room.gateway("s-2", "g-2").await;
    let (eye, plain) = (room.page("eye").await, room.page("op-7").await);
    let page = room.page("op-8").await;
    assert_eq!(plain.get("/api/session").await.json()["commands"], json!([]));
    let may = page.get("/api/session").await.json()["commands"].as_array().unwrap().len();
    assert_eq!(may, 8);
    let door = json!({"args": {"door": "front"}});
    let output = "/api/commands/s-1/g-1/output";
    assert_eq!(eye.post(output, &door).await.error(), (403, "viewer".into()));
    assert_eq!(plain.post(output, &door).await.error(), (403, "not_yours".into()));
    let wrong = page.post(output, &json!({"args": {"doors": "front"}})).await;
    assert_eq!(wrong.error(), (400, "args".into()));
    assert!(wrong.json()["why"].as_str().unwrap().contains("doors"), "{}", wrong.json());
    for path in ["s-1/g-1/config.get", "s-1/g-1/open", "s-1/g%201/output"] {
        let answer = page.post(&format!("/api/commands/{path}"), &door).await;
        assert_eq!(answer.error(), (404, "unknown".into()), "{path}");
    }
    // What it may not see: another site, and partitions, of which the class `arm` tells.
    let unseen = page.post("/api/commands/s-2/g-2/output", &door).await;
    assert_eq!(unseen.error(), (404, "gone".into()));
    let arm = json!({"args": {"partition": "flat"}});
    let unseen = page.post("/api/commands/s-1/g-1/arm", &arm).await;
    assert_eq!(unseen.error(), (404, "gone".into()));
    assert_eq!(
        page.post("/api/commands/s-1/g-9/output", &door).await.error(),
        (409, "gone".into())
    );
    gateway.status(GatewayState::Lost, 1).await;
    until(&room.handle, "lost", |snapshot| {
        snapshot.gateways.get(&gateway.address).is_some_and(|view| view.life == Life::Lost)
    })
    .await;
    let away = page.post(output, &door).await;
    assert_eq!((away.error(), &away.json()["life"]), ((409, "away".into()), &json!("lost")));
    drop(other);
    room.handle.stop().await;
}

#[tokio::test]
async fn an_account_sees_its_own_sites_and_classes_and_nothing_else_anywhere() {
    let room = Room::open(&[
        ("all", "operator", &[]),
        ("site", "operator", &["--site", "s-2"]),
        ("doors", "operator", &["--class", "door"]),
    ])
    .await;
    let mut ours = room.gateway("s-2", "g-2").await;
    let mut theirs = room.gateway("s-1", "g-1").await;
    let (mut of_ours, mut of_theirs) = (Journal::new(&ours), Journal::new(&theirs));
    let (site, doors) = (room.page("site").await, room.page("doors").await);
    let all = room.page("all").await;
    // What the receiver knows is on the wall when it has been painted.
    within("both are painted", async {
        while all.get("/api/sites/s-1").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (mut at_site, mut at_doors) = (site.live().await, doors.live().await);

    let full = at_site.until("full", |_| true).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&full["gateways"]), ["s-2/g-2"]);
    assert_eq!(keys(&full["incidents"]), ["s-2/g-2/a1"]);
    let full = at_doors.until("full", |_| true).await;
    assert_eq!(keys(&full["gateways"]), ["s-1/g-1", "s-2/g-2"], "whether they live is known");
    assert_eq!(keys(&full["incidents"]), [""; 0], "the incidents are of class alarm");

    // Their events come first: what is heard of ours was not stopped before.
    theirs.send(Class::Door, &of_theirs.door()).await;
    theirs.send(Class::Alarm, &of_theirs.event(Class::Alarm, "zone.alarm")).await;
    ours.send(Class::Alarm, &of_ours.event(Class::Alarm, "zone.alarm")).await;
    ours.send(Class::Door, &of_ours.door()).await;
    theirs.receipt("committed", |receipt| receipt.upto.0 == 2).await;
    ours.receipt("committed", |receipt| receipt.upto.0 == 2).await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let event = at_site.until("event", |_| true).await;
        heard.push(format!("{} {}", event["site"], event["event"]["class"]));
    }
    assert_eq!(heard, ["\"s-2\" \"alarm\"", "\"s-2\" \"door\""]);
    for _ in 0..2 {
        let event = at_doors.until("event", |_| true).await;
        assert_eq!(event["event"]["class"], "door", "{event}");
    }

    let history = async |page: &Page, query: &str| -> Vec<String> {
        let answer = page.get(&format!("/api/events{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let of = |one: &Value| format!("{}{}", one["site"], one["event"]["class"]).replace('"', "");
        answer.json()["events"].as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(history(&all, "").await.len(), 4);
    assert_eq!(history(&all, "?class=alarm").await.len(), 2);
    let all_of = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(all_of(history(&site, "").await), ["s-2alarm", "s-2door"]);
    assert_eq!(history(&site, "?site=s-1").await, [""; 0]);
    assert_eq!(history(&site, "?gateway=g-1").await, [""; 0]);
    assert_eq!(all_of(history(&doors, "").await), ["s-1door", "s-2door"]);
    assert_eq!(history(&doors, "?class=alarm").await, [""; 0]);

    assert_eq!(site.get("/api/sites/s-1").await.error(), (404, "gone".into()));
    assert_eq!(site.get("/api/sites/s-9").await.error(), (404, "gone".into()), "no other answer");
    let whole = site.get("/api/sites/s-2").await.json();
    assert_eq!(whole["gateways"]["g-2"]["things"]["zone"]["hall"]["state"], "active");
    let some = doors.get("/api/sites/s-1").await.json();
    assert_eq!(keys(&some["gateways"]["g-1"]["things"]), ["door"]);

    for (page, act) in [(&site, "s-1/g-1/a1"), (&doors, "s-2/g-2/a1")] {
        let answer = page.post(&format!("/api/incidents/{act}/ack"), &json!({})).await;
        assert_eq!(answer.error(), (404, "gone".into()), "{act}");
    }
    assert!(theirs.acts.try_recv().is_err() && ours.acts.try_recv().is_err());
    room.handle.stop().await;
}

#[tokio::test]
async fn whoever_is_taken_out_of_the_file_is_out_at_once_and_a_bad_file_changes_nothing() {
    let room = Room::open(&[("op-7", "operator", &[]), ("op-8", "operator", &[])]).await;
    let file = room.folder.path().join("accounts.toml");
    let (seven, eight) = (room.page("op-7").await, room.page("op-8").await);
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, "[[account]]\nname = \"op-9\"").unwrap();
    let (mut of_seven, mut of_eight) = (seven.live().await, eight.live().await);
    for _ in 0..2 {
        of_seven.until("beat", |_| true).await;
    }
    fs::write(&file, &good).unwrap();
    let (code, _, err) =
        program(&["account", "remove", "op-7", "--accounts", file.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    of_seven.until("end", |_| true).await;
    assert!(of_seven.next().await.is_none());
    assert_eq!(seven.get("/api/session").await.status, 401);
    of_eight.until("beat", |_| true).await;
    assert_eq!(eight.get("/api/session").await.status, 200);
    room.handle.stop().await;
}

#[tokio::test]
async fn a_wall_that_others_can_reach_needs_tls_and_somebody_who_may_come_in() {
    let broker = Broker::start().await;
    let folder = TempDir::new().unwrap();
    let handle = receiver(&broker, folder.path().join("r.db")).await;
    let file = folder.path().join("accounts.toml");
    let config = |address: &str, plain| WallConfig {
        address: address.parse().unwrap(),
        tls: None,
        plain,
        accounts: file.clone(),
        session: DEFAULT_SESSION,
        database: folder.path().join("r.db").into(),
        signing: None,
    };
    let open = async |config| Wall::open(config, handle.operator()).await.map(drop).unwrap_err();
    assert!(open(config("127.0.0.1:0", false)).await.to_string().contains("account add op-1"));
    fs::write(&file, "").unwrap();
    assert!(matches!(open(config("127.0.0.1:0", false)).await, WallError::Nobody(_)));
    let error = open(config("0.0.0.0:0", false)).await.to_string();
    assert!(error.contains("--wall-cert FILE and --wall-key FILE"), "{error}");
    fs::write(&file, "[[account]]\nname = \"x y\"\nrole = \"viewer\"\npassword = \"p\"\n").unwrap();
    let error = open(config("127.0.0.1:0", false)).await.to_string();
    assert!(error.contains("line 2: name") && error.contains("line 4: password"), "{error}");
    handle.stop().await;
}

#[tokio::test]
async fn over_tls_the_cookie_is_secure_and_a_renewed_certificate_serves_the_next_connection() {
    let (broker, folder) = (Broker::start().await, TempDir::new().unwrap());
    add(folder.path(), "op-7", "operator", &[]);
    let path = |name: &str| folder.path().join(name);
    let issue = |own: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        // What a browser trusts is another file: only the wall's own are renewed under it.
        fs::write(path(own), &certificate).unwrap();
        fs::write(path("wall.pem"), &certificate).unwrap();
        fs::write(path("wall.key"), key.serialize_pem()).unwrap();
    };
    issue("first.pem");
    let handle = receiver(&broker, path("r.db")).await;
    let config = WallConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        tls: Some(ServerTls { certificate: path("wall.pem"), key: path("wall.key") }),
        plain: false,
        accounts: path("accounts.toml"),
        session: DEFAULT_SESSION,
        database: path("r.db").into(),
        signing: None,
    };
    let wall = Wall::open(config, handle.operator()).await.unwrap();
    assert!(wall.url().starts_with("https://"));
    let (port, mut serving) = (wall.address().port(), JoinSet::new());
    serving.spawn(async move { wall.serve().await.unwrap() });
    let ask = async |ca: &str| -> Result<String, String> {
        let tls = Tls { ca: path(ca), client: None, server_name: None };
        let stream = gatehouse_link::open("localhost", port, Some(&tls)).await;
        let mut stream = stream.map_err(|error| error.to_string())?;
        let body = json!({"name": "op-7", "password": PASSWORD}).to_string();
        let request = format!(
            "POST /api/login HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\
             origin: https://localhost:{port}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Servers that close without TLS's own goodbye are everyday.
        let _ = within("the answer", stream.read_to_string(&mut answer)).await;
        Ok(answer)
    };
    let answer = ask("first.pem").await.unwrap();
    let cookie = answer.lines().find(|line| line.starts_with("set-cookie: ")).unwrap();
    assert!(cookie.contains("__Host-gatehouse-wall=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    issue("second.pem");
    assert!(ask("first.pem").await.is_err(), "the old one is still shown");
    assert!(ask("second.pem").await.unwrap().starts_with("HTTP/1.1 200"));
    // A bad one is told in the log, and the last good one goes on.
    fs::write(path("wall.pem"), "nothing").unwrap();
    assert!(ask("second.pem").await.unwrap().starts_with("HTTP/1.1 200"));
    handle.stop().await;
}

#[test]
fn accounts_are_added_listed_renewed_and_removed_by_the_program() {
    let folder = TempDir::new().unwrap();
    add(folder.path(), "guard-204", "viewer", &["--site", "s-204", "--class", "panic"]);
    add(folder.path(), "op-7", "operator", &[]);
    let file = folder.path().join("accounts.toml");
    let file = file.to_str().unwrap();
    let run = |words: &[&str]| program(&[words, &["--accounts", file]].concat());
    let (code, out, _) = run(&["account", "list"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("guard-204") && out.contains("sites s-204; classes panic"), "{out}");
    assert!(out.contains("op-7") && out.contains("sites all; classes all"), "{out}");
    let before = fs::read_to_string(file).unwrap();
    let secret = folder.path().join("secret");
    let secret = secret.to_str().unwrap();
    let (code, ..) = run(&["account", "password", "op-7", "--password-file", secret]);
    assert_eq!(code, Some(0));
    assert_ne!(fs::read_to_string(file).unwrap(), before, "the same password, another salt");
    let case = |words: &[&str], code, text: &str| {
        let (got, _, err) = run(words);
        assert!(got == Some(code) && err.contains(text), "{words:?}: {got:?} {err}");
    };
    case(
        &["account", "add", "op-7", "--role", "viewer"],
        1,
        "there is an account \"op-7\" already",
    );
    case(&["account", "add", "op 9", "--role", "viewer"], 64, "without spaces");
    case(&["account", "add", "op-9", "--role", "boss"], 64, "allowed are viewer and operator");
    case(&["account", "add", "op-9", "--role", "viewer", "--site", "S 1"], 64, "a-z, 0-9 and '-'");
    case(&["account", "remove", "op-9"], 1, "no account \"op-9\"");
    fs::write(secret, "short\n").unwrap();
    let short = ["account", "password", "op-7", "--password-file", secret];
    case(&short, 78, "has 5 characters; allowed are 12 to 256");
    case(&["account", "command", "op-7", "open"], 64, "allowed are arm, disarm");
    case(&["account", "command", "guard-204", "arm"], 1, "a viewer commands nothing");
    let (code, out, _) = run(&["account", "command", "op-7", "arm", "output"]);
    assert_eq!((code, out.as_str()), (Some(0), "op-7 may command: arm, output\n"));
    assert!(run(&["account", "list"]).1.contains("commands arm, output"));
    let (code, out, _) = run(&["account", "command", "op-7", "none"]);
    assert_eq!((code, out.as_str()), (Some(0), "op-7 may command: none\n"));
    case(&["account", "remove", "op-7"], 0, "");
}
